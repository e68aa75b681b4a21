"""What the viewer shows: an environment's picture, and beside it the score and what the policy thinks."""

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rlkit.viewing.canvas import (
    BACKGROUND,
    BLUE,
    CARD,
    GREEN,
    LINE,
    MUTED,
    PANEL,
    RED,
    TEXT,
    YELLOW,
    Canvas,
    Color,
    draw_picture,
    mix,
    picture_size,
)
from rlkit.viewing.curves import draw_curves
from rlkit.viewing.overlay import MAX_SHOWN, best_of, draw_marks, likeliest, shares_of
from rlkit.viewing.session import HUMAN
from rlkit.viewing.words import number, player_color, player_name, seat_label

if TYPE_CHECKING:
    from rlkit.environment import Environment
    from rlkit.viewing.session import Session

WIDTH = 320  # pixels of the panel
FOOTER = 44  # pixels of the line of keys
_MARGIN = 22
_CURVE = 84  # pixels of the curve of values
_MIN_PITCH = 17  # pixels from bar to bar, to leave the curve its room


def window_size(environment: "Environment") -> tuple[int, int]:
    """Return (width, height) of the whole window in logical pixels."""
    width, height = picture_size(environment)
    return max(width, 480) + WIDTH, max(height, 500) + FOOTER


def picture_point(environment: "Environment", x: float, y: float) -> tuple[float, float]:
    """Return a point of the window in pixels of the environment's picture."""
    width, height = window_size(environment)
    picture_width, picture_height = picture_size(environment)
    return x - (width - WIDTH - picture_width) / 2, y - (height - FOOTER - picture_height) / 2


def look(session: "Session") -> Hashable:
    """Return what the picture depends on: equal looks need no new drawing."""
    shown = session.moment, session.paused, session.speed, session.copy, session.episode
    return *shown, session.hints, session.strength


def draw_window(session: "Session", canvas: Canvas) -> None:
    """Draw everything: picture, panel and keys."""
    environment = session.environment
    width, height = canvas.size
    canvas.fill(BACKGROUND)
    size = picture_size(environment)
    left, top = picture_point(environment, 0, 0)
    picture = canvas.part(-left, -top, *size, size)
    draw_picture(environment, session.env.state, session.env.params, picture)
    draw_marks(session, picture)
    canvas.rect(width - WIDTH, 0, WIDTH, height - FOOTER, PANEL)
    left, right = width - WIDTH + _MARGIN, width - _MARGIN
    y = _draw_seats(session, canvas, left, right, _draw_title(session, canvas, left, right))
    y = _draw_facts(session, canvas, left, y)
    bottom = height - FOOTER - 16
    canvas.rect(left - 8, y, right - left + 16, bottom - y, CARD, 10)
    if session.moment.is_over:
        _draw_result(session, canvas, left + 6, right - 6, y, bottom)
    else:
        _draw_decision(session, canvas, left + 6, right - 6, y, bottom)
    _draw_keys(session, canvas, height - FOOTER / 2)


def _draw_title(session: "Session", canvas: Canvas, left: float, right: float) -> float:
    label, color = _status(session)
    width = canvas.text_width(label, 17) + 20
    canvas.text(session.environment.id.split("/")[-1], left, 34, 28, width=right - left - width - 8)
    canvas.rect(right - width, 22, width, 24, mix(PANEL, color, 0.25), 12)
    canvas.text(label, right - width / 2, 34, 17, color, "center")
    return 68


def _draw_seats(session: "Session", canvas: Canvas, left: float, right: float, y: float) -> float:
    moment = session.moment
    if len(session.seats) == 1:
        canvas.text(f"played by {seat_label(session, 1)}", left, y, 18, MUTED, width=right - left)
        return y + 22
    for player in (1, -1):
        color = player_color(session, player)
        to_move = player == moment.player and not moment.is_over
        canvas.disc(left + 7, y, 7, color)
        canvas.text(player_name(session, player), left + 24, y, 18, TEXT if to_move else MUTED)
        canvas.text(seat_label(session, player), left + 110, y, 18, TEXT if to_move else MUTED, width=110)
        if to_move:
            canvas.text("to move", right, y, 16, color, "right")
        y += 26
    return y - 2


def _draw_facts(session: "Session", canvas: Canvas, left: float, y: float) -> float:
    moment = session.moment
    last = "–" if moment.action is None else number(moment.reward)
    strength = session.strength
    facts = [
        ("step", str(moment.num_steps)),
        ("episode return", number(moment.episode_return)),
        ("last reward", last) if strength is None else ("strength", str(strength)),
        ("seed", str(session.seed + session.copy)),
        ("episode", str(session.episode + 1)),
        ("speed", f"{session.speed:g}x"),
    ]
    for index, (name, value) in enumerate(facts):
        row, column = divmod(index, 3)
        x = left + (0, 82, 190)[column]
        canvas.text(name, x, y + 12 + 46 * row, 15, MUTED)
        canvas.text(value, x, y + 31 + 46 * row, 21, width=86)
    return y + 100


def _draw_decision(session: "Session", canvas: Canvas, left: float, right: float, y: float, bottom: float) -> None:
    thought, player, caption = _considered(session)
    y += 22
    if hint := _hint(session):
        canvas.text(hint, left, y, 18, GREEN, width=right - left)
        y += 28
    if thought:
        y = _draw_judgement(session, canvas, thought, player, caption, left, right, y)
    line, shares = list(thought.get("line", ())), shares_of(thought)
    if shares is not None:
        y = _draw_bars(session, canvas, shares, left, right, y, bottom - (26 if line else 0))
    else:
        y = _draw_action(session, canvas, left, right, y)
    if line:
        moves = " ".join(_short_name(session, int(action)) for action in line)
        canvas.text("best line", left, y + 15, 17, MUTED)
        canvas.text(moves, left + 96, y + 15, 17, width=right - left - 96)
        y += 26
    if bottom - y > 70:
        draw_curves(session, canvas, left, right, y + 14, bottom - 14)


def _draw_judgement(
    session: "Session",
    canvas: Canvas,
    thought: Mapping[str, Any],
    player: int,
    caption: str,
    left: float,
    right: float,
    y: float,
) -> float:
    """Say what thought of `player` it is and its value; in games with a bar of the chances."""
    if count := thought.get("num_simulations"):
        caption = f"{caption.replace('decision', 'search')}, {count} simulations"
    canvas.text(caption, left, y, 16, MUTED, width=right - left - 112)
    y += 16
    if "value" not in thought:
        return y
    value = float(thought["value"])
    canvas.text("value", right - 64, y - 16, 16, MUTED, "right")
    canvas.text(number(value, sign=True), right, y - 16, 20, align="right")
    if len(session.seats) == 2 and np.isfinite(value):
        first = (right - left) * (1 + player * max(-1.0, min(1.0, value))) / 2
        canvas.rect(left, y - 3, right - left, 6, mix(CARD, player_color(session, -1), 0.8), 3)
        canvas.rect(left, y - 3, first, 6, mix(CARD, player_color(session, 1), 0.8), 3)
        y += 9
    return y


def _draw_bars(
    session: "Session",
    canvas: Canvas,
    shares: np.ndarray,
    left: float,
    right: float,
    y: float,
    bottom: float,
) -> float:
    """Draw one bar an action, the greatest bright; of many actions the greatest dozen."""
    shown = range(len(shares)) if len(shares) <= MAX_SHOWN else likeliest(shares)
    pitch = (bottom - y - 8 - _CURVE) / len(shown)
    pitch = min(26.0, pitch if pitch >= _MIN_PITCH else (bottom - y - 8) / len(shown))
    for action in shown:
        share, middle, start = float(shares[action]), y + pitch / 2, left + 96
        best = action == best_of(session.moment.thought or {}, shares)
        canvas.text(_action_name(session, int(action)), left, middle, 17, TEXT if best else MUTED, width=90)
        canvas.rect(start, middle - pitch * 0.3, right - 48 - start, pitch * 0.6, mix(CARD, LINE, 0.5), 4)
        length = max(0.0, min(1.0, share)) * (right - 48 - start)
        if length >= 1:
            canvas.rect(start, middle - pitch * 0.3, length, pitch * 0.6, BLUE if best else mix(CARD, BLUE, 0.5), 4)
        canvas.text(f"{100 * share:.0f} %", right, middle, 17, TEXT if best else MUTED, "right")
        y += pitch
    return y


def _draw_action(session: "Session", canvas: Canvas, left: float, right: float, y: float) -> float:
    """Without probabilities: the action taken last, a continuous one as a bar a component."""
    action, space = session.moment.action, session.env.action_space
    if action is None:
        return y
    if not hasattr(space, "low") or np.size(action) > MAX_SHOWN // 2:
        name = _action_name(session, int(action)) if np.ndim(action) == 0 else str(np.asarray(action)).replace("\n", "")
        canvas.text("last action", left, y + 14, 17, MUTED)
        canvas.text(name, left + 96, y + 14, 18, width=right - left - 96)
        return y + 26
    flat = zip(np.ravel(action), np.ravel(space.low), np.ravel(space.high), strict=True)
    for index, (value, low, high) in enumerate(flat):
        middle, start, length = y + 14, left + 96, right - 58 - left - 96
        share = (value - low) / (high - low) if np.isfinite(high - low) else 0.5
        zero = (0 - low) / (high - low) if np.isfinite(high - low) and low < 0 < high else 0.0
        canvas.text(_action_name(session, index), left, middle, 17, width=90)
        canvas.rect(start, middle - 7, length, 14, mix(CARD, LINE, 0.5), 4)
        canvas.rect(start + length * min(share, zero), middle - 7, length * abs(share - zero), 14, BLUE, 3)
        canvas.text(number(float(value), sign=True), right, middle, 17, align="right")
        y += 26
    return y


def _draw_result(session: "Session", canvas: Canvas, left: float, right: float, y: float, bottom: float) -> None:
    moment = session.moment
    canvas.text("truncated" if moment.truncated and not moment.terminated else "terminated", left, y + 24, 16, MUTED)
    outcome = moment.episode_return if len(session.seats) == 2 else 0.0
    color = TEXT if outcome == 0 else player_color(session, 1 if outcome > 0 else -1)
    canvas.text(_result(session), left, y + 50, 26, color, width=right - left)
    y += 86
    for name, value in moment.metrics.items():
        if y > bottom - 14:
            break
        canvas.text(name.replace("_", " "), left, y, 18, MUTED, width=right - left - 96)
        canvas.text(number(value), right, y, 18, align="right")
        y += 25
    if bottom - y > 80:
        draw_curves(session, canvas, left, right, y + 6, bottom - 14)


def _draw_keys(session: "Session", canvas: Canvas, y: float) -> None:
    x = 20.0
    for keys, meaning in _help(session):
        for key in keys.split():
            width = max(24.0, canvas.text_width(key, 15) + 12)
            canvas.rect(x, y - 11, width, 22, CARD, 5)
            if key in ("left", "right"):
                _draw_arrow(canvas, x + width / 2, y, -1 if key == "left" else 1)
            else:
                canvas.text(key, x + width / 2, y, 15, TEXT, "center")
            x += width + 4
        canvas.text(meaning, x + 3, y, 16, MUTED)
        x += canvas.text_width(meaning, 16) + 20


def _draw_arrow(canvas: Canvas, x: float, y: float, side: int) -> None:
    canvas.polygon([(x + 5 * side, y), (x - 3 * side, y - 5), (x - 3 * side, y + 5)], TEXT)


# --- words ------------------------------------------------------------------------------------------------


def _action_name(session: "Session", action: int) -> str:
    """Return the label of a discrete action, or of a component of a continuous one."""
    names = getattr(session.environment.drawing, "ACTION_NAMES", ())
    names = names(session.env.params) if callable(names) else names  # on boards of several sizes
    return names[action] if action < len(names) else str(action)


def _short_name(session: "Session", action: int) -> str:
    """Return the key that plays an action, or else its name."""
    keys = getattr(session.environment.drawing, "KEYS", {})
    return next((key for key, played in keys.items() if played == action), _action_name(session, action))


def _status(session: "Session") -> tuple[str, Color]:
    if session.moment.is_over:
        return "over", RED
    if session.is_thinking:
        return "thinking …", GREEN
    if session.awaits_person and not session.is_real_time:
        return "your move", BLUE
    return ("paused", YELLOW) if session.paused else ("playing", GREEN)


def _considered(session: "Session") -> tuple[Mapping[str, Any], int, str]:
    """Return (thought to show, who was to move, what to call it); a person sees the last reply's, or a hint."""
    if session.awaits_person and not session.hints:
        replies = (moment for moment in reversed(session.history) if session.seats[moment.player] != HUMAN)
        return *next(((m.thought, m.player) for m in replies if m.thought), ({}, 1)), "last reply"
    moment = session.moment
    return moment.thought or {}, moment.player, "hint" if session.awaits_person else "decision"


def _result(session: "Session") -> str:
    outcome = session.moment.episode_return
    if len(session.seats) == 1:
        return f"return {number(outcome)}"
    if outcome == 0:
        return "draw"
    winner = 1 if outcome > 0 else -1
    seats = list(session.seats.values())
    if seats.count(HUMAN) == 1:
        return "you win" if session.seats[winner] == HUMAN else "you lose"
    return f"{player_name(session, winner)} wins"


def _hint(session: "Session") -> str:
    """Return what a person may do now."""
    keys = list(session.keys)
    if not session.awaits_person:
        return ""
    if session.is_real_time:
        return f"{'press' if session.paused else 'hold'} {' or '.join(keys)}"
    ways = ["click"] if hasattr(session.environment.drawing, "action_from_click") else []
    ways += [f"press {keys[0]}–{keys[-1]}" if len(keys) > 3 else f"press {' or '.join(keys)}"] if keys else []
    return " or ".join(ways)


def _help(session: "Session") -> list[tuple[str, str]]:
    """Return (keys, what they do), as they are now."""
    is_game = session.is_played and not session.is_real_time
    back, forth = ("backspace", "return") if {"left", "right"} & set(session.keys) else ("left", "right")
    space = "next" if session.moment.is_over else "go" if session.paused else "pause"
    step = [] if is_game else [(forth, "step")]
    rest = [("+ −", "speed"), ("R", "restart"), ("N", "next copy"), ("Q", "quit")]
    if is_game and len(session.seats) == 2:
        swap = [("S", "swap seats")] if session.seats[1] != session.seats[-1] else []
        hints = [("H", "no hints" if session.hints else "hints")] if session.has_hints else []
        strength = [("[ ]", "strength")] if session.strength is not None else []
        rest = [*swap, *hints, *strength, rest[0], rest[1], rest[3]]
    rest = [(keys, meaning) for keys, meaning in rest if keys.lower() not in session.keys]
    return [("space", space), *step, (back, "undo" if is_game else "back"), *rest]
