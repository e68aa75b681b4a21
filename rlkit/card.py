"""The card of a run: under which versions, on which machine, from which commit and command it was made."""

import os
import platform
import subprocess
import sys
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

_DISTRIBUTIONS = ("rlkit-suite", "numpy", "numba", "torch", "gymnasium")


def session(command: list[str]) -> dict[str, Any]:
    """What describes one start (or resume) of a training; plain JSON."""
    return {
        "started": now(),
        "command": command,
        "commit": commit(),
        "versions": versions(),
        "machine": machine(),
    }


def now() -> str:
    """The local time with its offset, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def versions() -> dict[str, str | None]:
    """Version of Python and of each library that the results may depend on (None: not installed)."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory in GiB and operating system."""
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


def commit() -> str | None:
    """The Git commit of the checkout rlkit is imported from (with "+changes" if files differ), if it is one."""
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


def differences(earlier: dict[str, Any], later: dict[str, Any]) -> list[str]:
    """What has changed between two sessions that may change results, one phrase each ("torch 2.12.0, now 2.13.0")."""
    found = []
    for part in ("versions", "machine"):
        old, new = earlier.get(part), later[part]
        for name in new if isinstance(old, dict) else []:
            if old.get(name) != new[name]:
                found.append(f"{name} {old.get(name)}, now {new[name]}")
    if earlier.get("commit") != later["commit"]:
        found.append(f"commit {earlier.get('commit')}, now {later['commit']}")
    return found


def command_line() -> list[str]:
    """The command that started this process, for the card."""
    return list(sys.argv)
