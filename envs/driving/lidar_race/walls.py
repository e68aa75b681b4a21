"""What the lidar sees of the walls, and whether the car touches them: exact, gate by gate along the track.

A gate is the line across the track between two opposite corners of its walls. The rays of a full turn cut the plane
into sectors. Going along both walls from corner to corner, one knows in which sector each is, and meets each ray
exactly where the wall crosses it. A ray that gets further has passed every gate so far; when none is left, neither
this nor any later part of the track can be seen. No angle is computed but those of the first gate.
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
NEAR_GATES = 4  # that the car can reach


@jit
def sector_of(x, y, least):
    """Return the ray at or clockwise of a point, seen from the lidar; angles count from `least` (rad) on.

    Rays count on beyond a full turn: ray 50 is ray 2.
    """
    angle = math.atan2(y, x)
    if angle < least:
        angle += 2.0 * math.pi
    elif angle >= least + 2.0 * math.pi:
        angle -= 2.0 * math.pi
    return math.floor((angle - FIRST) / SPACING)


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
            ray = (sector + 1) % NUM_DIRECTIONS
            cos, sin = RAY_COS[ray], RAY_SIN[ray]
            if not cos * by - sin * bx >= 0.0:
                break
            if ray < NUM_RAYS:
                ranges[ray] = min(float(ranges[ray]), area / (cos * (by - ay) - sin * (bx - ax)))
            sector += 1
    else:
        for _ in range(NUM_DIRECTIONS):
            ray = sector % NUM_DIRECTIONS
            cos, sin = RAY_COS[ray], RAY_SIN[ray]
            if not cos * by - sin * bx < 0.0:
                break
            if ray < NUM_RAYS:
                ranges[ray] = min(float(ranges[ray]), area / (cos * (by - ay) - sin * (bx - ax)))
            sector -= 1
    return sector


@jit
def scan(
    left_x, left_y, right_x, right_y, num_points, gate, way, x, y, heading, offset, half_length, half_width, most,
    ranges,
):  # fmt: skip
    """Scan the walls to the left and right hand from a gate on, in the direction `way` (+1 or −1) of the gates.

    The car is at (x, y, heading), its lidar `offset` ahead. Shortens `ranges` [36], where `most` is the greatest,
    and returns whether the car touches a wall.
    """
    cos, sin = math.cos(heading), math.sin(heading)
    dx, dy = float(left_x[gate]) - x, float(left_y[gate]) - y
    ax, ay = cos * dx + sin * dy - offset, cos * dy - sin * dx  # to the left, seen from the lidar
    dx, dy = float(right_x[gate]) - x, float(right_y[gate]) - y
    cx, cy = cos * dx + sin * dy - offset, cos * dy - sin * dx  # to the right
    turn = 0.0 if way > 0 else math.pi  # looking backwards the left hand is between 90° and 450°
    left = sector_of(ax, ay, turn - 0.5 * math.pi)
    right = sector_of(cx, cy, turn - 1.5 * math.pi)
    highest, lowest = left, right  # the rays lowest + 1, …, highest have passed every gate
    is_touched = False
    for number in range(1, num_points // 2 + 1):
        gate += way
        gate = gate - num_points if gate >= num_points else (gate + num_points if gate < 0 else gate)
        dx, dy = float(left_x[gate]) - x, float(left_y[gate]) - y
        bx, by = cos * dx + sin * dy - offset, cos * dy - sin * dx
        dx, dy = float(right_x[gate]) - x, float(right_y[gate]) - y
        ex, ey = cos * dx + sin * dy - offset, cos * dy - sin * dx
        left = scan_segment(left, ax, ay, bx, by, ranges)
        right = scan_segment(right, cx, cy, ex, ey, ranges)
        if number <= NEAR_GATES:
            is_touched |= touches(ax + offset, ay, bx + offset, by, half_length, half_width)
            is_touched |= touches(cx + offset, cy, ex + offset, ey, half_length, half_width)
        ax, ay, cx, cy = bx, by, ex, ey
        if ex * by - ey * bx > 0.0:  # the gate is ahead of the lidar
            highest, lowest = min(highest, left), max(lowest, right)
            is_hidden = highest <= lowest or (lowest >= NUM_RAYS - 1 and highest < NUM_DIRECTIONS)
        else:
            is_hidden = True  # the gate is seen from its other side; or, at first, is still behind the lidar
        if number >= NEAR_GATES and (is_hidden or is_far(bx, by, ex, ey, most)):
            break
    return is_touched


@jit
def is_far(ax, ay, bx, by, distance):
    """Return whether the segment from a to b is surely further than `distance` from the lidar."""
    half = 0.5 * math.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay))
    x, y = 0.5 * (ax + bx), 0.5 * (ay + by)
    return x * x + y * y > (distance + half) * (distance + half)
