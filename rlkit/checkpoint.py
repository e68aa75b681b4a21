"""Checkpoints: tensors and JSON in a folder that is written whole or not at all and checked before use.

    checkpoints/000000004096/
      manifest.json         step; size and SHA-256 of the files below, of metrics.jsonl so far, and of itself
      facts.json            counters, generators: whatever is not a tensor
      arrays.safetensors    the NumPy arrays, if any
      tensors.safetensors   the torch tensors, if any

Nothing is ever pickled, so opening a stranger's checkpoint cannot execute code. A manifest is accepted only
if its bytes are the ones we would write for its content, so a change of any byte of a checkpoint is noticed.
"""

import hashlib
import json
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlkit.files import (
    RunError,
    encode_json,
    list_folder,
    matches,
    not_written,
    parse_json,
    read_bytes,
    reason,
    shown,
    sync_folder,
    write_new,
)

FORMAT = 1
MANIFEST, FACTS, ARRAYS, TENSORS = "manifest.json", "facts.json", "arrays.safetensors", "tensors.safetensors"
MAX_SIZES = {MANIFEST: 1 << 24, FACTS: 1 << 24, ARRAYS: 1 << 36, TENSORS: 1 << 36}  # bytes
_STEP = r"[0-9]{12,15}"
_SHA256 = r"[0-9a-f]{64}"
_ARRAY_DTYPES = {"bool", "float16", "float32", "float64", "complex64"}
_ARRAY_DTYPES |= {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}


class CheckpointError(RunError):
    """A checkpoint is missing, damaged or not one of ours."""


@dataclass(frozen=True)
class Checkpoint:
    """What decides the future of a run, as it was after `step` environment transitions."""

    step: int
    tensors: dict[str, Any]  # name → np.ndarray or torch.Tensor (on the CPU), sorted by name
    facts: dict[str, Any]  # plain JSON
    log_size: int  # bytes of metrics.jsonl that belong to this checkpoint …
    log_sha256: str  # … and their digest


# The folder of checkpoints ---------------------------------------------------------------------------------


def steps(folder: Path) -> list[int]:
    """The steps that have a checkpoint in `folder`, ascending, damaged ones included."""
    names = list_folder(folder) if os.path.lexists(folder) else []
    return sorted(int(name) for name in names if matches(_STEP, name) and name == f"{int(name):012d}")


def save(folder: Path, checkpoint: Checkpoint, keep: int) -> None:
    """Writes a checkpoint into `folder` through to the disk, then removes all but the newest `keep`.

    Raises:
        ValueError, TypeError: facts that are not JSON, tensors of a kind that cannot be stored.
        RunError: the disk is full or the folder cannot be written; earlier checkpoints are untouched.
    """
    contents = encode(checkpoint)
    name = f"{checkpoint.step:012d}"
    temporary, final, replaced = folder / f".tmp-{name}", folder / name, folder / f".old-{name}"
    try:
        clean(folder)
        temporary.mkdir(parents=True)
        for file_name, data in contents.items():
            write_new(temporary / file_name, data)
        sync_folder(temporary)
        if final.exists():  # the same step again, with more facts perhaps
            final.rename(replaced)
        temporary.rename(final)
        sync_folder(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if not final.exists():
            with suppress(OSError):
                replaced.rename(final)
        raise not_written(final, error) from None
    with suppress(RunError):  # a checkpoint too many is no reason to stop a training
        remove(folder, steps(folder)[:-keep])


def remove(folder: Path, unwanted: list[int]) -> None:
    """Removes checkpoints. A kill in between leaves none of them half there, only a rest for `clean`.

    Raises:
        RunError: the folder cannot be written.
    """
    try:
        for step in unwanted:
            (folder / f"{step:012d}").rename(folder / f".old-{step:012d}")
        clean(folder)
    except OSError as error:
        raise RunError(f"{folder} cannot be cleaned of old checkpoints: {reason(error)}") from None


def clean(folder: Path) -> None:
    """Removes what a killed `save` or `remove` left behind."""
    for name in list_folder(folder) if os.path.lexists(folder) else []:
        path = folder / name
        if matches(rf"\.(tmp|old)-{_STEP}", name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()


def load(folder: Path, step: int) -> Checkpoint:
    """Reads one checkpoint, after comparing every byte of it with its manifest.

    Raises:
        CheckpointError: it is missing or damaged; names the intact ones in `folder`.
    """
    try:
        return read(folder / f"{step:012d}")
    except RunError as error:
        others = [str(other) for other in reversed(steps(folder)) if other != step and _is_intact(folder, other)]
        if others:
            remedy = f"resume from step {others[0]}, which is intact, with --checkpoint {others[0]}"
        else:
            remedy = "no other checkpoint is intact, so start a new run"
        raise CheckpointError(f"{error}; {remedy}") from None


def _is_intact(folder: Path, step: int) -> bool:
    try:
        read(folder / f"{step:012d}")
    except RunError:
        return False
    return True


# One checkpoint --------------------------------------------------------------------------------------------


def encode(checkpoint: Checkpoint) -> dict[str, bytes]:
    """The files of a checkpoint, by name."""
    arrays: dict[str, np.ndarray] = {}
    tensors: dict[str, Any] = {}
    for name, value in sorted(checkpoint.tensors.items()):
        (arrays if isinstance(value, np.ndarray) else tensors)[name] = value
    files = {FACTS: encode_json(checkpoint.facts, "facts of a checkpoint")}
    if arrays:
        files[ARRAYS] = _encode_arrays(arrays)
    strides: dict[str, list[int]] = {}
    if tensors:
        files[TENSORS], strides = _encode_tensors(tensors)
    for name, data in files.items():
        if len(data) > MAX_SIZES[name]:
            raise ValueError(f"{name} of a checkpoint would hold {len(data)} bytes, at most {MAX_SIZES[name]} fit")
    manifest = {
        "format": FORMAT,
        "step": checkpoint.step,
        "log": {"size": checkpoint.log_size, "sha256": checkpoint.log_sha256},
        "files": {name: {"size": len(data), "sha256": digest_of(data)} for name, data in files.items()},
        "strides": strides,  # of the tensors that are not laid out row by row, such as channels_last
    }
    return files | {MANIFEST: _encode_manifest(manifest)}


def read(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`; `load` adds the way out to the errors raised here."""
    names = set(list_folder(folder))
    manifest = _read_manifest(folder / MANIFEST)
    if manifest["step"] != int(folder.name):
        raise CheckpointError(f"{folder / MANIFEST} belongs to step {manifest['step']}, not to this folder")
    for extra in sorted(names - {MANIFEST, *manifest["files"]}):
        raise CheckpointError(f"{folder} is damaged: its manifest does not know the file {shown(extra)}")
    contents = {name: _read_verified(folder / name, **facts) for name, facts in manifest["files"].items()}
    tensors = _decode_arrays(contents[ARRAYS], folder / ARRAYS) if ARRAYS in contents else {}
    if TENSORS in contents:
        tensors |= _decode_tensors(contents[TENSORS], manifest["strides"], folder / TENSORS)
    facts = parse_json(contents[FACTS], folder / FACTS)
    log = manifest["log"]
    return Checkpoint(manifest["step"], dict(sorted(tensors.items())), facts, log["size"], log["sha256"])


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read_verified(path: Path, size: int, sha256: str) -> bytes:
    data = read_bytes(path, min(size, MAX_SIZES[path.name]))
    if len(data) != size:
        raise CheckpointError(f"{path} is damaged: it holds {len(data)} bytes, its manifest says {size}")
    if digest_of(data) != sha256:
        raise CheckpointError(f"{path} is damaged: its SHA-256 is not the one in its manifest")
    return data


def _encode_manifest(manifest: dict[str, Any]) -> bytes:
    body = json.dumps(manifest, sort_keys=True)
    return (json.dumps(manifest | {"sha256": digest_of(body.encode())}, sort_keys=True, indent=1) + "\n").encode()


def _read_manifest(path: Path) -> dict[str, Any]:
    data = read_bytes(path, MAX_SIZES[MANIFEST])
    manifest = parse_json(data, path)
    manifest.pop("sha256", None)
    if data != _encode_manifest(manifest):
        raise CheckpointError(f"{path} is damaged: it does not match its own SHA-256")
    if manifest.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {shown(manifest.get('format'))}, this rlkit reads {FORMAT}: use the one that wrote it"
        )
    if not _is_manifest(manifest):  # only a forger gets here: the digest is right and the content is not
        raise CheckpointError(f"{path} is not a manifest of rlkit")
    return manifest


def _is_manifest(manifest: dict[str, Any]) -> bool:
    files, strides = manifest.get("files"), manifest.get("strides")
    return (
        manifest.keys() == {"format", "step", "log", "files", "strides"}
        and _is_count(manifest["step"])
        and _is_digest(manifest["log"])
        and isinstance(files, dict)
        and {FACTS} <= files.keys() <= {FACTS, ARRAYS, TENSORS}  # fixed names, so none can lead out of the folder
        and all(_is_digest(digest) for digest in files.values())
        and isinstance(strides, dict)
        and all(isinstance(stride, list) and all(map(_is_count, stride)) for stride in strides.values())
    )


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 10**15


def _is_digest(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"size", "sha256"}
        and _is_count(value["size"])
        and matches(_SHA256, value["sha256"])
    )


# Tensors ---------------------------------------------------------------------------------------------------


def _encode_arrays(arrays: dict[str, np.ndarray]) -> bytes:
    import safetensors.numpy

    for name, array in arrays.items():
        if array.dtype.name not in _ARRAY_DTYPES:
            raise TypeError(
                f"the array {name!r} of a checkpoint has dtype {array.dtype}: save numbers, and records as "
                "bytes: records.view(np.uint8)"
            )
    return safetensors.numpy.save({name: np.array(array, order="C") for name, array in arrays.items()})


def _decode_arrays(data: bytes, path: Path) -> dict[str, np.ndarray]:
    import safetensors.numpy

    try:
        # Copied, so that every array owns memory that is aligned as NumPy's own: sums may depend on it.
        return {name: np.array(array) for name, array in safetensors.numpy.load(data).items()}
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is not a safetensors file: {shown(str(error))}") from None


def _encode_tensors(tensors: dict[str, Any]) -> tuple[bytes, dict[str, list[int]]]:
    torch = sys.modules.get("torch")  # who has a tensor has imported torch
    strides: dict[str, list[int]] = {}
    copies = {}
    for name, tensor in tensors.items():
        if torch is None or not isinstance(tensor, torch.Tensor):
            raise TypeError(
                f"{name!r} of a checkpoint is of type {type(tensor).__name__}: save NumPy arrays and torch "
                "tensors here, single numbers among the facts"
            )
        dense = tensor.detach().cpu().clone()  # its own memory, its order of dimensions kept
        copies[name] = dense.contiguous()
        if dense.stride() != _row_strides(dense.shape):
            strides[name] = list(dense.stride())
    import safetensors.torch

    return safetensors.torch.save(copies), strides


def _decode_tensors(data: bytes, strides: dict[str, list[int]], path: Path) -> dict[str, Any]:
    import safetensors.torch
    import torch

    try:
        loaded = safetensors.torch.load(data)
        result = {}
        for name, tensor in loaded.items():
            stride = tuple(strides.get(name, _row_strides(tensor.shape)))
            if not _is_dense(tuple(tensor.shape), stride):
                raise ValueError(f"the strides {stride} do not fit the shape of {name!r}")
            result[name] = torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype).copy_(tensor)
        return result
    except (safetensors.SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is not a safetensors file: {shown(str(error))}") from None


def _row_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, size = [], 1
    for length in reversed(shape):
        strides.append(size)
        size *= max(length, 1)
    return tuple(reversed(strides))


def _is_dense(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether the elements fill memory without gap or overlap, so that forged strides cannot claim more."""
    if len(shape) != len(strides) or 0 in shape:
        return len(shape) == len(strides)
    size = 1
    for stride, length in sorted(zip(strides, shape, strict=True)):
        if length > 1 and stride != size:
            return False
        size *= length
    return True
