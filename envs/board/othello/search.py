"""Othello's reference player: alpha-beta over the bitboards of rules.py, the last cells searched to the end.

A value is for the side to move, in hundredths of a disc: an ended game counts its difference of discs × 100, a
position at the horizon is estimated. The terms of the estimate are the classical ones (P. S. Rosenbloom, "A
world-championship-level Othello program", 1982): moves to choose from, cells beside the other's discs, corners,
and discs that give an empty corner away; the weights are ours. Among moves, those that leave the other side
fewest replies are tried first.

A position is (own, other), the discs of the side to move and of the other side; in arrays, uint64 [B, 2].
"""

import numpy as np

from envs.board.othello.rules import CELLS, LINES, PASS, count_bits, flips, legal_moves, lowest_bit, to_int
from rlkit.engine.jit import jit

DISC = 100  # the value of a disc at the end
WIN = 100 * DISC  # above every value
ILLEGAL = -2 * WIN

# Weights of the estimate, in hundredths of a disc.
MOVE, BESIDE, CORNER, ON_DIAGONAL, ON_EDGE = 120, 40, 1000, 700, 250
CORNERS = ((0, 9, 1, 8), (7, 14, 6, 15), (56, 49, 48, 57), (63, 54, 55, 62))  # corner, diagonal neighbour, two on edges

MEMORY = np.dtype((np.record, np.dtype([
    ("moves", np.int64, (CELLS, CELLS)),  # per count of empty cells: the other side's replies << 6 | cell, ascending
], align=True)))  # fmt: skip


def new_memory() -> np.record:
    """What a search writes to: a record, as compiled code would count references to arrays at every call."""
    return np.zeros(1, MEMORY)[0]


@jit
def play(own, other, cell):
    """Return the position after a move to `cell`; sides have changed."""
    disc = 1 << cell
    turned = flips(own, other, disc)
    return other & ~turned, own | disc | turned


@jit
def beside(discs):
    """Return the cells next to `discs`, on lines on which those could be enclosed."""
    cells = 0
    for distance, inside in LINES:
        cells |= ((discs & inside) << distance) | ((discs & inside) >> distance)
    return cells


@jit
def side_at(own, other, cell):
    """Return 1 where a cell holds a disc of `own`, −1 of `other`, 0 where it is empty."""
    return ((own >> cell) & 1) - ((other >> cell) & 1)


@jit
def estimate(own, other, legal):
    """Estimate a position whose side to move has the moves `legal`."""
    empty = ~(own | other)
    value = MOVE * (count_bits(legal) - count_bits(legal_moves(other, own)))
    value += BESIDE * (count_bits(beside(other) & empty) - count_bits(beside(own) & empty))
    for corner, diagonal, edge, other_edge in CORNERS:
        holder = side_at(own, other, corner)
        value += CORNER * holder
        if holder == 0:
            value -= ON_DIAGONAL * side_at(own, other, diagonal)
            value -= ON_EDGE * (side_at(own, other, edge) + side_at(own, other, other_edge))
    return max(-WIN + 1, min(WIN - 1, value))


@jit
def sort_moves(own, other, legal, depth, memory):
    """Write the moves `legal` into their row of `memory`, fewest replies first; return (row, how many).

    Two plies from the horizon and nearer, sorting costs more than it saves.
    """
    row = CELLS - count_bits(own | other)
    count = 0
    while legal:
        key = lowest_bit(legal)
        legal &= legal - 1
        if depth > 2:
            next_own, next_other = play(own, other, key)
            key |= count_bits(legal_moves(next_own, next_other)) << 6
        place = count
        while place > 0 and memory.moves[row, place - 1] > key:
            memory.moves[row, place] = memory.moves[row, place - 1]
            place -= 1
        memory.moves[row, place] = key
        count += 1
    return row, count


@jit
def search(own, other, depth, alpha, beta, memory):
    """Return the value of a position; at or below `alpha` it is an upper bound, from `beta` on a lower one.

    It calls nothing that calls it back: with functions that recurse by turns, Numba 0.68 crashes once it loads
    them from its cache.
    """
    legal = legal_moves(own, other)
    if legal == 0:
        if legal_moves(other, own) == 0:
            return DISC * (count_bits(own) - count_bits(other))
        return -search(other, own, depth, -beta, -alpha, memory)  # a pass; it takes nothing from the depth
    if depth == 0:
        return estimate(own, other, legal)
    row, count = sort_moves(own, other, legal, depth, memory)
    best = -WIN
    for i in range(count):
        next_own, next_other = play(own, other, int(memory.moves[row, i]) & 63)
        best = max(best, -search(next_own, next_other, depth - 1, -beta, -max(alpha, best), memory))
        if best >= beta:
            break
    return best


@jit
def choose_moves(positions, depth, num_exact, actions, memory):
    """Write the best action of each position into `actions` [B].

    The search looks `depth` plies ahead, and to the end from `num_exact` empty cells on.
    """
    for i in range(positions.shape[0]):
        own, other = to_int(positions[i, 0]), to_int(positions[i, 1])
        num_empty = CELLS - count_bits(own | other)
        plies = num_empty if num_empty <= num_exact else depth
        row, count = sort_moves(own, other, legal_moves(own, other), plies, memory)
        actions[i] = PASS
        best = -WIN
        for j in range(count):
            cell = int(memory.moves[row, j]) & 63
            next_own, next_other = play(own, other, cell)
            value = -search(next_own, next_other, plies - 1, -WIN, -best, memory)
            if value > best:
                best = value
                actions[i] = cell


@jit
def score_moves(positions, depth, window, scores, memory):
    """Write every action's value into `scores` [B, 65], `ILLEGAL` where there is none.

    Values are right between −window and window, and beyond at least on the right side: with a window of 1 they
    are wins, draws and losses. A `depth` of at least the empty cells searches to the end.
    """
    for i in range(positions.shape[0]):
        own, other = to_int(positions[i, 0]), to_int(positions[i, 1])
        legal = legal_moves(own, other)
        for cell in range(CELLS):
            scores[i, cell] = ILLEGAL
            if (legal >> cell) & 1:
                next_own, next_other = play(own, other, cell)
                scores[i, cell] = -search(next_own, next_other, depth - 1, -window, window, memory)
        scores[i, PASS] = ILLEGAL
        if legal == 0 and legal_moves(other, own) != 0:
            scores[i, PASS] = -search(other, own, depth, -window, window, memory)


@jit
def turn_most(positions, actions):
    """Write the action that turns most discs, the first among equals, into `actions` [B]."""
    for i in range(positions.shape[0]):
        own, other = to_int(positions[i, 0]), to_int(positions[i, 1])
        legal = legal_moves(own, other)
        actions[i] = PASS
        most = 0
        while legal:
            disc = legal & -legal
            legal &= legal - 1
            count = count_bits(flips(own, other, disc))
            if count > most:
                most = count
                actions[i] = lowest_bit(disc)
