"""Gomoku's rules. A row of a side's stones is one small integer, so that even 15 × 15 takes few bytes to copy."""

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import integer
from rlkit.engine.state import params_dtype, state_dtype

MAX_SIZE = 15  # rows and columns; a row of 15 bits is a positive int16
FIRST, SECOND = 1, -1
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))  # (down, right): across, down and both diagonals

STATE = state_dtype(
    stones=(np.int16, (2, MAX_SIZE)),  # FIRST's and SECOND's, a row of the board each: bit = column, row 0 the top
    last=np.int16,  # the point played last, row × board_size + column, −1 at the start
    num_stones=np.int16,
    player=np.int8,  # who moves next, FIRST or SECOND
)
PARAMS = params_dtype(
    board_size=9,  # rows and columns
    row_length=5,  # so many stones in a line win, and more do too
    max_random_plies=0,  # an episode begins after 0 to so many uniformly random plies, none of which ends the game
)


@jit
def reset(state, params):
    state.stones[:] = 0
    state.last = -1
    state.num_stones = 0
    state.player = FIRST
    if params.max_random_plies > 0:
        for _ in range(integer(state, 0, int(params.max_random_plies) + 1)):
            _random_ply(state, params)


@jit
def _random_ply(state, params):
    """Put a stone on a random point, unless that is taken, wins, or fills the board."""
    num_points = int(params.board_size) * int(params.board_size)
    point = integer(state, 0, num_points)
    row, column = point // int(params.board_size), point % int(params.board_size)
    is_last = int(state.num_stones) == num_points - 1
    if not _taken(state, row, column) and not is_last and not _wins_at(state, params, row, column):
        _place(state, row, column, point)


@jit
def step(state, params, action):
    size, point = int(params.board_size), int(action)
    row, column = point // size, point % size
    is_won = _wins_at(state, params, row, column)
    _place(state, row, column, point)
    if is_won:
        return 1.0, True
    return 0.0, int(state.num_stones) == size * size


@jit
def _taken(state, row, column):
    return (int(state.stones[0, row]) | int(state.stones[1, row])) >> column & 1


@jit
def _place(state, row, column, point):
    side = 0 if state.player == FIRST else 1
    state.stones[side, row] = int(state.stones[side, row]) | (1 << column)
    state.last = point
    state.num_stones += 1
    state.player = -state.player


@jit
def _wins_at(state, params, row, column):
    """Return whether the mover's stone there makes a line that is long enough; only its four lines are looked at."""
    side = 0 if state.player == FIRST else 1
    size, row_length = int(params.board_size), int(params.row_length)
    for down, right in DIRECTIONS:
        length = 1 + _run(state, size, side, row, column, down, right)
        if length + _run(state, size, side, row, column, -down, -right) >= row_length:
            return True
    return False


@jit
def _run(state, size, side, row, column, down, right):
    """Return how many stones of a side follow one another from beside a point on."""
    length = 0
    row += down
    column += right
    while 0 <= row < size and 0 <= column < size and int(state.stones[side, row]) >> column & 1:
        length += 1
        row += down
        column += right
    return length


@jit
def observe(state, params, obs):
    side = 0 if state.player == FIRST else 1
    for row in range(obs.shape[1]):
        own, other = int(state.stones[side, row]), int(state.stones[1 - side, row])
        for column in range(obs.shape[2]):
            obs[0, row, column] = own >> column & 1
            obs[1, row, column] = other >> column & 1


@jit
def action_mask(state, params, mask):
    size = int(params.board_size)
    for row in range(size):
        taken = int(state.stones[0, row]) | int(state.stones[1, row])
        for column in range(size):
            mask[row * size + column] = (taken >> column & 1) == 0
