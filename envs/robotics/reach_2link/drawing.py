"""Draws Reach2Link: the arm on its table, the goal, and each motor's torque as an arc around its joint."""

import math

from envs.robotics.reach_2link.rules import STEP_SECONDS, SUCCESS_DISTANCE, distance_to_goal, tip_place
from rlkit.viewing.canvas import BACKGROUND, BLUE, GREEN, LINE, MUTED, PANEL, TEXT, YELLOW, mix

SIZE = (640, 700)
ACTION_NAMES = ("shoulder", "elbow")
KEYS = {"left": (0.4, 0.0), "right": (-0.4, 0.0), "up": (0.0, 0.4), "down": (0.0, -0.4)}
IDLE_ACTION = (0.0, 0.0)

_CENTRE = (320.0, 352.0)
_REACH = 275.0  # pixels
_FULL_ARC = math.radians(150)  # at the motor's full torque


def draw(state, params, canvas):
    """Draw one state."""
    canvas.fill(BACKGROUND)
    _draw_table(params, canvas)
    is_there = float(distance_to_goal(state, params)) <= SUCCESS_DISTANCE
    _draw_goal(state, params, canvas, is_there)
    _draw_arm(state, params, canvas)
    _draw_figures(state, params, canvas, is_there)


def _pixels(params):
    """Return pixels per metre."""
    return _REACH / (float(params.length_1) + float(params.length_2))


def _at(x, y, params):
    return _CENTRE[0] + _pixels(params) * x, _CENTRE[1] - _pixels(params) * y


def _draw_table(params, canvas):
    reach = float(params.length_1) + float(params.length_2)
    canvas.disc(*_CENTRE, _REACH + 24, PANEL)
    for share in (1.0, 0.5):
        canvas.disc(*_CENTRE, share * _REACH, mix(PANEL, LINE, 0.7), outline=1.5)
        canvas.text(f"{share * reach:.1f} m", _CENTRE[0], _CENTRE[1] - share * _REACH - 9, 15, MUTED, "center")
    for dx, dy in ((1, 0), (0, 1)):
        ends = [(_CENTRE[0] + s * dx * _REACH, _CENTRE[1] + s * dy * _REACH) for s in (-1, 1)]
        canvas.line(ends, mix(PANEL, LINE, 0.5), 1)


def _draw_goal(state, params, canvas, is_there):
    x, y = _at(float(state.goal[0]), float(state.goal[1]), params)
    radius = SUCCESS_DISTANCE * _pixels(params)
    canvas.disc(x, y, radius, mix(PANEL, GREEN, 0.9 if is_there else 0.35))
    canvas.disc(x, y, radius + 3, GREEN, outline=2.5)


def _draw_arm(state, params, canvas):
    q1, q2 = float(state.qpos[0]), float(state.qpos[1])
    length = float(params.length_1)
    elbow = _at(length * math.cos(q1), length * math.sin(q1), params)
    tip_x, tip_y = tip_place(state, params)
    tip = _at(tip_x, tip_y, params)
    canvas.line([_CENTRE, elbow], mix(BACKGROUND, BLUE, 0.75), 20)
    canvas.line([elbow, tip], BLUE, 14)
    limit = float(params.max_torque) * float(params.gain)
    for centre, angle, torque, radius in (
        (_CENTRE, q1, state.torques[0], 40.0),
        (elbow, q1 + q2, state.torques[1], 32.0),
    ):
        canvas.disc(*centre, 11, TEXT)
        canvas.disc(*centre, 6, BACKGROUND)
        _draw_torque(canvas, centre, angle, float(torque) / limit, radius)
    canvas.disc(*tip, 7 + 12 * math.sqrt(max(0.0, float(params.payload))), TEXT)


def _draw_torque(canvas, centre, angle, share, radius):
    """Draw an arc with a head, from the link in the direction in which the motor turns it."""
    sweep = max(-1.0, min(1.0, share)) * _FULL_ARC
    if abs(sweep) < 0.03:
        return

    def at(turn, distance):
        return centre[0] + distance * math.cos(angle + turn), centre[1] - distance * math.sin(angle + turn)

    steps = max(2, round(abs(sweep) / 0.08))
    canvas.line([at(sweep * k / steps, radius) for k in range(steps + 1)], YELLOW, 5)
    head = 0.4 * min(1.0, 0.3 + abs(sweep))
    tip = sweep + math.copysign(head, sweep)
    canvas.polygon([at(tip, radius), at(sweep, radius - 22 * head), at(sweep, radius + 22 * head)], YELLOW)


def _draw_figures(state, params, canvas, is_there):
    now = STEP_SECONDS * int(state.num_steps)
    distance = 100 * float(distance_to_goal(state, params))
    canvas.text(f"{now:.2f} s", 30, 30, 24, TEXT)
    canvas.text(f"{distance:.1f} cm from the goal", 610, 30, 24, GREEN if is_there else TEXT, "right")
    reached = f"reached after {float(state.first_reach):.2f} s" if int(state.reached) else "not reached yet"
    canvas.text(reached, 320, 30, 18, GREEN if int(state.reached) else MUTED, "center")
    torques = " and ".join(f"{round(float(torque), 1) + 0.0:+.1f}" for torque in state.torques)
    text = f"torque {torques} N·m    work {float(state.work):.1f} J"
    canvas.text(text.replace("-", "−"), 320, 680, 18, MUTED, "center")
