"""Reads a track from a file: `--level FILE.csv`, or `ENVIRONMENT.params(level="track.csv")`.

The file has one line a point of the centreline, in the order of driving, with four numbers: x, y, and the widths to the
right and to the left wall, all in m. That is how the racetrack database of TUM and that of F1TENTH keep their tracks;
lines that begin with # are skipped. The track closes by itself; the last point may repeat the first.

    # x_m,y_m,w_tr_right_m,w_tr_left_m
    -0.08,-1.03,1.1,1.1
    0.25,-1.02,1.1,1.1

Tracks of full size need `track_scale=0.1`: the car is 1:10. The centreline is drawn anew with at most 256 points of
equal spacing, at least 0.45 m apart.
"""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from envs.own_files import read_text

FIELDS = ("x", "y", "width right", "width left")
MIN_SPACING = 0.45  # m: a car that is not faster than 20 m/s passes at most three points a step
MIN_WIDTH = 0.2  # m, from the centreline to a wall


def read_track(name: str) -> dict[str, Any]:
    """Return the params of the track in the file `name`.

    Raises:
        ValueError: there is no such file, or it is not a track; says in which line and column.
    """
    if Path(name).suffix.lower() != ".csv":
        from envs.driving.lidar_race import ENVIRONMENT

        known = ", ".join(ENVIRONMENT.levels)
        raise ValueError(
            f"lidar_race has no level {name!r}; there are: {known}, and the path of a .csv file of a track"
        )
    points, lines = _points(name, read_text(name, "the track "))
    if len(points) > 1 and np.hypot(*(points[0, :2] - points[-1, :2])) < 1e-6:
        points, lines = points[:-1], lines[:-1]
    _check(name, points, lines)
    params = _params(points)
    _check_walls(name, params, points, lines)
    return params


def _points(name: str, text: str) -> tuple[np.ndarray, list[int]]:
    """Return the numbers [n, 4], and the line of each row."""
    rows, lines = [], []
    table = csv.reader(text.splitlines())
    for row in table:
        if not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#"):
            continue
        where = f"{name}, line {table.line_num}"
        if len(row) != len(FIELDS):
            raise ValueError(f"{where}: {len(row)} columns; give four numbers in m: {', '.join(FIELDS)}")
        rows.append([_number(where, column, cell) for column, cell in enumerate(row)])
        lines.append(table.line_num)
    return np.array(rows).reshape(-1, len(FIELDS)), lines


def _number(where: str, column: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    is_width = column >= 2
    if not abs(value) <= 1e5 or (is_width and value < MIN_WIDTH):
        kind = f"a number of m, at least {MIN_WIDTH}" if is_width else "a number of m"
        raise ValueError(f"{where}, column {column + 1}: {FIELDS[column]} {text.strip()!r} must be {kind}")
    return value


def _check(name: str, points: np.ndarray, lines: list[int]) -> None:
    if len(points) < 8:
        raise ValueError(f"{name} has {len(points)} points; a track needs 8 or more")
    steps = np.hypot(*(np.roll(points[:, :2], -1, axis=0) - points[:, :2]).T)
    for same in np.flatnonzero(steps == 0):
        raise ValueError(f"{name}, line {lines[same]}: the next point is the same; leave one of them out")
    if steps.sum() < 8 * MIN_SPACING:
        raise ValueError(f"{name} is {steps.sum():.2g} m long; a track needs {8 * MIN_SPACING} m or more")
    if steps.max() > 0.2 * steps.sum():
        longest = int(steps.argmax())
        where = f"{name}, line {lines[longest]}"
        raise ValueError(f"{where}: the next point is {steps[longest]:.3g} m away; give points nearer together")


def _params(points: np.ndarray) -> dict[str, Any]:
    """Return the track drawn anew with points of equal spacing, at least `MIN_SPACING` apart."""
    from envs.driving.lidar_race.rules import MAX_POINTS

    closed = np.concatenate([points, points[:1]])
    arcs = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed[:, :2], axis=0).T))])
    count = int(min(MAX_POINTS, max(8, arcs[-1] // MIN_SPACING)))
    places = np.arange(count) * arcs[-1] / count
    table = np.zeros((len(FIELDS), MAX_POINTS))
    for k in range(len(FIELDS)):
        table[k, :count] = np.interp(places, arcs, closed[:, k])
    around = np.roll(table[:2, :count], -1, axis=1) - table[:2, :count]
    spacing = float(np.hypot(*around).mean())  # of chords: a little less than along the file's line
    return {"table": table, "table_points": count, "table_spacing": spacing}


def _check_walls(name: str, params: dict[str, Any], points: np.ndarray, lines: list[int]) -> None:
    """Refuse walls that run backwards, as they do where a track is wider than the radius of its bend."""
    x, y, right, left = params["table"][:, : params["table_points"]]
    centre = np.stack([x, y], axis=1)
    along = np.roll(centre, -1, axis=0) - np.roll(centre, 1, axis=0)
    along /= np.linalg.norm(along, axis=1)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    step = np.roll(centre, -1, axis=0) - centre
    for side, width in (("left", left), ("right", -right)):
        wall = centre + width[:, None] * across
        folds = ((np.roll(wall, -1, axis=0) - wall) * step).sum(axis=1) <= 0
        for i in np.flatnonzero(folds):
            nearest = int(np.hypot(*(points[:, :2] - centre[i]).T).argmin())
            raise ValueError(
                f"{name}, line {lines[nearest]}: the {side} wall, {abs(width[i]):.3g} m away, is further than the "
                "middle of the bend; give a smaller width there"
            )
