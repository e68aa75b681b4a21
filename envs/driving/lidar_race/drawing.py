"""Draws LidarRace: the track around the car with the lidar's rays, the whole track in a corner, speed and laps."""

import math

from rlkit.viewing.canvas import BACKGROUND, BLUE, CARD, GREEN, LINE, MUTED, PANEL, RED, TEXT, YELLOW, mix

SIZE = (960, 600)
ACTION_NAMES = ("steering rate", "acceleration")
KEYS = {"left": (1.0, 0.2), "right": (-1.0, 0.2), "up": (0.0, 1.0), "down": (0.0, -1.0)}
IDLE_ACTION = (0.0, 0.0)

_VIEW = (340.0, 300.0)  # where the car is drawn
_METRE = 44.0  # pixels
_WIDTH = 680.0  # of the view around the car
_SIDE = 700.0  # left edge of the column beside it
_ROAD = mix(BACKGROUND, MUTED, 0.28)
_GRASS = mix(BACKGROUND, GREEN, 0.10)


def draw(state, params, canvas):
    """Draw one state."""
    canvas.fill(_GRASS)

    def at(x, y):
        return (
            _VIEW[0] + _METRE * (float(x) - float(state.x)),
            _VIEW[1] - _METRE * (float(y) - float(state.y)),
        )

    _draw_road(state, canvas, at, _METRE, range(_gates(state)[0], _gates(state)[1]))
    _draw_rays(state, params, canvas, at)
    _draw_car(state, params, canvas, at)
    canvas.rect(_WIDTH, 0, SIZE[0] - _WIDTH, SIZE[1], BACKGROUND)
    _draw_map(state, canvas)
    _draw_figures(state, params, canvas)


def _gates(state):
    """Return the first and the last gate, counted from the car's, that may be in the view."""
    count, spacing = int(state.num_points), float(state.spacing)
    reach = min(count // 2, math.ceil(26.0 / spacing))
    return int(state.segment) - reach, int(state.segment) + reach


def _draw_road(state, canvas, at, metre, gates):
    """Draw the road between the walls of some gates, and the walls, the left one blue and the right one yellow."""
    count = int(state.num_points)
    left = [at(state.left_x[i % count], state.left_y[i % count]) for i in gates]
    right = [at(state.right_x[i % count], state.right_y[i % count]) for i in gates]
    for i in range(len(left) - 1):
        canvas.polygon([left[i], left[i + 1], right[i + 1], right[i]], _ROAD)
    width = 4.0 if metre > 20 else 1.5
    for wall, color in ((left, BLUE), (right, YELLOW)):
        canvas.line(wall, color, width)
    if metre > 20:
        centre = [at(state.centre_x[i % count], state.centre_y[i % count]) for i in gates]
        for i in range(0, len(centre) - 1, 2):
            canvas.line(centre[i : i + 2], mix(_ROAD, TEXT, 0.25), 1.5)
    start = round((float(state.arc) - float(state.progress)) / float(state.spacing)) % count  # laps count from there
    if any(gate % count == start for gate in gates):
        ends = [at(state.left_x[start], state.left_y[start]), at(state.right_x[start], state.right_y[start])]
        canvas.line(ends, TEXT, width)


def _draw_rays(state, params, canvas, at):
    heading, offset = float(state.heading), float(params.lidar_offset)
    x, y = float(state.x) + offset * math.cos(heading), float(state.y) + offset * math.sin(heading)
    for ray, length in enumerate(state.ranges):
        angle = heading + math.radians(-131.25 + 7.5 * ray)
        end = at(x + float(length) * math.cos(angle), y + float(length) * math.sin(angle))
        canvas.line([at(x, y), end], mix(_ROAD, RED, 0.35), 1)
        if float(length) < float(params.max_range):
            canvas.disc(*end, 3, RED)


def _draw_car(state, params, canvas, at):
    """Draw body, wheels and the direction of motion."""
    length, width = float(params.car_length), float(params.car_width)
    heading, steering = float(state.heading), float(state.steering)

    def body(ahead, left):
        cos, sin = math.cos(heading), math.sin(heading)
        return at(float(state.x) + ahead * cos - left * sin, float(state.y) + ahead * sin + left * cos)

    front, rear = float(params.front_length), -float(params.rear_length)
    for axle, turn in ((front, steering), (rear, 0.0)):
        for side in (-0.42 * width, 0.42 * width):
            ends = [(axle + share * math.cos(turn), side + share * math.sin(turn)) for share in (-0.07, 0.07)]
            canvas.line([body(*end) for end in ends], TEXT, 5)
    color = RED if int(state.crashed) else GREEN
    half, side = 0.5 * length, 0.36 * width
    outline = [(-half, -side), (0.3 * half, -side), (half, -0.45 * side), (half, 0.45 * side), (0.3 * half, side)]
    canvas.polygon([body(*corner) for corner in [*outline, (-half, side)]], color)
    canvas.line([body(-0.8 * half, -1.3 * side), body(-0.8 * half, 1.3 * side)], mix(color, BACKGROUND, 0.5), 4)
    if float(state.speed) > 0.3:
        course, reach = heading + float(state.slip), half + 0.12 * float(state.speed)
        tip = (float(state.x) + reach * math.cos(course), float(state.y) + reach * math.sin(course))
        canvas.line([body(half, 0.0), at(*tip)], TEXT, 2)


def _draw_map(state, canvas):
    """Draw the whole track and where on it the car is."""
    count = int(state.num_points)
    xs, ys = ([float(v) for v in values[:count]] for values in (state.centre_x, state.centre_y))
    margin = 2.0
    span = max(max(xs) - min(xs), max(ys) - min(ys)) + 2 * margin
    size = 240.0
    metre = size / span
    middle_x, middle_y = 0.5 * (max(xs) + min(xs)), 0.5 * (max(ys) + min(ys))
    canvas.rect(_SIDE, 20, size, size, PANEL, 8)

    def at(x, y):
        return _SIDE + size / 2 + metre * (float(x) - middle_x), 20 + size / 2 - metre * (float(y) - middle_y)

    _draw_road(state, canvas, at, metre, range(count + 1))
    canvas.disc(*at(state.x, state.y), 6, BACKGROUND)
    canvas.disc(*at(state.x, state.y), 4.5, RED if int(state.crashed) else GREEN)


def _draw_figures(state, params, canvas):
    step, length = float(params.step_seconds), float(state.spacing) * int(state.num_points)
    seconds, laps = int(state.num_steps) * step, int(state.laps)
    canvas.text(f"{float(state.speed):.1f}", _SIDE + 62, 310, 56, TEXT, "center")
    canvas.text("m/s", _SIDE + 116, 320, 20, MUTED)
    share = min(1.0, float(state.speed) / float(params.max_speed))
    canvas.rect(_SIDE, 344, 240, 10, CARD, 5)
    if share > 0.02:
        canvas.rect(_SIDE, 344, 240 * share, 10, GREEN, 5)
    _draw_steering(state, params, canvas)
    this_lap = max(0.0, float(state.progress) - laps * length) / length
    since = seconds - float(state.lap_seconds)
    rows = [
        ("time", f"{seconds:.1f} s"),
        ("lap", f"{laps + 1}, {100 * this_lap:.0f} % of {length:.0f} m, {since:.1f} s"),
        ("mean lap", f"{float(state.lap_seconds) / laps:.2f} s" if laps else "–"),
        ("progress", f"{float(state.progress):.0f} m".replace("-", "−")),
    ]
    for row, (name, value) in enumerate(rows):
        canvas.text(name, _SIDE, 440 + 30 * row, 19, MUTED)
        canvas.text(value, _SIDE + 82, 440 + 30 * row, 19, TEXT, width=170)
    if int(state.crashed):
        canvas.text("crashed", _SIDE, 572, 26, RED)


def _draw_steering(state, params, canvas):
    """Draw the steering angle as a bar from the middle, left as on the road."""
    share = float(state.steering) / float(params.max_steering)
    canvas.text("steering", _SIDE, 378, 17, MUTED)
    canvas.rect(_SIDE, 394, 240, 10, CARD, 5)
    if abs(share) > 0.02:
        canvas.rect(_SIDE + 120 - max(share, 0.0) * 120, 394, abs(share) * 120, 10, YELLOW)
    canvas.line([(_SIDE + 120, 390), (_SIDE + 120, 408)], LINE, 2)
