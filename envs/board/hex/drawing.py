"""Draws Hex: yellow joins top and bottom, red left and right; a dot marks the last stone, white the winning chain."""

import math
from collections import deque

from envs.board.hex.rules import BOTH_SIDES, EMPTY, NEIGHBOURS
from envs.board.hex.rules import FIRST as FIRST_PLAYER
from envs.board.hex.rules import SECOND as SECOND_PLAYER
from rlkit.viewing.canvas import BACKGROUND, CARD, FIRST, LINE, MUTED, SECOND, TEXT, mix

SIZE = (760, 540)
PLAYER_NAMES = ("yellow", "red")

_MARGIN = 58.0  # room around the board for the coloured sides and the names of rows and columns
_BUTTON = (SIZE[0] - 212.0, 26.0, 180.0, 44.0)  # left, top, width and height of the swap, beside the slanted board
_ROOT3 = math.sqrt(3)


def _action_names(params):
    """Return the cells' names as in SGF, a letter for the column and a number for the row, and the swap's."""
    size = int(params.board_size)
    return (*(f"{chr(97 + column)}{row + 1}" for row in range(size) for column in range(size)), "swap")


ACTION_NAMES = _action_names


def draw(state, params, canvas):
    """Draw one state."""
    size = int(params.board_size)
    radius = _radius(size)
    canvas.fill(BACKGROUND)
    _draw_sides(size, canvas)
    for cell in range(size * size):
        x, y = _centre(size, cell)
        canvas.polygon(_corners((x, y), radius), LINE)
        canvas.polygon(_corners((x, y), 0.95 * radius), CARD)
        if state.board[cell] != EMPTY:
            color = FIRST if state.board[cell] > 0 else SECOND
            canvas.disc(x, y, 0.7 * radius, color)
            canvas.disc(x, y, 0.54 * radius, mix(color, BACKGROUND, 0.14), outline=0.07 * radius)
    path = winning_path(state, size)
    if path:
        canvas.line([_centre(size, cell) for cell in path], TEXT, 0.14 * radius)
        for cell in path:
            canvas.disc(*_centre(size, cell), 0.7 * radius, TEXT, outline=0.12 * radius)
    elif state.last >= 0:
        color = FIRST if state.board[state.last] > 0 else SECOND
        canvas.disc(*_centre(size, int(state.last)), 0.2 * radius, mix(color, BACKGROUND, 0.6))
    if _can_swap(state, params):
        left, top, width, height = _BUTTON
        canvas.rect(left, top, width, height, mix(CARD, SECOND, 0.25), 10)
        canvas.text("swap pieces", left + width / 2, top + height / 2, 22, TEXT, "center")


def action_from_click(state, params, x, y):
    """Return the cell at a point of the picture, the swap on its button, or None elsewhere."""
    size = int(params.board_size)
    left, top, width, height = _BUTTON
    if _can_swap(state, params) and left <= x <= left + width and top <= y <= top + height:
        return size * size
    distance, cell = min((math.dist((x, y), _centre(size, cell)), cell) for cell in range(size * size))
    return cell if distance <= 0.9 * _radius(size) else None


def action_point(state, params, action):
    """Return where a mark for an action belongs: the centre of the cell, or of the swap's button."""
    size = int(params.board_size)
    left, top, width, height = _BUTTON
    return (left + width / 2, top + height / 2) if action == size * size else _centre(size, int(action))


def winning_path(state, size):
    """Return the cells of a shortest chain of stones between the winner's sides, or [] while nobody has won."""
    player = FIRST_PLAYER if state.board[state.last] > 0 else SECOND_PLAYER
    if state.last < 0 or abs(int(state.board[state.last])) != 1 + BOTH_SIDES:
        return []
    stones = {cell for cell in range(size * size) if int(state.board[cell]) * player > 0}
    along = {cell: cell // size if player == FIRST_PLAYER else cell % size for cell in stones}
    before: dict[int, int | None] = {cell: None for cell in stones if along[cell] == 0}
    waiting = deque(sorted(before))
    while waiting:
        cell = waiting.popleft()
        if along[cell] == size - 1:
            return _trace(before, cell)
        for down, right in NEIGHBOURS:
            near = cell + down * size + right
            if 0 <= cell % size + right < size and near in stones and near not in before:
                before[near] = cell
                waiting.append(near)
    return []


def _trace(before, cell):
    path = []
    while cell is not None:
        path.append(cell)
        cell = before[cell]
    return path


def _can_swap(state, params):
    return bool(params.swap) and int(state.num_stones) == 1 and int(state.player) == SECOND_PLAYER


# --- where things lie -------------------------------------------------------------------------------------------


def _radius(size):
    """Return the distance from a hexagon's centre to its corners with which the board fills the picture."""
    width, height = SIZE
    return min((width - 2 * _MARGIN) / (_ROOT3 * (1.5 * size - 0.5)), (height - 2 * _MARGIN) / (1.5 * size + 0.5))


def _centre(size, cell):
    radius, middle = _radius(size), (size - 1) / 2
    down, right = cell // size - middle, cell % size - middle
    return SIZE[0] / 2 + _ROOT3 * radius * (right + down / 2), SIZE[1] / 2 + 1.5 * radius * down


def _corners(centre, radius):
    """Return a hexagon's corners: the top, then clockwise."""
    x, y = centre
    turns = (math.radians(60 * k - 90) for k in range(6))
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]


def _draw_sides(size, canvas):
    """Draw the coloured sides, which meet in the middle of the obtuse corners' edges, and the names along them."""
    radius = _radius(size)
    upper = [_corners(_centre(size, column), radius)[k] for column in range(size) for k in (5, 0, 1)]
    left = [_corners(_centre(size, row * size), radius)[k] for row in range(size) for k in (5, 4, 3)]
    for points in (upper, left):
        (x0, y0), (x1, y1) = points[-2:]
        points[-1] = (x0 + x1) / 2, (y0 + y1) / 2
    for points, color in ((left, SECOND), (upper, FIRST)):
        for side in (points, [(SIZE[0] - x, SIZE[1] - y) for x, y in points]):
            canvas.line(side, color, 0.42 * radius)
    for k in range(size):
        x, y = _centre(size, k)
        canvas.text(chr(97 + k), x, y - 1.58 * radius, 20, MUTED, "center")
        x, y = _centre(size, k * size)
        canvas.text(str(k + 1), x - 1.2 * radius, y, 20, MUTED, "right")
