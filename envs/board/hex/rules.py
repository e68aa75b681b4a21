"""Hex's rules. Every stone knows which of its player's two sides it is joined to, so a win shows at the last stone.

Joining marks a chain at most once a game (a chain that gets both marks has won): a step costs no more on a large
board, and no chain is ever searched again.
"""

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import integer
from rlkit.engine.state import params_dtype, state_dtype

MAX_CELLS = 121  # of a board of 11 × 11
FIRST, SECOND, EMPTY = 1, -1, 0
BOTH_SIDES = 3  # bit 0: joined to the player's top or left side, bit 1: to the bottom or right one
NEIGHBOURS = ((-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0))  # (down, right)

STATE = state_dtype(
    board=(np.int8, (MAX_CELLS,)),  # row × board_size + column: EMPTY, or player × (1 + sides the stone is joined to)
    player=np.int8,  # who moves next, FIRST (joins top and bottom) or SECOND (left and right)
    last=np.int8,  # the cell of the newest stone, −1 at the start
    num_stones=np.int8,
)
PARAMS = params_dtype(
    board_size=7,  # rows and columns
    swap=0,  # 1: the second player may swap pieces after the first stone
    max_random_plies=0,  # an episode begins after 0 to so many uniformly random plies, none of which wins
)


@jit
def reset(state, params):
    state.board[:] = EMPTY
    state.player = FIRST
    state.last = -1
    state.num_stones = 0
    if params.max_random_plies > 0:
        for _ in range(integer(state, 0, int(params.max_random_plies) + 1)):
            _random_ply(state, int(params.board_size))


@jit
def _random_ply(state, size):
    """Put a stone on a random cell, unless that is taken or wins."""
    cell = integer(state, 0, size * size)
    if state.board[cell] == EMPTY:
        sides = _sides_at(state, size, cell)
        if sides != BOTH_SIDES:
            _place(state, size, cell, sides)


@jit
def step(state, params, action):
    size, cell = int(params.board_size), int(action)
    if cell == size * size:
        stone = int(state.last)
        state.board[stone] = EMPTY
        state.num_stones = 0
        cell = stone % size * size + stone // size  # mirrored: the cell (column, row)
    sides = _sides_at(state, size, cell)
    _place(state, size, cell, sides)
    if sides == BOTH_SIDES:
        return 1.0, True
    return 0.0, False


@jit
def _sides_at(state, size, cell):
    """Return which of the mover's sides a stone of his on `cell` would be joined to."""
    player, row, column = int(state.player), cell // size, cell % size
    along = row if player == FIRST else column
    sides = (along == 0) | (along == size - 1) << 1
    for down, right in NEIGHBOURS:
        r, c = row + down, column + right
        if 0 <= r < size and 0 <= c < size:
            stone = int(state.board[r * size + c]) * player
            if stone > 0:
                sides |= stone - 1
    return sides


@jit
def _place(state, size, cell, sides):
    _join(state, size, cell, sides)
    state.last = cell
    state.num_stones += 1
    state.player = -state.player


@jit
def _join(state, size, cell, sides):
    """Mark the mover's stone on `cell`, and the stones of its chain that were joined to no side, with `sides`."""
    player, row, column = int(state.player), cell // size, cell % size
    state.board[cell] = player * (1 + sides)
    if sides == 0:
        return
    for down, right in NEIGHBOURS:
        r, c = row + down, column + right
        if 0 <= r < size and 0 <= c < size and state.board[r * size + c] == player:
            _join(state, size, r * size + c, sides)


@jit
def observe(state, params, obs):
    player = int(state.player)
    flat = obs.flat
    num_cells = obs.size // 3
    for cell in range(num_cells):
        stone = int(state.board[cell]) * player
        flat[cell] = stone > 0
        flat[num_cells + cell] = stone < 0
        flat[2 * num_cells + cell] = player == FIRST


@jit
def action_mask(state, params, mask):
    num_cells = int(params.board_size) * int(params.board_size)
    for cell in range(num_cells):
        mask[cell] = state.board[cell] == EMPTY
    if params.swap:
        mask[num_cells] = state.num_stones == 1 and state.player == SECOND
