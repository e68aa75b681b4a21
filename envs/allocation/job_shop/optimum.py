"""Least makespans and schedules by OR-Tools CP-SAT, and the active schedule that a policy can follow.

One worker, a fixed seed and a limit in deterministic time: the same shop gives the same answer on every machine.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from rlkit.extras import import_extra

WORK_LIMIT = 10.0  # CP-SAT's deterministic seconds: a drawn 6×6 shop takes 0.01 of them


class Schedule(NamedTuple):
    """A schedule and what is known of the least makespan: `bound` ≤ least ≤ `makespan`, equal where it is proven."""

    starts: np.ndarray  # [J, M], in the order of each job's operations
    makespan: int
    bound: int


def solve(durations: np.ndarray, machines: np.ndarray, work_limit: float = WORK_LIMIT) -> Schedule:
    """Return the best schedule found for a shop [J, M], as an active schedule.

    Raises:
        MissingExtraError: OR-Tools is not installed.
    """
    durations, machines = np.ascontiguousarray(durations, np.int64), np.ascontiguousarray(machines, np.int64)
    return _solve(durations.tobytes(), machines.tobytes(), durations.shape, work_limit)


@functools.lru_cache(maxsize=20_000)
def _solve(durations_bytes: bytes, machines_bytes: bytes, shape: tuple[int, int], work_limit: float) -> Schedule:
    durations = np.frombuffer(durations_bytes, np.int64).reshape(shape)
    machines = np.frombuffer(machines_bytes, np.int64).reshape(shape)
    starts, bound = _ask_cp_sat(durations, machines, work_limit)
    starts = shift_left(durations, machines, starts)
    makespan = int((starts + durations).max())
    return Schedule(starts, makespan, min(bound, makespan))


def _ask_cp_sat(durations: np.ndarray, machines: np.ndarray, work_limit: float) -> tuple[np.ndarray, int]:
    """Return (starts [J, M], lower bound of the makespan)."""
    cp_model = or_tools()
    model, horizon = cp_model.CpModel(), int(durations.sum())
    starts = [[model.new_int_var(0, horizon, "") for _ in row] for row in durations]
    makespan = model.new_int_var(0, horizon, "")
    on_machine: list[list[Any]] = [[] for _ in range(machines.max() + 1)]
    for job, row in enumerate(starts):
        for k, start in enumerate(row):
            duration = int(durations[job, k])
            on_machine[machines[job, k]].append(model.new_fixed_size_interval_var(start, duration, ""))
            model.add((row[k + 1] if k + 1 < len(row) else makespan) >= start + duration)
    for intervals in on_machine:
        model.add_no_overlap(intervals)
    model.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = work_limit
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):  # so large that nothing was found in time
        order = np.arange(durations.size).reshape(durations.T.shape).T  # every job's first operation, then …
        return order, 0
    return np.array([[solver.value(start) for start in row] for row in starts]), int(solver.best_objective_bound)


def shift_left(durations: np.ndarray, machines: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return starts [J, M] none of which is later, and none of which could be earlier with the others in place.

    Operations are put, in the order of their starts, into the first gap on their machine that is long enough: the
    serial generation of active schedules. No operation gets later, because its old place is still free in its turn.
    """
    num_jobs, num_machines = durations.shape
    result = np.zeros_like(starts)
    busy: list[list[tuple[int, int]]] = [[] for _ in range(num_machines)]  # of each machine, (start, end) in order
    ready = [0] * num_jobs
    in_order = np.lexsort((np.tile(np.arange(num_machines), num_jobs), starts.ravel()))
    for operation in in_order:
        job, k = divmod(int(operation), num_machines)
        duration, taken = int(durations[job, k]), busy[machines[job, k]]
        start = ready[job]
        for begin, end in taken:
            if start + duration <= begin:
                break
            start = max(start, end)
        result[job, k], ready[job] = start, start + duration
        taken.append((start, start + duration))
        taken.sort()
    return result


def or_tools() -> Any:
    """Return OR-Tools' `cp_model`; raise MissingExtraError if it is not installed."""
    return import_extra("ortools.sat.python.cp_model", "yardsticks", "the job shop's optimum needs OR-Tools")
