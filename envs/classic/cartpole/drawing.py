"""Draws CartPole to scale: the cart on its track, the pole, and the limits at which an episode ends."""

import math

from rlkit.viewing.canvas import BACKGROUND, BLUE, CARD, LINE, MUTED, RED, TEXT, YELLOW, mix

SIZE = (640, 400)
ACTION_NAMES = ("push left", "push right")
KEYS = {"left": 0, "right": 1}

_METRE = 115.0  # pixels
_TRACK = 285.0  # height of the rail
_LIMIT = 2.4  # m, where an episode ends; Barto, Sutton and Anderson (1983)
_TILT = math.radians(12)  # rad, likewise


def IDLE_ACTION(state, params):  # noqa: N802 (a constant in other environments)
    """Push left and right in turn while no key is held: there is no action that does nothing."""
    return int(state.num_steps) % 2


def draw(state, params, canvas):
    """Draw one state."""
    x, theta = float(state.x), float(state.theta)
    middle, pivot = SIZE[0] / 2, (SIZE[0] / 2 + x * _METRE, _TRACK - 26)
    length = 2 * float(params.half_length) * _METRE
    canvas.fill(BACKGROUND)
    _draw_track(canvas, middle)
    for side in (-1, 1):
        canvas.line([pivot, _tip(pivot, side * _TILT, length + 14)], mix(BACKGROUND, LINE, 0.8), 1.5)
    canvas.rect(pivot[0] - 38, _TRACK - 36, 76, 26, BLUE, 7)
    for side in (-1, 1):
        canvas.disc(pivot[0] + side * 22, _TRACK - 8, 7, TEXT)
        canvas.disc(pivot[0] + side * 22, _TRACK - 8, 2.5, BACKGROUND)
    has_fallen = abs(theta) > _TILT
    canvas.line([pivot, _tip(pivot, theta, length)], RED if has_fallen else YELLOW, 9)
    canvas.disc(*pivot, 4, BACKGROUND)
    canvas.text(f"x {x:+.2f} m", middle - 120, 352, 20, MUTED)
    canvas.text(f"θ {math.degrees(theta):+.1f}°", middle + 60, 352, 20, MUTED)


def _draw_track(canvas, middle):
    canvas.rect(middle - _LIMIT * _METRE, _TRACK, 2 * _LIMIT * _METRE, 5, CARD, 2.5)
    for metre in (-2, -1, 0, 1, 2):
        canvas.line([(middle + metre * _METRE, _TRACK + 10), (middle + metre * _METRE, _TRACK + 16)], LINE, 1.5)
        canvas.text(f"{metre} m".replace("-", "−"), middle + metre * _METRE, _TRACK + 28, 16, LINE, "center")
    for side in (-1, 1):
        canvas.rect(middle + side * _LIMIT * _METRE - 3, _TRACK - 22, 6, 32, mix(BACKGROUND, RED, 0.7), 3)


def _tip(pivot, angle, length):
    return pivot[0] + length * math.sin(angle), pivot[1] - length * math.cos(angle)
