"""Hex: join your two sides of a slanted board of hexagons; there are no draws.

Observation
    Box float32 [3, n, n] of 0/1 planes, from the side to move: own stones, the other's stones, and all ones where
    the mover joins top and bottom (the first player), all zeros where left and right (the second). Row 0 is the top;
    each row lies half a cell to the right of the one above it, so cell (r, c) touches (r, c ± 1), (r − 1, c),
    (r − 1, c + 1), (r + 1, c − 1) and (r + 1, c).

Action
    Discrete(n²): the cell, row × n + column. With `swap` Discrete(n² + 1), the last of which swaps. Legal: empty
    cells, and the swap as the second player's answer to a single stone (`info["action_mask"]`).

Reward
    The mover's: +1 for joining the own two sides, 0 otherwise; the other side loses what the mover wins.

Termination
    A chain joins both sides of its player. A full board always holds exactly one such chain.

Params
    board_size (3 to 11): n, the rows and columns (level `large`: 11).
    swap (0 or 1): whether the second player may swap pieces (level `swap`): the single stone becomes a stone of
    the second player, mirrored to the cell (column, row), which is the same opening seen from the other sides.
    max_random_plies: an episode begins after 0 to so many uniformly random plies, none of which wins (level
    `openings`: 8).

Metrics
    none

Yardstick
    A rule that makes the electrical resistance between its own sides small and the other's great, counting bridges
    as joined, and a weaker one that plays where the shortest paths of both sides cross. Neither is perfect. On 7 × 7,
    from two random stones and with both seats, the first won 19 of 20 games against OpenSpiel's search with 1,000
    random rollouts a move and 16 of 20 against 4,000; the weaker one won 12 of 20 against 1,000.

Source
    Piet Hein 1942, John Nash 1948. Cells are named as in SGF (GM[11]): a1 is the top left, b1 right of it.
"""

import numpy as np
from gymnasium import spaces

from envs.board.symmetries import HALF_TURN, of_board
from rlkit.environment import Environment, Vertices

MIN_SIZE, MAX_SIZE = 3, 11  # of the param board_size


def _spaces(params: np.record) -> tuple[spaces.Box, spaces.Discrete]:
    size, swap = int(params.board_size), int(params.swap)
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"board_size={size} is no board of Hex here: choose {MIN_SIZE} to {MAX_SIZE}")
    if swap not in (0, 1):
        raise ValueError(f"swap={swap} must be 0 (no swap) or 1 (the second player may swap)")
    return spaces.Box(0.0, 1.0, (3, size, size)), spaces.Discrete(size * size + swap)


ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/Hex-v0",
    observation_space=lambda params: _spaces(params)[0],
    action_space=lambda params: _spaces(params)[1],
    num_players=2,
    symmetries=lambda params: of_board(
        3, int(params.board_size), int(params.board_size), HALF_TURN, num_others=int(params.swap)
    ),
    gtp=lambda params: Vertices(
        int(params.board_size),
        int(params.board_size),
        ("swap-pieces",) * int(params.swap),
        from_top=True,
        letters="ABCDEFGHIJK",
    ),
    levels={
        "standard": {},
        "large": {"board_size": 11},
        "swap": {"swap": 1},
        "openings": {"max_random_plies": 8},
    },
)
