"""Draws Go: a dot marks the last stone, a square the point of a ko; at the end squares show whose each point is."""

import itertools

from envs.board.go.rules import EMPTY, FIRST, NEIGHBOURS, SECOND, STONE_KEYS, STRIDE
from rlkit.viewing.canvas import BACKGROUND, CARD, LINE, MUTED, TEXT, Color, mix

SIZE = (600, 660)
PLAYER_NAMES = ("black", "white")
PLAYER_COLORS = ((104, 111, 128), (236, 236, 230))  # black lightened, to be seen on the dark panel
LETTERS = "ABCDEFGHJ"  # of the columns; as on paper, without an I

_WOOD: Color = (219, 176, 105)
_INK: Color = (84, 60, 28)  # of the lines and coordinates
_BLACK: Color = (28, 29, 33)
_WHITE: Color = (244, 242, 235)
_EDGE = 14.0  # of the wood, from the picture's
_SIDE = SIZE[0] - 2 * _EDGE  # of the wood
_RIM = 34.0  # of the wood, around the cells: room for the coordinates
_PASS = (SIZE[0] - _EDGE - 104, SIZE[1] - 58.0, 104.0, 44.0)  # the button: left, top, width, height


def _action_names(params):
    """Return what people call the actions: A1 is the lower left corner."""
    size = int(params.board_size)
    return (*(f"{LETTERS[column]}{size - row}" for row in range(size) for column in range(size)), "pass")


ACTION_NAMES = _action_names
KEYS = {"p": lambda state, params: int(params.board_size) ** 2}


def draw(state, params, canvas):
    """Draw one state."""
    size = int(params.board_size)
    is_over = int(state.passes) == 2
    canvas.fill(BACKGROUND)
    _draw_board(size, canvas)
    for cell in range(size * size):
        stone = int(state.board[_point(cell, size)])
        if stone != EMPTY:
            x, y = _centre(cell, size)
            _draw_stone(stone, x, y, 0.47 * _pitch(size), canvas)
    if is_over:
        _draw_area(state, size, canvas)
    else:
        _draw_last(state, size, canvas)
    _draw_words(state, params, canvas)


def action_from_click(state, params, x, y):
    """Return the cell or the pass at a point of the picture, or None beside them."""
    size = int(params.board_size)
    left, top, width, height = _PASS
    if left <= x <= left + width and top <= y <= top + height:
        return size * size
    column, row = (int((v - _EDGE - _RIM) // _pitch(size)) for v in (x, y))
    return row * size + column if 0 <= row < size and 0 <= column < size else None


def action_point(state, params, action):
    """Return the point of the picture where an action belongs: of a pass, none."""
    size = int(params.board_size)
    return _centre(action, size) if action < size * size else None


def areas(state, params):
    """Return (Black's, White's) area of a finished game, without komi."""
    size = int(params.board_size)
    owners = [_owner(state, _point(cell, size)) for cell in range(size * size)]
    return owners.count(FIRST), owners.count(SECOND)


def _owner(state, point):
    """Return whose a point of a finished game is; who reaches an empty one, its `liberties` then say."""
    stone = int(state.board[point])
    return stone if stone != EMPTY else {1: FIRST, 2: SECOND}.get(int(state.liberties[point]), 0)


def ko_point(state, size):
    """Return the cell where the stone played last, if it took one stone, may not be taken at once; or None."""
    if int(state.since_capture) != 0 or int(state.passes):
        return None
    point, taker = _point(int(state.last), size), -int(state.player)
    near = [point + offset for offset in NEIGHBOURS]
    free = [neighbour for neighbour in near if int(state.board[neighbour]) == EMPTY]
    if len(free) != 1 or any(int(state.board[neighbour]) == taker for neighbour in near):
        return None
    sides = (0, 1) if taker == FIRST else (1, 0)
    changed = int(state.positions[0]) ^ int(state.positions[1])
    is_ko = changed == int(STONE_KEYS[sides[0], point]) ^ int(STONE_KEYS[sides[1], free[0]])
    return (free[0] // STRIDE - 1) * size + free[0] % STRIDE - 1 if is_ko else None


def _pitch(size):
    """Return the distance of two lines."""
    return (_SIDE - 2 * _RIM) / size


def _centre(cell, size):
    row, column = divmod(cell, size)
    return _place(column, size), _place(row, size)


def _place(line, size):
    """Return how far a line is from the picture's left or upper edge."""
    return _EDGE + _RIM + (line + 0.5) * _pitch(size)


def _point(cell, size):
    return (cell // size + 1) * STRIDE + cell % size + 1


def _draw_board(size, canvas):
    first, last = _place(0, size), _place(size - 1, size)
    canvas.rect(_EDGE, _EDGE, _SIDE, _SIDE, _WOOD, 8)
    for k in range(size):
        place = _place(k, size)
        width = 2.4 if k in (0, size - 1) else 1.3
        canvas.line([(first, place), (last, place)], _INK, width)
        canvas.line([(place, first), (place, last)], _INK, width)
        for side in (_EDGE + 0.55 * _RIM, _EDGE + _SIDE - 0.55 * _RIM):
            canvas.text(LETTERS[k], place, side, 19, _INK, "center")
            canvas.text(str(size - k), side, place, 19, _INK, "center")
    for row, column in _stars(size):
        canvas.disc(*_centre(row * size + column, size), 4.5, _INK)


def _stars(size):
    """Return the (row, column) that boards of this size are marked at."""
    corners = [*itertools.product((2, size - 3), repeat=2)] if size >= 7 else []
    return corners + [(size // 2, size // 2)] * (size % 2 and size >= 5)


def _draw_stone(stone, x, y, radius, canvas):
    color = _BLACK if stone == FIRST else _WHITE
    canvas.disc(x + 0.05 * radius, y + 0.09 * radius, radius, mix(_WOOD, _INK, 0.6))  # its shadow
    canvas.disc(x, y, radius, mix(color, _INK, 0.35))
    canvas.disc(x, y, radius - 1.2, color)
    canvas.disc(x - 0.3 * radius, y - 0.32 * radius, 0.3 * radius, mix(color, _WHITE, 0.09 if stone == FIRST else 0.9))


def _draw_last(state, size, canvas):
    last = int(state.last)
    if 0 <= last < size * size:
        color = _WHITE if int(state.board[_point(last, size)]) == FIRST else _BLACK
        canvas.disc(*_centre(last, size), 0.16 * _pitch(size), color)
    ko = ko_point(state, size)
    if ko is not None:
        x, y = _centre(ko, size)
        side = 0.34 * _pitch(size)
        canvas.rect(x - side / 2, y - side / 2, side, side, _INK, outline=2.5)


def _draw_area(state, size, canvas):
    side = 0.3 * _pitch(size)
    for cell in range(size * size):
        x, y = _centre(cell, size)
        point = _point(cell, size)
        owner = _owner(state, point)
        if owner and int(state.board[point]) == EMPTY:
            canvas.rect(x - side / 2, y - side / 2, side, side, _BLACK if owner == FIRST else _WHITE, 2)


def _draw_words(state, params, canvas):
    """Say below the board who is to move, or who has won, and draw the button for a pass."""
    left, top, width, height = _PASS
    middle = top + height / 2
    is_over, player = int(state.passes) == 2, int(state.player)
    if is_over:
        black, white = areas(state, params)
        lead = black - white - float(params.komi)
        winner = "Draw" if lead == 0 else f"{'Black' if lead > 0 else 'White'} wins by {abs(lead):g}"
        canvas.text(winner, _EDGE + 4, middle - 11, 26)
        canvas.text(f"area {black} : {white}, komi {float(params.komi):g}", _EDGE + 4, middle + 14, 19, MUTED)
        return
    other = "White" if player == FIRST else "Black"
    said = f"{other} has passed, " if int(state.passes) else ""
    canvas.rect(_EDGE, top, height, height, _WOOD, 8)
    _draw_stone(player, _EDGE + height / 2, middle, 15, canvas)
    canvas.text(f"{said}{'Black' if player == FIRST else 'White'} to move", _EDGE + 58, middle, 24)
    canvas.rect(left, top, width, height, CARD, 10)
    canvas.rect(left, top, width, height, LINE, 10, outline=1.5)
    canvas.text("pass", left + width / 2, middle, 24, TEXT, "center")
