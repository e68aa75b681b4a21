"""ClusterSched: episodes drawn by hand, an independent simulator, brute force against the bound, and traces."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlkit
from envs.allocation.cluster_sched import ENVIRONMENT, rules, yardstick
from envs.allocation.cluster_sched.traces import read_trace
from rlkit.evaluation import run_episodes
from rlkit.extras import MissingExtraError

WAIT = rules.WINDOW
BATCHES = {
    count: rlkit.make_batch("cluster_sched", 1, num_resources=count, autoreset_mode="same_step") for count in (2, 3)
}


def trace_of(tmp_path, jobs, capacity=(10, 10)):
    """Write a trace of (arrival, duration, *demands) and return its path."""
    rows = [{"arrival": a, "duration": d, "demands": list(demands)} for a, d, *demands in jobs]
    path = tmp_path / "trace.json"
    path.write_text(json.dumps({"capacity": list(capacity), "jobs": rows}))
    return str(path)


def play_trace(path, actions):
    env = rlkit.make("cluster_sched", level=path)
    env.reset(seed=0)
    steps = [env.step(action) for action in actions]
    return env, steps


def test_an_episode_drawn_by_hand(tmp_path):
    """Two jobs that do not fit beside each other, and one that comes at time 1: slowdowns 2/2, (2 + 1)/1 and 3/2."""
    path = trace_of(tmp_path, [(0, 2, 6, 1), (0, 1, 6, 1), (1, 2, 4, 1)])
    env, steps = play_trace(path, [0, WAIT, 0, WAIT, 1, WAIT])
    rewards = [step[1] for step in steps]
    # time 0 to 1: jobs of 1/2 and 1; 1 to 2: 1/2 + 1 + 1/2; 2 to 3: 1 + 1/2
    np.testing.assert_allclose(rewards, [0, -0.015, 0, -0.02, 0, -0.015], atol=1e-12)
    assert [step[2] for step in steps] == [False] * 5 + [True]
    assert env.state.start[:3].tolist() == [0, 2, 1]
    out = np.zeros(4)
    rules.metrics(env.state, env.params, out)
    # busy: 6, 10, 10 of 10 units and 1, 2, 2 of the other resource's 10
    np.testing.assert_allclose(out, [(1 + 3 + 1) / 3, 3, (26 + 5) / 60, 3])


def test_what_is_observed(tmp_path):
    path = trace_of(tmp_path, [(0, 2, 6, 1), (0, 4, 3, 2), (0, 1, 6, 1), (3, 20, 4, 1)])
    _, steps = play_trace(path, [0, 1, WAIT])
    obs, info = steps[-1][0], steps[-1][4]
    assert obs.shape == (10, 9 + 21 * 2)
    np.testing.assert_allclose(obs[2, :7], [1, 0, 1 / 20, 1, 1 / 21, 0.6, 0.1], rtol=1e-6)  # waits, and does not fit
    assert (obs[[0, 1, *range(3, 10)], :7] == 0).all()
    assert (obs[:, 7:] == obs[0, 7:]).all()
    np.testing.assert_allclose(obs[0, 7:11], [0.1, 0, 2 / 4, (1 / 2 + 1 / 4 + 1) / 20], rtol=1e-6)
    np.testing.assert_allclose(obs[0, 11:31], [0.1, *[0.7] * 2, *[1.0] * 17], rtol=1e-6)
    np.testing.assert_allclose(obs[0, 31:51], [0.7, *[0.8] * 2, *[1.0] * 17], rtol=1e-6)
    assert info["action_mask"].tolist() == [0] * 10 + [1]


def test_waiting_is_illegal_only_where_nothing_runs_and_nobody_will_come(tmp_path):
    path = trace_of(tmp_path, [(0, 1, 6, 1), (2, 1, 6, 1)])
    _, steps = play_trace(path, [WAIT, WAIT, 0, WAIT, 1])
    # a job of two will come; both wait; one runs; one waits; one runs
    assert [int(step[4]["action_mask"][WAIT]) for step in steps] == [1, 0, 1, 0, 1]


def test_jobs_beyond_the_window_wait_in_order(tmp_path):
    path = trace_of(tmp_path, [(0, 1 + k, 1, 1) for k in range(14)])
    env, steps = play_trace(path, [4, 0])
    assert env.state.window.tolist() == [11, 1, 2, 3, 10, 5, 6, 7, 8, 9]
    assert steps[-1][0][0, 8] == np.float32(2 / 50)  # two jobs in the backlog


def simulate(jobs, capacity, key):
    """An independent scheduler over a list of jobs: the mean slowdown when jobs are started by `key`, none withheld.

    Knows the window of ten: a job enters it when one of its slots is free.
    """
    waiting, running, finished, time = [], [], [], 0
    coming = sorted(range(len(jobs)), key=lambda j: jobs[j][0])
    while coming or waiting or running:
        running = [(end, j) for end, j in running if end > time]
        while coming and jobs[coming[0]][0] <= time:
            waiting.append(coming.pop(0))
        while True:
            used = [sum(jobs[j][2][r] for _, j in running) for r in range(len(capacity))]
            fitting = [
                j for j in waiting[:10] if all(u + d <= c for u, d, c in zip(used, jobs[j][2], capacity, strict=True))
            ]
            if not fitting:
                break
            job = min(fitting, key=lambda j: key(jobs[j], used))
            waiting.remove(job)
            running.append((time + jobs[job][1], job))
            finished.append((time + jobs[job][1] - jobs[job][0]) / jobs[job][1])
        time += 1
    return np.mean(finished), np.quantile(finished, 0.95, method="inverted_cdf")


@pytest.mark.parametrize(("resources", "rate"), [(2, 0.3), (2, 0.9), (3, 0.7)])
def test_first_come_first_served_agrees_with_an_independent_simulator(resources, rate):
    options = {"num_resources": resources, "job_rate": rate}
    policy = ENVIRONMENT.yardstick.policies["fifo"](ENVIRONMENT.params(**options)[0])
    episodes = run_episodes(ENVIRONMENT, policy, 20, seed=5, **options)
    for i in range(20):
        jobs, capacity = jobs_of(5 + i, **options)
        # at most one job arrives in a step: nobody has waited equally long
        mean, p95 = simulate(jobs, capacity, key=lambda job, used: job[0])
        np.testing.assert_allclose(episodes.metrics["mean_slowdown"][i], mean, rtol=1e-12)
        np.testing.assert_allclose(episodes.metrics["p95_slowdown"][i], p95, rtol=1e-12)
        assert episodes.metrics["jobs_finished"][i] == len(jobs)
        np.testing.assert_allclose(episodes.returns[i], -0.01 * mean * len(jobs), rtol=1e-9)


def jobs_of(seed, **options):
    """Return the jobs of an episode as (arrival, duration, demands), and the capacities."""
    found = yardstick.episode_jobs(seed, **options)
    jobs = list(zip(found["arrival"].tolist(), found["duration"].tolist(), found["demand"].tolist(), strict=True))
    return jobs, found["capacity"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("sjf", lambda job, used: job[1]),
        ("packer", lambda job, used: -sum(d * (10 - u) for d, u in zip(job[2], used, strict=True))),
        (
            "tetris",
            lambda job, used: -sum(d * (10 - u) for d, u in zip(job[2], used, strict=True)) / 100 - 1 / job[1],
        ),
    ],
)
def test_rules_agree_with_an_independent_simulator_up_to_rounding(name, key):
    policy = ENVIRONMENT.yardstick.policies[name](ENVIRONMENT.params()[0])
    ours = run_episodes(ENVIRONMENT, policy, 60, seed=5).metrics["mean_slowdown"]
    theirs = np.array([simulate(*jobs_of(5 + i), key)[0] for i in range(60)])
    assert abs(ours.mean() / theirs.mean() - 1) < 0.01
    assert (np.abs(ours - theirs) < 1e-9).mean() > 0.9


def test_rules_have_the_recorded_figures():
    """The specification's mean slowdowns at rates 0.3 to 0.9, of an earlier program: within 15 % (see yardstick.py)."""
    record = {"sjf": (2.71, 4.14, 8.28, 16.3), "tetris": (2.85, 4.35, 8.93, 17.1), "packer": (4.37, 12.2, 21.6, 35.0)}
    for name, figures in record.items():
        policy = ENVIRONMENT.yardstick.policies[name](ENVIRONMENT.params()[0])
        for rate, figure in zip((0.3, 0.5, 0.7, 0.9), figures, strict=True):
            found = run_episodes(ENVIRONMENT, policy, 400, seed=0, job_rate=rate).metrics["mean_slowdown"].mean()
            assert abs(found / figure - 1) < 0.15, (name, rate, found)


def test_drawn_jobs_are_as_declared():
    parts = [yardstick.episode_jobs(seed) for seed in range(200)]
    duration, demand, arrival = (
        np.concatenate([part[name] for part in parts]) for name in ("duration", "demand", "arrival")
    )
    assert abs(len(duration) / (200 * 100) - 0.7) < 0.02
    assert set(duration.tolist()) == {1, 2, 3, 10, 11, 12, 13, 14, 15}
    assert abs((duration <= 3).mean() - 0.8) < 0.02
    assert set(demand.max(axis=1).tolist()) == {5, 6, 7, 8, 9, 10}
    assert set(demand.min(axis=1).tolist()) == {1, 2}
    assert abs((demand[:, 0] > demand[:, 1]).mean() - 0.5) < 0.02
    assert arrival.min() == 0
    assert arrival.max() == 99


def least_slowdown(path):
    """Return the least total slowdown of a trace by trying every sequence of actions."""
    env = rlkit.make_batch("cluster_sched", 1, level=path, autoreset_mode="disabled")
    env.reset(seed=0)
    seen = {}

    def best_from(snapshot, mask):
        state = snapshot.states[0]
        key = (int(state.time), (state.start < 0).tobytes(), state.released.tobytes())  # what the future depends on
        if key not in seen:
            seen[key] = min(outcome(snapshot, action) for action in np.flatnonzero(mask))
        return seen[key]

    def outcome(snapshot, action):
        env.restore(snapshot)
        _, rewards, terminated, _, info = env.step(np.array([action]))
        cost = -rewards[0] / rules.REWARD_SCALE
        return cost if terminated[0] else cost + best_from(env.snapshot(), info["action_mask"][0])

    return best_from(env.snapshot(), env.restore(env.snapshot())[1]["action_mask"][0])


def test_the_offline_bound_is_what_trying_everything_finds(tmp_path):
    pytest.importorskip("ortools")
    rng = np.random.default_rng(3)
    withheld = 0
    for _ in range(6):
        jobs = sorted(
            (int(rng.integers(0, 5)), int(rng.choice([1, 2, 3, 8])), int(rng.integers(4, 11)), int(rng.integers(1, 7)))
            for _ in range(5)
        )
        path = trace_of(tmp_path, jobs)
        bound = yardstick.offline_bound(**yardstick.episode_jobs(0, level=path))
        np.testing.assert_allclose(bound, least_slowdown(path) / len(jobs), rtol=1e-6)
        policy = ENVIRONMENT.yardstick.policies["sjf"](ENVIRONMENT.params(path)[0])
        withheld += run_episodes(ENVIRONMENT, policy, 1, 0, level=path).metrics["mean_slowdown"][0] > bound + 1e-9
    assert withheld > 0  # leaving room for what comes is better than the rule


def test_no_rule_is_below_the_offline_bound():
    pytest.importorskip("ortools")
    small = {"arrival_steps": 14}
    bounds = np.array([yardstick.offline_bound(**yardstick.episode_jobs(seed, **small)) for seed in range(12)])
    for build in ENVIRONMENT.yardstick.policies.values():
        episodes = run_episodes(ENVIRONMENT, build(ENVIRONMENT.params()[0]), 12, seed=0, **small)
        assert (episodes.metrics["mean_slowdown"] >= bounds - 1e-9).all()


def test_the_bound_without_or_tools_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ortools.sat.python.cp_model", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rlkit-suite\[yardsticks\]'"):
        yardstick.offline_bound(**yardstick.episode_jobs(0, arrival_steps=5))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32), st.integers(2, 3), st.floats(0.1, 1.0), st.lists(st.floats(0, 1), min_size=40, max_size=150)
)
def test_no_unit_is_lost_or_used_twice(seed, resources, rate, choices):
    env = BATCHES[resources]
    env.params["job_rate"] = rate
    _, info = env.reset(seed=seed)
    for choice in choices:
        legal = np.flatnonzero(info["action_mask"][0])
        _, _, _, _, info = env.step(legal[[int(choice * (len(legal) - 1e-9))]])
        state, capacity = env.states[0], env.params["capacity"][0][:resources]
        time, jobs = int(state.time), np.arange(int(state.num_jobs))
        start, duration = state.start[jobs].astype(int), state.duration[jobs].astype(int)
        runs = (start >= 0) & (start + duration > time)
        used = state.demand[jobs][runs].sum(axis=0)[:resources]
        np.testing.assert_array_equal(state.free[:resources], capacity - used)
        assert (used <= capacity).all()
        present = (start < 0) | runs
        np.testing.assert_allclose(state.pressure, (1 / duration[present]).sum(), atol=1e-9)
        assert int(state.num_finished) == (~present).sum()
        slots = [job for job in state.window if job >= 0]
        backlog = range(int(state.next_job), int(state.num_jobs))
        assert sorted([*slots, *backlog]) == np.flatnonzero(start < 0).tolist()


def test_a_csv_trace_is_the_json_trace(tmp_path):
    path = tmp_path / "jobs.csv"
    path.write_text("arrival,duration,cores,memory\ncapacity,,64,256\n2,1,48,16\n\n0,3,16,32\n0,12,8,128\n")
    csv_params = read_trace(str(path))
    json_params = read_trace(trace_of(tmp_path, [(0, 3, 16, 32), (0, 12, 8, 128), (2, 1, 48, 16)], (64, 256)))
    assert csv_params.keys() == json_params.keys()
    for name, value in csv_params.items():
        np.testing.assert_array_equal(value, json_params[name])
    assert csv_params["trace_arrival"][:3].tolist() == [0, 0, 2]


HEAD = "arrival,duration,a,b\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "", "line 1: the header must be arrival,duration and the names of 2 or 3 resources, not empty"),
        ("t.csv", "arrival,length,a,b\n", "line 1: the header .* not arrival,length,a,b"),
        ("t.csv", HEAD, "there is nothing under the header"),
        ("t.csv", HEAD + "0,1,2,3\n", "line 2: the first line must give the capacity"),
        ("t.csv", HEAD + "capacity,,8,8\n", "has 0 jobs; give 1 to 200"),
        ("t.csv", HEAD + "capacity,,8,8\n" + "0,1,1,1\n" * 201, "has 201 jobs; give 1 to 200"),
        ("t.csv", HEAD + "capacity,,8,8\n0,1,1\n", "line 3: 3 fields under a header of 4"),
        ("t.csv", HEAD + "capacity,,8,8\n0,0,1,1\n", "line 3: duration '0' must be a whole number from 1 to 100"),
        ("t.csv", HEAD + "capacity,,8,8\n\nx,1,1,1\n", "line 4: arrival 'x' must be a whole number from 0"),
        ("t.csv", HEAD + "capacity,,8,8\n0,1,1,nan\n", "line 3: b 'nan' must be a whole number"),
        ("t.csv", HEAD + "capacity,,8,8\n0,1,1,9\n", "line 3: the job needs 9 units of resource 2, which has only 8"),
        ("t.json", "{", "line 1: this is not JSON"),
        ("t.json", "[]", "a trace is an object"),
        ("t.json", '{"capacity": [1], "jobs": []}', "capacity must be a list of 2 or 3"),
        ("t.json", '{"capacity": [1, 0], "jobs": []}', r"capacity\[1\] 0 must be a whole number from 1"),
        ("t.json", '{"capacity": [1, 1], "jobs": [3]}', r"jobs\[0\]: demands must be a list of 2"),
        (
            "t.json",
            '{"capacity": [1, 1], "jobs": [{"arrival": 0, "duration": 1.5, "demands": [1, 1]}]}',
            r"jobs\[0\]: duration 1.5 must be a whole number from 1 to 100",
        ),
        (
            "t.json",
            '{"capacity": [1, 1], "jobs": [{"duration": 1, "demands": [1, 1]}]}',
            r"jobs\[0\]: arrival None must be",
        ),
    ],
)
def test_a_bad_trace_is_refused_in_one_sentence(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        ENVIRONMENT.params(str(path))


def test_a_level_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no level 'eazy'; there are: easy, standard"):
        ENVIRONMENT.params("eazy")
    with pytest.raises(ValueError, match=r"cannot read the trace .*none\.csv: No such file"):
        ENVIRONMENT.params(str(tmp_path / "none.csv"))


def test_explain_gives_facts_and_refuses_moves(monkeypatch):
    pytest.importorskip("ortools")
    monkeypatch.setattr(yardstick, "EXPLAIN_EPISODES", 20)
    monkeypatch.setattr(yardstick, "SMALL_EPISODES", 3)
    facts = ENVIRONMENT.yardstick.explain("")
    small = facts["mean_slowdown_of_small_episodes"]
    assert list(small) == ["offline bound", "sjf", "tetris", "packer", "fifo", "random"]
    assert min(small, key=small.get) == "offline bound"
    assert facts["mean_slowdown"]["sjf"] < facts["mean_slowdown"]["fifo"] < facts["mean_slowdown"]["random"]
    with pytest.raises(ValueError, match="no moves to explain; leave out moves '1'"):
        yardstick.explain("1")
