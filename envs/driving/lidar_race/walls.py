"""What the lidar sees of a wall, and whether the car touches it: exact, in one pass over the wall's corners.

The rays of a full turn cut the plane into sectors. Walking along the wall from corner to corner, one knows in which
sector one is, and meets each ray exactly where the wall crosses it: no angle is computed but the first.
"""

import math

import numpy as np

from rlkit.engine.jit import jit

NUM_RAYS = 36  # observed: the first of the turn, from the right to the left
NUM_DIRECTIONS = 48  # of a full turn; the 12 others look backwards
SPACING = 2.0 * math.pi / NUM_DIRECTIONS  # 7.5°: 36 rays stand for 270°
FIRST = -0.5 * (NUM_RAYS - 1) * SPACING  # rad, direction of ray 0; the car looks along 0
RAY_COS = np.cos(FIRST + SPACING * np.arange(NUM_DIRECTIONS))
RAY_SIN = np.sin(FIRST + SPACING * np.arange(NUM_DIRECTIONS))


@jit
def sector_of(x, y):
    """Return the ray at or clockwise of a point, seen from the lidar."""
    turns = (math.atan2(y, x) - FIRST) / SPACING
    return int(math.floor(turns)) % NUM_DIRECTIONS


@jit
def touches(ax, ay, bx, by, half_length, half_width):
    """Return whether the segment from a to b meets the rectangle |x| ≤ half_length, |y| ≤ half_width."""
    if min(ax, bx) > half_length or max(ax, bx) < -half_length:
        return False
    if min(ay, by) > half_width or max(ay, by) < -half_width:
        return False
    return abs(ax * by - ay * bx) <= half_length * abs(by - ay) + half_width * abs(bx - ax)


@jit
def scan_segment(sector, ax, ay, bx, by, ranges):
    """Shorten the rays that the segment from a to b crosses, seen from the lidar; return the sector of b."""
    area = ax * by - ay * bx
    if area > 0.0:  # counter-clockwise
        for _ in range(NUM_DIRECTIONS):
            ray = sector + 1 if sector + 1 < NUM_DIRECTIONS else 0
            cos, sin = RAY_COS[ray], RAY_SIN[ray]
            if not cos * by - sin * bx >= 0.0:
                break
            ranges[ray] = min(float(ranges[ray]), area / (cos * (by - ay) - sin * (bx - ax)))
            sector = ray
    else:
        for _ in range(NUM_DIRECTIONS):
            cos, sin = RAY_COS[sector], RAY_SIN[sector]
            if not cos * by - sin * bx < 0.0:
                break
            ranges[sector] = min(float(ranges[sector]), area / (cos * (by - ay) - sin * (bx - ax)))
            sector = sector - 1 if sector > 0 else NUM_DIRECTIONS - 1
    return sector


@jit
def scan_wall(wall_x, wall_y, num_points, x, y, heading, lidar_offset, half_length, half_width, ranges):
    """Shorten `ranges` [48] to a closed wall; return whether the car at (x, y, heading) touches it.

    The lidar is `lidar_offset` ahead of (x, y), which is the rectangle's centre.
    """
    cos, sin = math.cos(heading), math.sin(heading)
    dx, dy = float(wall_x[num_points - 1]) - x, float(wall_y[num_points - 1]) - y
    ax, ay = cos * dx + sin * dy, cos * dy - sin * dx  # seen from the car
    sector = sector_of(ax - lidar_offset, ay)
    is_touched = False
    for i in range(num_points):
        dx, dy = float(wall_x[i]) - x, float(wall_y[i]) - y
        bx, by = cos * dx + sin * dy, cos * dy - sin * dx
        sector = scan_segment(sector, ax - lidar_offset, ay, bx - lidar_offset, by, ranges)
        is_touched |= touches(ax, ay, bx, by, half_length, half_width)
        ax, ay = bx, by
    return is_touched
