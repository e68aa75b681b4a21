"""CartPole: every step against Gymnasium's CartPole-v1, the time limit, and the regulator it is graded by."""

import itertools
import math

import gymnasium
import numpy as np
import pytest

import rlkit
from envs.classic.cartpole import ENVIRONMENT
from envs.classic.cartpole import yardstick as cartpole
from rlkit.evaluation import run_episodes

FIELDS = ("x", "x_dot", "theta", "theta_dot")
MAX_X, MAX_THETA = 2.4, 12 * 2 * math.pi / 360
# our name → theirs
GYMNASIUM_NAMES = {
    "gravity": "gravity", "cart_mass": "masscart", "pole_mass": "masspole", "half_length": "length",
    "force": "force_mag", "step_seconds": "tau", "max_x": "x_threshold",
    "max_theta": "theta_threshold_radians",
}  # fmt: skip


def put(states, values):
    """Write `values` [N, 4] into the state records [N]."""
    for i, name in enumerate(FIELDS):
        states[name] = values[:, i]


def step_gymnasium(values, actions, **params):
    """Step Gymnasium's CartPole once from each row: obs, states [N, 4], rewards, terminated [N]."""
    env = gymnasium.make("CartPole-v1").unwrapped
    for name, value in params.items():
        setattr(env, GYMNASIUM_NAMES[name], value)
    env.total_mass = env.masspole + env.masscart
    env.polemass_length = env.masspole * env.length
    env.reset(seed=0)
    rows = []
    for state, action in zip(values, actions, strict=True):
        env.state, env.steps_beyond_terminated = state, None
        obs, reward, terminated, truncated, _ = env.step(int(action))
        rows.append((obs, env.state, reward, terminated))
        assert not truncated
    return [np.array(column) for column in zip(*rows, strict=True)]


def assert_steps_agree(values, actions, **params):
    env = rlkit.make_batch("cartpole", len(values), **params)
    env.reset(seed=0)
    put(env.states, values)
    obs, rewards, terminated, truncated, _ = env.step(actions)
    their_obs, their_states, their_rewards, their_terminated = step_gymnasium(values, actions, **params)
    np.testing.assert_allclose(obs, their_obs, rtol=0, atol=1e-6)
    states = np.stack([env.states[name] for name in FIELDS], axis=1)
    np.testing.assert_allclose(states, their_states, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rewards, their_rewards, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(terminated, their_terminated)
    assert not truncated.any()
    return terminated


def random_states(rng, count):
    """States of which about a third end the episode or have already left the track."""
    return rng.uniform(-1, 1, (count, 4)) * [1.2 * MAX_X, 3.0, 1.2 * MAX_THETA, 4.0]


def test_every_step_agrees_with_gymnasium_from_10000_states():
    rng = np.random.default_rng(1)
    terminated = assert_steps_agree(random_states(rng, 10_000), rng.integers(2, size=10_000))
    assert 2_000 < terminated.sum() < 8_000  # both flags were put to the test


def test_steps_agree_exactly_at_the_limits():
    edges = [
        (sign * limit, 0.0) for limit in (MAX_X, np.nextafter(MAX_X, 9), np.nextafter(MAX_X, 0)) for sign in (1, -1)
    ]
    angles = [(sign * a, 0.0) for a in (MAX_THETA, np.nextafter(MAX_THETA, 9)) for sign in (1, -1)]
    values = np.array([(*edge, 0.0, 0.0) for edge in edges] + [(0.0, 0.0, *angle) for angle in angles])
    terminated = assert_steps_agree(values, np.zeros(len(values), int))
    # without speed position and angle stay: what lies beyond a limit ends the episode, not the limit itself
    assert terminated.tolist() == [False, False, True, True, False, False, False, False, True, True]


def test_steps_agree_with_changed_params():
    rng = np.random.default_rng(2)
    params = {
        "gravity": 3.7, "cart_mass": 2.0, "pole_mass": 0.4, "half_length": 0.8, "force": 6.0,
        "step_seconds": 0.03, "max_x": 1.5, "max_theta": 0.3,
    }  # fmt: skip
    terminated = assert_steps_agree(random_states(rng, 500), rng.integers(2, size=500), **params)
    assert 0 < terminated.sum() < 500


@pytest.mark.parametrize("balance", [True, False])
def test_a_whole_episode_agrees_with_gymnasium(balance):
    ours, theirs = rlkit.make("cartpole"), gymnasium.make("CartPole-v1")
    ours.reset(seed=3)
    theirs.reset(seed=3)
    policy, rng = cartpole.lqr(ours.params), np.random.default_rng(4)
    obs, num_steps, done = np.zeros(4, np.float32), 0, False
    while not done:
        # from our state every time: upright, rounding errors of the two grow like everything else
        theirs.unwrapped.state = np.array([ours.state[name] for name in FIELDS])
        action = policy.act(obs) if balance else rng.integers(2)
        obs, reward, terminated, truncated, _ = ours.step(action)
        their_obs, their_reward, their_terminated, their_truncated, _ = theirs.step(int(action))
        np.testing.assert_allclose(obs, their_obs, rtol=0, atol=1e-6)
        assert (reward, terminated, truncated) == (their_reward, their_terminated, their_truncated)
        num_steps, done = num_steps + 1, terminated or truncated
    assert (num_steps == 500 and truncated) if balance else (num_steps < 200 and terminated)


def test_spaces_are_gymnasiums():
    ours, theirs = rlkit.make("cartpole"), gymnasium.make("CartPole-v1")
    assert ours.action_space == theirs.action_space
    assert ours.observation_space == theirs.observation_space


def test_starts_lie_within_the_start_range():
    env = rlkit.make_batch("cartpole", 2_000, start_range=0.1)
    env.reset(seed=5)
    for name in FIELDS:
        assert 0.098 < np.abs(env.states[name]).max() <= 0.1
        assert abs(env.states[name].mean()) < 0.006  # 4.6 standard errors


# --- the yardstick ------------------------------------------------------------------------------------------


def numeric_linearization(**params):
    """Return (a [4, 4], b [4, 1]) by central differences of the environment's own step, upright."""
    env = rlkit.make_batch("cartpole", 16, **params)
    env.reset(seed=0)
    size, force = 1e-5, float(env.params["force"][0])
    offsets = np.concatenate([np.eye(4), -np.eye(4)]) * size
    put(env.states, np.repeat(offsets, 2, axis=0))
    env.step(np.tile([0, 1], 8))
    after = np.stack([env.states[name] for name in FIELDS], axis=1).reshape(2, 4, 2, 4)  # [sign, field, push, :]
    a = (after[0] - after[1]).mean(axis=1).T / (2 * size)
    b = (after[:, :, 1] - after[:, :, 0]).mean(axis=(0, 1)) / (2 * force)
    return a, b[:, None]


def riccati_iteration(a, b, q, r, num_sweeps):
    """Return the gain of `num_sweeps` steps to go, by the recursion of dynamic programming."""
    p = np.zeros_like(q)
    for _ in range(num_sweeps):
        gain = np.linalg.inv(r + b.T @ p @ b) @ (b.T @ p @ a)
        closed = a - b @ gain
        p = q + gain.T @ r @ gain + closed.T @ p @ closed
    return gain[0]


@pytest.mark.parametrize("params", [{}, {"gravity": 4.0, "half_length": 1.0, "step_seconds": 0.04, "force": 5.0}])
def test_gain_is_that_of_the_linearised_rules(params):
    record = ENVIRONMENT.params(**params)[0]
    a, b = numeric_linearization(**params)
    # both pushes are full ones, so the differences in b keep a curvature of order size² only
    for ours, numeric in zip(cartpole.linearize(record), (a, b), strict=True):
        np.testing.assert_allclose(ours, numeric, rtol=0, atol=1e-7)
    q, r = cartpole.cost_weights(record)
    np.testing.assert_allclose(cartpole.feedback_gain(record), riccati_iteration(a, b, q, r, 5_000), rtol=1e-5)


def test_the_regulator_reaches_the_most_there_is_from_every_start():
    policy = ENVIRONMENT.yardstick.policies["lqr"](ENVIRONMENT.params()[0])
    assert (run_episodes(ENVIRONMENT, policy, 1_000, seed=0).returns == 500).all()


def test_the_regulator_holds_every_corner_of_the_start_range():
    corners = np.array(list(itertools.product((-0.05, 0.05), repeat=4)))
    env = rlkit.make_batch("cartpole", 16)
    obs, _ = env.reset(seed=0)
    put(env.states, corners)
    obs, policy = corners.astype(np.float32), cartpole.lqr(env.params[0])
    for num_steps in range(1, 501):
        obs, _, terminated, truncated, _ = env.step(policy.act(obs))
        assert not terminated.any()
        assert truncated.all() == (num_steps == 500)


@pytest.mark.parametrize("change", [{"gravity": 20.0}, {"half_length": 2.0}, {"force": 2.0}, {"max_x": 0.5}])
def test_the_regulator_is_built_for_the_params(change):
    policy = cartpole.lqr(ENVIRONMENT.params(**change)[0])
    assert (run_episodes(ENVIRONMENT, policy, 200, seed=0, **change).returns == 500).all()


def test_explain_gives_facts_and_refuses_moves():
    facts = ENVIRONMENT.yardstick.explain("")
    assert facts["mean_return"] == 500
    assert 15 < facts["random_mean_return"] < 35
    np.testing.assert_array_equal(facts["gain"], cartpole.feedback_gain(ENVIRONMENT.params()[0]))
    with pytest.raises(ValueError, match="no moves to explain; leave out moves '12'"):
        ENVIRONMENT.yardstick.explain("12")
