"""Draws Gomoku on a wooden board: a dot marks the last stone, red the winning line. Rows count from the bottom."""

from envs.board.gomoku.rules import DIRECTIONS
from rlkit.viewing.canvas import BACKGROUND, MUTED, RED, mix

SIZE = (640, 640)
PLAYER_NAMES = ("black", "white")
PLAYER_COLORS = ((104, 111, 128), (236, 236, 230))  # black lightened, to be seen on the dark panel

_MARGIN = 36.0  # beside the board, for the names of columns and rows
_WOOD, _GRAIN = (216, 174, 112), (74, 54, 34)
_BLACK, _WHITE = (28, 28, 32), (240, 238, 232)


def _action_names(params):
    """Return the points' names, a letter for the column and a number for the row, as in Renju."""
    size = int(params.board_size)
    return tuple(f"{chr(97 + column)}{size - row}" for row in range(size) for column in range(size))


ACTION_NAMES = _action_names


def draw(state, params, canvas):
    """Draw one state."""
    size = int(params.board_size)
    won = winning_points(state, params)
    canvas.fill(BACKGROUND)
    _draw_board(size, canvas)
    for point in range(size * size):
        side = stone_at(state, *divmod(point, size))
        if side != 0:
            _draw_stone(size, point, side, canvas)
    if won:
        canvas.line([_centre(size, won[0]), _centre(size, won[-1])], RED, 0.12 * _step(size))
        for point in won:
            canvas.disc(*_centre(size, point), 0.45 * _step(size), RED, outline=0.08 * _step(size))
    elif state.last >= 0:
        canvas.disc(*_centre(size, int(state.last)), 0.12 * _step(size), RED)


def action_from_click(state, params, x, y):
    """Return the point nearest to a place of the picture, or None beside the board."""
    size = int(params.board_size)
    column, row = (int((place - _MARGIN) // _step(size)) for place in (x, y))
    return row * size + column if 0 <= row < size and 0 <= column < size else None


def action_point(state, params, action):
    """Return where a mark for an action belongs: its point."""
    return _centre(int(params.board_size), int(action))


def stone_at(state, row, column):
    """Return whose stone lies there: +1 the first player's, −1 the second's, 0 nobody's."""
    first, second = (int(state.stones[side, row]) >> column & 1 for side in (0, 1))
    return first - second


def winning_points(state, params):
    """Return the points of the winning line from one end to the other, or [] while nobody has won."""
    size, last = int(params.board_size), int(state.last)
    if last < 0:
        return []
    row, column = divmod(last, size)
    side = stone_at(state, row, column)
    for down, right in DIRECTIONS:
        line = [(row, column)]
        for sign in (-1, 1):
            r, c = row + sign * down, column + sign * right
            while 0 <= r < size and 0 <= c < size and stone_at(state, r, c) == side:
                line.append((r, c))
                r, c = r + sign * down, c + sign * right
        if len(line) >= int(params.row_length):
            return [r * size + c for r, c in sorted(line)]
    return []


def _draw_board(size, canvas):
    span = SIZE[0] - 2 * _MARGIN
    canvas.rect(_MARGIN, _MARGIN, span, span, _WOOD, 8)
    step = _step(size)
    first, last = _MARGIN + step / 2, _MARGIN + span - step / 2
    for k in range(size):
        at = first + k * step
        canvas.line([(first, at), (last, at)], _GRAIN, 1.5)
        canvas.line([(at, first), (at, last)], _GRAIN, 1.5)
        canvas.text(chr(97 + k), at, SIZE[1] - _MARGIN / 2, 20, MUTED, "center")
        canvas.text(str(size - k), _MARGIN / 2, at, 20, MUTED, "center")
    for point in star_points(size):
        canvas.disc(*_centre(size, point), max(3.5, 0.08 * step), _GRAIN)


def star_points(size):
    """Return the points marked on a board, as people know it: the centre and, from 9 × 9, four around it."""
    if size % 2 == 0:
        return []
    middle, inset = size // 2, 3 if size >= 13 else 2
    corners = [(row, column) for row in (inset, size - 1 - inset) for column in (inset, size - 1 - inset)]
    return [row * size + column for row, column in [(middle, middle), *(corners if size >= 9 else [])]]


def _draw_stone(size, point, side, canvas):
    """Draw a stone with its shadow and a soft light from the upper left."""
    (x, y), radius = _centre(size, point), 0.45 * _step(size)
    color, light = (_BLACK, (86, 88, 98)) if side > 0 else (_WHITE, (255, 255, 255))
    canvas.disc(x + 0.06 * radius, y + 0.1 * radius, radius, mix(_WOOD, _BLACK, 0.45))
    canvas.disc(x, y, radius, color if side > 0 else mix(color, _BLACK, 0.18))
    for k in range(1, 6):
        shift = 0.07 * k * radius
        canvas.disc(x - shift, y - shift, radius * (0.94 - 0.15 * k), mix(color, light, 0.14 * k))


def _step(size):
    """Return the distance between neighbouring points."""
    return (SIZE[0] - 2 * _MARGIN) / size


def _centre(size, point):
    row, column = divmod(point, size)
    return _MARGIN + (column + 0.5) * _step(size), _MARGIN + (row + 0.5) * _step(size)
