"""Skeleton: walk along a corridor to the door, one cell a step, on a slippery floor.

Observation
    Box float32 [2]: the walker's position, and how far to its right the door is, in lengths of the corridor.

Action
    Discrete(2): 0 left, 1 right.

Reward
    −1 every step.

Termination
    The walker is at the door. Truncated after 100 steps.

Params
    length (cells), slip (chance that a step leads nowhere).

Metrics
    detour: steps beyond the distance at the start; slips count, too.

Yardstick
    Straight to the door, which is optimal: (length + 1) / (3 (1 − slip)) steps in the mean.

Source
    Written by `rlkit new`, to be changed into your own environment.
"""

from gymnasium import spaces

from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="local/Skeleton-v0",
    observation_space=spaces.Box(-1.0, 1.0, (2,)),
    action_space=spaces.Discrete(2),
    max_steps=100,
    metrics=("detour",),
    levels={"standard": {}, "hard": {"length": 30, "slip": 0.3}},
    frame_seconds=0.4,
)
