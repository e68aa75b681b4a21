"""What a learner remembers: a rollout, a fixed block of transitions, and batches of it."""

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rlkit.learning.returns import generalized_advantages


class Rollout:
    """A block of transitions: `num_steps` T of each of `num_envs` N copies. Torch and NumPy share the memory."""

    def __init__(self, shape: tuple[int, int], obs_shape: tuple[int, ...], action_space: spaces.Space, device: str):
        self.obs = torch.zeros((*shape, *obs_shape), device=device)  # [T, N, …]
        is_whole = np.issubdtype(action_space.dtype, np.integer)
        dtype = torch.int64 if is_whole else torch.float32
        self.actions = torch.zeros((*shape, *(action_space.shape or ())), dtype=dtype, device=device)  # [T, N, …]
        self.masks: Tensor | None = None  # [T, N, A] int8, made when the environment first gives one
        self.log_probs = torch.zeros(shape, device=device)  # [T, N]
        self.values = torch.zeros(shape, device=device)  # [T, N]
        self.rewards = np.zeros(shape, np.float32)  # [T, N]
        self.final_values = np.zeros(shape, np.float32)  # [T, N], of truncated episodes' last observations
        self.terminated = np.zeros(shape, np.bool_)  # [T, N]
        self.truncated = np.zeros(shape, np.bool_)  # [T, N]
        self.players = np.zeros((shape[0] + 1, shape[1]), np.int8)  # [T + 1, N], who is to move; 0: one player
        self.final_players = np.zeros(shape, np.int8)  # [T, N], to move in truncated episodes' last observations

    def store_masks(self, t: int, masks: np.ndarray | None) -> Tensor | None:
        """Keep the action masks [N, A] of step `t`, if there are any, and return them as the network takes them."""
        if masks is None:
            return None
        if self.masks is None:
            shape = (*self.values.shape, masks.shape[-1])
            self.masks = torch.ones(shape, dtype=torch.int8, device=self.obs.device)
        self.masks[t].copy_(torch.from_numpy(masks))
        return self.masks[t]

    def advantages(self, last_values: Tensor, gamma: float, gae_lambda: float) -> np.ndarray:
        """Return the advantages [T, N]; `last_values` [N] are those of the observations after the last step."""
        values = self.values.cpu().numpy()
        next_values = np.concatenate([values[1:], last_values.cpu().numpy()[None]])  # [T, N]
        next_values = np.where(self.truncated, self.final_values, next_values) * ~self.terminated
        next_players = np.where(self.truncated, self.final_players, self.players[1:])
        same_side = np.where(self.players[:-1] == next_players, 1, -1).astype(np.float32)
        is_last = self.terminated | self.truncated
        return generalized_advantages(self.rewards, values, next_values, is_last, gamma, gae_lambda, same_side)


class Batch(NamedTuple):
    """Transitions side by side: a whole rollout, shuffled, or a minibatch of it."""

    obs: Tensor  # [B, …]
    actions: Tensor  # [B, …]
    masks: Tensor | None  # [B, A]
    log_probs: Tensor  # [B], when they were taken
    advantages: Tensor  # [B]
    returns: Tensor  # [B]

    def rows(self, index: Any) -> "Batch":
        """Return the transitions at `index`, a slice or an order."""
        return Batch._make(None if part is None else part[index] for part in self)
