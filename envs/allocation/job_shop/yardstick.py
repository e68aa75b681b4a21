"""Job shop's yardstick: optimal play by CP-SAT's schedules, and the dispatching rules that shops use.

`optimal` knows the shop from the state, asks CP-SAT once for each, and follows the schedule. Its makespan is the least
there is wherever CP-SAT proves that within its work limit (drawn shops of up to 10 × 10, and most published ones of
that size). For larger shops it is the best found, so that gaps to it are too small: `excess`, the share above the
published optimum, is the figure for published instances. Under overruns and breakdowns it follows the planned order
of jobs, which is good and not optimal.

The rules take the job that is first by one number, the first in the list where several are equal, and never wait:

    SPT     the shortest next operation           MWKR    the most work remaining, the next operation included
    FIFO    the longest wait                      MOPNR   the most operations remaining

They read observations only. Mean gaps to the optimum in %, SPT / MWKR / FIFO / MOPNR: ft06 60.0 / 10.9 / 18.2 / 7.3,
la16 to la20 15.7 / 12.2 / 25.3 / 18.1, ta01 to ta10 25.9 / 19.2 / 23.9 / 20.5: to the digit what an implementation of
others had given us before. On 1,000 drawn 6×6 shops (`rlkit evaluate job_shop --policy non_delay --samples 100`) they
are 14.9 / 12.5 / 15.0 / 12.3, ±0.6 at 95 %. That one had noted 13.4 / 11.8 / 13.8 / 10.9 there; as the published
shops agree, its drawn ones must have been others. Shops drawn by NumPy and scheduled by a slow builder of its own give
our figures (tests/test_job_shop_yardstick.py).

`non_delay` draws among the jobs that can start and never waits: 18.3 % above the optimum, the best of 100 draws 3.5.
Random play waits too, where that is legal, and is worse for it: 24.7 and 4.6.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from envs.allocation.job_shop import ENVIRONMENT
from envs.allocation.job_shop.optimum import or_tools, solve
from rlkit.evaluation import Yardstick, mean_interval, refuse_moves, run_episodes
from rlkit.learning.policy import FunctionPolicy, Situation

EXPLAIN_EPISODES = 100

# columns of the observation
DURATION, WORK_LEFT, OPERATIONS_LEFT, WAITED = 3, 6, 7, 12
RULES = {  # name → (column, whether the largest goes first)
    "spt": (DURATION, False),
    "mwkr": (WORK_LEFT, True),
    "fifo": (WAITED, True),
    "mopnr": (OPERATIONS_LEFT, True),
}


def rule(name: str) -> Callable[[np.record], FunctionPolicy]:
    """Return the function that builds a dispatching rule for given params."""
    column, is_largest_first = RULES[name]

    def build(params: np.record) -> FunctionPolicy:
        def choose(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
            keys = obs[:, :, column] * (-1.0 if is_largest_first else 1.0)
            return np.where(obs[:, :, 0] > 0, keys, np.inf).argmin(axis=1)

        return FunctionPolicy(choose, ENVIRONMENT.spaces(params)[0])

    return build


def non_delay(params: np.record) -> FunctionPolicy:
    """Return random dispatching that never waits."""
    rng = np.random.default_rng(0)

    def choose(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        return (rng.random(obs.shape[:2]) * obs[:, :, 0]).argmax(axis=1)

    return FunctionPolicy(choose, ENVIRONMENT.spaces(params)[0])


def shop_of(state: Any, num_jobs: int, num_machines: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (durations, machines), both [J, M], of a state."""
    size, shape = num_jobs * num_machines, (num_jobs, num_machines)
    return state["durations"][:size].reshape(shape), state["machines"][:size].reshape(shape)


class Optimal:
    """Follows the best schedule that CP-SAT finds for the shop as it stood at the start: its order on each machine.

    By observations alone, which do not tell the whole shop, it takes the job with most operations left.

    Raises:
        MissingExtraError: OR-Tools is not installed.
    """

    def __init__(self, params: np.record):
        or_tools()  # rather than in the middle of an episode
        self._shape = int(params.num_jobs), int(params.num_machines)
        self._is_certain = params.duration_noise <= 0 and params.breakdown_rate <= 0
        self._rule = rule("mopnr")(params)
        self._plans: dict[bytes, np.ndarray] = {}  # of a shop, the starts [J, M]

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Return the action(s) of the fallback."""
        return self._rule.act(obs, action_mask, deterministic)

    def act_in(self, situation: Situation, deterministic: bool = True) -> np.ndarray:
        """Return the actions [B] that follow the schedules."""
        masks = situation.action_mask
        assert masks is not None
        return np.array([self._next(state, mask) for state, mask in zip(situation.states, masks, strict=True)])

    def _next(self, state: np.void, mask: np.ndarray) -> int:
        num_jobs, num_machines = self._shape
        _, machines = shop_of(state, *self._shape)
        starts = self._plan(state)
        next_op = state["next_op"][:num_jobs].astype(int)
        pending = np.where(np.arange(num_machines) >= next_op[:, None], starts, np.inf)
        startable = np.flatnonzero(mask[:num_jobs])
        planned = starts[startable, next_op[startable]]
        for job, start in zip(startable, planned, strict=True):
            if pending[machines == machines[job, next_op[job]]].min() == start:
                return int(job)
        return num_jobs if mask[num_jobs] else int(startable[planned.argmin()])  # off the plan: its next in time

    def _plan(self, state: np.void) -> np.ndarray:
        """Return the starts planned for a shop; overruns change its durations, and not the plan."""
        durations, machines = shop_of(state, *self._shape)
        key = machines.tobytes() + (durations.tobytes() if self._is_certain else b"")
        if key not in self._plans or (state["now"] == 0 and not self._is_certain):
            self._plans[key] = solve(durations, machines).starts
        return self._plans[key]


def explain(moves: str) -> dict[str, Any]:
    """Return the mean makespans of optimal play, the rules and random dispatching on equal seeds.

    Raises:
        ValueError: `moves` is not empty.
    """
    refuse_moves(ENVIRONMENT, moves)
    params = ENVIRONMENT.params()[0]
    played = {
        name: run_episodes(ENVIRONMENT, build(params), EXPLAIN_EPISODES, seed=0).metrics["makespan"]
        for name, build in YARDSTICK.policies.items()
    }
    best = played["optimal"]
    return {
        "num_episodes": EXPLAIN_EPISODES,
        "mean_makespan": {name: mean_interval(values).mean for name, values in played.items()},
        "mean_gap_percent": {name: 100 * mean_interval(values / best - 1).mean for name, values in played.items()},
    }


YARDSTICK = Yardstick(
    reference="schedules by OR-Tools CP-SAT: the optimum where it is proven in the work limit, as for 6×6 always",
    policies={"optimal": Optimal, **{name: rule(name) for name in RULES}, "non_delay": non_delay},
    explain=explain,
    gap="makespan",
)
