"""Symmetries of boards: positions that are the same game, turned or mirrored.

A symmetry is a pair of orders: `obs.ravel()[obs_order]` is the observation after it, and `values[action_order]`
what belongs to the actions there. Learning multiplies its data by them.
"""

from collections.abc import Iterable

import numpy as np

from rlkit.environment import Symmetries

MIRROR = (lambda cells: cells, np.fliplr)  # left and right
HALF_TURN = (lambda cells: cells, lambda cells: np.rot90(cells, 2))
DIAGONALS = (*HALF_TURN, np.transpose, lambda cells: np.rot90(cells, 2).T)  # half a turn and across either diagonal
SQUARE = tuple(
    lambda cells, turns=turns, flip=flip: np.rot90(np.fliplr(cells) if flip else cells, turns)
    for flip in (False, True)
    for turns in range(4)
)  # the eight of a square


def of_board(
    num_planes: int, rows: int, columns: int, kinds: Iterable, num_others: int = 0, by_column: bool = False
) -> Symmetries:
    """Return the symmetries of observations [num_planes, rows, columns]; the identity is the first.

    Args:
        kinds: `MIRROR`, `HALF_TURN`, `DIAGONALS` or `SQUARE`: functions that rearrange an array [rows, columns].
        num_others: actions behind those of the cells that stay what they are, such as a pass.
        by_column: an action is a column instead of a cell, row × columns + column.
    """
    size = rows * columns
    cells = np.arange(size).reshape(rows, columns)
    obs_orders, action_orders = [], []
    for kind in kinds:
        moved = np.ascontiguousarray(kind(cells))
        obs_orders.append(np.concatenate([plane * size + moved.ravel() for plane in range(num_planes)]))
        actions = moved[0] if by_column else moved.ravel()
        others = np.arange(num_others) + (columns if by_column else size)
        action_orders.append(np.concatenate([actions, others]))
    return Symmetries(np.array(obs_orders), np.array(action_orders))
