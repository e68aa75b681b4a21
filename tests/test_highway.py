"""Highway: its models against closed forms and textbook formulas, its rules by hand, its traffic by itself."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.optimize import linprog

import rlkit
from envs.driving.bicycle import bicycle_move, do_touch, keep_lane, sin_slip
from envs.driving.highway import ENVIRONMENT, traffic, yardstick
from envs.driving.idm import closing_weight, idm_acceleration
from rlkit.evaluation import random_policy, run_episodes
from rlkit.learning.policy import Situation
from rlkit.registry import make_batch

A, B, T, S0 = 3.0, 5.0, 1.5, 5.0  # the drivers of the standard level


def idm(speed, desired, gap, lead_speed, max_brake=1e9):
    return idm_acceleration(speed, 1 / desired, gap, lead_speed, S0, T, A, closing_weight(A, B), max_brake)


def textbook_idm(speed, desired, gap, lead_speed):
    """Treiber et al. 2000, equations 2 and 3."""
    wanted = S0 + max(0.0, speed * T + speed * (speed - lead_speed) / (2 * math.sqrt(A * B)))
    return A * (1 - (speed / desired) ** 4 - (wanted / gap) ** 2)


# --- the models ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [5.0, 15.0, 22.0, 26.0])
def test_drivers_settle_at_the_equilibrium_gap(speed):
    """Closed form: sₑ(v) = (s₀ + v T) / √(1 − (v / v₀)⁴)."""
    desired = 28.0
    expected = (S0 + speed * T) / math.sqrt(1 - (speed / desired) ** 4)
    assert idm(speed, desired, expected, speed) == pytest.approx(0, abs=1e-12)
    gap, own = 0.6 * expected, speed
    for _ in range(20_000):  # 400 s behind a car of constant speed
        accel = idm(own, desired, gap, speed)
        gap += (speed - own) * 0.02
        own += accel * 0.02
    assert gap == pytest.approx(expected, rel=1e-6)
    assert own == pytest.approx(speed, rel=1e-6)


def test_accelerations_are_the_papers():
    rng = np.random.default_rng(0)
    for speed, lead, desired, gap in rng.uniform([0, 0, 15, 1], [35, 35, 35, 150], (500, 4)):
        assert idm(speed, desired, gap, lead) == pytest.approx(textbook_idm(speed, desired, gap, lead), rel=1e-12)
    assert idm(20.0, 30.0, 1.0, 0.0, max_brake=6.0) == -6.0


@pytest.mark.parametrize("steering", [0.02, 0.3, -0.7])
def test_the_bicycle_drives_the_circle_of_its_steering(steering):
    """The rear axle circles at L / tan δ, the centre half a wheelbase ahead of it: R² = (L / tan δ)² + (L / 2)²."""
    length, distance = 5.0, 1e-3
    radius = math.hypot(length / math.tan(steering), length / 2)
    x, y, heading, slip = 0.0, 0.0, 0.0, sin_slip(steering)
    points = [(x, y)]
    for _ in range(round(math.tau * radius / distance)):
        along, across, turn = bicycle_move(heading, distance, slip, length)
        x, y, heading = x + along, y + across, heading + turn
        points.append((x, y))
    beta = math.atan(0.5 * math.tan(steering))
    side = math.copysign(1, steering)
    centre = np.array([-math.sin(beta), math.cos(beta)]) * radius * side
    distances = np.linalg.norm(np.array(points) - centre, axis=1)
    np.testing.assert_allclose(distances, radius, rtol=2e-3)
    assert math.hypot(x, y) < 0.01 * radius  # once around
    assert abs(heading) == pytest.approx(math.tau, rel=2e-3)


@pytest.mark.parametrize("speed", [20.0, 30.0])
def test_a_change_of_lanes_takes_some_seconds_and_does_not_overshoot(speed):
    y, heading, path = 0.0, 0.0, []
    for _ in range(60):
        _, across, turn = bicycle_move(heading, speed / 15, keep_lane(y - 4.0, heading, speed, 5.0, 1.0), 5.0)
        y, heading = y + across, heading + turn
        path.append(y)
    assert 1.0 < np.argmax(np.array(path) > 3.0) / 15 + 0.3 < 2.0
    assert max(path) < 4.05
    assert path[-1] == pytest.approx(4.0, abs=0.02)


def share_a_point(dx, dy, heading, other_heading, length, width):
    """Whether two rectangles have a point in common, by linear programming."""
    rows, limits = [], []
    for centre, angle in (((0.0, 0.0), heading), ((dx, dy), other_heading)):
        for direction, half in ((angle, length / 2), (angle + math.pi / 2, width / 2)):
            axis = np.array([math.cos(direction), math.sin(direction)])
            rows += [axis, -axis]
            limits += [half + axis @ centre, half - axis @ centre]
    return linprog([0, 0], A_ub=rows, b_ub=limits, bounds=(None, None)).status == 0


def test_cars_touch_where_their_rectangles_share_a_point():
    rng = np.random.default_rng(1)
    low, high = [-6, -3.5, -0.4, -0.4], [6, 3.5, 0.4, 0.4]
    cases = rng.uniform(low, high, (250, 4))
    found = [bool(do_touch(*case, 5.0, 2.0)) for case in cases]
    assert found == [share_a_point(*case, 5.0, 2.0) for case in cases]
    assert 50 < sum(found) < 200


# --- MOBIL and who follows whom -------------------------------------------------------------------------------------


def at_some_time(num_steps, seed=0, num_envs=12, **params):
    """Return (states, params) after some steps of the ego as one of the drivers."""
    env = make_batch("highway", num_envs, autoreset_mode="same_step", **params)
    obs, info = env.reset(seed=seed)
    policy = yardstick.idm_mobil(env.params[0])
    for _ in range(num_steps):
        obs, *_, info = env.step(policy.act_in(Situation(obs, info["action_mask"], env.states, env.params[0])))
    return env.states, env.params


def nearest(state, i, lanes, num_cars):
    """Return (car ahead, car behind) of car i in any of the lanes, by looking at all."""
    x, low, high = state["x"], state["low"], state["high"]
    others = [j for j in range(num_cars) if j != i and any(low[j] <= lane <= high[j] for lane in lanes)]
    ahead = min((j for j in others if x[j] > x[i]), key=lambda j: x[j], default=None)
    behind = max((j for j in others if x[j] < x[i]), key=lambda j: x[j], default=None)
    return ahead, behind


def textbook_mobil(state, params, i, num_cars):
    """Kesting et al. 2007, equations 2 and 3 (symmetric rule), neighbours by looking at all cars."""
    x, speed = state["x"], state["speed"]

    def accel(j, ahead):
        if ahead is None:
            return A * (1 - (speed[j] * state["inverse_desired"][j]) ** 4)
        gap = max(x[ahead] - x[j] - 5.0, 0.1)
        return max(-6.0, textbook_idm(speed[j], 1 / state["inverse_desired"][j], gap, speed[ahead]))

    own_lane = int(state["target"][i])
    best, best_merit = own_lane, 0.0
    old_ahead, old_behind = nearest(state, i, range(state["low"][i], state["high"][i] + 1), num_cars)
    for lane in (own_lane - 1, own_lane + 1):
        if not 0 <= lane < params["lanes"]:
            continue
        ahead, behind = nearest(state, i, [lane], num_cars)
        if any(j is not None and abs(x[j] - x[i]) <= 5.0 for j in (ahead, behind)):
            continue
        if behind is not None and accel(behind, i) < -params["safe_brake"]:
            continue
        others = 0.0
        if behind is not None:
            others += accel(behind, i) - accel(behind, ahead)
        if old_behind is not None:
            others += accel(old_behind, old_ahead) - accel(old_behind, i)
        merit = accel(i, ahead) - accel(i, old_ahead) + params["politeness"] * others - params["gain_threshold"]
        if merit > best_merit:
            best, best_merit = lane, merit
    return best


@pytest.mark.parametrize("politeness", [0.0, 0.4])
def test_lanes_are_chosen_as_the_paper_says(politeness):
    states, params = at_some_time(2, num_envs=40, politeness=politeness)
    changes = 0
    for state in states:
        traffic.sort_cars(state, 51)
        traffic.link_cars(state, 51)
        for i in range(51):
            if not state["is_changing"][i] and state["follower"][i] == nearest_follower(state, i):
                expected = textbook_mobil(state, params[0], i, 51)
                assert traffic.best_lane(state, params[0], i, 51) == expected
                changes += expected != state["target"][i]
    assert changes > 10


def nearest_follower(state, i):
    """Return the car directly behind car i, NOBODY where there is none or it has another leader nearer still."""
    _, behind = nearest(state, i, [int(state["target"][i])], 51)
    return traffic.NOBODY if behind is None else behind


def test_leaders_are_the_nearest_ahead():
    states, _ = at_some_time(20)
    for state in states:
        traffic.sort_cars(state, 51)
        traffic.link_cars(state, 51)
        for i in range(51):
            ahead, _ = nearest(state, i, range(state["low"][i], state["high"][i] + 1), 51)
            assert state["leader"][i] == (traffic.NOBODY if ahead is None else ahead)


def scene(*cars, **params):
    """Return an environment with (x, lane, speed, desired speed) of the ego and the other cars, and no others."""
    env = rlkit.make("highway", cars=len(cars) - 1, **params)
    env.reset(seed=0)
    state = env.state
    for i, (x, lane, speed, desired) in enumerate(cars):
        state["x"][i], state["y"][i], state["speed"][i], state["inverse_desired"][i] = x, 4.0 * lane, speed, 1 / desired
        for name in ("target", "low", "high"):
            state[name][i] = lane
    for k, i in enumerate(sorted(range(len(cars)), key=lambda i: -cars[i][0])):
        state["order"][k], state["rank"][i] = i, k
    state.is_linked = 0
    env.restore(env.snapshot())  # so that the masks are those of the scene
    return env


EGO_FAR_BEHIND = (0.0, 0, 20.0, 20.0)


@pytest.mark.parametrize(
    ("others", "params", "lane"),
    [
        # behind a slow car, the other lane is free
        ([(300.0, 1, 24.0, 28.0), (330.0, 1, 18.0, 18.0)], {}, 0),
        # a fast car comes from behind there: it would have to brake too hard
        ([(300.0, 1, 24.0, 28.0), (330.0, 1, 18.0, 18.0), (285.0, 0, 33.0, 34.0)], {}, 1),
        # one beside: no room
        ([(300.0, 1, 24.0, 28.0), (330.0, 1, 18.0, 18.0), (302.0, 0, 24.0, 24.0)], {}, 1),
        # nobody in the way: no reason
        ([(300.0, 1, 24.0, 28.0)], {}, 1),
        # the gain of 3 m/s² or so is not worth it
        ([(300.0, 1, 24.0, 28.0), (330.0, 1, 18.0, 18.0)], {"gain_threshold": 9.0}, 1),
    ],
)
def test_a_driver_decides_within_a_second(others, params, lane):
    env = scene(EGO_FAR_BEHIND, *others, lanes=2, **params)
    env.step(1)
    assert env.state["target"][1] == lane


def test_the_polite_let_the_hurried_pass():
    """Slightly slower ahead, a hurried driver behind: the selfish stays, the polite makes room."""
    others = [(300.0, 1, 24.0, 24.5), (285.0, 1, 26.0, 34.0)]
    for politeness, lane in ((0.0, 1), (0.5, 0)):
        env = scene(EGO_FAR_BEHIND, *others, lanes=2, politeness=politeness)
        env.step(1)
        assert env.state["target"][1] == lane


def test_traffic_by_itself_never_collides():
    """32 copies × 200 s with the ego as one of the drivers, at standard: nobody touches anybody."""
    endless = dataclasses.replace(ENVIRONMENT, max_steps=None)
    env = make_batch(endless, 32, autoreset_mode="same_step")
    obs, info = env.reset(seed=100)
    policy, terminations = yardstick.idm_mobil(env.params[0]), 0
    for _ in range(200):
        obs, _, terminated, _, info = env.step(
            policy.act_in(Situation(obs, info["action_mask"], env.states, env.params[0]))
        )
        terminations += terminated.sum()
        x, y = env.states["x"][:, :51], env.states["y"][:, :51]
        dx, dy = np.abs(x[:, :, None] - x[:, None]), np.abs(y[:, :, None] - y[:, None])
        assert ((dx < 5) & (dy < 2)).sum() == 32 * 51  # each only itself
        assert (env.states["speed"][:, :51] >= 0).all()
    assert terminations <= 1


# --- the ego ----------------------------------------------------------------------------------------------------


def test_reward_by_hand():
    env = scene((0.0, 2, 25.0, 30.0), (900.0, 0, 22.0, 22.0))
    assert env.step(1)[1] == pytest.approx((0.1 * 2 / 3 + 0.4 * 0.5 + 1) / 1.5)
    speed = 30 - 5 * (1 - 1 / 9) ** 15  # the target speed is approached by dt / 0.6 s = 1/9 of the rest each substep
    assert env.step(3)[1] == pytest.approx((0.1 * 2 / 3 + 0.4 * (speed - 20) / 10 + 1) / 1.5)
    assert env.state["speed"][0] == pytest.approx(speed)
    assert env.step(2)[4]["action_mask"].tolist() == [1, 1, 0, 0, 1]


def test_speeds_and_masks():
    env = scene((0.0, 0, 25.0, 30.0), (900.0, 0, 22.0, 22.0), lanes=2)
    info = env.step(4)[4]
    assert info["action_mask"].tolist() == [0, 1, 1, 1, 0]
    for _ in range(5):
        env.step(1)
    assert env.state["speed"][0] == pytest.approx(20.0, abs=1e-3)
    env.step(2)
    for _ in range(4):
        info = env.step(1)[4]
    assert info["action_mask"].tolist() == [1, 1, 0, 1, 0]
    assert env.state["y"][0] == 4.0
    assert env.state["low"][0] == env.state["high"][0] == 1
    assert env.state.lane_changes == 1


def final(env, action):
    for _ in range(40):
        _, reward, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            break
        action = 1
    return reward, terminated, info


def test_running_into_the_car_ahead_is_the_egos_doing():
    env = scene((0.0, 0, 25.0, 30.0), (60.0, 0, 20.0, 20.0), lanes=2)
    env.state["changed"][:] = -1000
    env.state["inverse_desired"][1] = 1 / 15.0
    # the car ahead would like to leave for the other lane only if it gained by it; it does not
    reward, terminated, _ = final(env, 1)
    assert terminated
    assert 0 <= reward <= 1 / 3
    assert env.state.touched == 1
    assert env.state.caused == 1
    assert env.state.min_ttc == 0
    assert env.state.num_near > 0


def test_cutting_in_is_the_egos_doing_and_being_cut_off_is_not():
    env = scene((0.0, 0, 20.0, 30.0), (-9.0, 1, 34.0, 35.0), lanes=2)
    _, terminated, _ = final(env, 2)
    assert terminated
    assert env.state.caused == 1
    state = scene((0.0, 0, 25.0, 30.0), (6.0, 0, 20.0, 22.0), lanes=2).state
    state.clock = 40
    state["changed"][:] = (-31,) * 52
    state["changed"][1] = 20
    assert not traffic.is_caused(state, 1)
    state["changed"][0] = 15
    assert traffic.is_caused(state, 1)


def test_observation_is_highway_envs_kinematics():
    env = make_batch("highway", 20)
    obs, info = env.reset(seed=0)
    policy = yardstick.idm_mobil(env.params[0])
    for _ in range(12):
        obs, *_, info = env.step(policy.act_in(Situation(obs, info["action_mask"], env.states, env.params[0])))
    for state, rows in zip(env.states, obs, strict=True):
        vx, vy = (state["speed"][:51] * f(state["heading"][:51]) for f in (np.cos, np.sin))
        table = np.stack([np.ones(51), state["x"][:51], state["y"][:51], vx, vy], axis=1)
        others = table[1:] - [0, *table[0, 1:]]
        others = others[(others[:, 1] > -10) & (others[:, 1] < 200)]
        seen = others[np.argsort(np.abs(others[:, 1]))][:4]
        expected = np.zeros((5, 5))
        expected[: 1 + len(seen)] = np.vstack([table[:1], seen]) / [1, 200, 16, 80, 80]
        # two cars at almost the same distance may be listed in either order while `order` is a moment old
        np.testing.assert_allclose(rows, np.clip(expected, -1, 1), atol=1e-6)


def test_episodes_begin_as_declared():
    env = make_batch("highway", 200)
    env.reset(seed=3)
    x, speed = env.states["x"][:, :51], env.states["speed"][:, :51]
    gaps = np.diff(x, axis=1)
    assert (speed[:, 0] == 25).all()
    assert (speed[:, 1:] >= 21).all()
    assert (speed[:, 1:] <= 24).all()
    ratio = gaps / ((12 + speed[:, 1:]) * math.exp(-0.5))
    assert ratio.min() >= 0.9
    assert ratio.max() <= 1.1 + 1e-9
    lanes = np.bincount(env.states["target"][:, :51].ravel(), minlength=4) / (200 * 51)
    np.testing.assert_allclose(lanes, 0.25, atol=0.02)


# --- yardstick --------------------------------------------------------------------------------------------------


def test_the_yardsticks_figures_hold():
    params = ENVIRONMENT.params()[0]
    drivers = run_episodes(ENVIRONMENT, yardstick.idm_mobil(params), 300, seed=0)
    assert drivers.returns.mean() == pytest.approx(30.52, abs=0.4)
    assert drivers.metrics["mean_speed"].mean() == pytest.approx(22.48, abs=0.3)
    assert drivers.metrics["collisions"].mean() <= 0.01
    search = run_episodes(ENVIRONMENT, yardstick.tree_search(params), 6, seed=0)
    assert search.metrics["collisions"].sum() == 0
    assert search.returns.mean() > drivers.returns[:6].mean() + 3
    chance = run_episodes(ENVIRONMENT, random_policy(ENVIRONMENT), 100, seed=0)
    assert chance.metrics["collisions"].mean() > 0.9
    assert chance.returns.mean() < 15


@pytest.mark.parametrize("level", ["easy", "hard", "randomized"])
def test_the_drivers_drive_at_every_level(level):
    policy = yardstick.idm_mobil(ENVIRONMENT.params(level)[0])
    episodes = run_episodes(ENVIRONMENT, policy, 20, seed=0, level=level)
    assert episodes.metrics["collisions"].mean() <= 0.2
