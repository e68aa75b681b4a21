"""`rlkit new`: a small environment that works, as a folder to change into one's own."""

import keyword
import re
import sys
from importlib.util import find_spec
from pathlib import Path

from rlkit.cli.arguments import Parser
from rlkit.cli.errors import UsageError
from rlkit.cli.output import columns, shown_path

SKELETON = Path(__file__).parent / "skeleton"

DESCRIPTION = """\
Write the folder of a small environment that works: rules, drawing, yardstick and a recipe. Change it into
your own, one file after the other; `rlkit check` says whether it still keeps the contract.
"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    parser = Parser("new", DESCRIPTION)
    parser.add_argument("path", metavar="PATH", help="the new folder; its name is the environment's: my_env")
    folder = Path(parser.parse(args).path)
    if folder.exists():
        raise UsageError(f"{folder} exists already; nothing was written")
    check_name(folder.absolute().name)
    write_environment(folder)
    typed = shown_path(folder)
    typed = typed if "/" in typed else f"./{typed}"  # a bare name would be looked up among rlkit's own
    print(f"Wrote {typed}: a walker in a slippery corridor, complete with its optimum.\n")
    print(
        columns(
            [
                (f"rlkit check {typed}", "does it keep the contract?"),
                (f"rlkit train {typed}", "train an agent, in seconds"),
                (f"rlkit watch {typed}", "watch random play; or --policy straight"),
                (f"rlkit play {typed}", "play it yourself"),
                (f"rlkit yardstick {typed}", "what it is graded against"),
            ]
        )
    )
    print("\nNow make it yours: rules.py first, then __init__.py, drawing.py, yardstick.py, train.py.")
    return 0


def check_name(name: str) -> None:
    """Refuse a name that cannot be imported, or that something else is imported by.

    Raises:
        UsageError: why, in one sentence.
    """
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(f"{name!r} cannot be an environment's name: use letters, digits and _, such as my_env")
    if name != name.lower():
        raise UsageError(f"{name!r} must be lower case: {name.lower()!r}")
    from rlkit.registry import environment_names

    if name in environment_names():
        raise UsageError(f"rlkit has an environment {name!r} already; choose another name")
    spec = find_spec(name)
    if name in sys.stdlib_module_names or (spec is not None and spec.origin is not None):
        raise UsageError(f"there is a Python module {name!r} already; choose another name")


def write_environment(folder: Path) -> None:
    """Write the skeleton into the new folder, under its name.

    Raises:
        UsageError: the folder cannot be made.
    """
    name = folder.absolute().name
    title = "".join(part.capitalize() for part in name.split("_"))
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from None
    for source in sorted(SKELETON.glob("*.py")):
        text = source.read_text(encoding="utf-8").replace("Skeleton", title)
        (folder / source.name).write_text(text, encoding="utf-8")
