"""Where a ray first meets a disc, a wall or a box, exactly: what a lidar sees in two dimensions.

A ray starts at (x, y) and runs along the unit vector (dx, dy). Every function returns the distance to the first point
that it meets, `inf` where it meets none, and 0 where it starts inside. The unit is the caller's, metres as a rule.
A lidar's reading is `min(range, …)` over all that is around it; make the directions of its rays from a table of their
cosines and sines and from one cosine and sine of the heading (`turn`), not from a cosine for each ray.
"""

import math

from rlkit.engine.jit import jit_inline

_PARALLEL = 1e-12  # sine of the angle (times the wall's length) below which a ray runs along a wall


@jit_inline
def turn(dx, dy, cos, sin):
    """Return the vector (dx, dy) turned counter-clockwise by the angle of the given cosine and sine."""
    return cos * dx - sin * dy, sin * dx + cos * dy


@jit_inline
def ray_disc(x, y, dx, dy, centre_x, centre_y, radius):
    """Return the distance to a disc."""
    to_x, to_y = centre_x - x, centre_y - y
    along = to_x * dx + to_y * dy  # to the point of the ray's line that is nearest to the centre
    across = to_x * dy - to_y * dx  # from there to the centre
    half_squared = radius * radius - across * across  # of the chord
    if half_squared < 0.0:
        return math.inf
    half = math.sqrt(half_squared)
    if along + half < 0.0:
        return math.inf
    return max(along - half, 0.0)


@jit_inline
def ray_segment(x, y, dx, dy, x0, y0, x1, y1):
    """Return the distance to the segment from (x0, y0) to (x1, y1), which has no thickness: end on it is missed."""
    side_x, side_y = x1 - x0, y1 - y0
    crossing = dx * side_y - dy * side_x
    if -_PARALLEL < crossing < _PARALLEL:
        return math.inf
    to_x, to_y = x0 - x, y0 - y
    distance = (to_x * side_y - to_y * side_x) / crossing
    share = (to_x * dy - to_y * dx) / crossing  # of the segment, from its first end
    if distance < 0.0 or share < 0.0 or share > 1.0:
        return math.inf
    return distance


@jit_inline
def reciprocal(component):
    """Return 1 / component of a direction, huge instead of infinite where the ray runs along the other axis.

    `ray_box` and `ray_room` take these instead of the direction: a fan of rays then divides once a ray, not once a box.
    """
    if -1e-12 < component < 1e-12:
        return 1e12
    return 1.0 / component


@jit_inline
def ray_box(x, y, per_dx, per_dy, left, bottom, right, top):
    """Return the distance to the box [left, right] × [bottom, top]; `per_dx`, `per_dy`: see `reciprocal`."""
    t0, t1 = (left - x) * per_dx, (right - x) * per_dx
    s0, s1 = (bottom - y) * per_dy, (top - y) * per_dy
    near = max(min(t0, t1), min(s0, s1))
    far = min(max(t0, t1), max(s0, s1))
    if far < near or far < 0.0:
        return math.inf
    return max(near, 0.0)


@jit_inline
def ray_room(x, y, per_dx, per_dy, left, bottom, right, top):
    """Return the distance from inside the box to its walls; `per_dx`, `per_dy`: see `reciprocal`."""
    along_x = (right - x) * per_dx if per_dx > 0.0 else (left - x) * per_dx
    along_y = (top - y) * per_dy if per_dy > 0.0 else (bottom - y) * per_dy
    return min(along_x, along_y)
