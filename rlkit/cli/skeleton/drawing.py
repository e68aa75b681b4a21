"""Draws the corridor: a row of cells, the door and the walker, who follows arrow keys and clicks."""

from rlkit.viewing.canvas import BACKGROUND, CARD, GREEN, MUTED, YELLOW

SIZE = (640, 240)  # pixels
ACTION_NAMES = ("left", "right")
KEYS = {"left": 0, "right": 1}

_LEFT, _RIGHT, _MIDDLE = 30, 610, 110  # pixels: the ends of the corridor, and its height


def draw(state, params, canvas):
    """Draw one state."""
    cell = (_RIGHT - _LEFT) / int(params.length)
    canvas.fill(BACKGROUND)
    for index in range(int(params.length)):
        color = GREEN if index == int(state.door) else CARD
        canvas.rect(_LEFT + index * cell + 2, _MIDDLE - 40, cell - 4, 80, color, radius=6)
    canvas.disc(_LEFT + (int(state.position) + 0.5) * cell, _MIDDLE, min(18, 0.35 * cell), YELLOW)
    canvas.text(f"step {int(state.num_steps)}", SIZE[0] / 2, 200, 20, MUTED, "center")


def action_from_click(state, params, x, y):
    """Return the action a click at (x, y) means: towards it."""
    walker = _LEFT + (int(state.position) + 0.5) * (_RIGHT - _LEFT) / int(params.length)
    return 1 if x > walker else 0
