"""`rlkit label`: a person chooses between clips, while the training that learns from it goes on."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from rlkit.cli.arguments import Parser, environment_of, whole
from rlkit.cli.errors import UsageError

DESCRIPTION = """\
Label the clips of a run that learns from preferences: which of two is better? In a window, or with --web
in a browser, on a phone too. Keys: left and right choose, up: equal, down: skip, U or backspace: undo.
The training (rlkit train ENV --agent rlhf --teacher person) may run, end or go on meanwhile: no answer is lost.
"""

FILE = "labels.sqlite"


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    options = _parse(args)
    path = _label_file(options.run)
    who = _name(options.who)
    environment = environment_of(options.env) if options.env else None
    if not options.web:
        for flag in ("host", "port", "token"):
            if getattr(options, flag) is not None:
                raise UsageError(f"--{flag} goes with --web")
        import_module("agents.rlhf.window").label(path, who, environment)
        return 0
    server = import_module("agents.rlhf.page.server")
    host, port = options.host or server.HOST, server.PORT if options.port is None else options.port
    server.serve(path, who, host=host, port=port, token=options.token, environment=environment)
    return 0


def _parse(args: list[str]) -> Any:
    parser = Parser("label", DESCRIPTION)
    add = parser.add_argument
    add("run", metavar="RUN", help="the folder of a run with clips to label, in its labels.sqlite")
    add("--web", action="store_true", help="a page in the browser instead of a window")
    add("--host", metavar="H", help="address to serve at: 127.0.0.1 (default), or 0.0.0.0 for phones and others too")
    add("--port", metavar="P", type=whole, help="port to serve at (default 8722; 0: any)")
    add("--token", metavar="T", help="secret that the page's address must have (default: made where others can come)")
    add("--who", metavar="NAME", help="who answers (default: your login); the page asks, and suggests it")
    add("--env", metavar="PATH", help="the environment's folder or module, if not one of rlkit's")
    return parser.parse(args)


def _label_file(run: str) -> Path:
    folder = Path(run)
    if not folder.is_dir():
        raise UsageError(f"there is no run folder {run}")
    if not os.path.lexists(folder / FILE):
        raise UsageError(
            f"{run} has no {FILE}: a run has clips to label once rlkit train ENV --agent rlhf has begun it"
        )
    return folder / FILE


def _name(given: str | None) -> str:
    import getpass

    if given is not None:
        import_module("agents.rlhf.labels").check_name(given)
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without a user
        return "me"
