"""Explains why rules cannot be compiled: the user's own file and line, and one sentence for Numba's many."""

import difflib
import dis
import os
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba

_NUMBA = str(Path(numba.__file__).parent)
_ENGINE = str(Path(__file__).parent)

_OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**",
    "and_": "&", "or_": "|", "xor": "^", "lshift": "<<", "rshift": ">>", "contains": "in", "is_": "is",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "neg": "-x", "not_": "not",
    "getitem": "x[…]", "static_getitem": "x[…]", "setitem": "x[…] = …", "static_setitem": "x[…] = …",
}  # fmt: skip
_STATEMENTS = {
    "IMPORT_NAME": "an import inside a function",
    "LOAD_BUILD_CLASS": "a class inside a function",
    "STORE_GLOBAL": "assigning to a global",
    "YIELD_VALUE": "yield",
}


def explain(error: BaseException, bound: types.ModuleType) -> str:
    """Return "file:line: sentence" for an exception that came out of compiling the bound module."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    place = _place(error, text, bound)
    sentence = _shorten(_sentence(error, text)).rstrip(".")
    return f"{place}{sentence}; NUMBA_DISABLE_JIT=1 runs the rules as plain Python to debug them"


def is_from_numba(error: BaseException) -> bool:
    """Return whether Numba was at work when the exception was raised."""
    return any(frame.f_code.co_filename.startswith(_NUMBA) for frame in _frames(error))


# --- where --------------------------------------------------------------------------------------------------


def _place(error: BaseException, text: str, bound: types.ModuleType) -> str:
    """Return "file:line: " of the innermost line that the user wrote, or "" where none is known."""
    undefined = re.search(r"name '(\w+)' is not defined", text)
    places = [*_uses(undefined[1], bound)] if undefined else [*_places_in_text(text), *_places_in_trace(error)]
    users = [(file, line) for file, line in places if _is_users(file, bound)]
    # Else what the engine calls is not as the engine needs it: name the function.
    for name in (*re.findall(r"<function (\w+) at|Untyped global name '(\w+)'", text), ("step", "")):
        function = getattr(bound, name[0] or name[1], None)
        code = getattr(getattr(function, "py_func", function), "__code__", None)
        if code is not None and _is_users(code.co_filename, bound):
            users.append((code.co_filename, code.co_firstlineno))
    file, line = (users + places)[0] if users or places else ("", 0)
    return f"{file}:{line}: " if file else ""


def _is_users(file: str, bound: types.ModuleType) -> bool:
    return file.endswith(".py") and not file.startswith((_NUMBA, _ENGINE)) and file != bound.__file__


def _places_in_text(text: str) -> list[tuple[str, int]]:
    """Return the places a Numba message names, the innermost first."""
    found = re.finditer(r'File "([^"]+)", line (\d+)|(?:at|from) (\S+\.py) \((\d+)\)', text)
    return [(os.path.abspath(m[1] or m[3]), int(m[2] or m[4])) for m in found]


def _places_in_trace(error: BaseException) -> Iterator[tuple[str, int]]:
    """Yield the places at which Numba's own frames were working, the innermost first."""
    for frame in reversed(_frames(error)):
        for name in ("constraint", "inst", "self"):
            place = getattr(frame.f_locals.get(name), "loc", None)
            if place is not None:
                yield os.path.abspath(place.filename), place.line
        if isinstance(function := frame.f_locals.get("func"), types.FunctionType):
            yield function.__code__.co_filename, function.__code__.co_firstlineno


def _uses(name: str, bound: types.ModuleType) -> Iterator[tuple[str, int]]:
    """Yield where functions that the bound module reaches use a global `name` that is undefined."""
    functions, seen = list(vars(bound).values()), set()
    for value in functions:
        function = getattr(value, "py_func", value)
        if not isinstance(function, types.FunctionType) or function in seen or name in function.__globals__:
            continue
        seen.add(function)
        functions += [function.__globals__[used] for used in function.__code__.co_names if used in function.__globals__]
        for instruction in dis.get_instructions(function):
            if instruction.argval == name and instruction.positions:
                yield function.__code__.co_filename, instruction.positions.lineno or 0


def _frames(error: BaseException) -> list[types.FrameType]:
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    return frames


# --- what ---------------------------------------------------------------------------------------------------


def _sentence(error: BaseException, text: str) -> str:
    if isinstance(error, KeyError):
        return _missing_field(error)
    for pattern, template in _SENTENCES:
        if match := re.search(pattern, text, re.DOTALL):
            return template(match) if callable(template) else match.expand(template)
    insts = (frame.f_locals.get("inst") for frame in reversed(_frames(error)))
    inst: Any = next((inst for inst in insts if inst is not None), None)
    if type(inst).__name__ == "SetAttr":
        return f"an array field is written with `state.{inst.attr}[:] = …`, not replaced"
    skip = ("Failed in", "During:", "File ", "There are", "<source elided>")
    said = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith(skip)]
    return _readable(said[0].split(". Raised from")[0]) if said else f"this cannot be compiled ({type(error).__name__})"


def _missing_field(error: KeyError) -> str:
    """A field that a record lacks: Numba lets the dictionary's KeyError through."""
    name = str(error.args[0])
    record: Any = next((r for f in reversed(_frames(error)) if hasattr(r := f.f_locals.get("self"), "fields")), None)
    if record is None:
        return f"{name!r} is not known here"
    own = [field for field in record.fields if field not in ("num_steps", "unused")]
    near = difflib.get_close_matches(name, own, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f" (there are: {', '.join(own) or 'none'})"
    return f"the {'state' if 'rng' in record.fields else 'params record'} has no field {name!r}{hint}"


def _operation(match: re.Match) -> str:
    name, types_ = match[1], match[2]
    operator = _OPERATORS.get(name)
    return f"{f'`{operator}`' if operator else f'{name}()'} cannot be compiled for {_readable(types_)}"


def _global(match: re.Match) -> str:
    name, kind = match[1], match[2]
    if kind == "function":
        return f"{name}() is not compiled: decorate it with @jit from rlkit.engine.jit"
    return f"the global {name!r} is a {kind}; compiled code can use numbers, strings, tuples and arrays"


def _readable(text: str) -> str:
    """Shorten Numba's type names."""
    text = re.sub(r"Literal\[(\w+)\]\(([^()]*)\)", r"\1 \2", text)
    text = re.sub(r"<iv=None>|Module\(<(module '[\w.]+').*?>\)", r"\1", text)
    return re.sub(r"Record\(.*?[;,] ?(?:True|False)\)", "a record", text)


def _shorten(sentence: str, longest: int = 300) -> str:
    sentence = " ".join(sentence.split())
    return sentence if len(sentence) <= longest else sentence[:longest] + "…"


def _bind_sentence(match: re.Match) -> str:
    name = re.search(r"<function (\w+) at", match.string)
    return f"{name[1] if name else 'the function'}{match[1]} is called with other arguments: {match[2]}"


def _unsupported(match: re.Match) -> str:
    return f"{_STATEMENTS.get(match[1], match[1])} cannot be compiled"


def _unify(match: re.Match) -> str:
    one, other = _readable(match[1]), _readable(match[2])
    return f"the variable {match[3]!r} is {one} in one branch and {other} in another"


_SENTENCES: tuple[tuple[str, Any], ...] = (
    (r"Untyped global name '(\w+)':.*?<class '(?:\w+\.)*(\w+)'", _global),
    (r"(name '\w+' is not defined)", r"\1"),
    (r"Cannot bind .*? to signature '(\(.*?\))' due to \"TypeError: (.*?)\"", _bind_sentence),
    (r"found for signature:\s+>>> (\w+)(\(.*?\))\n", _operation),
    (r"Cannot unify (.*?) and (.*?) for '(\w+)", _unify),
    (r"failed to unpack", "step() must return two values, the reward and whether the episode has ended"),
    (
        r"Can't unify return type from the following types: (.*?)\n",
        lambda m: f"returns values of different types: {_readable(m[1])}",
    ),
    (
        r"Cannot cast (.*?) to (.*?)(?:: %.*)?\n",
        lambda m: f"{_readable(m[1])} does not fit where {_readable(m[2])} is needed",
    ),
    (r"unsupported opcode \((\w+)\)", _unsupported),
    (r"(The '.*?' construct is not supported|.*?not supported yet)", r"\1"),
    (
        r"Unknown attribute '(\w+)' of type ([^\n]*)",
        lambda m: f"there is no {m[1]!r} in compiled code on {_readable(m[2])}",
    ),
)
