"""A policy and a value in one module, and the policy that acts with it."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlkit.learning.distributions import Distribution, distribution, num_outputs
from rlkit.learning.networks import BoardBody, NormalizedLinear, RowsBody, linear, mlp
from rlkit.learning.normalize import RunningMoments
from rlkit.learning.policy import add_axis, is_single


class ActorCritic(nn.Module):
    """Observations [B, …] → outputs of the policy [B, num_outputs] and values [B].

    Args:
        obs_shape: of one observation.
        action_space: Discrete, MultiDiscrete or Box.
        kind: "mlp": two perceptrons side by side; "board": one `BoardBody` over [planes, rows, columns]; "rows": one
            `RowsBody` over [rows, features], where action i is about row i and the actions behind are about none.
        hidden_sizes: of the perceptrons; for a board the first is the layer after the convolutions, for rows the
            width of their features.
        activation: of the perceptrons.
        channels, kernel_size: of a `BoardBody`.
        num_layers: of a `BoardBody` or a `RowsBody`.
        initial_log_std: of continuous actions.
        learn_std: whether it changes.
        normalize_values: values come from a `NormalizedLinear`.
    """

    def __init__(
        self,
        obs_shape: tuple[int, ...],
        action_space: spaces.Space,
        *,
        kind: str = "mlp",
        hidden_sizes: Sequence[int] = (64, 64),
        activation: str = "tanh",
        channels: int = 64,
        kernel_size: int = 4,
        num_layers: int = 1,
        initial_log_std: float = 0.0,
        learn_std: bool = True,
        normalize_values: bool = False,
    ):
        super().__init__()
        self.actor: nn.Module = nn.Identity()
        self.critic: nn.Module = nn.Identity()
        if kind == "board":
            if len(obs_shape) != 3:
                raise ValueError(f"network=board needs observations [planes, rows, columns], not {list(obs_shape)}")
            size = hidden_sizes[0]
            self.body: nn.Module = BoardBody(obs_shape, channels, kernel_size, size, num_layers)
        elif kind == "rows":
            size = hidden_sizes[0]
            num_others = actions_about_no_row(obs_shape, action_space)
            self.body = RowsBody(obs_shape[1], size, num_layers)
            self.critic = nn.Sequential(RowsContext(), linear(2 * size, size, math.sqrt(2)), nn.ReLU())
        else:
            num_inputs, size = math.prod(obs_shape), hidden_sizes[-1]
            self.body = nn.Flatten()
            self.actor = mlp(num_inputs, hidden_sizes, activation)
            self.critic = mlp(num_inputs, hidden_sizes, activation)
        self.policy_head: nn.Module = (
            RowsHead(size, num_others) if kind == "rows" else linear(size, num_outputs(action_space), 0.01)
        )
        self.value_head: nn.Module = NormalizedLinear(size) if normalize_values else linear(size, 1, 1.0)
        log_std = torch.full((num_outputs(action_space),), initial_log_std)
        if not isinstance(action_space, spaces.Box):
            self.log_std = None
        elif learn_std:
            self.log_std = nn.Parameter(log_std)
        else:
            self.register_buffer("log_std", log_std)
        self._action_space = action_space

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(obs)
        return self.policy_head(self.actor(features)), self.value_head(self.critic(features)).flatten()

    def outputs(self, obs: Tensor) -> Tensor:
        """Return the policy's outputs [B, num_outputs] alone."""
        return self.policy_head(self.actor(self.body(obs)))

    def value(self, obs: Tensor) -> Tensor:
        """Return values [B] alone."""
        return self.value_head(self.critic(self.body(obs))).flatten()

    @property
    def value_deviation(self) -> Tensor | float:
        """Units of rewards that an error of 1 has for the value's weights."""
        return self.value_head.deviation if isinstance(self.value_head, NormalizedLinear) else 1.0

    def distribution(self, outputs: Tensor, masks: Tensor | None) -> Distribution:
        """Return the action distribution of the policy's outputs [B, …]."""
        return distribution(self._action_space, outputs, masks, self.log_std)


class RowsHead(nn.Module):
    """Features of rows and of all (see `RowsBody`) → outputs [B, R + num_others]: one a row, then the others."""

    def __init__(self, size: int, num_others: int):
        super().__init__()
        self.row = linear(size, 1, 0.01)
        self.others = linear(2 * size, num_others, 0.01) if num_others else None

    def forward(self, features: tuple[Tensor, Tensor]) -> Tensor:
        rows, context = features
        outputs = self.row(rows).squeeze(-1)
        return outputs if self.others is None else torch.cat([outputs, self.others(context)], dim=1)


class RowsContext(nn.Module):
    """Of what `RowsBody` gives: the features of all rows together [B, 2 H]."""

    def forward(self, features: tuple[Tensor, Tensor]) -> Tensor:
        return features[1]


def actions_about_no_row(obs_shape: tuple[int, ...], action_space: spaces.Space) -> int:
    """Return how many actions a network over rows has behind those of the rows.

    Raises:
        ValueError: observations are not [rows, features], or there is no Discrete action for each row.
    """
    if len(obs_shape) != 2:
        raise ValueError(f"network=rows needs observations [rows, features], not {list(obs_shape)}")
    if not isinstance(action_space, spaces.Discrete) or action_space.n < obs_shape[0]:
        raise ValueError(f"network=rows needs a Discrete action for each of {obs_shape[0]} rows, not {action_space}")
    return int(action_space.n) - obs_shape[0]


class NetworkPolicy:
    """An `ActorCritic` that acts on one observation or on a batch; see `rlkit.learning.policy.Policy`.

    Discrete actions are drawn at its `temperature`: 1 as it was trained, above that more evenly, below more greedily.

    Args:
        network: what was learned.
        obs_moments: by which observations are normalised, if they are.
        observation_space, action_space: of one copy.
        seed: of the draws of `act(..., deterministic=False)`.
        gamma: the discount a step that the values were learned with, …
        value_scale: … and the reward units of a value of 1: for who plans with `evaluate`.
    """

    temperature = 1.0
    learned_reward: Callable[[Any, Any], np.ndarray] | None = None  # see `rlkit.learning.policy.Policy`

    def __init__(
        self,
        network: ActorCritic,
        obs_moments: RunningMoments | None,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        seed: int = 0,
        gamma: float = 1.0,
        value_scale: float = 1.0,
    ):
        self.network = network
        self.gamma, self.value_scale = gamma, value_scale
        self._moments = obs_moments
        self._observation_space = observation_space
        self._action_space = action_space
        self._device = next(network.parameters()).device
        self._generator = torch.Generator(self._device).manual_seed(seed)

    def tensor(self, obs: Any) -> Tensor:
        """Return observations [B, …] as the network takes them: one float32 tensor, normalised."""
        flat = flat_obs(obs)
        if self._moments is not None:
            flat = self._moments.normalized(flat)
        return torch.as_tensor(np.asarray(flat, np.float32), device=self._device)

    @torch.no_grad()
    def _forward(self, obs: Any, action_mask: np.ndarray | None) -> tuple[Distribution, Tensor]:
        outputs, values = self.network(self.tensor(obs))
        if self.temperature != 1.0:
            outputs = outputs / self.temperature
        masks = None if action_mask is None else torch.as_tensor(action_mask, device=self._device)
        return self.network.distribution(outputs, masks), values

    @torch.no_grad()
    def evaluate(self, obs: Any, action_mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (logits [B, A] of discrete actions, legal or not, and values [B]) of observations [B, …]."""
        outputs, values = self.network(self.tensor(obs))
        return outputs.cpu().numpy(), values.cpu().numpy()

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Return the most likely action(s), or draws from the policy."""
        if is_single(obs, self._observation_space):
            return self.act(add_axis(obs), None if action_mask is None else action_mask[None], deterministic)[0]
        chances, _ = self._forward(obs, action_mask)
        actions = chances.mode() if deterministic else chances.sample(self._generator)
        return in_space(actions.cpu().numpy(), self._action_space)

    def probabilities(self, obs: Any, action_mask: np.ndarray | None = None) -> np.ndarray:
        """Return the chances [B, A] of discrete actions, for a batch."""
        chances, _ = self._forward(obs, action_mask)
        return chances.log_probs.exp().double().cpu().numpy()  # type: ignore[union-attr]

    def inspect(self, obs: Any, action_mask: np.ndarray | None = None) -> dict[str, Any]:
        """Return {"value": float, "probabilities": [A] (discrete actions)} of one observation."""
        chances, values = self._forward(add_axis(obs), None if action_mask is None else action_mask[None])
        seen: dict[str, Any] = {"value": float(values[0])}
        if isinstance(self._action_space, spaces.Discrete):
            seen["probabilities"] = chances.log_probs[0].exp().cpu().numpy()  # type: ignore[union-attr]
        return seen


def in_space(actions: np.ndarray, space: spaces.Space) -> np.ndarray:
    """Return actions clipped into a Box; others as they are."""
    return np.clip(actions, space.low, space.high) if isinstance(space, spaces.Box) else actions


def flat_obs(obs: Any) -> np.ndarray:
    """Return a batch of observations as one array: as it is, or a dict's parts side by side [B, D]."""
    if not isinstance(obs, dict):
        return np.asarray(obs)
    return np.concatenate([np.reshape(part, (len(part), -1)) for part in obs.values()], axis=1)


def flat_obs_shape(space: spaces.Space) -> tuple[int, ...]:
    """Return the shape of one observation after `flat_obs`.

    Raises:
        ValueError: the space is neither a Box nor a Dict of Boxes.
    """
    if isinstance(space, spaces.Box):
        return space.shape
    if isinstance(space, spaces.Dict) and all(isinstance(part, spaces.Box) for part in space.values()):
        return (sum(math.prod(part.shape or ()) for part in space.values()),)
    raise ValueError(f"the observation space {space} must be a Box or a Dict of Boxes")
