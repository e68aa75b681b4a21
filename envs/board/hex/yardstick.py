"""Hex's yardstick: a rule that sees the board as an electrical circuit, and a weaker one of shortest paths.

Both look from one side: `boards` [B, n, n] hold 1 for stones of the side that joins top and bottom, −1 for the
other's and 0 for empty cells. What the other side sees is the transposed board with opposite signs.

Sources of the ideas (no code taken): resistance as the value of a position, and bridges as links of the circuit:
V. Anshelevich, "A hierarchical approach to computer Hex", Artificial Intelligence 134, 2002; playing where the
current is great: C. Shannon's machine, in M. Gardner's column on Hex, Scientific American, July 1957.
"""

import functools

import numpy as np
from gymnasium import spaces

from rlkit.evaluation import Yardstick
from rlkit.learning.policy import FunctionPolicy

NUM_CANDIDATES = 8  # moves that the resistance rule looks at: those with the greatest current
AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 0), (1, -1), (0, -1))  # (down, right) of the neighbours, clockwise
RESISTANCE = np.array([1.0, 0.001, np.inf])  # of an empty cell, an own stone and, as index −1, the other's stone
BRIDGE = 0.5  # what a bridge conducts, as a share of neighbours; 0.35 to 0.7 play alike, 1 and 0 clearly worse
LEAK = 1e-9  # conductance of every cell to the ground: keeps cells without links from being singular
FAR = 1000.0  # longer than any path


def own_boards(obs: np.ndarray) -> np.ndarray:
    """Return boards [B, n, n], int64, of observations [B, 3, n, n], turned so that the mover joins top and bottom."""
    boards = (obs[:, 0] - obs[:, 1]).astype(np.int64)
    return np.where(obs[:, 2] > 0.5, boards, boards.transpose(0, 2, 1))


def others_view(boards: np.ndarray) -> np.ndarray:
    """Return what the other side sees of boards [B, n, n]; done twice it changes nothing."""
    return -boards.transpose(0, 2, 1)


# --- the circuit ------------------------------------------------------------------------------------------------


@functools.cache
def links(size: int) -> np.ndarray:
    """Return the links of a board, int64 [L, 4]: two ends, and two carriers that must be empty for it to conduct.

    Ends are cells, size² for the top side, or size² + 1 for the bottom. Neighbours are linked in any case (their
    carriers are −1); the ends of a bridge, and a cell of the second row with its side, through the two cells between.
    """

    def cell(row: int, column: int) -> int:
        return row * size + column if 0 <= row < size and 0 <= column < size else -1

    top, bottom = size * size, size * size + 1
    found = []
    for row in range(size):
        for column in range(size):
            here = cell(row, column)
            near = [cell(row + down, column + right) for down, right in AROUND]
            for k in range(3):  # the other three directions belong to the cells there
                (down, right), (next_down, next_right) = AROUND[k], AROUND[k + 1]
                far = cell(row + down + next_down, column + right + next_right)
                found += [(here, near[k], -1, -1), (here, far, near[k], near[k + 1])]
            for side, side_row, carriers in ((top, 0, (near[0], near[1])), (bottom, size - 1, (near[3], near[4]))):
                if row == side_row:
                    found.append((here, side, -1, -1))
                elif abs(row - side_row) == 1 and min(carriers) >= 0:
                    found.append((here, side, *carriers))
    return np.array([link for link in found if link[1] >= 0])


def circuit(boards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Send a current of 1 from the top side of boards [B, n, n] to the bottom.

    Returns:
        The resistance [B] (about 1 / `LEAK` where the other side has won) and the current through each cell [B, n, n].
    """
    count, size = boards.shape[:2]
    ends, carriers = links(size)[:, :2], links(size)[:, 2:]
    cells = np.concatenate([boards.reshape(count, -1), np.ones((count, 2), np.int64)], axis=1)  # with both sides
    is_open = ((cells[:, carriers] == 0) | (carriers < 0)).all(axis=2)
    strength = np.where(carriers[:, 0] < 0, 1.0, BRIDGE)
    conductance = is_open * strength / RESISTANCE[cells][:, ends].sum(axis=2)  # [B, L]
    laplacian = np.zeros((count, cells.shape[1], cells.shape[1]))
    laplacian[:, ends[:, 0], ends[:, 1]] = laplacian[:, ends[:, 1], ends[:, 0]] = -conductance
    diagonal = np.arange(cells.shape[1])
    laplacian[:, diagonal, diagonal] = LEAK - laplacian.sum(axis=2)
    voltage = np.zeros(cells.shape)  # the bottom side is the ground
    source = np.eye(cells.shape[1] - 1)[:, -1:]  # the current comes in at the top side
    voltage[:, :-1] = np.linalg.solve(laplacian[:, :-1, :-1], np.broadcast_to(source, (count, *source.shape)))[..., 0]
    flow = -laplacian * np.abs(voltage[:, :, None] - voltage[:, None, :])
    current = flow.sum(axis=2)[:, :-2].reshape(boards.shape) / 2
    return voltage[:, -2], current


# --- the rules --------------------------------------------------------------------------------------------------


def _resistance_moves(boards: np.ndarray) -> np.ndarray:
    """Return cells [B]: of those with much current, the one that leaves the best ratio of resistances."""
    count, size = boards.shape[:2]
    current = circuit(boards)[1] + circuit(others_view(boards))[1].transpose(0, 2, 1)
    current = np.where(boards == 0, current, -1.0).reshape(count, -1)
    candidates = np.argsort(-current, axis=1, kind="stable")[:, :NUM_CANDIDATES]  # [B, C]
    after = np.repeat(boards.reshape(count, 1, -1), candidates.shape[1], axis=1)
    np.put_along_axis(after, candidates[..., None], 1, axis=2)
    after = after.reshape(-1, size, size)
    ratio = (circuit(after)[0] / circuit(others_view(after))[0]).reshape(candidates.shape)
    ratio[np.take_along_axis(current, candidates, axis=1) < 0] = np.inf  # taken
    return np.take_along_axis(candidates, ratio.argmin(axis=1)[:, None], axis=1)[:, 0]


def _path_moves(boards: np.ndarray) -> np.ndarray:
    """Return cells [B]: where the shortest paths of both sides are shortest together, the most central of equals."""
    size = boards.shape[1]
    lengths = path_lengths(boards) + path_lengths(others_view(boards)).transpose(0, 2, 1)
    offsets = np.abs(np.arange(size) - (size - 1) / 2)
    values = np.where(boards == 0, lengths + (offsets[:, None] + offsets) / FAR, np.inf)
    return values.reshape(len(boards), -1).argmin(axis=1)


def path_lengths(boards: np.ndarray) -> np.ndarray:
    """Return the stones that the top–bottom side lacks for a path through each cell of boards [B, n, n]."""
    costs = np.array([1.0, 0.0, FAR])[boards]
    from_bottom = _lengths_from_top(np.rot90(costs, 2, axes=(1, 2)))
    return _lengths_from_top(costs) + np.rot90(from_bottom, 2, axes=(1, 2)) - costs


def _lengths_from_top(costs: np.ndarray) -> np.ndarray:
    count, size = costs.shape[:2]
    lengths = np.full((count, size + 2, size + 2), FAR)
    lengths[:, 0] = 0.0  # above the board
    inside = lengths[:, 1:-1, 1:-1]
    while True:
        around = [lengths[:, 1 + down : 1 + down + size, 1 + right : 1 + right + size] for down, right in AROUND]
        shorter = np.minimum(inside, costs + np.minimum.reduce(around))
        if (shorter == inside).all():
            return shorter
        inside[:] = shorter


def _policy(params: np.record, moves) -> FunctionPolicy:
    """Return the policy of a rule that chooses cells of boards as their mover sees them."""
    size = int(params.board_size)

    def actions(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        cells = moves(own_boards(obs))
        is_first = obs[:, 2, 0, 0] > 0.5
        chosen = np.where(is_first, cells, cells % size * size + cells // size)
        if params.swap and action_mask is not None:
            inner_stones = obs[:, 1, 1:-1, 1:-1].sum(axis=(1, 2))
            chosen[(action_mask[:, -1] == 1) & (inner_stones == 1)] = size * size
        return chosen

    return FunctionPolicy(actions, spaces.Box(0.0, 1.0, (3, size, size)))


YARDSTICK = Yardstick(
    reference="a rule that compares the electrical resistances of both sides one move ahead (strong, not perfect)",
    policies={
        "resistance": lambda params: _policy(params, _resistance_moves),
        "path": lambda params: _policy(params, _path_moves),
    },
)
