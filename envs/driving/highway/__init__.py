"""Highway: drive fast among cars that follow and change lanes as people do, and touch none of them.

A straight road with all lanes in one direction. The ego enters behind the traffic and is faster than it. The others
follow each other by the intelligent driver model (IDM) and change lanes by MOBIL, each thinking about its lane once a
second, in turn. The ego decides once a second; the cars move 15 times a second.

Observation
    Box float32 [5, 5], highway-env's Kinematics: a row for the ego and for each of the four cars nearest along the
    road, from 10 m behind to 200 m ahead, nearest first. Columns: presence (0 or 1; rows of nobody are 0), x / 200 m,
    y / (4 m × lanes), vx / 80 m/s, vy / 80 m/s, clipped to [−1, 1]. The ego's row is absolute (its x is soon clipped
    to 1), the others' are relative to the ego. x leads ahead, y to the right, 0 the centre of the leftmost lane.

Action
    Discrete(5): 0 LANE_LEFT, 1 IDLE, 2 LANE_RIGHT, 3 FASTER, 4 SLOWER, highway-env's DiscreteMetaAction. FASTER and
    SLOWER set the target speed to the next of 20, 25 and 30 m/s from the present speed; the target lane changes by
    one. Masked: lanes that are none, FASTER at a target of 30, SLOWER at 20.

Reward
    highway-env's, scaled to [0, 1]: (0.1 × target lane / (lanes − 1) + 0.4 × share of the speed between 20 and 30 m/s
    − collision + 1) / 1.5. A step without a collision pays at least 2/3; the step of a collision at most 1/3, and the
    steps that are then lost pay 0, the worst there is.

Termination
    The ego touches a car. Truncated after 40 steps (40 s).

Params
    lanes (2 to 5), cars (1 to 50), density (1 as in highway-env: about one car in 21 m of road over four lanes).
    Drivers: desired_speed and speed_spread (m/s, uniform to either side; 18 to 28 and 0 to 4 are sensible), time_gap
    (s, 0.8 to 2.0), min_gap (m, 2 to 6), max_accel and comfort_brake (m/s², 1 to 4 and 2 to 6), politeness (0 to
    0.5), gain_threshold (m/s², 0.1 to 0.5), safe_brake (m/s², 2 to 4). Defaults are highway-env's. collision_reward,
    right_lane_reward, high_speed_reward. `randomized` draws density, time_gap, desired_speed, speed_spread and
    politeness; `hidden` is one set of them, with a step of action delay and noise.

Metrics
    collisions (0 or 1), caused (the ego's doing: it began to change lanes within the last two seconds, or it is
    behind and the other did not), per_km (collisions / km of this episode; a fleet's rate is mean collisions / mean
    km), km, min_ttc (s, the least time to collision with the car ahead, 100 at most, 0 in a collision), near (share
    of time with a time to collision below 2 s), mean_speed (m/s), mean_abs_jerk (m/s³), lane_changes.

Yardstick
    The ego itself driven by IDM and MOBIL through the five actions: the baseline of the field, not an optimum. Beside
    it a short tree search on the true rules, which sees what drivers want: a bar that is hard to pass.

Source
    Tasks, spaces, reward and drivers' numbers after E. Leurent, "An environment for autonomous driving
    decision-making" (highway-env), 2018; models: see envs/driving/idm.py, bicycle.py and highway/traffic.py. What
    differs from highway-env: IDM's exponent is 4 for all; a car that changes lanes is seen in both at once, and until
    its whole body has left the old one; a car does not begin within half a second of another in its lane; only the
    ego's collisions are looked for; a masked action ends the episode.
"""

import numpy as np
from gymnasium import spaces

from rlkit.engine.variation import Range
from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/Highway-v0",
    observation_space=spaces.Box(-np.inf, np.inf, (5, 5)),
    action_space=spaces.Discrete(5),
    max_steps=40,
    metrics=(
        "collisions", "caused", "per_km", "km", "min_ttc", "near", "mean_speed", "mean_abs_jerk", "lane_changes",
    ),
    levels={
        "easy": {"lanes": 3, "cars": 20},
        "standard": {},
        "hard": {"density": 1.6, "time_gap": 1.0, "desired_speed": 24.0, "speed_spread": 3.0},
        "randomized": {
            "density": Range(0.7, 1.1),
            "time_gap": Range(1.0, 2.0, unit="s"),
            "desired_speed": Range(21.5, 25.0, unit="m/s"),
            "speed_spread": Range(0.5, 3.0, unit="m/s"),
            "politeness": Range(0.0, 0.5),
        },
        "hidden": {
            "density": 1.05, "time_gap": 1.2, "desired_speed": 23.5, "speed_spread": 2.5, "politeness": 0.3,
            "action_delay": 1, "obs_noise": 0.005,
        },
    },
    idle_action=1,
    frame_seconds=0.5,
)  # fmt: skip
