"""Connect Four's rules."""

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.state import params_dtype, state_dtype

ROWS, COLS = 6, 7
FIRST, SECOND, EMPTY = 1, -1, 0

STATE = state_dtype(
    board=(np.int8, (ROWS, COLS)),  # FIRST, SECOND or EMPTY; row 0 is the bottom
    height=(np.int8, (COLS,)),  # discs in each column
    player=np.int8,  # who moves next, FIRST or SECOND
    last=np.int8,  # the column played last, −1 at the start
)
PARAMS = params_dtype()


@jit
def reset(state, params):
    state.board[:] = EMPTY
    state.height[:] = 0
    state.player = FIRST
    state.last = -1


@jit
def _run_length(board, row, column, row_step, column_step, player):
    """Count `player`'s discs next to (row, column) in one direction, the disc there not counted."""
    length = 0
    row, column = row + row_step, column + column_step
    while 0 <= row < ROWS and 0 <= column < COLS and board[row, column] == player:
        length += 1
        row, column = row + row_step, column + column_step
    return length


@jit
def makes_four(board, row, column, player):
    """Return whether `player`'s disc at (row, column) stands in a line of four."""
    if _run_length(board, row, column, -1, 0, player) >= 3:
        return True
    for slope in range(-1, 2):
        left = _run_length(board, row, column, -slope, -1, player)
        if left + _run_length(board, row, column, slope, 1, player) >= 3:
            return True
    return False


@jit
def step(state, params, action):
    player, row = int(state.player), int(state.height[action])
    state.board[row, action] = player
    state.height[action] = row + 1
    state.last = action
    state.player = -player
    if makes_four(state.board, row, action, player):
        return 1.0, True
    return 0.0, state.height.sum() == ROWS * COLS


@jit
def observe(state, params, obs):
    player = int(state.player)
    for row in range(ROWS):
        for column in range(COLS):
            disc = int(state.board[row, column]) * player
            obs[0, row, column] = disc == 1
            obs[1, row, column] = disc == -1


@jit
def action_mask(state, params, mask):
    for column in range(COLS):
        mask[column] = state.height[column] < ROWS
