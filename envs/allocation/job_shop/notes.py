"""Notes of the job shop's machines: who waits for each, and who arrives next. They follow from the rest of the state.

Only the notes of machines that an event concerns are renewed. A job waits for its next machine if it is free.
"""

from rlkit.engine.jit import jit

NO_TIME = 2**30  # later than everything

# columns of the notes
NUM_WAITING = 0  # jobs
WAITING_WORK = 1  # of the operations that wait
LONGEST_JOB, LONGEST, SECOND_LONGEST = 2, 3, 4  # the waiting job with most work left, that work, the next most; or −1
SHORTEST_JOB, SHORTEST, SECOND_SHORTEST = 5, 6, 7  # the job of the shortest waiting operation, … ; or −1, NO_TIME
ARRIVAL, ARRIVAL_WORK = 8, 9  # when the first running job whose next machine this is gets free, and its work left


@jit
def note(state, num_jobs, machine):
    """Renew the notes of a machine, and raise the bound to the earliest end of each job whose next machine it is."""
    now, machine_free, bound = int(state.now), int(state.machine_free[machine]), int(state.bound)
    count, total, arrival, arrival_work = 0, 0, NO_TIME, 0
    longest_job, longest, second_longest = -1, -1, -1
    shortest_job, shortest, second_shortest = -1, NO_TIME, NO_TIME
    for job in range(num_jobs):
        if int(state.next_machine[job]) == machine:
            free, work, duration = int(state.job_free[job]), int(state.job_work[job]), int(state.next_duration[job])
            bound = max(bound, max(max(free, now), machine_free) + work)
            if free > now:
                if free < arrival:
                    arrival, arrival_work = free, work
                continue
            count += 1
            total += duration
            longest_job = job if work > longest else longest_job
            second_longest, longest = max(second_longest, min(longest, work)), max(longest, work)
            shortest_job = job if duration < shortest else shortest_job
            second_shortest, shortest = min(second_shortest, max(shortest, duration)), min(shortest, duration)
    state.notes[machine, NUM_WAITING], state.notes[machine, WAITING_WORK] = count, total
    state.notes[machine, LONGEST_JOB], state.notes[machine, LONGEST] = longest_job, longest
    state.notes[machine, SECOND_LONGEST], state.notes[machine, SECOND_SHORTEST] = second_longest, second_shortest
    state.notes[machine, SHORTEST_JOB], state.notes[machine, SHORTEST] = shortest_job, shortest
    state.notes[machine, ARRIVAL], state.notes[machine, ARRIVAL_WORK] = arrival, arrival_work
    state.bound = bound


@jit
def count(state, num_machines):
    """Count what can start, and raise the bound to the earliest ends of machines and of jobs that wait."""
    now, bound, startable = int(state.now), int(state.bound), 0
    for machine in range(num_machines):
        free = int(state.machine_free[machine])
        rest = max(int(state.machine_work[machine]), int(state.notes[machine, LONGEST]))
        bound = max(bound, max(now, free) + rest)
        startable += int(state.notes[machine, NUM_WAITING]) if free <= now else 0
    state.bound = bound
    state.num_startable = startable
