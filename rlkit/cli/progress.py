"""The live line of a training or a tournament: how far, how fast, how good, how long still."""

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from rlkit.cli.output import seconds_text

REDRAW = 0.2  # s between drawings on a terminal
PLAIN = 10.0  # s between lines in a file or pipe
WINDOW = 30.0  # s over which the speed is taken
_BAR = 16  # characters


class Progress:
    """Shows what `update` is told: one live line on a terminal, else a line every ten seconds.

    Args:
        stream: where to write, standard error if None.
        choose: which of an agent's figures to show, under which names.
        clock: seconds (s), only growing.
        unit: what is counted.
        window: s over which the speed is taken.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        choose: Callable[[Mapping[str, float]], Mapping[str, float]] = dict,
        clock: Callable[[], float] = time.monotonic,
        unit: str = "steps",
        window: float = WINDOW,
    ):
        self._stream = stream or sys.stderr
        self._choose, self._clock, self._unit, self._window = choose, clock, unit, window
        self._figures: dict[str, float] = {}  # the latest of each: evaluations come only now and then
        self._seen: deque[tuple[float, int]] = deque()  # (s, step) within the window
        self._shown_at: float | None = None
        self._shown, self._latest = "", ""
        self._live = _live_line(self._stream) if self._stream.isatty() else None

    def __enter__(self) -> "Progress":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._show()
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line of its own, above the live one."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._stream, flush=True)

    def update(self, step: int, total_steps: int, figures: Mapping[str, float]) -> None:
        """Take note of a training that is at `step` of `total_steps`, with its `figures` by name."""
        now = self._clock()
        self._seen.append((now, step))
        while len(self._seen) > 2 and now - self._seen[0][0] > self._window:
            self._seen.popleft()
        self._figures |= self._choose(figures)
        is_live = self._live is not None
        self._latest = line(step, total_steps, self._rate(), self._figures, bar=is_live, unit=self._unit)
        pause = PLAIN if self._live is None else REDRAW
        if self._shown_at is None or now - self._shown_at >= pause or step >= total_steps:
            self._shown_at = now
            self._show()

    def _rate(self) -> float | None:
        """Steps a second over the window; None as long as there is no telling."""
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - start) if end > start and last > first else None

    def _show(self) -> None:
        if self._latest == self._shown:
            return
        self._shown = self._latest
        if self._live is None:
            print(self._shown, file=self._stream, flush=True)
            return
        from rich.text import Text

        self._live.update(Text(self._shown, no_wrap=True, overflow="ellipsis"), refresh=True)


def line(
    step: int,
    total_steps: int,
    rate: float | None,
    figures: Mapping[str, float],
    bar: bool = False,
    unit: str = "steps",
) -> str:
    """Return the line for a training at `step` that makes `rate` steps a second."""
    share = min(1.0, step / total_steps) if total_steps else 1.0
    filled = round(share * _BAR)
    parts = [f"{'━' * filled}{'╌' * (_BAR - filled)} {share:4.0%}" if bar else f"{share:4.0%}"]
    parts.append(f"{count(step)} of {count(total_steps)} {unit}")
    if rate is not None:
        parts.append(f"{count(rate)} {unit}/s")
    parts += [f"{name.replace('_', ' ')} {value:.4g}" for name, value in figures.items()]
    if rate is not None and step < total_steps:
        parts.append(f"{seconds_text((total_steps - step) / rate)} left")
    return " · ".join(parts)


def count(number: float) -> str:
    """Return a number of steps in short: 950, 38.2k, 3M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def _live_line(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.live import Live

    # Drawn only by `update`: no thread beside the training.
    return Live(console=Console(file=stream), auto_refresh=False, redirect_stdout=False)
