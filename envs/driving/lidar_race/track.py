"""Closed tracks: generated from a number, or taken from a table; and where on its centreline a car is.

A generated track is the function heading(share of the lap) = one turn + waves of 2 to 7 periods with random
coefficients. Every such function gives segments of equal length; a wave of one period is added so that they close
(two equations, two unknowns, Newton's method). Curvature is heading's slope, so that it is easily bounded. Tracks that
bend too tightly or come too near to themselves are drawn again, each time less wavy; the last try is a circle.
"""

import math

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import mix64

MAX_POINTS = 256  # of a track's centreline
NUM_POINTS = 160  # of a generated one
NUM_WAVES = 6  # of 2, 3, … periods
MAX_TRIES = 24
NEWTON_STEPS = 10
GAP = 0.4  # m, between the walls of two parts of a track

_TURNS = 2.0 * math.pi * (np.arange(NUM_POINTS) + 0.5) / NUM_POINTS  # of segments: the middle of each
WAVE_COS = np.cos(np.arange(1, NUM_WAVES + 2)[:, None] * _TURNS)
WAVE_SIN = np.sin(np.arange(1, NUM_WAVES + 2)[:, None] * _TURNS)
_TWO_PI = 2.0 * math.pi
_DRAW = 0x632BE59BD9B4E019  # odd: the draws of one track are far apart


@jit
def track_uniform(number, draw):
    """Return a number in [0, 1): draw 0, 1, 2 … of the track of that number."""
    bits = mix64(mix64(number) ^ mix64(draw + _DRAW))
    return ((bits >> 11) & 0x1FFFFFFFFFFFFF) * 1.1102230246251565e-16


@jit
def draw_headings(state, number, attempt, waviness):
    """Write the headings of the segments, less the turn of the lap, into left_x (a scratch until walls are built)."""
    for i in range(NUM_POINTS):
        state.left_x[i] = 0.0
    for wave in range(1, NUM_WAVES + 1):
        draw = 16 + 2 * (NUM_WAVES * attempt + wave)
        size = math.sqrt(-2.0 * math.log(1.0 - track_uniform(number, draw))) * waviness / (wave + 1)
        phase = _TWO_PI * track_uniform(number, draw + 1)
        a, b = size * math.cos(phase), size * math.sin(phase)
        for i in range(NUM_POINTS):
            state.left_x[i] = float(state.left_x[i]) + a * WAVE_COS[wave, i] + b * WAVE_SIN[wave, i]


@jit
def close_headings(state):
    """Add the wave of one period with which the segments close; return whether one was found."""
    a, b = 0.0, 0.0
    sum_x, sum_y = 1.0, 1.0
    for _ in range(NEWTON_STEPS):
        sum_x, sum_y, xa, xb, ya, yb = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(NUM_POINTS):
            wave_cos, wave_sin = WAVE_COS[0, i], WAVE_SIN[0, i]
            heading = _TWO_PI * (i + 0.5) / NUM_POINTS + float(state.left_x[i]) + a * wave_cos + b * wave_sin
            cos, sin = math.cos(heading), math.sin(heading)
            sum_x += cos
            sum_y += sin
            xa -= sin * wave_cos
            xb -= sin * wave_sin
            ya += cos * wave_cos
            yb += cos * wave_sin
        if abs(sum_x) + abs(sum_y) < 1e-9:
            break
        slope = xa * yb - xb * ya
        if abs(slope) < 1.0:
            return False
        a -= (yb * sum_x - xb * sum_y) / slope
        b -= (xa * sum_y - ya * sum_x) / slope
    for i in range(NUM_POINTS):
        turned = _TWO_PI * (i + 0.5) / NUM_POINTS + a * WAVE_COS[0, i] + b * WAVE_SIN[0, i]
        state.left_x[i] = float(state.left_x[i]) + turned
    return abs(sum_x) + abs(sum_y) < 1e-6


@jit
def bends_less(state, most):
    """Return whether heading changes by at most `most` (rad) from each segment to the next."""
    last = float(state.left_x[NUM_POINTS - 1]) - _TWO_PI
    for i in range(NUM_POINTS):
        heading = float(state.left_x[i])
        if abs(heading - last) > most:
            return False
        last = heading
    return True


@jit
def lay_segments(state, spacing, turn):
    """Write the points of the centreline, turned as a whole and about its middle."""
    x, y, middle_x, middle_y = 0.0, 0.0, 0.0, 0.0
    for i in range(NUM_POINTS):
        state.centre_x[i], state.centre_y[i] = x, y
        middle_x += x / NUM_POINTS
        middle_y += y / NUM_POINTS
        heading = float(state.left_x[i]) + turn
        x += spacing * math.cos(heading)
        y += spacing * math.sin(heading)
    for i in range(NUM_POINTS):
        state.centre_x[i] = float(state.centre_x[i]) - middle_x
        state.centre_y[i] = float(state.centre_y[i]) - middle_y


@jit
def keeps_clear(state, spacing, distance):
    """Return whether parts of the centreline that are no neighbours are at least `distance` apart."""
    first = math.ceil(0.5 * math.pi * distance / spacing)  # a bend of that diameter is wider than that
    for i in range(0, NUM_POINTS, 2):
        x, y = float(state.centre_x[i]), float(state.centre_y[i])
        for j in range(i + first, min(NUM_POINTS, i + NUM_POINTS - first + 1)):
            dx, dy = float(state.centre_x[j]) - x, float(state.centre_y[j]) - y
            if dx * dx + dy * dy < distance * distance:
                return False
    return True


@jit
def build_wall_points(state, i, right, left):
    """Write the corners of both walls beside point i, `right` and `left` (m) from it, square to the track."""
    n = int(state.num_points)
    before, after = (i + n - 1) % n, (i + 1) % n
    dx = float(state.centre_x[after]) - float(state.centre_x[before])
    dy = float(state.centre_y[after]) - float(state.centre_y[before])
    length = math.sqrt(dx * dx + dy * dy)
    dx, dy = dx / length, dy / length
    x, y = float(state.centre_x[i]), float(state.centre_y[i])
    state.left_x[i], state.left_y[i] = x - left * dy, y + left * dx
    state.right_x[i], state.right_y[i] = x + right * dy, y - right * dx


@jit
def generate_track(state, params, number):
    """Build the track of a number."""
    half_width = float(params.half_width) * (1.0 + float(params.width_spread) * (2.0 * track_uniform(number, 0) - 1.0))
    length = float(params.length) * (1.0 + float(params.length_spread) * (2.0 * track_uniform(number, 1) - 1.0))
    spacing = length / NUM_POINTS
    state.num_points, state.spacing = NUM_POINTS, spacing
    most = spacing / max(float(params.min_radius), 1.25 * half_width)  # rad, from segment to segment
    for attempt in range(MAX_TRIES):
        draw_headings(state, number, attempt, float(params.waviness) * (1.0 - attempt / (MAX_TRIES - 1)))
        if close_headings(state) and bends_less(state, most):
            lay_segments(state, spacing, _TWO_PI * track_uniform(number, 2))
            if keeps_clear(state, spacing, 2.0 * half_width + GAP):
                break
    if track_uniform(number, 3) < 0.5:  # clockwise
        for i in range(NUM_POINTS):
            state.centre_y[i] = -float(state.centre_y[i])
    for i in range(NUM_POINTS):
        build_wall_points(state, i, half_width, half_width)


@jit
def copy_track(state, params):
    """Build the track of the params' table."""
    n, scale = int(params.table_points), float(params.track_scale)
    state.num_points, state.spacing = n, scale * float(params.table_spacing)
    for i in range(n):
        state.centre_x[i] = scale * float(params.table[0, i])
        state.centre_y[i] = scale * float(params.table[1, i])
    for i in range(n):
        build_wall_points(state, i, scale * float(params.table[2, i]), scale * float(params.table[3, i]))


@jit
def clear_track(state):
    """Set every point to zero: what the track does not use is the same in every state."""
    for i in range(MAX_POINTS):
        state.centre_x[i], state.centre_y[i] = 0.0, 0.0
        state.left_x[i], state.left_y[i] = 0.0, 0.0
        state.right_x[i], state.right_y[i] = 0.0, 0.0


@jit
def beside(state, segment):
    """Return, from the beginning of a segment, the vectors (dx, dy) to its end and (px, py) to the car."""
    after = segment + 1 if segment + 1 < int(state.num_points) else 0
    ax, ay = float(state.centre_x[segment]), float(state.centre_y[segment])
    dx, dy = float(state.centre_x[after]) - ax, float(state.centre_y[after]) - ay
    return dx, dy, float(state.x) - ax, float(state.y) - ay


@jit
def project(state, segment):
    """Return (squared distance of the car from a segment, share of the segment before the nearest point)."""
    dx, dy, px, py = beside(state, segment)
    share = min(max((px * dx + py * dy) / (dx * dx + dy * dy), 0.0), 1.0)
    ex, ey = px - share * dx, py - share * dy
    return ex * ex + ey * ey, share


@jit
def locate(state):
    """Return (segment, share of it) of the point of the centreline nearest to the car, near where it was."""
    n, was = int(state.num_points), int(state.segment)
    best, best_segment, best_share = math.inf, was, 0.0
    for ahead in range(-2, 5):  # the car moves at most two or three segments a step
        segment = (was + ahead + n) % n
        distance, share = project(state, segment)
        if distance < best:
            best, best_segment, best_share = distance, segment, share
    return best_segment, best_share


@jit
def is_off(state, segment):
    """Return whether the car's middle is beyond a wall, or the car looks backwards."""
    dx, dy, px, py = beside(state, segment)
    ax, ay = float(state.centre_x[segment]), float(state.centre_y[segment])
    heading = float(state.heading)
    if math.cos(heading) * dx + math.sin(heading) * dy < 0.0:
        return True
    side = dx * py - dy * px  # positive to the left
    if side > 0.0:
        wx, wy = float(state.left_x[segment]) - ax, float(state.left_y[segment]) - ay
    else:
        wx, wy = float(state.right_x[segment]) - ax, float(state.right_y[segment]) - ay
    return side * side > (wx * wx + wy * wy) * (dx * dx + dy * dy)
