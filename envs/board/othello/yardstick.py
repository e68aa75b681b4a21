"""Othello's yardstick: exactly solved endgames, and players of graded strength for the whole game."""

from typing import Any

import numpy as np

from envs.board.othello import endgames, search
from envs.board.othello.notation import ACTION_NAMES, parse_moves
from envs.board.othello.players import compiled, greedy, searcher
from rlkit.evaluation import Yardstick
from rlkit.learning.policy import Policy

DEPTH, NUM_EXACT = 6, 12  # plies that the reference looks ahead; empty cells from which on it searches to the end


def _score(policy: Policy, is_final: bool) -> dict[str, float]:
    return endgames.score(policy, endgames.load("test" if is_final else "tune"))


def explain(moves: str) -> dict[str, Any]:
    """Return facts on the position after `moves` (see `notation.parse_moves`).

    `scores` are the differences of discs at the end that the legal moves lead to, for the side to move; exact
    (`is_exact`) with at most `NUM_EXACT` empty cells, estimated by the reference's search before. `discs` are
    those of the first and the second player.

    Raises:
        ValueError: the moves are not those of a game.
    """
    position = parse_moves(moves)
    own_first = position.discs[:: position.player]
    num_discs = [int(discs).bit_count() for discs in position.discs]
    num_empty = 64 - sum(num_discs)
    is_exact = num_empty <= NUM_EXACT
    values = np.empty((1, 65), np.int64)
    plies = num_empty if is_exact else DEPTH
    compiled().score_moves(own_first[None].copy(), plies, search.WIN, values, search.new_memory())
    scores = {
        name: float(value) / search.DISC
        for name, value in zip(ACTION_NAMES, values[0], strict=True)
        if value != search.ILLEGAL
    }
    return {"player": position.player, "discs": num_discs, "scores": scores, "is_exact": is_exact}


YARDSTICK = Yardstick(
    reference=f"an alpha-beta search of {DEPTH} plies that plays the last {NUM_EXACT} cells perfectly; "
    "endgames are graded against exact values",
    policies={
        "search": lambda params: searcher(DEPTH, NUM_EXACT),
        "rule": lambda params: searcher(depth=1, num_exact=0),
        "greedy": lambda params: greedy(),
    },
    score=_score,
    explain=explain,
)
