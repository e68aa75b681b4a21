"""The label store: questions (two clips), people's and teachers' answers, and when training took them in.

One SQLite file, the only place where training and labelling meet. Either may stop, be killed and go on: each answer is
one committed transaction, and nothing is ever changed or removed but a question's lease and the training step at which
an answer arrived. An answer is taken back by another row, "undo". With its clips, the file is all that a run learns
from, so it can be carried to another run, mixed with a teacher's answers and replayed: see `LabelStore.arrived`.

The file may be a stranger's. It holds numbers and text only, what is read is checked, and SQL in its schema is not
trusted.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.rlhf.clips import Clip
from agents.rlhf.label_file import FORMAT, SCHEMA, About, LabelError, about_of, connect

LEFT, RIGHT, EQUAL, SKIP, UNDO = "left", "right", "equal", "skip", "undo"
TARGETS = {LEFT: 1.0, RIGHT: 0.0, EQUAL: 0.5}  # of the chance that the left clip is the better one
LEASE_SECONDS = 120.0  # for which a question that one person looks at is not shown to another
MAX_NAME = 60  # characters of who answers
_MAX_LENGTH = 100_000  # steps of a clip

_LAST = "SELECT max(id) FROM answers GROUP BY question"  # the answer that holds, of each question
_OPEN = f"id NOT IN (SELECT question FROM answers WHERE id IN ({_LAST}) AND choice != 'undo')"
_LAST_OF = (
    f"SELECT question FROM answers WHERE id IN ({_LAST}) AND who = ? AND choice != 'undo' ORDER BY id DESC LIMIT 1"
)
_NEXT = (
    f"SELECT id, first, second, step, model, chance FROM questions LEFT JOIN leases ON question = id AND until > :now"
    f" WHERE {_OPEN} AND coalesce(who, :who) = :who AND id IS NOT :but ORDER BY who IS NULL, id LIMIT 1"
)


class UnknownError(LabelError):
    """A question or a clip that the file does not have."""


class TakenError(LabelError):
    """A question that has been answered otherwise."""


@dataclass(frozen=True)
class Question:
    """Two clips to choose between."""

    id: int
    left: int  # ids of clips
    right: int
    step: int  # of the training, when it was asked
    model: str  # which was to learn from the answer; "": none yet
    chance: float | None  # that it gave the left clip to be the better one


@dataclass(frozen=True)
class Label:
    """An answer that training takes in."""

    question: int
    left: int
    right: int
    target: float  # chance that the left clip is the better one: 1, 0 or, of equals, 0.5
    chance: float | None  # that the model gave it when it was asked


@dataclass(frozen=True)
class Progress:
    """How far the labelling is."""

    answered: int  # left, right or equal
    skipped: int
    open: int
    wanted: int  # answers in all
    agreed: int  # of `judged` answers: what the model had said
    judged: int  # answers of left or right to questions that a model was there for
    step: int  # of the training, as it last told
    total_steps: int
    is_over: bool  # the training has ended: it takes no more answers


class LabelStore:
    """A label file, open. One process may have several; each belongs to the thread that opened it."""

    def __init__(self, path: str | Path, connection: sqlite3.Connection, about: About):
        self.path, self.about = Path(path), about
        self._connection = connection

    # --- the file -----------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path, about: About, wanted: int, total_steps: int) -> "LabelStore":
        """Make a file without questions.

        Raises:
            LabelError: there is one already, or it cannot be written.
        """
        if Path(path).exists():
            raise LabelError(f"{path} is there already: open it, or choose another name")
        connection = connect(path, create=True)
        store = cls(path, connection, about)
        facts = asdict(about) | {"format": FORMAT, "wanted": wanted, "total_steps": total_steps}
        with store._writing() as write:
            for statement in SCHEMA.split(";"):
                write(statement)
            for key, value in facts.items():
                write("INSERT INTO about VALUES (?, ?)", (key, json.dumps(value)))
        return store

    @classmethod
    def open(cls, path: str | Path) -> "LabelStore":
        """Open a file.

        Raises:
            LabelError: it is missing, or no label file of this format.
        """
        connection = connect(path, create=False)
        try:
            facts = {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM about")}
            about = about_of(facts)
        except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
            connection.close()
            raise LabelError(f"{path} is not a label file of this rlkit: {error}") from None
        return cls(path, connection, about)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> "LabelStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def copy_to(self, path: str | Path) -> None:
        """Write a copy of the file, as of now, for another run or another person.

        Raises:
            LabelError: there is a file already, or it cannot be written.
        """
        if Path(path).exists():
            raise LabelError(f"{path} is there already: choose another name")
        try:
            self._connection.execute("VACUUM INTO ?", (str(path),))
        except sqlite3.Error as error:
            raise LabelError(f"cannot write {path}: {error}") from None

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """One transaction, from which others see all or nothing."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise LabelError(f"cannot write {self.path}: {error}") from None

    def _rows(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise LabelError(f"cannot read {self.path}: {error}") from None

    # --- the training's side ------------------------------------------------------------------------------------

    def ask(
        self, pairs: Sequence[tuple[Clip, Clip]], step: int, model: str, chances: Sequence[float] | None
    ) -> list[int]:
        """Add questions about pairs of clips, asked at a training step; return their ids.

        A training that was resumed before `step` asks the same again, and gets the same ids.

        Args:
            model: the name of the reward model that is to learn from the answers, "" if there is none yet.
            chances: of the left clip to be the better one, as that model has it.
        """
        ids = []
        with self._writing() as write:
            for k, pair in enumerate(pairs):
                known = write(
                    "SELECT q.id FROM questions q JOIN clips a ON a.id = q.first JOIN clips b ON b.id = q.second"
                    " WHERE q.step = ? AND a.start = ? AND a.actions = ? AND b.start = ? AND b.actions = ?",
                    (step, *(part for clip in pair for part in (clip.start, clip.actions.tobytes()))),
                ).fetchone()
                if known is not None:
                    ids.append(known[0])
                    continue
                sides = [self._add_clip(write, clip, step) for clip in pair]
                chance = None if chances is None else float(chances[k])
                values = (*sides, step, model, chance)
                query = "INSERT INTO questions (first, second, step, model, chance) VALUES (?, ?, ?, ?, ?)"
                ids.append(write(query, values).lastrowid)
        return ids

    def _add_clip(self, write: Any, clip: Clip, step: int) -> int:
        blobs = (clip.start, clip.obs.tobytes(), clip.actions.tobytes(), clip.rewards.tobytes())
        query = "INSERT INTO clips (step, length, start, obs, actions, rewards) VALUES (?, ?, ?, ?, ?, ?)"
        return write(query, (step, clip.length, *blobs)).lastrowid

    def arrived(self, step: int) -> list[Label]:
        """Take in all answers there are at a training step; return the labels that hold then, by question.

        Each answer is marked with the step at which it was first taken in. One that is marked with a later step (a
        file from another run, a training resumed from before) has not arrived yet, so every run that takes its labels
        from the file learns the same from it at the same steps.
        """
        if self._rows("SELECT 1 FROM answers WHERE step IS NULL LIMIT 1"):
            with self._writing() as write:
                write("UPDATE answers SET step = ? WHERE step IS NULL", (step,))
        rows = self._rows(
            "SELECT q.id, q.first, q.second, a.choice, q.chance FROM answers a JOIN questions q ON q.id = a.question"
            " WHERE a.id IN (SELECT max(id) FROM answers WHERE step <= ? GROUP BY question)"
            " AND a.choice IN ('left', 'right', 'equal') ORDER BY q.id",
            (step,),
        )
        return [Label(question, left, right, TARGETS[choice], chance) for question, left, right, choice, chance in rows]

    def clip(self, number: int) -> Clip:
        """Return a clip.

        Raises:
            UnknownError: there is none of that number.
            LabelError: it is damaged.
        """
        rows = self._rows("SELECT length, start, obs, actions, rewards FROM clips WHERE id = ?", (number,))
        if not rows:
            raise UnknownError(f"{self.path} has no clip {number}")
        about = self.about
        length, start, *blobs = rows[0]
        if type(length) is not int or not 1 <= length <= min(about.clip_length, _MAX_LENGTH):
            raise LabelError(f"clip {number} of {self.path} is damaged: its length is {length!r}")
        action_dtype = np.float32 if about.action_shape else np.int64
        shapes = ((length, about.obs_size), (length, *about.action_shape), (length,))
        parts = []
        for blob, shape, dtype in zip(blobs, shapes, (np.float32, action_dtype, np.float32), strict=True):
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            if type(blob) is not bytes or len(blob) != size:
                raise LabelError(f"clip {number} of {self.path} is damaged: a part does not have {size} bytes")
            parts.append(np.frombuffer(blob, dtype).reshape(shape))
        if type(start) is not bytes or len(start) != about.state_size:
            raise LabelError(f"clip {number} of {self.path} is damaged: its state has not {about.state_size} bytes")
        return Clip(start, *parts)

    def is_asked(self, number: int) -> bool:
        """Return whether a question shows the clip of that number."""
        return bool(self._rows("SELECT 1 FROM questions WHERE ? IN (first, second) LIMIT 1", (number,)))

    def check_fits(self, about: About) -> None:
        """Raise LabelError if the file's clips are not of what a training is about; levels and params may differ."""
        for name in ("environment", "state_size", "obs_size", "action_shape", "clip_length"):
            own, wanted = getattr(self.about, name), getattr(about, name)
            if own != wanted:
                what = name.replace("_", " ")
                raise LabelError(f"{self.path} has the {what} {own}, and this training has {wanted}: they do not fit")

    def tell(self, **facts: int | bool) -> None:
        """Tell those who answer about the training: `step`, `is_over`, `wanted`, `total_steps`."""
        with self._writing() as write:
            for key, value in facts.items():
                write("INSERT INTO about VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                      (key, json.dumps(value)))  # fmt: skip

    # --- the labeller's side ------------------------------------------------------------------------------------

    def next_question(self, who: str) -> Question | None:
        """Return the question that `who` looks at, or else the oldest open one that nobody else looks at, and lease it
        to `who`; None: there is none.
        """
        now = time.time()
        with self._writing() as write:
            rows = write(_NEXT, {"who": who, "now": now, "but": None}).fetchall()
            if not rows:
                return None
            write("DELETE FROM leases WHERE who = ? OR until <= ?", (who, now))
            write("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (rows[0][0], who, now + LEASE_SECONDS))
        return Question(*rows[0])

    def question_after(self, number: int, who: str) -> Question | None:
        """Return what `who` would be asked once `number` is answered, to be prepared; it is not leased yet."""
        rows = self._rows(_NEXT, {"who": who, "now": time.time(), "but": number})
        return Question(*rows[0]) if rows else None

    def question(self, number: int) -> Question:
        """Return a question.

        Raises:
            UnknownError: there is none of that number.
        """
        rows = self._rows("SELECT id, first, second, step, model, chance FROM questions WHERE id = ?", (number,))
        if not rows:
            raise UnknownError(f"{self.path} has no question {number}")
        return Question(*rows[0])

    def answer(self, choices: dict[int, str], who: str) -> None:
        """Keep answers by question: "left", "right", "equal" or "skip". All of them are kept, or none.

        Given again by the same person, as by a page that did not hear that it was kept, an answer is not kept twice.

        Raises:
            UnknownError: a question that is none.
            TakenError: it has been answered otherwise.
            LabelError: a choice or name that cannot be.
        """
        check_name(who)
        with self._writing() as write:
            for number, choice in choices.items():
                if choice not in (*TARGETS, SKIP):
                    raise LabelError(f"the answer {choice!r} is none of left, right, equal and skip")
                asked = self.question(number)
                rows = write("SELECT choice, who FROM answers WHERE question = ? ORDER BY id DESC LIMIT 1", (number,))
                last = rows.fetchone()
                if last == (choice, who):
                    continue
                if last is not None and last[0] != UNDO:
                    raise TakenError(f"question {number} has been answered by {last[1]} already: take the next one")
                write(
                    "INSERT INTO answers (question, choice, who, at, model, chance) VALUES (?, ?, ?, ?, ?, ?)",
                    (number, choice, who, time.time(), asked.model, asked.chance),
                )
                write("DELETE FROM leases WHERE question = ?", (number,))

    def last_answered(self, who: str) -> int | None:
        """Return the question of the last answer of `who` that holds: what `undo` would take back."""
        rows = self._rows(_LAST_OF, (who,))
        return rows[0][0] if rows else None

    def undo(self, who: str, question: int | None = None) -> Question | None:
        """Take back the last answer of `who` that holds, and lease its question to them; None: there is none.

        With `question` nothing is done where that answer is another question's: so a page that did not hear that it
        was taken back may ask again.
        """
        check_name(who)
        with self._writing() as write:
            row = write(_LAST_OF, (who,)).fetchone()
            if row is None or question not in (None, row[0]):
                return None
            now = time.time()
            write(
                "INSERT INTO answers (question, choice, who, at, model, chance) VALUES (?, 'undo', ?, ?, '', NULL)",
                (row[0], who, now),
            )
            write("DELETE FROM leases WHERE who = ?", (who,))
            write("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (row[0], who, now + LEASE_SECONDS))
        return self.question(row[0])

    def progress(self, who: str | None = None) -> Progress:
        """Return how far the labelling is; `who`: count the answers of that person only."""
        where, values = ("", ()) if who is None else (" AND who = ?", (who,))
        rows = self._rows(
            f"SELECT choice, chance FROM answers WHERE id IN ({_LAST}) AND choice != 'undo'{where}", values
        )
        judged = [
            (choice == LEFT, chance > 0.5) for choice, chance in rows if chance is not None and choice in (LEFT, RIGHT)
        ]
        facts = {key: json.loads(value) for key, value in self._rows("SELECT key, value FROM about")}
        return Progress(
            answered=sum(choice != SKIP for choice, _ in rows),
            skipped=sum(choice == SKIP for choice, _ in rows),
            open=self._rows(f"SELECT count(*) FROM questions WHERE {_OPEN}")[0][0],
            wanted=int(facts["wanted"]),
            agreed=sum(left == said_left for left, said_left in judged),
            judged=len(judged),
            step=int(facts.get("step", 0)),
            total_steps=int(facts["total_steps"]),
            is_over=bool(facts.get("is_over", False)),
        )


def check_name(who: str) -> None:
    """Raise LabelError unless `who` is a name that an answer can have."""
    if not (isinstance(who, str) and 0 < len(who) <= MAX_NAME and who.isprintable()):
        raise LabelError(f"who answers has a name of 1 to {MAX_NAME} printable characters, not {who!r:.80}")
