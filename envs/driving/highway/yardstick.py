"""Highway's yardstick: the ego as one of the drivers, and a short tree search on the true rules.

`idm_mobil`, the reference, drives the ego by the models that drive the others, wanting 30 m/s: MOBIL chooses its lane,
and of the three target speeds it takes the one nearest to where IDM would bring it in a second. It is what the field
compares with, not an optimum. `tree_search` tries every sequence of three actions on a copy of the state, each followed
by five seconds of doing nothing, and takes the first action of the best; it knows what every driver wants. It drives
as the reward asks: fast, never touching anybody, and uncomfortably close. It plans by the rules without delay, and so
crashes at `hidden`, where actions come a second late. `idle` keeps lane and speed.

Means of episodes 0 to 999 (tree_search: 0 to 499, at `hard` 0 to 199), measured on 28 November 2026, before any agent
was trained, by `run_episodes(ENVIRONMENT, policy, 1000, seed=0, level=…)`:

    standard        return   collisions   m/s     time with TTC < 2 s   lane changes
    tree_search     37.00    0.0 %        27.48   18.8 %                9.8
    idm_mobil       30.52    0.1 %        22.48   0.04 %                1.4
    idle            15.32    96.2 %       25.00   15.1 %                0
    random          10.32    97.5 %       25.08   21.4 %                5.2
    hard
    tree_search     34.78    0.0 %        25.61   17.1 %                9.1
    idm_mobil       30.62    0.0 %        22.55   0.0 %                 1.3
    random           9.60    97.5 %       25.07   22.4 %                4.8
    easy
    idm_mobil       29.56    0.2 %        21.58   0.03 %                1.1

How long IDM's acceleration is taken to last (HORIZON) was chosen for idm_mobil's best mean return on 1,000 other
episodes: 1, 2, 3 and 4 s give 29.5, 30.3, 30.6 and 30.6, all with 0.3 % collisions.
"""

from typing import Any

import numpy as np

from envs.driving.highway import ENVIRONMENT, driver, rules, search
from rlkit.engine.bind import bind, compiling
from rlkit.engine.state import fork
from rlkit.evaluation import Yardstick, mean_interval, random_policy, refuse_moves, run_episodes
from rlkit.learning.policy import FunctionPolicy, Situation

HORIZON = 4.0  # s, for which IDM's acceleration says which target speed the driver is after
DEPTH = 3  # decisions
SETTLE_STEPS = 5  # s
EXPLAIN_EPISODES = 100
SEED = 5  # of the forks


class StatePolicy:
    """Acts on the true states, by `plan(states [B], params [1]) -> actions [B]`."""

    def __init__(self, params: np.record, plan: Any):
        self._params = np.array(params).reshape(1).view(np.recarray)
        self._plan = plan

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Return IDLE: by observations alone, which do not tell what drivers want, it only keeps lane and speed."""
        return np.full(np.shape(obs)[:-2], rules.IDLE, np.int64)[()]

    def act_in(self, situation: Situation, deterministic: bool = True) -> np.ndarray:
        """Return the actions [B] in a situation."""
        states = np.ascontiguousarray(situation.states)
        if states.dtype != rules.STATE:  # of a level that varies: it holds more
            plain = np.zeros(states.shape, rules.STATE)
            for name in rules.STATE.names or ():
                plain[name] = states[name]
            states = plain
        return self._plan(states, self._params)


def idm_mobil(params: np.record, horizon: float = HORIZON) -> StatePolicy:
    """Return the ego driven by IDM and MOBIL."""
    bound = bind(driver)

    def plan(states: np.ndarray, params: np.ndarray) -> np.ndarray:
        actions = np.zeros(len(states), np.int64)
        with compiling(bound, "the drivers' models", "choose_actions"):
            bound.choose_actions(states, params, horizon, actions)
        return actions

    return StatePolicy(params, plan)


def tree_search(params: np.record, depth: int = DEPTH, settle_steps: int = SETTLE_STEPS) -> StatePolicy:
    """Return the search over all sequences of `depth` decisions, each followed by `settle_steps` of doing nothing."""
    bound = bind(search, rules)

    def plan(states: np.ndarray, params: np.ndarray) -> np.ndarray:
        actions, returns = np.zeros(len(states), np.int64), np.zeros(len(states))
        # the rules draw nothing after the reset; should they ever, the search must not see tomorrow's dice
        roots = fork(states, reseed=SEED)
        stack = np.zeros(depth + 2, states.dtype)
        with compiling(bound, f"the search in {ENVIRONMENT.id}", "best_actions"):
            bound.best_actions(roots, params, depth, settle_steps, stack, actions, returns)
        return actions

    return StatePolicy(params, plan)


def idle(params: np.record) -> FunctionPolicy:
    """Return doing nothing: the ego stays in its lane at 25 m/s."""
    return FunctionPolicy(lambda obs, mask: np.ones(len(obs), np.int64), ENVIRONMENT.spaces(params)[0])


def explain(moves: str) -> dict[str, Any]:
    """Return figures of the drivers and of random play on equal seeds.

    Raises:
        ValueError: `moves` is not empty.
    """
    refuse_moves(ENVIRONMENT, moves)
    params = ENVIRONMENT.params()[0]
    policies: dict[str, Any] = {
        "idm_mobil": idm_mobil(params),
        "idle": idle(params),
        "random": random_policy(ENVIRONMENT),
    }
    facts: dict[str, Any] = {"num_episodes": EXPLAIN_EPISODES}
    for name, policy in policies.items():
        episodes = run_episodes(ENVIRONMENT, policy, EXPLAIN_EPISODES, seed=0)
        facts[name] = {"mean_return": mean_interval(episodes.returns).mean}
        facts[name] |= {metric: float(values.mean()) for metric, values in episodes.metrics.items()}
    return facts


YARDSTICK = Yardstick(
    reference="the ego driven by IDM and MOBIL through the five actions: the field's baseline, not an optimum",
    policies={"idm_mobil": idm_mobil, "tree_search": tree_search, "idle": idle},
    explain=explain,
)
