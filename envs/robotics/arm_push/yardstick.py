"""ArmPush's yardstick: a scripted push by inverse kinematics.

From what is observed alone, every step: with the tip low behind the cube, in line with the goal, push on, steering
back into line; straight above that place, go down; high up, go there; else go up.

Seeds 0 to 499, `run_episodes(ENVIRONMENT, policy, 500, seed=0)` on 28 November 2026 (95 % intervals):

    standard  scripted_push  return −2.874 [−3.031, −2.717]  success 100 % [99.2, 100]  final error 5 mm
    standard  random         return −7.28 [−7.58, −6.99]     success 8.0 % [5.9, 10.7]  final error 147 mm
    hard      scripted_push  return −2.984 [−3.146, −2.823]  success 100 % [99.2, 100]  final error 4 mm
    hard      random         return −7.28 [−7.58, −6.99]     success 8.0 % [5.9, 10.7]  final error 148 mm

Random play succeeds where the goal happens to be drawn beside the cube.
"""

import numpy as np

from envs.robotics.arm_push import ENVIRONMENT
from envs.robotics.arm_push.rules import CUBE_HALF, PHYSICS
from envs.robotics.seven_joint_arm import NUM_JOINTS, Kinematics, as_actions, joint_speeds
from rlkit.evaluation import Yardstick
from rlkit.learning.policy import FunctionPolicy

GAIN = 10.0  # 1/s, of a distance to go
TURN_GAIN = 5.0  # 1/s, of the hand's tilt
LOW, HIGH = 0.028, 0.09  # m, heights of the tip that pushes and of the tip that travels
BEHIND = 0.07  # m, from the cube's centre to where the tip goes down
IN_LINE = 0.018  # m, off the line at most while pushing
MAX_PUSH = 0.4  # m/s
NEAR = 0.004  # m, at which the cube is left alone


def tip_velocity(tips: np.ndarray, cubes: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """Return the velocity [B, 3] of the tip that the script wants."""
    way = (goals - cubes)[:, :2]
    length = np.linalg.norm(way, axis=1, keepdims=True)
    ahead = way / np.maximum(length, 1e-9)
    across = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    offset = (tips - cubes)[:, :2]
    along, off_line = ((offset * axis).sum(axis=1, keepdims=True) for axis in (ahead, across))
    height = tips[:, 2:]
    to_start = -(offset + BEHIND * ahead)

    is_low = height < 2 * CUBE_HALF
    pushes = is_low & (np.abs(off_line) < IN_LINE) & (along < -CUBE_HALF)
    above = np.linalg.norm(to_start, axis=1, keepdims=True) < 0.02
    flat = np.zeros_like(offset)
    push = np.clip(4.0 * length + 0.04, 0.0, MAX_PUSH) * ahead - GAIN * off_line * across
    travel = np.where(height > HIGH - 0.02, GAIN * to_start, flat)
    horizontal = np.where(pushes, push, np.where(above, GAIN * to_start, travel))
    vertical = GAIN * (np.where(pushes | above, LOW, HIGH) - height)
    velocity = np.concatenate([horizontal, vertical], axis=1)
    return np.where(length < NEAR, 0.0, velocity)


def scripted_push(params: np.record) -> FunctionPolicy:
    """Return the controller for `params`."""
    kinematics = Kinematics(PHYSICS, params)

    def control(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        exact = obs.astype(np.float64)
        angles = exact[:, :NUM_JOINTS]
        tips, directions, jacobians = kinematics(angles)
        moving = tip_velocity(tips, exact[:, -6:-3], exact[:, -3:])
        turning = TURN_GAIN * np.cross(directions, [0.0, 0.0, -1.0])  # the hand is to point down
        return as_actions(joint_speeds(jacobians, np.concatenate([moving, turning], axis=1), angles))

    return FunctionPolicy(control, ENVIRONMENT.spaces(params)[0])


YARDSTICK = Yardstick(
    reference="a scripted push by inverse kinematics: not an optimum",
    policies={"scripted_push": scripted_push},
)
