"""Draws Quadrotor2D: the craft with its thrusts, where it was, the reference it should be at, and the wind."""

import math

from envs.robotics.quadrotor_2d.rules import PREVIEW_STEPS, STEP_SECONDS, TRAIL_POINTS, TRAIL_STEPS, reference
from rlkit.viewing.canvas import BACKGROUND, BLUE, GREEN, LINE, MUTED, PANEL, RED, TEXT, YELLOW, mix

SIZE = (640, 700)
ACTION_NAMES = ("left", "right")
KEYS = {"up": (0.5, 0.5), "down": (-0.5, -0.5), "left": (-0.1, 0.1), "right": (0.1, -0.1)}
IDLE_ACTION = (0.0, 0.0)

_LEFT, _TOP, _SIDE = 30.0, 60.0, 580.0  # pixels, of the box
_BODY = 34.0  # pixels from the middle to a rotor: drawn much larger than it is
_FULL_BAR = 44.0  # pixels, of a thrust of twice hover_thrust


def draw(state, params, canvas):
    """Draw one state."""
    canvas.fill(BACKGROUND)
    canvas.rect(_LEFT, _TOP, _SIDE, _SIDE, PANEL)
    _draw_grid(params, canvas)
    _draw_reference(state, params, canvas)
    _draw_trail(state, params, canvas)
    _draw_craft(state, params, canvas)
    _draw_wind(state, params, canvas)
    _draw_figures(state, params, canvas)


def _at(x, z, params):
    """Return the pixel of a place in m."""
    pixels = _SIDE / (2.0 * float(params.box))
    return _LEFT + _SIDE / 2 + pixels * x, _TOP + _SIDE / 2 - pixels * z


def _draw_grid(params, canvas):
    box = float(params.box)
    for k in range(-math.floor(box), math.floor(box) + 1):
        color = mix(PANEL, LINE, 0.8 if k == 0 else 0.4)
        canvas.line([_at(k, -box, params), _at(k, box, params)], color, 1)
        canvas.line([_at(-box, k, params), _at(box, k, params)], color, 1)
        canvas.text(f"{k} m".replace("-", "−"), _at(k, 0, params)[0], _TOP + _SIDE + 14, 15, MUTED, "center")
    canvas.rect(_LEFT, _TOP, _SIDE, _SIDE, mix(PANEL, RED, 0.5), outline=2)


def _place(state, params, num_steps):
    x, z = (reference(state, params, axis, num_steps)[0] for axis in (0, 1))
    return _at(x, z, params)


def _draw_reference(state, params, canvas):
    now = int(state.num_steps)
    ahead = [_place(state, params, now + PREVIEW_STEPS * k) for k in range(int(params.preview) + 1)]
    if float(params.track_size) > 0:
        behind = [_place(state, params, now - PREVIEW_STEPS * k) for k in range(20)]
        canvas.line(behind, mix(PANEL, GREEN, 0.3), 2)
        canvas.line(ahead, mix(PANEL, GREEN, 0.7), 2)
        for x, y in ahead[1:]:
            canvas.disc(x, y, 3.5, mix(PANEL, GREEN, 0.8))
    x, y = ahead[0]
    canvas.disc(x, y, 16, GREEN, outline=2.5)
    for dx, dy in ((1, 0), (0, 1)):
        canvas.line([(x - 23 * dx, y - 23 * dy), (x + 23 * dx, y + 23 * dy)], GREEN, 2)


def _draw_trail(state, params, canvas):
    """Draw where the craft was, fainter the longer ago."""
    now = int(state.num_steps)
    count = min(now // TRAIL_STEPS, TRAIL_POINTS)
    newest = now // TRAIL_STEPS - 1
    places = [state.trail[(newest - k) % TRAIL_POINTS] for k in range(count)]
    points = [_at(float(state.x), float(state.z), params), *(_at(float(x), float(z), params) for x, z in places)]
    for k in range(len(points) - 1, 0, -1):
        canvas.line(points[k - 1 : k + 1], mix(BLUE, PANEL, 0.25 + 0.7 * k / TRAIL_POINTS), 3)


def _draw_craft(state, params, canvas):
    x, y = _at(float(state.x), float(state.z), params)
    theta = float(state.theta)
    along, up = (math.cos(theta), math.sin(theta)), (math.sin(theta), -math.cos(theta))

    def point(right, above):
        return x + right * along[0] + above * up[0], y + right * along[1] + above * up[1]

    hover = float(params.hover_thrust)
    for side, thrust in zip((-1, 1), state.thrusts, strict=True):
        length = _FULL_BAR * float(thrust) / (2.0 * hover)
        rotor = side * _BODY
        canvas.line([point(rotor, 14), point(rotor, 14 + length)], YELLOW, 6)
        canvas.polygon(
            [point(rotor - 7, 13 + length), point(rotor + 7, 13 + length), point(rotor, 25 + length)], YELLOW
        )
        mark = 14 + _FULL_BAR / 2  # hovering
        canvas.line([point(rotor + 8, mark), point(rotor + 15, mark)], MUTED, 2)
        canvas.line([point(rotor - 17, 10), point(rotor + 17, 10)], TEXT, 3)
        canvas.line([point(rotor, 0), point(rotor, 10)], TEXT, 3)
    color = RED if int(state.fell) else TEXT
    canvas.line([point(-_BODY, 0), point(_BODY, 0)], color, 6)
    canvas.disc(x, y, 9, BLUE)


def _draw_wind(state, params, canvas):
    """Draw the gust as an arrow in the corner; its length is relative to the weight."""
    if float(params.gust) <= 0:
        return
    x, y = _LEFT + _SIDE - 70, _TOP + 70
    weight = float(params.mass) * float(params.gravity)
    dx, dy = 220 * float(state.wind_x) / weight, -220 * float(state.wind_z) / weight
    canvas.disc(x, y, 56, mix(PANEL, LINE, 0.4))
    canvas.text("wind", x, y + 68, 15, MUTED, "center")
    length = math.hypot(dx, dy)
    if length < 1:
        return
    ux, uy, head = dx / length, dy / length, min(12.0, 0.6 * length)
    canvas.line([(x, y), (x + dx - head * ux, y + dy - head * uy)], TEXT, 4)
    base = [(x + dx - head * ux + s * 0.6 * head * uy, y + dy - head * uy - s * 0.6 * head * ux) for s in (-1, 1)]
    canvas.polygon([(x + dx, y + dy), *base], TEXT)


def _draw_figures(state, params, canvas):
    now = int(state.num_steps)
    centre = [reference(state, params, axis, now)[0] for axis in (0, 1)]
    distance = math.hypot(float(state.x) - centre[0], float(state.z) - centre[1])
    head = "fell" if int(state.fell) else f"{STEP_SECONDS * now:.1f} s"
    canvas.text(head, _LEFT, 30, 24, RED if int(state.fell) else TEXT)
    canvas.text(f"{100 * distance:.0f} cm from the target", _LEFT + _SIDE / 2, 30, 20, GREEN, "center")
    canvas.text(f"cost {float(state.cost):.2f}", _LEFT + _SIDE, 30, 24, TEXT, "right")
    shares = [100 * float(thrust) / float(params.hover_thrust) for thrust in state.thrusts]
    text = f"thrust {shares[0]:.0f} % and {shares[1]:.0f} % of hovering    θ {math.degrees(float(state.theta)):+.0f}°"
    canvas.text(text.replace("-", "−"), _LEFT + _SIDE / 2, 680, 18, MUTED, "center")
