"""What a run says about itself: config.json (what was asked for) and card.json (what it was made with).

Both are read from folders that a stranger may have written: checked entry by entry, shown only in short.
"""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rlkit.files import RunError, encode_json, matches, parse_json, read_json, shown

FORMAT = 1
_NAME = r"[A-Za-z0-9_]+([.:/-][A-Za-z0-9_]+)*"  # "gymnasium:ALE/Pong-v5"; never ".." or "/etc"
_KEYS = ("format", "environment", "agent", "seed", "config")
_DISTRIBUTIONS = ("rlkit-suite", "numpy", "numba", "torch", "gymnasium")


# config.json -----------------------------------------------------------------------------------------------


def encode_config(environment_name: str, agent_name: str, config: Mapping[str, Any], seed: int) -> bytes:
    """The content of a config.json.

    Raises:
        RunError: a name or a seed that a run cannot have.
        ValueError: `config` is not plain JSON.
    """
    values = (FORMAT, environment_name, agent_name, seed, dict(config))
    data = encode_json(dict(zip(_KEYS, values, strict=True)), "the config of a run")
    _check_config(parse_json(data, Path("the new run")), "the new run")
    return data


def read_config(path: Path) -> tuple[str, str, int, dict[str, Any]]:
    """Name of the environment, name of the agent, seed and settings.

    Raises:
        RunError: the file is missing, damaged or not ours.
    """
    description = read_json(path)
    _check_config(description, str(path))
    return description["environment"], description["agent"], description["seed"], description["config"]


def folder_name(name: str) -> str:
    """The name of an environment or agent as one level of a path."""
    return re.sub(r"[:/]", "-", name)


def _check_config(description: dict[str, Any], source: str) -> None:
    for key in [*_KEYS, *description]:
        if key not in _KEYS or key not in description:
            problem = "has no entry" if key in _KEYS else "has an unknown entry"
            raise RunError(f"{source} is not the config of a run: it {problem} {shown(key)}")
    if description["format"] != FORMAT:
        raise RunError(f"{source} has format {shown(description['format'])}, this rlkit reads {FORMAT}")
    for key in ("environment", "agent"):
        name = description[key]
        if not matches(_NAME, name) or len(name) > 100:
            raise RunError(
                f"{source} names the {key} {shown(name)}, which cannot be a name: use at most 100 letters, "
                "digits and _, joined by single . : / or -"
            )
    seed = description["seed"]
    if type(seed) is not int or not 0 <= seed < 2**63:
        raise RunError(f"{source} has the seed {shown(seed)}: use a whole number from 0 to 2^63 - 1")
    if not isinstance(description["config"], dict):
        raise RunError(f"{source} has the settings {shown(description['config'])} instead of an object {{…}}")


# card.json -------------------------------------------------------------------------------------------------


def card_of(path: Path, session: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The card at `path` with `session` added, and what has changed since its first; a new card if none.

    Raises:
        RunError: the card is damaged.
    """
    if not os.path.lexists(path):
        return session | {"ended": None, "wall_seconds": 0.0, "resumes": [], "scores": {}}, []
    card = read_json(path)
    kinds: dict[str, Any] = {"wall_seconds": (int, float), "resumes": list, "scores": dict}
    for key, kind in kinds.items():
        if not isinstance(card.get(key), kind):
            raise RunError(f"{path} is damaged: its {key!r} is {shown(card.get(key))}; remove it and resume again")
    changes = _differences(card, session)
    entry = {"started": session["started"], "command": session["command"], "changes": changes}
    return card | {"ended": None, "resumes": [*card["resumes"][-99:], entry]}, changes


def _differences(earlier: dict[str, Any], later: dict[str, Any]) -> list[str]:
    """What may change results, one phrase each: "torch '2.12.0', now '2.13.0'"."""
    pairs = [("commit", earlier.get("commit"), later["commit"])]
    for part in ("versions", "machine"):
        old = earlier.get(part)
        if isinstance(old, dict):
            pairs += [(name, old.get(name), new) for name, new in later[part].items()]
    return [f"{name} {shown(old)}, now {shown(new)}" for name, old, new in pairs if old != new]


def session(command: list[str] | None) -> dict[str, Any]:
    """What describes one start or resume of a training; `command` is this process's own unless given."""
    return {
        "started": now(),
        "command": list(sys.argv) if command is None else command,
        "commit": _commit(),
        "versions": _versions(),
        "machine": _machine(),
    }


def now() -> str:
    """The local time with its offset, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _versions() -> dict[str, str | None]:
    """Versions of Python and of the libraries that results depend on (None: not installed)."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory (GiB) and operating system."""
    affinity = getattr(os, "sched_getaffinity", None)  # absent on macOS and Windows
    return {
        "cpu": _cpu_model(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "os": platform.platform(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # Windows; a system without these figures
        return None


def _commit() -> str | None:
    """The Git commit of the checkout rlkit is imported from, if any; "+changes" if files differ from it."""
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return None
    revision, changes = _git(checkout, "rev-parse", "HEAD"), _git(checkout, "status", "--porcelain")
    return f"{revision}+changes" if revision and changes else revision


def _git(checkout: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(checkout), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):  # no git here, no commit yet, someone else's checkout
        return None
    return done.stdout.strip()
