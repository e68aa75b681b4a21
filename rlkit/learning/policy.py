"""What every agent hands out: something that acts on observations, one or a batch of them."""

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces


class Policy(Protocol):
    """Acts on one observation (as an environment gives it) or on a batch with a leading axis.

    Policies that can also offer `probabilities(obs, action_mask) -> [B, A]` (batches, discrete actions) and
    `inspect(obs, action_mask) -> {"probabilities": [A], "value": float}` (one observation, for the viewer).
    One that was taught a reward may offer `learned_reward(obs, actions) -> [B]` (batches, flat): the viewer shows it.
    A search also has `num_simulations`, and `with_simulations(num_simulations)` that returns one of that strength.
    """

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Return the action of one observation, or the actions [B, …] of a batch."""


@dataclass(frozen=True)
class Situation:
    """All there is to know where B copies of one environment wait for an action.

    Policies that need more than observations (a search plans on states, a game engine follows the moves) offer
    `act_in(situation, deterministic) -> actions [B]`, and for the viewer `inspect_in(situation) -> {…}` as
    `inspect` of one copy; `decide` and `consider` call what a policy has.
    """

    obs: Any  # [B, …]
    action_mask: np.ndarray | None  # [B, A]
    states: np.ndarray  # [B] records; not to be changed
    params: np.record
    actions: Sequence[Sequence[int]] | None = None  # of each copy since its episode began; None: not known


def decide(policy: Any, situation: Situation, deterministic: bool = True) -> np.ndarray:
    """Return the actions [B, …] that `policy` takes in a situation."""
    if hasattr(policy, "act_in"):
        return np.asarray(policy.act_in(situation, deterministic))
    return np.asarray(policy.act(situation.obs, situation.action_mask, deterministic=deterministic))


def consider(policy: Any, situation: Situation) -> dict[str, Any]:
    """Return what `policy` says of a situation of one copy; nothing where it cannot say.

    Names: "probabilities" [A] and "value" (for the side to move); of a search also "visits" [A] (shares of its
    simulations), "line" (the best moves as it sees them, from the one that it takes) and "num_simulations".
    """
    if hasattr(policy, "inspect_in"):
        return dict(policy.inspect_in(situation))
    if not hasattr(policy, "inspect"):
        return {}
    first = (
        {name: part[0] for name, part in situation.obs.items()} if isinstance(situation.obs, dict) else situation.obs[0]
    )
    return dict(policy.inspect(first, None if situation.action_mask is None else situation.action_mask[0]))


def with_simulations(policy: Any, num_simulations: int) -> Any:
    """Return a searching policy with another number of simulations a move, under the same name.

    Raises:
        ValueError: the policy does not search.
    """
    name = "random play" if policy is None else getattr(policy, "name", type(policy).__name__)
    if not hasattr(policy, "with_simulations"):
        raise ValueError(f"{name} does not search: leave --simulations out")
    changed = policy.with_simulations(num_simulations)
    changed.name = name
    return changed


def with_temperature(policy: Any, temperature: float) -> Any:
    """Return a policy of Discrete actions that draws them at another temperature (1: as it was trained).

    Raises:
        ValueError: the temperature is not above 0, or the policy has none.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature={temperature} must be above 0; 1 draws as the policy was trained")
    if not hasattr(policy, "temperature"):
        name = getattr(policy, "name", type(policy).__name__)
        raise ValueError(f"{name} does not draw its actions from a network: leave the temperature out")
    changed = copy(policy)
    changed.temperature = temperature
    return changed


def is_single(obs: Any, space: spaces.Space) -> bool:
    """Return whether `obs` is one observation of `space` rather than a batch of them.

    A goal environment's parts (a dict of one-dimensional ones) may stand for its flat observation.
    """
    if isinstance(obs, dict) and isinstance(space, spaces.Box):
        obs = next(iter(obs.values()))
    if isinstance(space, spaces.Dict):
        name = next(iter(space.keys()))
        return np.ndim(obs[name]) == len(space[name].shape or ())
    return np.ndim(obs) == len(space.shape or ())


def add_axis(obs: Any) -> Any:
    """Return one observation as a batch of one."""
    return (
        {name: np.asarray(part)[None] for name, part in obs.items()} if isinstance(obs, dict) else np.asarray(obs)[None]
    )


class FunctionPolicy:
    """A classical controller as a policy: `function(obs [B, …], action_mask [B, A] or None) -> actions [B, …]`."""

    def __init__(self, function: Callable[[Any, np.ndarray | None], np.ndarray], space: spaces.Space):
        self._function = function
        self._space = space

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Return the function's action(s); it has no chance to draw on."""
        if is_single(obs, self._space):
            return self._function(add_axis(obs), None if action_mask is None else action_mask[None])[0]
        return self._function(obs, action_mask)


class RandomPolicy:
    """Each legal action with equal chance, from a generator of its own: the floor of every score."""

    def __init__(self, observation_space: spaces.Space, action_space: spaces.Space, seed: int = 0):
        self._observation_space = observation_space
        self._action_space = action_space
        self._rng = np.random.default_rng(seed)

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Return random action(s), legal under `action_mask`."""
        single = is_single(obs, self._observation_space)
        first = next(iter(obs.values())) if isinstance(obs, dict) else obs
        count = 1 if single else len(first)
        actions = self._draw(count, None if action_mask is None else np.atleast_2d(action_mask))
        return actions[0] if single else actions

    def _draw(self, count: int, masks: np.ndarray | None) -> np.ndarray:
        space = self._action_space
        if isinstance(space, spaces.Discrete):
            weights = np.ones((count, space.n)) if masks is None else masks
            return (self._rng.random((count, space.n)) * weights).argmax(axis=1)
        if isinstance(space, spaces.Box):
            low, high = np.maximum(space.low, -1e3), np.minimum(space.high, 1e3)
            return self._rng.uniform(low, high, (count, *space.shape)).astype(space.dtype)
        if isinstance(space, spaces.MultiDiscrete):
            return self._rng.integers(space.nvec, size=(count, *space.shape))
        return self._rng.integers(2, size=(count, *(space.shape or ())))
