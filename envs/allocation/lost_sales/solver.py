"""The least average cost of a lost-sales system and the policy that reaches it, by relative value iteration.

Bounds make the states few without touching the optimum (T. Morton, "Bounds on the solution of the lagged optimal
inventory equation with no demand backlogging and proportional costs", SIAM Review 11(4), 1969; section 3 of Zipkin
2008). A unit on order beside which no less than s units will be there to meet the demand of the next k + 1 periods is
sold at once with a chance of at most P(demand of k + 1 periods > s). It then saves a penalty; else it costs a
period's holding, and afterwards is worth no more than the unit that could be ordered in its place. So it is not
ordered where P(demand ≤ s) ≥ penalty / (penalty + holding cost), and the largest s is

    of the order alone               the quantile of one period's demand at that ratio,
    of stock and orders together     the quantile of the demand of lead_time + 1 periods.

States and costs are those of rules.py. Value iteration ends when the bounds it gives on the least average cost (A.
Odoni, Operations Research 17(5), 1969) are `TOLERANCE` apart.
"""

import contextlib
import functools
import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy  # its submodules load on use: start-up must not wait for them

from rlkit.engine.jit import cache_folder, jit
from rlkit.files import RunError, replace_file

TOLERANCE = 1e-5  # cost a period
MAX_STATES = 3_000_000
MAX_SWEEPS = 20_000
TAIL = 1e-12  # chance of the demands that are left out


class Model(NamedTuple):
    """What the average cost depends on; as in the rules' params."""

    lead_time: int
    demand_mean: float
    holding_cost: float
    penalty: float
    max_order: int
    capacity: int

    @property
    def ratio(self) -> float:
        """The critical ratio of the newsvendor."""
        return self.penalty / (self.penalty + self.holding_cost)

    @property
    def max_position(self) -> int:
        """Units on hand and on order beyond which nothing is ordered."""
        if self.max_order <= int(scipy.stats.poisson.ppf(self.ratio, self.demand_mean)):
            return self.capacity  # a unit cannot always be ordered later instead, so the bound does not hold
        return min(int(scipy.stats.poisson.ppf(self.ratio, (self.lead_time + 1) * self.demand_mean)), self.capacity)

    @property
    def order_bound(self) -> int:
        """Units that no single order exceeds."""
        return min(int(scipy.stats.poisson.ppf(self.ratio, self.demand_mean)), self.max_order, self.max_position)


class Solution(NamedTuple):
    """The optimum of a `Model`.

    Args:
        cost: the least average cost a period.
        orders: [max_position + 1, order_bound + 1, …] the units to order, by stock and each unit on order.
        num_sweeps: of value iteration.
    """

    cost: float
    orders: np.ndarray
    num_sweeps: int


def model_of(params: np.record) -> Model:
    """Return the model of a params record."""
    return Model(
        int(params.lead_time), float(params.demand_mean), float(params.holding_cost), float(params.penalty),
        int(params.max_order), int(params.capacity),
    )  # fmt: skip


def demand_chances(mean: float) -> np.ndarray:
    """Return the chances of 0, 1, … units of demand, as far as they matter."""
    return scipy.stats.poisson.pmf(np.arange(int(scipy.stats.poisson.isf(TAIL, mean)) + 1), mean)


def period_costs(model: Model, max_stock: int) -> np.ndarray:
    """Return the mean cost of a period by the stock on hand [max_stock + 1]."""
    stock = np.arange(max_stock + 1)
    demand = np.arange(int(scipy.stats.poisson.isf(TAIL, model.demand_mean)) + 1)
    left = np.maximum(stock[:, None] - demand, 0) @ demand_chances(model.demand_mean)
    lost = model.demand_mean - stock + left
    return model.holding_cost * left + model.penalty * lost


@functools.cache
def solve(model: Model) -> Solution:
    """Return the optimum, from the cache folder if it was computed before.

    Raises:
        ValueError: the lead time or the demand is so large that there are more than `MAX_STATES` states.
    """
    num_states = (model.max_position + 1) * (model.order_bound + 1) ** (model.lead_time - 1)
    if num_states > MAX_STATES:
        raise ValueError(
            f"the optimum of lead_time={model.lead_time}, demand_mean={model.demand_mean:g} needs {num_states:,} "
            f"states, more than {MAX_STATES:,}: lower lead_time or demand_mean"
        )
    key = hashlib.sha256(Path(__file__).read_bytes() + repr(model).encode()).hexdigest()[:16]
    file = cache_folder() / "lost_sales" / f"{key}.npz"
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as found:
            return Solution(float(found["cost"]), found["orders"], int(found["num_sweeps"]))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):  # not there, or damaged
        solution = iterate(model, model.max_position, model.order_bound)
    _keep(file, solution)
    return solution


def _keep(file: Path, solution: Solution) -> None:
    """Write a solution whole or not at all; a full or read-only disk only costs the next process its time."""
    data = io.BytesIO()
    np.savez_compressed(data, allow_pickle=False, **solution._asdict())
    with contextlib.suppress(OSError, RunError):
        file.parent.mkdir(mode=0o700, exist_ok=True)
        replace_file(file, data.getvalue())


def iterate(model: Model, max_position: int, order_bound: int) -> Solution:
    """Return the optimum among the policies that keep to the two bounds."""
    base, num_tails = order_bound + 1, (order_bound + 1) ** (model.lead_time - 1)
    costs, chances = period_costs(model, max_position), demand_chances(model.demand_mean)
    values = np.zeros((max_position + 1, num_tails))
    following, orders = np.zeros_like(values), np.zeros(values.shape, np.int16)
    ahead = np.zeros((max_position + 1, base))  # of the sweep's own
    for num_sweeps in range(1, MAX_SWEEPS + 1):
        sweep(values, following, orders, costs, chances, ahead, model.lead_time, max_position)
        change = following - values
        low, high = float(change.min()), float(change.max())
        values, following = following - following[0, 0], values
        if high - low < TOLERANCE:
            shape = (max_position + 1, *(base for _ in range(model.lead_time - 1)))
            return Solution((low + high) / 2, orders.reshape(shape), num_sweeps)
    raise RuntimeError(f"value iteration of {model} has not converged after {MAX_SWEEPS} sweeps: {low}, {high}")


@jit
def sweep(values, following, orders, costs, chances, ahead, lead_time, max_position):
    """Improve `values` [stock, tail] once into `following`; note the best `orders`.

    A tail is the units that arrive 1, 2, … periods from now, as the digits of a number, the first the highest.
    """
    max_stock, num_tails, base = values.shape[0] - 1, values.shape[1], ahead.shape[1]
    high = num_tails // base if lead_time > 1 else 1  # weight of the first digit
    for tail in range(num_tails):
        on_order, rest = 0, tail
        while rest > 0:
            on_order += rest % base
            rest //= base
        for order in range(base):
            arriving = tail // high if lead_time > 1 else order
            next_tail = (tail % high) * base + order if lead_time > 1 else 0
            _look_ahead(values, chances, ahead, order, arriving, next_tail)
        for stock in range(max_stock + 1):
            best, best_order = ahead[stock, 0], 0
            for order in range(1, min(base - 1, max_position - stock - on_order) + 1):
                if ahead[stock, order] < best:
                    best, best_order = ahead[stock, order], order
            following[stock, tail] = costs[stock] + best
            orders[stock, tail] = best_order


@jit
def _look_ahead(values, chances, ahead, order, arriving, next_tail):
    """Write into `ahead[:, order]` the mean value after a period, by the stock on hand before its demand."""
    max_stock, num_demands = values.shape[0] - 1, chances.shape[0]
    for stock in range(max_stock + 1):
        mean, chance_left = 0.0, 1.0
        for demand in range(min(stock, num_demands)):
            mean += chances[demand] * values[min(stock - demand + arriving, max_stock), next_tail]
            chance_left -= chances[demand]
        ahead[stock, order] = mean + chance_left * values[min(arriving, max_stock), next_tail]
