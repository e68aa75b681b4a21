"""The exact values of all Connect Four positions of up to nine discs.

`book.xz` holds one signed byte, the score, for each of the 269,531 positions of nine discs that are not yet
won, counted once with their mirror image, in ascending order of their keys. The keys are not stored: loading
plays all moves from the empty board, meets the positions in the same order, and takes the best move's score
back down to the empty board. That takes less than a tenth of a second, once.

`python -m envs.board.connect_four.book all_8ply_moves.csv.gz` writes the file from a table of the exact score
of every move of every 8-disc position (columns `moves,s1,…,s7`; empty where a column is full).
"""

import csv
import functools
import gzip
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from envs.board.connect_four.bitboard import (
    BOARD,
    BOTTOM,
    ILLEGAL,
    NUM_CELLS,
    drop,
    has_four,
    is_full,
    mirrored,
)

NUM_DISCS = 9  # of the positions in the file
FILE = Path(__file__).with_name("book.xz")
Moves = tuple[np.ndarray, np.ndarray, np.ndarray]


def value(own: int, filled: int) -> int:
    """The exact score of a position of at most nine discs that nobody has won yet."""
    keys, values = load()[filled.bit_count()]
    return int(values[np.searchsorted(keys, _key(own, filled))])


@functools.cache
def load() -> list[tuple[np.ndarray, np.ndarray]]:
    """For 0 to 9 discs, every position nobody has won: keys, ascending int64 [N], and scores, int8 [N]."""
    levels, moves = _enumerate()
    values = [np.frombuffer(lzma.decompress(FILE.read_bytes()), np.int8)]
    for num_discs in range(NUM_DISCS - 1, -1, -1):
        best = np.full(len(levels[num_discs]), ILLEGAL, np.int8)
        for wins, goes_on, child in moves[num_discs]:
            best[wins] = (NUM_CELLS + 1 - num_discs) // 2
            index = np.searchsorted(levels[num_discs + 1], child[goes_on])
            best[goes_on] = np.maximum(best[goes_on], -values[0][index])
        values.insert(0, best)
    return list(zip(levels, values, strict=True))


def _enumerate() -> tuple[list[np.ndarray], list[list[Moves]]]:
    """For 0 to 9 discs, the sorted keys of the positions nobody has won; for 0 to 8 discs, their moves."""
    levels, moves = [np.zeros(1, np.int64)], []
    for _ in range(NUM_DISCS):
        moves.append(list(_moves(levels[-1])))
        keys = np.sort(np.concatenate([child[goes_on] for _, goes_on, child in moves[-1]]))
        levels.append(keys[np.diff(keys, prepend=-1) != 0])
    return levels, moves


def _key(own, filled):
    """The key shared by a position and its mirror image."""
    key = own + filled
    return np.minimum(key, mirrored(key))


def _moves(keys: np.ndarray) -> Iterator[Moves]:
    """For each column, [N] arrays: does a disc win, does the game go on with it, and the key it leads to."""
    tops = keys + BOTTOM  # own + filled + 1 has its highest bit in the first empty cell of each column
    for shift in (1, 2, 4):
        tops |= (tops >> shift) & ((127 >> shift) * BOTTOM)
    filled = (tops >> 1) & BOARD
    own = keys - filled
    for column in range(7):
        legal = ~is_full(filled, column)
        next_own, next_filled = drop(own, filled, column)
        wins = legal & has_four(next_own ^ next_filled)
        yield wins, legal & ~wins, _key(next_own, next_filled)


def build(csv_file: Path) -> bytes:
    """The contents of `book.xz` from a table of move scores.

    Raises:
        ValueError: two rows disagree about a position, or a position is missing.
    """
    scores: dict[int, int] = {}
    with gzip.open(csv_file, "rt") as lines:
        for row in csv.DictReader(lines):
            own = filled = 0
            for digit in row["moves"]:
                own, filled = drop(own, filled, int(digit) - 1)
            for column in range(7):
                if row[f"s{column + 1}"]:
                    child, score = int(_key(*drop(own, filled, column))), -int(row[f"s{column + 1}"])
                    if scores.setdefault(child, score) != score:
                        raise ValueError(f"{csv_file}: the row of {row['moves']} contradicts an earlier row")
    keys = _enumerate()[0][NUM_DISCS].tolist()
    missing = sum(key not in scores for key in keys)
    if missing:
        raise ValueError(f"{csv_file}: no row leads to {missing} of the {len(keys)} positions of nine discs")
    return lzma.compress(bytes(scores[key] & 255 for key in keys), preset=9 | lzma.PRESET_EXTREME)


if __name__ == "__main__":
    FILE.write_bytes(build(Path(sys.argv[1])))
