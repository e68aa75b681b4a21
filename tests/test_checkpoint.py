"""Checkpoints: they come back as they were saved, or not at all."""

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from rlkit import checkpoint
from rlkit.checkpoint import Checkpoint, CheckpointError
from rlkit.files import RunError

DIGEST = checkpoint.digest_of(b"")


def save(folder: Path, step: int, tensors: dict, facts: dict | None = None) -> Path:
    """Saves a checkpoint; returns its folder."""
    checkpoint.save(folder, Checkpoint(step, tensors, facts or {}, 0, DIGEST), keep=2)
    return folder / f"{step:012d}"


def small() -> dict:
    return {
        "array": np.arange(6, dtype=np.float64).reshape(2, 3),
        "tensor": torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
    }


def fingerprint(loaded: Checkpoint) -> tuple:
    """All that a checkpoint says, comparable."""
    contents = {}
    for name, value in loaded.tensors.items():
        stride = value.stride() if isinstance(value, torch.Tensor) else value.strides
        contents[name] = (
            type(value),
            str(value.dtype),
            tuple(value.shape),
            stride,
            np.asarray(value).tobytes(),
        )
    return loaded.step, contents, json.dumps(loaded.facts), loaded.log_size, loaded.log_sha256


def refusal(folder: Path, step: int = 1) -> str:
    """The sentence with which the checkpoint is refused."""
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(folder, step)
    message = str(error.value)
    assert message.isprintable()
    assert str(folder) in message
    assert message.endswith(("so start a new run", "--checkpoint 2"))
    return message


# Coming back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
def test_arrays_come_back(tmp_path, dtype, shape):
    array = np.asarray(np.random.default_rng(0).integers(0, 100, size=shape) / 7).astype(dtype)
    folder = save(tmp_path, 1, {"a": array})
    loaded = checkpoint.read(folder).tensors["a"]
    assert isinstance(loaded, np.ndarray)
    assert (loaded.dtype, loaded.shape) == (array.dtype, array.shape)
    assert loaded.tobytes() == array.tobytes()
    assert loaded.flags.writeable
    assert loaded.flags.owndata
    assert not (folder / "tensors.safetensors").exists()


def test_arrays_of_any_order_come_back_in_row_order(tmp_path):
    array = np.arange(12.0).reshape(3, 4)
    tensors = {"transposed": array.T, "sliced": array[:, ::2], "swapped": array.astype(">f8")}
    loaded = checkpoint.read(save(tmp_path, 1, tensors)).tensors
    for name, value in tensors.items():
        assert (loaded[name] == value).all()
        assert loaded[name].flags.c_contiguous
        assert loaded[name].dtype == np.float64


def test_special_numbers_keep_their_bits(tmp_path):
    bits = np.array([0x7FF8000000000001, 0xFFF0000000000000, 0x8000000000000000, 1], np.uint64)
    tensors = {"array": bits.view(np.float64), "tensor": torch.from_numpy(bits.view(np.float64))}
    for value in checkpoint.read(save(tmp_path, 1, tensors)).tensors.values():
        assert np.asarray(value).view(np.uint64).tolist() == bits.tolist()


def test_tensors_keep_their_memory_format(tmp_path):
    image = torch.arange(120.0).reshape(2, 3, 4, 5)
    tensors = {
        "rows": image.clone(),
        "channels_last": image.to(memory_format=torch.channels_last),
        "one_channel": image[:, :1].clone().to(memory_format=torch.channels_last),
        "channels_last_3d": image[None].clone().to(memory_format=torch.channels_last_3d),
        "transposed": torch.arange(6).reshape(2, 3).t(),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "bfloat16": torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
        "parameter": torch.nn.Parameter(torch.ones(3)),
    }
    loaded = checkpoint.read(save(tmp_path, 1, tensors)).tensors
    assert list(loaded) == sorted(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].stride() == tensor.stride(), name
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name].nan_to_num(), tensor.nan_to_num())
        assert not loaded[name].requires_grad
    assert loaded["channels_last"].is_contiguous(memory_format=torch.channels_last)
    assert loaded["channels_last_3d"].is_contiguous(memory_format=torch.channels_last_3d)


def test_tensors_that_share_memory_come_back_apart(tmp_path):
    weights = torch.ones(4)
    loaded = checkpoint.read(save(tmp_path, 1, {"a": weights, "b": weights, "part": weights[:2]})).tensors
    loaded["a"][0] = 5
    assert loaded["b"].tolist() == [1, 1, 1, 1]
    assert loaded["part"].tolist() == [1, 1]


def test_facts_come_back(tmp_path):
    rng = np.random.default_rng(3).bit_generator.state
    facts = {
        "rng": rng,
        "tenth": 0.1,
        "tuple": (1, (2,)),
        "none": None,
        "yes": True,
        "text": "π\n",
        "deep": {"a": []},
    }
    loaded = checkpoint.read(save(tmp_path, 1, {}, facts)).facts
    assert loaded == facts | {"tuple": [1, [2]]}


@pytest.mark.parametrize("value", [float("inf"), {1: 2}, np.int64(3), {"a": b"bytes"}, 10**300])
def test_facts_that_are_not_json_are_refused(tmp_path, value):
    with pytest.raises(ValueError, match="facts of a checkpoint must be plain JSON"):
        save(tmp_path, 1, {}, {"x": value})
    assert not list(tmp_path.iterdir())


def test_tensors_that_cannot_be_stored_are_refused(tmp_path):
    record = np.zeros(2, np.dtype([("board", np.int8), ("rng", np.uint64)]))
    for value in (record, np.array(["text"]), np.array([object()]), np.zeros(2, np.complex128)):
        with pytest.raises(TypeError, match="the array 'x' of a checkpoint has dtype"):
            save(tmp_path, 1, {"x": value})
    for value in (1.0, [1, 2], {"nested": np.zeros(1)}, np.float64(1)):
        with pytest.raises(TypeError, match="'x' of a checkpoint is of type"):
            save(tmp_path, 1, {"x": value})
    assert not list(tmp_path.iterdir())
    save(tmp_path, 1, {"x": record.view(np.uint8)})


def test_the_same_content_makes_the_same_bytes(tmp_path):
    for name, order in (("a", 1), ("b", -1)):
        save(tmp_path / name, 1, dict(list(small().items())[::order]), {"x": 1})
    for file in (tmp_path / "a/000000000001").iterdir():
        assert file.read_bytes() == (tmp_path / "b/000000000001" / file.name).read_bytes()


def test_the_newest_two_are_kept_and_a_step_can_be_saved_again(tmp_path):
    for step in (1, 2, 3, 3, 10**12):
        save(tmp_path, step, {"x": np.array([step])})
    save(tmp_path, 10**12, {"x": np.array([7])})
    assert sorted(os.listdir(tmp_path)) == ["000000000003", "1000000000000"]
    assert checkpoint.steps(tmp_path) == [3, 10**12]
    assert checkpoint.load(tmp_path, 10**12).tensors["x"].tolist() == [7]


# Corrupted -------------------------------------------------------------------------------------------------


def corrupt(folder: Path, other: Path, rng: random.Random) -> str:
    """Damages a checkpoint in one random way; returns what was done."""
    path = rng.choice(sorted(folder.iterdir()))
    data = bytearray(path.read_bytes())
    place = rng.randrange(len(data))
    kind = rng.choice(
        [
            "flip",
            "bit",
            "truncate",
            "append",
            "insert",
            "delete",
            "swap",
            "foreign",
            "zeros",
            "empty",
            "extra",
            "link",
        ]
    )
    if kind == "flip":
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == "bit":
        data[place] ^= 1 << rng.randrange(8)
    elif kind == "truncate":
        del data[place:]
    elif kind == "append":
        data += rng.choice([b"\n", b" ", b"\0" * 8, rng.randbytes(20)])
    elif kind == "insert":
        data[place:place] = rng.choice([b" ", b"\0", rng.randbytes(3)])
    elif kind == "zeros":
        end = min(len(data), place + 16)
        data[place:end] = bytes(end - place)
    elif kind == "empty":
        data.clear()
    if kind == "delete":
        path.unlink()
    elif kind == "swap":
        second = rng.choice(sorted(folder.iterdir()))
        content = second.read_bytes()
        second.write_bytes(data)
        path.write_bytes(content)
    elif kind == "foreign":
        shutil.copy(other / path.name, path)
    elif kind == "extra":
        (folder / rng.choice(["a", "manifest.json~", ".hidden", "__init__.py"])).write_bytes(data)
    elif kind == "link":
        path.rename(folder.parent / "moved")
        path.symlink_to(folder.parent / "moved")
    else:
        path.write_bytes(data)
    return f"{kind} {path.name} {place}"


def test_a_thousand_corruptions_are_refused_or_harmless(tmp_path):
    rng = random.Random(0)
    original = save(tmp_path / "checkpoints", 1, small(), {"rng": [1, 2, 3], "count": 5})
    other = save(tmp_path / "other", 2, {name: value + 1 for name, value in small().items()}, {"count": 6})
    expected = fingerprint(checkpoint.read(original))
    harmless, messages = 0, []
    for number in range(1000):
        folder = tmp_path / "damaged"
        shutil.copytree(original, folder / "000000000001")
        done = corrupt(folder / "000000000001", other, rng)
        try:
            assert fingerprint(checkpoint.load(folder, 1)) == expected, (number, done)
            harmless += 1
        except CheckpointError as error:
            messages.append(str(error))
        shutil.rmtree(folder)
    assert all(message.isprintable() and "start a new run" in message for message in messages)
    assert harmless < 100  # a byte replaced by itself, a file swapped with itself


def test_every_byte_of_a_manifest_counts(tmp_path):
    folder = save(tmp_path, 1, {"x": np.zeros(1)})
    path = folder / "manifest.json"
    data = path.read_bytes()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(RunError):
            checkpoint.read(folder)
    path.write_bytes(data)
    checkpoint.read(folder)


def test_the_refusal_names_the_file_and_the_way_out(tmp_path):
    for step in (1, 2):
        save(tmp_path, step, small())
    (tmp_path / "000000000001/arrays.safetensors").unlink()
    assert "arrays.safetensors is missing; resume from step 2, which is intact" in refusal(tmp_path)
    (tmp_path / "000000000002/facts.json").write_bytes(b"")
    assert "no other checkpoint is intact, so start a new run" in refusal(tmp_path)


def test_a_checkpoint_of_another_step_is_refused(tmp_path):
    save(tmp_path, 5, small()).rename(tmp_path / "000000000001")
    assert "belongs to step 5" in refusal(tmp_path)
