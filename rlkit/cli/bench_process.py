"""A peer in a process of its own, perhaps of another Python: it measures when it is asked, and answers in JSON."""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rlkit.cli.errors import UsageError


class Peer:
    """A peer's script, started with its arguments as JSON. Its first line holds versions, each further one an answer.

    Args:
        name: of what is measured.
        install: what installs it in another Python: "pip install …".
        python: of the environment that has it.
        script: that measures it; imports nothing of ours.
        arguments: of the script.
        environ: variables to set.

    Raises:
        UsageError: it does not run there.
    """

    def __init__(
        self, name: str, install: str, python: str, script: Path, arguments: Mapping[str, Any],
        environ: Mapping[str, str] | None = None,
    ):  # fmt: skip
        self._name, self._install, self._python = name, install, python
        try:
            self._process = subprocess.Popen(
                [python, "-P", str(script), json.dumps(arguments)],  # -P: our folder's list.py … are not its modules
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
                env=os.environ | dict(environ or {}),
            )  # fmt: skip
        except OSError as error:
            raise UsageError(f"--peer-python {python} does not start: {str(error.strerror).lower()}") from None
        self.versions: dict[str, str] = self._answer()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.communicate()  # its input ends, and so does it

    def versions_row(self, say: Callable[[str], None]) -> dict[str, Any]:
        """Say what is measured beside ours, and return it as a row of figures."""
        say("  beside " + ", ".join(f"{name} {version}" for name, version in self.versions.items()))
        return {"what": "versions", **self.versions}

    def ask(self, question: str) -> Any:
        """Return the peer's answer to a line."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # `_answer` tells why it ended
            self._process.stdin.write(f"{question}\n")
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        _, errors = self._process.communicate()
        raise UsageError(
            f"{self._name} does not run in {self._python} ({(errors.strip() or 'it said nothing').splitlines()[-1]}): "
            f"install it there with {self._install}, or name another Python with --peer-python"
        )


def in_turn(
    measure: Callable[[], float], peer: Peer | None, question: str, repeats: int
) -> tuple[list[float], list[float]]:
    """Measure ours and the peer's turn by turn, so that other work on the machine meets both.

    Args:
        measure: ours.
        peer: None: only ours is measured.
        question: for the peer, which answers with a number.
        repeats: of each.

    Returns:
        What `measure` returned, and what the peer answered.
    """
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(repeats):
        ours.append(measure())
        if peer:
            theirs.append(float(peer.ask(question)))
    return ours, theirs
