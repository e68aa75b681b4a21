"""Reach2Link: its motion against SciPy and Lagrange, its figures by hand, and the controller that grades it."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import rlkit
from envs.robotics.reach_2link import ENVIRONMENT
from envs.robotics.reach_2link import yardstick as reach
from envs.robotics.reach_2link.dynamics import dynamics, inverse_kinematics, linearize, mass_matrix, tip
from rlkit.evaluation import run_episodes

OTHER_ARM = {"length_1": 0.4, "length_2": 0.6, "mass_1": 1.3, "mass_2": 0.8, "payload": 0.25, "damping": 0.2}


def energy(x, params):
    """Kinetic energy from the rods' own motion: König's theorem for each, and the payload's speed."""
    q1, q2, w1, w2 = x
    both = q1 + q2
    elbow = params.length_1 * w1 * np.array([-math.sin(q1), math.cos(q1)])
    along = (w1 + w2) * np.array([-math.sin(both), math.cos(both)])
    middle, end = elbow + 0.5 * params.length_2 * along, elbow + params.length_2 * along
    total = 0.5 * params.mass_1 * params.length_1**2 / 3 * w1**2
    total += 0.5 * params.mass_2 * (middle @ middle) + 0.5 * params.mass_2 * params.length_2**2 / 12 * (w1 + w2) ** 2
    return total + 0.5 * params.payload * (end @ end)


def lagrange(x, torques, params, size=1e-4):
    """Accelerations from d/dt ∂T/∂w − ∂T/∂q = torque − damping w, with derivatives of the energy by differences."""

    def slope(function, k):
        step = size * np.eye(4)[k]
        return (function(x + step) - function(x - step)) / (2 * size)

    def momentum(joint):
        def of(point):
            step = size * np.eye(4)[2 + joint]
            return (energy(point + step, params) - energy(point - step, params)) / (2 * size)

        return of

    mass = np.array([[slope(momentum(j), 2 + k) for k in range(2)] for j in range(2)])
    moved = np.array([sum(slope(momentum(j), k) * x[2 + k] for k in range(2)) for j in range(2)])
    pulled = np.array([slope(lambda point: energy(point, params), j) for j in range(2)])
    return np.linalg.solve(mass, torques - params.damping * x[2:] - moved + pulled)


def placed(rows, **params):
    env = rlkit.make_batch("reach_2link", len(rows), autoreset_mode="disabled", flat_obs=True, **params)
    env.reset(seed=0)
    env.states["qpos"], env.states["qvel"] = np.asarray(rows, float)[:, :2], np.asarray(rows, float)[:, 2:]
    return env


def random_rows(count, seed):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 4)) * [3, 3, 4, 4]


@pytest.mark.parametrize("change", [{}, OTHER_ARM])
def test_the_dynamics_are_lagranges(change):
    params, rng = ENVIRONMENT.params(**change)[0], np.random.default_rng(1)
    for x in random_rows(20, seed=1):
        torques = rng.uniform(-5, 5, 2)
        found = dynamics(x, torques, params)
        np.testing.assert_allclose(found[:2], x[2:])
        np.testing.assert_allclose(found[2:], lagrange(x, torques, params), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", [{}, OTHER_ARM])
def test_a_step_agrees_with_scipys_integration(change):
    rows, rng = random_rows(20, seed=2), np.random.default_rng(3)
    actions = rng.uniform(-1, 1, (20, 2)).astype(np.float32)
    env = placed(rows, gain=0.9, **change)
    env.step(actions)
    params = env.params[0]
    for x, action, state in zip(rows, actions.astype(float), env.states, strict=True):
        exact = solve_ivp(
            lambda t, y, u: dynamics(y, u, params), (0, 0.02), x, args=(4.5 * action,), method="DOP853",
            rtol=1e-11, atol=1e-12,
        )  # fmt: skip
        np.testing.assert_allclose([*state.qpos, *state.qvel], exact.y[:, -1], rtol=0, atol=2e-5)


def test_energy_is_kept_without_damping_and_torque():
    env = placed(random_rows(10, seed=4), damping=0.0)
    params = env.params[0]
    before = [energy(np.array([*state.qpos, *state.qvel]), params) for state in env.states]
    for _ in range(200):
        env.step(np.zeros((10, 2), np.float32))
    after = [energy(np.array([*state.qpos, *state.qvel]), params) for state in env.states]
    np.testing.assert_allclose(after, before, rtol=1e-4)


def test_damping_and_motors_account_for_the_energy():
    """The work of the torques less the loss in the joints is the gain of kinetic energy, to the order of the step."""
    env = placed([[0.3, 1.0, 0.0, 0.0]])
    params, work = env.params[0], 0.0
    for k in range(100):
        before = env.states["qvel"][0].copy()
        action = np.array([[0.3 * math.sin(0.1 * k), 0.2 * math.cos(0.07 * k)]], np.float32)
        env.step(action)
        speed = 0.5 * (before + env.states["qvel"][0])
        work += (5 * action[0].astype(float) - 0.1 * speed) @ speed * 0.02
    state = env.states[0]
    assert energy(np.array([*state.qpos, *state.qvel]), params) == pytest.approx(work, rel=2e-2)


@pytest.mark.parametrize("change", [{}, OTHER_ARM])
def test_the_linear_arm_is_that_of_finite_differences(change):
    params, rng, size = ENVIRONMENT.params(**change)[0], np.random.default_rng(5), 1e-6
    for x in random_rows(10, seed=5):
        u = rng.uniform(-5, 5, 2)
        a, b = linearize(x, u, params)
        for k in range(4):
            step = size * np.eye(4)[k]
            column = (dynamics(x + step, u, params) - dynamics(x - step, u, params)) / (2 * size)
            np.testing.assert_allclose(a[:, k], column, rtol=1e-5, atol=1e-5)
        for k in range(2):
            step = size * np.eye(2)[k]
            column = (dynamics(x, u + step, params) - dynamics(x, u - step, params)) / (2 * size)
            np.testing.assert_allclose(b[:, k], column, rtol=1e-5, atol=1e-5)


def test_the_mass_matrix_of_a_stretched_arm_is_a_rods():
    """Stretched and locked, two rods of 0.5 m and 1 kg are one of 1 m and 2 kg: m l² / 3."""
    matrix = mass_matrix(0.0, ENVIRONMENT.params()[0])
    assert matrix[0, 0] == pytest.approx(2 / 3)
    assert matrix[1, 1] == pytest.approx(1 / 12)
    np.testing.assert_allclose(matrix, matrix.T)


def test_inverse_kinematics_round_trip():
    params, rng = ENVIRONMENT.params(**OTHER_ARM)[0], np.random.default_rng(6)
    radius, angle = rng.uniform(0.25, 0.95, 200), rng.uniform(-math.pi, math.pi, 200)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    aims = inverse_kinematics(x, y, params)
    assert (aims[0, 1] >= 0).all()
    assert (aims[1, 1] <= 0).all()
    for q1, q2 in aims:
        np.testing.assert_allclose(tip(q1, q2, params), [x, y], atol=1e-12)


# --- rewards, goals and figures -------------------------------------------------------------------------------------


def test_rewards_by_hand():
    rows = [[0.0, math.pi / 2, 0, 0]]  # tip at (0.5, 0.5)
    for sparse, expected in ((0, -0.5), (1, -1.0)):
        env = placed(rows, sparse=sparse)
        env.states["goal"] = [0.5, 0.0]
        _, reward, *_ = env.step(np.zeros((1, 2), np.float32))
        assert reward[0] == pytest.approx(expected)
    env = placed(rows, sparse=1)
    env.states["goal"] = [0.53, 0.47]
    assert env.step(np.zeros((1, 2), np.float32))[1][0] == 0
    env = placed([[0.0, math.pi / 2, 0, 0]], max_torque=1e-9)
    env.states["goal"] = [0.5, 0.0]
    _, reward, *_ = env.step(np.array([[1.0, -0.5]], np.float32))
    assert reward[0] == pytest.approx(-0.5 - 0.05 * 1.25)


@pytest.mark.parametrize("sparse", [0, 1])
def test_the_reward_of_a_goal_is_the_steps_but_for_the_actions_cost(sparse):
    env = rlkit.make("reach_2link", sparse=sparse)
    env.reset(seed=1)
    rng = np.random.default_rng(7)
    for _ in range(50):
        action = rng.uniform(-1, 1, 2).astype(np.float32)
        obs, reward, *_ = env.step(action)
        again = env.unwrapped.compute_reward(obs["achieved_goal"], obs["desired_goal"], {})
        cost = 0 if sparse else 0.05 * float(np.square(action.astype(float)).sum())
        assert again - cost == pytest.approx(reward, abs=1e-6)


def test_goals_are_spread_over_the_ring_within_reach():
    env = rlkit.make_batch("reach_2link", 4000)
    obs, _ = env.reset(seed=8)
    radius = np.hypot(*obs["desired_goal"].T)
    assert 0.1 <= radius.min() < 0.13
    assert 0.94 < radius.max() <= 0.95
    assert (radius**2).mean() == pytest.approx((0.1**2 + 0.95**2) / 2, rel=0.03)  # uniform over the area
    assert np.abs(obs["desired_goal"].mean(axis=0)).max() < 0.03


def test_what_is_observed():
    env = placed([[0.4, -1.1, 2.0, -3.0]])
    env.states["goal"] = [0.2, -0.3]
    obs, *_ = env.step(np.zeros((1, 2), np.float32))
    (q1, q2), (w1, w2) = env.states["qpos"][0], env.states["qvel"][0]
    place = [0.5 * math.cos(q1) + 0.5 * math.cos(q1 + q2), 0.5 * math.sin(q1) + 0.5 * math.sin(q1 + q2)]
    expected = [math.cos(q1), math.sin(q1), math.cos(q2), math.sin(q2), 0.2 * w1, 0.2 * w2, *place, 0.2, -0.3]
    np.testing.assert_allclose(obs[0], expected, atol=1e-6)


def test_energy_and_jerk_of_constant_torque_about_a_locked_elbow():
    """From rest with a torque that keeps the elbow at 0: shoulder acceleration t / (2/3), one jump of jerk at first."""
    env = placed([[0.0, 0.0, 0, 0]], damping=0.0)
    matrix = mass_matrix(0.0, env.params[0])
    wanted = 3.0 / (2 / 3)  # rad/s² under 3 N·m
    actions = (matrix[:, 0] * wanted / 5).astype(np.float32)[None]
    for _ in range(3):
        env.step(actions)
    state = env.states[0]
    assert state.qvel[0] == pytest.approx(wanted * 0.06, rel=1e-3)
    assert state.peak_jerk == pytest.approx(wanted / 0.02, rel=1e-3)
    assert state.work == pytest.approx(3.0 * 0.5 * wanted * 0.06**2, rel=1e-2)


# --- the yardstick --------------------------------------------------------------------------------------------------


def test_computed_torque_reaches_every_goal():
    """The docstring's figures, on fewer episodes."""
    episodes = run_episodes(ENVIRONMENT, reach.controller(ENVIRONMENT.params()[0]), 60, seed=0)
    assert episodes.metrics["is_success"].all()
    assert episodes.metrics["final_error"].max() < 0.01
    assert -15.5 < episodes.returns.mean() < -11
    assert episodes.metrics["time_to_reach"].max() < 2


def test_a_choice_of_aim_and_pace_is_better_than_one_pace():
    params = ENVIRONMENT.params()[0]
    chosen, single = (
        run_episodes(ENVIRONMENT, reach.controller(params, rates), 40, seed=0).returns for rates in ((6, 12), (8,))
    )
    assert chosen.mean() > single.mean()


def test_computed_torque_reaches_with_another_arm():
    policy = reach.controller(ENVIRONMENT.params(**OTHER_ARM)[0], (5.0, 10.0))
    episodes = run_episodes(ENVIRONMENT, policy, 40, seed=0, **OTHER_ARM)
    assert episodes.metrics["is_success"].all()


def test_at_small_errors_computed_torque_makes_the_error_decay_as_a_critically_damped_spring():
    """x'' = −ω² x − 2 ω x' from rest: x(t) = x(0) (1 + ω t) exp(−ω t), joint by joint."""
    env = placed([[0.5, 1.2, 0, 0]])
    aims = np.array([0.52, 1.17])
    env.states["goal"] = np.array(tip(*aims, env.params[0]))
    policy, obs = reach.controller(env.params[0], (6.0,)), np.zeros((1, 10), np.float32)
    obs[0] = env.step(np.zeros((1, 2), np.float32))[0][0]
    for _ in range(20):
        obs, *_ = env.step(policy.act(obs))
    left = (aims - env.states["qpos"][0]) / (aims - [0.5, 1.2])
    t = 20 * 0.02
    np.testing.assert_allclose(left, (1 + 6 * t) * math.exp(-6 * t), rtol=0.15)


def test_explain_gives_facts_and_refuses_moves(monkeypatch):
    monkeypatch.setattr(reach, "EXPLAIN_EPISODES", 10)
    facts = ENVIRONMENT.yardstick.explain("")
    assert facts["computed_torque_success"] == 1
    assert facts["computed_torque_mean_return"] > facts["random_mean_return"]
    with pytest.raises(ValueError, match="no moves to explain; leave out moves '12'"):
        ENVIRONMENT.yardstick.explain("12")
