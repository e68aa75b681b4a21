"""Stochastic dynamic programming for Battery: the best that can be reached without knowing the future.

The state is (hour, price deviation, spike, cloud, day's peak, charge). Backwards in time, for every point of a grid,

    value = max over powers of (−cost of the hour + expected value of the next hour's state),

where the expectation over the next deviation and cloud is a Gauss–Hermite sum over linear interpolation. The cost is
convex and piecewise linear in the power, so only its kinks and the grid's charges are tried: the best power is one of
them. The policy does the same one step ahead from where it really is, against interpolated expectations, so that it
is off the grid only in the values it looks ahead to.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from envs.allocation.battery import rules
from rlkit.engine.jit import jit


@dataclass(frozen=True)
class Grid:
    """How finely each part of the state is cut."""

    charges: int = 41
    peaks: int = 13
    deviations: int = 11
    clouds: int = 5
    hermite: int = 5  # points of each expectation


def axis(size: int, spread: float) -> np.ndarray:
    """Return a grid of ±`spread`, or the one point 0."""
    return np.linspace(-spread, spread, size) if size > 1 else np.zeros(1)


def transition(nodes: np.ndarray, rho: float, sigma: float, points: int) -> np.ndarray:
    """Return weights [K, K]: row i spreads the AR(1) successors of node i over the nodes by linear interpolation."""
    size = len(nodes)
    if size == 1:
        return np.ones((1, 1))
    noise, weights = np.polynomial.hermite_e.hermegauss(points)
    matrix = np.zeros((size, size))
    for i, node in enumerate(nodes):
        for shock, weight in zip(noise, weights / weights.sum(), strict=True):
            place = np.interp(rho * node + sigma * shock, nodes, np.arange(size))
            low = min(int(place), size - 2)
            matrix[i, low] += weight * (low + 1 - place)
            matrix[i, low + 1] += weight * (place - low)
    return matrix


@jit
def split(value, low, width, size):
    """Return (index, share of the next one) of `value` on `size` points from `low`, `width` apart; cut to the ends."""
    if size == 1:
        return 0, 0.0
    place = min(max((value - low) / width, 0.0), size - 1.0)
    index = min(int(place), size - 2)
    return index, place - index


@jit
def look_ahead(expected, peak, charge, peak_width, charge_width):
    """Return `expected` [peaks, charges] at (peak, charge), by linear interpolation."""
    p, up = split(peak, 0.0, peak_width, expected.shape[0])
    q, more = split(charge, 0.0, charge_width, expected.shape[1])
    next_p = min(p + 1, expected.shape[0] - 1)
    low = (1.0 - more) * expected[p, q] + more * expected[p, q + 1]
    high = (1.0 - more) * expected[next_p, q] + more * expected[next_p, q + 1]
    return (1.0 - up) * low + up * high


@jit
def outcome(power, site, charge, peak, price, idle, expected, widths):
    """Return minus the cost of an hour of `power`, plus the expected value after it."""
    capacity, _, efficiency, export_share, peak_charge = site
    grid = idle + power
    after = rules.next_charge(power, charge, capacity, efficiency)
    cost = rules.energy_cost(grid, price, export_share) + peak_charge * max(0.0, grid - peak)
    return look_ahead(expected, max(peak, grid), after, widths[0], widths[1]) - cost


@jit
def best_power(site, charge, peak, price, idle, expected, widths):
    """Return (best power in kW, its outcome): tried are the kinks of the cost and all charges of the grid in reach."""
    capacity, limit, efficiency = site[0], site[1], site[2]
    low = rules.possible_power(-limit, charge, capacity, efficiency)
    high = rules.possible_power(limit, charge, capacity, efficiency)
    best, best_value = 0.0, outcome(0.0, site, charge, peak, price, idle, expected, widths)
    first = max(0, math.ceil(rules.next_charge(low, charge, capacity, efficiency) / widths[1]))
    last = math.floor(rules.next_charge(high, charge, capacity, efficiency) / widths[1])
    for k in range(first, last + 5):
        if k == last + 1:
            power = low
        elif k == last + 2:
            power = high
        elif k == last + 3:
            power = -idle  # nothing is exchanged with the grid
        elif k == last + 4:
            power = peak - idle  # the most that does not raise the peak
        else:
            gain = k * widths[1] - charge
            power = gain / efficiency if gain > 0.0 else gain * efficiency
        power = min(max(power, low), high)
        value = outcome(power, site, charge, peak, price, idle, expected, widths)
        if value > best_value:
            best, best_value = power, value
    return best, best_value


@jit
def sweep(values, expected, site, prices, idles, widths, spike_chance):
    """Fill `values` [D, C, P, Q] of one hour (over the spike's chance) from `expected` [D, C, P, Q] of the next."""
    deviations, clouds, peaks, charges = values.shape
    for d in range(deviations):
        for c in range(clouds):
            for p in range(peaks):
                for q in range(charges):
                    value = 0.0
                    for spike in range(2):
                        chance = spike_chance if spike == 1 else 1.0 - spike_chance
                        if chance > 0.0:
                            ahead = expected[d, c]
                            at = (site, q * widths[1], p * widths[0], prices[d, spike], idles[c], ahead, widths)
                            value += chance * best_power(*at)[1]
                    values[d, c, p, q] = value


@jit
def decide(powers, hours, situations, tables, site, scales, widths):
    """Fill `powers` [B] (kW): the best at each of `situations` [B, 6]."""
    num_deviations, num_clouds, peaks, charges = tables.shape[1:]
    mixed = np.zeros((peaks, charges))
    for i in range(powers.shape[0]):
        charge, peak, price, idle, deviation, cloud = situations[i]
        table = tables[hours[i]]
        d, more = split(deviation, -scales[0], 2.0 * scales[0] / max(1, num_deviations - 1), num_deviations)
        c, clearer = split(cloud, -scales[1], 2.0 * scales[1] / max(1, num_clouds - 1), num_clouds)
        next_d, next_c = min(d + 1, num_deviations - 1), min(c + 1, num_clouds - 1)
        for p in range(peaks):
            for q in range(charges):
                low = (1.0 - clearer) * table[d, c, p, q] + clearer * table[d, next_c, p, q]
                high = (1.0 - clearer) * table[next_d, c, p, q] + clearer * table[next_d, next_c, p, q]
                mixed[p, q] = (1.0 - more) * low + more * high
        powers[i] = best_power(site, charge, peak, price, idle, mixed, widths)[0]


class DynamicProgram:
    """The solved problem of one params record.

    Attributes:
        expected: [hours, D, C, P, Q]: the expected value after an hour, by the deviation and cloud of that hour and
            the peak and charge that it ended with.
        value: minus the expected cost of the whole episode from the start, grid and load included.
    """

    def __init__(self, params: np.record, grid: Grid):
        self._hours = int(rules.num_hours(params))
        has_sun = float(params.sun_peak) > 0
        self._deviations, self._clouds = _axes(params, grid, has_sun)
        self.site = tuple(
            float(params[name]) for name in ("capacity", "max_power", "efficiency", "export_share", "peak_charge")
        )
        has_peak = self.site[4] != 0
        highest = float(params.load_mean) * float(params.load_shape.max()) + float(params.max_power)
        peaks = grid.peaks if has_peak else 1
        self.widths = (highest / max(1, peaks - 1), float(params.capacity) / (grid.charges - 1))
        shape = (len(self._deviations), len(self._clouds), peaks, grid.charges)
        self.expected = np.zeros((self._hours, *shape))
        self._solve(params, grid)

    def _solve(self, params: np.record, grid: Grid) -> None:
        deviation_step = transition(self._deviations, float(params.price_rho), float(params.price_sigma), grid.hermite)
        rho = float(params.cloud_rho)
        cloud_step = transition(self._clouds, rho, math.sqrt(1 - rho * rho), grid.hermite)
        clear = 1 / (1 + np.exp(-float(params.cloud_mean) - float(params.cloud_spread) * self._clouds))
        values = np.zeros(self.expected.shape[1:])
        for hour in reversed(range(self._hours)):
            if hour < self._hours - 1:
                ahead = np.einsum("de,epq...->dpq...", deviation_step, values, optimize=True)
                ahead = np.einsum("ce,depq->dcpq", cloud_step, ahead, optimize=True)
                if (hour + 1) % 24 == 0:  # at midnight the peak begins anew
                    ahead = np.repeat(ahead[:, :, :1], ahead.shape[2], axis=2)
                self.expected[hour] = ahead
            shares = float(params.price_shape[hour % 24]) + self._deviations[:, None]
            prices = float(params.price_mean) * (shares + np.array([0.0, float(params.spike_rise)]))
            sun = float(params.sun_peak) * float(params.sun_shape[hour % 24]) * clear
            idles = float(params.load_mean) * float(params.load_shape[hour % 24]) - sun
            sweep(values, self.expected[hour], self.site, prices, idles, self.widths, float(params.spike_chance))
        self.first_values = values

    def powers(self, hours: np.ndarray, situations: np.ndarray) -> np.ndarray:
        """Return the best powers [B] in kW at `hours` [B].

        Args:
            hours: since the episode began.
            situations: [B, 6]: charge, peak so far, price, load less panels, deviation, cloud.
        """
        powers = np.zeros(len(hours))
        scales = (float(self._deviations[-1]), float(self._clouds[-1]))
        decide(powers, hours, situations, self.expected, self.site, scales, self.widths)
        return powers


def _axes(params: np.record, grid: Grid, has_sun: bool) -> tuple[np.ndarray, np.ndarray]:
    stationary = float(params.price_sigma) / math.sqrt(1 - float(params.price_rho) ** 2)
    is_flat = stationary == 0
    return (
        axis(1 if is_flat else grid.deviations, 3.5 * stationary),
        axis(grid.clouds if has_sun else 1, 2.5),
    )


@functools.lru_cache(maxsize=8)
def _solved(record: bytes, grid: Grid) -> DynamicProgram:
    return DynamicProgram(np.frombuffer(record, rules.PARAMS.dtype).view(np.recarray)[0], grid)


def solved(params: np.record, grid: Grid | None = None) -> DynamicProgram:
    """Return the solved problem of `params`, kept for the next call."""
    return _solved(params.tobytes(), grid or Grid())
