"""What a policy thinks, marked on the board: a disc on every action of note, with its share in percent.

A drawing.py takes part by `action_point(state, params, action) -> (x, y) | None`: where on its picture the mark of an
action belongs, None where there is no place for it (a pass, a full column).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rlkit.viewing.canvas import BACKGROUND, BLUE, GREEN, TEXT, Canvas, Point, mix

if TYPE_CHECKING:
    from rlkit.viewing.session import Session

MAX_SHOWN = 12  # actions
_MIN_SHARE = 0.01
_MAX_RADIUS = 26.0  # pixels


def shares_of(thought: Mapping[str, Any]) -> np.ndarray | None:
    """Return how a thought spreads over the actions, [A]: visits, or else probabilities; None if it says neither."""
    shares = thought.get("visits", thought.get("probabilities"))
    return None if shares is None else np.nan_to_num(np.asarray(shares, float).ravel())


def likeliest(shares: np.ndarray) -> np.ndarray:
    """Return the actions with the greatest shares, at most `MAX_SHOWN`, the greatest first."""
    return np.argsort(-shares, kind="stable")[:MAX_SHOWN]


def best_of(thought: Mapping[str, Any], shares: np.ndarray) -> int:
    """Return the action that a thought would take: the first of its line, or else that of the greatest share."""
    line = thought.get("line")
    return int(line[0]) if line is not None and len(line) else int(shares.argmax())


def draw_marks(session: "Session", canvas: Canvas) -> None:
    """Mark what the session's speaker thinks on its picture, if the drawing says where."""
    find_point = getattr(session.environment.drawing, "action_point", None)
    shares = shares_of(session.moment.thought or {})
    if find_point is None or shares is None or session.speaker is None:
        return
    state, params = session.env.state, session.env.params
    points = {action: find_point(state, params, action) for action in range(len(shares))}
    points = {action: point for action, point in points.items() if point is not None}
    radius = _radius(np.array(list(points.values()), float).reshape(-1, 2))
    best = best_of(session.moment.thought or {}, shares)
    for action in likeliest(shares):
        if action in points and shares[action] >= _MIN_SHARE:
            _draw_mark(canvas, points[action], radius, float(shares[action]), action == best)


def _radius(points: np.ndarray) -> float:
    """Return the largest radius at which marks at `points` [K, 2] stay apart, as far as they are apart at all."""
    gaps = np.hypot(*np.moveaxis(points[:, None] - points, -1, 0))  # [K, K]
    return min(_MAX_RADIUS, 0.42 * gaps[gaps > 0].min(initial=np.inf))


def _draw_mark(canvas: Canvas, point: Point, radius: float, share: float, is_best: bool) -> None:
    x, y = point
    color = GREEN if is_best else BLUE
    canvas.disc(x, y, radius, mix(BACKGROUND, color, (0.3 if is_best else 0.1) + 0.4 * share), alpha=0.75)
    canvas.disc(x, y, radius, color, outline=radius * (0.14 if is_best else 0.07))
    canvas.text(f"{100 * share:.0f}%", x, y, 0.85 * radius, TEXT, "center")
