"""Job shop's rules: time-stepped dispatch. Operation k of job j is number j × num_machines + k.

For each machine there are notes of the jobs that wait for it and of the next to arrive: they serve the mask, the
observation and the bound, and only those of the machines that an event concerns are renewed.
"""

import numpy as np

from envs.allocation.job_shop.notes import ARRIVAL, NO_TIME, NUM_WAITING, SHORTEST, count, note
from envs.allocation.job_shop.observing import observe as observe  # one of the rules
from rlkit.engine.jit import jit
from rlkit.engine.rng import integer, poisson, uniform
from rlkit.engine.state import params_dtype, state_dtype

MAX_JOBS, MAX_MACHINES = 100, 20
MAX_OPERATIONS = MAX_JOBS * MAX_MACHINES
MAX_START = 65_535  # a later start is drawn here; nothing else reads it

STATE = state_dtype(
    now=np.int32,
    next_event=np.int32,  # when the first running operation ends, or NO_TIME
    num_left=np.int32,  # operations not yet dispatched
    num_startable=np.int32,  # jobs
    bound=np.int32,  # no schedule ends earlier from here; at the end the makespan
    first_bound=np.int32,  # `bound` at the start
    total_work=np.int32,  # of all operations
    can_wait=np.int8,  # whether waiting is legal
    per_time=np.float64,  # 1 / (twice the mean duration), at the start
    machine_free=(np.int32, (MAX_MACHINES,)),  # when its last operation ends, as far as is known
    machine_work=(np.int32, (MAX_MACHINES,)),  # of operations not yet dispatched
    notes=(
        np.int32,
        (MAX_MACHINES, 10),
    ),  # columns in notes.py
    job_free=(np.int32, (MAX_JOBS,)),  # when the operation dispatched last ends, as far as is known
    job_work=(np.int32, (MAX_JOBS,)),  # of operations not yet dispatched
    next_duration=(np.int16, (MAX_JOBS,)),  # of the next operation
    next_machine=(np.int8, (MAX_JOBS,)),  # or −1: all operations are dispatched
    next_op=(np.int8, (MAX_JOBS,)),  # 0 to num_machines
    is_overrun=(np.int8, (MAX_JOBS,)),  # whether chance has had its say on the operation dispatched last
    machines=(np.int8, (MAX_OPERATIONS,)),
    durations=(np.int16, (MAX_OPERATIONS,)),  # of a finished operation: what it took in the end
    starts=(np.uint16, (MAX_OPERATIONS,)),  # of dispatched operations
)
PARAMS = params_dtype(
    num_jobs=6,
    num_machines=6,
    min_duration=1,
    max_duration=99,
    duration_noise=0.0,  # mean overrun of an operation, as a share of its duration
    breakdown_rate=0.0,  # breakdowns per unit of time in which a machine works
    repair_time=20.0,  # of one breakdown
    is_instance=0,  # 1: the shop below, instead of one drawn at each reset
    optimum=0,  # of that shop, or 0: not known
    best_bound=0,  # of that shop, or 0: not known
    durations=np.zeros(MAX_OPERATIONS, np.int16),
    machines=np.zeros(MAX_OPERATIONS, np.int8),
)


@jit
def draw_shop(state, params):
    """Draw durations evenly and each job's machines in random order (Taillard, 1993)."""
    num_jobs, num_machines = int(params.num_jobs), int(params.num_machines)
    low, high = int(params.min_duration), int(params.max_duration) + 1
    for job in range(num_jobs):
        first = job * num_machines
        for k in range(num_machines):
            state.durations[first + k] = integer(state, low, high)
            other = integer(state, 0, k + 1)  # shuffles while it fills
            state.machines[first + k] = state.machines[first + other]
            state.machines[first + other] = k


@jit
def reset(state, params):
    num_jobs, num_machines = int(params.num_jobs), int(params.num_machines)
    _clear(state)
    if int(params.is_instance):
        for operation in range(num_jobs * num_machines):
            state.durations[operation] = params.durations[operation]
            state.machines[operation] = params.machines[operation]
    else:
        draw_shop(state, params)
    total = 0
    for job in range(num_jobs):
        work = 0
        for operation in range(job * num_machines, (job + 1) * num_machines):
            duration, machine = int(state.durations[operation]), int(state.machines[operation])
            work += duration
            state.machine_work[machine] = int(state.machine_work[machine]) + duration
        state.job_work[job] = work
        total += work
        state.next_machine[job] = state.machines[job * num_machines]
        state.next_duration[job] = state.durations[job * num_machines]
    state.total_work = total
    state.num_left = num_jobs * num_machines
    state.per_time = 0.5 * num_jobs * num_machines / max(1, total)
    for machine in range(num_machines):
        note(state, num_jobs, machine)
    count(state, num_machines)
    state.first_bound = state.bound


@jit
def _clear(state):
    """Write every field: all of it, so that nothing of an earlier episode is left beyond this shop's size."""
    for operation in range(MAX_OPERATIONS):
        state.durations[operation] = 0
        state.machines[operation] = 0
        state.starts[operation] = 0
    for job in range(MAX_JOBS):
        state.next_op[job] = 0
        state.next_machine[job] = -1
        state.next_duration[job] = 0
        state.is_overrun[job] = 0
        state.job_free[job] = 0
        state.job_work[job] = 0
    for machine in range(MAX_MACHINES):
        state.machine_free[machine] = 0
        state.machine_work[machine] = 0
        note(state, 0, machine)
    state.now = 0
    state.bound = 0
    state.next_event = NO_TIME
    state.can_wait = 0  # nothing runs yet


@jit
def step(state, params, action):
    num_jobs = int(params.num_jobs)
    bound = int(state.bound)
    if int(action) < num_jobs:
        dispatch(state, params, int(action))
    else:
        advance(state, params)
    while int(state.num_startable) == 0 and int(state.next_event) < NO_TIME:
        advance(state, params)
    state.can_wait = may_wait(state, params)
    reward = -(int(state.bound) - bound) / max(1, int(state.first_bound))
    return reward, int(state.num_left) == 0 and int(state.next_event) == NO_TIME


@jit
def dispatch(state, params, job):
    """Start a job's next operation now."""
    num_jobs, num_machines = int(params.num_jobs), int(params.num_machines)
    now, k = int(state.now), int(state.next_op[job])
    operation = job * num_machines + k
    duration, machine = int(state.next_duration[job]), int(state.next_machine[job])
    end, work = now + duration, int(state.job_work[job]) - duration
    state.starts[operation] = min(now, MAX_START)
    state.next_op[job] = k + 1
    state.is_overrun[job] = 0
    state.job_free[job] = end
    state.job_work[job] = work
    state.machine_free[machine] = end
    state.machine_work[machine] = int(state.machine_work[machine]) - duration
    state.num_left = int(state.num_left) - 1
    state.bound = max(int(state.bound), end + work)
    if duration > 0:
        state.next_event = min(int(state.next_event), end)
    if k + 1 < num_machines:
        state.next_machine[job] = state.machines[operation + 1]
        state.next_duration[job] = state.durations[operation + 1]
        note(state, num_jobs, int(state.next_machine[job]))
    else:
        state.next_machine[job] = -1
        state.next_duration[job] = 0
    note(state, num_jobs, machine)
    count(state, num_machines)


@jit
def advance(state, params):
    """Let time pass until the first running operation ends, or should end: then chance may prolong it, once."""
    num_jobs, num_machines = int(params.num_jobs), int(params.num_machines)
    is_certain = float(params.duration_noise) <= 0.0 and float(params.breakdown_rate) <= 0.0
    now, event = int(state.next_event), NO_TIME
    state.now = now
    for job in range(num_jobs):
        if int(state.job_free[job]) == now:
            if not is_certain and int(state.next_op[job]) > 0 and not int(state.is_overrun[job]):
                _overrun(state, params, job)
            if int(state.next_machine[job]) >= 0:
                note(state, num_jobs, int(state.next_machine[job]))
        if int(state.job_free[job]) > now:
            event = min(event, int(state.job_free[job]))
    state.next_event = event
    count(state, num_machines)


@jit
def _overrun(state, params, job):
    """Prolong the operation that a job should finish now by what went wrong meanwhile."""
    operation = job * int(params.num_machines) + int(state.next_op[job]) - 1
    duration, machine = int(state.durations[operation]), int(state.machines[operation])
    extra = duration * 2.0 * float(params.duration_noise) * uniform(state)
    if float(params.breakdown_rate) > 0.0:
        extra += float(params.repair_time) * poisson(state, min(50.0, duration * float(params.breakdown_rate)))
    late = int(min(extra + 0.5, 32_767.0 - duration))
    state.is_overrun[job] = 1
    state.durations[operation] = duration + late
    state.job_free[job] = int(state.job_free[job]) + late
    state.machine_free[machine] = int(state.machine_free[machine]) + late
    state.total_work = int(state.total_work) + late
    state.bound = max(int(state.bound), int(state.job_free[job]) + int(state.job_work[job]))
    note(state, int(params.num_jobs), machine)  # those who want it start later


@jit
def can_start(state, params, job):
    """Whether a job is free, has an operation left, and finds that operation's machine free."""
    machine, now = int(state.next_machine[job]), int(state.now)
    return machine >= 0 and int(state.job_free[job]) <= now and int(state.machine_free[machine]) <= now


@jit
def may_wait(state, params):
    """Whether waiting could pay: something runs, and each operation that could start may still be overtaken.

    It may be if some other job could reach its machine before it would have finished there. Where that is not so,
    the operation fits into the gap: starting it now delays nobody. So every active schedule can still be built.
    """
    now = int(state.now)
    if int(state.next_event) == NO_TIME:
        return False
    for machine in range(int(params.num_machines)):
        if int(state.notes[machine, NUM_WAITING]) > 0 and int(state.machine_free[machine]) <= now:
            end = now + int(state.notes[machine, SHORTEST])
            if int(state.notes[machine, ARRIVAL]) >= end and not _is_reached(state, params, machine, end):
                return False
    return True


@jit
def _is_reached(state, params, machine, end):
    """Whether some job that does not wait for `machine` could reach it before `end`, if nothing else held it up."""
    num_machines, now = int(params.num_machines), int(state.now)
    for job in range(int(params.num_jobs)):
        at = int(state.next_machine[job])
        if at < 0 or at == machine:  # those that are on their way to it are in the notes
            continue
        time = max(max(now, int(state.job_free[job])), int(state.machine_free[at])) + int(state.next_duration[job])
        operation, last = job * num_machines + int(state.next_op[job]) + 1, (job + 1) * num_machines
        while time < end and operation < last:
            if int(state.machines[operation]) == machine:
                return True
            time += int(state.durations[operation])
            operation += 1
    return False


@jit
def action_mask(state, params, mask):
    num_jobs = int(params.num_jobs)
    for job in range(num_jobs):
        mask[job] = can_start(state, params, job)
    mask[num_jobs] = state.can_wait


@jit
def metrics(state, params, out):
    makespan = int(state.bound)
    goal = int(params.optimum) if int(params.optimum) > 0 else int(params.best_bound)
    goal = max(1, goal if int(params.is_instance) and goal > 0 else int(state.first_bound))
    out[0] = makespan
    out[1] = makespan / goal - 1.0
    out[2] = int(state.total_work) / (max(1, makespan) * int(params.num_machines))
