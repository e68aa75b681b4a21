"""Gomoku's yardstick: the classic rule of threats, and shape alone as a weaker one.

Both look at windows: `row_length` points in a line that one side could still fill, and the longer ones with an empty
point at each end, which tell open fours and threes. A four wins with one more stone and an open four in two ways; an
open three becomes an open four.

Source of the threats' order (no code taken): L. Allis, H. van den Herik, M. Huntjens, "Go-Moku solved by new search
techniques", Computational Intelligence 12, 1996.
"""

import functools
from collections.abc import Callable

import numpy as np
from gymnasium import spaces

from envs.board.gomoku.rules import DIRECTIONS
from rlkit.evaluation import Yardstick
from rlkit.learning.policy import FunctionPolicy

# What a stone on a point makes for a side.
FIVE, FORCING, THREES = 3, 2, 1  # a line; an open four, two fours, or a four and an open three; two open threes
OWN_FIRST = 0.5  # at the same rank a side makes its own before it stops the other's
GROWTH = 2.5  # a window with one stone more is worth so many times as much
ATTACK = 1.5  # what the own windows are worth, if the other's are worth 1


@functools.cache
def windows(size: int, length: int) -> tuple[np.ndarray, ...]:
    """Return for each direction the lines of `length` points inside a board, int64 [W, length]."""
    found = []
    for down, right in DIRECTIONS:
        lines = [
            [(row + k * down, column + k * right) for k in range(length)]
            for row in range(size)
            for column in range(size)
        ]
        inside = [line for line in lines if all(0 <= r < size and 0 <= c < size for r, c in line)]
        found.append(np.array([[r * size + c for r, c in line] for line in inside], np.int64).reshape(-1, length))
    return tuple(found)


def threats(own: np.ndarray, other: np.ndarray, row_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what a stone of a side would make on each point.

    Args:
        own, other: 0/1 stones of the side and of its opponent, [B, n, n].
        row_length: so many in a line win.

    Returns:
        The ranks [B, n²] (`FIVE`, `FORCING`, `THREES`, else 0, as where a point is taken) and the worth [B, n²] of
        the windows it would be in.
    """
    size = own.shape[1]
    own, other = own.reshape(len(own), -1), other.reshape(len(other), -1)
    fives, fours, open_fours, threes, shape = (np.zeros(own.shape) for _ in range(5))
    for lines, long_lines in zip(windows(size, row_length), windows(size, row_length + 1), strict=True):
        clean = other[:, lines].sum(axis=2) == 0  # [B, W]
        count = own[:, lines].sum(axis=2)
        fives += _reached(clean & (count == row_length - 1), lines, own.shape)
        is_four = _reached(clean & (count == row_length - 2), lines, own.shape) > 0
        fours += is_four
        shape += _reached(clean * GROWTH**count, lines, own.shape)
        ends, inner = long_lines[:, [0, -1]], long_lines[:, 1:-1]
        is_open = ((own + other)[:, ends].sum(axis=2) == 0) & (other[:, inner].sum(axis=2) == 0)
        count = own[:, inner].sum(axis=2)
        open_fours += _reached(is_open & (count == row_length - 2), inner, own.shape)
        threes += ~is_four & (_reached(is_open & (count == row_length - 3), inner, own.shape) > 0)
    is_forcing = (open_fours > 0) | (fours > 1) | ((fours > 0) & (fours + threes > 1))
    return np.select([own + other > 0, fives > 0, is_forcing, threes > 1], [0, FIVE, FORCING, THREES], 0), shape


def _reached(values: np.ndarray, lines: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return for each point the sum of the `values` [B, W] of the lines [W, length] through it."""
    through = np.zeros((len(lines), shape[1]))
    np.put_along_axis(through, lines, 1.0, axis=1)
    return values @ through


# --- the rules --------------------------------------------------------------------------------------------------


def _threat_values(obs: np.ndarray, row_length: int) -> np.ndarray:
    """Return values [B, n²]: rank first, the own one before the other's, then the shape of both."""
    (own, own_shape), (other, other_shape) = (threats(obs[:, side], obs[:, 1 - side], row_length) for side in (0, 1))
    shape = ATTACK * own_shape + other_shape
    return np.maximum(own + OWN_FIRST, other) + OWN_FIRST * shape / (1 + shape.max(axis=1, keepdims=True))


def _shape_values(obs: np.ndarray, row_length: int) -> np.ndarray:
    """Return values [B, n²]: the windows that a stone would make better or spoil."""
    own, other = (threats(obs[:, side], obs[:, 1 - side], row_length)[1] for side in (0, 1))
    return ATTACK * own + other


def _policy(params: np.record, values_of: Callable[[np.ndarray, int], np.ndarray]) -> FunctionPolicy:
    """Return the policy that plays the empty point of greatest value, the most central of equals."""
    size, row_length = int(params.board_size), int(params.row_length)
    offsets = np.abs(np.arange(size) - (size - 1) / 2)
    distance = (offsets[:, None] + offsets).ravel()

    def actions(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        is_taken = obs.any(axis=1).reshape(len(obs), -1)
        return np.where(is_taken, -1.0, values_of(obs, row_length) - 1e-6 * distance).argmax(axis=1)

    return FunctionPolicy(actions, spaces.Box(0.0, 1.0, (2, size, size)))


YARDSTICK = Yardstick(
    reference="the classic rule of threats: five, stop five, open four, stop open four, then shape (not perfect)",
    policies={
        "threats": lambda params: _policy(params, _threat_values),
        "shape": lambda params: _policy(params, _shape_values),
    },
)
