"""LidarRace: tracks, lidar, the task, laps, files and yardsticks."""

import math

import numpy as np
import pytest

import rlkit
from envs.driving.lidar_race import ENVIRONMENT, racing, rules, yardstick
from envs.driving.lidar_race.track_file import read_track
from rlkit.evaluation import run_episodes
from rlkit.learning.policy import Situation


@pytest.fixture(scope="module")
def tracks():
    """States of 200 generated tracks of two levels, cars at the start."""
    found = []
    for seed, level in ((7, "standard"), (1007, "hard")):
        env = rlkit.make_batch("lidar_race", 100, level=level)
        env.reset(seed=seed)
        found.append((env.params[0], env.states.copy()))
    return found


# --- tracks ---------------------------------------------------------------------------------------------------------


def crosses(points):
    """Return whether a closed line [n, 2] crosses itself: every pair of segments, by orientation."""
    a, b = points, np.roll(points, -1, axis=0)

    def side(p, q, r):
        return np.sign(
            (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        )

    p, q = a[:, None], b[:, None]
    r, s = a[None], b[None]
    meets = (side(p, q, r) * side(p, q, s) < 0) & (side(r, s, p) * side(r, s, q) < 0)
    return bool(meets.any())


def test_tracks_close_bend_within_the_limit_and_neither_they_nor_their_walls_cross(tracks):
    shapes = set()
    for params, states in tracks:
        for state in states:
            centre, left, right = racing.track_points(state)
            np.testing.assert_allclose(racing.segment_lengths(centre), float(state["spacing"]), rtol=1e-5)
            assert racing.curvature(centre).max() < 1.02 / params["min_radius"]
            assert not any(crosses(line) for line in (centre, left, right))
            width = np.linalg.norm(left - right, axis=1) / 2
            np.testing.assert_allclose(width, width[0], rtol=1e-9)
            assert abs(width[0] / params["half_width"] - 1) <= params["width_spread"]
            length = len(centre) * state["spacing"]
            assert abs(length / params["length"] - 1) <= params["length_spread"]
            shapes.add(float(racing.curvature(centre).max()))
    assert len(shapes) == 200  # not the same again, and not the circle of the last try


def test_both_directions_are_driven(tracks):
    _, states = tracks[0]
    areas = []
    for state in states:
        (x, y), (u, v) = (
            points.T for points in (racing.track_points(state)[0], np.roll(racing.track_points(state)[0], -1, 0))
        )
        areas.append(float(np.sum(x * v - u * y)))
    assert 30 < sum(area > 0 for area in areas) < 70


def test_a_numbered_track_is_always_the_same_and_the_car_starts_elsewhere():
    env = rlkit.make_batch("lidar_race", 8, track=5)
    env.reset(seed=1)
    assert (env.states["centre_x"] == env.states["centre_x"][0]).all()
    assert len(set(env.states["segment"])) > 4
    other = rlkit.make_batch("lidar_race", 1)
    other.reset(seed=1)
    assert other.states["track"][0] >= rules.FIRST_DRAWN


# --- the lidar ------------------------------------------------------------------------------------------------------


def all_ranges(state, params, offset):
    """Return the 36 ranges by every ray against every wall segment."""
    heading, n = float(state["heading"]), int(state["num_points"])
    origin = [state["x"] + offset * math.cos(heading), state["y"] + offset * math.sin(heading)]
    angles = heading + np.radians(-131.25 + 7.5 * np.arange(36))
    ray = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None]
    best = np.full(36, float(params["max_range"]))
    for xs, ys in (("left_x", "left_y"), ("right_x", "right_y")):
        start = np.stack([state[xs][:n], state[ys][:n]], axis=1) - origin
        edge = np.roll(start, -1, axis=0) - start
        across = ray[..., 0] * edge[:, 1] - ray[..., 1] * edge[:, 0]
        along = (start[:, 0] * edge[:, 1] - start[:, 1] * edge[:, 0]) / across
        share = (start[:, 0] * ray[..., 1] - start[:, 1] * ray[..., 0]) / across
        hit = (share >= 0) & (share <= 1) & (along > 0)
        best = np.minimum(best, np.where(hit, along, np.inf).min(axis=1))
    return best


@pytest.mark.parametrize("options", [{}, {"level": "hard", "lidar_offset": 0.25}, {"level": "easy", "max_range": 25.0}])
def test_the_lidar_sees_what_trying_every_segment_finds(options):
    env = rlkit.make_batch("lidar_race", 32, autoreset_mode="same_step", **options)
    env.reset(seed=11)
    rng, seen, most_turned = np.random.default_rng(0), 0, 0.0
    for _ in range(60):
        actions = rng.uniform([-1, -0.4], [1, 0.8], (32, 2)).astype(np.float32)
        env.step(actions)  # those that crashed begin anew
        for state in env.states:
            most_turned = max(most_turned, turned(state))
            expected = all_ranges(state, env.params[0], float(env.params[0].lidar_offset))
            np.testing.assert_allclose(state["ranges"], expected, atol=1e-9)
            seen += 1
    assert seen > 1500
    assert most_turned > math.radians(75)  # from the direction of the track


def turned(state):
    """Return the angle (rad) between the car's heading and the segment it is at."""
    after = (int(state["segment"]) + 1) % int(state["num_points"])
    dx, dy = (float(state[name][after] - state[name][state["segment"]]) for name in ("centre_x", "centre_y"))
    return abs(math.remainder(float(state["heading"]) - math.atan2(dy, dx), math.tau))


def test_on_a_round_track_ranges_are_those_of_two_circles():
    """Within what 160 corners differ from a circle; the lidar sits 0.104 m ahead of the middle."""
    env = rlkit.make("lidar_race", waviness=0.0, length_spread=0.0, width_spread=0.0, track=1)
    env.reset(seed=0)
    state = env.state
    radius, offset = 90 / math.tau, 0.104
    lidar = np.array([state.x, state.y]) + offset * np.array([math.cos(state.heading), math.sin(state.heading)])
    distance = np.hypot(*lidar)
    towards = math.atan2(-lidar[1], -lidar[0])
    for ray, found in enumerate(state.ranges):
        turn = state.heading + math.radians(-131.25 + 7.5 * ray) - towards
        along, aside = distance * math.cos(turn), distance * abs(math.sin(turn))
        inner, outer = radius - 1, radius + 1
        expected = along + math.sqrt(outer**2 - aside**2)
        if along > 0 and aside < inner:
            expected = along - math.sqrt(inner**2 - aside**2)
        elif abs(aside - inner) < 0.02:
            continue  # a grazing ray: corners decide
        assert found == pytest.approx(min(expected, 10.0), rel=0.03, abs=0.01)


def test_the_mount_moves_what_is_seen_straight_ahead():
    """Facing a wall square on, a lidar d further ahead sees it d nearer: rays 17 and 18 are ±3.75° from ahead."""
    seen = {}
    for offset in (0.0, 0.1, 0.25):
        env = rlkit.make("lidar_race", waviness=0.0, length_spread=0.0, width_spread=0.0, track=1, lidar_offset=offset)
        env.reset(seed=0)
        outer = env.state.right_x, env.state.right_y
        env.state.segment = 0
        middle = [0.5 * (values[0] + values[1]) for values in outer]
        centre = [0.5 * (values[0] + values[1]) for values in (env.state.centre_x, env.state.centre_y)]
        env.state.x, env.state.y = centre
        env.state.heading = math.atan2(middle[1] - centre[1], middle[0] - centre[0])
        rules.look(env.state, env.params)
        seen[offset] = float(env.state.ranges[17]), float(env.state.ranges[18])
    for offset in (0.1, 0.25):
        for ray in (0, 1):
            nearer = (seen[0.0][ray] - seen[offset][ray]) * math.cos(math.radians(3.75))
            assert nearer == pytest.approx(offset, abs=1e-6)


# --- the task -------------------------------------------------------------------------------------------------------


def test_progress_round_a_lap_is_the_length_and_laps_are_timed():
    env = rlkit.make_batch("lidar_race", 4, autoreset_mode="disabled", track=3)
    obs, _ = env.reset(seed=2)
    policy = yardstick.PurePursuit(env.params[0])
    length = float(env.states["spacing"][0]) * int(env.states["num_points"][0])
    start, before = env.states["arc"].copy(), np.zeros(4, int)
    for step in range(700):
        situation = situation_of(obs, env)
        obs, *_ = env.step(policy.act_in(situation))
        states = env.states
        offset = (start + states["progress"] - states["arc"]) / length
        np.testing.assert_allclose(offset, np.rint(offset), atol=1e-9)  # the same place, whole laps apart
        np.testing.assert_array_equal(states["laps"], np.floor(states["progress"] / length))
        for car_number in np.flatnonzero(states["laps"] > before):
            assert (step) * 0.05 <= states["lap_seconds"][car_number] <= (step + 1) * 0.05 + 1e-9
        before = states["laps"].copy()
    assert (before >= 1).all()


def situation_of(obs, env):
    return Situation(obs, None, env.states, env.params[0])


def test_a_crash_costs_more_than_standing_still_to_the_end():
    env = rlkit.make("lidar_race")
    env.reset(seed=0)
    total, steps, terminated = 0.0, 0, False
    while not terminated:
        _, reward, terminated, _, _ = env.step(np.array([1.0, 1.0], np.float32))
        total, steps = total + reward, steps + 1
    progress = float(env.state.progress)
    assert total == pytest.approx(progress - 2 * 0.002 * 2000 - 20.0, abs=1e-9)
    assert env.state.crashed == 1
    assert total < -2 * 0.002 * 2000 + progress


def test_the_car_crashes_exactly_when_its_rectangle_meets_a_wall():
    env = rlkit.make("lidar_race", waviness=0.0, length_spread=0.0, width_spread=0.0, track=1)
    env.reset(seed=0)
    state, params = env.state, env.params
    state.segment = 0
    ahead = np.array([state.centre_x[1] - state.centre_x[0], state.centre_y[1] - state.centre_y[0]])
    ahead /= np.hypot(*ahead)
    state.heading = math.atan2(ahead[1], ahead[0])
    wall = np.array([[state.left_x[k], state.left_y[k]] for k in (0, 1)])
    normal = np.array([-ahead[1], ahead[0]])
    normal *= np.sign(normal @ (wall[0] - [state.centre_x[0], state.centre_y[0]]))
    for gap, touching in ((0.002, False), (-0.002, True)):
        middle = wall.mean(axis=0) - (0.5 * params.car_width + gap) * normal
        inner = int(np.hypot(*wall[0]) < np.hypot(state.centre_x[0], state.centre_y[0]))
        state.x, state.y = middle
        assert bool(rules.look(state, params)) in ((touching,) if not inner else (touching, True))


def test_looking_backwards_ends_the_episode():
    env = rlkit.make("lidar_race")
    env.reset(seed=0)
    env.state.heading = float(env.state.heading) + math.pi
    _, _, terminated, _, _ = env.step(np.zeros(2, np.float32))
    assert terminated


# --- lines and yardsticks -------------------------------------------------------------------------------------------


def circle(radius, count=200):
    angles = np.arange(count) * math.tau / count
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_the_speed_on_a_circle_is_that_of_the_friction_limit():
    params, points = ENVIRONMENT.params()[0], circle(5.0)
    speeds = racing.speed_profile(racing.curvature(points), racing.segment_lengths(points), params, 0.5)
    np.testing.assert_allclose(speeds, math.sqrt(0.5 * 1.0489 * 9.81 * 5.0), rtol=1e-6)
    assert racing.lap_seconds(speeds, racing.segment_lengths(points)) == pytest.approx(
        math.tau * 5 / speeds[0], rel=1e-3
    )


def test_the_line_of_least_curvature_on_a_ring_is_its_outer_edge():
    line = racing.least_curvature_line(circle(6.0), circle(5.0), circle(7.0), margin=0.2)
    np.testing.assert_allclose(np.hypot(*line.T), 5.2, atol=0.01)  # the second differences grow with the radius


def test_the_proxy_is_faster_than_the_plan_on_the_centreline_at_the_same_limit(tracks):
    params, states = tracks[0]
    for state in states[:3]:
        centre, _, _ = racing.track_points(state)
        lengths = racing.segment_lengths(centre)
        plan = racing.lap_seconds(racing.speed_profile(racing.curvature(centre), lengths, params, 1.0), lengths)
        assert racing.proxy_lap(state, params) < plan


def test_the_yardsticks_do_not_crash_and_pure_pursuit_laps_as_declared():
    params = ENVIRONMENT.params()[0]
    pursuit = run_episodes(ENVIRONMENT, yardstick.PurePursuit(params), 40, seed=0)
    gap = run_episodes(ENVIRONMENT, yardstick.follow_the_gap(params), 40, seed=0)
    assert pursuit.metrics["crashed"].sum() == gap.metrics["crashed"].sum() == 0
    assert 19.5 < pursuit.metrics["lap_time"].mean() < 23
    assert pursuit.returns.mean() > gap.returns.mean()
    harder = run_episodes(ENVIRONMENT, yardstick.PurePursuit(params, share=0.6), 40, seed=0)
    assert harder.metrics["crashed"].mean() > 0.5


# --- files ----------------------------------------------------------------------------------------------------------


def oval(radius=4.0, count=60, right=0.9, left=1.1):
    return [f"{1.5 * x:.6f},{y:.6f},{right},{left}" for x, y in circle(radius, count)]


def test_a_track_from_a_file_is_driven_with_its_own_widths(tmp_path):
    path = tmp_path / "oval.csv"
    path.write_text("# x_m,y_m,w_tr_right_m,w_tr_left_m\n" + "\n".join([*oval(), oval()[0]]))
    env = rlkit.make("lidar_race", level=str(path))
    env.reset(seed=0)
    centre, left, right = racing.track_points(env.state)
    np.testing.assert_allclose(np.linalg.norm(left - centre, axis=1), 1.1)
    np.testing.assert_allclose(np.linalg.norm(right - centre, axis=1), 0.9)
    assert ((centre[:, 0] / 6) ** 2 + (centre[:, 1] / 4) ** 2) == pytest.approx(1, abs=0.01)
    length = racing.segment_lengths(centre)
    assert length == pytest.approx(float(env.state.spacing), rel=0.02)
    assert length.min() > 0.4
    policy = yardstick.PurePursuit(env.params)
    played = run_episodes(ENVIRONMENT, policy, 4, seed=0, level=str(path))
    assert played.metrics["crashed"].sum() == 0
    assert (played.metrics["laps"] >= 3).all()


def test_a_track_of_full_size_is_scaled(tmp_path):
    path = tmp_path / "full.csv"
    path.write_text("\n".join(oval(40.0, right=9, left=11)))
    env = rlkit.make("lidar_race", level=str(path), track_scale=0.1)
    env.reset(seed=0)
    assert env.state.centre_x.max() == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({3: "1,2,3"}, "line 4: 3 columns; give four numbers in m: x, y, width right, width left"),
        ({2: "1,b,1,1"}, r"line 3, column 2: y 'b' must be a number of m"),
        ({5: "1,2,0.1,1"}, r"line 6, column 3: width right '0.1' must be a number of m, at least 0.2"),
        ({5: "1,2,1,nan"}, r"line 6, column 4: width left 'nan' must be a number of m, at least 0.2"),
        ({6: oval()[5]}, "line 6: the next point is the same; leave one of them out"),
        (dict.fromkeys(range(10, 60), ""), "line 10: the next point is .* m away; give points nearer together"),
        (dict.fromkeys(range(5, 60), ""), "has 5 points; a track needs 8 or more"),
        ({0: oval()[0].replace("1.1", "40")}, "line 1: the left wall, .* is further than the middle of the bend"),
    ],
)
def test_a_bad_track_is_refused_in_one_sentence(tmp_path, change, message):
    lines = oval()
    for line, text in change.items():
        lines[line] = text
    path = tmp_path / "bad.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=message):
        read_track(str(path))


def test_a_level_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no level 'eazy'; there are: standard, easy, hard"):
        ENVIRONMENT.params("eazy")
    with pytest.raises(ValueError, match=r"cannot read the track .*none\.csv: No such file"):
        ENVIRONMENT.params(str(tmp_path / "none.csv"))


def test_explain_gives_facts_and_refuses_moves(monkeypatch):
    monkeypatch.setattr(yardstick, "HELD_OUT_TRACKS", 2)
    monkeypatch.setattr(yardstick, "HELD_OUT_CARS", 4)
    facts = ENVIRONMENT.yardstick.explain("")
    assert facts["proxy_optimum"] < facts["pure_pursuit_plan"] < facts["pure_pursuit_lap_time"]
    assert facts["pure_pursuit_crashes_per_km"] == 0
    with pytest.raises(ValueError, match="no moves to explain; leave out moves '1'"):
        yardstick.explain("1")
