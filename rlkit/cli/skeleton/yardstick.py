"""The corridor's yardstick: going straight to the door, which nothing can beat."""

import numpy as np

from rlkit.evaluation import Yardstick
from rlkit.learning.policy import FunctionPolicy

from . import ENVIRONMENT


def straight(params):
    """Return the policy that always steps towards the door."""

    def choose(obs, action_mask):
        return (obs[:, 1] > 0).astype(np.int64)

    return FunctionPolicy(choose, ENVIRONMENT.spaces(params)[0])


def mean_steps(length, slip):
    """Return the mean number of steps of an optimal episode, truncation left aside.

    Two different cells of a row of n are (n + 1) / 3 apart in the mean, and each step succeeds with 1 − slip.
    """
    return (length + 1) / 3 / (1 - slip)


def explain(moves):
    """Return what the optimum is, for `rlkit yardstick`."""
    params = ENVIRONMENT.params()[0]
    return {"optimal_mean_return": -mean_steps(int(params.length), float(params.slip))}


YARDSTICK = Yardstick(
    reference="straight to the door (the optimum)",
    policies={"straight": straight},
    explain=explain,
)
