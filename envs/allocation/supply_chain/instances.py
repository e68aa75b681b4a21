"""Serial systems by the names that textbooks gave them, and the user's own from a file.

A file is JSON, with the stages nearest to the customers first; `demand_deviation` may be left out for Poisson demand:

    {"demand_mean": 5, "demand_deviation": 1, "penalty": 37.12, "echelon_costs": [3, 2, 2], "lead_times": [1, 1, 2]}

The published ones are those of `data/inventory/stockpyl_instances.json` (L. Snyder, stockpyl 1.0.2, MIT licence) that
are serial and under the stochastic-service model: examples of Snyder and Shen 2019, and rows of table 1 of Shang and
Song 2003. Lead times below one unit of time make that a period; all costs stay those of a unit of time.
"""

import functools
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from envs.allocation.supply_chain.rules import MAX_LEAD_TIME, MAX_STAGES
from envs.own_files import read_text

FILE = Path(__file__).parent.parent / "data" / "inventory" / "stockpyl_instances.json"
MAX_BYTES = 1 << 20
NUMBERS = ("demand_mean", "demand_deviation", "penalty")
LISTS = ("echelon_costs", "lead_times")


def load_instance(name: str) -> dict[str, Any]:
    """Return the params of a published instance, or of a JSON file.

    Raises:
        ValueError: there is no such instance or file, or the file is not of the form above.
    """
    if name in published():
        return published()[name]
    if not name.endswith(".json"):
        raise ValueError(
            f"supply_chain has no level {name!r}; there are standard, easy, hard, the instances "
            f"{', '.join(published())}, and .json files"
        )
    text = read_text(name)
    try:
        found = json.loads(text) if len(text) <= MAX_BYTES else None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON: {error}") from None
    return _params_of_file(name, found)


def _params_of_file(name: str, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError(f"{name} must hold one JSON object with {', '.join(NUMBERS + LISTS)}")
    for field in found:
        if field not in NUMBERS + LISTS:
            raise ValueError(f"{name}: unknown field {field!r}; there are {', '.join(NUMBERS + LISTS)}")
    values: dict[str, Any] = {"demand_deviation": 0.0} | found
    for field in NUMBERS:
        if not _is_number(values.get(field)):
            raise ValueError(f"{name}: {field} must be a number, not {values.get(field)!r}")
    for field in LISTS:
        numbers = values.get(field)
        if not isinstance(numbers, list) or not numbers or not all(map(_is_number, numbers)):
            raise ValueError(f"{name}: {field} must be a list of numbers, one for each stage, not {numbers!r}")
    if len(values["echelon_costs"]) != len(values["lead_times"]):
        raise ValueError(f"{name}: echelon_costs and lead_times must be equally long, one number for each stage")
    try:
        return system(**values)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def system(
    demand_mean: float, demand_deviation: float, penalty: float, echelon_costs: list[float], lead_times: list[float]
) -> dict[str, Any]:
    """Return the params of a serial system; lead times are whole numbers of periods.

    Raises:
        ValueError: a number is one that the rules do not take.
    """
    if len(lead_times) > MAX_STAGES:
        raise ValueError(f"{len(lead_times)} stages are more than {MAX_STAGES}")
    for lead_time in lead_times:
        if lead_time not in range(1, MAX_LEAD_TIME + 1):
            raise ValueError(f"lead time {lead_time:g} must be a whole number of periods from 1 to {MAX_LEAD_TIME}")
    for cost in (*echelon_costs, penalty):
        if cost <= 0:
            raise ValueError(f"cost {cost:g} must be above 0: the penalty, and each of echelon_costs")
    padding = MAX_STAGES - len(lead_times)
    return {
        "num_stages": len(lead_times),
        "demand_mean": float(demand_mean),
        "demand_deviation": float(demand_deviation),
        "penalty": float(penalty),
        "echelon_costs": np.array([*map(float, echelon_costs), *[0.0] * padding]),
        "lead_times": np.array([*map(int, lead_times), *[1] * padding]),
    }


@functools.cache
def published() -> dict[str, dict[str, Any]]:
    """Return the params of every published instance that is a serial system, by its name."""
    found = {}
    for instance in json.loads(FILE.read_text())["instances"]:
        if instance["type"] == "network" and "serial SSM" in instance["description"].replace("Serial", "serial"):
            nodes = sorted(instance["data"]["_nodes"], key=lambda node: node["_index"])  # 1 faces the customers
            if all(node["echelon_holding_cost"] for node in nodes):  # "_adj" have local ones, in the wrong order
                found[instance["name"]] = _params_of_nodes(nodes)
    return found


def _params_of_nodes(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    lead_times = [Fraction(node["shipment_lead_time"]) for node in nodes]
    period = min(Fraction(1), *lead_times)
    demand = nodes[0]["demand_source"]
    deviation = demand["standard_deviation"] if demand["type"] == "N" else 0.0
    return system(
        demand_mean=demand["mean"] * float(period),
        demand_deviation=deviation * math.sqrt(period),
        penalty=nodes[0]["stockout_cost"],
        echelon_costs=[node["echelon_holding_cost"] for node in nodes],
        lead_times=[float(lead_time / period) for lead_time in lead_times],
    )
