"""Tic-tac-toe's rules."""

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import integer
from rlkit.engine.state import params_dtype, state_dtype

FIRST, SECOND, EMPTY = 1, -1, 0
SIZE = 3

STATE = state_dtype(
    board=(np.int8, (SIZE, SIZE)),  # FIRST, SECOND or EMPTY; row 0 is the top
    player=np.int8,  # who moves next, FIRST or SECOND
    last=np.int8,  # the cell played last, −1 at the start
)
PARAMS = params_dtype(
    max_random_plies=0,  # an episode begins after 0 to so many uniformly random plies, none of which ends the game
)


@jit
def reset(state, params):
    state.board[:] = EMPTY
    state.player = FIRST
    state.last = -1
    if params.max_random_plies > 0:
        for _ in range(integer(state, 0, int(params.max_random_plies) + 1)):
            _random_ply(state, params)


@jit
def _random_ply(state, params):
    """Play a random cell, unless that is taken or ends the game."""
    cell = integer(state, 0, SIZE * SIZE)
    if state.board[cell // SIZE, cell % SIZE] == EMPTY:
        last = int(state.last)
        _, terminated = step(state, params, cell)
        if terminated:
            state.board[cell // SIZE, cell % SIZE] = EMPTY
            state.player = -state.player
            state.last = last


@jit
def step(state, params, action):
    row, column = action // SIZE, action % SIZE
    player = int(state.player)
    board = state.board
    board[row, column] = player
    state.last = action
    state.player = -player

    in_row, in_column, in_diagonal, in_antidiagonal, empty = 0, 0, 0, 0, 0
    for i in range(SIZE):
        in_row += board[row, i] == player
        in_column += board[i, column] == player
        in_diagonal += board[i, i] == player
        in_antidiagonal += board[i, SIZE - 1 - i] == player
        for j in range(SIZE):
            empty += board[i, j] == EMPTY
    if max(in_row, in_column, in_diagonal, in_antidiagonal) == SIZE:
        return 1.0, True
    return 0.0, empty == 0


@jit
def observe(state, params, obs):
    player = int(state.player)
    for row in range(SIZE):
        for column in range(SIZE):
            stone = int(state.board[row, column]) * player
            obs[0, row, column] = stone == 1
            obs[1, row, column] = stone == -1


@jit
def action_mask(state, params, mask):
    for cell in range(SIZE * SIZE):
        mask[cell] = state.board[cell // SIZE, cell % SIZE] == EMPTY
