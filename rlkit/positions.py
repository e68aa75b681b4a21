"""Labelled positions of a game, and how well a policy moves in them; returns numbers, prints nothing."""

import csv
import gzip
import lzma
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, TypeVar

import numpy as np
from gymnasium.vector import AutoresetMode

from rlkit.environment import Environment
from rlkit.learning.policy import Policy, Situation, decide
from rlkit.registry import make_batch

T = TypeVar("T")


@dataclass(frozen=True)
class Breakdown:
    """A table that a report breaks its figures down into.

    Args:
        labels: of the rows, in order; rows without positions are left out.
        rows: [B], the row that each position belongs to.
        shown: the figures people read, by their names in `figures`.
    """

    labels: Sequence[str]
    rows: np.ndarray
    shown: Sequence[str] = ("value_kept", "value_kept_decisive")


@dataclass(frozen=True)
class Positions:
    """B positions of a game with the exact score of every move.

    Args:
        situation: the positions as policies see them.
        scores: [B, A], of each move for the side to move: > 0 wins, 0 draws, < 0 loses, more is better; any
            number where illegal.
        breakdowns: name → table.
    """

    situation: Situation
    scores: np.ndarray
    breakdowns: Mapping[str, Breakdown] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def is_legal(self) -> np.ndarray:
        """Bool [B, A]."""
        return np.asarray(self.situation.action_mask) == 1

    @property
    def best_scores(self) -> np.ndarray:
        """[B]: the score of the best move."""
        return np.where(self.is_legal, self.scores, np.iinfo(self.scores.dtype).min).max(axis=1)

    @property
    def keeps_value(self) -> np.ndarray:
        """Bool [B, A]: the move keeps the win, draw or loss that perfect play gives."""
        return self.is_legal & (np.sign(self.scores) == np.sign(self.best_scores)[:, None])

    @property
    def is_best(self) -> np.ndarray:
        """Bool [B, A]: no move has a greater score."""
        return self.is_legal & (self.scores == self.best_scores[:, None])

    @property
    def is_decisive(self) -> np.ndarray:
        """Bool [B]: some legal move loses value."""
        return (self.keeps_value != self.is_legal).any(axis=1)


def situation_after(environment: Environment, actions: Sequence[Sequence[int]], **options: Any) -> Situation:
    """Return the situation of B games of two after `actions`, legal and ending none, of each since its beginning.

    `options` are level and params.
    """
    env = make_batch(environment, len(actions), opponent="self", autoreset_mode=AutoresetMode.SAME_STEP, **options)
    obs, info = env.reset(seed=0)
    num_plies = np.array([len(moves) for moves in actions])
    kept_obs, masks, states = obs.copy(), info["action_mask"].copy(), env.states.copy()
    for ply in range(num_plies.max()):
        # Games that are there already move on anyhow: what they were like is kept.
        next_actions = info["action_mask"].argmax(axis=1)
        going = num_plies > ply
        next_actions[going] = [moves[ply] for moves in actions if len(moves) > ply]
        obs, _, _, _, info = env.step(next_actions)
        kept_obs[going], masks[going], states[going] = obs[going], info["action_mask"][going], env.states[going]
    env.close()
    return Situation(kept_obs, masks, states, env.params[0], actions)


def chances_of(policy: Policy, positions: Positions) -> np.ndarray:
    """Return [B, A]: 1 for the move that `policy` makes, 0 elsewhere."""
    return np.eye(positions.scores.shape[1])[decide(policy, positions.situation)]


def random_chances(positions: Positions) -> np.ndarray:
    """Return [B, A]: the chance of each move under uniformly random legal play, whose figures are expectations."""
    return positions.is_legal / positions.is_legal.sum(axis=1, keepdims=True)


def figures(positions: Positions, chances: np.ndarray) -> dict[str, float]:
    """Return how well moves made with `chances` [B, A] do, as shares in [0, 1], and of how many positions.

    `value_kept` and `value_lost` are over all positions, `value_kept_decisive` over those in which some legal move
    loses value (NaN without such), `best_move` is the share of moves of the greatest score; `count`, `count_decisive`.
    """
    return _figures(*_marks(positions, chances))


def report(positions: Positions, players: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the figures of players, given by their `chances` [B, A], over all positions and broken down.

    As {"rows": {player: figures}, "breakdowns": {name: {label: {player: figures}}}}.
    """
    marks = {name: _marks(positions, chances) for name, chances in players.items()}
    tables: dict[str, Any] = {}
    for name, table in positions.breakdowns.items():
        tables[name] = {
            label: {player: _figures(*(mark[table.rows == row] for mark in found)) for player, found in marks.items()}
            for row, label in enumerate(table.labels)
            if (table.rows == row).any()
        }
    return {"rows": {player: _figures(*found) for player, found in marks.items()}, "breakdowns": tables}


def _marks(positions: Positions, chances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the chances [B] that the value is kept and that the move is a best one, and `is_decisive` [B]."""
    kept = (chances * positions.keeps_value).sum(axis=1)
    return kept, (chances * positions.is_best).sum(axis=1), positions.is_decisive


def _figures(kept: np.ndarray, best: np.ndarray, is_decisive: np.ndarray) -> dict[str, float]:
    return {
        "value_kept": _mean(kept),
        "value_kept_decisive": _mean(kept[is_decisive]),
        "best_move": _mean(best),
        "value_lost": _mean(1 - kept),
        "count": len(kept),
        "count_decisive": int(is_decisive.sum()),
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan


# --- files ------------------------------------------------------------------------------------------------------

_OPENERS: dict[str, Callable[..., Any]] = {".csv": open, ".gz": gzip.open, ".xz": lzma.open}


def read_csv(path: Path, header: Sequence[str], parse: Callable[[list[str]], T]) -> list[T]:
    """Return `parse` of the cells of every line below the header of a .csv, .csv.gz or .csv.xz file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has another ending, header or number of cells, is damaged or empty, or `parse` raised a
            ValueError; names the file and the line.
    """
    if not path.name.endswith((".csv", ".csv.gz", ".csv.xz")):
        raise ValueError(f"{path} is neither a set of labelled positions nor a .csv, .csv.gz or .csv.xz file")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with _OPENERS[path.suffix](path, "rt", encoding="utf-8-sig", newline="") as file:
            return _parsed(file, header, parse)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, csv.Error, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _parsed(file: TextIO, header: Sequence[str], parse: Callable[[list[str]], T]) -> list[T]:
    lines = csv.reader(file)
    if next(lines, None) != list(header):
        raise ValueError(f"line 1 must be {','.join(header)}")
    found = []
    for cells in lines:
        try:
            if len(cells) != len(header):
                raise ValueError(f"has {len(cells)} cells instead of {len(header)}")
            found.append(parse(cells))
        except ValueError as error:
            raise ValueError(f"line {lines.line_num}: {error}") from None
    if not found:
        raise ValueError("has no positions, only a header")
    return found
