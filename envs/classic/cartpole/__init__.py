"""CartPole: keep a pole upright on a cart by pushing the cart left or right.

Observation
    Box float32 [4]: cart position (m), cart velocity (m/s), pole angle (rad, 0 upright), pole angular velocity
    (rad/s).

Action
    Discrete(2): 0 push left, 1 push right, with 10 N.

Reward
    +1 every step, the last one included.

Termination
    The cart is more than 2.4 m from the middle or the pole leans more than 12°. Truncated after 500 steps.

Params
    gravity, cart_mass, pole_mass, half_length, force, step_seconds, max_x, max_theta, start_range.

Metrics
    none

Yardstick
    A linear-quadratic regulator on the linearised dynamics, its force rounded to the nearer push: it reaches the
    maximal return 500 from every start, so it is optimal. Solved: mean return ≥ 475.

Source
    Barto, Sutton, Anderson 1983; the dynamics of Gymnasium's CartPole-v1, with which every single step agrees.
"""

import numpy as np
from gymnasium import spaces

from rlkit.environment import Environment


def _observation_space(params):
    bound = np.array([2 * params.max_x, np.inf, 2 * params.max_theta, np.inf], np.float32)
    return spaces.Box(-bound, bound)


ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/CartPole-v0",
    observation_space=_observation_space,
    action_space=spaces.Discrete(2),
    max_steps=500,
    solved_return=475.0,
    frame_seconds=0.02,
)
