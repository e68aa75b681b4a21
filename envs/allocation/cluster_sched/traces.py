"""Reads a trace of jobs from a file: `--level FILE`, or `ENVIRONMENT.params(level="jobs.csv")`.

A .csv file has a header whose first columns are `arrival` and `duration` (whole steps from 0 and from 1) and whose
other two or three columns are named as you like, one a resource (whole units that the job needs while it runs). The
first line under it gives the units there are, its first cell says `capacity` and its second is empty:

    arrival,duration,cores,memory
    capacity,,64,256
    0,3,16,32
    0,12,8,128
    2,1,48,16

A .json file says the same:

    {"capacity": [64, 256], "jobs": [{"arrival": 0, "duration": 3, "demands": [16, 32]}, …]}

At most 200 jobs of at most 100 steps each, in any order; choose the length of a step to suit.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from envs.own_files import read_text

MAX_ARRIVAL = 10_000  # steps
MAX_UNITS = 30_000  # of a resource: sums fit into the state's int16


def read_trace(name: str) -> dict[str, Any]:
    """Return the params of the trace in the file `name`.

    Raises:
        ValueError: there is no such file, or it is not a trace; says in which line and field.
    """
    path = Path(name)
    if path.suffix.lower() not in (".csv", ".json"):
        raise ValueError(
            f"cluster_sched has no level {name!r}; there are: easy, standard, hard, light, three_resources, "
            "and the path of a .csv or .json file of jobs"
        )
    text = read_text(name, "the trace ")
    rows = _json_rows(name, text) if path.suffix.lower() == ".json" else _csv_rows(name, text)
    _, capacity = next(rows)
    return _params(name, capacity, list(rows))


def _csv_rows(name: str, text: str) -> Iterator[tuple[str, Any]]:
    """Yield (where, capacity) and then (where, (arrival, duration, *demands)) of each job, in order of the file."""
    lines = csv.reader(text.splitlines())
    header = [cell.strip() for cell in next(lines, [])]
    if header[:2] != ["arrival", "duration"] or len(header) not in (4, 5):
        raise ValueError(
            f"{name}, line 1: the header must be arrival,duration and the names of 2 or 3 resources, "
            f"not {','.join(header) or 'empty'}"
        )
    is_first = True
    for row in lines:
        cells = [cell.strip() for cell in row]
        where = f"{name}, line {lines.line_num}"
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise ValueError(f"{where}: {len(cells)} fields under a header of {len(header)}; give one for each")
        if is_first:
            if cells[0] != "capacity" or cells[1]:
                raise ValueError(
                    f"{where}: the first line must give the capacity, such as capacity,,64,256, not {','.join(cells)}"
                )
            yield where, [_whole(where, n, c, 1, MAX_UNITS) for n, c in zip(header[2:], cells[2:], strict=True)]
            is_first = False
        else:
            yield where, [_field(where, n, c) for n, c in zip(header, cells, strict=True)]
    if is_first:
        raise ValueError(f"{name}: there is nothing under the header; give the capacity and the jobs")


def _json_rows(name: str, text: str) -> Iterator[tuple[str, Any]]:
    """Yield what `_csv_rows` yields."""
    try:
        trace = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name}, line {error.lineno}: this is not JSON: {error.msg}") from None
    if not isinstance(trace, dict) or not isinstance(trace.get("jobs"), list):
        raise ValueError(f'{name}: a trace is an object {{"capacity": […], "jobs": […]}}')
    capacity = trace.get("capacity")
    if not isinstance(capacity, list) or len(capacity) not in (2, 3):
        raise ValueError(f"{name}: capacity must be a list of 2 or 3 whole numbers, not {capacity!r}")
    yield name, [_whole(name, f"capacity[{r}]", units, 1, MAX_UNITS) for r, units in enumerate(capacity)]
    for i, job in enumerate(trace["jobs"]):
        where = f"{name}, jobs[{i}]"
        demands = job.get("demands") if isinstance(job, dict) else None
        if not isinstance(demands, list) or len(demands) != len(capacity):
            raise ValueError(f"{where}: demands must be a list of {len(capacity)} numbers, as capacity is")
        times = [_field(where, field, job.get(field)) for field in ("arrival", "duration")]
        yield where, times + [_field(where, f"demands[{r}]", units) for r, units in enumerate(demands)]


def _field(where: str, field: str, value: Any) -> int:
    from envs.allocation.cluster_sched.rules import MAX_DURATION

    low, high = {"arrival": (0, MAX_ARRIVAL), "duration": (1, MAX_DURATION)}.get(field, (0, MAX_UNITS))
    return _whole(where, field, value, low, high)


def _whole(where: str, field: str, value: Any, low: int, high: int) -> int:
    try:
        number = int(value)
        is_whole = not isinstance(value, bool) and (isinstance(value, str) or number == value)
    except (TypeError, ValueError, OverflowError):
        is_whole = False
    if not is_whole or not low <= number <= high:
        raise ValueError(f"{where}: {field} {value!r} must be a whole number from {low} to {high}")
    return number


def _params(name: str, capacity: list[int], jobs: list[tuple[str, list[int]]]) -> dict[str, Any]:
    from envs.allocation.cluster_sched.rules import MAX_JOBS, MAX_RESOURCES

    if not 1 <= len(jobs) <= MAX_JOBS:
        raise ValueError(f"{name} has {len(jobs)} jobs; give 1 to {MAX_JOBS}")
    for where, (_, _, *demands) in jobs:
        for r, (units, limit) in enumerate(zip(demands, capacity, strict=True)):
            if units > limit:
                raise ValueError(f"{where}: the job needs {units} units of resource {r + 1}, which has only {limit}")
    rows = np.array(sorted((row for _, row in jobs), key=lambda row: row[0]), np.int16)
    arrival, duration = np.zeros(MAX_JOBS, np.int16), np.zeros(MAX_JOBS, np.int16)
    demand = np.zeros((MAX_JOBS, MAX_RESOURCES), np.int16)
    arrival[: len(rows)], duration[: len(rows)] = rows[:, 0], rows[:, 1]
    demand[: len(rows), : len(capacity)] = rows[:, 2:]
    return {
        "num_resources": len(capacity),
        "capacity": np.array(capacity + [1] * (MAX_RESOURCES - len(capacity)), np.int16),
        "trace_jobs": len(rows),
        "trace_arrival": arrival,
        "trace_duration": duration,
        "trace_demand": demand,
    }
