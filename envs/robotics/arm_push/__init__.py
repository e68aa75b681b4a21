"""ArmPush: an arm of seven joints pushes a cube over a table to within 5 cm of a goal.

The arm, a chain of capsules with a ball for a hand, is ours (seven_joint_arm.xml) and MuJoCo moves it and the cube; the
task is that of Gymnasium-Robotics' FetchPush, with joint speeds for actions. Needs the extra [mujoco].

Observation
    Box float32 [32]: angles of the seven joints (rad), their speeds (rad/s), position of the tip (m), from there to the
    cube (m), velocity of the cube (m/s), x and y of the direction of its own first axis, its rotation about its third
    axis (rad/s); then the achieved goal, which is the position of the cube (m), and the desired goal (m).

Action
    Box float32 [7] in [−1, 1]: the joints' speeds, in shares of 1.5 rad/s for the first four and 2 rad/s for the wrist,
    which servos of limited torque follow for 40 ms. Gravity is compensated.

Reward
    −(distance of cube and goal in m); with is_dense = 0 (level sparse) −1, and 0 within success_distance. Less
    approach_weight × distance of tip and cube in m, which is 0 in every level: trainings may ask for it.

Termination
    Never. Truncated after 50 steps (2 s).

Params
    is_dense (0 or 1), success_distance (m), goal_spread (m, half side of the square of goals), approach_weight;
    cube_mass (kg, sensible 0.08 to 0.4), friction (of cube and table, 0.2 to 0.7). Of the arm, as multiples of what the
    model's file says: mass_scale (0.7 to 1.5), damping_scale (0.5 to 3), servo_scale (gains of the servos, 0.4 to 1.5).

Metrics
    is_success (the episode ended within success_distance), final_error (m).

Yardstick
    A scripted push: over the cube to its far side, down, and on to the goal; by inverse kinematics.

Source
    FetchPush of M. Plappert et al., "Multi-goal reinforcement learning", arXiv:1802.09464; the arm is our own.
"""

import numpy as np
from gymnasium import spaces

from rlkit.engine.variation import Range
from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/ArmPush-v0",
    observation_space=spaces.Box(-np.inf, np.inf, (32,)),
    action_space=spaces.Box(-1.0, 1.0, (7,)),
    max_steps=50,
    goal_size=3,
    metrics=("is_success", "final_error"),
    levels={
        "standard": {},
        "easy": {"goal_spread": 0.08},
        "sparse": {"is_dense": 0},
        "hard": {"friction": 0.2, "cube_mass": 0.4, "servo_scale": 0.5},
        "randomized": {
            "mass_scale": Range(0.7, 1.5),
            "damping_scale": Range(0.5, 3.0, "log_uniform"),
            "servo_scale": Range(0.4, 1.5, "log_uniform"),
            "cube_mass": Range(0.08, 0.4, "log_uniform", unit="kg"),
            "friction": Range(0.2, 0.7),
            "action_delay": Range(0, 2, unit="steps"),
            "obs_noise": Range(0.0, 0.003),
        },
        "hidden": {
            "mass_scale": 1.25,
            "damping_scale": 2.0,
            "servo_scale": 0.7,
            "cube_mass": 0.22,
            "friction": 0.3,
            "action_delay": 1,
            "obs_noise": 0.002,
        },
    },
    frame_seconds=0.04,
)
