"""Replay memory: the latest transitions of N copies, and n-step windows drawn from them.

Kept compactly: a ring of rows, one a step of all copies. The next observation of a transition is the observation of
the next row; only what truncation cut off lies apart, as the copy has begun another episode by then.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from gymnasium import spaces

from rlkit.learning.sum_tree import SumTree

RUNNING, TERMINATED, TRUNCATED = 0, 1, 2  # how a transition left its episode
_SMALLEST_PRIORITY = 1e-6  # so that nothing is never drawn again


class Windows(NamedTuple):
    """B drawn windows of up to n steps: what follows the action is one step of the discount `discounts`."""

    where: np.ndarray  # [B], for `Replay.set_errors`
    weights: np.ndarray | None  # [B] float32, of importance sampling; None: all 1
    obs: np.ndarray  # [B, …]
    actions: np.ndarray  # [B] int64
    returns: np.ndarray  # [B] float32, discounted sum of the window's rewards
    discounts: np.ndarray  # [B] float32, of the value of `next_obs`: γ to the number of steps, 0 after termination
    next_obs: np.ndarray  # [B, …]
    next_masks: np.ndarray | None  # [B, A] uint8, of the actions legal in `next_obs`


class Replay:
    """A ring of rows. The transitions that may be drawn are the latest `capacity` whose n steps are known.

    Args:
        capacity: transitions at most, a multiple of `num_envs`.
        num_envs: copies, N.
        obs_shape, obs_dtype: of one observation.
        num_actions: A.
        has_masks: whether the environment says which actions are legal.
        n_step: steps of a window at most; it ends where the episode does.
        gamma: discount a step.
        priority_exponent: α of prioritised replay (Schaul et al. 2016); None: all are drawn alike.

    Raises:
        ValueError: so much would not fit into half of this machine's memory.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        obs_shape: tuple[int, ...],
        obs_dtype: np.dtype,
        num_actions: int,
        *,
        has_masks: bool,
        n_step: int,
        gamma: float,
        priority_exponent: float | None = None,
    ):
        self.capacity, self._num_envs, self._n_step, self._gamma = capacity, num_envs, n_step, gamma
        self._num_rows = capacity // num_envs + n_step  # with those whose steps are not all known yet
        count = self._num_rows * num_envs
        action_dtype = np.uint8 if num_actions <= 256 else np.int32
        mask_size = num_actions if has_masks else 0
        _check_memory(capacity, count * (_bytes(obs_shape, obs_dtype, mask_size) + 30))
        self._obs = np.zeros((count, *obs_shape), obs_dtype)  # [R · N, …], row by row
        self._masks = np.zeros((count, mask_size), np.uint8)  # [R · N, A], 1: legal
        self._actions = np.zeros(count, action_dtype)
        self._rewards = np.zeros(count, np.float32)
        self._ends = np.zeros(count, np.uint8)
        self._final_slots = np.zeros(count, np.int32)  # of the truncated: where their last observation lies
        self._final_obs = np.zeros((0, *obs_shape), obs_dtype)  # [F, …], grows as needed
        self._final_masks = np.zeros((0, mask_size), np.uint8)  # [F, A]
        self._free_slots: list[int] = []
        self._exponent = priority_exponent
        self._tree = SumTree(count) if priority_exponent is not None else None
        self._max_priority = 1.0
        self._position = 0  # the row of the observation that has no action yet
        self._num_filled = 0  # rows before it that hold transitions

    # What it holds ------------------------------------------------------------------------------------------

    @property
    def num_ready(self) -> int:
        """Transitions that may be drawn."""
        return max(0, self._num_filled - self._n_step + 1) * self._num_envs

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        arrays = (self._obs, self._masks, self._actions, self._rewards, self._ends, self._final_slots)
        finals = self._final_obs.nbytes + self._final_masks.nbytes
        return sum(array.nbytes for array in arrays) + finals + (self._tree.nbytes if self._tree else 0)

    def __str__(self) -> str:
        return f"replay: {self.capacity:,} transitions, {_memory_text(self.nbytes)}"

    def _row(self, row: int) -> slice:
        start = row % self._num_rows * self._num_envs
        return slice(start, start + self._num_envs)

    # Writing ------------------------------------------------------------------------------------------------

    def begin(self, obs: np.ndarray, masks: np.ndarray | None) -> None:
        """Take the first observations [N, …] of new episodes; those under way count as truncated here."""
        now, last = self._row(self._position), self._row(self._position - 1)
        if self._num_filled:
            cut = np.flatnonzero(self._ends[last] == RUNNING)
            self._ends[last][cut] = TRUNCATED
            self._keep_finals(last.start + cut, self._obs[now][cut].copy(), self._masks[now][cut].copy())
        self._obs[now] = obs
        if masks is not None:
            self._masks[now] = masks

    def add(
        self,
        actions: np.ndarray,
        rewards: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        next_obs: np.ndarray,
        next_masks: np.ndarray | None,
        finals: tuple[np.ndarray, np.ndarray | None] | None,
    ) -> None:
        """Take one step of every copy: arrays [N, …]; where an episode ended, the next observation is a new one's.

        `finals` are the last observations [N, …] and masks [N, A] where episodes were truncated, or None if none was.
        """
        now = self._row(self._position)
        self._actions[now], self._rewards[now] = actions, rewards
        self._ends[now] = np.where(terminated, TERMINATED, np.where(truncated, TRUNCATED, RUNNING))
        self._position = (self._position + 1) % self._num_rows
        following = self._row(self._position)
        self._drop(following)
        if finals is not None:
            cut = np.flatnonzero(self._ends[now] == TRUNCATED)
            cut_masks = self._final_masks[:0] if finals[1] is None else finals[1][cut]
            self._keep_finals(now.start + cut, finals[0][cut], cut_masks)
        self._obs[following] = next_obs
        if next_masks is not None:
            self._masks[following] = next_masks
        self._num_filled = min(self._num_filled + 1, self._num_rows - 1)
        if self._tree is not None and self._num_filled >= self._n_step:
            self._set_priorities(self._row(self._position - self._n_step), self._max_priority)

    def _drop(self, row: slice) -> None:
        """Forget the row's transitions, if it holds any: the oldest."""
        if self._num_filled == self._num_rows - 1:
            gone = row.start + np.flatnonzero(self._ends[row] == TRUNCATED)
            self._free_slots += self._final_slots[gone].tolist()
            self._ends[row] = RUNNING
            if self._tree is not None:
                self._set_priorities(row, 0.0)

    def _set_priorities(self, row: slice, priority: float) -> None:
        assert self._tree is not None
        self._tree.set(np.arange(row.start, row.stop), np.full(self._num_envs, priority))

    def _keep_finals(self, index: np.ndarray, obs: np.ndarray, masks: np.ndarray) -> None:
        """Note the last observations and masks of the truncated transitions `index`."""
        while len(self._free_slots) < len(index):
            size, more = len(self._final_obs), max(64, len(self._final_obs))
            self._free_slots += range(size, size + more)
            self._final_obs = np.concatenate([self._final_obs, np.zeros((more, *self._obs.shape[1:]), self._obs.dtype)])
            self._final_masks = np.concatenate([self._final_masks, np.zeros((more, self._masks.shape[1]), np.uint8)])
        slots = [self._free_slots.pop() for _ in index]
        self._final_slots[index] = slots
        self._final_obs[slots] = obs
        if self._masks.shape[1]:
            self._final_masks[slots] = masks

    # Drawing ------------------------------------------------------------------------------------------------

    def draw(self, uniforms: np.ndarray, importance_exponent: float = 0.0) -> Windows:
        """Return a window for each of `uniforms` [B] in [0, 1): with replacement, alike or by priority.

        `importance_exponent` is β of prioritised replay, whose weights are scaled to at most 1 among these B.
        """
        if self._tree is None:
            oldest = (self._position - self._num_filled) % self._num_rows * self._num_envs
            index = (oldest + (uniforms * self.num_ready).astype(np.int64)) % len(self._rewards)
            return self._windows(index, None)
        count = len(uniforms)
        strata = (np.arange(count) + uniforms) / count  # one from each equal share of the sum
        index = self._tree.find(strata * self._tree.total)
        weights = (self._tree.leaves[index] / self._tree.total * self.num_ready) ** -importance_exponent
        return self._windows(index, (weights / weights.max()).astype(np.float32))

    def set_errors(self, index: np.ndarray, errors: np.ndarray) -> None:
        """Give drawn transitions the priorities of their errors [B], |δ|^α; nothing without priorities."""
        if self._tree is not None:
            priorities = (np.abs(errors).astype(np.float64) + _SMALLEST_PRIORITY) ** self._exponent
            self._max_priority = max(self._max_priority, float(priorities.max()))
            self._tree.set(index, priorities)

    def _windows(self, index: np.ndarray, weights: np.ndarray | None) -> Windows:
        count, num_envs = len(self._rewards), self._num_envs
        last, returns = index, self._rewards[index]
        discounts = np.full(len(index), self._gamma, np.float32)
        for _ in range(self._n_step - 1):
            goes_on = self._ends[last] == RUNNING
            last = np.where(goes_on, (last + num_envs) % count, last)
            returns = returns + np.where(goes_on, discounts * self._rewards[last], np.float32(0))
            discounts = np.where(goes_on, discounts * np.float32(self._gamma), discounts)
        ends = self._ends[last]
        discounts[ends == TERMINATED] = 0.0
        following = (last + num_envs) % count
        next_obs, next_masks = self._obs[following], self._masks[following]
        cut = np.flatnonzero(ends == TRUNCATED)
        if len(cut):
            slots = self._final_slots[last[cut]]
            next_obs[cut], next_masks[cut] = self._final_obs[slots], self._final_masks[slots]
        return Windows(
            index, weights, self._obs[index], self._actions[index].astype(np.int64), returns, discounts,
            next_obs, next_masks if self._masks.shape[1] else None,
        )  # fmt: skip

    # Checkpoints --------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what is filled, by name; last observations in the order of their transitions."""
        is_full = self._num_filled == self._num_rows - 1
        used = len(self._rewards) if is_full else (self._position + 1) * self._num_envs
        slots = self._final_slots[:used][self._ends[:used] == TRUNCATED]
        arrays = {
            "obs": self._obs[:used], "masks": self._masks[:used], "actions": self._actions[:used],
            "rewards": self._rewards[:used], "ends": self._ends[:used],
            "final_obs": self._final_obs[slots], "final_masks": self._final_masks[slots],
            "counters": np.array([self._position, self._num_filled]),
        }  # fmt: skip
        if self._tree is not None:
            arrays |= {"priorities": self._tree.leaves[:used], "max_priority": np.array(self._max_priority)}
        return {name: array.copy() for name, array in arrays.items() if array.size}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take back what `tensors` gave.

        Raises:
            ValueError: it is of other observations or a smaller replay.
        """
        self._position, self._num_filled = map(int, arrays["counters"])
        used = len(arrays["rewards"])
        held: dict[str, np.ndarray] = {
            "obs": self._obs, "masks": self._masks, "actions": self._actions, "rewards": self._rewards,
            "ends": self._ends,
        }  # fmt: skip
        for name, mine in held.items():
            if mine.size:
                if arrays[name].shape[1:] != mine.shape[1:] or used > len(mine):
                    raise ValueError(f"the checkpoint's replay of {name} does not fit this environment and recipe")
                mine[:used] = arrays[name]
        cut = np.flatnonzero(self._ends[:used] == TRUNCATED)
        if len(cut):
            self._keep_finals(cut, arrays["final_obs"], arrays.get("final_masks", self._final_masks[:0]))
        if self._tree is not None:
            self._tree.set_all(arrays["priorities"])
            self._max_priority = float(arrays["max_priority"])


def remembered_dtype(space: spaces.Space) -> np.dtype:
    """Return how observations of a space are remembered: whole numbers of a byte as they are, else as float32."""
    is_byte = isinstance(space, spaces.Box) and space.dtype in (np.uint8, np.int8, np.bool_)
    return np.dtype(space.dtype if is_byte else np.float32)


def _bytes(obs_shape: tuple[int, ...], obs_dtype: np.dtype, mask_size: int) -> int:
    """Return the bytes of an observation and its mask, twice: every episode might be truncated at once."""
    return 2 * (int(np.prod(obs_shape)) * np.dtype(obs_dtype).itemsize + mask_size)


def _check_memory(capacity: int, num_bytes: int) -> None:
    if not hasattr(os, "sysconf"):
        return  # Windows does not say
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if num_bytes > machine // 2:
        raise ValueError(
            f"buffer_size={capacity} may need {_memory_text(num_bytes)}, more than half of this machine's "
            f"{_memory_text(machine)}: set at most buffer_size={int(capacity * (machine / 2 / num_bytes))}"
        )


def _memory_text(num_bytes: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes / 1e3:.1f} kB"
