"""Pendulum: swing a pole up with a weak motor and hold it there.

Observation
    Box float32 [3]: cos θ, sin θ (θ = 0 is up), angular velocity (rad/s, within ±8).

Action
    Box float32 [1] in [−2, 2]: the torque in N·m.

Reward
    −(θ² + 0.1 θ̇² + 0.001 torque²), θ in [−π, π), of the state before the step: −16.3 to 0.

Termination
    Never. Truncated after 200 steps.

Params
    gravity, mass, length, max_speed, max_torque, step_seconds.

Metrics
    none

Yardstick
    Energy-based swing-up, then a linear-quadratic regulator near the top: the classical controller.

Source
    Gymnasium's Pendulum-v1, with which every single step agrees.
"""

import numpy as np
from gymnasium import spaces

from rlkit.environment import Environment


def _observation_space(params):
    bound = np.array([1.0, 1.0, params.max_speed], np.float32)
    return spaces.Box(-bound, bound)


def _action_space(params):
    return spaces.Box(-np.float32(params.max_torque), np.float32(params.max_torque), (1,))


ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/Pendulum-v0",
    observation_space=_observation_space,
    action_space=_action_space,
    max_steps=200,
    frame_seconds=0.05,
)
