"""ClusterSched's rules: which waiting job starts now, or let a step pass (DeepRM, Mao et al. 2016)."""

import math

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import integer, uniform
from rlkit.engine.state import params_dtype, state_dtype

WINDOW = 10  # jobs that can be chosen from
HORIZON = 20  # steps ahead that are observed
MAX_JOBS = 200  # of an episode: the backlog holds all that arrive, none is ever lost
MAX_RESOURCES = 3
MAX_DURATION = 100  # steps
NO_JOB = -1  # in a slot of the window
WAITING = -1  # as a start
NUM_OWN = 5  # features of a slot's own job, before its demands
NUM_SHARED = 4  # features that every row repeats, before the free resources
REWARD_SCALE = 0.01

STATE = state_dtype(
    time=np.int32,  # steps of the cluster's clock
    num_jobs=np.int32,  # arrived so far; jobs are numbered in the order of arrival
    next_job=np.int32,  # the first of the backlog: jobs next_job to num_jobs − 1
    num_finished=np.int32,
    arrival=(np.int16, (MAX_JOBS,)),
    duration=(np.int16, (MAX_JOBS,)),  # steps
    demand=(np.int16, (MAX_JOBS, MAX_RESOURCES)),  # units
    start=(np.int16, (MAX_JOBS,)),  # WAITING, or when it started
    window=(np.int16, (WINDOW,)),  # job of each slot, or NO_JOB
    free=(np.int16, (MAX_RESOURCES,)),  # units free now
    # Rings over the next MAX_DURATION steps, at [time % MAX_DURATION]: what ends then.
    released=(np.int16, (MAX_DURATION, MAX_RESOURCES)),  # units
    ending=(np.int16, (MAX_DURATION,)),  # jobs
    relief=(np.float64, (MAX_DURATION,)),  # Σ 1/duration
    pressure=np.float64,  # Σ 1/duration of the jobs in the system: slowdown gathered a step
    used=np.float64,  # Σ over steps of the mean share of a resource in use
)
PARAMS = params_dtype(
    job_rate=0.7,  # chance that a job arrives in a step
    arrival_steps=100,  # steps in which jobs arrive; then the cluster is drained
    num_resources=2,  # 2 or 3
    capacity=np.full(MAX_RESOURCES, 10, np.int16),  # units of each resource
    short_share=0.8,  # of the jobs
    min_short=1,  # steps
    max_short=3,
    min_long=10,
    max_long=15,
    min_dominant=5,  # units of the resource that a job needs most, drawn at random
    max_dominant=10,
    min_other=1,  # units of the others
    max_other=2,
    trace_jobs=0,  # jobs of a given trace, in order of arrival; 0: jobs are drawn
    trace_arrival=np.zeros(MAX_JOBS, np.int16),
    trace_duration=np.zeros(MAX_JOBS, np.int16),
    trace_demand=np.zeros((MAX_JOBS, MAX_RESOURCES), np.int16),
)


@jit
def num_resources(params):
    """Return how many resources there are, within what the state holds."""
    return min(max(int(params.num_resources), 1), MAX_RESOURCES)


@jit
def last_arrival(params):
    """Return the last step in which a job may arrive."""
    if int(params.trace_jobs) > 0:
        return int(params.trace_arrival[min(int(params.trace_jobs), MAX_JOBS) - 1])
    return min(max(int(params.arrival_steps), 1), MAX_JOBS) - 1


@jit
def draw_job(state, params, job):
    """Fill in duration and demands of a new job: bimodal durations, one dominant resource."""
    if uniform(state) < float(params.short_share):
        duration = integer(state, int(params.min_short), int(params.max_short) + 1)
    else:
        duration = integer(state, int(params.min_long), int(params.max_long) + 1)
    state.duration[job] = min(max(duration, 1), MAX_DURATION)
    count = num_resources(params)
    dominant = integer(state, 0, count)
    for r in range(count):
        if r == dominant:
            units = integer(state, int(params.min_dominant), int(params.max_dominant) + 1)
        else:
            units = integer(state, int(params.min_other), int(params.max_other) + 1)
        state.demand[job, r] = min(max(units, 0), int(params.capacity[r]))


@jit
def admit(state, job):
    """Let a job whose duration and demands are known into the system at this time."""
    state.arrival[job] = int(state.time)
    state.num_jobs = job + 1
    state.pressure = float(state.pressure) + 1.0 / int(state.duration[job])


@jit
def arrive(state, params):
    """Let the jobs of this time arrive: those of the trace, or at most one drawn."""
    time, job = int(state.time), int(state.num_jobs)
    trace_jobs = min(int(params.trace_jobs), MAX_JOBS)
    if trace_jobs > 0:
        while job < trace_jobs and int(params.trace_arrival[job]) <= time:
            state.duration[job] = params.trace_duration[job]
            for r in range(MAX_RESOURCES):
                state.demand[job, r] = params.trace_demand[job, r]
            admit(state, job)
            job += 1
    elif time <= last_arrival(params) and uniform(state) < float(params.job_rate):
        draw_job(state, params, job)
        admit(state, job)


@jit
def fill_window(state):
    """Move jobs from the front of the backlog into empty slots."""
    job, num_jobs = int(state.next_job), int(state.num_jobs)
    for slot in range(WINDOW):
        if job >= num_jobs:
            break
        if int(state.window[slot]) == NO_JOB:
            state.window[slot] = job
            job += 1
    state.next_job = job


@jit
def fits(state, params, slot):
    """Return whether the slot holds a job that can start now."""
    job = int(state.window[slot])
    is_fit = job != NO_JOB
    for r in range(num_resources(params)):
        is_fit = is_fit and int(state.demand[job, r]) <= int(state.free[r])
    return is_fit


@jit
def start_job(state, slot):
    """Start the slot's job and note what it gives back when it ends."""
    job = int(state.window[slot])
    duration = int(state.duration[job])
    end = (int(state.time) + duration) % MAX_DURATION
    for r in range(MAX_RESOURCES):
        units = int(state.demand[job, r])
        state.free[r] = int(state.free[r]) - units
        state.released[end, r] = int(state.released[end, r]) + units
    state.ending[end] = int(state.ending[end]) + 1
    state.relief[end] = float(state.relief[end]) + 1.0 / duration
    state.start[job] = state.time
    state.window[slot] = NO_JOB


@jit
def used_share(state, params):
    """Return the mean share of a resource that is in use."""
    count, share = num_resources(params), 0.0
    for r in range(count):
        capacity = int(params.capacity[r])
        share += (capacity - int(state.free[r])) / capacity
    return share / count


@jit
def pass_step(state, params):
    """Let one step of the clock pass; return the slowdown that the jobs in the system gathered in it."""
    slowdown = float(state.pressure)
    state.used = float(state.used) + used_share(state, params)
    time = int(state.time) + 1
    state.time = time
    now = time % MAX_DURATION
    for r in range(MAX_RESOURCES):
        state.free[r] = int(state.free[r]) + int(state.released[now, r])
        state.released[now, r] = 0
    state.num_finished = int(state.num_finished) + int(state.ending[now])
    state.pressure = float(state.pressure) - float(state.relief[now])
    state.ending[now] = 0
    state.relief[now] = 0.0
    arrive(state, params)
    return slowdown


@jit
def reset(state, params):
    state.time = 0
    state.num_jobs = 0
    state.next_job = 0
    state.num_finished = 0
    state.pressure = 0.0
    state.used = 0.0
    for job in range(MAX_JOBS):
        state.arrival[job] = 0
        state.duration[job] = 0
        state.start[job] = WAITING
        for r in range(MAX_RESOURCES):
            state.demand[job, r] = 0
    for slot in range(WINDOW):
        state.window[slot] = NO_JOB
    for r in range(MAX_RESOURCES):
        state.free[r] = params.capacity[r]
    for t in range(MAX_DURATION):
        state.ending[t] = 0
        state.relief[t] = 0.0
        for r in range(MAX_RESOURCES):
            state.released[t, r] = 0
    arrive(state, params)
    fill_window(state)


@jit
def step(state, params, action):
    slot = int(action)
    reward = 0.0
    if slot < WINDOW:
        start_job(state, slot)
    else:
        reward = -REWARD_SCALE * pass_step(state, params)
    fill_window(state)
    is_drained = int(state.num_finished) == int(state.num_jobs) and int(state.time) >= last_arrival(params)
    return reward, is_drained


@jit
def num_waiting(state):
    """Return how many jobs are in the window."""
    count = 0
    for slot in range(WINDOW):
        count += int(state.window[slot]) != NO_JOB
    return count


@jit
def num_features(count):
    """Return the length of a row under `count` resources."""
    return NUM_OWN + NUM_SHARED + count * (1 + HORIZON)


@jit
def observe_slot(state, params, slot, row):
    """Write what a slot's own job is: all 0 where there is none."""
    count, job = num_resources(params), int(state.window[slot])
    for k in range(NUM_OWN + count):
        row[k] = 0.0
    if job == NO_JOB:
        return
    duration = int(state.duration[job])
    row[0] = 1.0
    row[1] = 1.0 if fits(state, params, slot) else 0.0
    row[2] = min(1.0, duration / HORIZON)
    row[3] = 1.0 / duration
    waited = int(state.time) - int(state.arrival[job])
    row[4] = waited / (waited + 20.0)
    for r in range(count):
        row[NUM_OWN + r] = int(state.demand[job, r]) / int(params.capacity[r])


@jit
def observe_cluster(state, params, row):
    """Write what all rows share: the queue, and the free share of each resource now and at each step to come."""
    count, time, last = num_resources(params), int(state.time), last_arrival(params)
    backlog = int(state.num_jobs) - int(state.next_job)
    k = NUM_OWN + count
    row[k] = num_waiting(state) / WINDOW
    row[k + 1] = min(1.0, backlog / 50.0)
    row[k + 2] = max(0, last - time) / (last + 1.0)
    row[k + 3] = min(1.0, max(0.0, float(state.pressure)) / 20.0)
    k += NUM_SHARED
    for r in range(count):
        unit, free, at = 1.0 / int(params.capacity[r]), int(state.free[r]), time % MAX_DURATION
        for ahead in range(HORIZON):
            if ahead > 0:
                at = at + 1 if at + 1 < MAX_DURATION else 0  # cheaper than a remainder
                free += int(state.released[at, r])
            row[k] = free * unit
            k += 1


@jit
def observe(state, params, obs):
    observe_cluster(state, params, obs[0])
    first, length = NUM_OWN + num_resources(params), num_features(num_resources(params))
    for slot in range(WINDOW):
        observe_slot(state, params, slot, obs[slot])
        if slot > 0:
            for k in range(first, length):
                obs[slot, k] = obs[0, k]


@jit
def action_mask(state, params, mask):
    for slot in range(WINDOW):
        mask[slot] = fits(state, params, slot)
    waiting = num_waiting(state) + int(state.num_jobs) - int(state.next_job)
    num_running = int(state.num_jobs) - int(state.num_finished) - waiting
    # Nothing runs and nobody will come: to wait is pointless, and who always waits would never end.
    mask[WINDOW] = num_running > 0 or waiting == 0 or int(state.time) < last_arrival(params)


@jit
def slowdown(state, job):
    """Return (finish − arrival) / duration; of a job that has not finished, what it has gathered so far."""
    start, duration = int(state.start[job]), int(state.duration[job])
    end = int(state.time)
    if start != WAITING and start + duration < end:
        end = start + duration
    return (end - int(state.arrival[job])) / duration


@jit
def percentile_95(state):
    """Return the smallest slowdown that at least 95 % of the jobs do not exceed (0 without jobs)."""
    num_jobs = int(state.num_jobs)
    bound, above = math.inf, 0  # `above` jobs have a slowdown of at least `bound`
    while above < num_jobs:
        highest, count = -1.0, 0
        for job in range(num_jobs):
            value = slowdown(state, job)
            if value < bound:
                if value > highest:
                    highest, count = value, 0
                count += value == highest
        if (above + count) * 20 > num_jobs:
            return highest
        bound = highest
        above += count
    return 0.0


@jit
def metrics(state, params, out):
    num_jobs, total = int(state.num_jobs), 0.0
    for job in range(num_jobs):
        total += slowdown(state, job)
    out[0] = total / max(1, num_jobs)
    out[1] = percentile_95(state)
    out[2] = float(state.used) / max(1, int(state.time))
    out[3] = int(state.num_finished)
