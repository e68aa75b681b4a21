"""Positions labelled by the exact solver, and a policy's score on them.

Two disjoint sets of 2,000, `tune` (for choosing settings) and `test` (for final figures), lie beside this file:
positions from uniformly random play, evenly spread over 4 to 35 plies, no two equal or mirrored, each with at
least two legal moves. Left out are those in which both sides could win at once: there, only whether a win is seen
would matter, and with them random play keeps the value in 59 % of the positions instead of 71 %. The labels never
enter training.

File format (CSV): `moves,s1..s7`: 1-based columns played, then the exact score of each move, empty where illegal.
`python -m envs.board.connect_four.positions` makes both files anew.
"""

import functools
import lzma
import re
from pathlib import Path

import numpy as np

from envs.board.connect_four import ENVIRONMENT, bitboard
from envs.board.connect_four.solver import ILLEGAL, Position, move_scores, parse_moves
from rlkit.learning.policy import Policy
from rlkit.positions import Breakdown, Positions, chances_of, random_chances, read_csv, report, situation_after
from rlkit.positions import figures as figures_of

SEEDS = {"tune": 1, "test": 2}
PLIES = range(4, 36)
NUM_POSITIONS = 2000

_HEADER = ("moves", *(f"s{column}" for column in range(1, 8)))
_MAX_SCORE = 18
_BAND = 4  # plies
_PHASES = ("begin", "middle", "end")
_DIFFICULTIES = ("easy", "medium", "hard")


def read(name: str) -> Positions:
    """Return the set `tune` or `test`, or the positions of a .csv, .csv.gz or .csv.xz file.

    Raises:
        FileNotFoundError: there is no such set and no such file.
        ValueError: the file is not as the format says; names the line.
    """
    if name in SEEDS:
        return load(name)
    return _positions(read_csv(Path(name), _HEADER, _parse_line))


@functools.cache
def load(name: str) -> Positions:
    """Return the set `tune` or `test`."""
    return _positions(read_csv(_path(name), _HEADER, _parse_line))


def score(policy: Policy, positions: Positions) -> dict[str, float]:
    """Return the share of positions in which the policy's move keeps the value: of all, and of decisive ones."""
    figures = figures_of(positions, chances_of(policy, positions))
    return {name: figures[name] for name in ("value_kept", "value_kept_decisive")}


def mistakes(policy: Policy, positions: Positions) -> dict[tuple[str, str], tuple[float, int]]:
    """Return (phase, difficulty) → (share of moves that lose value, number of positions).

    The classes are those of P. Pons's test sets (blog.gamesolver.org), which AlphaZero.jl reports on too: begin up
    to 14 plies, middle up to 28, end beyond; easy if perfect play goes on for less than 14 plies, medium up to 28,
    hard beyond. Classes without positions are left out.
    """
    table = report(positions, {"policy": chances_of(policy, positions)})["breakdowns"]["phase"]
    return {
        tuple(label.split()): (rows["policy"]["value_lost"], rows["policy"]["count"]) for label, rows in table.items()
    }


def plies_left(plies: np.ndarray, best_scores: np.ndarray) -> np.ndarray:
    """Return how many plies [B] perfect play goes on for, after `plies` [B], if the best moves score `best_scores`."""
    winners_total = 22 - np.abs(best_scores.astype(int))  # discs of the winner in the end
    winners_left = winners_total - np.where(best_scores > 0, plies // 2, (plies + 1) // 2)
    is_draw = best_scores == 0
    return np.where(is_draw, bitboard.NUM_CELLS - plies, 2 * winners_left - (best_scores > 0))


def _parse_line(cells: list[str]) -> tuple[list[int], list[int]]:
    """Return (the columns played, from 0; the scores) of a line of the format."""
    moves = cells[0]
    position = parse_moves(moves)
    if position.filled.bit_count() == bitboard.NUM_CELLS or bitboard.has_four(position.own ^ position.filled):
        raise ValueError(f"after {moves} the game is over, so no move has a score")
    return [int(column) - 1 for column in moves], [
        _parse_score(text, column, bitboard.is_full(position.filled, column)) for column, text in enumerate(cells[1:])
    ]


def _parse_score(text: str, column: int, is_full: bool) -> int:
    if is_full != (text == ""):
        rule = "is full, so it must be empty" if is_full else "is not full, so it must be a number"
        raise ValueError(f"s{column + 1} is {text!r}, but column {column + 1} {rule}")
    if is_full:
        return ILLEGAL
    if not re.fullmatch("-?[0-9]{1,2}", text) or abs(int(text)) > _MAX_SCORE:
        raise ValueError(f"s{column + 1} is {text!r}, but scores are whole numbers from -{_MAX_SCORE} to {_MAX_SCORE}")
    return int(text)


def _positions(lines: list[tuple[list[int], list[int]]]) -> Positions:
    moves, rows = zip(*lines, strict=True)
    scores = np.array(rows, np.int8)
    plies = np.array([len(columns) for columns in moves])
    left = plies_left(plies, scores.max(axis=1))
    phases = 3 * ((plies > 14).astype(int) + (plies > 28)) + (left >= 14) + (left > 28)
    bands = [f"{first}-{first + _BAND - 1}" for first in range(0, bitboard.NUM_CELLS, _BAND)]
    return Positions(
        situation_after(ENVIRONMENT, moves),
        scores,
        {
            "plies": Breakdown(bands, plies // _BAND),
            "ply": Breakdown([str(ply) for ply in range(bitboard.NUM_CELLS)], plies),
            "phase": Breakdown([f"{p} {d}" for p in _PHASES for d in _DIFFICULTIES], phases, ("value_lost",)),
        },
    )


# --- making the sets --------------------------------------------------------------------------------------------


def _path(name: str) -> Path:
    return Path(__file__).parent / f"positions_{name}.csv.xz"


def _mirror_key(moves: str) -> tuple[int, ...]:
    position = parse_moves(moves)
    return min(position, tuple(bitboard.mirrored(bits) for bits in position))


def _num_wins_at_once(position: Position) -> int:
    """Return how many moves complete four of the side to move."""
    legal = [column for column in range(7) if not bitboard.is_full(position.filled, column)]
    children = [bitboard.drop(*position, column) for column in legal]
    return sum(bool(bitboard.has_four(own ^ filled)) for own, filled in children)


def _is_wanted(position: Position) -> bool:
    """Return whether there are two legal moves, and not both sides could win at once."""
    own, filled = position
    num_legal = sum(not bitboard.is_full(filled, column) for column in range(7))
    exchanged = Position(own ^ filled, filled)
    return num_legal >= 2 and not (_num_wins_at_once(position) and _num_wins_at_once(exchanged))


def _random_moves(rng: np.random.Generator, num_plies: int) -> str | None:
    """Return uniformly random play of `num_plies` that ends the game nowhere, or None if it did."""
    own = filled = 0
    moves = ""
    for _ in range(num_plies):
        legal = [column for column in range(7) if not bitboard.is_full(filled, column)]
        column = int(rng.choice(legal))
        own, filled = bitboard.drop(own, filled, column)
        moves += str(column + 1)
        if bitboard.has_four(own ^ filled):
            return None
    return moves


def make(name: str, taken: set[tuple[int, ...]]) -> str:
    """Return a labelled set as CSV text; adds its positions to `taken` and avoids those already there."""
    rng = np.random.default_rng(SEEDS[name])
    lines = ["moves," + ",".join(f"s{i}" for i in range(1, 8))]
    for number in range(NUM_POSITIONS):
        while True:
            moves = _random_moves(rng, PLIES[number % len(PLIES)])
            if moves is None or _mirror_key(moves) in taken:
                continue
            position = parse_moves(moves)
            if _is_wanted(position):
                break
        taken.add(_mirror_key(moves))
        scores = move_scores(position)
        lines.append(moves + "," + ",".join("" if s == ILLEGAL else str(s) for s in scores))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    seen: set[tuple[int, ...]] = set()
    for set_name in SEEDS:
        _path(set_name).write_bytes(lzma.compress(make(set_name, seen).encode(), preset=9))
        made = load(set_name)
        print(set_name, figures_of(made, random_chances(made)), flush=True)
