"""An agent's Config as flags: tyro makes them of the dataclass, its comments and a recipe's values."""

import dataclasses
import io
import itertools
import re
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from typing import Any, Literal, get_origin, get_type_hints

from rlkit.cli.errors import UsageError, nearest


def parse_settings(recipe: Any, args: Sequence[str], prog: str, other_flags: Sequence[str] = ()) -> Any:
    """Return a copy of the dataclass `recipe` with what the flags `args` change.

    Raises:
        UsageError: an unknown flag (`other_flags` are of use elsewhere), or a value that is not of its kind.
        ValueError: the settings do not go together.
    """
    import tyro

    from rlkit.cli.arguments import unknown_argument

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            config, unknown = tyro.cli(
                type(recipe), default=recipe, args=_plain(recipe, args), prog=prog, return_unknown_args=True
            )
    except SystemExit:
        raise UsageError(f"{_sentence(said.getvalue())}; see {prog} --help") from None
    if unknown:
        flags = [*_flags(recipe), *other_flags]
        raise UsageError(unknown_argument(unknown[0], flags, prog))
    return config


def parse_pairs(config: Any, text: str, others: Sequence[str] = ()) -> tuple[Any, dict[str, str]]:
    """Return the dataclass `config` changed by "name=value,name=value", and the values of `others` in it.

    Raises:
        UsageError: a part is no pair, names no setting, or its value is not of the setting's kind.
        ValueError: the settings do not go together.
    """
    kinds, changes, found = get_type_hints(type(config)), {}, {}
    for part in text.split(",") if text else ():
        name, equals, value = part.partition("=")
        if not equals or name not in [*kinds, *others]:
            known = ", ".join([*kinds, *others])
            raise UsageError(f"{part!r} must be SETTING=VALUE{nearest(name, [*kinds, *others])} (there are: {known})")
        if name in others:
            found[name] = value
        else:
            changes[name] = _as_kind(name, value, kinds[name])
    return dataclasses.replace(config, **changes), found


def _as_kind(name: str, value: str, kind: Any) -> Any:
    """Return the text `value` as what a field of the type `kind` holds: a whole number, a number or a word."""
    if get_origin(kind) is Literal:
        return value
    try:
        return int(value) if kind is int else float(value)
    except ValueError:
        raise UsageError(f"{name}={value} must be a {'whole ' if kind is int else ''}number") from None


def settings_help(recipe: Any, prog: str) -> str:
    """Return the flags with their meanings and the values of `recipe`."""
    import tyro

    said = io.StringIO()
    with suppress(SystemExit), redirect_stdout(said):
        tyro.cli(type(recipe), default=recipe, args=["--help"], prog=prog)
    lines = said.getvalue().splitlines()
    rule = next(i for i, line in enumerate(lines) if _is_rule(line))
    shown = (line.strip("│").rstrip() for line in lines[rule + 1 :] if "-h, --help" not in line)
    return "\n".join(line for line in shown if line and not _is_rule(line))


def _is_rule(line: str) -> bool:
    return line.startswith(("╭", "╰")) or line.strip(" │").startswith(("──", "--------"))


def _flags(recipe: Any) -> list[str]:
    return [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(recipe)]


def _plain(recipe: Any, args: Sequence[str]) -> list[str]:
    """Return `args` with 1e6 and 1_000_000 written out after flags of whole numbers: tyro takes only digits."""
    values = (getattr(recipe, field.name) for field in dataclasses.fields(recipe))
    flags = {flag for flag, value in zip(_flags(recipe), values, strict=True) if type(value) is int}
    plain = list(args)
    for i in range(1, len(plain)):
        if plain[i - 1].replace("_", "-") in flags and re.fullmatch(r"[\d_]+(\.\d+)?([eE]\d+)?", plain[i]):
            number = float(plain[i])
            plain[i] = str(int(number)) if number == int(number) else plain[i]
    return plain


def _sentence(box: str) -> str:
    """Return the sentence in a box of tyro's, which has its title and its hints between rules."""
    lines = [line.strip("│ ") for line in box.splitlines()[1:]]
    below_title = itertools.dropwhile(_is_rule, lines)
    text = " ".join(itertools.takewhile(lambda line: not _is_rule(line), below_title))
    text = re.sub(r"^(Error parsing )?(Config: )?", "", " ".join(text.split()))
    return text.rstrip(".") or "the settings cannot be understood"
