"""Curves over an episode so far, for the panel: values, and the reward that a policy was taught beside the true one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rlkit.viewing.canvas import BLUE, CARD, GREEN, LINE, MUTED, Canvas, Color, mix
from rlkit.viewing.words import number, player_name

if TYPE_CHECKING:
    from rlkit.viewing.session import Session

RECENT = 100  # steps of rewards on show
_BOTH = 150  # pixels from which on values and rewards both have room


def draw_curves(session: "Session", canvas: Canvas, left: float, right: float, top: float, bottom: float) -> None:
    """Draw what there is to draw: rewards of a policy that was taught them, values, or both below each other."""
    if all(moment.learned_reward is None for moment in session.history):
        draw_values(session, canvas, left, right, top, bottom)
    elif bottom - top < _BOTH:
        draw_rewards(session, canvas, left, right, top, bottom)
    else:
        middle = (top + bottom) / 2
        draw_values(session, canvas, left, right, top, middle - 10)
        draw_rewards(session, canvas, left, right, middle + 6, bottom)


def draw_values(session: "Session", canvas: Canvas, left: float, right: float, top: float, bottom: float) -> None:
    """Draw the curve of what the policy expected over the episode so far, in games for the first player."""
    values = [m.player * float(m.thought["value"]) for m in session.history if m.thought and "value" in m.thought]
    if len(values) < 2:
        return
    is_game = len(session.seats) == 2
    low, high = (-1.0, 1.0) if is_game else (min(values), max(values))
    values = values[:: len(values) // 300 + 1]
    canvas.text(f"value for {player_name(session, 1)}" if is_game else "value so far", left, top + 4, 15, MUTED)
    top += 20
    for figure, y in ((high, top), (low, bottom)):
        canvas.text(number(figure, sign=is_game), right, y, 14, MUTED, "right")
        canvas.line([(left, y), (right - 52, y)], mix(CARD, LINE, 0.6), 1)
    _draw_curve(canvas, values, low, high, BLUE, (left, right - 52, top, bottom))


def draw_rewards(session: "Session", canvas: Canvas, left: float, right: float, top: float, bottom: float) -> None:
    """Draw the learned reward beside the true one over the last steps, each standardised over these.

    Of rewards that are all equal there is no curve, only the number.
    """
    moments = [m for m in list(session.history)[-RECENT:] if m.learned_reward is not None]
    if not moments:
        return
    curves = {
        "learned": ([m.learned_reward or 0.0 for m in moments], BLUE),
        "true": ([m.reward for m in moments], GREEN),
    }
    canvas.text(f"rewards of the last {RECENT} steps, standardised", left, top + 4, 15, MUTED, width=right - left)
    x = left
    for name, (rewards, color) in curves.items():
        canvas.disc(x + 5, top + 23, 4, color)
        canvas.text(f"{name} {number(rewards[-1], sign=True)}", x + 15, top + 23, 16, color, width=105)
        x += 125
    top += 38
    for y in (top, bottom):
        canvas.line([(left, y), (right, y)], mix(CARD, LINE, 0.6), 1)
    shown = [(standardised(rewards), color) for rewards, color in curves.values()]
    drawn = [(values, color) for values, color in shown if len(values) > 1 and values.any()]
    if drawn:
        low, high = min(values.min() for values, _ in drawn), max(values.max() for values, _ in drawn)
        for values, color in drawn:
            _draw_curve(canvas, values, low, high, color, (left, right, top, bottom))


def standardised(values: Sequence[float]) -> np.ndarray:
    """Return values with mean 0 and deviation 1; zeros where all are equal."""
    array = np.asarray(values, np.float64)
    spread = array.std()
    if not spread > 1e-9 * max(1.0, np.abs(array).max()):
        return np.zeros(len(array))
    return (array - array.mean()) / spread


def _draw_curve(
    canvas: Canvas,
    values: Sequence[float] | np.ndarray,
    low: float,
    high: float,
    color: Color,
    area: tuple[float, float, float, float],
) -> None:
    """Draw values from `low` to `high` into an area: left, right, top, bottom."""
    left, right, top, bottom = area
    span = max(high - low, 1e-9)
    points = [
        (
            left + (right - left) * k / (len(values) - 1),
            bottom - (bottom - top) * min(1.0, max(0.0, (value - low) / span)),
        )
        for k, value in enumerate(values)
    ]
    canvas.line(points, color, 2)
