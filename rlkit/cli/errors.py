"""Every error in one sentence: what a user did wrong, or where rlkit went wrong."""

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path

_PACKAGES = ("rlkit", "envs", "agents")
_ROOT = Path(__file__).resolve().parents[2]


class UsageError(ValueError):
    """A command line that cannot be run; the message is one sentence for the user."""


def nearest(name: str, names: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" with the nearest of `names`, or nothing."""
    near = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def explain(error: Exception) -> tuple[str, int]:
    """Return (one sentence, exit code): 2 for a user's error, 1 for what nobody foresaw."""
    text = " ".join(str(error).split())
    if _is_meant(error):
        return text or type(error).__name__, 2
    place = _place(error)
    return f"{text or 'stopped'} ({type(error).__name__} at {place}; RLKIT_DEBUG=1 shows the traceback)", 1


def _is_meant(error: Exception) -> bool:
    """Whether the message was written for users: our own class of error, or raised by a line of ours."""
    if type(error).__module__.split(".")[0] in _PACKAGES:
        return True
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or not (frames[-1].line or "").startswith("raise "):
        return False
    file = Path(frames[-1].filename)
    return any(file.is_relative_to(_ROOT / package) for package in _PACKAGES)


def _place(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
