"""An ensemble of reward models, learned from choices between clips.

Bradley and Terry (1952), as in Christiano et al. (2017, arXiv:1706.03741): the chance that the left clip is the better
one is σ(R_left − R_right), R being the sum of a network's rewards over the clip's steps, however many those are. What
is ours:

1. The members are one stack of matrices, so that an ensemble costs little more than one network.
2. Label i is held out from member i modulo K. So all labels are learned from, and there is a model that has not seen
   it to say how well the ensemble does on new ones.
3. A fit begins anew from all labels: nothing depends on the order in which they came, and it takes a second.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from agents.rlhf.clips import Clip, joined
from rlkit.learning.distributions import num_outputs

MIN_UPDATES = 60  # gradient steps of a fit
MISTAKES = 0.1  # chance of a random answer that the models allow for, as in the paper


@dataclass(frozen=True)
class Fit:
    """How a fit went."""

    loss: float  # cross-entropy of the last epoch, of labels learned from
    accuracy: float  # share of labels of left or right that a member says which has not learned from them
    calibration: np.ndarray  # [10, 2] of such chances from 0 to 1: (mean chance, share of left); NaN: there is none
    counts: np.ndarray  # [10] labels in each of these
    calibration_error: float  # mean |chance − share| over the labels (expected calibration error)


class RewardModel(nn.Module):
    """Observations and actions → rewards of K members, each a perceptron with two hidden layers.

    Args:
        obs_size: numbers in a flat observation.
        action_space: Discrete, MultiDiscrete or Box; of the first two one number for each choice is fed.
        num_members: K.
        hidden_size: units of each hidden layer.
        seed: of the weights and minibatches of every fit.
    """

    input_mean: Tensor
    input_scale: Tensor
    reward_mean: Tensor
    reward_scale: Tensor

    def __init__(
        self, obs_size: int, action_space: spaces.Space, num_members: int = 3, hidden_size: int = 64, seed: int = 0
    ):
        super().__init__()
        self._space, self._seed = action_space, seed
        self.num_members = num_members
        self.num_fits = 0
        size = obs_size + num_outputs(action_space)
        sizes = ((size, hidden_size), (hidden_size, hidden_size), (hidden_size, 1))
        self.weights = nn.ParameterList(torch.zeros(num_members, n, m) for n, m in sizes)
        self.biases = nn.ParameterList(torch.zeros(num_members, 1, m) for _, m in sizes)
        for name, shape in (("input_mean", (size,)), ("input_scale", (size,))):
            self.register_buffer(name, torch.zeros(shape))
        for name in ("reward_mean", "reward_scale"):  # of each member, over experience
            self.register_buffer(name, torch.zeros(num_members))
        self.reward_scale.fill_(1.0)

    # --- predictions --------------------------------------------------------------------------------------------

    def inputs(self, obs: np.ndarray, actions: np.ndarray) -> Tensor:
        """Return flat observations [B, D] and actions [B, …] side by side, as the networks take them."""
        parts = [torch.as_tensor(np.asarray(obs, np.float32)).flatten(1)]
        if isinstance(self._space, spaces.Box):
            parts.append(torch.as_tensor(np.asarray(actions, np.float32)).flatten(1))
        else:
            counts = [int(self._space.n)] if isinstance(self._space, spaces.Discrete) else self._space.nvec  # type: ignore[attr-defined]
            whole = torch.as_tensor(np.asarray(actions, np.int64)).reshape(len(obs), -1)
            parts += [nn.functional.one_hot(whole[:, i], int(n)).float() for i, n in enumerate(counts)]
        return torch.cat(parts, dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the raw rewards [K, B] of inputs [B, …] or, of each member's own, [K, B, …]."""
        hidden = (inputs - self.input_mean) * self.input_scale
        hidden = hidden.expand(self.num_members, *hidden.shape[-2:])
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = torch.tanh(torch.baddbmm(bias, hidden, weight))
        return torch.baddbmm(self.biases[-1], hidden, self.weights[-1]).squeeze(-1)

    @torch.no_grad()
    def rewards(self, obs: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Return the ensemble's rewards [B], in units of what is usual over experience; 0 before the first fit."""
        return self.member_rewards(obs, actions).mean(axis=0)

    @torch.no_grad()
    def member_rewards(self, obs: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Return each member's rewards [K, B], in units of what is usual over experience; see `fit`."""
        if not self.num_fits:
            return np.zeros((self.num_members, len(obs)), np.float32)
        raw = self(self.inputs(obs, actions))
        return ((raw - self.reward_mean[:, None]) / self.reward_scale[:, None]).numpy()

    @torch.no_grad()
    def chances(self, pairs: Sequence[tuple[Clip, Clip]]) -> np.ndarray:
        """Return each member's chance of the left clip to be the better one [K, P]."""
        inputs, present = self._stack(pairs)
        return torch.sigmoid(self._differences(inputs.expand(self.num_members, *inputs.shape), present)).numpy()

    # --- learning -----------------------------------------------------------------------------------------------

    def _stack(self, pairs: Sequence[tuple[Clip, Clip]]) -> tuple[Tensor, Tensor]:
        """Return (inputs [P, 2, L, …], which of them are steps of clips [P, 2, L])."""
        clips = [clip for pair in pairs for clip in pair]
        length = max(clip.length for clip in clips)
        obs, actions, _ = joined(clips)
        rows = self.inputs(obs, actions)
        inputs = torch.zeros(len(clips), length, rows.shape[1])
        present = torch.arange(length) < torch.tensor([clip.length for clip in clips])[:, None]
        inputs[present] = rows
        return inputs.unflatten(0, (-1, 2)), present.unflatten(0, (-1, 2))

    def _differences(self, inputs: Tensor, present: Tensor) -> Tensor:
        """Return R_left − R_right [K, P] of inputs [K, P, 2, L, …]; `present` [P, 2, L] or [K, P, 2, L]."""
        rewards = self(inputs.flatten(1, 3)).unflatten(1, inputs.shape[1:4])
        returns = (rewards * present).sum(dim=-1)
        return returns[..., 0] - returns[..., 1]

    def fit(
        self,
        pairs: Sequence[tuple[Clip, Clip]],
        targets: Sequence[float],
        experience: Sequence[Clip],
        *,
        num_epochs: int = 20,
        minibatch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 1.0,
    ) -> Fit:
        """Learn anew from labels.

        Args:
            pairs: of clips, left and right.
            targets: the chance of the left one to be better: 1, 0 or 0.5.
            experience: clips over which rewards get mean 0 and deviation 1. Where any clip ended by termination the
                mean stays, as how good a step is decides whether to go on, and their mean square becomes 1: when all
                goes well their deviation is next to nothing.
            num_epochs: passes over the labels; more where these are so few that it would be under `MIN_UPDATES`.
            minibatch_size: labels a gradient step of each member.
            learning_rate: Adam's, which falls to 0.
            weight_decay: of all weights (AdamW).
        """
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self.num_fits)
        inputs, present = self._stack(pairs)
        self._begin(inputs[present], generator)
        wanted = torch.tensor(np.asarray(targets, np.float32))
        rows = self._rows_of_members(len(pairs))  # [K, R]
        size = min(minibatch_size, rows.shape[1])
        steps = rows.shape[1] // size
        num_epochs = max(num_epochs, math.ceil(MIN_UPDATES / steps))
        optimizer = torch.optim.AdamW(self.parameters(), learning_rate, weight_decay=weight_decay)
        losses: list[float] = []
        for epoch in range(num_epochs):
            shuffled = torch.stack([row[torch.randperm(len(row), generator=generator)] for row in rows])
            losses = []
            for k in range(steps):
                optimizer.param_groups[0]["lr"] = learning_rate * (1 - (epoch * steps + k) / (num_epochs * steps))
                batch = shuffled[:, k * size : (k + 1) * size]
                loss = _loss(self._differences(inputs[batch], present[batch]), wanted[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(float(loss.detach()))
        self.num_fits += 1
        self._normalize(experience, shift=all(clip.length == inputs.shape[2] for pair in pairs for clip in pair))
        return Fit(float(np.mean(losses)), *self._held_out(inputs, present, wanted))

    def _begin(self, inputs: Tensor, generator: torch.Generator) -> None:
        """Take new weights, and the scale of the inputs [B, …]."""
        self.input_mean.copy_(inputs.mean(dim=0))
        deviation = inputs.std(dim=0, correction=0)
        self.input_scale.copy_(torch.where(deviation > 1e-6, 1 / deviation.clamp_min(1e-6), 0.0))
        with torch.no_grad():
            for weight in self.weights:
                weight.copy_(torch.randn(weight.shape, generator=generator) / math.sqrt(weight.shape[1]))
            self.weights[-1].mul_(0.1)
            for bias in self.biases:
                bias.zero_()

    def _rows_of_members(self, count: int) -> Tensor:
        """Return the labels that each member learns from [K, R]: all but every K-th, from its own on."""
        numbers = torch.arange(count)
        if self.num_members == 1 or count <= self.num_members:
            return numbers.expand(self.num_members, count)
        rows = [numbers[numbers % self.num_members != k] for k in range(self.num_members)]
        shortest = min(len(row) for row in rows)
        return torch.stack([row[-shortest:] for row in rows])

    @torch.no_grad()
    def _normalize(self, experience: Sequence[Clip], shift: bool) -> None:
        obs, actions, _ = joined(experience)
        raw = self(self.inputs(obs, actions))
        self.reward_mean.copy_(raw.mean(dim=1) if shift else torch.zeros(self.num_members))
        self.reward_scale.copy_((raw.std(dim=1) if shift else raw.square().mean(dim=1).sqrt()).clamp_min(1e-8))

    @torch.no_grad()
    def _held_out(self, inputs: Tensor, present: Tensor, wanted: Tensor) -> tuple[float, np.ndarray, np.ndarray, float]:
        """Return what `Fit` says of the members on labels that they did not learn from."""
        differences = self._differences(inputs.expand(self.num_members, *inputs.shape), present)
        numbers = torch.arange(len(wanted))
        chances = torch.sigmoid(differences[numbers % self.num_members, numbers]).numpy()
        is_left, is_clear = wanted.numpy() == 1, wanted.numpy() != 0.5
        bins, counts = np.full((10, 2), np.nan), np.zeros(10)
        if not is_clear.any():
            return math.nan, bins, counts, math.nan
        error = 0.0
        chances, is_left = chances[is_clear], is_left[is_clear]
        for k in range(10):
            inside = (chances * 10).astype(int).clip(0, 9) == k
            counts[k] = inside.sum()
            if inside.any():
                bins[k] = chances[inside].mean(), is_left[inside].mean()
                error += float(inside.mean() * abs(bins[k, 0] - bins[k, 1]))
        return float(((chances > 0.5) == is_left).mean()), bins, counts, error

    def restore(self, weights: Mapping[str, Any], num_fits: int) -> None:
        """Take back a `state_dict` and how many fits it had."""
        self.load_state_dict(dict(weights))
        self.num_fits = num_fits


def _loss(differences: Tensor, wanted: Tensor) -> Tensor:
    """Return the cross-entropy, summed over members, of differences of returns [K, B] and chances of left [K, B]."""
    left = (1 - MISTAKES) * torch.sigmoid(differences) + MISTAKES / 2
    losses = -(wanted * left.log() + (1 - wanted) * (1 - left).log())
    return losses.mean(dim=1).sum()
