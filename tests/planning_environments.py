"""Small environments of one player whose optimum can be computed, for tests of planning; and policies for them."""

import numpy as np
from tiny_environments import DECLARATION, RULES, load_environment

NUM_JOBS = 8

# Jobs one after another on one machine: the reward is −weight × tardiness. `luck` > 0 draws the durations.
TARDINESS = """import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import integer, uniform
from rlkit.engine.state import params_dtype, state_dtype

NUM_JOBS = 8
STATE = state_dtype(
    durations=(np.int64, (NUM_JOBS,)), weights=(np.int64, (NUM_JOBS,)), due=(np.int64, (NUM_JOBS,)),
    is_done=(np.int8, (NUM_JOBS,)), time=np.int64,
)
PARAMS = params_dtype(luck=0)


@jit
def reset(state, params):
    state.time = 0
    for job in range(NUM_JOBS):
        state.durations[job] = integer(state, 1, 20)
        state.weights[job] = integer(state, 1, 10)
        state.due[job] = integer(state, 5, 70)
        state.is_done[job] = 0


@jit
def step(state, params, action):
    duration = int(state.durations[action])
    if int(params.luck) > 0 and uniform(state) < 0.5:
        duration = 2 * duration
    state.time = int(state.time) + duration
    state.is_done[action] = 1
    num_done = 0
    for job in range(NUM_JOBS):
        num_done += int(state.is_done[job])
    return -float(state.weights[action] * max(0, int(state.time) - int(state.due[action]))), num_done == NUM_JOBS


@jit
def observe(state, params, obs):
    for job in range(NUM_JOBS):
        obs[job, 0] = state.durations[job] / 20
        obs[job, 1] = state.weights[job] / 10
        obs[job, 2] = (int(state.due[job]) - int(state.time)) / 70
        obs[job, 3] = state.is_done[job]


@jit
def action_mask(state, params, mask):
    for job in range(NUM_JOBS):
        mask[job] = 1 - state.is_done[job]
"""


def load_tardiness(folder, *edits):
    """Load the scheduling environment; `folder.name` must be new in this process."""
    return load_environment(
        folder,
        ("rules", RULES, TARDINESS),
        ("__init__", DECLARATION, DECLARATION.replace("(0.0, 10.0, (2,))", "(-10.0, 10.0, (8, 4))")
         .replace("Discrete(2)", "Discrete(8)").replace("max_steps=12", "max_steps=None")),
        *edits,
    )  # fmt: skip


def least_tardiness(durations, weights, due):
    """Return the least weighted tardiness over all orders, by dynamic programming over sets of jobs."""
    best = {0: 0}
    for chosen in range(1, 1 << NUM_JOBS):
        time = sum(int(durations[job]) for job in range(NUM_JOBS) if chosen >> job & 1)
        best[chosen] = min(
            best[chosen ^ 1 << job] + int(weights[job]) * max(0, time - int(due[job]))
            for job in range(NUM_JOBS)
            if chosen >> job & 1
        )
    return best[(1 << NUM_JOBS) - 1]


class EarliestDue:
    """Prefers jobs that are due early; values are `scale` × a guess: nothing will be late."""

    gamma = 1.0

    def __init__(self, sharpness=20.0):
        self._sharpness = sharpness

    def evaluate(self, obs, action_mask=None):
        return (-self._sharpness * obs[..., 2]).astype(np.float32), np.zeros(len(obs), np.float32)

    def act(self, obs, action_mask=None, deterministic=True):
        logits = self.evaluate(obs)[0]
        return np.where(action_mask != 0, logits, -np.inf).argmax(axis=1)


# Guess a coin that is thrown after the choice (1 if right), or take a tenth of `goal` for sure.
BET = [
    ("rules", "from rlkit.engine.rng import uniform", "from rlkit.engine.rng import integer, uniform"),
    ("rules", "    return float(action), int(state.count) >= int(params.goal)", "    return gain, False"),
    (
        "rules",
        "    state.count = int(state.count) + action\n",
        "    guessed = 1.0 if action == integer(state, 0, 2) else 0.0\n"
        "    gain = int(params.goal) / 10 if action == 2 else guessed\n",
    ),
    ("__init__", "max_steps=12", "max_steps=20"),
    ("__init__", "Discrete(2)", "Discrete(3)"),
]


class Plain:
    """Thinks all actions as good and all states worth `value`."""

    def __init__(self, num_actions, value=0.0):
        self._num_actions, self._value = num_actions, value

    def evaluate(self, obs, action_mask=None):
        return np.zeros((len(obs), self._num_actions), np.float32), np.full(len(obs), self._value, np.float32)

    def act(self, obs, action_mask=None, deterministic=True):
        return np.zeros(len(obs), np.int64)
