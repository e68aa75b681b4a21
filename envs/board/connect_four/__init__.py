"""Connect Four: drop discs into seven columns; four in a line wins.

Observation
    Box float32 [2, 6, 7] of 0/1 planes, from the side to move: own discs, the other's discs. Row 0 is the bottom.

Action
    Discrete(7): the column. Legal: columns that are not full (`info["action_mask"]`).

Reward
    The mover's: +1 for four in a line, 0 otherwise; the other side loses what the mover wins.

Termination
    Four in a line, or a full board (a draw).

Params
    max_random_plies: an episode begins after 0 to so many uniformly random plies (level `openings`: 24).

Metrics
    none

Yardstick
    An exact solver (alpha-beta on bitboards behind a book of all 8-ply positions). Scores are the share of
    labelled positions in which the move keeps the win/draw/loss value, over all of them and over the decisive
    ones, where some move loses value (`rlkit evaluate RUN --positions test`, positions.py), and the share of won
    openings that are won against the solver (`--conversion 100`).

Source
    Howard Wexler 1974; solved by James D. Allen and Victor Allis, 1988.
"""

from gymnasium import spaces

from envs.board.symmetries import MIRROR, of_board
from rlkit.environment import Environment, Vertices

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/ConnectFour-v0",
    observation_space=spaces.Box(0.0, 1.0, (2, 6, 7)),
    action_space=spaces.Discrete(7),
    num_players=2,
    symmetries=lambda params: of_board(2, 6, 7, MIRROR, by_column=True),
    gtp=lambda params: Vertices(6, 7, by_column=True),
    levels={"standard": {}, "openings": {"max_random_plies": 24}},
)
