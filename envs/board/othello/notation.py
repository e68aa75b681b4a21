"""Othello's moves as people write them: the column a to h, then the row 1 to 8, passes left out ("f5d6c3")."""

from typing import NamedTuple

import numpy as np

from envs.board.othello import ENVIRONMENT
from envs.board.othello.rules import PASS
from rlkit.registry import make

ACTION_NAMES = (*(f"{column}{row}" for row in range(1, 9) for column in "abcdefgh"), "pass")


class Position(NamedTuple):
    """Where a game stands."""

    discs: np.ndarray  # bitboards of the first and the second player, uint64 [2]
    player: int  # who moves next, +1 or −1
    is_over: bool


def parse_moves(moves: str) -> Position:
    """Return the position after `moves` from the opening; a side that can not move passes by itself.

    Raises:
        ValueError: a part of `moves` is no cell, the move is not legal, or the game is over before it.
    """
    env = make(ENVIRONMENT, opponent="self")
    _, info = env.reset()
    is_over = False
    for number, name in enumerate((moves[i : i + 2].lower() for i in range(0, len(moves), 2)), 1):
        if name not in ACTION_NAMES:
            raise ValueError(f"move {number} of {moves!r} is {name!r}; moves are cells a1 to h8, as in 'f5d6c3'")
        if is_over:
            raise ValueError(f"move {number} of {moves!r} comes after the game's end: drop it and what follows")
        action = ACTION_NAMES.index(name)
        if not info["action_mask"][action]:
            legal = " ".join(ACTION_NAMES[cell] for cell in np.flatnonzero(info["action_mask"]))
            raise ValueError(f"move {number} of {moves!r} plays {name}, which encloses nothing; legal are: {legal}")
        *_, is_over, _, info = env.step(action)
        if info["action_mask"][PASS] and not is_over:
            *_, info = env.step(PASS)
    return Position(env.state.discs.copy(), int(env.state.player), is_over)
