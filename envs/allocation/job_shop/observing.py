"""What a dispatcher sees of the job shop: a row a job.

Times are in units of twice the mean duration (t); work and bounds are shares of the time that is left until the
present lower bound of the makespan (r). "Next machine" is that of the job's next operation, "rivals" are the
other jobs that wait for it, "first arrival" is the running job that will be the first to join them.

     0  it can start now                          13  rivals / 4
     1  it runs                                   14  r: what its going first adds to the bound, through the rival
     2  it is done                                    with most work left (below 0: the slack that is left)
     3  t: next duration                          15  r: the same if the rival with the shortest operation goes first
     4  t: until it is free                       16  r: what its going first adds through the first arrival
     5  t: until the next machine is free         17  t: how long it would hold up the first arrival
     6  r: its earliest end                       18  t: its duration less the shortest among rivals
     7  operations left / num_machines            19  r: its work left less the most among rivals
     8  r: the next machine's earliest end        20  t: duration of the operation after the next
     9  r: the earliest end of the machine after  21  all: operations left / all operations
    10  t: work that waits for that machine       22  all: jobs that can start / jobs
    11  t: until that machine is free             23  all: t until the next event
    12  waited / (waited + 1), waited in t        24  all: waiting is legal
                                                  25  all: t left until the bound, / mean of jobs and machines

Columns 14 to 16 are −1 where there is nobody.
"""

from envs.allocation.job_shop.notes import (
    ARRIVAL,
    ARRIVAL_WORK,
    LONGEST,
    LONGEST_JOB,
    NO_TIME,
    NUM_WAITING,
    SECOND_LONGEST,
    SECOND_SHORTEST,
    SHORTEST,
    SHORTEST_JOB,
    WAITING_WORK,
)
from rlkit.engine.jit import jit

NUM_FEATURES = 26
MAX_RATIO = 4.0  # greater shares and times are seen as this


@jit
def observe(state, params, obs):
    num_jobs, num_machines = int(params.num_jobs), int(params.num_machines)
    now, bound = int(state.now), int(state.bound)
    per_time, per_rest = float(state.per_time), 1.0 / max(1, bound - now)
    longest = int(MAX_RATIO / per_time)  # seen; times are cut as whole numbers, which is faster
    event = min(int(state.next_event) - now, longest) * per_time if int(state.next_event) < NO_TIME else 0.0
    left = int(state.num_left) / (num_jobs * num_machines)
    startable = int(state.num_startable) / num_jobs
    scale = min(2.0 * (bound - now) * per_time / (num_jobs + num_machines), MAX_RATIO)
    for job in range(num_jobs):
        if int(state.next_machine[job]) >= 0:
            _observe_job(state, num_machines, job, obs, per_time, per_rest, longest)
        else:
            _observe_last(state, job, obs, per_time, per_rest, longest)
        obs[job, 21] = left
        obs[job, 22] = startable
        obs[job, 23] = event
        obs[job, 24] = state.can_wait
        obs[job, 25] = scale


@jit
def _observe_last(state, job, obs, per_time, per_rest, longest):
    """Write the row of a job whose last operation runs or has ended."""
    job_in = max(0, int(state.job_free[job]) - int(state.now))
    for column in range(21):
        obs[job, column] = 0.0
    obs[job, 1] = job_in > 0
    obs[job, 2] = job_in == 0
    obs[job, 4] = min(job_in, longest) * per_time
    obs[job, 6] = job_in * per_rest


@jit
def _observe_job(state, num_machines, job, obs, per_time, per_rest, longest):
    now, k, free = int(state.now), int(state.next_op[job]), int(state.job_free[job])
    machine, duration, work = int(state.next_machine[job]), int(state.next_duration[job]), int(state.job_work[job])
    job_in, machine_in = max(0, free - now), max(0, int(state.machine_free[machine]) - now)
    waits = 1 if free <= now else 0
    waited = max(0, now - free) * per_time
    obs[job, 0] = waits if machine_in == 0 else 0
    obs[job, 1] = 1 - waits
    obs[job, 2] = 0.0
    obs[job, 3] = min(duration, longest) * per_time
    obs[job, 4] = min(job_in, longest) * per_time
    obs[job, 5] = min(machine_in, longest) * per_time
    obs[job, 6] = (max(job_in, machine_in) + work) * per_rest
    obs[job, 7] = (num_machines - k) / num_machines
    obs[job, 8] = (machine_in + int(state.machine_work[machine])) * per_rest
    obs[job, 12] = waited / (waited + 1.0)
    obs[job, 13] = min(int(state.notes[machine, NUM_WAITING]) - waits, 16) * 0.25
    _observe_rivals(state, job, obs, machine, waits, machine_in, per_time, per_rest, longest)
    if k + 1 == num_machines:
        obs[job, 9] = obs[job, 10] = obs[job, 11] = obs[job, 20] = 0.0
        return
    operation = job * num_machines + k + 1
    after = int(state.machines[operation])
    after_in = max(0, int(state.machine_free[after]) - now)
    obs[job, 9] = (after_in + int(state.machine_work[after])) * per_rest
    obs[job, 10] = min(int(state.notes[after, WAITING_WORK]), longest) * per_time
    obs[job, 11] = min(after_in, longest) * per_time
    obs[job, 20] = min(int(state.durations[operation]), longest) * per_time


@jit
def _observe_rivals(state, job, obs, machine, waits, machine_in, per_time, per_rest, longest):
    """Write what starting a job would do to others that want its machine, and they to it; −1: there is nobody."""
    duration, work = int(state.next_duration[job]), int(state.job_work[job])
    rest = int(state.bound) - int(state.now)
    obs[job, 14] = obs[job, 15] = obs[job, 16] = -1.0
    obs[job, 17] = obs[job, 18] = obs[job, 19] = 0.0
    if int(state.notes[machine, NUM_WAITING]) > waits:
        is_longest = job == int(state.notes[machine, LONGEST_JOB])
        is_shortest = job == int(state.notes[machine, SHORTEST_JOB])
        most = int(state.notes[machine, SECOND_LONGEST]) if is_longest else int(state.notes[machine, LONGEST])
        least = int(state.notes[machine, SECOND_SHORTEST]) if is_shortest else int(state.notes[machine, SHORTEST])
        obs[job, 14] = (machine_in + duration + most - rest) * per_rest
        obs[job, 15] = (machine_in + least + work - rest) * per_rest
        obs[job, 18] = max(-longest, min(duration - least, longest)) * per_time
        obs[job, 19] = (work - most) * per_rest
    if waits and int(state.notes[machine, ARRIVAL]) < NO_TIME:
        arrival_in = int(state.notes[machine, ARRIVAL]) - int(state.now)
        end_in = machine_in + duration
        obs[job, 16] = (max(arrival_in, end_in) + int(state.notes[machine, ARRIVAL_WORK]) - rest) * per_rest
        obs[job, 17] = max(-longest, min(end_in - arrival_in, longest)) * per_time
