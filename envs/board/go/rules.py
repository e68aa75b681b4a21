"""Go's rules: area scoring, no suicide, no position of the last eight again.

Points lie on a board with a margin: point (row + 1) × STRIDE + column + 1, row 0 at the top. A margin point is
EDGE, so a neighbour is always ± 1 or ± STRIDE away and no bounds are checked. Chains are circular lists with their
number of liberties, kept up to date stone by stone: a legal move is found by a look at its four neighbours.
"""

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import integer, streams
from rlkit.engine.state import params_dtype, state_dtype

MAX_SIZE = 9  # so that a point fits an int8: a tree search copies the state at every node
FIRST, SECOND, EMPTY, EDGE = 1, -1, 0, 3  # FIRST is Black
STRIDE = MAX_SIZE + 1
NUM_POINTS = STRIDE * (MAX_SIZE + 2)  # 110 of 9 × 9 and the margin: a point fits an int8
NEIGHBOURS = (-STRIDE, -1, 1, STRIDE)
NO_POINT = 0  # a corner of the margin, which no stone can take
MEMORY = 8  # positions that may not come again

# One random number of 63 bits a colour and point; a position is the exclusive or of its stones' (A. Zobrist, 1970).
STONE_KEYS = (streams(0, 2 * NUM_POINTS) >> np.uint64(1)).astype(np.int64).reshape(2, NUM_POINTS)

STATE = state_dtype(
    positions=(np.int64, (MEMORY,)),  # keys of the last boards, the newest first; −1: there was none yet
    board=(np.int8, (NUM_POINTS,)),  # FIRST, SECOND, EMPTY or EDGE
    chain=(np.int8, (NUM_POINTS,)),  # of a stone: the point that names its chain; elsewhere NO_POINT
    next_stone=(np.int8, (NUM_POINTS,)),  # of a stone: another of its chain, round in a circle
    liberties=(np.int8, (NUM_POINTS,)),  # of a chain, at its name; at the end also marks of empty points, see score
    since_capture=np.int8,  # stones played since the last capture, at most MEMORY
    player=np.int8,  # who moves next, FIRST or SECOND
    last=np.int8,  # the action played last, −1 at the start
    passes=np.int8,  # in a row, just now; the second ends the game
)
PARAMS = params_dtype(
    board_size=9,  # rows and columns, 2 to 9
    komi=7.5,  # points that White gets for moving second
    max_random_plies=0,  # an episode begins after 0 to so many uniformly random stones
)


@jit
def reset(state, params):
    size = int(params.board_size)
    state.positions[:] = -1
    state.positions[0] = 0
    state.board[:] = EDGE
    for row in range(size):
        for column in range(size):
            state.board[(row + 1) * STRIDE + column + 1] = EMPTY
    state.chain[:] = NO_POINT
    state.next_stone[:] = NO_POINT
    state.liberties[:] = 0
    state.since_capture = MEMORY
    state.player = FIRST
    state.last = -1
    state.passes = 0
    if params.max_random_plies > 0:
        for _ in range(integer(state, 0, int(params.max_random_plies) + 1)):
            _random_ply(state, size)


@jit
def _random_ply(state, size):
    """Put a stone on a random cell, unless that is illegal."""
    cell = integer(state, 0, size * size)
    point = point_of(cell, size)
    if is_legal(state, point):
        place(state, point)
        state.last = cell
        state.player = -state.player


@jit
def point_of(cell, size):
    """Return the point of a cell, row × size + column."""
    return (cell // size + 1) * STRIDE + cell % size + 1


@jit
def is_legal(state, point):
    """Return whether the side to move may put a stone on a point of the board."""
    return state.board[point] == EMPTY and _can_live(state, point) and not repeats(state, point)


@jit
def _can_live(state, point):
    """Return whether a stone on an empty point has a liberty once what it captures is gone."""
    player = int(state.player)
    for offset in NEIGHBOURS:
        neighbour = point + offset
        stone = int(state.board[neighbour])
        if stone == EMPTY:
            return True
        if stone != EDGE and (stone == player) == (state.liberties[state.chain[neighbour]] > 1):
            return True
    return False


@jit
def repeats(state, point):
    """Return whether a stone on an empty point would bring back one of the last `MEMORY` positions.

    For that, the stone itself must have been there and been captured since.
    """
    if state.since_capture >= MEMORY:
        return False
    player = int(state.player)
    key = int(state.positions[0]) ^ _stone_key(player, point)
    for k in range(4):
        neighbour = point + NEIGHBOURS[k]
        is_captured = state.board[neighbour] == -player and state.liberties[state.chain[neighbour]] == 1
        if is_captured and _is_first(state, point, k):
            key ^= _chain_key(state, neighbour, -player)
    found = False
    for k in range(MEMORY):
        found |= state.positions[k] == key
    return found


@jit
def _stone_key(player, point):
    return int(STONE_KEYS[0 if player == FIRST else 1, point])


@jit
def _chain_key(state, start, player):
    """Return the exclusive or of the keys of a chain's stones."""
    key, stone = _stone_key(player, start), int(state.next_stone[start])
    while stone != start:
        key ^= _stone_key(player, stone)
        stone = int(state.next_stone[stone])
    return key


@jit
def _is_first(state, point, k):
    """Return whether the chain at neighbour k of a point has no stone among the neighbours before k.

    So a point's chains are met once each, and a chain's liberties counted once each, without any notes.
    """
    name, is_first = state.chain[point + NEIGHBOURS[k]], True
    for earlier in range(k):
        is_first &= state.chain[point + NEIGHBOURS[earlier]] != name
    return is_first


@jit
def place(state, point):
    """Put a stone of the side to move on a point where it is legal; whose turn it is stays."""
    player = int(state.player)
    state.board[point] = player
    state.chain[point] = point
    state.next_stone[point] = point
    key = int(state.positions[0]) ^ _stone_key(player, point)
    since_capture = min(int(state.since_capture) + 1, MEMORY)
    for k in range(4):
        neighbour = point + NEIGHBOURS[k]
        if state.board[neighbour] == -player and _is_first(state, point, k):
            name = int(state.chain[neighbour])
            state.liberties[name] -= 1
            if state.liberties[name] == 0:
                key ^= _chain_key(state, neighbour, -player)
                _capture(state, neighbour)
                since_capture = 0
    for offset in NEIGHBOURS:
        neighbour = point + offset
        if state.board[neighbour] == player and state.chain[neighbour] != state.chain[point]:
            _join(state, point, neighbour)
    _count_liberties(state, point)
    state.since_capture = since_capture
    for k in range(MEMORY - 1, 0, -1):
        state.positions[k] = state.positions[k - 1]
    state.positions[0] = key


@jit
def _capture(state, start):
    """Take a chain off the board; the chains around it gain the liberties."""
    stone = start
    while True:
        state.board[stone] = EMPTY
        state.chain[stone] = NO_POINT
        for k in range(4):
            name = int(state.chain[stone + NEIGHBOURS[k]])
            if name != NO_POINT and _is_first(state, stone, k):
                state.liberties[name] += 1
        stone = int(state.next_stone[stone])
        if stone == start:
            break


@jit
def _join(state, point, neighbour):
    """Add the stones of the chain at `point` to the chain of `neighbour`."""
    name, stone = int(state.chain[neighbour]), int(state.next_stone[point])
    state.chain[point] = name
    while stone != point:
        state.chain[stone] = name
        stone = int(state.next_stone[stone])
    after = int(state.next_stone[point])  # two circles become one when the successors of one stone each change places
    state.next_stone[point] = state.next_stone[neighbour]
    state.next_stone[neighbour] = after


@jit
def _count_liberties(state, start):
    """Count the liberties of the chain at `start` anew."""
    name, count, stone = int(state.chain[start]), 0, start
    while True:
        for k in range(4):
            liberty = stone + NEIGHBOURS[k]
            if state.board[liberty] == EMPTY and _is_first(state, liberty, 3 - k):  # from there, we are neighbour 3 − k
                count += 1
        stone = int(state.next_stone[stone])
        if stone == start:
            break
    state.liberties[name] = count


@jit
def step(state, params, action):
    size, player = int(params.board_size), int(state.player)
    if action < size * size:
        place(state, point_of(int(action), size))
        state.passes = 0
    else:
        state.passes += 1
    state.last = action
    state.player = -player
    if state.passes < 2:
        return 0.0, False
    lead = player * score(state.board, params, state.liberties)
    return float((lead > 0) - (lead < 0)), True


@jit
def score(board, params, marks):
    """Return Black's area less White's and komi: stones, and empty points that reach stones of one colour only.

    Writes into `marks` [NUM_POINTS] whose stones an empty point reaches: 1 Black's, 2 White's, 3 both, 0 none; the
    marks of other points stay as they are, so that the state's `liberties` can take them when a game is over.
    """
    _mark_area(board, marks)
    lead = 0
    for point in range(NUM_POINTS):
        mark = _mark(board, marks, point)
        lead += (mark == 1) - (mark == 2)
    return lead - float(params.komi)


@jit
def _mark_area(board, marks):
    for point in range(NUM_POINTS):
        if board[point] == EMPTY:
            marks[point] = 0
    changed = True
    while changed:  # sweeps to and fro until nothing spreads any more
        changed = False
        for k in range(2 * NUM_POINTS):
            point = k if k < NUM_POINTS else 2 * NUM_POINTS - 1 - k
            if board[point] == EMPTY:
                reached = int(marks[point])
                for offset in NEIGHBOURS:
                    reached |= _mark(board, marks, point + offset)
                changed |= reached != marks[point]
                marks[point] = reached


@jit
def _mark(board, marks, point):
    stone = int(board[point])
    return int(marks[point]) if stone == EMPTY else 1 if stone == FIRST else 2 if stone == SECOND else 0


@jit
def observe(state, params, obs):
    size, player = int(params.board_size), int(state.player)
    is_white, has_passed = player == SECOND, state.passes > 0
    for row in range(size):
        for column in range(size):
            point = (row + 1) * STRIDE + column + 1
            stone = int(state.board[point]) * player
            liberties = int(state.liberties[state.chain[point]]) if stone else 0
            obs[0, row, column] = stone == 1
            obs[1, row, column] = stone == -1
            obs[2, row, column] = stone == 1 and liberties == 1
            obs[3, row, column] = stone == -1 and liberties == 1
            obs[4, row, column] = stone == 1 and liberties == 2
            obs[5, row, column] = stone == -1 and liberties == 2
            obs[6, row, column] = stone == 0 and repeats(state, point)
            obs[7, row, column] = is_white
            obs[8, row, column] = has_passed


@jit
def action_mask(state, params, mask):
    size = int(params.board_size)
    for row in range(size):
        for column in range(size):
            mask[row * size + column] = is_legal(state, (row + 1) * STRIDE + column + 1)
    mask[size * size] = True
