"""Figures and names as the viewer writes them."""

from typing import TYPE_CHECKING

import numpy as np

from rlkit.viewing.canvas import FIRST, SECOND, Color
from rlkit.viewing.session import HUMAN

if TYPE_CHECKING:
    from rlkit.viewing.session import Session


def number(value: float, sign: bool = False) -> str:
    """Return a figure in at most about seven characters, with a true minus sign."""
    if not np.isfinite(value):
        return "nan" if np.isnan(value) else "∞" if value > 0 else "−∞"
    size = abs(value)
    is_whole = size == int(size) and not sign
    digits = 0 if is_whole or size >= 1000 else 1 if size >= 100 else 2
    text = f"{value:{'+' if sign else ''}.{digits}f}" if size < 1e6 else f"{value:.2e}"
    return text.replace("-", "−")


def seat_label(session: "Session", player: int) -> str:
    """Return who sits there, in a word or two."""
    seat = session.seats[player]
    if seat is None or seat == HUMAN:
        return "random" if seat is None else "you"
    return str(getattr(seat, "name", type(seat).__name__))


def player_name(session: "Session", player: int) -> str:
    """Return what the game calls the first (+1) or second (−1) player."""
    return getattr(session.environment.drawing, "PLAYER_NAMES", ("first", "second"))[0 if player > 0 else 1]


def player_color(session: "Session", player: int) -> Color:
    """Return the colour of the first (+1) or second (−1) player, as the game's drawing has it."""
    return getattr(session.environment.drawing, "PLAYER_COLORS", (FIRST, SECOND))[0 if player > 0 else 1]
