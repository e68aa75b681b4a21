"""MPC: model-predictive control by sampling, on any environment of one player, without training.

At every step it forks the copy's state, plays many sequences of actions with the environment's own rules, moves the
distribution they are drawn from towards the best, and after some rounds takes the first action of the best. It knows
nothing of an environment but its rules and params.

The cross-entropy method as in iCEM (C. Pinneri et al., "Sample-efficient cross-entropy method for real-time
planning", CoRL 2020), or with `method="mppi"` path-integral weights (G. Williams et al., "Model predictive path
integral control", J. Guidance, Control and Dynamics 40(2), 2017). What differs:

1. The number of samples is the same in every round, and in the last one sample is the mean itself.
2. Discrete actions have a probability a step in place of mean and deviation; actions that are illegal where a
   sequence gets to are drawn anew among the legal ones.
3. Chance: a sequence is worth its mean return over `num_scenarios` streams of dice, the same for all sequences of a
   decision and never the copy's own. (On one stream it would plan as if it knew how the dice fall.)
4. MPPI's temperature is in standard deviations of the sampled returns, so it does not depend on the unit of rewards;
   costs of actions are those in the reward and no others.
5. A decision begins with the deviations that the last one ended with, widened a little (`restart_share`), where iCEM
   begins with those of nothing known: rounds add up from step to step.
6. With `value` a sequence that does not end the episode is also worth a trained policy's value of where it gets to.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from gymnasium import spaces

from agents import mpc_rollouts
from rlkit.engine import rng
from rlkit.engine.bind import bind, compiling
from rlkit.engine.state import record_dtype, state_keys
from rlkit.environment import Environment
from rlkit.learning.policy import Situation

_MAX_BYTES = 1 << 26  # of the sequences that are played at a time, so of the copies
_MAX_DRAWS = 1 << 24  # random numbers that one step may draw
# A generator alone at the start of a record would be a subtype, to Numba, of every record that begins with one.
_SAMPLER = record_dtype(("copy", np.int64), ("rng", np.uint64))


@dataclass(frozen=True)
class Config:
    """How much is looked at, and how the distribution follows it."""

    method: Literal["cem", "mppi"] = "cem"  # elites count alike, or all by their returns
    num_samples: int = 128  # sequences a round
    horizon: int = 50  # steps of a sequence
    num_iterations: int = 4  # rounds a decision
    num_scenarios: int = 8  # streams of dice, where there is chance
    gamma: float | None = None  # discount a step; None: that of the value's policy, without one 1
    elite_share: float = 0.1  # of a round's sequences, from which the next round's distribution is made
    kept_share: float = 0.3  # of the elites, which take part in the next round and the next decision
    momentum: float = 0.1  # weight of the distribution before, when a new one is made
    noise_exponent: float = 2.0  # Box: the noise's power is 1 / frequency^this: 0 is white, 2 wanders
    noise_scale: float = 1.0  # Box: deviation at first, of half the action's range
    restart_share: float | None = None  # how far a decision forgets how sure the last one was; None: Box 0.1, else 0.5
    temperature: float = 0.1  # mppi: a sequence so many deviations below the best has 1/e of its weight

    def __post_init__(self):
        for name in ("num_samples", "horizon", "num_iterations", "num_scenarios"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("elite_share", "kept_share", "momentum", "restart_share"):
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise ValueError(f"{name}={getattr(self, name)} must be a share, from 0 to 1")
        for name in ("noise_scale", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0")
        if self.gamma is not None and not 0 <= self.gamma <= 1:
            raise ValueError(f"gamma={self.gamma} must be between 0 and 1")
        if self.method not in ("cem", "mppi"):
            raise ValueError(f"method={self.method!r} must be 'cem' or 'mppi'")

    @property
    def num_elites(self) -> int:
        """How many sequences of a round are elites."""
        return max(1, round(self.elite_share * self.num_samples))

    @property
    def num_kept(self) -> int:
        """How many of them are kept."""
        return min(round(self.kept_share * self.num_elites), self.num_samples - 1)


class Gaussian:
    """Sequences of actions of a Box [D]: a mean and a deviation for each step, with coloured noise.

    The arrays of a plan: centre [N, H, D] (the means) and spread [N, H, D] (the deviations).
    """

    def __init__(self, space: Any, config: Config):
        self.shape, self.dtype = (config.horizon, *space.shape), space.dtype
        self._range = low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        self._middle, self._widths = (low + high) / 2, config.noise_scale * (high - low) / 2
        self._colour = coloured(config.horizon, config.noise_exponent)
        self._noise = np.zeros(config.horizon)
        self._restart = 0.1 if config.restart_share is None else config.restart_share
        self._is_mppi = config.method == "mppi"

    def begin(self, count: int) -> np.ndarray:
        """Return centres [N, H, D] of which nothing is known: the middle of the range."""
        return np.zeros((count, *self.shape)) + self._middle

    def shifted(self, centre: np.ndarray) -> np.ndarray:
        """Return where to begin a step later: each step takes the next one's centre, the last one stays."""
        return np.concatenate([centre[:, 1:], centre[:, -1:]], axis=1)

    def spread(self, count: int) -> np.ndarray:
        """Return the deviations to begin with [N, H, D]."""
        return np.zeros((count, *self.shape)) + self._widths

    def widened(self, spread: np.ndarray) -> np.ndarray:
        """Return the deviations to begin with a step later, partly those of nothing known."""
        later = np.concatenate([spread[:, 1:], self.spread(len(spread))[:, :1]], axis=1)
        return (1 - self._restart) * later + self._restart * self._widths

    def draw(self, kernels: Any, samplers: Any, centre: Any, spread: Any, num_kept: Any, actions: Any) -> None:
        """Fill `actions` [N, S, H, D] but the first `num_kept` [N]."""
        kernels.draw_box(samplers, centre, spread, *self._range, self._colour, self._noise, num_kept, actions)

    def fit(self, weights: np.ndarray, actions: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (means, deviations) [N, H, D] of `actions` [N, S, H, D] by `weights` [N, S]; MPPI's stay."""
        weights = weights[:, :, None, None]
        centre = (weights * actions).sum(axis=1)
        if self._is_mppi:
            return centre, spread
        return centre, np.sqrt((weights * np.square(actions - centre[:, None])).sum(axis=1))

    def likeliest(self, centre: np.ndarray) -> np.ndarray:
        """Return the sequences [N, H, D] in the middle."""
        return np.clip(centre, *self._range).astype(self.dtype)


class Categorical:
    """Sequences of Discrete actions: a probability for each action at each step.

    The arrays of a plan: centre [N, H, A] (the probabilities); there is no spread.
    """

    def __init__(self, space: Any, config: Config):
        self.shape, self.dtype, self.num_actions = (config.horizon,), np.dtype(np.int64), int(space.n)
        self._restart = 0.5 if config.restart_share is None else config.restart_share

    def begin(self, count: int) -> np.ndarray:
        """Return probabilities [N, H, A] of which nothing is known: all are even."""
        return np.full((count, *self.shape, self.num_actions), 1 / self.num_actions)

    def shifted(self, centre: np.ndarray) -> np.ndarray:
        """Return where to begin a step later, partly made even: what is certain would never change again."""
        later = np.concatenate([centre[:, 1:], self.begin(len(centre))[:, :1]], axis=1)
        return (1 - self._restart) * later + self._restart / self.num_actions

    def spread(self, count: int) -> np.ndarray:
        """Return nothing: the probabilities say it."""
        return np.zeros((count, 0))

    def widened(self, spread: np.ndarray) -> np.ndarray:
        """Return nothing."""
        return spread

    def draw(self, kernels: Any, samplers: Any, centre: Any, spread: Any, num_kept: Any, actions: Any) -> None:
        """Fill `actions` [N, S, H] but the first `num_kept` [N]."""
        kernels.draw_discrete(samplers, centre, num_kept, actions)

    def fit(self, weights: np.ndarray, actions: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (probabilities [N, H, A], spread): the shares in `actions` [N, S, H] by `weights` [N, S]."""
        parts = [(weights[:, :, None] * (actions == a)).sum(axis=1) for a in range(self.num_actions)]
        return np.stack(parts, axis=2), spread

    def likeliest(self, centre: np.ndarray) -> np.ndarray:
        """Return the most probable sequences [N, H]."""
        return centre.argmax(axis=2)


class Memory(NamedTuple):
    """What is left of the last decision, by where the copies' generators stood then, in that order."""

    places: np.ndarray  # [N] uint64, ascending
    num_steps: np.ndarray  # [N]
    centre: np.ndarray  # [N, H, …]
    spread: np.ndarray  # [N, …]
    kept: np.ndarray  # [N, K, H, …] elites


class Controller:
    """Plans in every copy anew at every step, beginning with what is left of its last plan.

    Args:
        environment, params: what it plans in; it reads the true states.
        config: see `Config`.
        seed: of its noise and dice, which also depend on the state: neither on other copies, nor on the copy's dice.
        value: a policy whose `evaluate(obs [B, …], action_mask [B, A]) -> (…, values [B])` says what follows the
            horizon is worth, in units of its `value_scale`; None: nothing.

    Raises:
        ValueError: the environment has two players, no states, or actions of another kind than Discrete or a
            bounded Box of one axis.
    """

    def __init__(
        self, environment: Environment, params: np.record, config: Config | None = None, seed: int = 0,
        value: Any = None,
    ):  # fmt: skip
        self.config = config = config or Config()
        self._params = np.array(params).reshape(1).view(np.recarray)
        observation_space, action_space = _spaces_of(environment, self._params[0], has_value=value is not None)
        is_box = isinstance(action_space, spaces.Box)
        self._sequences: Any = Gaussian(action_space, config) if is_box else Categorical(action_space, config)
        self._environment, self._seed, self._value = environment, seed, value
        self._obs_shape = observation_space.shape or ()
        self._gamma = config.gamma if config.gamma is not None else float(getattr(value, "gamma", 1.0))
        self._value_scale = float(getattr(value, "value_scale", 1.0))
        self._kernels = bind(mpc_rollouts, environment.rules)
        self._memory: Memory | None = None
        self._latest: tuple[list[bytes], Any] = ([], None)  # the states of the last call, and what it found

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Refuse: observations are not enough to plan."""
        raise ValueError("mpc plans on states, not on observations: call act_in with a Situation")

    def act_in(self, situation: Situation, deterministic: bool = True) -> np.ndarray:
        """Return the actions [B, …] that the plans begin with."""
        return self._planned(situation.states)[0]

    def inspect_in(self, situation: Situation) -> dict[str, Any]:
        """Return what the plan of one copy is: see `rlkit.learning.policy.consider`."""
        actions, lines, values = self._planned(situation.states)
        seen: dict[str, Any] = {"value": float(values[0])}
        if isinstance(self._sequences, Categorical):
            seen |= {"line": lines[0].tolist(), "probabilities": np.eye(self._sequences.num_actions)[actions[0]]}
        return seen

    # --- the algorithm ------------------------------------------------------------------------------------------

    def _planned(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Plan in all copies; return (actions [N, …], best sequences [N, H, …], what they return [N])."""
        states = np.ascontiguousarray(states)
        keys = state_keys(states)
        if keys and keys == self._latest[0]:
            return self._latest[1]
        config, before = self.config, self._predecessors(states)
        size = int(np.prod(self._sequences.shape)) * config.num_samples * self._sequences.dtype.itemsize
        count = max(1, _MAX_BYTES // size)
        parts = []
        for first in range(0, len(states), count):
            part = slice(first, first + count)
            with compiling(self._kernels, f"mpc in {self._environment.id}", "play_*"):
                parts.append(self._optimize(states[part], keys[part], *self._continued(before[part])))
        actions, lines, values, *plan = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        places = rng.places(states["rng"])
        order = np.argsort(places, kind="stable")
        self._memory = Memory(places[order], states["num_steps"][order].copy(), *(array[order] for array in plan))
        self._latest = keys, (actions, lines, values)
        return self._latest[1]

    def _optimize(
        self, states: np.ndarray, keys: list[bytes], centre: np.ndarray, spread: np.ndarray, kept: np.ndarray,
        num_kept: np.ndarray,
    ) -> tuple[np.ndarray, ...]:  # fmt: skip
        """Return (actions, best sequences, their returns, centre, spread, elites) of each copy after all rounds."""
        config, sequences, count = self.config, self._sequences, len(states)
        samplers = np.zeros(count, _SAMPLER)
        samplers["rng"] = [int.from_bytes(key[:8], "little") ^ self._seed for key in keys]
        dice = np.zeros((count, config.num_scenarios), np.uint64)
        self._kernels.draw_dice(samplers, dice)
        actions = np.zeros((count, config.num_samples, *sequences.shape), sequences.dtype)
        for iteration in range(config.num_iterations):
            actions[:, : config.num_kept] = kept
            sequences.draw(self._kernels, samplers, centre, spread, num_kept, actions)
            if iteration == config.num_iterations - 1:
                actions[:, -1] = sequences.likeliest(centre)
            returns = self._play(states, actions, dice, samplers, centre)
            order = best_first(returns)
            fitted, fitted_spread = sequences.fit(self._weights(returns, order), actions, spread)
            centre = config.momentum * centre + (1 - config.momentum) * fitted
            spread = config.momentum * spread + (1 - config.momentum) * fitted_spread
            kept, num_kept = _rows(actions, order[:, : config.num_kept]), np.full(count, config.num_kept)
        best, best_returns = _rows(actions, order[:, :1])[:, 0], np.take_along_axis(returns, order[:, :1], 1)[:, 0]
        line = best if config.method == "cem" else sequences.likeliest(fitted)
        return line[:, 0].copy(), line, best_returns, centre, spread, kept

    def _weights(self, returns: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Return what each sequence [N, S] counts; `order` [N, S] is from the best to the worst."""
        config = self.config
        if config.method == "mppi":
            unit = config.temperature * returns.std(axis=1, keepdims=True) + 1e-300
            weights = np.exp((returns - returns.max(axis=1, keepdims=True)) / unit)
            return weights / weights.sum(axis=1, keepdims=True)
        threshold = np.take_along_axis(returns, order[:, config.num_elites - 1, None], 1)
        is_elite = returns >= threshold  # with all that are as good as the last
        return is_elite / is_elite.sum(axis=1, keepdims=True)

    def _play(
        self, states: np.ndarray, actions: np.ndarray, dice: np.ndarray, samplers: np.ndarray, centre: np.ndarray
    ) -> np.ndarray:
        """Return what the sequences return [N, S], with the value of what follows."""
        num_observed = len(states) if self._value is not None else 0
        shape = (*actions.shape[:2], dice.shape[1])  # [N, S, R]
        returns, rests = np.zeros(shape[:2]), np.zeros(shape)
        final_obs = np.zeros((num_observed, *shape[1:], *self._obs_shape), np.float32)
        state = np.zeros(1, states.dtype)
        limits = (self._gamma, self._environment.max_steps or 0)
        common = (state, states, self._params[0], actions, dice, *limits, returns, rests, final_obs)
        if isinstance(self._sequences, Gaussian):
            self._kernels.play_box(*common)
        else:
            mask = np.zeros(self._sequences.num_actions, np.int8)
            self._kernels.play_discrete(*common, samplers, centre, mask)
        if num_observed:
            values, where = np.zeros(shape), rests > 0
            masks = np.ones((int(where.sum()), getattr(self._sequences, "num_actions", 1)), np.int8)
            values[where] = self._value_scale * self._value.evaluate(final_obs[where], masks)[1]
            returns += (rests * values).sum(axis=2)
        return returns

    # --- from step to step --------------------------------------------------------------------------------------

    def _predecessors(self, states: np.ndarray) -> np.ndarray:
        """Return the row of the memory that each copy [N] was a step ago, −1 where it was none.

        Copies that have ended are missing in the next call, so a row says nothing. But all generators walk on one
        cycle, and how far the copy's has come since says which it was.
        """
        memory = self._memory
        if memory is None:
            return np.full(len(states), -1)
        places = rng.places(states["rng"])
        rows = np.searchsorted(memory.places, places, side="right") - 1  # −1, the last, is right: it is a cycle
        is_next = (memory.num_steps[rows] + 1 == states["num_steps"]) & (places - memory.places[rows] < _MAX_DRAWS)
        return np.where(is_next, rows % len(memory.places), -1)

    def _continued(self, before: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return (centre, spread, kept [N, K, H, …], num_kept [N]) to begin with, of copies that were `before` [N]."""
        config, known = self.config, before >= 0
        centre, spread = self._sequences.begin(len(before)), self._sequences.spread(len(before))
        kept = np.zeros((len(before), config.num_kept, *self._sequences.shape), self._sequences.dtype)
        if self._memory is not None and known.any():
            rows = before[known]
            centre[known] = self._sequences.shifted(self._memory.centre[rows])
            spread[known] = self._sequences.widened(self._memory.spread[rows])
            later = self._memory.kept[rows]
            kept[known] = np.concatenate([later[:, :, 1:], later[:, :, -1:]], axis=2)
        return centre, spread, kept, np.where(known, config.num_kept, 0)


def coloured(horizon: int, exponent: float) -> np.ndarray:
    """Return the matrix [H, H] that makes white noise into noise of power 1 / frequency^exponent and deviation 1.

    Frequencies are those of a period of H steps; the constant part gets the power of the lowest (J. Timmer and
    M. König, "On generating power law noise", Astronomy and Astrophysics 300, 1995).
    """
    frequencies = np.fft.rfftfreq(horizon)
    frequencies[0] = 1 / horizon
    scales = frequencies ** (-exponent / 2)
    matrix = np.fft.irfft(np.fft.rfft(np.eye(horizon), axis=0) * scales[:, None], horizon, axis=0)
    return matrix / np.sqrt(np.square(matrix).sum(axis=1, keepdims=True))


def best_first(returns: np.ndarray) -> np.ndarray:
    """Return the order of `returns` [N, S] from the best to the worst; of equal ones the later, so the newer, is first.

    In the last round the last is the mean: of many that are equally good (all that keep a pole up) the one between.
    """
    return returns.shape[1] - 1 - np.argsort(-returns[:, ::-1], axis=1, kind="stable")


def _rows(actions: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the sequences [N, K, H, …] of `actions` [N, S, H, …] that `order` [N, K] names."""
    return actions[np.arange(len(actions))[:, None], order]


def _spaces_of(environment: Any, params: np.record, has_value: bool) -> tuple[spaces.Space, spaces.Space]:
    """Return the spaces of an environment that can be planned in.

    Raises:
        ValueError: it cannot.
    """
    if not hasattr(environment, "rules"):
        raise ValueError(f"mpc needs states, which {environment.name} cannot save")
    if hasattr(environment.base_rules, "PHYSICS"):
        raise ValueError(f"{environment.name} is moved by MuJoCo, and mpc plans by rules alone")
    if environment.num_players != 1:
        raise ValueError(f"{environment.name} has two players, and mpc plans for one: use rollouts:N")
    observation_space, action_space = environment.spaces(params)
    is_box = isinstance(action_space, spaces.Box) and len(action_space.shape) == 1 and action_space.is_bounded()
    if not is_box and not isinstance(action_space, spaces.Discrete):
        raise ValueError(f"mpc needs Discrete actions or a bounded Box of one axis, not {environment.name}'s")
    if has_value and not isinstance(observation_space, spaces.Box):
        raise ValueError(f"mpc with a value needs one array as observation, which {environment.name} has not")
    return observation_space, action_space
