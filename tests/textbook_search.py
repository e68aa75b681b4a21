"""PUCT with proven values as a textbook would write it: recursion over nodes that are plain objects, no arrays.

It shares no code with the compiled search; boards are text. Numbers that the compiled search keeps in single
precision (priors, means) are rounded so here, too, because equal scores would otherwise part.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from connect_four_helpers import is_line

LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))


class TicTacToe:
    """A position is nine characters."""

    start = "." * 9

    @staticmethod
    def legal(board):
        return [cell for cell in range(9) if board[cell] == "."]

    @staticmethod
    def play(board, cell, stone):
        """Return (board, whether that wins, whether the game is over)."""
        board = board[:cell] + stone + board[cell + 1 :]
        is_won = any(all(board[i] == stone for i in line) for line in LINES)
        return board, is_won, is_won or "." not in board


class ConnectFour:
    """A position is seven columns of characters, bottom first."""

    start = ("",) * 7

    @staticmethod
    def legal(columns):
        return [column for column in range(7) if len(columns[column]) < 6]

    @staticmethod
    def play(columns, column, disc):
        """Return (columns, whether that wins, whether the game is over)."""
        columns = (*columns[:column], columns[column] + disc, *columns[column + 1 :])
        is_won = is_line(columns, column)
        return columns, is_won, is_won or all(len(c) == 6 for c in columns)


@dataclass
class Node:
    """One position; values are those of the side to move."""

    board: object
    stone: str  # of the side to move
    proven: int | None = None
    visits: int = 0
    mean: float = 0.0
    prior: float = 0.0  # of each of its actions
    children: dict[int, "Node | None"] = field(default_factory=dict)  # by legal action, None: not tried yet


def search(game, moves, num_simulations, c_puct, fpu_reduction):
    """Return the root [Node] after so many simulations with leaves worth 0, or fewer once it is proven."""
    board = game.start
    for number, move in enumerate(moves):
        board = game.play(board, move, "XO"[number % 2])[0]
    root = Node(board, "XO"[len(moves) % 2])
    _simulate(game, root, c_puct, fpu_reduction)  # its own evaluation
    for _ in range(num_simulations):
        if root.proven is None:
            _simulate(game, root, c_puct, fpu_reduction)
    return root


def _simulate(game, node, c_puct, fpu_reduction):
    """Go through `node` once and return what it is worth by that."""
    if node.proven is not None:
        value = node.proven
    elif node.visits == 0:
        value = 0.0
        node.children = dict.fromkeys(game.legal(node.board))
        node.prior = float(np.float32(1 / len(node.children)))
    else:
        action = _choose(node, c_puct, fpu_reduction)
        if node.children[action] is None:
            node.children[action] = _child(game, node, action)
        value = -_simulate(game, node.children[action], c_puct, fpu_reduction)
        known = [child.proven for child in node.children.values() if child is not None and child.proven is not None]
        if -1 in known or len(known) == len(node.children):
            value = node.proven = -min(known)
        elif known:
            value = max(value, -min(known))  # at least that
    node.visits += 1
    node.mean = value if node.proven is not None else float(np.float32(node.mean + (value - node.mean) / node.visits))
    return value


def _child(game, node, action):
    board, is_won, is_over = game.play(node.board, action, node.stone)
    return Node(board, "O" if node.stone == "X" else "X", proven=-1 if is_won else 0 if is_over else None)


def _choose(node, c_puct, fpu_reduction):
    """Return the first action of the greatest score among those that are not proven."""

    def score(action):
        child = node.children[action]
        count = 0 if child is None else child.visits
        value = node.mean - 2 * fpu_reduction if child is None else -child.mean  # in [−1, 1]; the reduction in [0, 1]
        return (value + 1) / 2 + c_puct * math.sqrt(node.visits) * node.prior / (1 + count)

    return max((a for a, child in node.children.items() if child is None or child.proven is None), key=score)
