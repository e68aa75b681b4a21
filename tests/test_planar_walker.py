"""PlanarWalker: its numbers against the model's, a step by hand, falls, metrics, and who grades it."""

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco")
pytest.importorskip("mujoco.batch")

import rlkit  # noqa: E402
from envs.robotics.planar_walker import ENVIRONMENT, rules  # noqa: E402
from rlkit.evaluation import run_episodes  # noqa: E402
from rlkit.viewing.canvas import draw_frame  # noqa: E402

MODEL = mujoco.MjModel.from_xml_path(str(rules.PHYSICS.path))


def test_the_rules_numbers_are_the_models():
    assert rules.PHYSICS.step_seconds(MODEL) == pytest.approx(rules.STEP_SECONDS)
    assert MODEL.body_mass.sum() == pytest.approx(rules.MASS, abs=1e-3)
    np.testing.assert_array_equal(MODEL.actuator_gear[:, 0], rules.GEAR)
    assert MODEL.qpos0[1] == rules.STANDING_HEIGHT
    assert (MODEL.nq, MODEL.nu) == (rules.NUM_POSITIONS, rules.NUM_MOTORS)
    assert MODEL.joint("right_knee").range[1] == 0  # a knee bends one way


def test_reward_and_observation_of_a_step_by_hand():
    env = rlkit.make("planar_walker")
    env.reset(seed=1)
    action = np.array([0.5, -1.0, 0.0, 0.25, 0.0, 1.0], np.float32)
    before = float(env.state.qpos[0])
    obs, reward, terminated, _, _ = env.step(action)
    assert not terminated
    squares = 0.25 + 1.0 + 0.0625 + 1.0
    assert reward == pytest.approx((env.state.qpos[0] - before) / 0.008 + 1.0 - 0.001 * squares)
    expected = np.concatenate([env.state.qpos[1:], np.clip(env.state.qvel, -10, 10)])
    np.testing.assert_allclose(obs, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("field", "value"),
    [((1), 0.75), ((1), 2.05), ((2), 1.05), ((2), -1.05)],
)
def test_too_low_too_high_or_too_far_over_is_a_fall(field, value):
    env = rlkit.make("planar_walker", episode_stats=True)
    env.reset(seed=2)
    env.state.qpos[field] = value
    _, reward, terminated, truncated, info = env.step(np.zeros(6, np.float32))
    assert terminated
    assert not truncated
    assert info["episode"]["falls"] == 1
    assert reward == pytest.approx((env.state.qpos[0] - env.state.last_x) / 0.008)  # no healthy_reward


def test_metrics_of_an_episode_reckoned_from_its_states():
    env = rlkit.make("planar_walker", episode_stats=True)
    env.reset(seed=3)
    start, work, num_steps = float(env.state.qpos[0]), 0.0, 0
    rng = np.random.default_rng(3)
    terminated = False
    while not terminated:
        action = rng.uniform(-1, 1, 6).astype(np.float32)
        *_, terminated, _, info = env.step(action)
        work += 0.008 * np.abs(action * [90, 90, 60, 90, 90, 60] * env.state.qvel[3:]).sum()
        num_steps += 1
    distance = float(env.state.qpos[0]) - start
    assert info["episode"]["speed"] == pytest.approx(distance / (0.008 * num_steps))
    cost = min(100.0, work / (MODEL.body_mass.sum() * 9.81 * distance)) if distance > 0 else 100.0
    assert info["episode"]["cost_of_transport"] == pytest.approx(cost, rel=1e-4)


def test_standing_stands_and_limp_falls():
    params = ENVIRONMENT.params()[0]
    played = {
        name: run_episodes(ENVIRONMENT, build(params), 20, seed=7)
        for name, build in ENVIRONMENT.yardstick.policies.items()
    }
    assert (played["stand"].lengths == 1_000).all()
    assert 999 < played["stand"].returns.mean() < 1_000.5
    assert (played["limp"].metrics["falls"] == 1).all()


def test_the_picture_follows_the_walker():
    env = rlkit.make("planar_walker")
    env.reset(seed=4)
    near = draw_frame(ENVIRONMENT, env.state, env.params)
    env.state.qpos[0] += 10.0  # whole metres: the floor's marks are where they were
    far = draw_frame(ENVIRONMENT, env.state, env.params)
    np.testing.assert_array_equal(near[100:395], far[100:395])
    env.state.qpos[5] = -1.0  # a knee
    assert (draw_frame(ENVIRONMENT, env.state, env.params) != far).any()
