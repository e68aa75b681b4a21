"""The kinematic bicycle: how a car moves that does not skid, how it keeps to a lane, and whether two cars touch.

The centre of gravity lies midway between the axles, one car length apart, as in highway-env. With steering angle δ the
car moves at slip angle β to its heading, tan β = ½ tan δ. Angles in rad, counter-clockwise seen from above with y
downwards: a positive heading leads to greater y.

Source: P. Polack et al., "The kinematic bicycle model: a consistent model for planning feasible trajectories for
autonomous vehicles?", IEEE Intelligent Vehicles Symposium 2017.
"""

import math

from rlkit.engine.jit import jit

LATERAL_SECONDS = 0.6  # s, in which a car would make good its distance from the lane's centre, …
HEADING_SECONDS = 0.2  # s, … and turn to the heading that this takes
MAX_LANE_HEADING = math.pi / 4  # rad to the lane, at most
MIN_STEER_SPEED = 0.5  # m/s; slower cars steer as if they were as fast


@jit
def sin_slip(steering):
    """Return sin β of a steering angle of the front wheels."""
    half = 0.5 * math.tan(steering)
    return half / math.sqrt(1.0 + half * half)


@jit
def bicycle_move(heading, distance, slip, wheelbase):
    """Return (change of x, change of y, change of heading) over `distance` (m) at sin β = `slip`."""
    slip_cos = math.sqrt(1.0 - slip * slip)
    cos, sin = math.cos(heading), math.sin(heading)
    along = distance * (cos * slip_cos - sin * slip)  # cos(heading + β)
    across = distance * (sin * slip_cos + cos * slip)
    return along, across, distance * slip * 2.0 / wheelbase


@jit
def keep_lane(offset, heading, speed, wheelbase, max_steering):
    """Return sin β of the steering by which a car at `offset` (m) from the lane's centre gets back to it.

    Two proportional controllers in a row: the offset asks for a lateral speed and so for a heading, the heading for a
    rate of turn.
    """
    speed = max(speed, MIN_STEER_SPEED)
    lateral = min(max(-offset / (LATERAL_SECONDS * speed), -1.0), 1.0)
    wanted = min(max(math.asin(lateral), -MAX_LANE_HEADING), MAX_LANE_HEADING)
    slip = 0.5 * wheelbase * (wanted - heading) / (HEADING_SECONDS * speed)
    limit = sin_slip(max_steering)
    return min(max(slip, -limit), limit)


@jit
def _is_apart(dx, dy, cos, sin, other_cos, other_sin, length, width):
    """Return whether an axis of the rectangle at the origin separates it from the other (separating axes)."""
    along = abs(dx * cos + dy * sin)
    across = abs(dy * cos - dx * sin)
    turn_cos = abs(cos * other_cos + sin * other_sin)
    turn_sin = abs(sin * other_cos - cos * other_sin)
    reach_along = length + length * turn_cos + width * turn_sin
    reach_across = width + length * turn_sin + width * turn_cos
    return 2.0 * along > reach_along or 2.0 * across > reach_across


@jit
def do_touch(dx, dy, heading, other_heading, length, width):
    """Return whether two cars of the same size touch, the other's centre at (dx, dy) from the first one's."""
    cos, sin = math.cos(heading), math.sin(heading)
    other_cos, other_sin = math.cos(other_heading), math.sin(other_heading)
    return not (
        _is_apart(dx, dy, cos, sin, other_cos, other_sin, length, width)
        or _is_apart(dx, dy, other_cos, other_sin, cos, sin, length, width)
    )
