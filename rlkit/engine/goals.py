"""Goal environments: observations in three parts, and rewards of goals that were reached for others that were wanted.

The convention is that of gymnasium-robotics' GoalEnv, on which hindsight replay stands: observations are a Dict of
`observation`, `achieved_goal` and `desired_goal`, and the environment has `compute_reward(achieved_goal, desired_goal,
info)`. The rules write one flat Box [observation …, achieved_goal (K), desired_goal (K)]; the parts are views into it.
"""

from collections import OrderedDict
from typing import Any

import numpy as np
from gymnasium import spaces

from rlkit.engine import goal_kernels
from rlkit.engine.bind import bind
from rlkit.environment import Environment

PARTS = ("observation", "achieved_goal", "desired_goal")


def goal_space(space: spaces.Space, goal_size: int) -> spaces.Dict:
    """Return the Dict that the flat `space` is in parts.

    Raises:
        ValueError: it is no flat Box with room for an observation and two goals of `goal_size`.
    """
    if not isinstance(space, spaces.Box) or len(space.shape) != 1 or space.shape[0] <= 2 * goal_size:
        raise ValueError(
            f"goal_size={goal_size} needs a flat Box [observation …, achieved_goal, desired_goal] of more than "
            f"{2 * goal_size} numbers, not {space}"
        )
    low, high = split(space.low, goal_size), split(space.high, goal_size)
    boxes = [(name, spaces.Box(low[name], high[name], dtype=space.dtype)) for name in PARTS]
    return spaces.Dict(OrderedDict(boxes))  # a plain dict would be sorted by name


def split(flat: np.ndarray, goal_size: int) -> dict[str, np.ndarray]:
    """Return the three parts of flat observations [..., D] as views."""
    rest = flat.shape[-1] - 2 * goal_size
    return {
        "observation": flat[..., :rest],
        "achieved_goal": flat[..., rest : rest + goal_size],
        "desired_goal": flat[..., rest + goal_size :],
    }


class GoalRewards:
    """The reward of goals [..., K] reached where others were wanted, by `goal_reward` of an environment's rules.

    Args:
        environment: a goal environment.
        params: the record [1] to reckon under.

    Raises:
        ValueError: it is no goal environment.
    """

    def __init__(self, environment: Environment, params: np.ndarray):
        if not environment.goal_size or not hasattr(environment.base_rules, "goal_reward"):
            raise ValueError(
                f"{environment.name} is no goal environment: it needs goal_size, and goal_reward in its rules"
            )
        self._size, self._params = environment.goal_size, params
        self._kernel = bind(goal_kernels, environment.base_rules).rewards_of_goals

    def __call__(self, achieved: Any, desired: Any) -> Any:
        """Return a float for one goal, float64 [...] for goals [..., K].

        Raises:
            ValueError: these are not goals, or not as many of the one as of the other.
        """
        reached, wanted = (np.asarray(goal, np.float32) for goal in (achieved, desired))
        if reached.shape != wanted.shape or reached.shape[-1:] != (self._size,):
            raise ValueError(
                f"achieved_goal {reached.shape} and desired_goal {wanted.shape} must have one shape [..., {self._size}]"
            )
        rewards = np.zeros(reached.shape[:-1])
        rows = (np.ascontiguousarray(goal).reshape(-1, self._size) for goal in (reached, wanted))
        self._kernel(*rows, self._params, rewards.reshape(-1))
        return rewards if rewards.ndim else float(rewards)
