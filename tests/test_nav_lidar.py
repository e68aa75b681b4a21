"""NavLidar: motion against an integrator, lidar and paths against independent geometry, and what grades it."""

import functools
import itertools
import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

import rlkit
from envs.robotics.nav_lidar import ENVIRONMENT, rules, yardstick
from envs.robotics.nav_lidar.dynamic_window import way_to_point
from envs.robotics.nav_lidar.model import dynamics, linearize
from rlkit.evaluation import run_episodes

FORWARD, STOP = np.array([1.0, 0.0], np.float32), np.array([-1.0, 0.0], np.float32)


@functools.lru_cache
def worlds(num_envs=300, **params):
    """Return the states of many fresh episodes."""
    env = rlkit.make_batch("nav_lidar", num_envs, **params)
    env.reset(seed=7)
    return env.states.copy()


def env_at(x, y, heading, goal=(9.0, 9.0), discs=(), boxes=(), **params):
    """Return an environment whose robot stands at rest in a world drawn by hand, with goal distance set."""
    env = rlkit.make("nav_lidar", **params)
    env.reset(seed=0)
    state = env.state
    state.num_discs, state.num_boxes = len(discs), len(boxes)
    for i, disc in enumerate(discs):
        state.discs[i] = disc
    for i, box in enumerate(boxes):
        state.boxes[i] = box
    state.x, state.y, state.heading, state.speed, state.turn_rate = x, y, heading, 0.0, 0.0
    state.cos_heading, state.sin_heading = math.cos(heading), math.sin(heading)
    state.goal_x, state.goal_y = goal
    state.goal_distance = math.hypot(goal[0] - x, goal[1] - y)
    return env


# --- motion ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", [{}, {"speed_gain": 0.8, "turn_gain": 1.3, "motor_lag": 0.4, "max_turn": 3.0}])
def test_steps_follow_the_equations_of_motion(params):
    """Thirty steps of changing actions against an adaptive integrator: the mean arc of a step is off by millimetres."""
    env = env_at(5.0, 5.0, 0.3, **params)
    vector = np.array([5.0, 5.0, 0.3, 0.0, 0.0])
    rng = np.random.default_rng(0)
    for _ in range(10):
        action = np.array([rng.uniform(-1, 1), rng.choice([-1, 1])], np.float32)
        control = [0.5 * (float(action[0]) + 1) * env.params.max_speed, float(action[1]) * env.params.max_turn]
        for _ in range(3):
            env.step(action)
            vector = solve_ivp(
                lambda _, state, control=control: dynamics(state, control, env.params), (0, 0.1), vector, rtol=1e-9
            ).y[:, -1]
    state = env.state
    np.testing.assert_allclose([state.x, state.y], vector[:2], atol=0.02)
    turned = math.remainder(float(state.heading) - vector[2], math.tau)
    np.testing.assert_allclose([turned, state.speed, state.turn_rate], [0, *vector[3:]], atol=1e-6)
    assert math.hypot(state.x - 5, state.y - 5) > 0.3


def test_linearization_equals_finite_differences():
    params = ENVIRONMENT.params(speed_gain=0.9, motor_lag=0.3)[0]
    state, control = np.array([1.0, 2.0, 0.7, 0.8, -0.4]), np.array([0.5, 1.0])
    a, b = linearize(state, params)
    for matrix, size, change in ((a, 5, lambda e: (state + e, control)), (b, 2, lambda e: (state, control + e))):
        for k in range(size):
            e = np.eye(size)[k] * 1e-5
            numeric = (dynamics(*change(e), params) - dynamics(*change(-e), params)) / 2e-5
            np.testing.assert_allclose(matrix[:, k], numeric, atol=1e-9)


def test_a_circle_has_the_radius_of_speed_over_turn_rate():
    env = env_at(5.0, 5.0, 0.0)
    for _ in range(60):
        env.step(np.array([-0.2, 0.25], np.float32))  # 0.4 m/s, 0.5 rad/s
    places = []
    for _ in range(126):  # once around
        env.step(np.array([-0.2, 0.25], np.float32))
        places.append((float(env.state.x), float(env.state.y)))
    span = np.ptp(np.array(places), axis=0)
    np.testing.assert_allclose(span, 2 * 0.8, rtol=2e-3)


# --- what is seen -----------------------------------------------------------------------------------------------------


def seen_by_quadratic(state, k, limit=5.0):
    """Return the exact range of ray k: roots for discs, crossings with the sides' lines for boxes and the room."""
    angle = float(state["heading"]) + math.tau * k / 32
    start, along = np.array([state["x"], state["y"]]), np.array([math.cos(angle), math.sin(angle)])
    hits = [limit]
    for x, y, radius in state["discs"][: state["num_discs"]]:
        offset = start - (x, y)
        roots = np.roots([1.0, 2 * offset @ along, offset @ offset - radius**2])
        hits += [root.real for root in roots if abs(root.imag) < 1e-12 and root.real >= 0]
    room = [(0, 0, 10, 10)]
    for left, bottom, right, top in [*state["boxes"][: state["num_boxes"]], *room]:
        for axis, side, low, high in ((0, left, bottom, top), (0, right, bottom, top), (1, bottom, left, right),
                                      (1, top, left, right)):  # fmt: skip
            reach = (side - start[axis]) / along[axis]
            other = start[1 - axis] + reach * along[1 - axis]
            if reach >= 0 and low <= other <= high:
                hits.append(reach)
    return min(hits)


def test_the_lidar_equals_exact_intersections():
    for state in worlds()[:60]:
        exact = [seen_by_quadratic(state, k) for k in range(32)]
        np.testing.assert_allclose(state["lidar"], exact, rtol=0, atol=1e-6)
    assert (worlds()["lidar"] == 5.0).mean() < 0.7


def test_rays_and_goal_are_seen_from_the_robot():
    """Looking along +y at a box 2 m ahead, a disc 1 m to the left, walls behind and to the right, goal on the right."""
    env = env_at(5.0, 5.0, math.pi / 2, goal=(8.0, 5.0), discs=[(3.5, 5.0, 0.5)], boxes=[(4.0, 7.0, 6.0, 8.0)])
    obs, *_ = env.step(STOP)
    np.testing.assert_allclose(obs[[0, 8, 16, 24]], [2 / 5, 1 / 5, 1, 1], atol=1e-6)
    np.testing.assert_allclose(obs[32:35], [0.3, -1, 0], atol=1e-6)
    np.testing.assert_allclose(obs[37:][[0, 8, 16, 24]], [0.2 / 2, 0.2 / 1, 0.2 / 5, 0.2 / 5], atol=1e-6)
    obs, *_ = env.step(np.array([1.0, 0.5], np.float32))
    left = math.exp(-0.5)
    np.testing.assert_allclose(obs[35:37], [1 - left, 0.5 * (1 - left)], rtol=1e-6)


# --- worlds and paths -------------------------------------------------------------------------------------------------


def gaps(state, places):
    """Return the distances [P] from places [P, 2] to the nearest obstacle, by NumPy alone."""
    found = np.minimum(places.min(axis=1), (10 - places).min(axis=1))
    for x, y, radius in state["discs"][: state["num_discs"]]:
        found = np.minimum(found, np.hypot(*(places - (x, y)).T) - radius)
    for left, bottom, right, top in state["boxes"][: state["num_boxes"]]:
        nearest = np.clip(places, (left, bottom), (right, top))
        found = np.minimum(found, np.hypot(*(places - nearest).T))
    return found


def along_path(path):
    return np.concatenate([np.linspace(a, b, 200) for a, b in itertools.pairwise(path)])


@pytest.mark.parametrize("level", ["standard", "easy", "hard"])
def test_start_and_goal_are_connected_with_the_promised_margin(level):
    for state in worlds(level=level):
        path, taut = state["path"][: state["num_corners"]], state["taut"][: state["num_taut"]]
        for corners, least in ((path, 0.35 - 0.046), (taut, 0.1)):  # a step of the grid may cut a round corner
            np.testing.assert_allclose(corners[0], [state["x"], state["y"]])
            np.testing.assert_allclose(corners[-1], [state["goal_x"], state["goal_y"]])
            assert gaps(state, along_path(corners)).min() > least
        assert math.hypot(*(path[-1] - path[0])) >= 5.0
        assert state["shortest"] >= state["goal_distance"] - 0.3 - 1e-9


def grid_length(state, margin, spacing=0.125):
    """Return the length of the shortest path on a grid of half our spacing with 32 directions, by SciPy."""
    count = round(10 / spacing) + 1
    axis = np.arange(count) * spacing
    places = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    index = np.arange(count * count).reshape(count, count)
    is_free = gaps(state, places) >= margin
    rows, columns, lengths = [], [], []
    for di, dj in [(a, b) for a in range(-4, 5) for b in range(-4, 5) if math.gcd(a, b) == 1 and abs(a) + abs(b) < 6]:
        here = index[max(0, -di) : count - max(0, di), max(0, -dj) : count - max(0, dj)].ravel()
        there = here + di * count + dj
        ok = is_free[here] & is_free[there]
        for share in (0.25, 0.5, 0.75):
            ok &= gaps(state, places[here] + share * spacing * np.array([di, dj])) >= margin
        rows.append(here[ok])
        columns.append(there[ok])
        lengths.append(np.full(ok.sum(), spacing * math.hypot(di, dj)))
    graph = coo_matrix((np.concatenate(lengths), (np.concatenate(rows), np.concatenate(columns))), (count**2,) * 2)
    ends = np.rint(np.array([[state["x"], state["y"]], [state["goal_x"], state["goal_y"]]]) / spacing).astype(int)
    start, goal = index[ends[:, 0], ends[:, 1]]
    return dijkstra(graph.tocsr(), indices=start)[goal]


def test_the_shortest_path_agrees_with_a_finer_grid():
    """Of 8 worlds: never much shorter than on the finer grid, and mostly no longer.

    A coarse grid may miss the narrowest gaps: that makes ours longer in a few worlds, and SPL a little kind there.
    """
    ratios = []
    for state in worlds()[:8]:
        ratios.append((float(state["shortest"]) + 0.3) / grid_length(state, 0.2))
    assert min(ratios) > 0.95  # the ends lie off the grid
    assert np.median(ratios) < 1.005
    assert np.mean(ratios) < 1.04


def test_the_shortest_path_around_a_disc_is_two_tangents_and_an_arc():
    """One disc alone, the robot 0.2 m wide at each side: never shorter than the closed form, 0.6 % longer in the mean.

    Where both sides are about as long, the grid may choose the longer one.
    """
    lengths = []
    for state in worlds(num_envs=800, num_discs=1, num_boxes=0, num_walls=0):
        start, goal = np.array([state["x"], state["y"]]), np.array([state["goal_x"], state["goal_y"]])
        centre, reach = state["discs"][0, :2], state["discs"][0, 2] + 0.2
        to_start, to_goal = start - centre, goal - centre
        side = goal - start
        share = np.clip(-(to_start @ side) / (side @ side), 0, 1)
        exact = math.hypot(*side)
        if math.hypot(*(to_start + share * side)) < reach:
            a, b = math.hypot(*to_start), math.hypot(*to_goal)
            angle = math.acos(to_start @ to_goal / a / b) - math.acos(reach / a) - math.acos(reach / b)
            exact = math.sqrt(a * a - reach**2) + math.sqrt(b * b - reach**2) + reach * angle
            touches_wall = (centre < reach + 0.5).any() or (centre > 9.5 - reach).any()
            if not touches_wall:
                lengths.append((float(state["shortest"]) + 0.3) / exact)
        else:
            assert float(state["shortest"]) + 0.3 == pytest.approx(exact, rel=0.002)
    assert len(lengths) > 20
    assert min(lengths) > 1 - 1e-6
    assert np.mean(lengths) < 1.01
    assert max(lengths) < 1.06


def test_a_world_without_a_way_becomes_an_empty_one():
    for state in worlds(num_envs=4, num_discs=24, num_boxes=8, margin=0.9):
        assert state["num_discs"] == state["num_boxes"] == 0
        np.testing.assert_array_equal(state["taut"][:2], [(2, 2), (8, 8)])
        assert state["num_corners"] == 2


# --- what it is paid for ----------------------------------------------------------------------------------------------


def test_driving_into_a_disc_costs_ten_and_ends_the_episode():
    env = env_at(5.0, 5.0, 0.0, goal=(9.0, 5.0), discs=[(6.0, 5.0, 0.3)])
    before = 4.0
    while True:
        _, reward, terminated, *_ = env.step(FORWARD)
        progress = before - float(env.state.goal_distance)
        before = float(env.state.goal_distance)
        if terminated:
            break
        assert reward == pytest.approx(progress - 0.01)
        assert env.state.x < 5.5
    assert reward == pytest.approx(progress - 0.01 - 10)
    assert env.state.x > 5.5
    assert env.state.has_collided
    assert not env.state.has_reached


def test_the_goal_pays_ten_and_spl_is_the_share_of_the_shortest_path():
    env = env_at(3.0, 5.0, 0.0, goal=(6.0, 5.0))
    env.state.shortest = 2.7
    terminated, total = False, 0.0
    while not terminated:
        _, reward, terminated, _, _ = env.step(FORWARD)
        total += reward
    out = np.zeros(4)
    rules.metrics(env.state, env.params, out)
    assert total == pytest.approx(10 + 3 - float(env.state.goal_distance) - 0.01 * env.state.num_steps)
    assert out[:2].tolist() == [1, 0]
    assert out[2] == pytest.approx(2.7 / max(2.7, float(env.state.travelled)))
    assert env.state.travelled == pytest.approx(env.state.x - 3)


def test_a_collision_is_dearer_than_any_rest_of_an_episode():
    assert ENVIRONMENT.max_steps * rules.STEP_REWARD > rules.COLLISION_REWARD


# --- the yardstick ----------------------------------------------------------------------------------------------------


def test_the_dynamic_window_finds_the_way_to_a_point_as_marching_does():
    rng = np.random.default_rng(0)
    for _ in range(300):
        speed, turn_rate = rng.uniform(0.1, 1), rng.choice([0.0, rng.uniform(-2, 2)])
        x, y = rng.uniform(-2, 2, 2)
        if math.hypot(x, y) < 0.3:
            continue
        radius = math.inf if turn_rate == 0 else speed / abs(turn_rate)
        ways = np.arange(0, min(6.0, math.tau * radius), 1e-3)
        angle = ways * turn_rate / speed
        if turn_rate:
            places = np.stack([np.sin(angle), 1 - np.cos(angle)], axis=1) * (speed / turn_rate)
        else:
            places = np.stack([ways, 0 * ways], axis=1)
        is_hit = np.hypot(*(places - (x, y)).T) < 0.25
        found = way_to_point(speed, turn_rate, x, y, 0.25)
        if is_hit.any():
            assert found == pytest.approx(ways[is_hit.argmax()], abs=2e-3)
        elif found <= ways[-1]:
            assert np.hypot(*(places - (x, y)).T).min() < 0.2501  # only just grazed between two places


def test_the_known_path_reaches_every_goal_and_the_dynamic_window_most():
    """The docstring's figures: 100 % at SPL 0.951, and 73.6 %: standard is where the window gets 60 to 90 %."""
    params = ENVIRONMENT.params()[0]
    known = run_episodes(ENVIRONMENT, yardstick.grid_path(params), 300, seed=0).metrics
    assert known["success"].mean() > 0.99
    assert 0.93 < known["spl"].mean() < 0.97
    assert (known["spl"] <= 1).all()
    seen = run_episodes(ENVIRONMENT, yardstick.dynamic_window(params), 150, seed=0).metrics
    assert 0.6 < seen["success"].mean() < 0.9
    assert (seen["clearance"][seen["collision"] == 0] >= 0).all()
    assert (seen["clearance"][seen["collision"] == 1] < 0).all()


def test_explain_gives_facts_and_refuses_moves(monkeypatch):
    monkeypatch.setattr(yardstick, "EXPLAIN_EPISODES", 20)
    facts = ENVIRONMENT.yardstick.explain("")
    assert facts["grid_path_spl"] > facts["dynamic_window_spl"]
    with pytest.raises(ValueError, match="no moves to explain; leave out moves '1'"):
        yardstick.explain("1")
