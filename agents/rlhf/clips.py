"""Clips: short stretches of experience that a teacher chooses between, cut from what a batch's copies live through."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rlkit.engine.state import without_padding

if TYPE_CHECKING:
    from agents.rlhf.labels import About


class Clip(NamedTuple):
    """L steps of one copy. Shorter than others where the episode terminated, so that a clip can end with the fall."""

    start: bytes  # the state record before the first action: with the actions it is all that drawing needs
    obs: np.ndarray  # [L, D] float32, before each action
    actions: np.ndarray  # [L] int64 or [L, …] float32
    rewards: np.ndarray  # [L] float32, the environment's own: for synthetic teachers and for comparison

    @property
    def length(self) -> int:
        """Steps."""
        return len(self.rewards)


def joined(clips: Sequence[Clip]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the observations [B, D], actions [B, …] and rewards [B] of clips, one clip's steps after the other's."""
    obs, actions, rewards = zip(*((clip.obs, clip.actions, clip.rewards) for clip in clips), strict=True)
    return np.concatenate(obs), np.concatenate(actions), np.concatenate(rewards)


class ClipRecorder:
    """Cuts the lives of N copies into clips of `length` steps and keeps the newest `capacity` of them.

    A copy's clips follow each other. The first of an episode begins after a wait drawn from 0 to `length` − 1 steps, so
    that clips do not always show the same phases of an episode. A clip that the time limit cuts short is thrown away;
    one that ends by termination is kept however short it is.
    """

    def __init__(self, num_envs: int, capacity: int, about: "About", seed: int):
        self.length, self.capacity = about.clip_length, capacity
        self._rng = np.random.default_rng([seed, 0])
        action_kind = np.float32 if about.action_shape else np.int64
        self._open: dict[str, np.ndarray] = {
            "obs": np.zeros((num_envs, self.length, about.obs_size), np.float32),
            "actions": np.zeros((num_envs, self.length, *about.action_shape), action_kind),
            "rewards": np.zeros((num_envs, self.length), np.float32),
        }
        self._open["start"] = np.zeros((num_envs, about.state_size), np.uint8)
        self._kept = {name: np.zeros((capacity, *part.shape[1:]), part.dtype) for name, part in self._open.items()}
        self._filled = -self._rng.integers(
            self.length, size=num_envs
        )  # [N] steps in the open clip; below 0: still waits
        self._lengths = np.zeros(capacity, np.int64)  # of the clips that are kept
        self.num_seen = 0  # clips that were ever complete; number k lies in row k modulo capacity

    def begin(self, states: np.ndarray) -> None:
        """Note the states [N] in which clips begin with the next action; to be called before each step."""
        fresh = self._filled == 0
        if fresh.any():
            self._open["start"][fresh] = without_padding(states[fresh]).view(np.uint8).reshape(int(fresh.sum()), -1)

    def note(
        self, obs: np.ndarray, actions: np.ndarray, rewards: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Add a step of every copy: observations [N, D] before it, actions [N, …], rewards [N] and how it ended."""
        is_open = np.flatnonzero(self._filled >= 0)
        at = self._filled[is_open]
        for name, part in (("obs", obs), ("actions", actions), ("rewards", rewards)):
            self._open[name][is_open, at] = part[is_open]
        self._filled += 1
        is_done = terminated | truncated
        is_whole = self._filled == self.length
        for row in np.flatnonzero(is_whole | (terminated & (self._filled > 0))):
            self._keep(int(row))
        self._filled[is_whole] = 0
        if is_done.any():
            self._filled[is_done] = -self._rng.integers(self.length, size=int(is_done.sum()))

    def _keep(self, row: int) -> None:
        place, length = self.num_seen % self.capacity, int(self._filled[row])
        for name, kept in self._kept.items():
            kept[place] = self._open[name][row]
        self._lengths[place] = length
        self.num_seen += 1

    def __len__(self) -> int:
        return min(self.num_seen, self.capacity)

    def clip(self, row: int) -> Clip:
        """Return one of the clips that are kept, 0 ≤ `row` < len."""
        length = int(self._lengths[row])
        parts = (np.array(self._kept[name][row, :length]) for name in ("obs", "actions", "rewards"))
        return Clip(self._kept["start"][row].tobytes(), *parts)

    def newest(self, count: int) -> list[Clip]:
        """Return the newest `count` clips, or as many as there are."""
        numbers = range(max(self.num_seen - min(count, self.capacity), 0), self.num_seen)
        return [self.clip(number % self.capacity) for number in numbers]

    # --- checkpoints --------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, np.ndarray]:
        """Return everything that decides its future, but its generator."""
        named = {f"open.{name}": part for name, part in self._open.items()}
        named |= {f"kept.{name}": part for name, part in self._kept.items()}
        return named | {"filled": self._filled, "lengths": self._lengths, "num_seen": np.array([self.num_seen])}

    @property
    def rng_state(self) -> dict[str, Any]:
        """How its generator stands, as plain JSON."""
        return dict(self._rng.bit_generator.state)

    def restore(self, tensors: Mapping[str, Any], rng_state: Mapping[str, Any]) -> None:
        """Take back what `tensors` and `rng_state` gave."""
        self._rng.bit_generator.state = dict(rng_state)
        for name, part in self._open.items():
            part[:] = np.asarray(tensors[f"open.{name}"])
        for name, part in self._kept.items():
            part[:] = np.asarray(tensors[f"kept.{name}"])
        self._filled[:], self._lengths[:] = np.asarray(tensors["filled"]), np.asarray(tensors["lengths"])
        self.num_seen = int(np.asarray(tensors["num_seen"])[0])
