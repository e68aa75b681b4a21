"""Tic-tac-toe: three in a row on a 3 × 3 board.

Observation
    Box float32 [2, 3, 3] of 0/1 planes, from the side to move: own stones, the other's stones. Row 0 is the top.

Action
    Discrete(9): the cell, row × 3 + column. Legal: empty cells (`info["action_mask"]`).

Reward
    The mover's: +1 for three in a row, 0 otherwise; the other side loses what the mover wins.

Termination
    Three in a row, or a full board (a draw).

Params
    max_random_plies: an episode begins after 0 to so many uniformly random plies (level `openings`: 7).

Metrics
    none

Yardstick
    Full enumeration: the value of all 4,520 positions in which somebody is to move. Scores are the share of
    positions in which the move keeps the win/draw/loss value.

Source
    Folklore.
"""

from gymnasium import spaces

from envs.board.symmetries import SQUARE, of_board
from rlkit.environment import Environment, Vertices

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/TicTacToe-v0",
    observation_space=spaces.Box(0.0, 1.0, (2, 3, 3)),
    action_space=spaces.Discrete(9),
    num_players=2,
    levels={"standard": {}, "openings": {"max_random_plies": 7}},
    symmetries=lambda params: of_board(2, 3, 3, SQUARE),
    gtp=lambda params: Vertices(3, 3),
)
