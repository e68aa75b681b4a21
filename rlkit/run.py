"""A run folder: what was trained, how, what came of it, and where to go on from.

    runs/<environment>/<agent>/<date>-<time>-s<seed>/
      config.json             environment, agent, seed and settings; written once
      card.json               versions, machine, commit, command, start, end, wall time, resumes, scores
      metrics.jsonl           one row a `log`: for one seed the same bytes, however often it was interrupted
      events.out.tfevents.*   the same for TensorBoard, with speeds, texts and animations beside
      checkpoints/            the newest two, see `rlkit.checkpoint`

Nothing in a run folder is imported, executed or followed elsewhere, so a stranger's run may be opened. Names
of environment and agent are only strings here; who turns them into code looks them up in tables.
"""

import hashlib
import json
import math
import operator
import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any

from rlkit import card as cards
from rlkit import checkpoint as checkpoints
from rlkit.checkpoint import Checkpoint, CheckpointError
from rlkit.files import (
    RunError,
    append,
    encode_json,
    lock,
    not_written,
    open_append,
    read_bytes,
    read_json,
    reason,
    rename_to_free,
    replace_file,
    sync_folder,
    write_new,
)

__all__ = ["Checkpoint", "CheckpointError", "Run", "RunError"]

KEPT_CHECKPOINTS = 2  # the newest, and one to fall back on should it be damaged
CONFIG, CARD, LOG, CHECKPOINTS, LOCK = "config.json", "card.json", "metrics.jsonl", "checkpoints", ".lock"
_MAX_LOG = 1 << 32  # bytes


@dataclass
class _Writer:
    """What a run holds while it may be written: from `create` or `resume` to `close`."""

    files: ExitStack  # closes the files below and the lock
    log: FileIO
    digest: Any  # SHA-256 of metrics.jsonl so far
    events: FileIO
    card: dict[str, Any]
    start: float  # s, by a clock that never jumps, less the wall time of earlier sessions


@dataclass
class Run:
    """One training, on disk. Made by `create` or `open`; `resume` makes an opened one writable."""

    folder: Path
    environment_name: str
    agent_name: str
    seed: int
    config: dict[str, Any]  # as JSON has it: lists, never tuples
    changes: list[str] = field(default_factory=list)  # versions and machine that `resume` found changed
    _writer: _Writer | None = field(default=None, repr=False)
    _stop: bool = field(default=False, repr=False)
    _deadline: float = field(default=math.inf, repr=False)
    progress: Any = field(default=None, repr=False)  # update(step, total_steps, figures), set by who shows it

    # Making and opening ------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        environment_name: str,
        agent_name: str,
        config: Mapping[str, Any],
        seed: int,
        *,
        root: str | Path = "runs",
        command: list[str] | None = None,
    ) -> "Run":
        """A new run folder below `root`, open for writing. The folder appears complete or not at all.

        Raises:
            RunError: a name or seed that a run cannot have; a folder that cannot be written.
            ValueError: `config` is not plain JSON.
        """
        data = cards.encode_config(environment_name, agent_name, config, seed)
        parent = Path(root).absolute().joinpath(*map(cards.folder_name, (environment_name, agent_name)))
        temporary = parent / f".new-{secrets.token_hex(8)}"
        try:
            (temporary / CHECKPOINTS).mkdir(parents=True)
            write_new(temporary / CONFIG, data)
            write_new(temporary / LOG, b"")
            folder = rename_to_free(temporary, parent / f"{datetime.now():%Y%m%d-%H%M%S}-s{seed}")
            sync_folder(parent)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise RunError(
                f"cannot make a run below the folder {parent}: {reason(error)}; "
                "start in one with room that you can write to"
            ) from None
        run = cls.open(folder)
        with ExitStack() as files:
            files.enter_context(lock(folder / LOCK))
            run._start(files, b"", None, command)
        return run

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """An existing run, for reading: nothing in it is changed, another process may be training in it.

        Raises:
            RunError: it is no run folder, or its config.json is damaged.
        """
        path = Path(folder).absolute()
        if not os.path.lexists(path / CONFIG):
            raise RunError(
                f"{path} is not a run folder: it has no {CONFIG}; name one like "
                "runs/ENVIRONMENT/AGENT/20261122-031500-s0"
            )
        return cls(path, *cards.read_config(path / CONFIG))

    def resume(self, step: int | None = None, *, command: list[str] | None = None) -> Checkpoint | None:
        """Makes an opened run writable, exactly as it was at its newest checkpoint, or at that of `step`.

        metrics.jsonl is cut to the checkpoint, later events are hidden in TensorBoard and later checkpoints
        removed. Returns None where there is no checkpoint yet: then the run is empty and starts over.

        Raises:
            CheckpointError: the checkpoint is damaged; names an intact one, which is never taken unasked.
            RunError: another process trains in this folder, or the folder cannot be written.
        """
        with ExitStack() as files:
            files.enter_context(lock(self.folder / LOCK))
            checkpoints.clean(self._checkpoints)
            checkpoint = self.load(step) if step is not None or self.steps() else None
            log = self._log_at(checkpoint)
            if checkpoint is not None:
                kept = [number for number in self.steps() if number <= checkpoint.step][-KEPT_CHECKPOINTS:]
                checkpoints.remove(self._checkpoints, sorted({*self.steps()} - {*kept}))
            replace_file(self.folder / LOG, log)
            self._start(files, log, checkpoint.step + 1 if checkpoint else 0, command)
        return checkpoint

    def _log_at(self, checkpoint: Checkpoint | None) -> bytes:
        """The rows of metrics.jsonl that `checkpoint` stands on."""
        if checkpoint is None:
            return b""
        path = self.folder / LOG
        log = read_bytes(path, _MAX_LOG)[: checkpoint.log_size]
        if checkpoints.digest_of(log) != checkpoint.log_sha256:
            raise RunError(
                f"{path} is damaged: its rows up to step {checkpoint.step} are not those the checkpoint "
                "knows; put the original back or start a new run"
            )
        return log

    def _start(self, files: ExitStack, log: bytes, purge_step: int | None, command: list[str] | None) -> None:
        """Opens what a writable run holds beside the lock in `files`; `purge_step` is None in a new run."""
        from rlkit import events

        session = cards.session(command)
        card, self.changes = cards.card_of(self.folder / CARD, session)
        writer = _Writer(
            files=files,
            log=files.enter_context(open_append(self.folder / LOG)),
            digest=hashlib.sha256(log),
            events=files.enter_context(events.open_events(self.folder, purge_step)),
            card=card,
            start=time.monotonic() - card["wall_seconds"],
        )
        self._write_card(writer)
        if not purge_step:
            about = {"environment": self.environment_name, "agent": self.agent_name, "seed": self.seed}
            text = json.dumps(about | {"config": self.config}, indent=1)
            code = "    " + text.replace("\n", "\n    ")  # what is indented is code in Markdown
            events.write(writer.events, 0, [events.text("config", code), events.hparams(self.config | about)])
        writer.files = files.pop_all()
        self._writer = writer

    def close(self) -> None:
        """Ends the session: the card gets its end, and another process may resume the run."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with writer.files:
                self._write_card(writer, ended=cards.now())

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _writing(self) -> _Writer:
        if self._writer is None:
            raise RunError(f"{self.folder} is open for reading only: call run.resume() first")
        return self._writer

    # Logging -----------------------------------------------------------------------------------------------

    def log(self, step: int, values: Mapping[str, Any], timing: Mapping[str, Any] | None = None) -> None:
        """One row {"step": step, name: number, …} in metrics.jsonl, and the same scalars in TensorBoard.

        Whatever a clock has touched goes into `timing`, which only TensorBoard gets. As JSON has no other
        numbers, NaN and infinities are the strings "NaN", "Infinity", "-Infinity", which `float` reads.
        Log what belongs to a step before saving it: on resume, rows behind the checkpoint are made again.

        Raises:
            RunError: the disk is full, or the run is open for reading only.
        """
        from rlkit import events

        writer = self._writing()
        if "step" in values:
            raise ValueError('a metric cannot be called "step": that is the row\'s own')
        step = operator.index(step)
        numbers = {name: float(value) for name, value in values.items()}
        row = {"step": step} | {name: _jsonable(number) for name, number in numbers.items()}
        data = (json.dumps(row, allow_nan=False) + "\n").encode()
        append(writer.log, data)
        writer.digest.update(data)
        numbers |= {name: float(value) for name, value in (timing or {}).items()}
        events.write(writer.events, step, [events.scalar(name, number) for name, number in numbers.items()])

    def log_text(self, step: int, name: str, text: str) -> None:
        """A text (Markdown) in TensorBoard."""
        from rlkit import events

        events.write(self._writing().events, operator.index(step), [events.text(name, text)])

    def log_gif(self, step: int, name: str, data: bytes) -> None:
        """An animation, the bytes of a GIF file, among TensorBoard's images."""
        from rlkit import events

        events.write(self._writing().events, operator.index(step), [events.gif(name, data)])

    def write_scores(self, scores: Mapping[str, Any]) -> None:
        """Adds results, plain JSON, to those on the card."""
        writer = self._writing()
        encode_json(dict(scores), "scores of a run")
        writer.card["scores"] |= dict(scores)
        self._write_card(writer)

    def read_card(self) -> dict[str, Any]:
        """The card as it stands on disk.

        Raises:
            RunError: it is missing or damaged.
        """
        return read_json(self.folder / CARD)

    def _write_card(self, writer: _Writer, **changes: Any) -> None:
        writer.card |= changes | {"wall_seconds": round(time.monotonic() - writer.start, 3)}
        replace_file(self.folder / CARD, encode_json(writer.card, "the card of a run"))

    # Checkpoints -------------------------------------------------------------------------------------------

    @property
    def _checkpoints(self) -> Path:
        return self.folder / CHECKPOINTS

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, ascending."""
        return checkpoints.steps(self._checkpoints)

    def save(self, step: int, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """A checkpoint of everything that decides the future; the newest two are kept.

        Args:
            step: environment transitions so far, never less than in the last checkpoint.
            tensors: name → np.ndarray or torch.Tensor, not nested. Arrays come back in row order, tensors
                with the strides they have (channels_last stays), on the CPU, without gradient.
            facts: plain JSON; tuples come back as lists.

        Raises:
            ValueError, TypeError: something that cannot be stored.
            RunError: the disk is full or the folder cannot be written; earlier checkpoints are untouched.
        """
        writer = self._writing()
        step = operator.index(step)
        if not max(self.steps(), default=0) <= step < 10**15:
            raise ValueError(f"a checkpoint of step {step} cannot follow those of {self.steps()}")
        try:
            os.fsync(writer.log.fileno())  # the rows must not be younger on disk than what refers to them
            size = os.fstat(writer.log.fileno()).st_size
        except OSError as error:
            raise not_written(self.folder / LOG, error) from None
        checkpoint = Checkpoint(step, dict(tensors), dict(facts), size, writer.digest.hexdigest())
        checkpoints.save(self._checkpoints, checkpoint, KEPT_CHECKPOINTS)
        self._write_card(writer)

    def load(self, step: int | None = None) -> Checkpoint:
        """The newest checkpoint, or that of `step`, verified byte for byte before anything in it is used.

        Raises:
            CheckpointError: there is none, or it is damaged; names the intact ones.
        """
        steps = self.steps()
        if not steps:
            raise CheckpointError(f"{self.folder} has no checkpoint yet: train it first")
        if step is not None and step not in steps:
            raise CheckpointError(
                f"{self.folder} has no checkpoint of step {step}: choose one of {', '.join(map(str, steps))}"
            )
        return checkpoints.load(self._checkpoints, steps[-1] if step is None else step)

    # Stopping ----------------------------------------------------------------------------------------------

    @property
    def stop_requested(self) -> bool:
        """Whether the training should save and end; to be asked at the boundaries of iterations."""
        return self._stop or time.monotonic() >= self._deadline

    def request_stop(self) -> None:
        """Ends the training at its next boundary."""
        self._stop = True

    @contextmanager
    def training(self, time_limit: float | None = None) -> Iterator[None]:
        """Turns Ctrl-C and SIGTERM into `stop_requested` for the block; a second Ctrl-C interrupts at once.

        `time_limit` (s) requests a stop too; no other result of a run depends on a clock. Outside the main
        thread, where Python allows no handlers, signals keep their meaning.
        """
        self._stop = False
        self._deadline = math.inf if time_limit is None else time.monotonic() + time_limit
        previous = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) != signal.SIG_IGN:  # started by nohup: stays deaf
                    previous[number] = signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            self._deadline = math.inf
            for number, handler in previous.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _on_signal(self, number: int, frame: object) -> None:
        if self._stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._stop = True


def _jsonable(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
