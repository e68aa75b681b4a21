"""ArmReach's yardstick: inverse kinematics by damped least squares, which the servos follow.

Seeds 0 to 499, `run_episodes(ENVIRONMENT, policy, 500, seed=0)` on 28 November 2026 (95 % intervals):

    standard  inverse_kinematics  return −1.082 [−1.148, −1.016]  success 100 % [99.2, 100]  final error 0.4 mm
    standard  random              return −14.8 [−15.3, −14.4]     success 1.0 % [0.4, 2.3]   final error 324 mm
    hard      inverse_kinematics  return −1.210 [−1.283, −1.138]  success 100 % [99.2, 100]  final error 0.4 mm
    hard      random              return −14.7 [−15.2, −14.2]     success 0 % [0, 0.8]       final error 320 mm
"""

import numpy as np

from envs.robotics.arm_reach import ENVIRONMENT
from envs.robotics.arm_reach.rules import PHYSICS
from envs.robotics.seven_joint_arm import NUM_JOINTS, Kinematics, as_actions, joint_speeds
from rlkit.evaluation import Yardstick
from rlkit.learning.policy import FunctionPolicy

GAIN = 8.0  # 1/s: the tip's speed towards the goal a metre of distance


def inverse_kinematics(params: np.record) -> FunctionPolicy:
    """Return the controller for `params`."""
    kinematics = Kinematics(PHYSICS, params)

    def control(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        angles, goals = obs[:, :NUM_JOINTS].astype(np.float64), obs[:, -3:].astype(np.float64)
        tips, _, jacobians = kinematics(angles)
        return as_actions(joint_speeds(jacobians[:, :3], GAIN * (goals - tips), angles))

    return FunctionPolicy(control, ENVIRONMENT.spaces(params)[0])


YARDSTICK = Yardstick(
    reference="inverse kinematics by damped least squares: straight to the goal, not proven the fastest way",
    policies={"inverse_kinematics": inverse_kinematics},
)
