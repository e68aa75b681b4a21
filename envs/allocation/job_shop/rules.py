"""Job shop's rules: time-stepped dispatch. Arrays have room for 100 jobs on 20 machines; operation k of job j is j × M + k.

`survey` runs after every change: it notes, for each machine, the jobs that wait for it and the next to arrive.
Those notes serve the mask, the observation and the bound; they follow from the rest of the state.
"""

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import integer, poisson, uniform
from rlkit.engine.state import params_dtype, state_dtype

MAX_JOBS, MAX_MACHINES = 100, 20
MAX_OPERATIONS = MAX_JOBS * MAX_MACHINES
MAX_START = 65_535  # a later start is drawn here; nothing else reads it
NO_TIME = 2**30  # later than everything
NUM_FEATURES = 26
MAX_RATIO = 4.0  # of an observed time to twice the mean duration, or of a delay to what is left

STATE = state_dtype(
    durations=(np.int16, (MAX_OPERATIONS,)),  # of a finished operation: what it took in the end
    machines=(np.int8, (MAX_OPERATIONS,)),
    starts=(np.uint16, (MAX_OPERATIONS,)),  # of dispatched operations
    next_op=(np.int8, (MAX_JOBS,)),  # 0 to num_machines (all dispatched)
    is_overrun=(np.int8, (MAX_JOBS,)),  # whether chance has had its say on the operation dispatched last
    job_free=(np.int32, (MAX_JOBS,)),  # when the operation dispatched last ends, as far as is known
    job_work=(np.int32, (MAX_JOBS,)),  # of operations not yet dispatched
    machine_free=(np.int32, (MAX_MACHINES,)),
    machine_work=(np.int32, (MAX_MACHINES,)),  # of operations not yet dispatched
    # the survey's notes of machines; a job waits if it is free and this is its next machine
    num_waiting=(np.int8, (MAX_MACHINES,)),
    waiting_work=(np.int32, (MAX_MACHINES,)),  # of the waiting operations
    longest_job=(np.int8, (MAX_MACHINES,)),  # the waiting job with most work left, or −1
    longest=(np.int32, (MAX_MACHINES,)),  # its work left
    second_longest=(np.int32, (MAX_MACHINES,)),
    shortest_job=(np.int8, (MAX_MACHINES,)),  # the waiting job with the shortest operation, or −1
    shortest=(np.int32, (MAX_MACHINES,)),  # that operation's duration
    second_shortest=(np.int32, (MAX_MACHINES,)),
    arrival=(np.int32, (MAX_MACHINES,)),  # when the first running job whose next machine this is gets free
    arrival_work=(np.int32, (MAX_MACHINES,)),  # that job's work left
    now=np.int32,
    next_event=np.int32,  # when the first running operation ends, or NO_TIME
    num_left=np.int32,  # operations not yet dispatched
    num_startable=np.int32,
    bound=np.int32,  # no schedule ends earlier from here; at the end the makespan
    first_bound=np.int32,  # `bound` at the start
    total_work=np.int32,  # of all operations
    per_time=np.float64,  # 1 / (twice the mean duration), at the start
    can_wait=np.int8,  # whether waiting is legal
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
        for operation in range(job * num_machines, (job + 1) * num_machines):
            duration, machine = int(state.durations[operation]), int(state.machines[operation])
            state.job_work[job] += duration
            state.machine_work[machine] += duration
            total += duration
    state.total_work = total
    state.num_left = num_jobs * num_machines
    state.per_time = 0.5 * num_jobs * num_machines / max(1, total)
    survey(state, params)
    state.first_bound = state.bound
    state.can_wait = 0  # nothing runs yet


@jit
def _clear(state):
    """Write every field: all of it, so that nothing of an earlier episode is left beyond this shop's size."""
    for operation in range(MAX_OPERATIONS):
        state.durations[operation] = 0
        state.machines[operation] = 0
        state.starts[operation] = 0
    for job in range(MAX_JOBS):
        state.next_op[job] = 0
        state.is_overrun[job] = 0
        state.job_free[job] = 0
        state.job_work[job] = 0
    for machine in range(MAX_MACHINES):
        state.machine_free[machine] = 0
        state.machine_work[machine] = 0
        _clear_notes(state, machine)
    state.now = 0
    state.bound = 0


@jit
def _clear_notes(state, machine):
    state.num_waiting[machine] = 0
    state.waiting_work[machine] = 0
    state.longest_job[machine] = -1
    state.longest[machine] = 0
    state.second_longest[machine] = 0
    state.shortest_job[machine] = -1
    state.shortest[machine] = NO_TIME
    state.second_shortest[machine] = NO_TIME
    state.arrival[machine] = NO_TIME
    state.arrival_work[machine] = 0


@jit
def step(state, params, action):
    num_jobs = int(params.num_jobs)
    bound = int(state.bound)
    if int(action) < num_jobs:
        dispatch(state, params, int(action))
    else:
        advance(state, params)
    survey(state, params)
    while int(state.num_startable) == 0 and int(state.next_event) < NO_TIME:
        advance(state, params)
        survey(state, params)
    state.can_wait = may_wait(state, params)
    reward = -(int(state.bound) - bound) / max(1, int(state.first_bound))
    return reward, int(state.num_left) == 0 and int(state.next_event) == NO_TIME


@jit
def dispatch(state, params, job):
    """Start a job's next operation now."""
    now, k = int(state.now), int(state.next_op[job])
    operation = job * int(params.num_machines) + k
    duration, machine = int(state.durations[operation]), int(state.machines[operation])
    state.starts[operation] = min(now, MAX_START)
    state.next_op[job] = k + 1
    state.is_overrun[job] = 0
    state.job_free[job] = now + duration
    state.job_work[job] = int(state.job_work[job]) - duration
    state.machine_free[machine] = now + duration
    state.machine_work[machine] = int(state.machine_work[machine]) - duration
    state.num_left = int(state.num_left) - 1


@jit
def advance(state, params):
    """Let time pass until the first running operation ends, or should end: then chance may prolong it, once."""
    now = int(state.next_event)
    state.now = now
    if float(params.duration_noise) <= 0.0 and float(params.breakdown_rate) <= 0.0:
        return
    for job in range(int(params.num_jobs)):
        if int(state.job_free[job]) == now and int(state.next_op[job]) > 0 and not int(state.is_overrun[job]):
            _overrun(state, params, job)


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


@jit
def survey(state, params):
    """Note what waits and what arrives at each machine, the next event, and the bound."""
    num_jobs, num_machines = int(params.num_jobs), int(params.num_machines)
    now, event, bound, num_startable = int(state.now), NO_TIME, 0, 0
    for machine in range(num_machines):
        _clear_notes(state, machine)
    for job in range(num_jobs):
        free, work, k = int(state.job_free[job]), int(state.job_work[job]), int(state.next_op[job])
        if free > now:
            event = min(event, free)
        if k == num_machines:
            bound = max(bound, free)
        else:
            operation = job * num_machines + k
            machine = int(state.machines[operation])
            bound = max(bound, max(max(free, now), int(state.machine_free[machine])) + work)
            if free > now:
                if free < int(state.arrival[machine]):
                    state.arrival[machine] = free
                    state.arrival_work[machine] = work
            else:
                _note_waiting(state, machine, job, int(state.durations[operation]), work)
                num_startable += int(state.machine_free[machine]) <= now
    for machine in range(num_machines):
        if int(state.machine_work[machine]) > 0:
            bound = max(bound, max(now, int(state.machine_free[machine])) + int(state.machine_work[machine]))
    state.next_event = event
    state.num_startable = num_startable
    state.bound = bound


@jit
def _note_waiting(state, machine, job, duration, work):
    state.num_waiting[machine] = int(state.num_waiting[machine]) + 1
    state.waiting_work[machine] = int(state.waiting_work[machine]) + duration
    if int(state.longest_job[machine]) < 0 or work > int(state.longest[machine]):
        state.second_longest[machine] = state.longest[machine]
        state.longest[machine], state.longest_job[machine] = work, job
    else:
        state.second_longest[machine] = max(int(state.second_longest[machine]), work)
    if duration < int(state.shortest[machine]):
        state.second_shortest[machine] = state.shortest[machine]
        state.shortest[machine], state.shortest_job[machine] = duration, job
    else:
        state.second_shortest[machine] = min(int(state.second_shortest[machine]), duration)


@jit
def can_start(state, params, job):
    """Whether a job is free, has an operation left, and finds that operation's machine free."""
    k, now = int(state.next_op[job]), int(state.now)
    if k >= int(params.num_machines) or int(state.job_free[job]) > now:
        return False
    machine = int(state.machines[job * int(params.num_machines) + k])
    return int(state.machine_free[machine]) <= now


@jit
def may_wait(state, params):
    """Whether waiting could pay: something runs, and each operation that could start may still be overtaken.

    It may be if some other job could reach its machine before it would have finished there. Where that is not so,
    the operation fits into the gap: starting it now delays nobody. So every active schedule can still be built.
    """
    if int(state.next_event) == NO_TIME:
        return False
    num_machines = int(params.num_machines)
    for job in range(int(params.num_jobs)):
        if can_start(state, params, job):
            operation = job * num_machines + int(state.next_op[job])
            machine = int(state.machines[operation])
            end = int(state.now) + int(state.durations[operation])
            if int(state.arrival[machine]) >= end and not _is_reached(state, params, machine, end):
                return False
    return True


@jit
def _is_reached(state, params, machine, end):
    """Whether some job that does not wait for `machine` could reach it before `end`, if nothing else held it up."""
    num_machines, now = int(params.num_machines), int(state.now)
    for job in range(int(params.num_jobs)):
        k = int(state.next_op[job])
        if k >= num_machines:
            continue
        first = job * num_machines
        at = int(state.machines[first + k])
        time = max(max(now, int(state.job_free[job])), int(state.machine_free[at]))
        if at == machine and time <= now:
            continue
        while time < end:
            if at == machine:
                return True
            time += int(state.durations[first + k])
            k += 1
            if k == num_machines:
                break
            at = int(state.machines[first + k])
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



@jit
def observe(state, params, obs):
    num_jobs = int(params.num_jobs)
    now, bound = int(state.now), int(state.bound)
    per_time = float(state.per_time)
    event_in = int(state.next_event) - now if int(state.next_event) < NO_TIME else 0
    left = float(state.num_left) / (num_jobs * int(params.num_machines))
    scale = 2.0 * (bound - now) * per_time / (num_jobs + int(params.num_machines))
    for job in range(num_jobs):
        row = obs[job]
        _observe_job(state, params, job, row)
        row[21] = left
        row[22] = float(state.num_startable) / num_jobs
        row[23] = min(event_in * per_time, MAX_RATIO)
        row[24] = state.can_wait
        row[25] = min(scale, MAX_RATIO)


@jit
def _observe_job(state, params, job, row):
    num_machines = int(params.num_machines)
    now, k, free = int(state.now), int(state.next_op[job]), int(state.job_free[job])
    if k == num_machines:
        for column in range(21):
            row[column] = 0.0
        row[1] = free > now
        row[2] = free <= now
        row[4] = min(max(0, free - now) * float(state.per_time), MAX_RATIO)
        row[6] = max(0, free - now) / max(1.0, float(int(state.bound) - now))
        return
    per_time, per_rest = float(state.per_time), 1.0 / max(1.0, float(int(state.bound) - now))
    operation = job * num_machines + k
    machine, duration, work = int(state.machines[operation]), int(state.durations[operation]), int(state.job_work[job])
    job_in, machine_in = max(0, free - now), max(0, int(state.machine_free[machine]) - now)
    waits = 1 if job_in == 0 else 0
    row[0] = waits * (machine_in == 0)
    row[1] = 1 - waits
    row[2] = 0.0
    row[3] = min(duration * per_time, MAX_RATIO)
    row[4] = min(job_in * per_time, MAX_RATIO)
    row[5] = min(machine_in * per_time, MAX_RATIO)
    row[6] = (max(job_in, machine_in) + work) * per_rest
    row[7] = (num_machines - k) / num_machines
    row[8] = (machine_in + int(state.machine_work[machine])) * per_rest
    waited = (now - free) * per_time if waits else 0.0
    row[12] = waited / (waited + 1.0)
    row[13] = min((int(state.num_waiting[machine]) - waits) * 0.25, MAX_RATIO)
    _observe_rivals(state, job, row, machine, waits, duration, work, machine_in, per_time, per_rest)
    if k + 1 == num_machines:
        row[9] = row[10] = row[11] = row[20] = 0.0
        return
    after = int(state.machines[operation + 1])
    after_in = max(0, int(state.machine_free[after]) - now)
    row[9] = (after_in + int(state.machine_work[after])) * per_rest
    row[10] = min(int(state.waiting_work[after]) * per_time, MAX_RATIO)
    row[11] = min(after_in * per_time, MAX_RATIO)
    row[20] = min(int(state.durations[operation + 1]) * per_time, MAX_RATIO)


@jit
def _observe_rivals(state, job, row, machine, waits, duration, work, machine_in, per_time, per_rest):
    """Write what starting a job would do to others that want its machine, and they to it; −1: there is nobody."""
    rest = int(state.bound) - int(state.now)
    row[14] = row[15] = row[16] = -1.0
    row[17] = row[18] = row[19] = 0.0
    if int(state.num_waiting[machine]) > waits:
        is_longest, is_shortest = job == int(state.longest_job[machine]), job == int(state.shortest_job[machine])
        longest = int(state.second_longest[machine]) if is_longest else int(state.longest[machine])
        shortest = int(state.second_shortest[machine]) if is_shortest else int(state.shortest[machine])
        row[14] = _clip((machine_in + duration + longest - rest) * per_rest)
        row[15] = _clip((machine_in + shortest + work - rest) * per_rest)
        row[18] = _clip((duration - shortest) * per_time)
        row[19] = _clip((work - longest) * per_rest)
    if waits and int(state.arrival[machine]) < NO_TIME:
        arrival_in = int(state.arrival[machine]) - int(state.now)
        overlap = machine_in + duration - arrival_in
        arrived_in = max(arrival_in, machine_in + duration)
        row[16] = _clip((arrived_in + int(state.arrival_work[machine]) - rest) * per_rest)
        row[17] = _clip(overlap * per_time)


@jit
def _clip(value):
    return min(max(value, -MAX_RATIO), MAX_RATIO)
