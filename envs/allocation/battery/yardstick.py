"""Battery's yardstick: dynamic programming, the best rule of two prices, and hindsight.

- Dynamic programming (dynamic_program.py) is the reference: what can be reached without knowing the future.
- The best two-threshold rule charges at full power below one price and discharges above another; both are found by
  trying pairs on episodes of their own.
- Hindsight is a linear program that knows every price, sunbeam and load of an episode beforehand. Nobody can reach it,
  so it is a bound and no policy: `rlkit yardstick battery` shows it.
"""

import functools
import math
from typing import Any

import numpy as np

from envs.allocation.battery import ENVIRONMENT, rules
from envs.allocation.battery.dynamic_program import Grid, solved
from rlkit.evaluation import Yardstick, mean_interval, refuse_moves, run_episodes
from rlkit.learning.policy import FunctionPolicy
from rlkit.registry import make_batch

SEARCH_EPISODES = 300
SEARCH_SEED = 900_000_011  # far from the seeds of training and evaluation
EXPLAIN_EPISODES = 200


def planner(params: np.record, grid: Grid | None = None) -> FunctionPolicy:
    """Return the policy of the dynamic program of `params`."""
    program = solved(params, grid)
    hours, capacity, limit = int(rules.num_hours(params)), float(params.capacity), float(params.max_power)

    def control(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        x = obs.astype(np.float64)
        price = (x[:, 1] + 1) * float(params.price_mean)
        idle = (x[:, 10] - x[:, 9]) * limit
        situations = np.stack([x[:, 0] * capacity, x[:, 7] * limit, price, idle, x[:, 2], x[:, 11]], axis=1)
        hour = np.clip(np.rint(hours * (1 - x[:, 6])), 0, hours - 1).astype(np.int64)
        powers = program.powers(hour, np.ascontiguousarray(situations))
        return np.clip(powers / limit, -1, 1).astype(np.float32)[:, None]

    return FunctionPolicy(control, ENVIRONMENT.spaces(params)[0])


def thresholds(low: float, high: float) -> FunctionPolicy:
    """Return the rule that charges where the price is below `low` means, and discharges where it is above `high`."""

    def control(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        price = obs[:, 1] + 1
        return np.where(price < low, 1.0, np.where(price > high, -1.0, 0.0)).astype(np.float32)[:, None]

    return FunctionPolicy(control, ENVIRONMENT.observation_space)  # type: ignore[arg-type]


def best_thresholds(params: np.record) -> FunctionPolicy:
    """Return the two-threshold rule with the highest mean profit on the search's episodes."""
    return thresholds(*find_thresholds(params.tobytes()))


@functools.lru_cache(maxsize=8)
def find_thresholds(record: bytes) -> tuple[float, float]:
    """Return (low, high), in mean prices, from a grid of pairs."""
    env = make_batch(ENVIRONMENT, SEARCH_EPISODES, autoreset_mode="same_step", copy=False)
    env.params[...] = np.frombuffer(record, env.params.dtype)
    levels = np.arange(0.3, 2.01, 0.1)
    pairs = [(float(low), float(high)) for low in levels for high in levels if low < high]
    profits = [_mean_profit(env, thresholds(*pair)) for pair in pairs]
    return pairs[int(np.argmax(profits))]


def _mean_profit(env: Any, policy: FunctionPolicy) -> float:
    obs, _ = env.reset(seed=SEARCH_SEED)
    total = 0.0
    for _ in range(int(rules.num_hours(env.params[0]))):
        obs, rewards, *_ = env.step(policy.act(obs))
        total += float(rewards.mean())
    return total


def episode_paths(num_episodes: int, seed: int, **options: Any) -> dict[str, np.ndarray]:
    """Return price, sun and load [E, hours] of the episodes from `seed` on; what is done does not change them."""
    env = make_batch(ENVIRONMENT, num_episodes, autoreset_mode="disabled", **options)
    env.reset(seed=seed)
    hours, params = int(rules.num_hours(env.params[0])), env.params[0]
    load = np.array([float(params.load_mean) * float(params.load_shape[hour % 24]) for hour in range(hours)])
    price, sun = np.zeros((num_episodes, hours)), np.zeros((num_episodes, hours))
    idle = np.zeros((num_episodes, 1), np.float32)
    for hour in range(hours):
        for i, state in enumerate(env.states):
            price[i, hour], sun[i, hour] = rules.price_now(state, params), rules.sun_now(state, params)
        env.step(idle)
    return {"price": price, "sun": sun, "load": np.broadcast_to(load, price.shape)}


def hindsight_profit(params: np.record, price: np.ndarray, sun: np.ndarray, load: np.ndarray) -> float:
    """Return the greatest profit of one episode whose `price`, `sun` and `load` [hours] are known: a linear program.

    Its variables by hour are charging, discharging, import, feed-in (kW) and the charge after the hour (kWh); by day
    the largest import. Where prices are negative it may charge and discharge, or import and feed in, at once, which
    the battery cannot: then it is a bound all the same, and a looser one.
    """
    from scipy.optimize import linprog

    hours, days = len(price), math.ceil(len(price) / 24)
    limit, capacity, net = float(params.max_power), float(params.capacity), load - sun
    peak_charge, export_share = float(params.peak_charge), float(params.export_share)
    costs = np.concatenate([np.zeros(2 * hours), price, -export_share * price, np.zeros(hours), [peak_charge] * days])
    first = np.zeros(hours)
    first[0] = float(params.initial_charge) * capacity
    most_in, most_out = np.maximum(net + limit, 0), np.maximum(limit - net, 0)
    bounds = [(0, limit)] * (2 * hours) + [(0, most) for most in (*most_in, *most_out)]
    bounds += [(0, capacity)] * hours + [(0, None)] * days
    peaks, balances = _constraints(hours, float(params.efficiency))
    found = linprog(
        costs,
        A_ub=peaks,
        b_ub=np.zeros(hours),
        A_eq=balances,
        b_eq=np.concatenate([net, first]),
        bounds=bounds,
        method="highs",
    )
    # price × net, less for what is fed in, and the peaks that there would be anyway
    idle_cost = np.where(net > 0, price * net, export_share * price * net).sum()
    idle_peaks = sum(max(0.0, float(net[24 * day : 24 * day + 24].max())) for day in range(days))
    return float(idle_cost + peak_charge * idle_peaks - found.fun)


@functools.lru_cache(maxsize=4)
def _constraints(hours: int, efficiency: float) -> tuple[Any, Any]:
    """Return (import ≤ its day's peak, the balances of grid and charge) as sparse matrices over the variables."""
    from scipy import sparse

    one, none, before = sparse.eye(hours), sparse.csr_matrix((hours, hours)), sparse.eye(hours, k=-1)
    days = math.ceil(hours / 24)
    day_of = sparse.csr_matrix((np.ones(hours), (np.arange(hours), np.arange(hours) // 24)), (hours, days))
    no_day = sparse.csr_matrix((hours, days))
    grid = [-one, one, one, -one, none, no_day]  # import − feed-in − charging + discharging = load − sun
    store = [-efficiency * one, one / efficiency, none, none, one - before, no_day]
    peaks = sparse.hstack([none, none, one, none, none, -day_of], format="csc")
    return peaks, sparse.vstack([sparse.hstack(grid), sparse.hstack(store)], format="csc")


def hindsight_profits(num_episodes: int, seed: int, **options: Any) -> np.ndarray:
    """Return the bound of each of the episodes from `seed` on [E]."""
    params, paths = ENVIRONMENT.params(**options)[0], episode_paths(num_episodes, seed, **options)
    return np.array(
        [hindsight_profit(params, *row) for row in zip(paths["price"], paths["sun"], paths["load"], strict=True)]
    )


def explain(moves: str) -> dict[str, Any]:
    """Return mean profits on equal episodes: hindsight, the dynamic program and the two-threshold rule.

    Raises:
        ValueError: `moves` is not empty.
    """
    refuse_moves(ENVIRONMENT, moves)
    params = ENVIRONMENT.params()[0]
    bound = float(hindsight_profits(EXPLAIN_EPISODES, seed=0).mean())
    facts: dict[str, Any] = {"num_episodes": EXPLAIN_EPISODES, "hindsight_bound": bound}
    for name, build in YARDSTICK.policies.items():
        profit = mean_interval(run_episodes(ENVIRONMENT, build(params), EXPLAIN_EPISODES, seed=0).returns).mean
        facts[f"{name}_profit"], facts[f"{name}_share_of_hindsight"] = profit, profit / bound
    low, high = find_thresholds(params.tobytes())
    facts["thresholds"] = f"charge below {low:.1f} and discharge above {high:.1f} times the mean price"
    return facts


YARDSTICK = Yardstick(
    reference="stochastic dynamic programming: the optimum without foresight, within 0.5 %",
    policies={"dp": planner, "thresholds": best_thresholds},
    explain=explain,
)
