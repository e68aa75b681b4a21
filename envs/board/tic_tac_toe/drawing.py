"""Draws TicTacToe: the first player has crosses, the second noughts; the last move's cell is lit."""

from rlkit.viewing.canvas import BACKGROUND, CARD, FIRST, GREEN, LINE, SECOND, mix

SIZE = (480, 480)
ACTION_NAMES = tuple(
    f"{row} {column}".replace("middle middle", "centre")
    for row in ("top", "middle", "bottom")
    for column in ("left", "middle", "right")
)
KEYS = {str(cell + 1): cell for cell in range(9)}
PLAYER_NAMES = ("crosses", "noughts")

_CELL, _GAP, _MARGIN = 132, 10, 32
_LINES = [
    *([(row, column) for column in range(3)] for row in range(3)),
    *([(row, column) for row in range(3)] for column in range(3)),
    [(k, k) for k in range(3)],
    [(k, 2 - k) for k in range(3)],
]


def draw(state, params, canvas):
    """Draw one state."""
    won, last = winning_cells(state.board), int(state.last)
    canvas.fill(BACKGROUND)
    for cell in range(9):
        row, column = divmod(cell, 3)
        mark = int(state.board[row, column])
        left, top = (_MARGIN + (_CELL + _GAP) * k for k in (column, row))
        lit = mix(CARD, GREEN, 0.25) if (row, column) in won else mix(CARD, LINE, 0.6) if cell == last else CARD
        canvas.rect(left, top, _CELL, _CELL, lit, 14)
        if mark == 0:
            canvas.text(str(cell + 1), left + _CELL / 2, top + _CELL / 2, 22, LINE, "center")
        else:
            _draw_mark(mark, left + _CELL / 2, top + _CELL / 2, canvas)


def action_from_click(state, params, x, y):
    """Return the cell at a point of the picture, or None between cells."""
    column, row = (int((v - _MARGIN) // (_CELL + _GAP)) for v in (x, y))
    is_cell = 0 <= row < 3 and 0 <= column < 3
    inside = all((v - _MARGIN) % (_CELL + _GAP) <= _CELL for v in (x, y))
    return 3 * row + column if is_cell and inside else None


def action_point(state, params, action):
    """Return the centre of a cell."""
    row, column = divmod(action, 3)
    return tuple(_MARGIN + (_CELL + _GAP) * k + _CELL / 2 for k in (column, row))


def winning_cells(board):
    """Return the set of (row, column) that lie on a line of three equal marks."""
    return {cell for line in _LINES if board[line[0]] != 0 and len({int(board[c]) for c in line}) == 1 for cell in line}


def _draw_mark(mark, x, y, canvas):
    if mark > 0:
        for side in (-1, 1):
            canvas.line([(x - 34, y - side * 34), (x + 34, y + side * 34)], FIRST, 14)
    else:
        canvas.disc(x, y, 42, SECOND, outline=14)
