"""ArmReach: an arm of seven joints brings its tip within 5 cm of a goal in the air.

The arm, a chain of capsules, is ours (seven_joint_arm.xml) and MuJoCo moves it; the task is that of Gymnasium-Robotics'
FetchReach, with joint speeds for actions. Needs the extra [mujoco].

Observation
    Box float32 [20]: angles of the seven joints (rad), their speeds (rad/s), then the achieved goal, which is the
    position of the tip (m), and the desired goal (m).

Action
    Box float32 [7] in [−1, 1]: the joints' speeds, in shares of 1.5 rad/s for the first four and 2 rad/s for the wrist,
    which servos of limited torque follow for 40 ms. Gravity is compensated.

Reward
    −(distance of tip and goal in m); with is_dense = 0 (level sparse) −1, and 0 within success_distance.

Termination
    Never. Truncated after 50 steps (2 s).

Params
    is_dense (0 or 1), success_distance (m), goal_spread (size of the box of goals, as a multiple of 34 × 60 × 40 cm).
    Of the arm, as multiples of what the model's file says: mass_scale (sensible 0.7 to 1.5), damping_scale (0.5 to 3),
    servo_scale (gains of the servos, 0.4 to 1.5).

Metrics
    is_success (the episode ended within success_distance), final_error (m).

Yardstick
    Inverse kinematics by damped least squares, which the servos follow.

Source
    FetchReach of M. Plappert et al., "Multi-goal reinforcement learning", arXiv:1802.09464; the arm is our own.
"""

import numpy as np
from gymnasium import spaces

from rlkit.engine.variation import Range
from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/ArmReach-v0",
    observation_space=spaces.Box(-np.inf, np.inf, (20,)),
    action_space=spaces.Box(-1.0, 1.0, (7,)),
    max_steps=50,
    goal_size=3,
    metrics=("is_success", "final_error"),
    levels={
        "standard": {},
        "easy": {"goal_spread": 0.5},
        "sparse": {"is_dense": 0},
        "hard": {"mass_scale": 1.5, "servo_scale": 0.5, "success_distance": 0.02},
        "randomized": {
            "mass_scale": Range(0.7, 1.5),
            "damping_scale": Range(0.5, 3.0, "log_uniform"),
            "servo_scale": Range(0.4, 1.5, "log_uniform"),
            "action_delay": Range(0, 2, unit="steps"),
            "obs_noise": Range(0.0, 0.01),
        },
        "hidden": {
            "mass_scale": 1.25,
            "damping_scale": 2.0,
            "servo_scale": 0.7,
            "action_delay": 1,
            "obs_noise": 0.005,
        },
    },
    frame_seconds=0.04,
)
