"""The file of a label store: its tables, how it is opened, and what it says that its clips are clips of."""

import sqlite3
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rlkit.files import RunError

FORMAT = 1
_WAIT_SECONDS = 30.0  # for another process that writes

SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE clips (
    id INTEGER PRIMARY KEY, step INTEGER NOT NULL, length INTEGER NOT NULL,
    start BLOB NOT NULL, obs BLOB NOT NULL, actions BLOB NOT NULL, rewards BLOB NOT NULL);
CREATE TABLE questions (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL REFERENCES clips, second INTEGER NOT NULL REFERENCES clips,
    step INTEGER NOT NULL, model TEXT NOT NULL, chance REAL);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY, question INTEGER NOT NULL REFERENCES questions, choice TEXT NOT NULL,
    who TEXT NOT NULL, at REAL NOT NULL, model TEXT NOT NULL, chance REAL, step INTEGER);
CREATE INDEX answers_of ON answers (question, id);
CREATE TABLE leases (question INTEGER PRIMARY KEY REFERENCES questions, who TEXT NOT NULL, until REAL NOT NULL);
"""


class LabelError(RunError):
    """A label file that is none, or that does not fit, or an answer that cannot be taken."""


@dataclass(frozen=True)
class About:
    """What the clips of a file are clips of."""

    environment: str
    level: str
    params: dict[str, float]
    state_size: int  # bytes
    obs_size: int  # numbers
    action_shape: tuple[int, ...]  # (): whole numbers; else of float32
    clip_length: int  # steps at most


def connect(path: str | Path, create: bool) -> sqlite3.Connection:
    """Return a connection without open transaction; raises LabelError where there can be none."""
    mode = "rwc" if create else "rw"
    try:
        uri = Path(path).absolute().as_uri() + f"?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        return connection
    except sqlite3.Error as error:
        raise LabelError(f"cannot open the label file {path}: {error}") from None


def about_of(facts: dict[str, Any]) -> About:
    """Return the facts of a file, checked; raises ValueError, TypeError or KeyError where they are none."""
    if facts["format"] != FORMAT:
        raise ValueError(f"it has format {facts['format']!r}, and this rlkit reads {FORMAT}")
    about = {field.name: facts[field.name] for field in fields(About)}
    about["action_shape"] = tuple(about["action_shape"])
    numbers = (about["state_size"], about["obs_size"], about["clip_length"], *about["action_shape"])
    if not all(type(number) is int and 0 < number < 1 << 24 for number in numbers):
        raise ValueError("its sizes are none")
    if not isinstance(about["environment"], str) or not isinstance(about["level"], str):
        raise ValueError("it does not name an environment and a level")
    if not isinstance(about["params"], dict):
        raise ValueError("its params are none")
    return About(**about)
