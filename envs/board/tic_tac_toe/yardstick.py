"""Tic-tac-toe's yardstick: the value of every move in all 4,520 positions in which somebody is to move.

A position is a pair of bitboards (own, other) of the side to move, bit = cell; the counts of stones say which
side that is. Positions are numbered in the order in which a search from the empty board finishes them.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from gymnasium import spaces

from envs.board.tic_tac_toe import rules
from rlkit.evaluation import Yardstick
from rlkit.learning.policy import FunctionPolicy, Policy, Situation, decide

NUM_CELLS, FULL = 9, (1 << 9) - 1
ILLEGAL = -100  # rank of an illegal move, below every other
LINES = tuple(
    sum(1 << cell for cell in line)
    for line in ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
)
_SPACE = spaces.Box(0.0, 1.0, (2, 3, 3))


def has_line(stones: int) -> bool:
    """Return whether a bitboard holds three in a row."""
    return any(stones & line == line for line in LINES)


@dataclass(frozen=True)
class Table:
    """All P = 4,520 positions: bitboards `own`, `other` [P], `ranks` of moves [P, 9], `rows` by bitboards.

    The sign of a rank is the move's value for the side to move (1 win, 0 draw, −1 loss); its size is 10 − the
    stones on the board at the end under perfect play, so that the greatest rank wins soonest or loses latest.
    `rows` [512, 512] holds the row of (own, other), −1 where nobody is to move or the position cannot arise.
    """

    own: np.ndarray
    other: np.ndarray
    ranks: np.ndarray
    rows: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """Values of the moves [P, 9]: 1 win, 0 draw, −1 loss, `ILLEGAL`."""
        return np.where(self.ranks == ILLEGAL, ILLEGAL, np.sign(self.ranks))

    @property
    def masks(self) -> np.ndarray:
        """Legal moves, int8 [P, 9]."""
        return (self.ranks != ILLEGAL).astype(np.int8)

    @property
    def states(self) -> np.ndarray:
        """The environment's states in the positions [P]."""
        states = np.zeros(len(self.own), rules.STATE)
        stones = np.stack([self.own, self.other])[:, :, None] >> np.arange(NUM_CELLS) & 1  # [2, P, 9]
        num_own, num_other = stones.sum(axis=2)
        states["player"] = np.where(num_own == num_other, rules.FIRST, rules.SECOND)
        states["board"] = (states["player"][:, None] * (stones[0] - stones[1])).reshape(-1, 3, 3)
        states["last"] = -1  # only drawings use it
        states["num_steps"] = num_own + num_other
        return states

    @property
    def obs(self) -> np.ndarray:
        """What the environment shows of the positions, float32 [P, 2, 3, 3]."""
        stones = np.stack([self.own, self.other], axis=1)[:, :, None] >> np.arange(NUM_CELLS) & 1
        return stones.reshape(-1, 2, 3, 3).astype(np.float32)


@cache
def solve() -> Table:
    """Search the whole game once and return the table."""
    ranks_of: dict[tuple[int, int], list[int]] = {}

    def search(own: int, other: int) -> int:
        """Return the best rank of a position in which somebody is to move."""
        if (own, other) not in ranks_of:
            ranks_of[own, other] = [move_rank(own, other, 1 << cell) for cell in range(NUM_CELLS)]
        return max(ranks_of[own, other])

    def move_rank(own: int, other: int, stone: int) -> int:
        if (own | other) & stone:
            return ILLEGAL
        own |= stone
        if has_line(own):
            return 10 - (own | other).bit_count()
        return 0 if own | other == FULL else -search(other, own)

    search(0, 0)
    own, other = np.array(list(ranks_of)).T
    rows = np.full((FULL + 1, FULL + 1), -1, np.int16)
    rows[own, other] = np.arange(len(own))
    return Table(own, other, np.array(list(ranks_of.values())), rows)


def _perfect_moves(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
    """Return the moves [B] of greatest rank; in positions outside the table the first empty cell."""
    table = solve()
    stones = (obs.reshape(len(obs), 2, NUM_CELLS) > 0.5) @ (1 << np.arange(NUM_CELLS))  # [B, 2]
    rows = table.rows[stones[:, 0], stones[:, 1]]
    first_empty = (obs.reshape(len(obs), 2, NUM_CELLS).max(axis=1) < 0.5).argmax(axis=1)
    return np.where(rows >= 0, table.ranks[rows].argmax(axis=1), first_empty)


def perfect(params: np.record) -> FunctionPolicy:
    """Return perfect play: it wins soonest, loses latest, and takes the first cell among equals."""
    return FunctionPolicy(_perfect_moves, _SPACE)


def score(policy: Policy, is_final: bool = True) -> dict[str, float]:
    """Return the shares of positions in which `policy` keeps the win/draw/loss value; illegal moves do not.

    `value_kept` is over all 4,520 positions, `value_kept_decisive` over the 3,191 where some legal move loses
    value. There are no others to tune on, so `is_final` changes nothing.
    """
    table = solve()
    values, masks = table.values, table.masks
    best = values.max(axis=1)
    actions = decide(policy, Situation(table.obs, masks, table.states, rules.PARAMS[0]))
    kept = values[np.arange(len(actions)), actions] == best
    is_decisive = ((values < best[:, None]) & (masks == 1)).any(axis=1)
    return {"value_kept": float(kept.mean()), "value_kept_decisive": float(kept[is_decisive].mean())}


def parse_moves(moves: str) -> tuple[int, int]:
    """Return (own, other) after `moves`: cells 1 to 9, row by row from the top left, the first player first.

    Raises:
        ValueError: a character is no cell, a cell is taken, or the game is already over.
    """
    own = other = 0
    for number, character in enumerate(moves, 1):
        if character not in "123456789":
            raise ValueError(f"move {number} of {moves!r} is {character!r}; moves are cells from 1 to 9, as in '159'")
        stone = 1 << (int(character) - 1)
        if has_line(other):
            raise ValueError(f"move {number} of {moves!r} comes after the game's end: drop it and what follows")
        if (own | other) & stone:
            raise ValueError(f"move {number} of {moves!r} plays cell {character}, which is taken: choose an empty one")
        own, other = other, own | stone
    return own, other


def explain(moves: str) -> dict[str, Any]:
    """Return facts on the position after `moves` (see `parse_moves`).

    `scores` are the values of cells 1 to 9 for the side to move (1 win, 0 draw, −1 loss, None illegal),
    `value` is the position's; after the game's end every score is None and `value` the result for who would
    move.

    Raises:
        ValueError: the moves are not those of a game.
    """
    own, other = parse_moves(moves)
    player = 1 if len(moves) % 2 == 0 else -1
    row = solve().rows[own, other]
    if row < 0:
        return {"player": player, "scores": [None] * NUM_CELLS, "value": -1 if has_line(other) else 0}
    values = solve().values[row].tolist()
    return {
        "player": player,
        "scores": [None if value == ILLEGAL else value for value in values],
        "value": max(values),
    }


YARDSTICK = Yardstick(
    reference="full enumeration of the 4,520 positions in which somebody is to move (the optimum)",
    policies={"solver": perfect},
    score=score,
    explain=explain,
)
