"""States and params as NumPy records: how they are declared, copied, forked and compared.

A state is bytes: copying a record is a memory copy, so snapshots, undo, search and exact resume are one line.
Padding bytes between aligned fields are never compared or hashed.
"""

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rlkit.engine import rng

Field = Any  # a NumPy scalar type, or (scalar type, shape)


def record_dtype(*fields: tuple) -> np.dtype:
    """Return an aligned record dtype of `fields`, each (name, scalar type) or (name, scalar type, shape)."""
    # np.record around an aligned dtype gives attribute access in plain Python and compiled code alike;
    # np.dtype((np.record, fields), align=True) silently is not aligned.
    return np.dtype((np.record, np.dtype([*fields], align=True)))


def state_dtype(**fields: Field) -> np.dtype:
    """Return the record dtype of a state: `fields` plus the engine's `rng` (uint64) and `num_steps` (int32).

    Each field is a NumPy scalar type or a pair (scalar type, shape): `board=(np.int8, (6, 7))`.

    Raises:
        ValueError: a field has one of the engine's names, or one that NumPy's records use themselves.
    """
    for name in ("rng", "num_steps"):
        if name in fields:
            raise ValueError(f"state field {name!r} is the engine's own; choose another name")
    _check_names("state field", fields)
    declared = [(name, *(field if isinstance(field, tuple) else (field,))) for name, field in fields.items()]
    return record_dtype(*declared, ("rng", np.uint64), ("num_steps", np.int32))


def params_dtype(**defaults: float | np.ndarray) -> np.recarray:
    """Return one record of params [1] that holds the defaults: float64 fields, int64 for whole numbers.

    A default that is an array gives a field of its type and shape: a table, such as a problem to be solved, that a
    level or an instance sets as a whole. An environment without params still gets one (unused) field, because
    compiled code needs a byte to point at.

    Raises:
        ValueError: a name is one that NumPy's records use themselves.
    """
    _check_names("param", defaults)
    values = defaults or {"unused": 0}
    params = np.zeros(1, record_dtype(*(_param_field(name, value) for name, value in values.items())))
    for name, value in values.items():
        params[name] = value
    return params.view(np.recarray)


def _param_field(name: str, default: float | np.ndarray) -> tuple:
    if isinstance(default, np.ndarray):
        return name, default.dtype, default.shape
    return name, np.int64 if isinstance(default, int) else np.float64


def _check_names(kind: str, names: Iterable[str]) -> None:
    """Refuse names such as `size`: as plain Python `state.size` would be NumPy's own."""
    for name in names:
        if hasattr(np.recarray, name) or hasattr(np.record, name):
            raise ValueError(f"{kind} {name!r} is also an attribute of NumPy's records; choose another name")


def param_names(params: np.ndarray) -> list[str]:
    """Return the names of the params a user may change."""
    return [name for name in params.dtype.names or () if name != "unused"]


def make_params(defaults: np.ndarray, *changes: Mapping[str, Any]) -> np.recarray:
    """Return a copy of the `defaults` record [1] with each of `changes` applied in turn.

    Raises:
        ValueError: a name is unknown, or a value is not a finite number of the field's kind, or not an array of the
            field's shape whose values its type can hold.
    """
    params = np.array(defaults)
    names = param_names(params)
    for name, value in (item for change in changes for item in change.items()):
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(names) or 'none'}"
            raise ValueError(f"unknown param {name!r}{hint}")
        if params.dtype[name].subdtype is not None:
            params[name] = _table(name, value, params.dtype[name])
            continue
        whole = np.issubdtype(params.dtype[name], np.integer)
        is_number = isinstance(value, (int, float, np.number)) and np.isfinite(value)
        if not is_number or (whole and float(value) != int(value)):
            raise ValueError(f"param {name}={value!r} is not a {'whole' if whole else 'finite'} number")
        params[name] = value
    return params.view(np.recarray)


def _table(name: str, value: Any, field: np.dtype) -> np.ndarray:
    """Return `value` as the array that an array field takes."""
    kind, shape = field.subdtype  # type: ignore[misc]
    if not isinstance(value, np.ndarray):
        raise ValueError(f"param {name!r} is a table of shape {shape}, which only a level or an instance can set")
    table = value.astype(kind)
    if value.shape != shape or not np.array_equal(table, value):
        raise ValueError(f"param {name!r} must be an array of shape {shape} with values that {kind} can hold")
    return table


def fork(states: np.ndarray, reseed: int | None = None) -> np.ndarray:
    """Return a copy of `states` [N]; with `reseed`, copy i then draws from a fresh stream made of it and i.

    A plain copy also copies the generators: a planner that steps it would see tomorrow's dice. Reseed for
    planning in environments with chance.
    """
    copies = np.array(states)
    if reseed is not None:
        copies["rng"] = rng.streams(reseed, copies.shape[0])
    return copies


def states_equal(left: np.ndarray, right: np.ndarray) -> bool:
    """Return whether two record arrays hold the same bytes in every field (padding ignored, NaN equals NaN)."""
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return all(
        np.ascontiguousarray(left[name]).tobytes() == np.ascontiguousarray(right[name]).tobytes()
        for name in left.dtype.names or ()
    )


def without_padding(records: np.ndarray) -> np.ndarray:
    """Return a copy whose padding bytes are 0, so that equal states are equal bytes."""
    copy = np.zeros(records.shape, records.dtype)
    for name in records.dtype.names or ():
        copy[name] = records[name]
    return copy


def state_keys(states: np.ndarray) -> list[bytes]:
    """Return a digest of each state but its generator: for planners, whose own dice may depend on nothing else."""
    fields = [np.ascontiguousarray(states[name]) for name in states.dtype.names or () if name != "rng"]
    return [
        hashlib.blake2b(b"".join(field[i].tobytes() for field in fields), digest_size=16).digest()
        for i in range(len(states))
    ]
