"""Binds a module written against the rules' names to one environment: generated, compiled, cached on disk.

`bind(module, rules)` copies the source of `module` into a folder of the cache whose name is a hash of
everything that will be compiled, with two imports rewritten: the rules' names now come from `rules`, and `jit`
now keeps compiled code on disk. The copy is an ordinary module that can be read and debugged.

Why so: Numba's own cache does not notice a changed callee in another file (it would keep the old rules), and
never hits for loops made in a factory that closes over the rules (it would compile in every process).
"""

import ast
import contextlib
import hashlib
import importlib.util
import inspect
import os
import re
import shutil
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np

from rlkit.engine import interface
from rlkit.engine.explain import explain, is_from_numba
from rlkit.engine.jit import INTERPRETED, NUMBA_CONFIG, CacheError, cache_folder

_UNUSED_DAYS = 60  # cache folders not touched for so long are removed when a new one is made
_OUR_FOLDER = re.compile(r"\w+-\w+-[0-9a-f]{16}|\.new-\w+")


class RulesError(TypeError):
    """Rules that cannot be compiled: the file, the line and one sentence."""


def bind(module: types.ModuleType, rules: types.ModuleType | None = None) -> types.ModuleType:
    """Return a copy of `module` whose rules' names are those of `rules`, compiled code cached on disk.

    `module` is an ordinary module that imports the rules' names from `rlkit.engine.interface` and `jit` from
    `rlkit.engine.jit`, with absolute imports. What it imports from another module of its package that is written
    so is bound, too. With `rules=None` it is only cached.

    Raises:
        RulesError: `rules` lacks a required function.
        CacheError: the cache folder cannot be written.
    """
    if rules is not None:
        for name in interface.REQUIRED:
            if not callable(getattr(rules, name, None)):
                raise RulesError(f"{rules.__file__}: rules must define {name}(); see rlkit/engine/interface.py")
    key = _content_hash(module, rules)
    label = rules.__name__.removesuffix(".rules").rsplit(".", 1)[-1] if rules else "plain"
    short_name = module.__name__.rsplit(".", 1)[-1]
    name = f"rlkit_bound_{short_name}_{label}_{key}"
    if name not in sys.modules:
        path = _write_once(f"{short_name}-{label}-{key}", short_name, _rewritten_source(module, rules))
        sys.modules[name] = _load(name, path)
    return sys.modules[name]


def is_compiled(bound: types.ModuleType, function: str = "*") -> bool:
    """Return whether compiled code of a bound module, or of one function in it, already lies in the cache."""
    return any((Path(bound.__file__ or "").parent / "__pycache__").glob(f"*.{function}-*.nbi"))


class compiling:
    """Context in which bound code is called for the first time: says so when that compiles, explains failures.

    Args:
        bound: the module made by `bind`.
        what: what is being compiled, for the progress line on standard error.
        function: one of the functions about to be called, to know whether they are compiled; default: any.

    Raises:
        RulesError: a Numba typing error, as file, line and one sentence.
    """

    def __init__(self, bound: types.ModuleType, what: str, function: str = "*"):
        self._bound = bound
        self._cold = not is_compiled(bound, function) and not INTERPRETED
        self._what = what

    def __enter__(self) -> None:
        self._start = time.perf_counter()
        if self._cold:
            print(
                f"rlkit: compiling {self._what} (once, some seconds) …",
                end="",
                file=sys.stderr,
                flush=True,
            )

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self._cold:
            print(f" {time.perf_counter() - self._start:.0f} s", file=sys.stderr, flush=True)
        if isinstance(error, OSError):
            raise CacheError(
                f"cannot write compiled code ({error.strerror}); set RLKIT_CACHE to another folder"
            ) from None
        if isinstance(error, Exception) and is_from_numba(error):
            raise RulesError(explain(error, self._bound)) from None


# --- what is compiled: its hash ---------------------------------------------------------------------------------


def _content_hash(module: types.ModuleType, rules: types.ModuleType | None) -> str:
    digest = hashlib.sha256()
    versions = (
        sys.version,
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        _rewritten_source(module, rules),
    )
    digest.update("\0".join(versions).encode())
    seen: set[int] = set()
    for root in (module, rules):
        for value in vars(root).values() if root else ():
            if _python_function(value) is not None:
                _hash_value(digest, value, seen)
    return digest.hexdigest()[:16]


def _python_function(value: Any) -> types.FunctionType | None:
    function = getattr(value, "py_func", value)
    return function if isinstance(function, types.FunctionType) else None


def _hash_value(digest: "hashlib._Hash", value: Any, seen: set[int]) -> None:
    """Feed a function with everything it reaches, or a constant, into `digest`."""
    function = _python_function(value)
    if function is not None:
        if id(function) not in seen and (function.__module__ or "").split(".")[0] not in ("numba", "numpy"):
            seen.add(id(function))
            _hash_function(digest, function, seen)
            digest.update(repr(sorted(getattr(value, "targetoptions", {}).items())).encode())
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.descr}{value.shape}".encode() + value.tobytes())
    elif isinstance(value, (tuple, list)):
        digest.update(f"{type(value).__name__} of {len(value)}".encode())
        for item in value:
            _hash_value(digest, item, seen)
    elif not isinstance(value, types.ModuleType):
        digest.update(re.sub(r" at 0x[0-9a-f]+", "", repr(value)).encode())  # addresses differ between processes


def _hash_function(digest: "hashlib._Hash", function: types.FunctionType, seen: set[int]) -> None:
    # The byte code in memory and not the source on disk: it is what gets compiled, also when the file has
    # been edited since it was imported.
    digest.update(f"{function.__module__}.{function.__qualname__}".encode())
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), *cells):
        _hash_value(digest, value, seen)
    for code in _codes(function.__code__):
        constants = [repr(c) for c in code.co_consts if not isinstance(c, (types.CodeType, frozenset))]
        constants += [repr(sorted(map(repr, c))) for c in code.co_consts if isinstance(c, frozenset)]
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        digest.update(code.co_code + repr((constants, names, code.co_argcount, code.co_flags)).encode())
        _hash_globals(digest, [function.__globals__], code.co_names, seen)


def _hash_globals(digest: "hashlib._Hash", places: list[dict], names: tuple[str, ...], seen: set[int]) -> None:
    """Feed what `names` mean in `places`, and in the modules that are reached through them, into `digest`."""
    for place in places:
        for name in names:
            value = place.get(name)
            if not isinstance(value, types.ModuleType):
                if name in place:
                    digest.update(name.encode())
                    _hash_value(digest, value, seen)
            elif value.__name__.split(".")[0] not in ("numba", "numpy", "math") and not any(
                vars(value) is known for known in places
            ):
                places.append(vars(value))  # helpers reached as module.helper


def _codes(code: types.CodeType) -> list[types.CodeType]:
    return [
        code,
        *(c for const in code.co_consts if isinstance(const, types.CodeType) for c in _codes(const)),
    ]


# --- the generated module ---------------------------------------------------------------------------------------


def _rewritten_source(module: types.ModuleType, rules: types.ModuleType | None) -> str:
    lines = inspect.getsource(module).splitlines()
    for node in reversed(ast.parse("\n".join(lines)).body):
        if not isinstance(node, ast.ImportFrom):
            continue
        replacement = None
        if node.module == interface.__name__ and rules is not None:
            replacement = "; ".join(_import_line(alias, rules) for alias in node.names)
        elif node.module == "rlkit.engine.jit":
            replacement = "; ".join(
                f"from rlkit.engine.jit import {'jit_cached as jit' if alias.name == 'jit' else _named(alias)}"
                for alias in node.names
            )
        elif rules is not None and _is_bindable(node.module, module):
            bound = bind(sys.modules[str(node.module)], rules)
            replacement = f"from {bound.__name__} import {', '.join(map(_named, node.names))}"
        if replacement is not None:
            height = (node.end_lineno or node.lineno) - node.lineno  # keep the line numbers
            lines[node.lineno - 1 : node.end_lineno] = [replacement] + [""] * height
    return "\n".join(lines) + "\n"


def _is_bindable(name: str | None, importer: types.ModuleType) -> bool:
    """Return whether `importer` takes names from a module of its own package that is written against rules."""
    found = sys.modules.get(name or "")
    is_near = found is not None and found.__name__.split(".")[0] == importer.__name__.split(".")[0]
    if not is_near or found is importer or found is interface:
        return False
    body = ast.parse(inspect.getsource(found)).body  # type: ignore[arg-type]
    return any(isinstance(node, ast.ImportFrom) and node.module == interface.__name__ for node in body)


def _named(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _import_line(alias: ast.alias, rules: types.ModuleType) -> str:
    if alias.name in interface.REQUIRED + interface.OPTIONAL and hasattr(rules, alias.name):
        return f"from {rules.__name__} import {_named(alias)}"
    if alias.name == "player" and "player" in rules.STATE.names:
        return f"from {interface.__name__} import player_field as {alias.asname or alias.name}"
    return f"from {interface.__name__} import {_named(alias)}"


def _write_once(folder_name: str, module_name: str, source: str) -> Path:
    """Write the generated module unless it is there; two processes at once both end with the same folder."""
    base = cache_folder()
    folder = base / folder_name
    if not (folder / f"{module_name}.py").exists():
        try:
            _remove_unused(base)
            temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=base))
            (temporary / f"{module_name}.py").write_text(source, encoding="utf-8")
            try:
                os.rename(temporary, folder)
            except OSError:  # the other process was first
                shutil.rmtree(temporary, ignore_errors=True)
        except OSError as error:
            raise CacheError(f"cannot write to the cache folder {base} ({error.strerror}); set RLKIT_CACHE") from None
    with contextlib.suppress(OSError):  # a cache on a read-only disk is as good
        os.utime(folder)  # used today
    return folder / f"{module_name}.py"


def _remove_unused(base: Path) -> None:
    """Remove our own folders that nobody used for long; whatever else lies in `base` is not ours."""
    oldest = time.time() - _UNUSED_DAYS * 86400
    for folder in base.iterdir():
        with contextlib.suppress(OSError):  # another process may be removing or renaming it
            if _OUR_FOLDER.fullmatch(folder.name) and folder.is_dir() and folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)


def _load(name: str, path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba looks the module up by name while it compiles
    others, NUMBA_CONFIG.CACHE_DIR = NUMBA_CONFIG.CACHE_DIR, ""  # NUMBA_CACHE_DIR is for other code than ours
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        NUMBA_CONFIG.CACHE_DIR = others
    return module
