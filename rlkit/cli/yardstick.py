"""`rlkit yardstick`: what an environment is graded against."""

import json
from typing import Any

from rlkit.cli import output
from rlkit.cli.arguments import Parser, environment_of
from rlkit.cli.errors import UsageError

DESCRIPTION = """\
Show the reference that scores of an environment are relative to: its optimum, exact solver or strongest
classical controller. In games, `--moves` asks the solver about the position after some moves:
`rlkit yardstick connect_four --moves 4453` gives the exact score of every move (- where illegal).
"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    parser = Parser("yardstick", DESCRIPTION)
    parser.add_argument("environment", metavar="ENV", help="a name, path or module")
    parser.add_argument("--moves", metavar="M", help='the moves so far; "" is the start')
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse(args)
    environment = environment_of(options.environment)
    yardstick = environment.yardstick
    if yardstick is None:
        raise UsageError(f"{environment.name} has no yardstick")
    if options.moves is not None and (yardstick.explain is None or environment.num_players == 1):
        raise UsageError(f"{environment.name} takes no moves; leave --moves out")
    facts = output.plain(yardstick.explain(options.moves or "")) if yardstick.explain else {}
    about = {"environment": environment.name, "reference": yardstick.reference}
    about |= {"policies": list(yardstick.policies)} | facts
    if options.json:
        print(json.dumps(about))
    elif options.moves is not None and "scores" in facts:  # one line, for other programs
        print(_line("scores", facts["scores"]))
    else:
        about = {name: about[name] for name in sorted(about, key=lambda name: name != "scores")}  # scores first
        print("\n".join(_line(name, value) for name, value in about.items()))
    return 0


def _line(name: str, value: Any) -> str:
    return f"{name.replace('_', ' ')}: {_text(value)}"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        separator = ", " if any(isinstance(part, str) for part in value) else " "
        return separator.join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)
