"""Gomoku, free style: put stones on a board; five or more in a line win.

Observation
    Box float32 [2, n, n] of 0/1 planes, from the side to move: own stones, the other's stones. Row 0 is the top.

Action
    Discrete(n²): the point, row × n + column. Legal: empty points (`info["action_mask"]`).

Reward
    The mover's: +1 for `row_length` or more stones in a line, 0 otherwise; the other side loses what the mover wins.

Termination
    Enough stones in a line (across, down or a diagonal), or a full board (a draw).

Params
    board_size (3 to 15): n, the rows and columns (level `large`: 15).
    row_length (3 to board_size): how many stones in a line win. More win too: there are no overlines.
    max_random_plies: an episode begins after 0 to so many uniformly random plies, none of which ends the game
    (level `openings`: 8).

Metrics
    none

Yardstick
    The classic rule of threats: five, stop five, open four, stop open four, and so on, then shape; and shape alone,
    which is weaker. Neither is perfect. On 9 × 9, from two random stones and with both seats, the first won all of 10
    games against OpenSpiel's search with 8,000 random rollouts a move, the second 6; between the two, after up to 8
    random plies, the first won 61 % and lost 9 % of 200 games.

Source
    Traditional, Japan. Free-style 15 × 15 is a win for the first player: L. Allis, "Searching for Solutions in Games
    and Artificial Intelligence", 1994.
"""

import numpy as np
from gymnasium import spaces

from envs.board.symmetries import SQUARE, of_board
from rlkit.environment import Environment, Vertices

MIN_SIZE, MAX_SIZE = 3, 15  # of the param board_size


def _size(params: np.record) -> int:
    """Return the rows of the board, if there is such a game."""
    size, row_length = int(params.board_size), int(params.row_length)
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"board_size={size} is no board of Gomoku here: choose {MIN_SIZE} to {MAX_SIZE}")
    if not MIN_SIZE <= row_length <= size:
        raise ValueError(f"row_length={row_length} must be between {MIN_SIZE} and the board's size, {size}")
    return size


ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/Gomoku-v0",
    observation_space=lambda params: spaces.Box(0.0, 1.0, (2, _size(params), _size(params))),
    action_space=lambda params: spaces.Discrete(_size(params) ** 2),
    num_players=2,
    symmetries=lambda params: of_board(2, _size(params), _size(params), SQUARE),
    gtp=lambda params: Vertices(_size(params), _size(params)),
    levels={
        "standard": {},
        "large": {"board_size": 15},
        "openings": {"max_random_plies": 8},
    },
)
