"""Job shop: the rules against a slow builder, brute force and published figures; feasibility; files of shops."""

import heapq
import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlkit
from envs.allocation.job_shop import ENVIRONMENT, observing, rules
from envs.allocation.job_shop.instances import MAX_DURATION, Shop, params_of, published, read_shop
from rlkit.engine import rng
from rlkit.engine.state import make_params
from rlkit.evaluation import run_episodes

SPT, MWKR, FIFO, MOPNR = RULES = ("spt", "mwkr", "fifo", "mopnr")


# --- slow and independent ---------------------------------------------------------------------------------------


def build_non_delay(durations, machines, rule):
    """Return starts [J, M]: machines work whenever they can, on the job that `rule` puts first."""
    num_jobs, num_machines = len(durations), len(durations[0])
    queues = {machine: [] for machine in range(num_machines)}
    position, starts = [0] * num_jobs, [[0] * num_machines for _ in range(num_jobs)]
    busy = set()
    events = [(0, "arrives", job) for job in range(num_jobs)]

    def key(job, since):
        rest = durations[job][position[job] :]
        return {SPT: rest[0], MWKR: -sum(rest), FIFO: since, MOPNR: -len(rest)}[rule], job

    while events:
        time = events[0][0]
        while events and events[0][0] == time:
            _, what, number = heapq.heappop(events)
            if what == "ends":
                busy.discard(number)
            elif position[number] < num_machines:
                queues[machines[number][position[number]]].append((number, time))
        for machine, queue in queues.items():
            if queue and machine not in busy:
                chosen = min(queue, key=lambda entry: key(*entry))
                queue.remove(chosen)
                job = chosen[0]
                starts[job][position[job]] = time
                end = time + durations[job][position[job]]
                position[job] += 1
                busy.add(machine)
                heapq.heappush(events, (end, "ends", machine))
                heapq.heappush(events, (end, "arrives", job))
    return np.array(starts)


def least_makespan(durations, machines):
    """Return the least makespan over all orders of jobs on all machines, by trying them."""
    num_jobs, num_machines = durations.shape
    best = 10**9
    for orders in itertools.product(itertools.permutations(range(num_jobs)), repeat=num_machines):
        position, job_end, machine_end, place = [0] * num_jobs, [0] * num_jobs, [0] * num_machines, [0] * num_machines
        moved = True
        while moved:
            moved = False
            for job in range(num_jobs):
                k = position[job]
                if k < num_machines and orders[machines[job, k]][place[machines[job, k]]] == job:
                    machine = machines[job, k]
                    end = max(job_end[job], machine_end[machine]) + durations[job, k]
                    job_end[job] = machine_end[machine] = end
                    position[job] += 1
                    place[machine] = min(place[machine] + 1, num_jobs - 1)
                    moved = True
        if sum(position) == num_jobs * num_machines:  # else the orders contradict each other
            best = min(best, max(job_end))
    return best


def random_shop(generator, num_jobs, num_machines, high=100):
    durations = generator.integers(1, high, (num_jobs, num_machines))
    machines = np.array([generator.permutation(num_machines) for _ in range(num_jobs)])
    return Shop(durations, machines)


# --- helpers ------------------------------------------------------------------------------------------------------


def shop_params(shop, **changes):
    return make_params(rules.PARAMS, shop.params(), changes)


def fresh_state(params, seed=0):
    state = np.zeros(1, rules.STATE).view(np.recarray)[0]
    rng.seed(state, np.uint64(seed))
    rules.reset(state, params)
    return state


def legal(state, params):
    mask = np.zeros(int(params.num_jobs) + 1, np.int8)
    rules.action_mask(state, params, mask)
    return np.flatnonzero(mask)


def play_rule(shop, name):
    """Return (final state, params) of a rule's schedule."""
    params = shop_params(shop)[0]
    policy = ENVIRONMENT.yardstick.policies[name](params)
    state, obs, done = fresh_state(params), np.zeros((int(params.num_jobs), observing.NUM_FEATURES), np.float32), False
    while not done:
        rules.observe(state, params, obs)
        _, done = rules.step(state, params, int(policy.act(obs)))
    return state, params


def table(state, params, name):
    shape = int(params.num_jobs), int(params.num_machines)
    return np.asarray(state[name][: shape[0] * shape[1]], np.int64).reshape(shape)


def assert_feasible(state, params):
    starts, durations, machines = (table(state, params, name) for name in ("starts", "durations", "machines"))
    ends = starts + durations
    assert (starts[:, 1:] >= ends[:, :-1]).all()
    for machine in range(int(params.num_machines)):
        mine = np.flatnonzero(machines.ravel() == machine)
        order = mine[np.lexsort((ends.ravel()[mine], starts.ravel()[mine]))]
        assert (starts.ravel()[order[1:]] >= ends.ravel()[order[:-1]]).all()
    assert state.bound == ends.max()


# --- the rules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RULES)
def test_rules_build_the_schedules_of_a_slow_builder(name):
    generator = np.random.default_rng(1)
    for num_jobs, num_machines, high in [(6, 6, 100), (6, 6, 4), (10, 5, 100), (3, 7, 10), (1, 4, 9), (8, 1, 5)]:
        for _ in range(5):
            shop = random_shop(generator, num_jobs, num_machines, high)
            state, params = play_rule(shop, name)
            expected = build_non_delay(shop.durations.tolist(), shop.machines.tolist(), name)
            np.testing.assert_array_equal(table(state, params, "starts"), expected)


# name of a set → its instances, and the published mean gaps of SPT, MWKR, FIFO and MOPNR in %
PUBLISHED = {
    "ft06": (["ft06"], (60.0, 10.9, 18.2, 7.3)),
    "la 10×10": ([f"la{number}" for number in range(16, 21)], (15.7, 12.2, 25.3, 18.1)),
    "ta 15×15": ([f"ta{number:02}" for number in range(1, 11)], (25.9, 19.2, 23.9, 20.5)),
}


@pytest.mark.parametrize("kind", PUBLISHED)
def test_rules_miss_the_optimum_by_the_known_shares(kind):
    names, expected = PUBLISHED[kind]
    for rule, percent in zip(RULES, expected, strict=True):
        gaps = [play_rule(published()[name], rule)[0].bound / published()[name].optimum - 1 for name in names]
        assert 100 * np.mean(gaps) == pytest.approx(percent, abs=0.051)


def test_waiting_reaches_the_optimum_of_small_shops():
    """Every way to play 3 jobs on 3 machines: the best is the best of all orders on all machines."""
    needs_waiting = 0
    for seed in range(30):
        shop = random_shop(np.random.default_rng(seed), 3, 3, 10)
        expected = least_makespan(shop.durations, shop.machines)
        with_waits, without = (best_of_all_play(shop_params(shop)[0], waits) for waits in (True, False))
        assert with_waits == expected
        assert without >= expected
        needs_waiting += without > expected
    assert needs_waiting > 0  # there are shops whose optimum is no non-delay schedule


def best_of_all_play(params, waits=True):
    """Return the least makespan of all ways to play, with waiting or without."""
    best, seen, stack = 10**9, set(), [fresh_state(params)]
    while stack:
        state = stack.pop()
        actions = legal(state, params)
        for action in actions if waits else actions[actions < int(params.num_jobs)]:
            after = np.array([state]).view(np.recarray)[0]
            _, done = rules.step(after, params, int(action))
            if done:
                best = min(best, int(after.bound))
            elif after.tobytes() not in seen:
                seen.add(after.tobytes())
                stack.append(after)
    return best


def test_an_operation_that_fits_in_before_all_others_leaves_nothing_to_wait_for():
    """Job 1 would reach machine 0 at 5: before the end of job 0's operation of 6, not before that of one of 5."""
    for duration, may_wait in ((6, True), (5, False)):
        shop = Shop(np.array([[duration, 1], [5, 1]]), np.array([[0, 1], [1, 0]]))
        params = shop_params(shop)[0]
        state = fresh_state(params)
        assert legal(state, params).tolist() == [0, 1]  # nothing runs: there is nothing to wait for
        rules.step(state, params, 1)
        assert legal(state, params).tolist() == ([0, 2] if may_wait else [0])


@st.composite
def plays(draw):
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    noise = draw(st.sampled_from([{}, {"duration_noise": 0.5}, {"breakdown_rate": 0.05, "repair_time": 7.0}]))
    return shape, draw(st.sampled_from([1, 5, 99])), noise, draw(st.integers(0, 2**32))


@settings(max_examples=80, deadline=None)
@given(plays())
def test_random_play_is_feasible_and_pays_the_makespan(play):
    (num_jobs, num_machines), high, noise, seed = play
    params = make_params(
        rules.PARAMS, {"num_jobs": num_jobs, "num_machines": num_machines, "max_duration": high}, noise
    )[0]
    state, generator = fresh_state(params, seed), np.random.default_rng(seed)
    drawn, first = table(state, params, "durations"), int(state.bound)
    obs = np.zeros((num_jobs, observing.NUM_FEATURES), np.float32)
    rewards, done, steps = 0.0, False, 0
    while not done:
        before, now = int(state.bound), int(state.now)
        actions = legal(state, params)
        assert [job for job in actions if job < num_jobs] == startable(state, params)
        reward, done = rules.step(state, params, int(generator.choice(actions)))
        rules.observe(state, params, obs)
        assert np.isfinite(obs).all()
        assert (np.abs(obs) <= observing.MAX_RATIO).all()
        assert state.bound >= before
        assert state.now >= now
        rewards, steps = rewards + reward, steps + 1
    assert_feasible(state, params)
    final = table(state, params, "durations")
    assert (final >= drawn).all() if noise else (final == drawn).all()
    assert rewards == pytest.approx(-(int(state.bound) - first) / first)
    assert first >= max(drawn.sum(axis=1).max(), max_load(drawn, table(state, params, "machines")))
    assert steps <= 3 * num_jobs * num_machines


def max_load(durations, machines):
    return max(durations[machines == machine].sum() for machine in range(durations.shape[1]))


def startable(state, params):
    """Return the jobs that are free and whose next machine is free, by looking at the started operations' ends."""
    starts, durations, machines = (table(state, params, name) for name in ("starts", "durations", "machines"))
    started = np.arange(int(params.num_machines)) < state.next_op[: int(params.num_jobs), None]
    runs = started & (starts + durations > state.now)
    return [
        job
        for job in range(int(params.num_jobs))
        if not started[job].all()
        and not runs[job].any()
        and not runs[machines == machines[job, started[job].sum()]].any()
    ]


def test_drawn_shops_are_taillards():
    """Durations even from 1 to 99, and every order of machines equally likely."""
    env = rlkit.make_batch("job_shop", 3_000)
    env.reset(seed=0)
    durations, machines = (env.states[name][:, :36].reshape(-1, 6) for name in ("durations", "machines"))
    counts = np.bincount(durations.ravel(), minlength=101)
    assert counts[0] == counts[100] == 0
    assert (np.abs(counts[1:100] - durations.size / 99) < 5 * (durations.size / 99) ** 0.5).all()
    assert (np.sort(machines, axis=1) == np.arange(6)).all()
    orders = np.unique(machines, axis=0, return_counts=True)[1]
    assert len(orders) == 720
    assert (np.abs(orders - len(machines) / 720) < 5 * 5).all()


def test_overruns_and_breakdowns_take_what_the_params_say():
    quiet = rlkit.make_batch("job_shop", 500)
    quiet.reset(seed=0)
    work = quiet.states["total_work"].sum()
    policy = ENVIRONMENT.yardstick.policies["mopnr"]
    for change, share in (
        ({"duration_noise": 0.3}, 0.3),
        ({"breakdown_rate": 0.01, "repair_time": 20.0}, 0.2),
        ({"breakdown_rate": 0.01, "repair_time": 20.0, "duration_noise": 0.1}, 0.3),
    ):
        params = ENVIRONMENT.params(**change)[0]
        metrics = run_episodes(ENVIRONMENT, policy(params), 500, 0, **change).metrics
        done = (metrics["utilisation"] * metrics["makespan"] * 6).sum()
        assert done / work - 1 == pytest.approx(share, rel=0.05)


def test_a_row_does_not_depend_on_the_order_of_jobs():
    """Listed in another order the jobs see the same, as the network for rows assumes."""
    shop = random_shop(np.random.default_rng(3), 6, 6, 1_000)  # few equal numbers
    order = np.random.default_rng(4).permutation(6)
    other = Shop(shop.durations[order], shop.machines[order])
    (params,), (other_params,) = shop_params(shop), shop_params(other)
    state, image = fresh_state(params), fresh_state(other_params)
    obs, seen = (np.zeros((6, observing.NUM_FEATURES), np.float32) for _ in range(2))
    generator, done = np.random.default_rng(5), False
    while not done:
        rules.observe(state, params, obs)
        rules.observe(image, other_params, seen)
        np.testing.assert_array_equal(obs[order], seen)
        action = int(generator.choice(legal(state, params)))
        _, done = rules.step(state, params, action)
        rules.step(image, other_params, action if action == 6 else int(np.flatnonzero(order == action)[0]))


# --- given shops ------------------------------------------------------------------------------------------------------


def test_published_instances_are_whole():
    assert len(published()) == 162
    assert sum(shop.optimum > 0 for shop in published().values()) == 130
    for shop in published().values():
        assert (np.sort(shop.machines, axis=1) == np.arange(shop.machines.shape[1])).all()
        assert 0 < shop.lower_bound <= shop.upper_bound
    assert published()["ft06"].optimum == 55
    assert published()["ft10"].optimum == 930
    assert published()["ta80"].durations.shape == (100, 20)


def test_levels_are_instances_and_files(tmp_path):
    text = tmp_path / "shop.txt"
    text.write_text("# mine\n2 3\n0 5 1 6 2 7\n\n2 1 0 2 1 3\n")
    shop = read_shop(text)
    np.testing.assert_array_equal(shop.machines, [[0, 1, 2], [2, 0, 1]])
    np.testing.assert_array_equal(shop.durations, [[5, 6, 7], [1, 2, 3]])
    file = tmp_path / "shop.json"
    file.write_text(
        json.dumps({"durations": [[5, 6, 7], [1, 2, 3]], "machines": [[0, 1, 2], [2, 0, 1]], "optimum": 18})
    )
    for level, optimum in ((str(text), 0), (str(file), 18)):
        env = rlkit.make_batch("job_shop", 2, level=level)
        obs, _ = env.reset(seed=0)
        assert obs.shape == (2, 2, observing.NUM_FEATURES)
        assert env.params[0].optimum == optimum
        assert env.states[1]["durations"][:6].tolist() == [5, 6, 7, 1, 2, 3]
    assert rlkit.make_batch("job_shop", 1, level="la16").single_action_space.n == 11


BAD_TEXTS = {
    "": "is empty; the first line must be: jobs machines",
    "2 x\n": "line 1: '2 x' must be two whole numbers",
    "2 1\n0 5\n": "line 1 promises 2 jobs, and 1 lines follow",
    "1 2\n0 5 1\n": "line 2: 3 numbers, not 4",
    "1 2\n0 5 1 2.5\n": "line 2, number 4: '2.5' is not a whole number",
    "1 2\n0 5 1 -2\n": "line 2, operation 1: duration -2 must be a whole number from 0",
    "1 2\n0 5 2 1\n": "line 2, operation 1: machine 2 must be a whole number from 0 to 1",
    "1 2\n0 5 0 1\n": "line 2, operation 1: the job visits machine 0 a second time",
    "1 0\n\n": "promises 1 jobs",
    "101 1\n" + "0 1\n" * 101: "101 jobs on 1 machines; there may be 1 to 100 on 1 to 20",
}
BAD_JSON = {
    '{"durations": [[1]],\n oops}': "line 2: not JSON",
    "[[1]]": "must be an object",
    '{"durations": [[1]]}': 'the field "machines" is missing',
    '{"durations": [[1]], "machine": [[0]]}': 'unknown field "machine"',
    '{"durations": [1], "machines": [[0]]}': '"durations" must be a list with a list of numbers',
    '{"durations": [[1], [2]], "machines": [[0]]}': '"durations" has 2 jobs and "machines" has 1',
    '{"durations": [[1, 2]], "machines": [[0]]}': "job 0: 2 durations for 1 machines",
    '{"durations": [[true]], "machines": [[0]]}': "job 0, operation 0: duration True",
    '{"durations": [[40000]], "machines": [[0]]}': f"from 0 to {MAX_DURATION}",
    '{"durations": [[1]], "machines": [[0]], "optimum": "1"}': "\"optimum\" is '1'",
}


@pytest.mark.parametrize(("text", "words"), [*BAD_TEXTS.items(), *BAD_JSON.items()])
def test_what_is_wrong_with_a_file_is_said(text, words, tmp_path):
    file = tmp_path / "shop"
    file.write_text(text)
    with pytest.raises(ValueError, match="shop") as caught:
        params_of(str(file))
    assert words in str(caught.value)


def test_an_unknown_instance_and_impossible_params_are_refused():
    with pytest.raises(ValueError, match=r"no published job shop and no file called 'ft99'.*ft06 to ft20"):
        ENVIRONMENT.params("ft99")
    for change, words in (
        ({"num_jobs": 101}, "num_jobs=101 must be from 1 to 100"),
        ({"num_machines": 0}, "num_machines=0 must be from 1 to 20"),
        ({"min_duration": 50, "max_duration": 49}, "max_duration=49 must be from 50"),
        ({"level": "ft06", "num_machines": 3}, "num_machines does not fit the given shop"),
    ):
        with pytest.raises(ValueError, match=words):
            rlkit.make("job_shop", **change)
