"""Action distributions over a network's outputs, without torch.distributions' checks (half of a step's time).

Each has `mode()`, `sample(generator)`, `log_prob(actions) [B]` and `entropy() [B]`; `distribution(space, outputs,
mask)` picks the one for an action space and `num_outputs(space)` says how many outputs it needs.
"""

import math

import torch
from gymnasium import spaces
from torch import Tensor


class Categorical:
    """One choice among A; outputs are logits [B, A], masked ones never chosen (Huang & Ontañón 2022)."""

    def __init__(self, logits: Tensor, mask: Tensor | None = None):
        if mask is not None:
            logits = logits.masked_fill(mask == 0, -1e9)  # finite, so that no gradient is NaN
        self.log_probs = torch.log_softmax(logits, dim=-1)

    def mode(self) -> Tensor:
        """The most likely action [B]."""
        return self.log_probs.argmax(dim=-1)

    def sample(self, generator: torch.Generator) -> Tensor:
        """One action a row [B] (by the exponential race, which is faster than multinomial)."""
        race = torch.empty_like(self.log_probs).exponential_(generator=generator).log_()
        return (self.log_probs - race).argmax(dim=-1)

    def log_prob(self, actions: Tensor) -> Tensor:
        """log π of actions [B]."""
        return self.log_probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """Entropy in nats [B]; a masked action adds exactly 0."""
        return -(self.log_probs.exp() * self.log_probs).sum(dim=-1)


class MultiCategorical:
    """Several independent choices; outputs are their logits side by side."""

    def __init__(self, logits: Tensor, sizes: list[int]):
        self._parts = [Categorical(part) for part in logits.split(sizes, dim=-1)]

    def mode(self) -> Tensor:
        """The most likely actions [B, K]."""
        return torch.stack([part.mode() for part in self._parts], dim=-1)

    def sample(self, generator: torch.Generator) -> Tensor:
        """One action vector a row [B, K]."""
        return torch.stack([part.sample(generator) for part in self._parts], dim=-1)

    def log_prob(self, actions: Tensor) -> Tensor:
        """log π of actions [B, K], summed over the choices [B]."""
        return torch.stack([p.log_prob(actions[..., k]) for k, p in enumerate(self._parts)], dim=-1).sum(dim=-1)

    def entropy(self) -> Tensor:
        """Entropy summed over the choices [B]."""
        return torch.stack([part.entropy() for part in self._parts], dim=-1).sum(dim=-1)


class Gaussian:
    """Independent normals; outputs are means [B, D], with a log standard deviation [D] shared by all rows."""

    def __init__(self, means: Tensor, log_std: Tensor):
        self._means = means
        self._log_std = log_std

    def mode(self) -> Tensor:
        """The means [B, D]."""
        return self._means

    def sample(self, generator: torch.Generator) -> Tensor:
        """One draw a row [B, D], not clipped."""
        noise = torch.empty_like(self._means).normal_(generator=generator)
        return self._means + self._log_std.exp() * noise

    def log_prob(self, actions: Tensor) -> Tensor:
        """log density of actions [B, D], summed over dimensions [B]."""
        scaled = (actions - self._means) * torch.exp(-self._log_std)
        return (-0.5 * scaled.square() - self._log_std - 0.5 * math.log(2 * math.pi)).sum(dim=-1)

    def entropy(self) -> Tensor:
        """Entropy [B]."""
        return (self._log_std + 0.5 * math.log(2 * math.pi * math.e)).sum().expand(self._means.shape[0])


Distribution = Categorical | MultiCategorical | Gaussian


def num_outputs(space: spaces.Space) -> int:
    """Return how many network outputs actions of `space` need.

    Raises:
        ValueError: the space is none of Discrete, MultiDiscrete (one axis) and Box (one axis).
    """
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete) and len(space.shape) == 1:
        return int(space.nvec.sum())
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return space.shape[0]
    raise ValueError(f"the action space {space} must be Discrete, MultiDiscrete or Box with one axis")


def distribution(
    space: spaces.Space, outputs: Tensor, mask: Tensor | None = None, log_std: Tensor | None = None
) -> Distribution:
    """Return the action distribution of `outputs` [B, num_outputs(space)]."""
    if isinstance(space, spaces.Discrete):
        return Categorical(outputs, mask)
    if isinstance(space, spaces.MultiDiscrete):
        return MultiCategorical(outputs, [int(n) for n in space.nvec])
    assert log_std is not None
    return Gaussian(outputs, log_std)
