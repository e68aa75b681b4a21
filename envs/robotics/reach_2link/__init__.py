"""Reach2Link: a two-joint arm on a table brings its tip to a goal, quickly and with little torque.

Observation
    Box float32 [10], a goal environment's: cos and sin of the shoulder's angle, cos and sin of the elbow's, 0.2 × both
    joint speeds (rad/s); then achieved_goal, the tip's place, and desired_goal, the goal's (x, y in m).

Action
    Box float32 [2] in [−1, 1]: the torques of shoulder and elbow, max_torque × gain × action.

Reward
    −|tip − goal| (m) after the step − 0.05 |action|². With sparse=1: 0 within 5 cm of the goal, −1 elsewhere. The
    part that depends on the goal is `goal_reward`: all but the action's cost.

Termination
    Never. Truncated after 200 steps (4 s).

Params
    length_1, length_2 (m; ± 10 %), mass_1, mass_2 (kg; 0.7 to 1.3), payload (kg at the tip; 0 to 0.3), damping (N·m·s/
    rad; 0.05 to 0.2), max_torque (N·m), gain (of the motors; 0.8 to 1.2), sparse (0 or 1).

    Level `randomized` draws masses, payload, damping, gain, an action delay of 0 to 3 steps and the noise of the
    encoders; `hidden` is one arm inside these ranges that nobody trains on.

Metrics
    is_success (1: within 5 cm at the end), final_error (m), time_to_reach (s, first within 5 cm; the episode's length
    if never), energy (J, Σ |torque × speed|), peak_jerk (rad/s³, of either joint).

Yardstick
    Inverse kinematics and computed torque: for each bend of the elbow and several paces the motion is predicted, and
    the cheapest followed.

Source
    M. W. Spong, S. Hutchinson, M. Vidyasagar, "Robot Modeling and Control", 2006, section 7.3. The task is in the
    manner of Gymnasium's Reacher and of its goal environments; sizes are ours.
"""

import numpy as np
from gymnasium import spaces

from rlkit.engine.variation import Range
from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/Reach2Link-v0",
    observation_space=spaces.Box(-np.inf, np.inf, (10,)),
    action_space=spaces.Box(-1.0, 1.0, (2,)),
    max_steps=200,
    goal_size=2,
    metrics=("is_success", "final_error", "time_to_reach", "energy", "peak_jerk"),
    levels={
        "standard": {},
        "sparse": {"sparse": 1},
        "randomized": {
            "mass_1": Range(0.7, 1.3, unit="kg"),
            "mass_2": Range(0.7, 1.3, unit="kg"),
            "payload": Range(0.0, 0.3, unit="kg"),
            "damping": Range(0.05, 0.2, unit="N·m·s/rad"),
            "gain": Range(0.8, 1.2),
            "action_delay": Range(0, 3, unit="steps"),
            "obs_noise": Range(0.0, 0.01),
        },
        "hidden": {
            "mass_1": 0.9, "mass_2": 1.2, "payload": 0.1, "damping": 0.15, "gain": 0.9, "action_delay": 1,
            "obs_noise": 0.005,
        },
    },
    counterpart="reach_2link_mujoco",
    frame_seconds=0.02,
)  # fmt: skip
