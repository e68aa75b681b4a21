"""Quadrotor2D: its motion against SciPy and closed forms, its cost by hand, and the regulator that grades it."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import rlkit
from envs.robotics.quadrotor_2d import ENVIRONMENT, rules
from envs.robotics.quadrotor_2d import yardstick as quadrotor
from envs.robotics.quadrotor_2d.dynamics import dynamics, hover, linearize
from rlkit.evaluation import run_episodes

NAMES = ("x", "z", "theta", "x_dot", "z_dot", "theta_dot")
MASS, INERTIA, ARM, GRAVITY, HOVER = 0.027, 1.4e-5, 0.0281, 9.81, 0.1324


def placed(rows, **params):
    """A batch of copies in the states `rows` [N, 6]."""
    env = rlkit.make_batch("quadrotor_2d", len(rows), autoreset_mode="disabled", **params)
    env.reset(seed=0)
    for name, column in zip(NAMES, np.asarray(rows, float).T, strict=True):
        env.states[name] = column
    return env


def rows_of(env):
    return np.stack([env.states[name] for name in NAMES], axis=1)


def random_rows(count, seed):
    scale = np.array([1, 1, 1, 2, 2, 8])
    return np.random.default_rng(seed).uniform(-1, 1, (count, 6)) * scale


def textbook(t, y, left, right):
    """Newton and Euler: thrust along the craft's own axis, weight, torque of the thrusts' difference."""
    angle = y[2]
    axis = np.array([np.sin(angle), np.cos(angle)])
    force = (left + right) * axis - np.array([0, MASS * GRAVITY])
    return np.concatenate([y[3:], force / MASS, [(left - right) * ARM / INERTIA]])


def test_a_step_agrees_with_scipys_integration():
    rows, rng = random_rows(20, seed=1), np.random.default_rng(2)
    actions = rng.uniform(-1, 1, (20, 2)).astype(np.float32)
    env = placed(rows)
    env.step(actions)
    for row, action, after in zip(rows, actions.astype(float), rows_of(env), strict=True):
        thrusts = HOVER * (1 + 0.5 * action)
        exact = solve_ivp(textbook, (0, 0.02), row, args=tuple(thrusts), method="DOP853", rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(after, exact.y[:, -1], rtol=0, atol=2e-7)


def test_the_dynamics_are_the_textbooks():
    rng, params = np.random.default_rng(3), ENVIRONMENT.params()[0]
    for row in random_rows(20, seed=3):
        thrusts = rng.uniform(0, 0.2, 2)
        np.testing.assert_allclose(dynamics(row, thrusts, params), textbook(0, row, *thrusts), rtol=1e-12)


def test_a_craft_without_thrust_falls_as_a_stone_and_keeps_its_energy():
    rows = [[0.1, 1.5, 0.3, 0.8, 0.5, 2.0]]
    env = placed(rows, hover_thrust=0.0)
    energies = []
    for _ in range(25):
        env.step(np.zeros((1, 2), np.float32))
        _, z, _, x_dot, z_dot, theta_dot = rows_of(env)[0]
        energies.append(MASS * GRAVITY * z + 0.5 * MASS * (x_dot**2 + z_dot**2) + 0.5 * INERTIA * theta_dot**2)
    t = 0.5
    expected = [0.1 + 0.8 * t, 1.5 + 0.5 * t - GRAVITY * t * t / 2, 0.3 + 2 * t, 0.8, 0.5 - GRAVITY * t, 2.0]
    np.testing.assert_allclose(rows_of(env)[0], expected, atol=1e-12)
    np.testing.assert_allclose(energies, energies[0], rtol=1e-13)


def test_a_leaning_craft_keeps_its_energy_in_the_field_of_its_thrust():
    """With equal thrusts and no turn the force is constant: kinetic energy less the force's work is conserved."""
    env = placed([[0.0, 0.0, 0.7, 0.3, -0.2, 0.0]])
    push = np.full((1, 2), 0.5, np.float32)
    total = 2 * HOVER * 1.25
    force = np.array([total * math.sin(0.7), total * math.cos(0.7) - MASS * GRAVITY])
    energies = []
    for _ in range(20):
        env.step(push)
        x, z, _, x_dot, z_dot, _ = rows_of(env)[0]
        energies.append(0.5 * MASS * (x_dot**2 + z_dot**2) - force @ [x, z])
    np.testing.assert_allclose(energies, energies[0], rtol=1e-12)


def test_hovering_is_an_equilibrium():
    params = ENVIRONMENT.params(hover_thrust=0.5 * MASS * GRAVITY)[0]
    np.testing.assert_allclose(dynamics(np.zeros(6), hover(params), params), 0, atol=1e-14)
    env = placed(np.zeros((1, 6)), hover_thrust=0.5 * MASS * GRAVITY)
    for _ in range(200):
        _, reward, *_ = env.step(np.zeros((1, 2), np.float32))
    np.testing.assert_allclose(rows_of(env), 0, atol=1e-10)
    assert reward[0] == pytest.approx(0, abs=1e-12)
    assert quadrotor.hover_action(ENVIRONMENT.params()[0]) == pytest.approx(0, abs=1e-3)


def test_more_thrust_on_the_left_leans_and_drives_it_to_the_right():
    env = placed(np.zeros((1, 6)))
    for _ in range(4):
        env.step(np.array([[0.1, -0.1]], np.float32))
    x, _, theta, x_dot, *_ = rows_of(env)[0]
    assert theta > 0
    assert x > 0
    assert x_dot > 0


@pytest.mark.parametrize("params", [{}, {"mass": 0.033, "inertia": 1.1e-5, "arm": 0.03, "gravity": 3.7}])
def test_the_linear_craft_is_that_of_finite_differences(params):
    record, size = ENVIRONMENT.params(**params)[0], 1e-6
    a, b = linearize(record)
    middle = hover(record)
    for k in range(6):
        offset = size * np.eye(6)[k]
        column = (dynamics(offset, middle, record) - dynamics(-offset, middle, record)) / (2 * size)
        np.testing.assert_allclose(a[:, k], column, atol=1e-8)
    for k in range(2):
        offset = size * np.eye(2)[k]
        column = (dynamics(np.zeros(6), middle + offset, record) - dynamics(np.zeros(6), middle - offset, record)) / (
            2 * size
        )
        np.testing.assert_allclose(b[:, k], column, rtol=1e-8, atol=1e-8)


def test_the_discrete_craft_is_that_of_the_environments_own_steps():
    size = 2.0**-13
    rows, actions = np.zeros((16, 6)), np.zeros((16, 2), np.float32)
    for k in range(8):
        for sign, row in ((1, 2 * k), (-1, 2 * k + 1)):
            (rows if k < 6 else actions)[row, k if k < 6 else k - 6] = sign * size
    env = placed(rows, hover_thrust=0.5 * MASS * GRAVITY)
    env.step(actions)
    after = rows_of(env)
    both = ((after[0::2] - after[1::2]) / (2 * size)).T
    a, b = quadrotor.discretize(ENVIRONMENT.params(hover_thrust=0.5 * MASS * GRAVITY)[0])
    np.testing.assert_allclose(np.hstack([a, b]), both, atol=1e-6)


# --- cost, falls, wind, the reference ---------------------------------------------------------------------------


def test_a_cost_by_hand():
    env = placed([[0.5, -1.0, 0.2, 1.0, -0.5, 3.0]])
    _, reward, *_ = env.step(np.array([[0.5, -0.25]], np.float32))
    cost = 0.25 + 1 + 0.2 * 0.04 + 0.2 * 1 + 0.2 * 0.25 + 0.002 * 9 + 0.25 + 0.0625
    assert reward[0] == pytest.approx(-0.1 * cost)


@pytest.mark.parametrize("row", [[1.99, 0, 0, 2, 0, 0], [0, -1.99, 0, 0, -2, 0], [0, 0, -1.49, 0, 0, -2]])
def test_a_fall_is_charged_for_the_steps_that_remained(row):
    env = placed([np.zeros(6), row], episode_steps=20)
    _, reward, terminated, truncated, _ = env.step(np.zeros((2, 2), np.float32))
    assert terminated.tolist() == [False, True]
    assert not truncated.any()
    assert -20 <= reward[1] < -19
    assert env.states["fell"].tolist() == [0, 1]
    assert env.states["cost"].tolist() == pytest.approx((-reward).tolist())


def test_a_later_fall_is_charged_for_fewer_steps():
    env = placed([np.zeros(6)])
    for _ in range(300):
        env.step(np.zeros((1, 2), np.float32))
    env.states["x"], env.states["x_dot"] = 1.99, 2.0
    _, reward, terminated, *_ = env.step(np.zeros((1, 2), np.float32))
    assert terminated[0]
    assert reward[0] == pytest.approx(-199 - 0.1 * (1.99**2 + 0.2 * 4), abs=0.01)


def test_no_step_costs_more_than_a_step_after_a_fall():
    env = placed([[1.9, 1.9, 1.4, -5, -5, -1]])
    _, reward, terminated, *_ = env.step(np.ones((1, 2), np.float32))
    assert not terminated[0]
    assert reward[0] == -1.0


def test_starts_are_spread_as_declared():
    env = rlkit.make_batch("quadrotor_2d", 4000)
    env.reset(seed=5)
    for name, half in zip(NAMES, (1, 1, 0.3, 0.5, 0.5, 0), strict=True):
        values = env.states[name]
        assert np.abs(values).max() <= half
        assert values.std() == pytest.approx(half / math.sqrt(3), rel=0.05)


def test_gusts_have_the_declared_spread_and_fade():
    env = rlkit.make_batch("quadrotor_2d", 3000, level="wind", autoreset_mode="disabled")
    env.reset(seed=6)
    first = env.states["wind_x"].copy()
    policy, obs = quadrotor.lqr(env.params[0]), np.zeros((3000, 6), np.float32)
    for _ in range(50):  # one second
        obs, *_ = env.step(policy.act(obs))
    last = env.states["wind_x"]
    assert first.std() == pytest.approx(0.03, rel=0.05)
    assert last.std() == pytest.approx(0.03, rel=0.05)
    assert np.corrcoef(first, last)[0, 1] == pytest.approx(math.exp(-1), abs=0.05)
    assert abs(np.corrcoef(last, env.states["wind_z"])[0, 1]) < 0.06


def test_a_gust_pushes():
    env = placed(np.zeros((1, 6)), gust=1e-9, hover_thrust=0.5 * MASS * GRAVITY)
    env.states["wind_x"], env.states["wind_z"] = 0.0027, -0.0054  # N: 0.1 and −0.2 m/s²
    env.step(np.zeros((1, 2), np.float32))
    np.testing.assert_allclose(rows_of(env)[0, 3:5], [0.002, -0.004], atol=1e-9)


def test_the_preview_tells_where_the_reference_will_be():
    env = rlkit.make("quadrotor_2d", level="track")
    obs, _ = env.reset(seed=7)
    assert obs.shape == (22,)
    absolute = obs[:2] * 0 + [env.state.x - obs[0], env.state.z - obs[1]]  # the reference now
    expected = absolute + obs[6:8]  # the reference 0.1 s later
    for _ in range(5):
        obs, *_ = env.step(np.zeros(2, np.float32))
    now = [env.state.x - obs[0], env.state.z - obs[1]]
    np.testing.assert_allclose(now, expected, atol=1e-6)
    size = 0.7 * np.sin(env.state.rates * 0.1 + env.state.phases)
    np.testing.assert_allclose(now, size, atol=1e-6)


# --- the yardstick ------------------------------------------------------------------------------------------------


def riccati_iteration(a, b, q, r, num_sweeps):
    p = np.zeros_like(q)
    for _ in range(num_sweeps):
        gain = np.linalg.inv(r + b.T @ p @ b) @ (b.T @ p @ a)
        closed = a - b @ gain
        p = q + gain.T @ r @ gain + closed.T @ p @ closed
    return gain, p


def test_the_gain_is_that_of_the_textbooks_recursion():
    params = ENVIRONMENT.params()[0]
    q = np.diag([1, 1, 0.2, 0.2, 0.2, 0.002])
    gain, p = riccati_iteration(*quadrotor.discretize(params), q, np.eye(2), 2_000)
    np.testing.assert_allclose(quadrotor.regulator(params)[0], gain, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(quadrotor.regulator(params)[1], p, rtol=1e-6, atol=1e-9)


def test_near_hovering_the_regulator_costs_what_riccati_says():
    options = {
        "start_position": 0.002, "start_angle": 0.001, "start_speed": 0.002, "hover_thrust": 0.5 * MASS * GRAVITY,
    }  # fmt: skip
    policy = quadrotor.lqr(ENVIRONMENT.params(**options)[0])
    costs = -run_episodes(ENVIRONMENT, policy, 100, seed=0, **options).returns
    np.testing.assert_allclose(costs, quadrotor.bounds(100, 0, **options), rtol=1e-3)


def test_the_regulator_brings_every_start_to_the_point():
    """The docstring's figures: 1.024 × the bound, and nobody falls."""
    episodes = run_episodes(ENVIRONMENT, quadrotor.lqr(ENVIRONMENT.params()[0]), 500, seed=0)
    assert episodes.returns.mean() == pytest.approx(-2.885, abs=0.002)
    assert -episodes.returns.mean() / quadrotor.bounds(500, 0).mean() == pytest.approx(1.024, abs=0.001)
    assert episodes.metrics["fell"].sum() == 0
    assert episodes.metrics["final_distance"].max() < 1e-4
    np.testing.assert_allclose(episodes.metrics["cost"], -episodes.returns / 50)


def test_the_regulator_holds_a_craft_of_another_mass_that_it_knows():
    change = {"mass": 0.032}
    policy = quadrotor.lqr(ENVIRONMENT.params(**change)[0])
    episodes = run_episodes(ENVIRONMENT, policy, 50, seed=0, **change)
    assert episodes.metrics["final_distance"].max() < 1e-3


def test_the_preview_is_used_as_least_squares_would():
    """The first action of the best sequence for a cubic reference, from all actions at once by least squares."""
    params = ENVIRONMENT.params("track")[0]
    a, b = quadrotor.discretize(params)
    gain, p = quadrotor.regulator(params)
    steps = 5 * int(params.preview)
    times = 0.02 * np.arange(steps + 1)
    path = np.stack([0.6 * times**2 - 0.2 * times**3, -0.3 * times**2 + 0.1 * times**3], axis=1)
    speed = np.stack([1.2 * times - 0.6 * times**2, -0.6 * times + 0.3 * times**2], axis=1)
    wanted = np.zeros((steps + 1, 6))
    wanted[:, :2], wanted[:, 3:5] = path, speed
    x = np.array([0.1, -0.2, 0.05, 0.2, -0.1, 0.3])
    from_actions, from_start = np.zeros((6, 2 * steps)), np.eye(6)
    roots = [np.sqrt(np.array(rules.STATE_WEIGHTS))[:, None] * np.eye(6), np.linalg.cholesky(p).T]
    rows, targets = [np.eye(2 * steps)], [np.zeros(2 * steps)]
    for k in range(1, steps + 1):
        from_actions = a @ from_actions
        from_actions[:, 2 * k - 2 : 2 * k] = b
        from_start = a @ from_start
        root = roots[k == steps]
        rows.append(root @ from_actions)
        targets.append(root @ (wanted[k] - from_start @ x))
    best = np.linalg.lstsq(np.vstack(rows), np.concatenate(targets), rcond=None)[0][:2]
    ours = -gain @ x + quadrotor.preview_gain(params) @ path[5::5].ravel()
    np.testing.assert_allclose(ours, best, rtol=1e-6)


def test_the_preview_saves_a_third_of_the_cost():
    params = ENVIRONMENT.params("track")[0]
    policy = quadrotor.lqr(params)
    blind = quadrotor.lqr(ENVIRONMENT.params()[0])
    with_preview = run_episodes(ENVIRONMENT, policy, 200, seed=0, level="track")
    without = run_episodes(ENVIRONMENT, blind, 200, seed=0, level="track", preview=0)
    assert with_preview.returns.mean() > 0.67 * without.returns.mean()
    assert with_preview.metrics["fell"].sum() == 0


def test_explain_gives_facts_and_refuses_moves(monkeypatch):
    monkeypatch.setattr(quadrotor, "EXPLAIN_EPISODES", 50)
    facts = ENVIRONMENT.yardstick.explain("")
    assert 1.01 < facts["lqr_over_bound"] < 1.04
    assert facts["random_mean_cost"] > 450
    assert facts["lqr_fell"] == 0
    with pytest.raises(ValueError, match="no moves to explain; leave out moves '12'"):
        quadrotor.explain("12")
