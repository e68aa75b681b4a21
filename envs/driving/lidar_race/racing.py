"""Lines and speeds on a known track: what the yardstick drives by, and a lap time to compare with."""

import math

import numpy as np
from scipy import optimize, sparse

from envs.driving.lidar_race.car import GRAVITY

PASSES = 3  # round the lap until the speeds agree where it begins


def track_points(state: np.record) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (centreline, left wall, right wall) of a state's track, each [n, 2] in m."""
    n = int(state["num_points"])
    pairs = (("centre_x", "centre_y"), ("left_x", "left_y"), ("right_x", "right_y"))
    centre, left, right = (np.stack([state[x][:n], state[y][:n]], axis=1).astype(np.float64) for x, y in pairs)
    return centre, left, right


def curvature(points: np.ndarray) -> np.ndarray:
    """Return the curvature (1/m) of the circle through each point [n, 2] of a closed line and its neighbours."""
    before, after = np.roll(points, 1, axis=0) - points, np.roll(points, -1, axis=0) - points
    sides = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1) * np.linalg.norm(after - before, axis=1)
    return 2.0 * np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) / sides


def speed_profile(bends: np.ndarray, lengths: np.ndarray, params: np.record, share: float) -> np.ndarray:
    """Return the greatest speed (m/s) at each point [n] of a closed line by a backward and a forward pass.

    The car is a point whose acceleration stays within `share` of the friction circle and of its brakes and motor.
    `bends` are curvatures (1/m) at the points, `lengths` (m) those of the segments from each point to the next.
    """
    grip, most = share * float(params.friction) * GRAVITY, share * float(params.max_acceleration)
    top, motor = float(params.max_speed), float(params.motor_speed)
    speeds = np.minimum(top, np.sqrt(grip / np.maximum(bends, 1e-9)))
    count = len(speeds)

    def reached(speed: float, bend: float, length: float, is_braking: bool) -> float:
        left = math.sqrt(max(0.0, grip**2 - (speed**2 * bend) ** 2))  # of the circle, along the line
        gain = min(left, most if is_braking else most * min(1.0, motor / speed))
        return math.sqrt(speed**2 + 2.0 * gain * length)

    for _ in range(PASSES):
        for i in range(count - 1, -1, -1):
            after = (i + 1) % count
            speeds[i] = min(speeds[i], reached(speeds[after], bends[after], lengths[i], is_braking=True))
        for i in range(count):
            after = (i + 1) % count
            speeds[after] = min(speeds[after], reached(speeds[i], bends[i], lengths[i], is_braking=False))
    return speeds


def lap_seconds(speeds: np.ndarray, lengths: np.ndarray) -> float:
    """Return the time of a lap of segments at constant acceleration between the points' speeds."""
    return float(np.sum(2.0 * lengths / (speeds + np.roll(speeds, -1))))


def segment_lengths(points: np.ndarray) -> np.ndarray:
    """Return the length of each segment [n] of a closed line."""
    return np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)


def least_curvature_line(centre: np.ndarray, left: np.ndarray, right: np.ndarray, margin: float) -> np.ndarray:
    """Return the points [n, 2], one on each gate and `margin` (m) from the walls, that bend least.

    Least squares of the second differences, with bounds: the minimum-curvature line of F. Braghin et al., "Race driver
    model", Computers & Structures 2008, where points are evenly spaced.
    """
    count = len(centre)
    across = left - right
    widths = np.linalg.norm(across, axis=1)
    share = np.minimum(margin / widths, 0.499)
    before, here = sparse.eye(count, format="csr"), np.arange(count)
    difference = before[(here + 1) % count] - 2.0 * before + before[(here - 1) % count]
    rows = sparse.vstack([difference @ sparse.diags(across[:, k]) for k in (0, 1)])
    target = -np.concatenate([difference @ right[:, k] for k in (0, 1)])
    found = optimize.lsq_linear(rows.tocsr(), target, bounds=(share, 1.0 - share), tol=1e-8)
    return right + found.x[:, None] * across


def proxy_lap(state: np.record, params: np.record) -> float:
    """Return the lap time (s) of a point at the full friction limit on the line of least curvature."""
    line = least_curvature_line(*track_points(state), margin=0.5 * float(params.car_width))
    lengths = segment_lengths(line)
    return lap_seconds(speed_profile(curvature(line), lengths, params, 1.0), lengths)
