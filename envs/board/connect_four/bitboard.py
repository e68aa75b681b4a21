"""Connect Four boards as integers, for the solver and its book.

Bit `7 * column + row` is a cell (row 0 at the bottom); the seventh bit of each column stays empty, so that
shifted boards do not wrap. A position is `own`, the discs of the side to move, and `filled`, the discs of
both; their sum is a unique key (J. Tromp, Fhourstones). All functions take integers or int64 arrays of them.
"""

NUM_CELLS = 42
BOTTOM = sum(1 << (7 * column) for column in range(7))  # row 0
BOARD = 63 * BOTTOM
CENTRE_FIRST = (3, 2, 4, 1, 5, 0, 6)
ILLEGAL = -128  # the "score" of a full column


def drop(own, filled, column):
    """The position (own, filled) after a disc into `column`, which must not be full; sides have changed."""
    return own ^ filled, filled | (filled + (1 << (7 * column)))


def has_four(discs):
    """Whether `discs` hold four in a row."""
    found = 0
    for step in (1, 6, 7, 8):
        pairs = discs & (discs >> step)
        found = found | (pairs & (pairs >> (2 * step)))
    return found != 0


def is_full(filled, column):
    """Whether `column` has no empty cell."""
    return (filled >> (7 * column + 5)) & 1 != 0


def mirrored(bits):
    """`bits` of a board or a key with the columns in reverse order."""
    flipped = 0
    for column in range(7):
        flipped = flipped | ((bits >> (7 * column)) & 127) << (7 * (6 - column))
    return flipped
