"""Connect Four's rules, on bitboards: bit row × 7 + column, row 0 at the bottom."""

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import integer
from rlkit.engine.state import params_dtype, state_dtype

ROWS, COLS = 6, 7
CELLS = ROWS * COLS
FULL = (1 << CELLS) - 1
FIRST, SECOND = 1, -1

# (step from a disc to the next in line, cells where such a line of four may start): across, up, and both diagonals
_LEFT = sum(1 << (row * COLS + column) for row in range(ROWS) for column in range(4))
_RIGHT = sum(1 << (row * COLS + column) for row in range(ROWS) for column in range(3, COLS))
LINES = ((1, _LEFT), (COLS, FULL), (COLS + 1, _LEFT), (COLS - 1, _RIGHT))

STATE = state_dtype(
    discs=(np.int64, (2,)),  # bitboards of FIRST's and SECOND's discs
    height=(np.int8, (COLS,)),  # discs in each column
    player=np.int8,  # who moves next, FIRST or SECOND
    last=np.int8,  # the column played last, −1 at the start
)
PARAMS = params_dtype(
    max_random_plies=0,  # an episode begins after 0 to so many uniformly random plies, none of which wins
)


@jit
def reset(state, params):
    state.discs[:] = 0
    state.height[:] = 0
    state.player = FIRST
    state.last = -1
    if params.max_random_plies > 0:
        for _ in range(integer(state, 0, int(params.max_random_plies) + 1)):
            _random_ply(state)


@jit
def _random_ply(state):
    """Drop a disc into a random column, unless that is full, wins, or fills the board."""
    column = integer(state, 0, COLS)
    side = 0 if state.player == FIRST else 1
    row = int(state.height[column])
    disc = 1 << (row * COLS + column)
    own, other = int(state.discs[side]) | disc, int(state.discs[1 - side])
    if row < ROWS and not has_four(own) and own | other != FULL:
        _place(state, column, side, own)


@jit
def _place(state, column, side, discs):
    state.discs[side] = discs
    state.height[column] += 1
    state.last = column
    state.player = -state.player


@jit
def has_four(discs):
    """Return whether a bitboard holds four in a line."""
    found = 0
    for step, starts in LINES:
        found |= discs & (discs >> step) & (discs >> 2 * step) & (discs >> 3 * step) & starts
    return found != 0


@jit
def step(state, params, action):
    side = 0 if state.player == FIRST else 1
    discs = int(state.discs[side]) | (1 << (int(state.height[action]) * COLS + int(action)))
    _place(state, action, side, discs)
    if has_four(discs):
        return 1.0, True
    return 0.0, (discs | int(state.discs[1 - side])) == FULL


@jit
def observe(state, params, obs):
    side = 0 if state.player == FIRST else 1
    own, other = int(state.discs[side]), int(state.discs[1 - side])
    flat = obs.flat
    for cell in range(
        obs.size // 2
    ):  # a bound unknown to the compiler: it keeps one loop and vectorises it, 4 × faster
        flat[cell] = (own >> cell) & 1
        flat[CELLS + cell] = (other >> cell) & 1


@jit
def action_mask(state, params, mask):
    for column in range(COLS):
        mask[column] = state.height[column] < ROWS
