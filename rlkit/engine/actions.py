"""Actions: what is refused before any copy has moved, and which are masked."""

import types
from typing import Any

import numpy as np
from gymnasium import spaces


class ActionCheck:
    """Takes a batch of actions into `actions` [N, …] and marks masked ones in `illegal` [N].

    Args:
        space: the action space of one copy: Discrete, MultiDiscrete, MultiBinary or Box.
        num_envs: number of copies, N.
        kernels: the bound loops.
        raises: a masked action is an error instead of a lost episode.
    """

    def __init__(self, space: spaces.Space, num_envs: int, kernels: types.ModuleType, raises: bool):
        self._kernels = kernels
        self._raises = raises
        self._space = space
        self.num_actions = 0  # of a Discrete space
        self.illegal = np.zeros(num_envs, np.bool_)
        if isinstance(space, spaces.Discrete):
            if space.start != 0:
                raise ValueError(f"the action space {space} must start at 0")
            self.num_actions = int(space.n)
            self.actions = np.zeros(num_envs, np.int64)
            return
        if isinstance(space, spaces.Box):
            low, high, dtype = space.low, space.high, space.dtype
        elif isinstance(space, spaces.MultiDiscrete):
            low, high, dtype = space.start, space.start + space.nvec - 1, np.dtype(np.int64)
        elif isinstance(space, spaces.MultiBinary):
            low, high, dtype = np.zeros(space.shape), np.ones(space.shape), np.dtype(np.int64)
        else:
            raise ValueError(f"the action space {space} must be Discrete, MultiDiscrete, MultiBinary or Box")
        self.actions = np.zeros((num_envs, *(space.shape or ())), dtype)
        self._low, self._high = (np.ascontiguousarray(bound, dtype).ravel() for bound in (low, high))

    def __call__(self, actions: Any, masks: np.ndarray, episodes: np.ndarray) -> int:
        """Take `actions` and return how many are masked.

        Raises:
            ValueError: shape, dtype, range or NaN is outside the space, or an action is masked and that raises.
        """
        given = np.asarray(actions)
        if given.shape != self.actions.shape:
            raise ValueError(f"actions have shape {given.shape}, not {self.actions.shape}")
        if given.dtype == self.actions.dtype:
            self.actions[...] = given
        else:
            self._cast(given)
        if not self.num_actions:
            bad, num_illegal = self._kernels.check_box(self._rows(), self._low, self._high), 0
        else:
            bad, num_illegal = self._kernels.check_discrete(
                self.actions, self.num_actions, masks, episodes, self.illegal
            )
        if bad >= 0:
            raise ValueError(f"action {given[bad]} of copy {bad} is outside {self._space}")
        if num_illegal and self._raises:
            first = int(np.flatnonzero(self.illegal)[0])
            raise ValueError(f"action {given[first]} of copy {first} is masked: illegal in its present state")
        return num_illegal

    def _cast(self, given: np.ndarray) -> None:
        if not np.can_cast(given.dtype, self.actions.dtype, "same_kind") or given.dtype == np.bool_:
            raise ValueError(f"actions of dtype {given.dtype} do not fit {self._space}; use {self.actions.dtype}")
        with np.errstate(over="ignore"):  # what overflows is outside, as will be found
            self.actions[...] = given

    def warm_up(self, masks: np.ndarray, episodes: np.ndarray) -> None:
        """Compile (or load) the check."""
        if self.num_actions:
            self._kernels.check_discrete(self.actions[:0], self.num_actions, masks, episodes, self.illegal[:0])
        else:
            self._kernels.check_box(self._rows()[:0], self._low, self._high)

    def _rows(self) -> np.ndarray:
        return self.actions.reshape(self.actions.shape[0], -1)
