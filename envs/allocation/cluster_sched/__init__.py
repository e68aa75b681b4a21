"""ClusterSched: start the waiting jobs of a cluster in the order that keeps everybody's slowdown low.

Jobs arrive at random, most short, some long. Each needs a few units of every resource while it runs, and most of one
of them. Ten jobs are in the window to choose from; the others wait behind it in the backlog, in order of arrival. A
job that starts runs to its end. Withholding a long job that would fit, because short ones will come, is how a
scheduler gets better than the rules.

Observation
    Box float32 [10, 9 + 21 R], R resources, all in [0, 1]. One row a slot of the window. Of its own job, all 0 in an
    empty slot: present; fits now; duration / 20; 1 / duration; w / (w + 20) of the w steps
    waited; its demand of each resource as a
    share of the capacity [R]. Then, the same in every row: share of the slots taken; jobs in the backlog / 50; share
    of the arrival steps still to come; Σ 1/duration of the jobs in the system / 20; and the share of each resource
    that is free now and, of what runs, will be free 1 to 19 steps ahead [R, 20]. Larger values are cut to 1.

Action
    Discrete(11): 0 to 9 start the job of that slot now, which takes no time and is legal if every resource it needs is
    free; 10 lets one step pass, legal unless jobs wait while nothing runs and nobody will come.

Reward
    When a step passes: −0.01 Σ 1/duration over the jobs in the system, waiting or running; starting a job gives 0.
    Summed over an episode that is −0.01 times the total slowdown, where the slowdown of a job is
    (finish − arrival) / duration, at least 1.

Termination
    All jobs have finished and no more arrive. Truncated after 2,000 actions; unfinished jobs then count with the
    slowdown they have gathered.

Params
    job_rate (chance of an arrival in a step), arrival_steps (steps with arrivals, at most 200; then the cluster is
    drained), num_resources (2 or 3), capacity (units of each resource, an array), short_share (share of short jobs),
    min_short, max_short, min_long, max_long (steps, drawn uniformly), min_dominant, max_dominant (units of the one
    resource, drawn at random, that a job needs most), min_other, max_other (units of the others). trace_jobs,
    trace_arrival, trace_duration and trace_demand are a given trace (trace_jobs 0: none). The backlog holds every job
    of an episode: none is turned away.

    `--level FILE` takes a trace of your own, .csv or .json: see envs/allocation/cluster_sched/traces.py.

Metrics
    mean_slowdown and p95_slowdown (over the jobs of the episode), utilisation (share of the resources in use until the
    last job has finished), jobs_finished.

Yardstick
    Shortest job first, Tetris (Grandl et al. 2014), Packer and first come first served; and an offline bound on
    small traces by CP-SAT that no scheduler can go below.

Source
    H. Mao, M. Alizadeh, I. Menache, S. Kandula, "Resource management with deep reinforcement learning", HotNets 2016
    (DeepRM). Durations are the paper's; demands those of the authors' program, half to all of the dominant resource.
    The paper's text has half as much, which the level `light` is: there almost every order of jobs is good.
"""

import numpy as np
from gymnasium import spaces

from envs.allocation.cluster_sched.traces import read_trace
from rlkit.environment import Environment


def _observation_space(params):
    from envs.allocation.cluster_sched import rules

    shape = (rules.WINDOW, int(rules.num_features(rules.num_resources(params))))
    return spaces.Box(0.0, 1.0, shape)


ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/ClusterSched-v0",
    observation_space=_observation_space,
    action_space=spaces.Discrete(11),
    max_steps=2_000,
    metrics=("mean_slowdown", "p95_slowdown", "utilisation", "jobs_finished"),
    levels={
        "easy": {"job_rate": 0.3},
        "standard": {"job_rate": 0.7},
        "hard": {"job_rate": 0.9},
        "light": {"job_rate": 0.9, "capacity": np.full(3, 20, np.int16)},
        "three_resources": {"num_resources": 3},
    },
    instance=read_trace,
    frame_seconds=0.25,
)
