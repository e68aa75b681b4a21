"""The compiled part of Go's rule: a rough estimate of the area, and the move after which it is best.

Every stone spreads influence that halves with each step of distance (A. Zobrist, "A model of visual organization
for the game of Go", 1969); a point belongs, more or less, to the colour with more of it there, so stones among
stronger enemies count as theirs. Tactics are what the liberties say: chains that the side to move can capture at
once count as lost, the other side's chains in atari as half alive.
"""

import numpy as np

from envs.board.go.rules import (
    EDGE,
    EMPTY,
    FIRST,
    MEMORY,
    NEIGHBOURS,
    SECOND,
    STRIDE,
    is_legal,
    place,
    point_of,
    reset,
    score,
)
from rlkit.engine.jit import jit

REACH = 5  # influence ends at so many steps
SPREAD = 0.5 ** np.arange(REACH)  # influence at each distance from a stone of full strength


@jit
def set_position(state, params, stones, player):
    """Begin at a position: `stones` [n, n] of FIRST, SECOND and EMPTY, in which every chain has a liberty."""
    reset(state, params)
    for row in range(stones.shape[0]):
        for column in range(stones.shape[1]):
            if stones[row, column] != EMPTY:
                state.player = stones[row, column]
                place(state, (row + 1) * STRIDE + column + 1)
    state.positions[1:] = -1
    state.since_capture = MEMORY
    state.player = player


@jit
def is_eye(state, point, player):
    """Return whether an empty point is an eye of `player` that nothing can break."""
    for offset in NEIGHBOURS:
        stone = int(state.board[point + offset])
        if stone != player and stone != EDGE:
            return False
    num_enemies, num_edges = 0, 0
    for offset in (-STRIDE - 1, -STRIDE + 1, STRIDE - 1, STRIDE + 1):
        num_enemies += state.board[point + offset] == -player
        num_edges += state.board[point + offset] == EDGE
    return num_enemies + (num_edges > 0) < 2


@jit
def estimate(state, size):
    """Return the estimated area of the side that has just moved less the other's."""
    player, lead = -int(state.player), 0.0
    for row in range(size):
        for column in range(size):
            influence = 0.0
            for other_row in range(max(0, row - REACH + 1), min(size, row + REACH)):
                left = REACH - 1 - abs(other_row - row)
                for other_column in range(max(0, column - left), min(size, column + left + 1)):
                    distance = abs(other_row - row) + abs(other_column - column)
                    point = (other_row + 1) * STRIDE + other_column + 1
                    influence += SPREAD[distance] * _strength(state, point, player)
            lead += min(1.0, max(-1.0, influence))
    return lead


@jit
def _strength(state, point, player):
    """Return what a stone on a point is worth to `player`, who has just moved."""
    stone = int(state.board[point]) * player
    if stone == EMPTY:
        return 0.0
    in_atari = state.liberties[state.chain[point]] == 1
    if stone > 0:
        return -1.0 if in_atari else 1.0
    return -0.5 if in_atari else -1.0


@jit
def best_action(states, params, mask, opponent_passed):
    """Return the action of the side to move in `states[0]`; `states` [2] are written to.

    Never filled are the own eyes, never played are stones into atari that capture nothing. With nothing else to
    play it passes, and also answers a pass that leaves it ahead.
    """
    size, player = int(params.board_size), int(states[0].player)
    if opponent_passed and player * score(states[0].board, params, states[0].liberties) > 0:
        return size * size
    best, best_value = size * size, -np.inf
    for cell in range(size * size):
        point = point_of(cell, size)
        if not mask[cell] or not is_legal(states[0], point) or is_eye(states[0], point, player):
            continue
        states[1] = states[0]
        place(states[1], point)
        states[1].player = -player
        if states[1].liberties[states[1].chain[point]] == 1 and states[1].since_capture > 0:
            continue
        value = estimate(states[1], size)
        if value > best_value:
            best, best_value = cell, value
    return best


@jit
def best_actions(planes, masks, params, states, actions):
    """Write the rule's action for each observation [B, C, n, n] into `actions` [B]."""
    size = planes.shape[2]
    stones = planes[0, 0].astype(np.int8)
    for k in range(planes.shape[0]):
        player = SECOND if planes[k, 7, 0, 0] else FIRST
        for row in range(size):
            for column in range(size):
                stones[row, column] = player * int(planes[k, 0, row, column] - planes[k, 1, row, column])
        set_position(states[0], params, stones, player)
        actions[k] = best_action(states, params, masks[k], planes[k, 8, 0, 0] > 0)
