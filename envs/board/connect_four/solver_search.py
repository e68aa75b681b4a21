"""The compiled search of the Connect Four solver: null-window alpha-beta over bitboards.

Positions are those of `bitboard.py`, scores those of `solver.py`.

Sources of the ideas (no code taken): null windows that halve the range of the score, moves ordered by the
threats they make, moves that lose at once left out: P. Pons, "Solving Connect 4: how to build a perfect AI",
blog.gamesolver.org; asking the table about all children before any is searched: A. Plaat et al., "Exploiting
graph properties of game trees", AAAI 1996.

The table is small on purpose: 2 MiB stay in the processor's own cache. On two cores of an AMD EPYC (Zen 5) it
searches more nodes than a table of 128 MiB, but 3 times as many a second, and is done in half the time.
"""

import numpy as np

from envs.board.connect_four.bitboard import BOARD, BOTTOM, CENTRE_FIRST, ILLEGAL, NUM_CELLS
from rlkit.engine.jit import jit

COLUMN = 63  # the cells of column 0
MAX_SCORE = 18  # a win with the fourth disc

# An entry of the table: check (32 bits) | cells left (6) | upper bound + 64 (7) | lower bound + 64 (7).
# A key times an odd number, modulo 2^49, is a permutation of the keys: its first bits choose a pair of
# entries, and the others, plus one so that nothing matches an empty entry, identify the position exactly.
KEY_BITS = 49
PAIR_BITS = 17
CHECK_BITS = KEY_BITS - PAIR_BITS
MULTIPLIER = 0x1E3779B97F4A7
MEMORY = np.dtype((np.record, np.dtype([
    ("table", np.int64, (2 << PAIR_BITS,)),
    ("moves", np.int64, (NUM_CELLS, 7)),  # per ply: threats made << 56 | bit of the move, best first
], align=True)))  # fmt: skip


def new_memory() -> np.record:
    """What a search writes to: a record, as compiled code would count references to arrays at every call."""
    return np.zeros(1, MEMORY)[0]


@jit
def count_bits(bits):
    count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


@jit
def winning_cells(own, filled):
    """The empty cells, reachable at once or not, that complete four of `own`."""
    cells = (own << 1) & (own << 2) & (own << 3)
    for step in (6, 7, 8):
        two_below = (own << step) & (own << (2 * step))
        two_above = (own >> step) & (own >> (2 * step))
        cells |= two_below & ((own << (3 * step)) | (own >> step))
        cells |= two_above & ((own >> (3 * step)) | (own << step))
    return cells & (BOARD ^ filled)


@jit
def table_place(own, filled):
    """Where the table keeps a position: (the first entry of its pair, check)."""
    hashed = ((own + filled) * MULTIPLIER) & ((1 << KEY_BITS) - 1)
    return (hashed >> CHECK_BITS) << 1, (hashed & ((1 << CHECK_BITS) - 1)) + 1


@jit
def bounds(own, filled, memory):
    """What the table knows: (lower, upper) bound of the score, (-64, 64) if nothing."""
    pair, check = table_place(own, filled)
    entry = int(memory.table[pair])
    if entry >> 20 != check:
        entry = int(memory.table[pair + 1])
    if entry >> 20 != check:
        return -64, 64
    return (entry & 127) - 64, ((entry >> 7) & 127) - 64


@jit
def remember(own, filled, num_discs, low, high, memory):
    """Store bounds. The first entry of a pair keeps the position with fewer discs: its subtree cost most."""
    pair, check = table_place(own, filled)
    cells_left = NUM_CELLS - num_discs
    entry = (((check << 6) | cells_left) << 14) | ((high + 64) << 7) | (low + 64)
    first = int(memory.table[pair])
    if first >> 20 == check:
        memory.table[pair] = entry
    elif cells_left >= (first >> 14) & 63:
        memory.table[pair + 1] = first
        memory.table[pair] = entry
    else:
        memory.table[pair + 1] = entry


@jit
def non_losing_moves(own, filled):
    """The cells where a disc may go without the other side winning in reply (given that we cannot win)."""
    playable = (filled + BOTTOM) & BOARD
    threats = winning_cells(own ^ filled, filled)
    moves = playable & ~(threats >> 1)
    forced = playable & threats
    if forced & (forced - 1):
        return 0
    if forced:
        return moves & forced
    return moves


@jit
def sort_moves(own, filled, num_discs, moves, memory):
    """Sort `moves` into `memory.moves[num_discs]`, most threats, then centre first. Returns how many."""
    count = 0
    for column in CENTRE_FIRST:
        move = moves & (COLUMN << (7 * column))
        if move:
            threats = count_bits(winning_cells(own | move, filled | move))
            place = count
            while place > 0 and memory.moves[num_discs, place - 1] >> 56 < threats:
                memory.moves[num_discs, place] = memory.moves[num_discs, place - 1]
                place -= 1
            memory.moves[num_discs, place] = (threats << 56) | move
            count += 1
    return count


@jit
def search(own, filled, num_discs, alpha, memory):
    """A bound of the score of a position where the side to move cannot win at once.

    The result is an upper bound if it is <= alpha, else a lower bound.
    """
    moves = non_losing_moves(own, filled)
    if moves == 0:
        return -((NUM_CELLS - num_discs) >> 1)  # the other side wins with its next disc
    if num_discs >= NUM_CELLS - 2:
        return 0
    other = own ^ filled
    low, high = bounds(own, filled, memory)
    low = max(low, -((NUM_CELLS - 2 - num_discs) >> 1))  # neither side wins with its next disc
    high = min(high, (NUM_CELLS - 1 - num_discs) >> 1)
    if low > alpha:
        return low
    if high <= alpha:
        return high
    count = sort_moves(own, filled, num_discs, moves, memory)
    for i in range(count):
        move = int(memory.moves[num_discs, i]) & BOARD
        child_high = bounds(other, filled | move, memory)[1]
        if -child_high > alpha:
            return -child_high
    best = -64
    for i in range(count):
        move = int(memory.moves[num_discs, i]) & BOARD
        best = max(best, -search(other, filled | move, num_discs + 1, -alpha - 1, memory))
        if best > alpha:
            break
    if best > alpha:
        low = max(low, best)
    else:
        high = min(high, best)
    remember(own, filled, num_discs, low, high, memory)
    return best


@jit
def solve(own, filled, low, memory):
    """The exact score of a live position, which the caller knows to be at least `low`."""
    num_discs = count_bits(filled)
    if winning_cells(own, filled) & (filled + BOTTOM):
        return (NUM_CELLS + 1 - num_discs) >> 1
    low = max(low, -((NUM_CELLS - num_discs) >> 1))
    high = max(low, (NUM_CELLS - 1 - num_discs) >> 1)
    while low < high:
        middle = (low + high) >> 1
        bound = search(own, filled, num_discs, middle, memory)
        if bound > middle:
            low = bound
        else:
            high = bound
    return low


@jit
def score_moves(own, filled, high, scores, memory):
    """Write the exact score of every move into `scores` [7]; none is above `high`, as the caller knows."""
    wins = winning_cells(own, filled)
    for column in CENTRE_FIRST:
        move = (filled + (1 << (7 * column))) & (COLUMN << (7 * column))
        if move == 0:
            scores[column] = ILLEGAL
        elif move & wins:
            scores[column] = (NUM_CELLS + 1 - count_bits(filled)) >> 1
        else:
            scores[column] = -solve(own ^ filled, filled | move, -high, memory)
