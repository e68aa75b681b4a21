"""The one window for every environment: watch a policy, stop and rewind it, play against it, record it."""

import math
import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pygame

from rlkit.viewing import panel
from rlkit.viewing.canvas import Canvas
from rlkit.viewing.recorder import Recorder
from rlkit.viewing.session import COMMANDS, HUMAN, Seat, Session

if TYPE_CHECKING:
    from rlkit.environment import Environment

_NO_DISPLAY = ("dummy", "offscreen")  # SDL's video drivers that show nothing


class DisplayError(RuntimeError):
    """There is nothing to open a window on; the message is one sentence for the user."""


def watch(
    environment: "Environment",
    policy: Seat = None,
    *,
    level: str = "standard",
    params: Mapping[str, float] | None = None,
    record: str | os.PathLike | None = None,
    window: bool | None = None,
    scale: float | None = None,
    **options: Any,
) -> Session:
    """Watch `policy` (None: random legal actions) in every seat, in a window, a recording or both.

    Args:
        environment: the declaration.
        policy: a `Policy`; what it can say (`rlkit.learning.policy.consider`) is shown beside and on the board.
        level, params: as for `ScalarEnv`.
        record: a .mp4, .gif or .png file for what is shown.
        window: None opens one if there is a display; True insists; False only records, as fast as it can.
        scale: shown pixels per logical pixel; None fits the screen.
        options: `seed`, `deterministic`, `speed`, `episodes` of `Session`; without a window one episode.

    Raises:
        DisplayError: no display was found, and nothing is to be recorded.
        RecordError: the recording cannot be written.
    """
    seats = dict.fromkeys((1, -1) if environment.num_players == 2 else (1,), policy)
    return _show(environment, seats, level, params, record, window, scale, options)


def play(
    environment: "Environment",
    against: Seat = None,
    *,
    player: int = 1,
    level: str = "standard",
    params: Mapping[str, float] | None = None,
    record: str | os.PathLike | None = None,
    window: bool | None = None,
    scale: float | None = None,
    **options: Any,
) -> Session:
    """Play an environment; in a game of two as `player` (+1 moves first) `against` a policy, or None: random.

    The other arguments are those of `watch`.

    Raises:
        ValueError: the environment's drawing.py knows neither keys nor clicks.
        DisplayError: no display was found.
        RecordError: the recording cannot be written.
    """
    drawing = environment.drawing
    if not hasattr(drawing, "KEYS") and not hasattr(drawing, "action_from_click"):
        raise ValueError(f"{environment.name} cannot be played: drawing.py has neither KEYS nor action_from_click")
    if player not in (1, -1):
        raise ValueError(f"player={player} must be 1 (moves first) or -1")
    if not window:
        require_display("playing needs a window, but no display was found; play where a window can open")
    seats: dict[int, Seat] = {player: HUMAN, -player: against} if environment.num_players == 2 else {1: HUMAN}
    return _show(environment, seats, level, params, record, True, scale, options)


def require_display(
    hint: str = "no display was found; use --record FILE.mp4 (or .gif) to get a video instead",
) -> None:
    """Raise DisplayError with `hint` unless a window could be opened."""
    if not has_display():
        raise DisplayError(hint)


def has_display() -> bool:
    """Return whether there is something to open a window on; SDL's `dummy` and `offscreen` show nothing."""
    driver = os.environ.get("SDL_VIDEODRIVER", "").lower()
    if driver in _NO_DISPLAY:
        return False
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    if not driver and sys.platform.startswith("linux") and not any(os.environ.get(name) for name in names):
        return False
    # A display that is named may still be gone (a closed ssh session): SDL then quietly takes `offscreen`.
    was_open = pygame.display.get_init()
    try:
        pygame.display.init()
        return pygame.display.get_driver() not in _NO_DISPLAY
    except pygame.error:
        return False
    finally:
        if not was_open:
            pygame.display.quit()


def frame_rate(environment: "Environment") -> float:
    """Return the frames per second to show it at: a multiple or a fraction of its own rate, from 30 to 60."""
    rate = 1 / environment.frame_seconds
    return rate * math.ceil(30 / rate - 1e-9) if rate < 60 else rate / math.ceil(rate / 60 - 1e-9)


def run_window(session: Session, recorder: Recorder | None = None, scale: float | None = None) -> None:
    """Show a session in a window until it is closed, and add every frame to `recorder`.

    Raises:
        DisplayError: the system opened no window.
    """
    try:
        try:
            pygame.display.init()
            window = _Window(session, recorder, scale)
        except pygame.error as error:
            hint = "use --record FILE.mp4 to get a video instead"
            raise DisplayError(f"no window could be opened ({error}); {hint}") from None
        window.run()
    finally:
        pygame.display.quit()  # not pygame.quit(): the fonts are others' too


def run_recording(session: Session, recorder: Recorder, scale: float = 1.0) -> None:
    """Record a session without a window, until it closes."""
    pace = 1 / frame_rate(session.environment)
    canvas, look, frame = Canvas(panel.window_size(session.environment), scale), None, None
    while not session.closed:
        session.think()  # nobody waits: every position is shown with what is thought of it
        if frame is None or look != panel.look(session):
            panel.draw_window(session, canvas)
            look, frame = panel.look(session), canvas.to_array()
        recorder.add(frame)
        session.tick(pace)


def _show(
    environment: "Environment",
    seats: Mapping[int, Seat],
    level: str,
    params: Mapping[str, float] | None,
    record: str | os.PathLike | None,
    window: bool | None,
    scale: float | None,
    options: dict[str, Any],
) -> Session:
    from rlkit.engine.scalar import ScalarEnv

    if window is None:
        window = has_display()
        if not window and record is None:
            require_display()
    if window is False and record is None:
        raise ValueError("without a window there must be a file to record to")
    if not window:  # nobody could end it
        options = options | {"episodes": options.get("episodes") or 1}
    env_options: dict[str, Any] = {"level": level, "episode_stats": True, "flat_obs": True, **(params or {})}
    if environment.num_players == 2:
        env_options["opponent"] = "self"
    with Recorder(record, frame_rate(environment)) if record is not None else nullcontext() as recorder:
        env = ScalarEnv(environment, **env_options)
        session = Session(environment, env, seats, **options)
        if window:
            run_window(session, recorder, scale)
        else:
            assert recorder is not None
            run_recording(session, recorder, scale or 1.0)
    return session


class _Window:
    """A pygame window that passes its events on to a session and shows what the session is at."""

    def __init__(self, session: Session, recorder: Recorder | None, scale: float | None):
        self.session, self.recorder = session, recorder
        size = panel.window_size(session.environment)
        self.scale = scale or _fitting_scale(size)
        # A recording's frames have one size, so its window cannot be resized.
        flags = 0 if recorder else pygame.RESIZABLE
        self.screen = pygame.display.set_mode([round(side * self.scale) for side in size], flags)
        self.canvas = Canvas(size, self.scale)
        self.corner = (0.0, 0.0)  # of the canvas on the screen, pixels
        pygame.display.set_caption(f"{session.environment.id} – rlkit")

    def run(self) -> None:
        rate = frame_rate(self.session.environment)
        clock, look, frame = pygame.time.Clock(), None, None
        while not self.session.closed:
            for event in pygame.event.get():
                self.handle(event)
            now = (panel.look(self.session), self.canvas)
            if look != now:  # a picture costs more than a step: draw only what changed
                self.draw()
                look, frame = now, self.canvas.to_array() if self.recorder else None
            if self.recorder and frame is not None:
                self.recorder.add(frame)
            self.session.tick(1 / rate)  # after drawing: a person's move is on show while the reply is thought about
            clock.tick(rate)

    def draw(self) -> None:
        panel.draw_window(self.session, self.canvas)
        self.screen.fill((0, 0, 0))
        self.screen.blit(self.canvas.to_surface(), self.corner)
        pygame.display.flip()

    def handle(self, event: pygame.event.Event) -> None:
        session = self.session
        if event.type == pygame.QUIT:
            session.close()
        elif event.type == pygame.KEYDOWN:
            names = _key_names(event)
            session.press(next((name for name in names if name in session.keys or name in COMMANDS), names[0]))
        elif event.type == pygame.KEYUP:
            for name in _key_names(event):
                session.release(name)
        elif event.type == pygame.WINDOWFOCUSLOST:
            session.release_all()
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            x, y = ((place - corner) / self.scale for place, corner in zip(event.pos, self.corner, strict=True))
            session.click(*panel.picture_point(session.environment, x, y))
        elif event.type == pygame.VIDEORESIZE and not self.recorder:
            self.fit(event.w, event.h)

    def fit(self, width: int, height: int) -> None:
        """Redraw in the largest scale that fits a new window size."""
        size = panel.window_size(self.session.environment)
        self.scale = max(0.1, min(width / size[0], height / size[1]))
        self.canvas = Canvas(size, self.scale)
        self.corner = ((width - size[0] * self.scale) / 2, (height - size[1] * self.scale) / 2)
        self.screen = pygame.display.get_surface() or self.screen


def _fitting_scale(size: tuple[int, int]) -> float:
    """Return 1 on an ordinary screen, more on a fine one, less where the window would not fit."""
    width, height = pygame.display.get_desktop_sizes()[0]
    fitting = min(0.95 * width / size[0], 0.9 * height / size[1])
    return max(0.25, min(fitting, max(1.0, round(2 * height / 1080) / 2)))


def _key_names(event: pygame.event.Event) -> list[str]:
    """Return what a key may be called: by what it types, and by its place."""
    name = pygame.key.name(event.key)
    if len(name) == 3 and name[0] == "[" and name[2] == "]":  # on the keypad
        name = name[1]
    name = {"enter": "return"}.get(name, name)
    typed = getattr(event, "unicode", "").strip().lower()
    return [typed, name] if typed.isprintable() and typed else [name]
