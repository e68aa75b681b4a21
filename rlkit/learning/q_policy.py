"""Q-values from an `ActorCritic`, and the policy that acts by them."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlkit.engine.turns import sample
from rlkit.learning.actor_critic import ActorCritic, flat_obs
from rlkit.learning.policy import add_axis, is_single

ILLEGAL = -1e9  # the q-value of a masked action: finite, so that nothing becomes NaN


def q_values(network: ActorCritic, obs: Tensor, dueling: bool) -> Tensor:
    """Return q-values [B, A] of observations [B, …].

    Dueling (Wang et al. 2016, equation 9): value + advantage − the mean advantage of all actions, illegal ones
    included, so that the q-value of an action does not hang on which others are legal. Otherwise the outputs.
    """
    if not dueling:
        return network.outputs(obs)
    advantages, values = network(obs)
    return values.unsqueeze(-1) + advantages - advantages.mean(dim=-1, keepdim=True)


def trained_parameters(network: ActorCritic, dueling: bool) -> list[nn.Parameter]:
    """Return the parameters that q-values hang on: without dueling those of the value take no part."""
    own = ("critic.", "value_head.")
    return [value for name, value in network.named_parameters() if dueling or not name.startswith(own)]


def legal_q_values(q: Tensor, masks: Tensor | None) -> Tensor:
    """Return q-values [B, A] with `ILLEGAL` for the actions that `masks` [B, A] forbid."""
    return q if masks is None else q.masked_fill(masks == 0, ILLEGAL)


class QPolicy:
    """Acts greedily by q-values, or draws from softmax(q / (scale × temperature)); see `rlkit.learning.policy.Policy`.

    Args:
        network: an `ActorCritic`.
        dueling: how q-values are made of its outputs.
        scale: of the q-values when actions are drawn: what its recipe calls temperature.
        observation_space, action_space: of one copy.
        seed: of the draws.
        gamma: the discount a step that the q-values were learned with, for who plans with `evaluate`.
    """

    temperature = 1.0  # see `rlkit.learning.policy.with_temperature`

    def __init__(
        self,
        network: ActorCritic,
        dueling: bool,
        scale: float,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        seed: int = 0,
        gamma: float = 1.0,
    ):
        self.network, self._dueling, self._scale, self.gamma = network, dueling, scale, gamma
        self._observation_space, self._action_space = observation_space, action_space
        self._device = next(network.parameters()).device
        self._rng = np.random.default_rng(seed)

    def tensor(self, obs: Any) -> Tensor:
        """Return observations [B, …] as the network takes them: one float32 tensor."""
        return torch.as_tensor(np.asarray(flat_obs(obs), np.float32), device=self._device)

    @torch.no_grad()
    def q_values(self, obs: Any, action_mask: np.ndarray | None = None) -> np.ndarray:
        """Return q-values [B, A] float32 of a batch, `ILLEGAL` under `action_mask`."""
        q = q_values(self.network, self.tensor(obs), self._dueling).cpu().numpy()
        return q if action_mask is None else np.where(np.asarray(action_mask) != 0, q, np.float32(ILLEGAL))

    def evaluate(self, obs: Any, action_mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (logits [B, A], values [B]) of a batch: scaled q-values, and the value of the greedy action."""
        q = self.q_values(obs, action_mask)
        return q / (self._scale * self.temperature), q.max(axis=1)

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Return the action(s) of the highest q-value, or draws from the policy."""
        if is_single(obs, self._observation_space):
            return self.act(add_axis(obs), None if action_mask is None else action_mask[None], deterministic)[0]
        if deterministic:
            return self.q_values(obs, action_mask).argmax(axis=1)
        chances = self.probabilities(obs, action_mask)
        return sample(chances, self._rng.random(len(chances)))

    def probabilities(self, obs: Any, action_mask: np.ndarray | None = None) -> np.ndarray:
        """Return the chances [B, A] of the actions when drawn, for a batch."""
        logits = self.q_values(obs, action_mask).astype(np.float64) / (self._scale * self.temperature)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def inspect(self, obs: Any, action_mask: np.ndarray | None = None) -> dict[str, Any]:
        """Return {"value": float, "probabilities": [A], "q_values": [A]} of one observation."""
        batch, masks = add_axis(obs), None if action_mask is None else action_mask[None]
        q = self.q_values(batch, masks)[0]
        return {"value": float(q.max()), "probabilities": self.probabilities(batch, masks)[0], "q_values": q}
