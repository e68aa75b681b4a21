"""Self-play against a pool of past selves: an opponent made of frozen copies of a learning policy."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rlkit.engine.turns import sample
from rlkit.learning import saving
from rlkit.learning.actor_critic import NetworkPolicy


class PastSelves:
    """Plays each episode with one member of the pool, drawn when the episode first needs it.

    A member that leaves the pool is kept for as long as an episode goes on against it, so opponents never change
    within an episode.

    Args:
        num_envs: copies of the batch it plays in.
        size: members of the pool.
    """

    def __init__(self, num_envs: int, size: int):
        self.size = size
        self.members: dict[int, NetworkPolicy] = {}  # generation → policy, in order
        self.draws = np.zeros(num_envs, np.uint64)  # of the episode that each copy's opponent was drawn for
        self.generations = np.full(num_envs, -1, np.int64)  # who plays in each copy

    def add(self, generation: int, policy: NetworkPolicy) -> None:
        """Put a frozen policy into the pool; the oldest beyond `size` leaves."""
        self.members[generation] = policy
        playing = set(self.generations.tolist())
        newest = sorted(self.members)[-self.size :]
        self.members = {g: member for g, member in self.members.items() if g in newest or g in playing}

    def __call__(
        self, obs: Any, action_mask: np.ndarray, where: np.ndarray, uniforms: np.ndarray, draws: np.ndarray
    ) -> np.ndarray:
        """Return the opponents' actions [N] (see `rlkit.engine.turns.Opponent`)."""
        pool = np.array(sorted(self.members)[-self.size :])
        is_new = where & (self.draws != draws)
        self.generations[is_new] = pool[(draws[is_new] % np.uint64(len(pool))).astype(np.int64)]
        self.draws[is_new] = draws[is_new]
        actions = np.zeros(where.shape[0], np.int64)
        for generation in np.unique(self.generations[where]):
            rows = where & (self.generations == generation)
            chances = self.members[int(generation)].probabilities(obs[rows], action_mask[rows])
            actions[rows] = sample(chances, uniforms[rows])
        return actions

    def tensors(self) -> dict[str, Any]:
        """Return all there is to save, by name."""
        tensors: dict[str, Any] = {"draws": self.draws, "generations": self.generations}
        for generation, member in self.members.items():
            tensors |= saving.prefixed(f"member.{generation}", member.network.state_dict())
        return tensors

    def restore(self, tensors: Mapping[str, Any], make: Callable[[], NetworkPolicy]) -> None:
        """Take back what `tensors` gave; `make` returns a policy with a network of its own to fill."""
        self.draws, self.generations = np.array(tensors["draws"]), np.array(tensors["generations"])
        members = saving.part(tensors, "member")
        self.members = {}
        for generation in sorted({int(name.split(".")[0]) for name in members}):
            self.members[generation] = make()
            self.members[generation].network.load_state_dict(saving.part(members, str(generation)))
