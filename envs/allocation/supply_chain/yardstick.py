"""What SupplyChain is graded against: the optimal echelon base-stock policy, and two simpler rules.

- `clark_scarf`: every stage orders up to the optimal level of its echelon stock and all under way to it.
- `shang_song`: the same with the mean of the two newsvendor bounds as level, cut to whole units under Poisson demand
  (Shang and Song 2003, the approximation of their section 4).
- `local_base_stock`: every stage looks at its own stock and what is under way to it, and orders up to what covers its
  own lead time, and one period more where it serves a stage that orders before it has seen the delivery, with the
  chance penalty / (penalty + local cost), as if it alone faced the customers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from envs.allocation.inventory import long_run_figures
from envs.allocation.supply_chain import ENVIRONMENT
from envs.allocation.supply_chain.clark_scarf import System, level_bounds, optimize, system_of
from envs.allocation.supply_chain.rules import reach
from rlkit.evaluation import Yardstick, refuse_moves
from rlkit.learning.policy import FunctionPolicy

_reach = getattr(reach, "py_func", reach)  # plain Python: compiling it for one call would take longer


def echelon_positions(obs: np.ndarray, params: np.record) -> np.ndarray:
    """Return each stage's echelon stock with all that is under way to it, [B, num_stages] units."""
    ends = np.cumsum(system_of(params).lead_times) - 1
    return (obs[:, ends].astype(np.float64) + ends) * float(params.demand_mean)


def actions_of(orders: np.ndarray, params: np.record) -> np.ndarray:
    """Return the actions [B, num_stages] that order so many units, as far as an action can."""
    shares = (orders - float(params.demand_mean)) / _reach(params)
    return np.clip(shares, -1.0, 1.0).astype(np.float32)


def order_up_to(params: np.record, levels: Sequence[float], is_local: bool = False) -> FunctionPolicy:
    """Return the rule by which each stage orders up to its level of echelon stock, or of its own."""

    def order(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        positions = echelon_positions(obs, params)
        if is_local:
            positions = np.diff(positions, axis=1, prepend=0.0)
        return actions_of(np.array(levels) - positions, params)

    return FunctionPolicy(order, ENVIRONMENT.spaces(params)[0])


def clark_scarf(params: np.record) -> FunctionPolicy:
    """Return the optimal policy."""
    return order_up_to(params, optimize(system_of(params))[0])


def shang_song(params: np.record) -> FunctionPolicy:
    """Return the policy of the newsvendor approximation."""
    return order_up_to(params, newsvendor_levels(system_of(params)))


def newsvendor_levels(system: System) -> list[float]:
    """Return the mean of the bounds on the optimal level of each stage."""
    means = [(low + high) / 2 for low, high in level_bounds(system)]
    return [float(int(mean)) for mean in means] if system.is_poisson else means


def local_base_stock(params: np.record) -> FunctionPolicy:
    """Return the rule in which each stage looks at its own stock only."""
    return order_up_to(params, local_levels(system_of(params)), is_local=True)


def local_levels(system: System) -> list[float]:
    """Return the level of each stage's own stock and what is under way to it."""
    levels = []
    for j, lead_time in enumerate(system.lead_times):
        chance = system.penalty / (system.penalty + sum(system.echelon_costs[j:]))
        levels.append(system.quantile(chance, lead_time + (j > 0)))
    return levels


def explain(moves: str) -> dict[str, Any]:
    """Return the least average cost and the levels of the policies, at level standard.

    Raises:
        ValueError: `moves` is not empty.
    """
    refuse_moves(ENVIRONMENT, moves)
    system = system_of(ENVIRONMENT.params()[0])
    levels, cost = optimize(system)
    return {
        "stages": "nearest to the customers first",
        "optimal_cost": cost,
        "clark_scarf": list(levels),
        "shang_song": newsvendor_levels(system),
        "local_base_stock": local_levels(system),
    }


YARDSTICK = Yardstick(
    reference="optimal echelon base-stock levels, by the recursion of Clark and Scarf (the optimum)",
    policies={"clark_scarf": clark_scarf, "shang_song": shang_song, "local_base_stock": local_base_stock},
    explain=explain,
    long_run=lambda policy, options: long_run_figures(ENVIRONMENT, policy, options),
)
