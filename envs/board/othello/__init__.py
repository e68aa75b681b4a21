"""Othello: enclose the other's discs between your own and they turn; more discs at the end win.

Observation
    Box float32 [4, 8, 8] of 0/1 planes, from the side to move: own discs, the other's discs, where the mover may play,
    where the other side could if it were to move. Row 0 is row 1 of the board, column 0 is column a.

Action
    Discrete(65): the cell, row × 8 + column (a1 is 0, h8 is 63), or 64 to pass. Legal: empty cells that enclose at
    least one disc of the other side; the pass only when there is no such cell (`info["action_mask"]`).

Reward
    The mover's, at the end: +1 for more discs, 0 for as many, −1 for fewer; 0 before.

Termination
    Neither side can play, as on a full board.

Params
    max_random_plies: an episode begins after 0 to so many uniformly random plies (level `openings`: 20).

Metrics
    discs: the first player's discs less the second's at the end. Empty cells count for nobody.

Yardstick
    A player, `search`, that looks six plies ahead and plays the last twelve cells perfectly; `rule` looks one ply
    ahead, `greedy` turns most discs. Scores are the share of endgames with ten empty cells in which the move keeps
    the exact win/draw/loss value, over all of them and over the decisive ones, where some move loses value.

Source
    Lewis Waterman and John Mollett's game of the 1880s, with the fixed opening of Goro Hasegawa, 1971.
"""

from gymnasium import spaces

from envs.board.symmetries import DIAGONALS, of_board
from rlkit.environment import Environment, Vertices

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/Othello-v0",
    observation_space=spaces.Box(0.0, 1.0, (4, 8, 8)),
    action_space=spaces.Discrete(65),
    num_players=2,
    # Four of the square's eight: a quarter turn and a mirror exchange the colours of the first four discs.
    symmetries=lambda params: of_board(4, 8, 8, DIAGONALS, num_others=1),
    gtp=lambda params: Vertices(8, 8, ("pass",), from_top=True),
    metrics=("discs",),
    levels={"standard": {}, "openings": {"max_random_plies": 20}},
)
