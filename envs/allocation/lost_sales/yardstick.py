"""What LostSales is graded against: the optimum, and the two classical rules with their best levels.

A base-stock policy orders up to a level of units on hand and on order; a capped one orders at most so many at a time.
Both have their best levels by search: every candidate meets the same simulated demand (`SEARCH_PERIODS`), the best
few meet more of it. The optimum is that of `solver.py`.
"""

import functools
from typing import Any

import numpy as np

from envs.allocation.inventory import long_run_figures
from envs.allocation.lost_sales import ENVIRONMENT
from envs.allocation.lost_sales.solver import Model, model_of, solve
from rlkit.engine.jit import jit
from rlkit.evaluation import Yardstick, refuse_moves
from rlkit.learning.policy import FunctionPolicy

SEARCH_PERIODS = 200_000
FINAL_PERIODS = 2_000_000
NUM_FINALISTS = 5


def _units(obs: np.ndarray, params: np.record) -> np.ndarray:
    """Return the units on hand and on order [B, lead_time] that observations tell of."""
    return np.rint(obs * float(params.demand_mean)).astype(np.int64)


def optimal(params: np.record) -> FunctionPolicy:
    """Return the policy of least average cost.

    It looks its orders up. Where it would never go itself, with more on order than it ever orders, it takes the
    nearest state's order, and none once it has its greatest position.
    """
    model = model_of(params)
    table = solve(model).orders

    def order(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        units = _units(obs, params)
        nearest = np.minimum(units, np.array(table.shape) - 1)
        wanted = table[tuple(nearest.T)].astype(np.int64)
        return np.minimum(wanted, np.maximum(model.max_position - units.sum(axis=1), 0))

    return FunctionPolicy(order, ENVIRONMENT.spaces(params)[0])


def capped_base_stock(params: np.record, level: int | None = None, cap: int | None = None) -> FunctionPolicy:
    """Return the rule that orders up to `level` units on hand and on order, at most `cap`; None: the best ones."""
    if level is None or cap is None:
        level, cap = best_levels(model_of(params))[0]

    def order(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        return np.clip(level - _units(obs, params).sum(axis=1), 0, cap)

    return FunctionPolicy(order, ENVIRONMENT.spaces(params)[0])


def base_stock(params: np.record) -> FunctionPolicy:
    """Return the rule that orders up to its best level of units on hand and on order."""
    model = model_of(params)
    return capped_base_stock(params, best_levels(model)[1], model.max_order)


@functools.cache
def best_levels(model: Model) -> tuple[tuple[int, int], int]:
    """Return ((level, cap) of the best capped base-stock policy, level of the best base-stock policy)."""
    demand = np.random.default_rng(0).poisson(model.demand_mean, FINAL_PERIODS).astype(np.int32)
    levels = range(int(model.demand_mean), model.max_position + 1)
    caps = range(max(1, int(0.6 * model.demand_mean)), model.max_order)
    capped = _best([(level, cap) for level in levels for cap in caps], model, demand)
    return capped, _best([(level, model.max_order) for level in levels], model, demand)[0]


def _best(candidates: list[tuple[int, int]], model: Model, demand: np.ndarray) -> tuple[int, int]:
    def cost(levels: tuple[int, int], periods: int) -> float:
        level, cap = levels
        return rule_cost(demand[:periods], level, cap, model)

    finalists = sorted(candidates, key=lambda levels: cost(levels, SEARCH_PERIODS))[:NUM_FINALISTS]
    return min(finalists, key=lambda levels: cost(levels, FINAL_PERIODS))


def rule_cost(demand: np.ndarray, level: int, cap: int, model: Model) -> float:
    """Return the average cost of a capped base-stock policy that meets `demand` [T]."""
    left, lost = _simulate(demand, level, cap, model.lead_time, model.capacity)
    return (model.holding_cost * left + model.penalty * lost) / len(demand)


@jit
def _simulate(demand, level, cap, lead_time, capacity):
    """Return the units (left over, lost) in the sum of all periods."""
    pipeline = np.zeros(lead_time, np.int64)  # a ring: the order that arrives next is at `due`
    position = stock = min(level, capacity)
    total_left, total_lost, due = 0, 0, 0
    for t in range(demand.shape[0]):
        order = min(max(level - position, 0), cap, capacity - position)
        sold = min(stock, demand[t])
        total_lost += demand[t] - sold
        total_left += stock - sold
        arriving = order if lead_time == 1 else pipeline[due]
        if lead_time > 1:
            pipeline[(due + lead_time - 1) % lead_time] = order
            due = (due + 1) % lead_time
        stock += arriving - sold
        position += order - sold
    return total_left, total_lost


def explain(moves: str) -> dict[str, Any]:
    """Return the least average cost and the best levels of the rules, at level standard.

    Raises:
        ValueError: `moves` is not empty.
    """
    refuse_moves(ENVIRONMENT, moves)
    model = model_of(ENVIRONMENT.params()[0])
    (level, cap), plain_level = best_levels(model)
    demand = np.random.default_rng(1).poisson(model.demand_mean, FINAL_PERIODS).astype(np.int32)
    return {
        "optimal_cost": solve(model).cost,
        "capped_base_stock": {"level": level, "cap": cap, "cost": rule_cost(demand, level, cap, model)},
        "base_stock": {"level": plain_level, "cost": rule_cost(demand, plain_level, model.max_order, model)},
    }


YARDSTICK = Yardstick(
    reference="the least average cost, by value iteration over all states (the optimum)",
    policies={"optimal": optimal, "capped_base_stock": capped_base_stock, "base_stock": base_stock},
    explain=explain,
    long_run=lambda policy, options: long_run_figures(ENVIRONMENT, policy, options),
)
