"""Run folders from a stranger: refused in one sentence, never executed, never followed out of the folder."""

import json
import os
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rlkit import checkpoint
from rlkit.checkpoint import Checkpoint, CheckpointError
from rlkit.run import Run, RunError

DIGEST = checkpoint.digest_of(b"")


@pytest.fixture
def run(tmp_path):
    with Run.create("connect_four", "ppo", {"learning_rate": 3e-4}, 7, root=tmp_path / "runs") as run:
        yield run


def tensors(value: float) -> dict:
    return {"weights": np.full((2, 3), value, np.float32)}


def one_sentence(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


def save(folder: Path, step: int, tensors: dict, facts: dict | None = None) -> Path:
    """Saves a checkpoint; returns its folder."""
    checkpoint.save(folder, Checkpoint(step, tensors, facts or {}, 0, DIGEST), keep=2)
    return folder / f"{step:012d}"


def small() -> dict:
    return {
        "array": np.arange(6, dtype=np.float64).reshape(2, 3),
        "tensor": torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
    }


def forge(folder: Path, **changes) -> None:
    """A manifest whose sums all fit the folder as it is, as a forger would write it."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {
        name: {"size": len(data), "sha256": checkpoint.digest_of(data)} for name, data in files.items()
    }
    manifest |= changes
    manifest.pop("sha256", None)
    (folder / "manifest.json").write_bytes(checkpoint._encode_manifest(manifest))


def refusal(folder: Path, step: int = 1) -> str:
    """The sentence with which the checkpoint is refused."""
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(folder, step)
    message = str(error.value)
    assert message.isprintable()
    assert str(folder) in message
    assert message.endswith(("so start a new run", "--checkpoint 2"))
    return message


# config.json and card.json, links --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "damaged"),
        (b"[1]", "an object"),
        (b"\xff\xfe", "damaged"),
        (b'{"format": 1, "format": 1}', "occurs twice"),
        (b'{"a":' * 100_000, "nested"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested"),
        (b'{"seed": ' + b"9" * 6000 + b"}", "digits"),
        (b'{"seed": 1e999}', "not finite"),
        (b'{"seed": NaN}', "not finite"),
        (b'{"a": "\\ud800"}', "damaged"),
        (b'{"x": "' + b"y" * 2_000_000 + b'"}', "too large"),
        (b"{}", "no entry 'format'"),
    ],
)
def test_open_refuses_what_is_not_a_config(run, content, problem):
    (run.folder / "config.json").write_bytes(content)
    with pytest.raises(RunError, match=re.escape(problem)) as error:
        Run.open(run.folder)
    assert "config.json" in one_sentence(error)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"environment": "__import__('os').system('touch owned')"},
        {"environment": ["cartpole"]},
        {"agent": "../../agents/evil.py"},
        {"agent": "ppo\x1b[31m\n"},
        {"seed": "0"},
        {"seed": 2**63},
        {"config": [1]},
        {"extra": {"__reduce__": ["os.system", "touch owned"]}},
    ],
)
def test_open_refuses_a_config_of_wrong_content(run, change):
    config = json.loads((run.folder / "config.json").read_text())
    (run.folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(RunError) as error:
        Run.open(run.folder)
    assert "config.json" in one_sentence(error)
    assert len(str(error.value)) < 400


def test_a_run_that_names_a_foreign_module_imports_nothing(tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Run.create("evil:X-v0", "evil.agent", {"__reduce__": "evil"}, 0, root=tmp_path) as run:
        run.save(1, tensors(1), {})
    opened = Run.open(run.folder)
    opened.load()
    opened.resume()
    opened.close()
    assert opened.environment_name == "evil:X-v0"  # a string, for a table to look up and refuse
    assert "evil" not in sys.modules


def test_open_follows_no_links_and_waits_for_no_pipe(run, tmp_path):
    config = run.folder / "config.json"
    config.rename(tmp_path / "elsewhere.json")
    config.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(RunError, match="links are not followed"):
        Run.open(run.folder)
    config.unlink()
    os.mkfifo(config)
    with pytest.raises(RunError, match="not a plain file"):
        Run.open(run.folder)
    config.unlink()
    with pytest.raises(RunError, match="is not a run folder"):
        Run.open(run.folder)


def test_resume_writes_through_no_link(run, tmp_path):
    treasure = tmp_path / "treasure"
    for name, move in (
        ("metrics.jsonl", True),
        ("checkpoints", True),
        (".lock", True),
        (".tmp-card.json", False),
    ):
        treasure.mkdir()
        (treasure / ".tmp-000000000001").write_text("precious")
        target = treasure if name == "checkpoints" else treasure / ".tmp-000000000001"
        run.close()
        if move:
            (run.folder / name).rename(tmp_path / "original")
        (run.folder / name).symlink_to(target)
        opened = Run.open(run.folder)
        if name in ("checkpoints", ".lock"):
            with pytest.raises(RunError, match="links are not followed"):
                opened.resume()
        else:  # replaced by a file of the run's own
            opened.resume()
            opened.close()
        assert (treasure / ".tmp-000000000001").read_text() == "precious"
        (treasure / ".tmp-000000000001").unlink()
        treasure.rmdir()
        if move:
            (run.folder / name).unlink()
            (tmp_path / "original").rename(run.folder / name)


def test_a_damaged_card_is_named(run):
    run.close()
    for content in ("{", '{"wall_seconds": "x", "resumes": [], "scores": {}}', '{"scores": {}}'):
        (run.folder / "card.json").write_text(content)
        with pytest.raises(RunError, match=r"card\.json is damaged"):
            Run.open(run.folder).resume()
    (run.folder / "card.json").unlink()
    opened = Run.open(run.folder)
    opened.resume()
    opened.close()
    assert opened.read_card()["scores"] == {}


# Checkpoints: the forger knows the format, so all sums fit -------------------------------------------------


class Bomb:
    """Runs a command when unpickled."""

    def __init__(self, target: Path):
        self.command = f"touch {target}"

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("name", ["tensors.safetensors", "arrays.safetensors", "facts.json"])
@pytest.mark.parametrize("dump", [pickle.dumps, lambda bomb: torch_bytes(bomb), lambda bomb: numpy_bytes(bomb)])
def test_a_pickle_is_never_loaded(tmp_path, name, dump):
    folder = save(tmp_path, 1, small())
    bomb = dump(Bomb(tmp_path / "owned"))
    (folder / name).write_bytes(bomb)
    assert "SHA-256" in refusal(tmp_path) or "bytes" in refusal(tmp_path)
    forge(folder)
    assert name in refusal(tmp_path)
    assert not (tmp_path / "owned").exists()
    pickle.loads(pickle.dumps(Bomb(tmp_path / "owned")))  # the bomb works
    assert (tmp_path / "owned").exists()


def torch_bytes(bomb: object) -> bytes:
    path = Path(bomb.command.removeprefix("touch ")).with_name("bomb.pt")
    torch.save({"weights": bomb}, path)
    return path.read_bytes()


def numpy_bytes(bomb: object) -> bytes:
    path = Path(bomb.command.removeprefix("touch ")).with_name("bomb.npy")
    np.save(path, np.array([bomb], dtype=object), allow_pickle=True)
    return path.read_bytes()


def test_a_file_beside_is_refused_even_when_the_manifest_lists_it(tmp_path):
    folder = save(tmp_path, 1, small())
    (folder / "data.pkl").write_bytes(pickle.dumps(Bomb(tmp_path / "owned")))
    assert "does not know the file 'data.pkl'" in refusal(tmp_path)
    forge(folder)
    assert "is not a manifest of rlkit" in refusal(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {"../000000000002/facts.json": {"size": 3, "sha256": DIGEST}}},
        {
            "files": {
                "/etc/passwd": {"size": 3, "sha256": DIGEST},
                "facts.json": {"size": 3, "sha256": DIGEST},
            }
        },
        {"files": {}},
        {"files": [1]},
        {"files": {"facts.json": {"size": -1, "sha256": DIGEST}}},
        {"files": {"facts.json": {"size": 3.0, "sha256": DIGEST}}},
        {"files": {"facts.json": {"size": 3, "sha256": "x"}}},
        {"files": {"facts.json": 3}},
        {"step": True},
        {"step": "1"},
        {"step": 10**20},
        {"format": 2},
        {"format": None},
        {"log": {"size": 0}},
        {"log": None},
        {"strides": [1]},
        {"strides": {"tensor": 1}},
        {"strides": {"tensor": [1, -1, 1, 1]}},
        {"more": 1},
    ],
)
def test_forged_manifests_are_refused(tmp_path, changes):
    forge(save(tmp_path, 1, small()), **changes)
    assert "manifest.json" in refusal(tmp_path)


@pytest.mark.parametrize("strides", [[0, 0, 0, 0], [24, 12, 4], [10**14, 1, 1, 1], [24, 24, 24, 24], [24, 2, 2, 6]])
def test_strides_that_do_not_fit_are_refused(tmp_path, strides):
    folder = save(tmp_path, 1, {"tensor": torch.zeros(2, 2, 3, 4)})
    forge(folder, strides={"tensor": strides})
    assert "strides" in refusal(tmp_path)


def test_links_and_pipes_are_refused(tmp_path):
    folder = save(tmp_path, 1, small())
    outside = tmp_path / "outside"
    (folder / "tensors.safetensors").rename(outside)
    (folder / "tensors.safetensors").symlink_to(outside)
    assert "links are not followed" in refusal(tmp_path)
    (folder / "tensors.safetensors").unlink()
    os.mkfifo(folder / "tensors.safetensors")
    assert "not a plain file" in refusal(tmp_path)
    (folder / "tensors.safetensors").unlink()
    outside.rename(folder / "tensors.safetensors")
    checkpoint.load(tmp_path, 1)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert "links are not followed" in refusal(tmp_path)


def test_headers_that_promise_too_much_are_refused(tmp_path):
    folder = save(tmp_path, 1, small())
    for header in ({"x": {"dtype": "F64", "shape": [10**9], "data_offsets": [0, 8 * 10**9]}}, {"x": 1}, []):
        text = json.dumps(header).encode()
        for size in (len(text), 2**62):
            (folder / "arrays.safetensors").write_bytes(size.to_bytes(8, "little") + text)
            forge(folder)
            assert "arrays.safetensors is not a safetensors file" in refusal(tmp_path)


def test_a_sparse_file_is_not_read(tmp_path):
    folder = save(tmp_path, 1, small())
    with open(folder / "arrays.safetensors", "r+b") as file:
        file.truncate(1 << 40)
    assert "too large" in refusal(tmp_path)
