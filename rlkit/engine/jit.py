"""The one place that decides how our code is compiled and where compiled code is kept."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import platformdirs

F = TypeVar("F", bound=Callable[..., Any])

# No fastmath: results must equal plain Python's bit for bit. error_model="numpy" turns a division by zero
# into inf/nan instead of an exception, because rules raise nothing and the checks would cost a branch each.
_FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False, "boundscheck": False}

NUMBA_CONFIG: Any = numba.config
INTERPRETED = bool(NUMBA_CONFIG.DISABLE_JIT)  # NUMBA_DISABLE_JIT=1: everything runs as plain Python


def jit(function: F) -> F:
    """Compile `function` at its first call (plain Python under NUMBA_DISABLE_JIT=1)."""
    return numba.njit(**_FLAGS)(function)


def jit_inline(function: F) -> F:
    """`jit`, always compiled into the caller: for the small steps of a hot loop, not for rules."""
    return numba.njit(forceinline=True, **_FLAGS)(function)


def jit_cached(function: F) -> F:
    """`jit` for generated modules inside `cache_folder()`, whose compiled code is kept on disk.

    Only there: Numba's own cache does not notice a changed callee in another file, so the folder's name must
    hold a hash of everything that is compiled (see `bind`).
    """
    return numba.njit(cache=True, **_FLAGS)(function)


class CacheError(RuntimeError):
    """The cache folder cannot be trusted or used."""


def cache_folder() -> Path:
    """The owner-only folder of compiled code: `RLKIT_CACHE`, else the user's cache folder.

    Raises:
        CacheError: the folder cannot be made, or others may write to it (code is loaded from it).
    """
    folder = Path(os.environ.get("RLKIT_CACHE") or platformdirs.user_cache_dir("rlkit", appauthor=False))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    except OSError as error:
        raise CacheError(
            f"cannot use the cache folder {folder} ({error.strerror}); set RLKIT_CACHE to a folder you own"
        ) from None
    if hasattr(os, "getuid"):
        own = "set RLKIT_CACHE to a folder of your own"
        if facts.st_uid != os.getuid():
            raise CacheError(f"the cache folder {folder} belongs to another user; {own}")
        if stat.S_IMODE(facts.st_mode) & 0o022 and any(folder.iterdir()):
            raise CacheError(f"others may write to the cache folder {folder}; {own}")
        if stat.S_IMODE(facts.st_mode) & 0o077:
            folder.chmod(0o700)
    return folder.absolute()
