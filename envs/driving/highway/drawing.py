"""Draws Highway: the road from above, moving with the ego; the other cars' colours say who is slower and who faster."""

import math

from envs.driving.highway.rules import (
    FASTER,
    FREE_TTC,
    IDLE,
    LANE_LEFT,
    LANE_RIGHT,
    SLOWER,
    SLOWEST,
    SPEED_STEP,
    num_all,
    time_to_collision,
)
from envs.driving.highway.traffic import DT, EGO, LANE_WIDTH, LENGTH, NOBODY, WIDTH
from rlkit.viewing.canvas import BACKGROUND, BLUE, CARD, GREEN, LINE, MUTED, PANEL, RED, TEXT, YELLOW, mix

SIZE = (1000, 330)
ACTION_NAMES = ("lane left", "idle", "lane right", "faster", "slower")
KEYS = {"up": LANE_LEFT, "down": LANE_RIGHT, "right": FASTER, "left": SLOWER}
IDLE_ACTION = IDLE

_METRE = 6.6  # pixels
_EGO_X = 250.0  # pixels: where the ego stays
_TOP, _ROAD = 52.0, 152.0  # pixels: the strip in which the road lies, whatever its width
_POST = 50.0  # m between posts beside the road
_DASH, _DASH_EVERY = 3.0, 9.0  # m
_FULL_COLOUR = 8.0  # m/s of difference
_PANEL_TOP = 226.0
_SAME = (196, 203, 218)  # colour of a car as fast as the ego
_TTC_SHOWN = 10.0  # s, the whole bar


def draw(state, params, canvas):
    """Draw one state."""
    lanes = int(params.lanes)
    canvas.fill(BACKGROUND)
    top = _TOP + (_ROAD - lanes * LANE_WIDTH * _METRE) / 2
    _draw_road(canvas, float(state.x[EGO]), lanes, top)
    for i in range(num_all(params) - 1, -1, -1):
        _draw_car(state, canvas, i, top)
    _draw_aim(state, canvas, top)
    _draw_head(state, canvas)
    _draw_panel(state, canvas)


def _at(state, i, top):
    """Return the point on the picture of car i's centre."""
    ahead = float(state.x[i]) - float(state.x[EGO])
    return _EGO_X + ahead * _METRE, top + (float(state.y[i]) + LANE_WIDTH / 2) * _METRE


def _draw_road(canvas, ego_x, lanes, top):
    width, height = SIZE[0], lanes * LANE_WIDTH * _METRE
    canvas.rect(0, top, width, height, PANEL)
    for side in (top, top + height):
        canvas.line([(0, side), (width, side)], MUTED, 2.5)
    first, last = ego_x - _EGO_X / _METRE, ego_x + (width - _EGO_X) / _METRE
    for k in range(math.floor(first / _DASH_EVERY), math.ceil(last / _DASH_EVERY) + 1):
        x = _EGO_X + (k * _DASH_EVERY - ego_x) * _METRE
        for lane in range(1, lanes):
            y = top + lane * LANE_WIDTH * _METRE
            canvas.line([(x, y), (x + _DASH * _METRE, y)], LINE, 1.5)
    for k in range(math.floor(first / _POST), math.ceil(last / _POST) + 1):
        x = _EGO_X + (k * _POST - ego_x) * _METRE
        canvas.line([(x, top - 9), (x, top - 3)], LINE, 2)
        canvas.line([(x, top + height + 3), (x, top + height + 9)], LINE, 2)
        canvas.text(f"{k * _POST:.0f} m", x, top + height + 17, 14, MUTED, "center")


def _car_color(state, i):
    if i == EGO:
        return BLUE
    if i == int(state.touched):
        return RED
    difference = (float(state.speed[i]) - float(state.speed[EGO])) / _FULL_COLOUR
    return mix(_SAME, GREEN if difference > 0 else YELLOW, min(abs(difference), 1.0))


def _corners(x, y, heading, length, width):
    cos, sin = math.cos(heading) * _METRE / 2, math.sin(heading) * _METRE / 2
    sides = ((1, 1), (1, -1), (-1, -1), (-1, 1))
    return [(x + a * length * cos - b * width * sin, y + a * length * sin + b * width * cos) for a, b in sides]


def _draw_car(state, canvas, i, top):
    x, y = _at(state, i, top)
    if not -40 < x < SIZE[0] + 40:
        return
    heading, color = float(state.heading[i]), _car_color(state, i)
    if i == EGO:
        canvas.polygon(_corners(x, y, heading, LENGTH + 1.2, WIDTH + 1.2), mix(PANEL, BLUE, 0.45))
    canvas.polygon(_corners(x, y, heading, LENGTH, WIDTH), RED if i == EGO and _is_over(state) else color)
    nose = 0.22 * LENGTH * _METRE
    window = (x + nose * math.cos(heading), y + nose * math.sin(heading))
    canvas.polygon(_corners(*window, heading, 0.9, 0.75 * WIDTH), mix(color, BACKGROUND, 0.7))
    side = LANE_WIDTH * int(state.target[i]) - float(state.y[i])
    if abs(side) > 1.0:  # a blinker while it changes lanes
        sign = math.copysign(1.0, side)
        for end in (0.42, -0.42):
            canvas.disc(x + end * LENGTH * _METRE, y + sign * 0.5 * WIDTH * _METRE, 2.6, YELLOW)


def _draw_aim(state, canvas, top):
    """Mark the middle of the lane that the ego heads for."""
    x = _EGO_X + (LENGTH / 2 + 1.5) * _METRE
    y = top + (int(state.target[EGO]) + 0.5) * LANE_WIDTH * _METRE
    canvas.polygon([(x, y - 5), (x + 9, y), (x, y + 5)], BLUE)


def _is_over(state):
    return int(state.touched) != NOBODY


def _draw_head(state, canvas):
    canvas.text(f"{int(state.clock) * DT:.0f} s", 24, 24, 24, TEXT)
    x = 90.0
    for name, color in (("you", BLUE), ("slower than you", YELLOW), ("as fast", _SAME), ("faster", GREEN)):
        canvas.rect(x, 18, 17, 10, color, 2)
        canvas.text(name, x + 24, 24, 17, MUTED)
        x += 48 + canvas.text_width(name, 17)
    if _is_over(state):
        text = "collision, caused by you" if int(state.caused) else "collision, caused by the other"
        canvas.text(text, SIZE[0] - 24, 24, 22, RED, "right")


def _draw_panel(state, canvas):
    speed, target = float(state.speed[EGO]), SLOWEST + SPEED_STEP * int(state.speed_index)
    ttc = 0.0 if _is_over(state) else float(time_to_collision(state))
    canvas.rect(20, _PANEL_TOP, SIZE[0] - 40, 88, CARD, 8)
    y = _PANEL_TOP + 30
    canvas.text("speed", 40, y, 17, MUTED)
    _draw_bar(canvas, 150, y, (speed - 15.0) / 20.0, BLUE)
    x = 150 + 240 * (target - 15.0) / 20.0
    canvas.polygon([(x, y - 8), (x - 5, y - 16), (x + 5, y - 16)], TEXT)
    canvas.text(f"{speed:.1f} m/s, target {target:.0f}", 405, y, 17, TEXT)
    y = _PANEL_TOP + 62
    color = RED if ttc < 2.0 else YELLOW if ttc < 4.0 else GREEN
    canvas.text("to collision", 40, y, 17, MUTED)
    _draw_bar(canvas, 150, y, ttc / _TTC_SHOWN, color)
    canvas.text("nobody is getting nearer" if ttc >= FREE_TTC else f"{ttc:.1f} s", 405, y, 17, TEXT)
    figures = (
        (f"{(float(state.x[EGO]) - float(state.start)):.0f} m driven", _PANEL_TOP + 30),
        (f"{int(state.lane_changes)} lane changes", _PANEL_TOP + 62),
    )
    for text, height in figures:
        canvas.text(text, SIZE[0] - 40, height, 17, MUTED, "right")


def _draw_bar(canvas, x, y, share, color):
    canvas.rect(x, y - 6, 240, 12, PANEL, 4)
    width = 240 * min(max(share, 0.0), 1.0)
    if width > 1:
        canvas.rect(x, y - 6, width, 12, color, 4)
