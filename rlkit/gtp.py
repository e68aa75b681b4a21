"""Programs that speak the Go Text Protocol (GTP) as players: an engine in a seat.

Black is player +1, who moves first. Plies alternate; what a game calls its actions is its `Vertices`.

Source: G. Farnebäck, Specification of the Go Text Protocol, version 2 (draft 2), 2002.
"""

import contextlib
import queue
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from rlkit.environment import Environment, Vertices
from rlkit.learning.policy import Situation

COLOURS = {1: "black", -1: "white"}  # of the players
TIMEOUT = 60.0  # s that an engine may take for an answer
_MAX_LINE, _MAX_LINES = 1 << 16, 1 << 10  # bytes of a line, lines around an answer
_PATIENCE = 2.0  # s that an engine may take to leave


class GtpError(RuntimeError):
    """An engine that does not start, ends, keeps silent, or says what cannot be."""


def vertices_of(environment: Environment, params: np.record) -> Vertices:
    """Return how GTP calls the actions of a game under `params`.

    Raises:
        ValueError: the environment has no names for its actions.
    """
    if environment.gtp is None:
        raise ValueError(f"{environment.name} cannot be played over GTP: it declares no gtp=Vertices(...)")
    return environment.gtp(params)


class Connection:
    """A program that answers GTP commands on its standard output; started without a shell.

    Args:
        command: the program and its arguments.
        timeout: s that it may take for an answer; it is ended when it takes longer.

    Raises:
        GtpError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], timeout: float = TIMEOUT):
        self.command, self.timeout = list(command), timeout
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (`_end` closes it; a pipe would fill up unread)
        try:
            # In a session of its own: Ctrl-C is for us, who then tell the engine to quit.
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, start_new_session=True
            )
        except OSError as error:
            self._stderr.close()
            raise GtpError(f"the engine {self.command[0]} cannot be started: {error.strerror}") from None
        self._lines: queue.Queue[bytes] = queue.Queue(_MAX_LINES)  # b"" at the end
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()
        self._close = weakref.finalize(self, _end, self._process, self._lines, self._stderr)

    def ask(self, *words: str) -> str:
        """Send a command and return the answer without its "=".

        Raises:
            GtpError: the engine refuses (its reason is the message's end), or does not answer as GTP has it.
        """
        question = " ".join(words)
        if not self._close.alive:
            raise self._error(f"was asked {question!r} after it had been closed")
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(f"{question}\n".encode())
            self._process.stdin.flush()
        except OSError:
            raise self._has_ended(question) from None
        answer = self._answer(question)
        if answer.startswith("?"):
            raise self._error(f"refuses {question!r}: {answer[1:].strip() or 'no reason given'}")
        return answer[1:].strip()

    def close(self) -> None:
        """End the program, politely first."""
        self._close()

    def _answer(self, question: str) -> str:
        deadline = time.monotonic() + self.timeout
        lines: list[str] = []
        for _ in range(_MAX_LINES):
            line = self._line(question, deadline).decode(errors="replace")
            line = "".join(character for character in line if character.isprintable() or character == "\t").rstrip()
            if lines and not line:
                return "\n".join(lines)
            if line:  # empty lines before an answer mean nothing
                lines.append(line)
            if lines and lines[0][0] not in "=?":
                break
        self.close()
        raise self._error(f"answered {question!r} with {(lines or [''])[-1][:80]!r}, which is not GTP")

    def _line(self, question: str, deadline: float) -> bytes:
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            self.close()
            raise self._error(f"did not answer {question!r} within {self.timeout:g} s") from None
        if not line:
            raise self._has_ended(question)
        return line

    def _has_ended(self, question: str) -> GtpError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip().splitlines()
        self.close()
        last_words = f"; its last words: {said[-1][:200]}" if said else ""
        return self._error(f"ended at {question!r} with exit code {self._process.returncode}{last_words}")

    def _error(self, what: str) -> GtpError:
        return GtpError(f"the engine {self.command[0]} {what}")


def _read(stream: IO[bytes], lines: "queue.Queue[bytes]") -> None:
    """Pass an engine's lines on, and b"" at its end."""
    with stream:
        for line in iter(lambda: stream.readline(_MAX_LINE), b""):
            lines.put(line)
    lines.put(b"")


def _end(process: "subprocess.Popen[bytes]", lines: "queue.Queue[bytes]", stderr: IO[bytes]) -> None:
    """Tell an engine to quit, and end it if it does not."""
    assert process.stdin is not None
    with contextlib.suppress(OSError), process.stdin as stdin:
        stdin.write(b"quit\n")
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(queue.Empty):
            lines.get(timeout=0.02)  # an engine that still talks may wait for a reader
    process.kill()
    process.wait()
    with contextlib.suppress(queue.Empty):
        while lines.get(timeout=0.2):  # until its reader has come to the end
            pass
    stderr.close()


class GtpEngine:
    """A GTP engine as a policy (`act_in`) for one game under fixed params.

    Callers may ask about any game at any time: the engine is told the plies it does not know yet, or else the
    whole game anew. An engine that resigns is marked in `resigned` [B] of the latest question (a match then ends
    the game), and passes, or where that is illegal plays the first legal action, for those who play on. What
    chance an engine has is its own: seed it in its command.

    Args:
        environment: the game; it declares `gtp`.
        params: its params record; `board_size` and `komi` are told to the engine where there are such.
        command: the program and its arguments. It runs, so it may only come from a person, never from a file.
        timeout: s that it may take for an answer.

    Raises:
        ValueError: the game has no names for its actions, or begins with random plies, which nobody could tell
            the engine about.
        GtpError: the program does not start, or does not speak GTP 2; `act_in`: it fails or plays what is illegal.
    """

    def __init__(self, environment: Environment, params: np.record, command: Sequence[str], timeout: float = TIMEOUT):
        self._vertices = vertices_of(environment, params)
        self._names = self._vertices.names
        known = params.dtype.names or ()
        if "max_random_plies" in known and params["max_random_plies"]:
            raise ValueError(
                f"a GTP engine plays {environment.name} from the empty board: take a level without random plies"
            )
        self._connection = Connection(command, timeout)
        version = self._connection.ask("protocol_version")
        if version != "2":
            self.close()
            raise GtpError(f"the engine {command[0]} speaks version {version[:20]!r} of GTP instead of 2")
        self.name = self._connection.ask("name")[:40] or command[0]
        self.resigned = np.zeros(0, np.bool_)
        self._connection.ask("boardsize", str(self._vertices.size))
        self._connection.ask("clear_board")
        if "komi" in known:
            self._connection.ask("komi", f"{float(params['komi']):g}")
        self._told: list[int] = []  # the actions on the engine's board

    def act_in(self, situation: Situation, deterministic: bool = True) -> np.ndarray:
        """Return the engine's actions [B].

        Raises:
            ValueError: the situation does not say which actions led to it.
            GtpError: the engine fails, or plays what is illegal.
        """
        if situation.actions is None:
            raise ValueError(f"{self.name} follows a game's actions, and here they are not known")
        count = len(situation.actions)
        self.resigned = np.zeros(count, np.bool_)
        actions = np.zeros(count, np.int64)
        for copy, (history, state) in enumerate(zip(situation.actions, situation.states, strict=True)):
            legal = np.ones(len(self._names)) if situation.action_mask is None else situation.action_mask[copy]
            self._tell([int(action) for action in history], int(state["player"]))
            actions[copy] = self._generate(copy, int(state["player"]), legal)
        return actions

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Refuse: an observation does not say how the game went."""
        raise ValueError(f"{self.name} follows a game's actions, so it needs act_in(situation)")

    def close(self) -> None:
        """End the program."""
        self._connection.close()

    def _tell(self, history: list[int], player: int) -> None:
        """Bring the engine's board to the game `history`, after which `player` is to move."""
        if self._told != history[: len(self._told)]:
            self._connection.ask("clear_board")
            self._told = []
        for ply in range(len(self._told), len(history)):
            mover = player * (-1) ** (len(history) - ply)
            self._connection.ask("play", COLOURS[mover], self._names[history[ply]])
            self._told.append(history[ply])

    def _generate(self, copy: int, player: int, legal: np.ndarray) -> int:
        answer = self._connection.ask("genmove", COLOURS[player])
        if answer.lower() == "resign":
            self.resigned[copy] = True
            pass_action = find_action(self._names, "pass")
            return pass_action if pass_action is not None and legal[pass_action] else int(np.argmax(legal))
        action = find_action(self._names, answer)
        if action is None or not legal[action]:
            moves = " ".join(self._names[told] for told in self._told) or "the empty board"
            self.close()
            raise GtpError(f"the engine {self.name} plays {answer[:40]!r}, which is illegal after {moves}")
        self._told.append(action)
        return action


def find_action(names: Sequence[str], vertex: str) -> int | None:
    """Return the action that GTP calls `vertex`, in upper or lower case, or None."""
    wanted = vertex.casefold()
    return next((action for action, name in enumerate(names) if name.casefold() == wanted), None)
