"""Go: surround territory; what you surround completely is yours, stones included.

Observation
    Box float32 [9, n, n] of 0/1 planes, n = board_size, from the side to move; row 0 is the top. Own stones, the
    other's stones; own and other's in atari (chains of one liberty); own and other's of two liberties; points that
    the rule of repetition forbids the mover; and two constant planes: the mover is White (who gets komi), the last
    move was a pass.

Action
    Discrete(n × n + 1): the cell, row × n + column, and n × n, a pass. Legal: a pass; an empty cell where the stone, or
    the chain it joins, has a liberty after captures (no suicide), and where the board does not become as it was
    after one of the last eight stones (`info["action_mask"]`).

Reward
    The mover's at the second pass: +1 if its area is larger, −1 if it is smaller, 0 if equal; 0 before.

Termination
    Two passes one after the other. Area is counted as in Tromp and Taylor's rules: stones, and empty points that reach
    stones of one colour only; all stones on the board count as alive. White adds komi. Truncated, with no
    winner, after 162 plies (2 × 9 × 9).

Params
    board_size (2 to 9), komi (points for White; a whole number allows draws), max_random_plies: an episode begins
    after 0 to so many uniformly random stones. Levels: `openings` (8 random stones), `5x5`, and `7x7` with komi 9,
    which is the result of best play as far as is known.

Metrics
    none

Yardstick
    A rule: the move after which the estimated area, with chains that can be captured at once counted as lost, is
    largest. It won 200 of 200 games against random play, and 19 of 20 against OpenSpiel's Monte-Carlo tree search
    with 1,000 random rollouts a move; it is far from the optimum, which nobody knows on 9 × 9.

Source
    Tromp–Taylor rules (J. Tromp, 1995), but without suicide and with a shorter memory: positional superko forbids
    any earlier position, here only the last eight boards may not come again. That covers every ko, sending two
    returning one, triple and quadruple ko and eternal life; longer cycles end by truncation.
"""

import numpy as np
from gymnasium import spaces

from envs.board.symmetries import SQUARE, of_board
from rlkit.environment import Environment, Vertices

NUM_PLANES = 9


def size_of(params: np.record) -> int:
    """Return the rows and columns of the board.

    Raises:
        ValueError: the rules have no board of that size.
    """
    size = int(params.board_size)
    max_size = ENVIRONMENT.rules.MAX_SIZE
    if not 2 <= size <= max_size:
        raise ValueError(f"board_size={size} must be from 2 to {max_size}")
    return size


ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/Go-v0",
    observation_space=lambda params: spaces.Box(0.0, 1.0, (NUM_PLANES, size_of(params), size_of(params))),
    action_space=lambda params: spaces.Discrete(size_of(params) ** 2 + 1),
    max_steps=162,
    num_players=2,
    symmetries=lambda params: of_board(NUM_PLANES, size_of(params), size_of(params), SQUARE, num_others=1),
    gtp=lambda params: Vertices(size_of(params), size_of(params), ("pass",)),
    levels={
        "standard": {},
        "openings": {"max_random_plies": 8},
        "5x5": {"board_size": 5},
        "7x7": {"board_size": 7, "komi": 9},
    },
)
