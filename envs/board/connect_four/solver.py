"""The exact Connect Four solver: the score of every move of any position.

A score is for the side to move: s > 0 is a win, s = 22 - (discs the winner has placed when it wins); 0 is a
draw; s < 0 is a loss, counted in the same way. So a sooner win scores more, 18 at most, and the moves of the
empty board score -2 -1 0 1 0 -1 -2. Up to eight discs the scores are read from the book, beyond searched.

    >>> move_scores(parse_moves("4453")).tolist()
    [-5, -5, -2, -3, -4, -2, -2]
"""

import functools
from collections.abc import Iterable
from types import ModuleType
from typing import NamedTuple

import numpy as np

from envs.board.connect_four import book, solver_search
from envs.board.connect_four.bitboard import BOTTOM, CENTRE_FIRST, ILLEGAL, NUM_CELLS, drop, has_four, is_full
from rlkit.engine.bind import bind

_BITS = 1 << (7 * np.arange(7) + np.arange(6)[:, None])  # [6, 7], of each cell


class Position(NamedTuple):
    """Two bitboards (see `bitboard.py`): the discs of the side to move, and those of both sides."""

    own: int
    filled: int


def parse_moves(moves: str) -> Position:
    """The position after `moves`, columns 1 to 7, first player first ("" is the empty board).

    Raises:
        ValueError: a character is no column, a column is full, or a move comes after the end of the game.
    """
    own = filled = 0
    for number, character in enumerate(moves, 1):
        if character not in "1234567":
            raise ValueError(f"move {number} is {character!r}, but moves are columns 1 to 7, as in 4453")
        if _is_won(own, filled):
            raise ValueError(f"move {number} ({character}) comes after the game was won by move {number - 1}")
        column = int(character) - 1
        if is_full(filled, column):
            raise ValueError(f"move {number} goes into column {character}, which is already full")
        own, filled = drop(own, filled, column)
    return Position(own, filled)


def from_board(board: np.ndarray, player: int) -> Position:
    """The position of an environment's board.

    Args:
        board: [6, 7], row 0 is the bottom: +1 first player's disc, -1 second player's, 0 empty.
        player: +1 or -1, who moves next.

    Raises:
        ValueError: no game leads to this board with this player to move.
    """
    board = np.asarray(board)
    if board.shape != (6, 7) or player not in (1, -1):
        raise ValueError(f"need a board of shape (6, 7) and player 1 or -1, got {board.shape} and {player}")
    filled = int(_BITS[board != 0].sum())
    if (filled + BOTTOM) & filled:
        raise ValueError("the board has a disc above an empty cell; row 0 must be the bottom row")
    num_own, num_other = int((board == player).sum()), int((board == -player).sum())
    if num_other - num_own not in (0, 1) or num_own + num_other != filled.bit_count():
        raise ValueError(f"the side to move has {num_own} discs and the other side {num_other}, but sides alternate")
    return Position(int(_BITS[board == player].sum()), filled)


def move_scores(position: Position) -> np.ndarray:
    """The exact score of each move, int8 [7]; `ILLEGAL` where the column is full.

    Raises:
        ValueError: the game is over.
    """
    own, filled = position
    if _is_won(own, filled):
        raise ValueError("the game is over: a side has four in a row, so there is no move to score")
    num_discs = filled.bit_count()
    if num_discs == NUM_CELLS:
        raise ValueError("the game is over: the board is full, so there is no move to score")
    if num_discs < book.NUM_DISCS:
        return np.array([_book_score(own, filled, column) for column in range(7)], np.int8)
    high = book.value(own, filled) if num_discs == book.NUM_DISCS else solver_search.MAX_SCORE
    scores = np.empty(7, np.int8)
    _compiled().score_moves(own, filled, high, scores, solver_search.new_memory())
    return scores


def move_scores_many(boards: np.ndarray, players: Iterable[int]) -> np.ndarray:
    """`move_scores` of boards [B, 6, 7] with players [B] to move (see `from_board`): int8 [B, 7]."""
    scores = [move_scores(from_board(board, int(player))) for board, player in zip(boards, players, strict=True)]
    return np.array(scores, np.int8).reshape(-1, 7)


def best_move(position: Position) -> int:
    """The column (0 to 6) of the best move: the fastest win, or slowest loss; of equals the most central.

    Raises:
        ValueError: the game is over.
    """
    scores = move_scores(position)
    return max(CENTRE_FIRST, key=lambda column: scores[column])


def _book_score(own: int, filled: int, column: int) -> int:
    if is_full(filled, column):
        return ILLEGAL
    child = drop(own, filled, column)
    if _is_won(*child):
        return (NUM_CELLS + 1 - filled.bit_count()) // 2
    return -book.value(*child)


def _is_won(own: int, filled: int) -> bool:
    return has_four(own ^ filled) or has_four(own)


@functools.cache
def _compiled() -> ModuleType:
    """The search, its compiled code cached on disk."""
    return bind(solver_search)
