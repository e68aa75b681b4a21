"""Packages that only parts of rlkit need: extras of `pip install rlkit-suite`."""

import importlib
from typing import Any


class MissingExtraError(ModuleNotFoundError):
    """A package of an extra is not installed; the message says how to get it."""


def import_extra(module: str, extra: str, what: str) -> Any:
    """Return `module`, which an extra installs.

    Args:
        module: full name.
        extra: that installs it.
        what: the thing that needs it and the package's name, as the beginning of a sentence: "X needs Y".

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        line = f"{what}: pip install 'rlkit-suite[{extra}]', or in a checkout pip install -e '.[{extra}]'"
        raise MissingExtraError(line, name=module) from None
