"""How often a policy wins openings that are won in theory, against the perfect player."""

import functools

import numpy as np

from envs.board.connect_four import ENVIRONMENT
from envs.board.connect_four.bitboard import NUM_CELLS, drop, has_four, is_full
from envs.board.connect_four.solver import Position, best_move, move_scores
from rlkit.evaluation import Estimate, rate_interval
from rlkit.learning.policy import Policy, decide
from rlkit.positions import situation_after

MIN_PLIES, MAX_PLIES = 4, 8  # the solver reads values up to there from its book

_reply = functools.lru_cache(1 << 16)(best_move)  # up to a second each at 9 to 11 plies


def conversion(policy: Policy, num_games: int, seed: int) -> Estimate:
    """Return the share of theoretically won openings that `policy` wins against the solver, with its interval.

    The policy plays the winning side; the solver delays its loss as long as it can, and takes what the policy gives
    away. All games are played at once, so the policy sees them as a batch.

    Raises:
        ValueError: the policy plays into a full column.
    """
    rng = np.random.default_rng(seed)
    games = [won_opening(rng) for _ in range(num_games)]
    num_won = 0
    while games:
        actions = decide(policy, situation_after(ENVIRONMENT, [moves for moves, _ in games]))
        going = []
        for (moves, position), action in zip(games, actions, strict=True):
            moves, position = _played(moves, position, int(action))
            if _is_over(position):
                num_won += _was_won(position)
                continue
            moves, position = _played(moves, position, _reply(position))
            if not _is_over(position):
                going.append((moves, position))
        games = going
    return rate_interval(num_won, num_games)


def won_opening(rng: np.random.Generator) -> tuple[list[int], Position]:
    """Return 4 to 8 uniformly random plies after which the side to move wins in theory: (columns from 0, position)."""
    while True:
        moves: list[int] = []
        position = Position(0, 0)
        for _ in range(rng.integers(MIN_PLIES, MAX_PLIES + 1)):
            legal = [column for column in range(7) if not is_full(position.filled, column)]
            moves, position = _played(moves, position, int(rng.choice(legal)))
            if _is_over(position):
                break
        if not _is_over(position) and move_scores(position).max() > 0:
            return moves, position


def _played(moves: list[int], position: Position, column: int) -> tuple[list[int], Position]:
    if is_full(position.filled, column):
        so_far = "".join(str(move + 1) for move in moves)
        raise ValueError(f"after {so_far} column {column + 1} is full, but the policy plays it")
    return [*moves, column], Position(*drop(*position, column))


def _was_won(position: Position) -> bool:
    """Return whether the move that led here made four."""
    return has_four(position.own ^ position.filled)


def _is_over(position: Position) -> bool:
    return _was_won(position) or position.filled.bit_count() == NUM_CELLS
