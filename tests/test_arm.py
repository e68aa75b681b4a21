"""The arm of seven joints: kinematics by rotation matrices, goals, who grades it, and how it is drawn."""

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco")
pytest.importorskip("mujoco.batch")

import rlkit  # noqa: E402
from envs.robotics.arm_push import ENVIRONMENT as PUSH  # noqa: E402
from envs.robotics.arm_reach import ENVIRONMENT as REACH  # noqa: E402
from envs.robotics.geoms import Camera, geoms_at  # noqa: E402
from envs.robotics.seven_joint_arm import HOME, MAX_SPEED, Kinematics, as_actions  # noqa: E402
from rlkit.evaluation import run_episodes  # noqa: E402
from rlkit.viewing.canvas import draw_frame  # noqa: E402


def turn(axis, angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]] if axis == "z" else [[c, 0, s], [0, 1, 0], [-s, 0, c]])


def forward(angles):
    """Return (tip, direction of the hand) by the product of the joints' rotations."""
    place, axes = np.array([0.0, 0.0, 0.3]), np.eye(3)
    # a link begins behind each joint that bends: upper arm, forearm, hand
    for axis, angle, length in zip("zyzyzyz", angles, (0, 0.34, 0, 0.32, 0, 0.18, 0), strict=True):
        axes = axes @ turn(axis, angle)
        place = place + length * axes[:, 2]
    return place, axes[:, 2]


def test_kinematics_are_products_of_rotations_and_the_jacobian_their_derivative():
    kinematics = Kinematics(REACH.rules.PHYSICS, REACH.params()[0])
    angles = HOME + np.random.default_rng(0).uniform(-0.6, 0.6, (20, 7))
    tips, directions, jacobians = kinematics(angles)
    expected = [forward(row) for row in angles]
    np.testing.assert_allclose(tips, [tip for tip, _ in expected], atol=1e-12)
    np.testing.assert_allclose(directions, [direction for _, direction in expected], atol=1e-12)
    for joint in range(7):
        step = np.zeros(7)
        step[joint] = 1e-6
        numeric = (kinematics(angles + step)[0] - kinematics(angles - step)[0]) / 2e-6
        np.testing.assert_allclose(jacobians[:, :3, joint], numeric, atol=1e-7)


def test_home_points_straight_down_and_servos_have_the_declared_speeds():
    _, direction = forward(HOME)
    np.testing.assert_allclose(direction, [0, 0, -1], atol=1e-4)
    model = mujoco.MjModel.from_xml_path(str(REACH.rules.PHYSICS.path))
    np.testing.assert_array_equal(model.actuator_ctrlrange[:, 1], MAX_SPEED)
    assert REACH.rules.PHYSICS.step_seconds(model) == pytest.approx(0.04)
    model = mujoco.MjModel.from_xml_path(str(PUSH.rules.PHYSICS.path))
    assert PUSH.rules.PHYSICS.step_seconds(model) == pytest.approx(0.04)


def test_too_fast_joint_speeds_are_slowed_together():
    actions = as_actions(np.array([[3.0, 0.75, 0, 0, 0, 0, 0], [0.75, 0, 0, 0, 0, 0, 1.0]]))
    np.testing.assert_allclose(actions[0], [1, 0.25, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(actions[1], [0.5, 0, 0, 0, 0, 0, 0.5])


@pytest.mark.parametrize("environment", [REACH, PUSH])
def test_rewards_and_success_follow_the_distance(environment):
    env = rlkit.make_batch(environment, 6)
    assert env.compute_reward([0.4, 0.0, 0.1], [0.4, 0.3, 0.5]) == pytest.approx(-0.5)
    sparse = rlkit.make_batch(environment, 6, level="sparse")
    goals = np.array([[0.4, 0.0, 0.1]] * 2, np.float32)
    np.testing.assert_array_equal(
        sparse.compute_reward(goals + np.array([[0.049, 0, 0], [0.051, 0, 0]]), goals), [0.0, -1.0]
    )
    obs, _ = env.reset(seed=1)
    for actions in np.random.default_rng(0).uniform(-1, 1, (20, 6, 7)).astype(np.float32):
        obs, rewards, *_ = env.step(actions)
        distances = np.linalg.norm(obs["achieved_goal"] - obs["desired_goal"], axis=1)
        np.testing.assert_allclose(rewards, -distances, atol=1e-6)


def test_the_yardsticks_succeed_where_random_play_does_not():
    for environment, name in ((REACH, "inverse_kinematics"), (PUSH, "scripted_push")):
        policy = environment.yardstick.policies[name](environment.params()[0])
        episodes = run_episodes(environment, policy, 60, seed=1_000)
        assert episodes.metrics["is_success"].mean() == 1.0
        assert episodes.metrics["final_error"].mean() < 0.01


def test_cubes_lie_on_the_table_within_the_arms_reach():
    env = rlkit.make_batch(PUSH, 300)
    obs, _ = env.reset(seed=0)
    cubes, goals = obs["achieved_goal"], obs["desired_goal"]
    np.testing.assert_allclose(cubes[:, 2], 0.025, atol=1e-6)
    assert (np.abs(cubes[:, :2] - [0.45, 0]) <= 0.1201).all()
    assert (np.abs(goals[:, :2] - [0.45, 0]) <= 0.1501).all()
    assert np.linalg.norm(goals[:, :2], axis=1).max() < 0.34 + 0.32  # even with the hand straight down


# --- drawing ------------------------------------------------------------------------------------------------


def test_a_camera_by_hand():
    camera = Camera((0.0, -2.0, 0.0), (0.0, 0.0, 0.0), (100.0, 80.0), 50.0)
    assert camera((0, 0, 0)) == pytest.approx((100, 80, 0, 50))
    assert camera((1, 0, 0)) == pytest.approx((150, 80, 0, 50))
    assert camera((0, 0, 1)) == pytest.approx((100, 30, 0, 50))
    assert camera((1, 2, 0)) == pytest.approx((125, 80, 2, 25))  # twice as far, half as large
    flat = Camera((0.0, -2.0, 0.0), (0.0, 0.0, 0.0), (100.0, 80.0), 50.0, is_perspective=False)
    assert flat((1, 2, 0)) == pytest.approx((150, 80, 2, 50))


def test_geoms_are_where_the_joints_put_them():
    geoms = {geom.name: geom for geom in geoms_at(REACH.rules.PHYSICS, HOME)}
    np.testing.assert_allclose(geoms["tip"].centre, forward(HOME)[0], atol=1e-12)
    np.testing.assert_allclose(np.sort(geoms["base"].ends[:, 2]), [0.0, 0.18], atol=1e-12)


@pytest.mark.parametrize("environment", [REACH, PUSH])
def test_the_picture_shows_arm_and_goal(environment):
    env = rlkit.make(environment)
    env.reset(seed=3)
    first = draw_frame(environment, env.state, env.params)
    env.state.goal[0] += 0.1
    moved_goal = draw_frame(environment, env.state, env.params)
    env.state.qpos[0] += 0.5
    assert (moved_goal != first).any()
    assert (draw_frame(environment, env.state, env.params) != moved_goal).any()
