"""Draws CartPole to scale: the cart on its track, the pole, and the limits at which an episode ends."""

import math

from rlkit.viewing.canvas import BACKGROUND, BLUE, CARD, LINE, MUTED, RED, TEXT, YELLOW, mix

SIZE = (640, 400)
ACTION_NAMES = ("push left", "push right")
KEYS = {"left": 0, "right": 1}

_METRE = 115.0  # pixels, unless the track is longer than usual
_TRACK = 285.0  # height of the rail


def IDLE_ACTION(state, params):
    """Push left and right in turn while no key is held: there is no action that does nothing."""
    return int(state.num_steps) % 2


def draw(state, params, canvas):
    """Draw one state."""
    x, theta = float(state.x), float(state.theta)
    max_x, max_theta = float(params.max_x), float(params.max_theta)
    metre = min(_METRE, 0.43 * SIZE[0] / max_x)
    length = 2 * float(params.half_length) * metre
    pivot = (SIZE[0] / 2 + x * metre, _TRACK - 26)
    canvas.fill(BACKGROUND)
    _draw_track(canvas, metre, max_x)
    for side in (-1, 1):
        canvas.line([pivot, _tip(pivot, side * max_theta, length + 14)], mix(BACKGROUND, LINE, 0.8), 1.5)
    canvas.rect(pivot[0] - 38, _TRACK - 36, 76, 26, BLUE, 7)
    for side in (-1, 1):
        canvas.disc(pivot[0] + side * 22, _TRACK - 8, 7, TEXT)
        canvas.disc(pivot[0] + side * 22, _TRACK - 8, 2.5, BACKGROUND)
    canvas.line([pivot, _tip(pivot, theta, length)], RED if abs(theta) > max_theta else YELLOW, 9)
    canvas.disc(*pivot, 4, BACKGROUND)
    figures = f"x {x:+.2f} m        θ {math.degrees(theta):+.1f}°"
    canvas.text(figures.replace("-", "−"), SIZE[0] / 2, 352, 20, MUTED, "center")


def _draw_track(canvas, metre, max_x):
    middle = SIZE[0] / 2
    canvas.rect(middle - max_x * metre, _TRACK, 2 * max_x * metre, 5, CARD, 2.5)
    for mark in range(-int(max_x), int(max_x) + 1):
        x = middle + mark * metre
        canvas.line([(x, _TRACK + 10), (x, _TRACK + 16)], LINE, 1.5)
        canvas.text(f"{mark} m".replace("-", "−"), x, _TRACK + 28, 16, LINE, "center")
    for side in (-1, 1):
        canvas.rect(middle + side * max_x * metre - 3, _TRACK - 22, 6, 32, mix(BACKGROUND, RED, 0.7), 3)


def _tip(pivot, angle, length):
    return pivot[0] + length * math.sin(angle), pivot[1] - length * math.cos(angle)
