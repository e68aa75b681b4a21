"""What the verbs print: aligned columns, tables of figures, commands to copy."""

import math
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

_EMPTY = "–"


def columns(rows: Iterable[Sequence[str]], indent: str = "") -> str:
    """Return rows of cells as aligned lines, two spaces between columns."""
    table = [[*map(str, row)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
    return "\n".join((indent + line).rstrip() for line in lines)


def figure(value: Any) -> str:
    """Return a figure as people read it: a share in percent, an estimate with its 95 % interval."""
    if value is None:
        return _EMPTY
    if isinstance(value, float):
        return f"{100 * value:.1f} %" if 0 <= value <= 1 else f"{value:.4g}"
    return str(value)


def report_table(report: Any) -> str:
    """Return a `rlkit.evaluation.Report` as a table, and its score as a sentence."""
    names = list(dict.fromkeys(name for figures in report.rows.values() for name in figures))
    rows = [["", *(name.replace("_", " ") for name in names)]]
    rows += [[player, *(figure(row.get(name)) for name in names)] for player, row in report.rows.items()]
    text = columns(rows)
    players = list(report.rows)
    if not math.isnan(report.score) and "random" in players[:-1]:
        reference = players[players.index("random") + 1]
        text += f"\n\nnormalised score {report.score:.3f}  (0 = random, 1 = {reference})"
    for name, reason in report.left_out.items():
        text += f"\n\n{name} is left out: {reason}"
    return text


def report_json(report: Any) -> dict[str, Any]:
    """Return a `Report` as plain JSON: estimates as {mean, low, high, count}, NaN as null."""
    return {"rows": plain(report.rows), "score": plain(report.score), "left_out": report.left_out}


def plain(value: Any) -> Any:
    """Return `value` as JSON can have it; numbers that JSON has not become null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if hasattr(value, "tolist"):  # NumPy's
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shown_path(path: str | Path) -> str:
    """Return a path as one would type it here: relative where that is shorter, quoted for the shell."""
    full = os.path.abspath(path)
    try:
        relative = os.path.relpath(full)
    except ValueError:  # another drive
        relative = full
    return shlex.quote(min(relative, full, key=len))


def can_print(text: str) -> bool:
    """Whether standard output has the characters of `text`."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def seconds_text(seconds: float) -> str:
    """Return a duration (s): "8 s", "3 min 12 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
