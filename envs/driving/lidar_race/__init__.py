"""LidarRace: drive a small race car round tracks it has never seen, by its lidar alone."""
import numpy as np
from gymnasium import spaces

from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/LidarRace-v0",
    observation_space=spaces.Box(-np.inf, np.inf, (40,)),
    action_space=spaces.Box(-1.0, 1.0, (2,)),
    max_steps=2000,
    metrics=("crashed", "laps", "lap_time", "mean_speed", "progress"),
    frame_seconds=0.05,
)
