"""NavLidar: drive to a goal among discs, boxes and walls that only a lidar shows.

Observation
    Box float32 [69]: 32 lidar ranges / lidar_range (0 ahead, 8 left, 16 back, 24 right; 1 where nothing is in range);
    the goal's distance / 10 m; sine and cosine of its direction from straight ahead, left positive; own speed /
    max_speed and turn rate / max_turn; and the 32 ranges once more as robot_radius / range, which is 1 at contact and
    fine where the ranges are coarse: where a hand's breadth decides.

Action
    Box float32 [2] in [−1, 1]: wanted speed, −1 stop to 1 max_speed, and wanted turn rate, −1 max_turn to the right to
    1 to the left.

Reward
    Metres by which the goal came nearer, −0.01 a step, +10 at the goal, −10 at a collision: more than all steps that
    an episode can have left, so running into a wall never saves anything.

Termination
    At the goal (its centre within goal_radius of the robot's) or at a collision. Truncated after 400 steps.

Params
    num_discs (at most 24), num_boxes (at most 8), num_walls (0, 1, 2: one, two or four rooms), door_width (m),
    least_way (m from start to goal in a straight line), robot_radius (m), margin (m beside the robot with which a path
    is promised, up to 5 cm less at corners), max_speed (m/s), max_turn (rad/s), motor_lag (s, time constant),
    speed_gain and turn_gain (real over wanted), lidar_range (m), goal_radius (m), step_seconds.

Metrics
    success, collision (both 0 or 1), spl (success × shortest path / the longer of the shortest and the travelled one;
    Anderson et al. 2018), clearance (m, the least from the robot's rim to an obstacle).

Yardstick
    The shortest path on a grid, pulled taut and followed by pure pursuit, which knows the map; beside it the
    dynamic window (Fox, Burgard and Thrun 1997), which sees what the agent sees.

Source
    The worlds are ours. SPL: P. Anderson et al., "On evaluation of embodied navigation agents", 2018
    (arXiv:1807.06757). v1 shows the ranges as nearness, too: with v0 learners grazed corners in one episode of 16.
"""

import numpy as np
from gymnasium import spaces

from rlkit.engine.variation import Range
from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/NavLidar-v1",
    observation_space=spaces.Box(-2.0, 2.0, (69,), np.float32),
    action_space=spaces.Box(-1.0, 1.0, (2,), np.float32),
    max_steps=400,
    metrics=("success", "collision", "spl", "clearance"),
    levels={
        "standard": {},
        "easy": {"num_discs": 6, "num_boxes": 0, "num_walls": 0},
        "hard": {"num_discs": 14, "num_boxes": 4, "num_walls": 2},
        "randomized": {
            "speed_gain": Range(0.8, 1.2),
            "turn_gain": Range(0.7, 1.3),
            "motor_lag": Range(0.1, 0.4, unit="s"),
            "action_delay": Range(0, 2, unit="steps"),
            "obs_noise": Range(0.0, 0.02),
        },
        "hidden": {
            "speed_gain": 0.9,
            "turn_gain": 1.2,
            "motor_lag": 0.3,
            "action_delay": 1,
            "obs_noise": 0.01,
        },
    },
    frame_seconds=0.1,
)
