"""`rlkit check`: whether environments keep the contract that everything here relies on."""

from typing import Any

from rlkit.cli.arguments import Parser, environment_of
from rlkit.cli.errors import UsageError
from rlkit.cli.output import can_print

DESCRIPTION = """\
Check that environments keep the contract: declaration and spaces, determinism by seed, plain Python equal to
compiled code bit for bit, masks, snapshots, drawing, recipes and docstring. Exit code 1 if a check fails.
"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    parser = Parser("check", DESCRIPTION)
    parser.add_argument("environments", metavar="ENV", nargs="+", help="names, paths or modules")
    options = parser.parse(args)
    failed = 0
    for name in options.environments:
        environment = environment_of(name)
        if not hasattr(environment, "rules"):
            raise UsageError(f"{environment.name} has no rules of ours to check")
        failed += _check(environment)
    return 1 if failed else 0


def _check(environment: Any) -> int:
    """Print a line a check and return the number of those that failed."""
    from rlkit.checking import check_environment

    marks = ("✓", "✗") if can_print("✓✗") else ("ok    ", "FAILED")
    failed = count = 0
    for name, ok, sentence in check_environment(environment):
        print(f"{marks[not ok]} {name}{': ' if sentence else ''}{sentence}", flush=True)
        count += 1
        failed += not ok
    print(f"{count - failed} of {count} checks passed")
    return failed
