"""Draws Pendulum: the rod on its pivot, and the torque as an arrow around it (counter-clockwise positive)."""

import math

from rlkit.viewing.canvas import BACKGROUND, BLUE, CARD, LINE, MUTED, TEXT, YELLOW, mix

SIZE = (480, 480)
ACTION_NAMES = ("torque",)
KEYS = {"left": (2.0,), "right": (-2.0,)}  # N·m
IDLE_ACTION = (0.0,)

_CENTRE = (240.0, 222.0)
_LENGTH = 150.0  # pixels
_ARROW_RADIUS = 62.0
_FULL_ARROW = math.radians(120)  # at the motor's full torque


def draw(state, params, canvas):
    """Draw one state."""
    theta, torque = float(state.theta), float(state.torque)
    canvas.fill(BACKGROUND)
    canvas.disc(*_CENTRE, _LENGTH + 26, mix(BACKGROUND, CARD, 0.45))
    for hour in range(12):
        angle = hour * math.tau / 12
        inner = _LENGTH + (6 if hour % 3 == 0 else 12)
        canvas.line([_at(angle, inner), _at(angle, _LENGTH + 18)], LINE, 2 if hour % 3 == 0 else 1.5)
    canvas.line([_CENTRE, _at(theta, _LENGTH)], mix(BACKGROUND, BLUE, 0.85), 22)
    canvas.disc(*_at(theta, _LENGTH), 19, BLUE)
    canvas.disc(*_CENTRE, 7, BACKGROUND)
    canvas.disc(*_CENTRE, 4, TEXT)
    _draw_torque(torque / float(params.max_torque), canvas)
    upright = math.degrees(math.remainder(theta, math.tau))
    figures = (f"θ {upright:+.0f}°", f"ω {float(state.theta_dot):+.1f} rad/s", f"torque {torque:+.2f} N·m")
    for figure, x in zip(figures, (90, 235, 390), strict=True):
        canvas.text(figure.replace("-", "−"), x, 446, 19, MUTED, "center")


def _draw_torque(share, canvas):
    sweep = max(-1.0, min(1.0, share)) * _FULL_ARROW
    if abs(sweep) < 0.02:
        return
    steps = max(2, round(abs(sweep) / 0.06))
    canvas.line([_at(sweep * k / steps, _ARROW_RADIUS) for k in range(steps + 1)], YELLOW, 5)
    size = min(1.0, 0.3 + abs(sweep))  # a weak torque has a small head
    head = sweep + math.copysign(0.24 * size, sweep)
    base = [_at(sweep, _ARROW_RADIUS - 10 * size), _at(sweep, _ARROW_RADIUS + 10 * size)]
    canvas.polygon([_at(head, _ARROW_RADIUS), *base], YELLOW)


def _at(angle, radius):
    """Return the point at an angle from upright, counter-clockwise positive."""
    return _CENTRE[0] - radius * math.sin(angle), _CENTRE[1] - radius * math.cos(angle)
