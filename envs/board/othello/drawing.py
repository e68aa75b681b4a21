"""Draws Othello: small dots where the side to move may play, a red dot on the disc played last, counts below."""

from envs.board.othello.notation import ACTION_NAMES as ACTION_NAMES  # part of a drawing
from envs.board.othello.rules import CELLS, PASS
from rlkit.viewing.canvas import BACKGROUND, GREEN, MUTED, RED, TEXT, YELLOW, mix

SIZE = (580, 640)
KEYS = {"p": PASS}
PLAYER_NAMES = ("black", "white")
PLAYER_COLORS = ((104, 111, 128), (236, 236, 230))  # black lightened, to be seen on the dark panel

_CELL, _LEFT, _TOP = 62, 42, 42
_BOARD = 8 * _CELL
_FELT = mix(mix(GREEN, BACKGROUND, 0.55), (0, 110, 60), 0.35)
_GRID = mix(_FELT, BACKGROUND, 0.65)
_BLACK, _WHITE = (18, 20, 24), (238, 238, 230)


def draw(state, params, canvas):
    """Draw one state."""
    canvas.fill(BACKGROUND)
    _draw_board(canvas)
    black, white = (int(discs) for discs in state.discs)
    legal = int(state.legal)
    for cell in range(CELLS):
        x, y = _centre(cell)
        if (black | white) >> cell & 1:
            canvas.disc(x + 1.5, y + 2.5, 26, _GRID)  # its shadow
            _draw_disc(x, y, 26, bool(black >> cell & 1), canvas)
        elif legal >> cell & 1:
            canvas.disc(x, y, 6, _color(state.player > 0))
    if action_point(state, params, state.last):
        canvas.disc(*_centre(int(state.last)), 6, RED)
    _draw_counts(state, black.bit_count(), white.bit_count(), canvas)


def action_from_click(state, params, x, y):
    """Return the cell at a point of the picture, None beside the board; where a pass is due, any point passes."""
    if state.must_pass:
        return PASS
    column, row = int((x - _LEFT) // _CELL), int((y - _TOP) // _CELL)
    return 8 * row + column if 0 <= column < 8 and 0 <= row < 8 else None


def action_point(state, params, action):
    """Return the point (x, y) of the picture to which an action belongs, None for a pass."""
    return _centre(int(action)) if 0 <= action < CELLS else None


def _centre(cell):
    return _LEFT + (cell % 8 + 0.5) * _CELL, _TOP + (cell // 8 + 0.5) * _CELL


def _color(is_black):
    return _BLACK if is_black else _WHITE


def _name(player):
    return PLAYER_NAMES[0 if player > 0 else 1]


def _draw_board(canvas):
    canvas.rect(_LEFT - 4, _TOP - 4, _BOARD + 8, _BOARD + 8, _GRID, 6)
    canvas.rect(_LEFT, _TOP, _BOARD, _BOARD, _FELT)
    for k in range(1, 8):
        canvas.rect(_LEFT + k * _CELL - 1, _TOP, 2, _BOARD, _GRID)
        canvas.rect(_LEFT, _TOP + k * _CELL - 1, _BOARD, 2, _GRID)
    for x in (2, 6):
        for y in (2, 6):
            canvas.disc(_LEFT + x * _CELL, _TOP + y * _CELL, 5, _GRID)
    for k in range(8):
        middle = (k + 0.5) * _CELL
        canvas.text("abcdefgh"[k], _LEFT + middle, _TOP - 20, 22, MUTED, "center")
        canvas.text(str(k + 1), _LEFT - 20, _TOP + middle, 22, MUTED, "center")


def _draw_disc(x, y, radius, is_black, canvas):
    color, other = _color(is_black), _color(not is_black)
    canvas.disc(x, y, radius, mix(color, other, 0.22))
    canvas.disc(x, y - 1, radius - 1.5, color)


def _draw_counts(state, num_black, num_white, canvas):
    """Write each side's discs below the board; a ring is around who moves next or, at the end, who has more."""
    is_over = int(state.legal) == 0 and not state.must_pass
    ahead = num_black - num_white if is_over else int(state.player)
    y = _TOP + _BOARD + 52
    for side, x, count in ((1, _LEFT + 40, num_black), (-1, _LEFT + _BOARD - 40, num_white)):
        if ahead * side > 0:
            canvas.disc(x, y, 28, YELLOW)
        _draw_disc(x, y, 22, side > 0, canvas)
        canvas.text(str(count), x + side * 42, y, 34, TEXT, "left" if side > 0 else "right")
    middle = _LEFT + _BOARD / 2
    if is_over:
        text = f"{_name(ahead)} wins by {abs(ahead)}" if ahead else "a draw"
        canvas.text(text, middle, y, 26, TEXT, "center")
    elif state.must_pass:
        canvas.text(f"{_name(state.player)} must pass (p)", middle, y, 26, MUTED, "center")
