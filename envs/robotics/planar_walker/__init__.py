"""PlanarWalker: a biped in a vertical plane walks as fast as it can without falling.

The body, seven capsules with six motors and 23.5 kg, is ours (walker.xml) and MuJoCo moves it; the task is that of
Gymnasium's Walker2d-v5. Needs the extra [mujoco].

Observation
    Box float32 [17]: height of the torso (m), its pitch (rad, forward is positive), angles of right hip, knee and
    ankle, then of the left (rad); and the speeds of x, height, pitch and the six joints (m/s, rad/s, within ±10).

Action
    Box float32 [6] in [−1, 1]: torques of right hip, knee and ankle, then of the left, in shares of 90, 90 and
    60 N·m. Held for 8 ms: four steps of the physics.

Reward
    forward_weight × speed in m/s + healthy_reward − control_cost × the sum of squared actions, as in Walker2d-v5. A
    fall ends the episode and so forgoes all that remains; the step of the fall gets no healthy_reward.

Termination
    The walker has fallen: the torso's height is not between min_height and max_height, or its pitch is beyond
    ±max_pitch. Truncated after 1,000 steps (8 s).

Params
    forward_weight, healthy_reward, control_cost; min_height, max_height (m), max_pitch (rad); reset_noise (m, rad, m/s
    and rad/s: half-width of the uniform start). Of the body, as multiples of what walker.xml says: mass_scale (sensible
    0.8 to 1.25), friction_scale (0.6 to 1.2), motor_scale (0.8 to 1.1), damping_scale (0.5 to 2).

Metrics
    speed (m/s, mean of the episode), falls (1: it ended in one), cost_of_transport (work of the motors / (weight ×
    distance); 100 at most, and where the walker got nowhere).

Yardstick
    Standing still by joint springs, which collects healthy_reward and no more: a floor for walkers, not an optimum. The
    docstring of yardstick.py says what published learners reach on Gymnasium's body.

Source
    Gymnasium's Walker2d-v5 for the task; the body is our own.
"""

import numpy as np
from gymnasium import spaces

from rlkit.engine.variation import Range
from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/PlanarWalker-v0",
    observation_space=spaces.Box(-np.inf, np.inf, (17,)),
    action_space=spaces.Box(-1.0, 1.0, (6,)),
    max_steps=1_000,
    metrics=("speed", "falls", "cost_of_transport"),
    levels={
        "standard": {},
        "easy": {"max_pitch": 1.5, "min_height": 0.6},
        "hard": {"friction_scale": 0.6, "mass_scale": 1.2, "motor_scale": 0.8},
        "randomized": {
            "mass_scale": Range(0.8, 1.25),
            "friction_scale": Range(0.6, 1.2),
            "motor_scale": Range(0.8, 1.1),
            "damping_scale": Range(0.5, 2.0, "log_uniform"),
            "action_delay": Range(0, 2, unit="steps"),
            "obs_noise": Range(0.0, 0.02),
        },
        "hidden": {
            "mass_scale": 1.1,
            "friction_scale": 0.8,
            "motor_scale": 0.9,
            "damping_scale": 1.4,
            "action_delay": 1,
            "obs_noise": 0.01,
        },
    },
    frame_seconds=0.008,
)
