"""Self-play of one thread: its games, their searches, and what they give to learn.

What the games do depends on their seeds and on the network alone, so the samples are the same however threads
are scheduled.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from agents.alphazero import games
from agents.alphazero.cache import EMPTY, make_cache
from agents.alphazero.network import Evaluator
from agents.alphazero.tree import STRATEGIES, halving_schedule, make_settings, make_tree
from rlkit.engine.bind import bind, compiling
from rlkit.engine.rng import streams
from rlkit.engine.state import record_dtype
from rlkit.environment import Environment

CHOICES = record_dtype(
    ("num_simulations", np.int64),  # of a full search
    ("num_fast_simulations", np.int64),  # of the others, whose policy is not learned
    ("full_share", np.float64),  # of searches that are full (playout cap randomisation, Wu 2019)
    ("num_sampled_plies", np.int64),  # an action is drawn from the search's policy so long
    ("adjudicate", np.int64),  # end a game whose value is proven
    ("search_value_share", np.float64),  # of the search's value in the value to learn
)
PLAY = record_dtype(
    ("key", np.int64),  # of the leaf that waits, in the cache
    ("num_plies", np.int32),  # in the history
    ("num_simulations", np.int32),  # of the search at work
    ("is_full", np.int8),
    ("is_waiting", np.int8),  # its leaf has been observed
)


class History(NamedTuple):
    """Plies of games that have not ended yet; [N, T, …]."""

    obs: np.ndarray  # float32
    masks: np.ndarray  # [N, T, A] int8
    policies: np.ndarray  # [N, T, A] float32, what the search recommends
    weights: np.ndarray  # [N, T] float32, whether the policy is to be learned
    values: np.ndarray  # [N, T] float32, of the search
    outcomes: np.ndarray  # [N, T] int8, proven value or UNKNOWN
    rewards: np.ndarray  # [N, T] float32, of the action taken
    signs: np.ndarray  # [N, T] int8, +1 if the same side moves next, else −1


class Samples(NamedTuple):
    """What there is to learn, one position a row; [S, …]."""

    obs: np.ndarray  # float32
    masks: np.ndarray  # [S, A] int8, legal actions
    policies: np.ndarray  # [S, A] float32
    weights: np.ndarray  # [S] float32, 0 where only the value is to be learned
    values: np.ndarray  # [S] float32


def make_samples(count: int, obs_shape: tuple[int, ...], num_actions: int) -> Samples:
    """Return room for `count` samples."""
    return Samples(
        np.zeros((count, *obs_shape), np.float32),
        np.zeros((count, num_actions), np.int8),
        np.zeros((count, num_actions), np.float32),
        np.zeros(count, np.float32),
        np.zeros(count, np.float32),
    )


class Window:
    """The latest positions, to draw minibatches from. Observations are kept in float16."""

    def __init__(self, size: int, obs_shape: tuple[int, ...], num_actions: int):
        room = make_samples(size, obs_shape, num_actions)
        self.rows = Samples(room.obs.astype(np.float16), *room[1:])
        self.num_added = 0  # ever; the latest are kept

    def add(self, samples: Samples) -> None:
        """Take samples in; they take the places of the oldest."""
        size, count = len(self.rows.values), len(samples.values)
        places = (self.num_added + np.arange(count)) % size
        for part, new in zip(self.rows, samples, strict=True):
            part[places[-size:]] = new[-size:]
        self.num_added += count

    def moments(self) -> tuple[float, float]:
        """Return mean and deviation of the values to learn; the deviation is never 0."""
        values = self.rows.values[: self.num_added].astype(np.float64)
        return float(values.mean()), max(float(values.std()), 1e-3)

    def draw(self, count: int, rng: np.random.Generator) -> Samples:
        """Return `count` positions drawn with replacement."""
        index = rng.integers(min(self.num_added, len(self.rows.values)), size=count)
        return Samples(*(part[index] for part in self.rows))


def search_settings(environment: Any, config: Any) -> np.ndarray:
    """Return the settings of the search that learns."""
    return make_settings(
        strategy=STRATEGIES[config.strategy], c_puct=config.c_puct, fpu_reduction=config.fpu_reduction,
        c_visit=config.c_visit, c_scale=config.c_scale, gumbel_scale=1.0, dirichlet_alpha=config.dirichlet_alpha,
        dirichlet_share=config.dirichlet_share, gamma=config.gamma, max_steps=environment.max_steps or 0,
        find_wins=config.find_wins,
    )  # fmt: skip


def self_play_choices(config: Any) -> np.ndarray:
    """Return one record [1] of CHOICES."""
    return np.array([tuple(getattr(config, name) for name in CHOICES.names or ())], CHOICES)


class Group:
    """The games of one thread.

    Args:
        environment: a game of two or any environment with discrete actions.
        env: a `BatchEnv` of it, for spaces and params.
        num_games: N.
        settings: of the search (`tree.make_settings`).
        choices: of self-play, one record [1] of CHOICES.
        max_considered: root actions that sequential halving begins with.
        history_size: T; longer games are cut there.
        num_samples: at least as many are collected at a time.
        cache_size: evaluations remembered within a collection.
        seed: decides all chance.
    """

    def __init__(
        self, environment: Environment, env: Any, num_games: int, settings: np.ndarray, choices: np.ndarray,
        max_considered: int, history_size: int, num_samples: int, cache_size: int, seed: int,
    ):  # fmt: skip
        self.kernels = bind(games, environment.rules)
        self.params, self.settings, self.choices = env.params, settings, choices
        num_actions, obs_shape = int(env.single_action_space.n), env.single_observation_space.shape
        full, fast = int(choices["num_simulations"][0]), int(choices["num_fast_simulations"][0])
        longest = max(full, fast)
        schedules = [halving_schedule(max_considered, count) for count in (fast, full)]
        self.schedules = np.stack([np.pad(s, ((0, 0), (0, longest - s.shape[1]))) for s in schedules])
        self.tree = make_tree(environment.rules.STATE, num_games, longest + 1, num_actions, seed)
        self.live = np.zeros(num_games, environment.rules.STATE)
        self.plays = np.zeros(num_games, PLAY)
        shape = (num_games, history_size)
        room = make_samples(num_games * history_size, obs_shape, num_actions)
        self.history = History(
            **{name: part.reshape(*shape, *part.shape[1:]) for name, part in room._asdict().items()},
            outcomes=np.zeros(shape, np.int8), rewards=np.zeros(shape, np.float32), signs=np.zeros(shape, np.int8),
        )  # fmt: skip
        self.num_samples = num_samples
        self.samples = make_samples(num_samples + num_games * history_size, obs_shape, num_actions)
        self.cache = make_cache(cache_size, int(np.prod(obs_shape)), num_actions)
        self.counters = np.zeros(9)
        self.obs = np.zeros((num_games, *obs_shape), np.float32)
        self.evaluations = np.zeros((num_games, num_actions), np.float32), np.zeros(num_games, np.float32)
        with compiling(self.kernels, f"self-play of {environment.id}", "advance"):
            self.kernels.start(
                self.tree, self.live, self.plays, self.history, self.params, settings, choices,
                streams(seed ^ 0x5EED, num_games),
            )  # fmt: skip
            self._advance()  # to the first leaves

    def _advance(self) -> None:
        self.kernels.advance(
            self.tree, self.live, self.plays, self.history, self.samples, self.cache, self.counters,
            self.params, self.settings, self.choices, self.schedules, *self.evaluations, self.obs,
        )  # fmt: skip

    def collect(self, evaluator: Evaluator) -> tuple[Samples, np.ndarray]:
        """Play until `num_samples` are there; return views of them and the counters (see games.py)."""
        self.counters[:] = 0
        self.cache.keys[:] = EMPTY  # the network is another one
        while self.counters[games.SAMPLES] < self.num_samples:
            self.evaluations = evaluator(self.obs)
            self._advance()
        count = int(self.counters[games.SAMPLES])
        return Samples(*(part[:count] for part in self.samples)), self.counters

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that decides this group's future, by name; records as bytes."""
        named = {"live": self.live, "plays": self.plays, "obs": self.obs}
        named |= {f"tree.{name}": part for name, part in self.tree._asdict().items()}
        named |= {f"history.{name}": part for name, part in self.history._asdict().items()}
        return {name: part.view(np.uint8) if part.dtype.names else part for name, part in named.items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take back what `arrays` gave.

        Raises:
            ValueError: they are of other rules or settings.
        """
        for name, part in self.arrays().items():
            if arrays[name].shape != part.shape:
                raise ValueError(f"the checkpoint's self-play {name} is {arrays[name].shape}, not {part.shape}")
            part[...] = arrays[name]
