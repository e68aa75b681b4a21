"""Optimal echelon base-stock levels of a serial system, by the recursion of Clark and Scarf, and bounds on them.

From the customers upwards, with h[j] the echelon cost of stage j, D[j] the demand of its lead time, p the penalty and
H the sum of all h (F. Chen, Y.-S. Zheng, Management Science 40(11), 1994; Snyder and Shen 2019, section 6.2.2):

    under[-1](x) = (p + H) · max(−x, 0)
    cost[j](y)   = E[ h[j] · (y − D[j]) + under[j − 1](y − D[j]) ]        least at level S[j]
    under[j](x)  = cost[j](min(x, S[j]))

The least average cost is cost[N](S[N]) of the highest stage. Below 0 every `under` is a straight line, of which the
slope is known, so nothing is cut off there.
"""

from typing import NamedTuple

import numpy as np
import scipy  # its submodules load on use: start-up must not wait for them

STEPS_A_DEVIATION = 64  # of the grid for normal demand; for Poisson demand the grid is the units
TAIL = 1e-13  # chance of the demands that are left out


class System(NamedTuple):
    """A serial system; stages nearest to the customers first. As in the rules' params."""

    demand_mean: float
    demand_deviation: float
    penalty: float
    echelon_costs: tuple[float, ...]
    lead_times: tuple[int, ...]

    @property
    def is_poisson(self) -> bool:
        """Whether demand is Poisson, else normal."""
        return self.demand_deviation == 0

    @property
    def grid_step(self) -> float:
        """Units between two levels that are compared."""
        return 1.0 if self.is_poisson else self.demand_deviation / STEPS_A_DEVIATION

    def quantile(self, chance: float, periods: int) -> float:
        """Return the least number of units that the demand of so many periods stays within with a given chance."""
        if self.is_poisson:
            return float(scipy.stats.poisson.ppf(chance, periods * self.demand_mean))
        return float(scipy.stats.norm.ppf(chance, periods * self.demand_mean, np.sqrt(periods) * self.demand_deviation))

    def demand_chances(self, periods: int) -> np.ndarray:
        """Return the chances of the demand of so many periods at 0, 1, … steps of the grid."""
        count = int(np.ceil(self.quantile(1 - TAIL, periods) / self.grid_step)) + 1
        if self.is_poisson:
            chances = scipy.stats.poisson.pmf(np.arange(count), periods * self.demand_mean)
        else:
            edges = (np.arange(count + 1) - 0.5) * self.grid_step
            deviation = np.sqrt(periods) * self.demand_deviation
            chances = np.diff(scipy.stats.norm.cdf(edges, periods * self.demand_mean, deviation))
        return chances / chances.sum()


def system_of(params: np.record) -> System:
    """Return the system of a params record."""
    count = int(params.num_stages)
    return System(
        float(params.demand_mean), float(params.demand_deviation), float(params.penalty),
        tuple(float(cost) for cost in params.echelon_costs[:count]),
        tuple(int(lead_time) for lead_time in params.lead_times[:count]),
    )  # fmt: skip


def optimize(system: System) -> tuple[tuple[float, ...], float]:
    """Return (the optimal echelon base-stock level of each stage, the least average cost a period)."""
    step = system.grid_step
    count = int(np.ceil(system.quantile(1 - TAIL, sum(system.lead_times)) / step)) + 1  # levels 0, 1, … steps
    slope = -(system.penalty + sum(system.echelon_costs))  # of `under` below 0
    under, levels, least = np.zeros(count), [], 0.0
    for echelon_cost, lead_time in zip(system.echelon_costs, system.lead_times, strict=True):
        chances = system.demand_chances(lead_time)
        below = step * np.arange(1 - len(chances), 0)
        stock = np.concatenate([below, step * np.arange(count)])
        following = echelon_cost * stock + np.concatenate([under[0] + slope * below, under])
        costs = np.convolve(following, chances, mode="valid")
        best = int(costs.argmin())
        levels.append(step * best)
        least = float(costs[best])
        under = costs[np.minimum(np.arange(count), best)]
        slope += echelon_cost
    return tuple(levels), least


def level_bounds(system: System) -> list[tuple[float, float]]:
    """Return bounds (low, high) on the optimal level of each stage: two newsvendors' levels (Shang and Song 2003).

    Both face the demand of the lead times from the stage down to the customers and the penalty; a unit of stock
    costs all the echelon costs from the stage down (low), or the stage's own alone (high).
    """
    bounds = []
    for j in range(len(system.lead_times)):
        periods = sum(system.lead_times[: j + 1])
        gain = system.penalty + sum(system.echelon_costs[j + 1 :])
        down, own = sum(system.echelon_costs[: j + 1]), system.echelon_costs[j]
        low, high = (system.quantile(gain / (gain + cost), periods) for cost in (down, own))
        bounds.append((low, high))
    return bounds
