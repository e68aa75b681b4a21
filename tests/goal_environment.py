"""A tiny goal environment that tests write into a folder: a point on a square that is to reach a mark."""

from pathlib import Path

from tiny_environments import write_environment

from rlkit.environment import Environment
from rlkit.registry import environment_from_path

DECLARATION = '''"""PointGoal: move a point to a mark.

Observation
    Box float32 [6]: the last move (x, y), where the point is, where it should be.

Action
    Box float32 [2], −1 to 1: the move, at most 0.2 each way.

Reward
    0 where the point is within `radius` of the mark, −1 elsewhere.

Termination
    Never. Truncated after 10 steps.

Params
    radius.

Metrics
    is_success.

Yardstick
    none

Source
    This test.
"""

from gymnasium import spaces

from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="test/PointGoal-v0",
    observation_space=spaces.Box(-1.0, 1.0, (6,)),
    action_space=spaces.Box(-1.0, 1.0, (2,)),
    max_steps=10,
    metrics=("is_success",),
    goal_size=2,
)
'''

RULES = """import math

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import uniform_between
from rlkit.engine.state import params_dtype, state_dtype

STATE = state_dtype(place=(np.float64, (2,)), goal=(np.float64, (2,)), move=(np.float64, (2,)))
PARAMS = params_dtype(radius=0.3)


@jit
def goal_reward(achieved, desired, params):
    distance = math.hypot(float(achieved[0]) - float(desired[0]), float(achieved[1]) - float(desired[1]))
    return 0.0 if distance < float(params.radius) else -1.0


@jit
def reset(state, params):
    for k in range(2):
        state.place[k] = uniform_between(state, -1.0, 1.0)
        state.goal[k] = uniform_between(state, -1.0, 1.0)
        state.move[k] = 0.0


@jit
def step(state, params, action):
    for k in range(2):
        state.move[k] = 0.2 * min(1.0, max(-1.0, float(action[k])))
        state.place[k] = min(1.0, max(-1.0, float(state.place[k]) + float(state.move[k])))
    return goal_reward(state.place, state.goal, params), False


@jit
def observe(state, params, obs):
    for k in range(2):
        obs[k] = state.move[k]
        obs[2 + k] = state.place[k]
        obs[4 + k] = state.goal[k]


@jit
def metrics(state, params, out):
    out[0] = 1.0 + goal_reward(state.place, state.goal, params)
"""


def goal_environment(folder: Path) -> Environment:
    """Write PointGoal as the package `folder`, whose name must be new in this process, and load it."""
    write_environment(folder, ("__init__", "", ""), ("rules", "", ""))
    (folder / "__init__.py").write_text(DECLARATION)
    (folder / "rules.py").write_text(RULES)
    return environment_from_path(folder)
