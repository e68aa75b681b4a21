"""Matches: games of two players from seeded openings, each opening with both colours; Elo ratings from them.

Matches are made for games without chance, in which both colours of an opening begin at the same position. They
begin at the empty board: a game's own param `max_random_plies` is 0 here, whatever the level says.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from rlkit.engine.batch import BatchEnv
from rlkit.engine.observations import obs_rows
from rlkit.environment import Environment
from rlkit.evaluation import Estimate, rate_interval
from rlkit.learning.policy import Policy, Situation, decide

Opening = tuple[int, ...]  # the actions from the empty board on

_PATIENCE = 10  # rounds of random openings without a new one, after which there are no more
_MIN_COPIES = 64  # random openings a round
ELO = 400 / math.log(10)  # Elo points in a factor e of the odds


def draw_openings(
    environment: Environment, num_openings: int, num_plies: int, seed: int, level: str = "standard", **params: float
) -> list[Opening]:
    """Return `num_openings` openings of `num_plies` uniformly random legal plies, none of which ends the game.

    No two lead to the same position; where a game has fewer such positions, fewer openings come back.

    Raises:
        ValueError: the environment has one player, or so many plies end every game.
    """
    rng = np.random.default_rng(seed)
    env = _make_table(environment, max(_MIN_COPIES, num_openings), level, params)
    openings: dict[bytes, Opening] = {}  # by the position they lead to
    fruitless = 0
    while len(openings) < num_openings and fruitless < _PATIENCE:
        num_known = len(openings)
        openings |= _random_openings(env, num_plies, rng)
        fruitless = 0 if len(openings) > num_known else fruitless + 1
    if not openings:
        raise ValueError(f"{num_plies} random plies end every game of {environment.name}; take fewer")
    return list(openings.values())[:num_openings]


@dataclass(frozen=True)
class Match:
    """The games of two players from O openings. Row 0: the first player had the first move; row 1: the second had.

    Args:
        results: int8 [2, O]: +1 the first player won, 0 a draw, −1 the second won.
        truncated: bool [2, O]: the game reached the environment's `max_steps`, which counts as a draw.
        resigned: bool [2, O]: the loser gave up.
        lengths: int [2, O]: plies, those of the opening included.
    """

    results: np.ndarray
    truncated: np.ndarray
    resigned: np.ndarray
    lengths: np.ndarray

    @property
    def num_games(self) -> int:
        """How many games were played."""
        return self.results.size

    @property
    def points(self) -> float:
        """The first player's points: 1 a win, ½ a draw."""
        return float((self.results + 1).sum() / 2)

    @property
    def score(self) -> Estimate:
        """The first player's share of the points, with its Wilson 95 % interval (cautious where there are draws)."""
        return rate_interval(self.points, self.num_games)

    def counts(self, row: int | None = None) -> tuple[int, int, int]:
        """Return the first player's (wins, draws, losses), of one row or of both."""
        results = self.results if row is None else self.results[row]
        wins, draws, losses = (int((results == result).sum()) for result in (1, 0, -1))
        return wins, draws, losses

    def __add__(self, other: "Match") -> "Match":
        """Return the games of both matches, as of one."""
        parts = ("results", "truncated", "resigned", "lengths")
        return Match(*(np.concatenate([getattr(self, part), getattr(other, part)], axis=1) for part in parts))


def play_match(
    environment: Environment,
    first: Policy,
    second: Policy,
    openings: Sequence[Opening],
    *,
    level: str = "standard",
    deterministic: bool = True,
    progress: Callable[[int, int], None] | None = None,
    **params: float,
) -> Match:
    """Play every opening twice, once with each player moving first, all games side by side.

    Players are asked by `decide`, with the actions of each game since the empty board. One that has an attribute
    `resigned` [B] of bool after it was asked has lost the games marked there.

    Args:
        deterministic: players take their best actions; False lets them draw.
        progress: called with (finished games, all games) after every ply.

    Raises:
        ValueError: the environment has one player, there is no opening, or an opening or a player's action is
            illegal.
    """
    games = _Games(environment, openings, level, params)
    while games.running.any():
        actions = games.prescribed()
        for player, side in ((first, games.first_side), (second, -games.first_side)):
            where = np.flatnonzero(games.asks & (games.movers == side))
            if len(where):
                actions[where] = decide(player, games.situation(where), deterministic)
                games.resigned[where] = getattr(player, "resigned", False)
                games.check(actions, where, player)
        games.step(actions)
        if progress is not None:
            progress(int((~games.running).sum()), len(games.running))
    return games.match()


class _Games:
    """The boards of a match: G = 2 × openings copies; `first` is player +1 in the first half, −1 in the second."""

    def __init__(self, environment: Environment, openings: Sequence[Opening], level: str, params: Mapping[str, float]):
        if not openings:
            raise ValueError("a match needs at least one opening; () is the empty board")
        self.openings = [*openings, *openings]
        count = len(self.openings)
        self.first_side = np.repeat(np.array([1, -1], np.int8), len(openings))  # [G]
        self.histories: list[list[int]] = [[] for _ in range(count)]
        self.running, self.truncated, self.resigned = np.ones(count, bool), np.zeros(count, bool), np.zeros(count, bool)
        self.points = np.zeros(count)  # player +1's rewards
        self._env = _make_table(environment, count, level, params)
        self._obs, self._info = self._env.reset(seed=[0] * count)

    @property
    def movers(self) -> np.ndarray:
        """Who moves next, int8 [G]."""
        return self._info["player"]

    @property
    def asks(self) -> np.ndarray:
        """The games that wait for a player: they go on and their opening is over, bool [G]."""
        is_open = [len(history) < len(opening) for history, opening in zip(self.histories, self.openings, strict=True)]
        return self.running & ~np.array(is_open)

    def prescribed(self) -> np.ndarray:
        """Return the openings' next actions [G]; elsewhere some legal one, which finished games can take."""
        actions = self._masks().argmax(axis=1)
        for game, (history, opening) in enumerate(zip(self.histories, self.openings, strict=True)):
            if self.running[game] and len(history) < len(opening):
                actions[game] = opening[len(history)]
        self.check(actions, np.flatnonzero(self.running), "the opening")
        return actions

    def situation(self, where: np.ndarray) -> Situation:
        """Return what the games `where` [B] look like to who moves there."""
        masks = self._masks()[where] if self._env.environment.has_action_mask else None
        histories = [tuple(self.histories[game]) for game in where]
        states = self._env.states[where]
        return Situation(obs_rows(self._obs, where), masks, states, self._env.params[0], histories)

    def check(self, actions: np.ndarray, where: np.ndarray, player: Any) -> None:
        """Refuse actions of the games `where` that are illegal."""
        masks = self._masks()
        for game in where:
            if not (0 <= actions[game] < masks.shape[1] and masks[game, actions[game]]):
                name = player if isinstance(player, str) else getattr(player, "name", type(player).__name__)
                raise ValueError(f"{name} chose action {actions[game]}, illegal after the plies {self.histories[game]}")

    def step(self, actions: np.ndarray) -> None:
        """Take one action in every game."""
        movers, running = self.movers, self.running
        gave_up = running & self.resigned
        self._obs, rewards, terminated, truncated, self._info = self._env.step(actions)
        rewards = np.where(gave_up, -1.0, rewards)
        self.points[running] += (movers * rewards)[running]
        self.truncated |= running & truncated & ~terminated & ~gave_up
        for game in np.flatnonzero(running):
            self.histories[game].append(int(actions[game]))
        self.running = running & ~(terminated | truncated | gave_up)

    def match(self) -> Match:
        """Return the results."""
        points = np.where(self.truncated, 0.0, self.points)
        results = (np.sign(points) * self.first_side).astype(np.int8)
        lengths = np.array([len(history) for history in self.histories])
        return Match(*(part.reshape(2, -1) for part in (results, self.truncated, self.resigned, lengths)))

    def _masks(self) -> np.ndarray:
        return _masks(self._env, self._info)


def without_random_plies(environment: Environment, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` of `BatchEnv` with which a game begins at the empty board, whatever its level says."""
    has_random_plies = "max_random_plies" in (environment.rules.PARAMS.dtype.names or ())
    return {**options, "max_random_plies": 0} if has_random_plies else dict(options)


def _make_table(environment: Environment, num_envs: int, level: str, params: Mapping[str, float]) -> BatchEnv:
    if environment.num_players != 2:
        raise ValueError(f"{environment.name} has one player: matches are for games of two")
    options = without_random_plies(environment, params)
    return BatchEnv(
        environment, num_envs, level=level, opponent="self", autoreset_mode=AutoresetMode.SAME_STEP, **options
    )


def _random_openings(env: BatchEnv, num_plies: int, rng: np.random.Generator) -> dict[bytes, Opening]:
    """Play random plies in every copy and return the openings that end no game, by the position they lead to."""
    obs, info = env.reset(seed=[0] * env.num_envs)
    actions = np.zeros((env.num_envs, num_plies), np.int64)
    is_over = np.zeros(env.num_envs, bool)
    for ply in range(num_plies):
        masks = _masks(env, info)
        actions[:, ply] = (rng.random(masks.shape) * masks).argmax(axis=1)
        obs, _, terminated, truncated, info = env.step(actions[:, ply])
        is_over |= terminated | truncated
    return {_key(obs, copy): tuple(actions[copy].tolist()) for copy in map(int, np.flatnonzero(~is_over))}


def _masks(env: BatchEnv, info: Mapping[str, Any]) -> np.ndarray:
    """The legal actions [N, A], also of rules that have no masks."""
    if env.environment.has_action_mask:
        return info["action_mask"]
    num_actions: int = env.single_action_space.n  # type: ignore[attr-defined]
    return np.ones((env.num_envs, num_actions), np.int8)


def _key(obs: Any, copy: int) -> bytes:
    parts = obs.values() if isinstance(obs, dict) else [obs]
    return b"".join(part[copy].tobytes() for part in parts)


# Elo ------------------------------------------------------------------------------------------------------------


def elo_ratings(matches: Mapping[tuple[str, str], Match]) -> dict[str, Estimate]:
    """Return the Elo rating of every player in `matches`, keyed (first, second), with its 95 % interval.

    The maximum-likelihood ratings of the Bradley–Terry model (R. A. Bradley, M. E. Terry, 1952), a draw being half
    a win and half a loss. One virtual draw between each two players keeps a perfect record finite. The player
    "random" has rating 0, or else the mean is 0. Intervals are ± 1.96 standard errors from the Fisher information:
    they take games for independent and draws for no steadier than wins, so they are rather too wide.
    """
    names = list(dict.fromkeys(name for pair in matches for name in pair))
    points = np.zeros((len(names), len(names)))  # [P, P], of the row's player against the column's
    for one, other in combinations(range(len(names)), 2):
        points[one, other] = points[other, one] = 0.5
    for (first, second), match in matches.items():
        points[names.index(first), names.index(second)] += match.points
        points[names.index(second), names.index(first)] += match.num_games - match.points
    strengths, information = _fit(points)
    weights = np.eye(len(names))[names.index("random")] if "random" in names else np.full(len(names), 1 / len(names))
    contrast = np.eye(len(names)) - weights  # differences to the anchor: of them alone there is information
    variances = np.diag(contrast @ np.linalg.inv(information + 1.0) @ contrast.T)
    means, halves = ELO * (contrast @ strengths), ELO * 1.96 * np.sqrt(np.maximum(variances, 0.0))
    games = [sum(match.num_games for pair, match in matches.items() if name in pair) for name in names]
    return {
        name: Estimate(float(mean), float(mean - half), float(mean + half), count)
        for name, mean, half, count in zip(names, means, halves, games, strict=True)
    }


def _fit(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (strengths [P] in log-odds, their Fisher information [P, P]) by Newton's method."""
    games = points + points.T
    strengths = np.zeros(len(points))
    for _ in range(100):
        chances = 1 / (1 + np.exp(strengths - strengths[:, None]))  # [P, P], that the row's player wins
        weights = games * chances * (1 - chances)
        information = np.diag(weights.sum(axis=1)) - weights
        move = np.linalg.solve(information + 1.0, (points - games * chances).sum(axis=1))  # + 1: the sum is free
        strengths = strengths + move / max(1.0, np.abs(move).max())  # small steps: whole ones can overshoot
        if np.abs(move).max() < 1e-10:
            break
    return strengths, information
