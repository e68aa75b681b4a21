"""LidarRace: drive a small race car round tracks it has never seen, by its lidar alone.

A 1:10 car with the tyres and the motor of a real one drives between two walls for 100 s. Every episode has a new
track, so that nothing can be learned by heart. Too fast into a bend, and the tyres slide.

Observation
    Box float32 [40]: 36 ranges / max_range from right to left, ray k at −131.25° + 7.5° k from where the car looks
    (sectors of 7.5°: 270° in all); speed / 10 m/s; yaw rate / 5 rad/s; slip angle / 0.5 rad (between the heading and
    the direction of motion, positive to the left); steering angle / max_steering.

Action
    Box float32 [2] in [−1, 1]: the steering rate as a share of max_steering_rate (positive to the left), and
    acceleration as a share of max_acceleration (negative brakes; the car does not reverse). Held for 50 ms.

Reward
    The progress along the centreline in m, less action_cost × (steering rate² + acceleration²). A crash costs
    crash_cost, and the greatest action cost for every step that was left: it never pays.

Termination
    The car (a rectangle) touches a wall, or looks backwards. Truncated after 2,000 steps, which are 100 s.

Params
    Car: mass (kg), inertia (kg m²), front_length and rear_length (m, centre of mass to axles), height (m, of the centre
    of mass), friction, front_stiffness and rear_stiffness (1/rad), max_steering (rad), max_steering_rate (rad/s),
    max_acceleration (m/s²), motor_speed (m/s, above which acceleration falls as 1 / speed), max_speed (m/s; at 10 the
    car cannot pass through a wall within a step), switch_speed (m/s, below it the kinematic model), car_length and
    car_width (m). Lidar: lidar_offset (m ahead of the centre of mass), max_range (m). Track: track (a number from 0 on
    for always the same; −1: another one every episode), half_width (m) and width_spread, length (m) and length_spread
    (shares by which tracks differ), min_radius (m), waviness. A track from a file: table, table_points, table_spacing
    (m) and track_scale, by which it is made larger or smaller. Task: step_seconds, episode_steps (2,000 as truncated),
    action_cost (m), crash_cost (m).

    `--level FILE.csv` takes a track of your own: see envs/driving/lidar_race/track_file.py.

Metrics
    crashed (0 or 1), laps (completed), lap_time (s, mean of the completed laps, the first from rest; 100 without one),
    mean_speed (m/s, along the centreline), progress (m). Reports add, of 32 cars on each of the held-out tracks 0 to
    19, the share that crashed, crashes per km and the lap time.

Yardstick
    Pure pursuit of the centreline at 30 % of the friction limit, which is given the track: no crash. Beside it a rule
    that follows the gap by lidar alone, and a proxy of the optimum: a point at the friction limit on the line of least
    curvature.

Source
    Car: Althoff, Koschi, Manzinger, "CommonRoad", IV 2017, single-track models, with side forces that end at the
    friction circle (see car.py); parameters of the F1TENTH simulator (O'Kelly et al., "F1TENTH: An open-source
    evaluation environment for continuous control and reinforcement learning", NeurIPS 2019 competition track, PMLR
    123, 2020). Tracks and lidar are ours (track.py, walls.py).
"""

import numpy as np
from gymnasium import spaces

from envs.driving.lidar_race.track_file import read_track
from rlkit.engine.variation import Range
from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/LidarRace-v0",
    observation_space=spaces.Box(-np.inf, np.inf, (40,)),
    action_space=spaces.Box(-1.0, 1.0, (2,)),
    max_steps=2000,
    metrics=("crashed", "laps", "lap_time", "mean_speed", "progress"),
    levels={
        "standard": {},
        "easy": {"half_width": 1.5, "min_radius": 3.0, "waviness": 0.7},
        "hard": {"half_width": 0.75, "min_radius": 1.5, "friction": 0.7},
        "randomized": {
            "mass": Range(2.8, 4.7, unit="kg"),
            "inertia": Range(0.035, 0.06, unit="kg m²"),
            "friction": Range(0.7, 1.3),
            "front_stiffness": Range(3.8, 5.7, unit="1/rad"),
            "rear_stiffness": Range(4.4, 6.5, unit="1/rad"),
            "height": Range(0.05, 0.1, unit="m"),
            "max_steering_rate": Range(2.4, 4.0, unit="rad/s"),
            "max_acceleration": Range(7.0, 11.0, unit="m/s²"),
            "lidar_offset": Range(0.05, 0.2, unit="m"),
            "half_width": Range(0.8, 1.2, unit="m"),
            "action_delay": Range(0, 1, unit="steps"),
            "obs_noise": Range(0.0, 0.02),
        },
        "hidden": {
            "mass": 4.3,
            "inertia": 0.056,
            "friction": 0.8,
            "front_stiffness": 4.1,
            "rear_stiffness": 5.9,
            "height": 0.09,
            "max_steering_rate": 2.7,
            "max_acceleration": 8.2,
            "lidar_offset": 0.15,
            "action_delay": 1,
            "obs_noise": 0.01,
        },
    },
    instance=read_track,
    frame_seconds=0.05,
)
