"""Files of a run folder: strict JSON, whole writes, one writer. What is read is never executed or followed.

A run folder may come from a stranger, so a file counts only when it is a plain file (no link, pipe or device)
of a sensible size, and JSON only when it means one thing (no duplicate keys, no NaN, no endless nesting).
"""

import errno
import itertools
import json
import math
import os
import re
import stat
import sys
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

MAX_DEPTH = 32  # levels of lists and objects in JSON we read
MAX_DIGITS = 100  # of an integer in JSON we read; a generator's state needs 39
_MEANINGS = {errno.ELOOP: "it is a link, and links are not followed", errno.EISDIR: "it is a folder"}


class RunError(RuntimeError):
    """A run folder cannot be used; the message is one sentence that names the file and the way out."""


def reason(error: OSError) -> str:
    """Why the operating system refused, in words."""
    return _MEANINGS.get(error.errno or 0) or error.strerror or str(error)


def shown(value: object) -> str:
    """A stranger's value as it may appear in a message: one line, no control characters, at most 60 long."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


# Reading ---------------------------------------------------------------------------------------------------


def _open_plain(path: str, flags: int) -> int:
    """The `opener` of every file in a run folder: no links, and no waiting for the other end of a pipe."""
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a plain file")
    return descriptor


def read_bytes(path: Path, max_size: int) -> bytes:
    """The content of a plain file.

    Raises:
        RunError: it is missing, unreadable, longer than `max_size` bytes, or not a plain file.
    """
    try:
        with open(path, "rb", opener=_open_plain) as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_size:
                raise RunError(f"{path} is too large: {size} bytes where at most {max_size} are expected")
            return file.read(size)
    except FileNotFoundError:
        raise RunError(f"{path} is missing") from None
    except MemoryError:
        raise RunError(f"{path} does not fit into memory: it holds {size} bytes") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {reason(error)}") from None


def list_folder(folder: Path) -> list[str]:
    """The names in a folder.

    Raises:
        RunError: it is missing, unreadable, a link or no folder.
    """
    if folder.is_symlink():
        raise RunError(f"{folder} is a link, and links are not followed")
    try:
        return os.listdir(folder)
    except OSError as error:
        raise RunError(f"{folder} cannot be read: {reason(error)}") from None


def read_json(path: Path, max_size: int = 1 << 20) -> dict[str, Any]:
    """The object in a JSON file; raises RunError as `read_bytes` and `parse_json` do."""
    return parse_json(read_bytes(path, max_size), path)


def parse_json(data: bytes, path: Path) -> dict[str, Any]:
    """The object that `data`, the content of `path`, stands for.

    Raises:
        RunError: not UTF-8, not JSON, not an object, or JSON that readers may understand differently.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
        _check_nested(value, MAX_DEPTH)
    except RecursionError:
        raise RunError(f"{path} is damaged: it is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}") from None
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged: it holds {shown(value)} where an object {{…}} is expected")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {shown(key)} occurs twice")
        result[key] = value
    return result


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {shown(text)} is not finite")
    return number


def _check_nested(value: object, depth: int) -> None:
    if depth < 0:
        raise RecursionError
    if isinstance(value, str):
        value.encode()  # half a surrogate pair cannot be written again
    elif isinstance(value, dict):
        for key, item in value.items():
            key.encode()
            _check_nested(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check_nested(item, depth - 1)


# Writing ---------------------------------------------------------------------------------------------------


def encode_json(value: dict[str, Any], what: str) -> bytes:
    """`value` as UTF-8 JSON text that `parse_json` reads back equal (with tuples as lists).

    Raises:
        ValueError: it holds something else than strings, finite numbers, booleans, None, lists and dicts with
            string keys; `what` names it in the message.
    """
    try:
        data = (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
        if parse_json(data, Path(what)) == _with_lists(value):
            return data
        problem = "a key is not a string"
    except (TypeError, ValueError, RecursionError, RunError) as error:
        problem = str(error)
    raise ValueError(
        f"{what} must be plain JSON (strings, finite numbers, True, False, None, lists, dicts with string "
        f"keys): {problem}"
    )


def _with_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_lists(item) for key, item in value.items()}
    return [_with_lists(item) for item in value] if isinstance(value, list | tuple) else value


def not_written(path: Path, error: OSError) -> RunError:
    """The error to raise where `path` could not be written."""
    return RunError(f"{path} cannot be written: {reason(error)}; make room or give write access, then resume")


def write_new(path: Path, data: bytes) -> None:
    """Writes a file that does not exist yet, through to the disk."""
    with open(path, "xb", opener=_open_plain) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Gives `path` new content so that readers, and power cuts, meet the old or the new one, never a part.

    Raises:
        RunError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".tmp-{path.name}")
    try:
        temporary.unlink(missing_ok=True)
        write_new(temporary, data)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise not_written(path, error) from None


def sync_folder(folder: Path) -> None:
    """Makes renames in `folder` survive a power cut (Windows has no such call and needs none)."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def rename_to_free(folder: Path, name: Path) -> Path:
    """Renames `folder` to `name`, or the first free of name-2, name-3 …; no two processes get the same."""
    for number in itertools.count(1):
        free = name if number == 1 else name.with_name(f"{name.name}-{number}")
        try:
            if not os.path.lexists(free):
                folder.rename(free)  # fails where another folder was put meanwhile, unless that one is empty
                return free
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    raise AssertionError  # counting does not end


def open_append(path: Path) -> FileIO:
    """A plain file, made if need be, open for `append`.

    Raises:
        RunError: it cannot be opened for writing, or is not a plain file.
    """
    try:
        return FileIO(path, "a", opener=_open_plain)
    except OSError as error:
        raise not_written(path, error) from None


def append(file: FileIO, data: bytes) -> None:
    """Hands `data`, all of it or nothing, to the operating system, where it survives this process.

    Raises:
        RunError: the disk is full; what was written of `data` is taken back.
    """
    start = os.fstat(file.fileno()).st_size
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        with suppress(OSError):
            file.truncate(start)
        raise not_written(Path(str(file.name)), error) from None


def lock(path: Path) -> FileIO:
    """Claims `path` until the returned file is closed or this process is dead, however it died.

    Raises:
        RunError: another process (or another `Run` in this one) holds it.
    """
    file = open_append(path)
    try:
        _lock(file.fileno())
    except OSError as error:
        file.close()
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            raise RunError(
                f"{path.parent} is in use: another process trains in it; wait for it to end or stop it first"
            ) from None
        raise RunError(f"{path} cannot be locked: {reason(error)}") from None
    return file


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def matches(pattern: str, value: object) -> bool:
    """Whether `value` is a string that `pattern` describes from end to end."""
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None
