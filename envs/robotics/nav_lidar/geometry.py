"""Distances in a world of discs and axis-aligned boxes inside a square of walls; `state` holds them.

`state.discs` [·, 3] has centre and radius, `state.boxes` [·, 4] left, bottom, right, top; `num_discs` and `num_boxes`
say how many rows count. All lengths in metres.
"""

import math

from rlkit.engine.jit import jit
from rlkit.engine.rays import ray_box, ray_disc, ray_room, reciprocal, turn

SIZE = 10.0  # m, of the world's sides


@jit
def clearance(state, x, y):
    """Return the distance from a point to the nearest disc, box or outer wall; negative inside a disc."""
    nearest = min(min(x, SIZE - x), min(y, SIZE - y))
    for i in range(int(state.num_discs)):
        to_x, to_y, radius = float(state.discs[i, 0]) - x, float(state.discs[i, 1]) - y, float(state.discs[i, 2])
        nearest = min(nearest, math.sqrt(to_x * to_x + to_y * to_y) - radius)
    for i in range(int(state.num_boxes)):
        gap_x = max(max(float(state.boxes[i, 0]) - x, x - float(state.boxes[i, 2])), 0.0)
        gap_y = max(max(float(state.boxes[i, 1]) - y, y - float(state.boxes[i, 3])), 0.0)
        nearest = min(nearest, math.sqrt(gap_x * gap_x + gap_y * gap_y))
    return nearest


@jit
def _meets_disc(x0, y0, x1, y1, centre_x, centre_y, radius):
    """Return whether a segment comes closer to a point than `radius`."""
    side_x, side_y, to_x, to_y = x1 - x0, y1 - y0, centre_x - x0, centre_y - y0
    length_squared = side_x * side_x + side_y * side_y
    share = 0.0
    if length_squared > 0.0:
        share = min(max((to_x * side_x + to_y * side_y) / length_squared, 0.0), 1.0)
    gap_x, gap_y = to_x - share * side_x, to_y - share * side_y
    return gap_x * gap_x + gap_y * gap_y < radius * radius


@jit
def _meets_box(x0, y0, x1, y1, left, bottom, right, top):
    """Return whether a segment enters the inside of a box: its share inside, by clipping, is not empty."""
    per_x, per_y = reciprocal(x1 - x0), reciprocal(y1 - y0)
    t0, t1 = (left - x0) * per_x, (right - x0) * per_x
    s0, s1 = (bottom - y0) * per_y, (top - y0) * per_y
    first = max(max(min(t0, t1), min(s0, s1)), 0.0)
    last = min(min(max(t0, t1), max(s0, s1)), 1.0)
    return first < last


@jit
def _meets_grown_box(x0, y0, x1, y1, box, margin):
    """Return whether a segment comes closer to a box than `margin`: two grown boxes and four discs at its corners."""
    left, bottom, right, top = float(box[0]), float(box[1]), float(box[2]), float(box[3])
    if max(x0, x1) < left - margin or min(x0, x1) > right + margin:
        return False
    if max(y0, y1) < bottom - margin or min(y0, y1) > top + margin:
        return False
    return (
        _meets_box(x0, y0, x1, y1, left - margin, bottom, right + margin, top)
        or _meets_box(x0, y0, x1, y1, left, bottom - margin, right, top + margin)
        or _meets_disc(x0, y0, x1, y1, left, bottom, margin)
        or _meets_disc(x0, y0, x1, y1, right, bottom, margin)
        or _meets_disc(x0, y0, x1, y1, left, top, margin)
        or _meets_disc(x0, y0, x1, y1, right, top, margin)
    )


@jit
def is_free(state, x0, y0, x1, y1, margin):
    """Return whether a disc of radius `margin` can move straight from (x0, y0) to (x1, y1)."""
    low, high = margin, SIZE - margin
    if min(min(x0, x1), min(y0, y1)) < low or max(max(x0, x1), max(y0, y1)) > high:
        return False
    for i in range(int(state.num_discs)):
        disc = state.discs[i]
        if _meets_disc(x0, y0, x1, y1, float(disc[0]), float(disc[1]), float(disc[2]) + margin):
            return False
    is_met = False
    for i in range(int(state.num_boxes)):
        is_met = is_met or _meets_grown_box(x0, y0, x1, y1, state.boxes[i], margin)
    return not is_met


@jit
def look(state, max_range, ray_cos, ray_sin):
    """Write into `state.lidar` how far each ray sees; `ray_cos`, `ray_sin`: of its angle from straight ahead."""
    x, y = float(state.x), float(state.y)
    cos, sin = float(state.cos_heading), float(state.sin_heading)
    for k in range(ray_cos.shape[0]):
        dx, dy = turn(float(ray_cos[k]), float(ray_sin[k]), cos, sin)
        per_dx, per_dy = reciprocal(dx), reciprocal(dy)
        seen = min(max_range, ray_room(x, y, per_dx, per_dy, 0.0, 0.0, SIZE, SIZE))
        for i in range(int(state.num_discs)):
            disc = state.discs[i]
            seen = min(seen, ray_disc(x, y, dx, dy, float(disc[0]), float(disc[1]), float(disc[2])))
        for i in range(int(state.num_boxes)):
            box = state.boxes[i]
            hit = ray_box(x, y, per_dx, per_dy, float(box[0]), float(box[1]), float(box[2]), float(box[3]))
            seen = min(seen, hit)
        state.lidar[k] = max(seen, 0.0)
