"""Draws ConnectFour: columns are numbered from 1, a dot marks the last disc, white rings the winning line."""

from envs.board.connect_four.rules import COLS, ROWS
from rlkit.viewing.canvas import BACKGROUND, BLUE, FIRST, MUTED, SECOND, TEXT, mix

SIZE = (600, 560)
ACTION_NAMES = tuple(f"column {column}" for column in range(1, 8))
KEYS = {str(column): column - 1 for column in range(1, 8)}
PLAYER_NAMES = ("yellow", "red")

_CELL = 78.0
_LEFT, _TOP = (SIZE[0] - COLS * _CELL) / 2, 24.0
_BOARD = mix(BACKGROUND, BLUE, 0.42)
_HOLE = mix(BACKGROUND, BLUE, 0.08)


def draw(state, params, canvas):
    """Draw one state."""
    board, last = to_board(state), int(state.last)
    last_row = int(state.height[last]) - 1
    won = winning_cells(board)
    canvas.fill(BACKGROUND)
    canvas.rect(_LEFT - 10, _TOP - 10, COLS * _CELL + 20, ROWS * _CELL + 20, _BOARD, 20)
    for row in range(ROWS):
        for column in range(COLS):
            x, y = _centre(row, column)
            disc = board[row][column]
            color = FIRST if disc > 0 else SECOND if disc < 0 else _HOLE
            canvas.disc(x, y, 32, color)
            if disc:
                canvas.disc(x, y, 24, mix(color, BACKGROUND, 0.14), outline=3)
            if (row, column) in won:
                canvas.disc(x, y, 32, TEXT, outline=6)
            elif (row, column) == (last_row, last):
                canvas.disc(x, y, 8, mix(color, BACKGROUND, 0.55))
    for column in range(COLS):
        canvas.text(str(column + 1), _centre(0, column)[0], _TOP + ROWS * _CELL + 34, 22, MUTED, "center")


def action_from_click(state, params, x, y):
    """Return the column at a point of the picture, or None beside the board."""
    column = int((x - _LEFT) // _CELL)
    return column if 0 <= column < COLS else None


def action_point(state, params, action):
    """Return the centre of the cell a disc would fall to, or None where the column is full."""
    row = int(state.height[action])
    return _centre(row, action) if row < ROWS else None


def to_board(state):
    """Return the discs as rows from the bottom: +1 first player, −1 second, 0 empty."""
    first, second = (int(discs) for discs in state.discs)
    return [
        [(first >> row * COLS + column & 1) - (second >> row * COLS + column & 1) for column in range(COLS)]
        for row in range(ROWS)
    ]


def winning_cells(board):
    """Return the set of (row, column) that lie on four or more equal discs in a row."""
    cells = set()
    for row in range(ROWS):
        for column in range(COLS):
            for up, across in ((0, 1), (1, 0), (1, 1), (-1, 1)):
                line = [(row + k * up, column + k * across) for k in range(4)]
                inside = 0 <= line[3][0] < ROWS and line[3][1] < COLS
                if inside and abs(sum(board[r][c] for r, c in line)) == 4:
                    cells.update(line)
    return cells


def _centre(row, column):
    return _LEFT + (column + 0.5) * _CELL, _TOP + (ROWS - row - 0.5) * _CELL
