"""rlkit: write an environment once in plain Python, train on it at C speed, know how good the result is."""

from typing import Any

_HOMES = {
    "BatchEnv": "rlkit.engine.batch",
    "Environment": "rlkit.environment",
    "ScalarEnv": "rlkit.engine.scalar",
    "bind": "rlkit.engine.bind",
    "find_environment": "rlkit.registry",
    "fork": "rlkit.engine.state",
    "load": "rlkit.loading",
    "make": "rlkit.registry",
    "make_batch": "rlkit.registry",
}

__all__ = sorted(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Lazy, so that `import rlkit` and `rlkit --help` load neither Gymnasium nor the compiler.
    if name not in _HOMES:
        raise AttributeError(f"module 'rlkit' has no attribute {name!r}")
    import importlib
    import sys

    value = getattr(importlib.import_module(_HOMES[name]), name)
    setattr(sys.modules[__name__], name, value)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
