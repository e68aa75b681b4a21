"""Run folders: made, logged to, saved, locked and resumed."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from rlkit.run import CheckpointError, Run, RunError


@pytest.fixture
def run(tmp_path):
    with Run.create("connect_four", "ppo", {"learning_rate": 3e-4}, 7, root=tmp_path / "runs") as run:
        yield run


def tensors(value: float) -> dict:
    return {"weights": np.full((2, 3), value, np.float32)}


def python(code: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs `code` in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def one_sentence(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


# Making ----------------------------------------------------------------------------------------------------


def test_nothing_heavy_is_imported_with_the_module():
    code = """
        import sys, rlkit.run
        print(sorted({"torch", "tensorboard", "safetensors", "pygame", "envs", "agents"} & set(sys.modules)))
    """
    assert python(code).stdout == "[]\n"


def test_folder_and_card(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {"sizes": (64, 64), "target_kl": None, "nested": {"clip": True}}
    with Run.create("gymnasium:ALE/Pong-v5", "ppo", config, 7, command=["rlkit", "train"]) as run:
        run.write_scores({"moves": {"share": 0.5}})
        run.write_scores({"return": 3})
    assert re.fullmatch(r"runs/gymnasium-ALE-Pong-v5/ppo/\d{8}-\d{6}-s7", str(run.folder.relative_to(tmp_path)))
    reopened = Run.open(run.folder)
    assert (reopened.environment_name, reopened.agent_name) == ("gymnasium:ALE/Pong-v5", "ppo")
    assert (reopened.seed, reopened.config) == (
        7,
        {"sizes": [64, 64], "target_kl": None, "nested": {"clip": True}},
    )
    assert reopened.config == run.config
    card = reopened.read_card()
    assert card["command"] == ["rlkit", "train"]
    assert card["versions"]["numpy"] == np.__version__
    assert card["versions"].keys() == {"python", "rlkit-suite", "numpy", "numba", "torch", "gymnasium"}
    assert card["machine"]["cpu"]
    assert card["machine"]["cores"] >= 1
    assert card["scores"] == {"moves": {"share": 0.5}, "return": 3}
    assert card["started"] <= card["ended"]
    assert card["wall_seconds"] >= 0


def test_runs_of_the_same_second_get_folders_of_their_own(tmp_path):
    folders = set()
    for _ in range(5):
        with Run.create("cartpole", "ppo", {}, 0, root=tmp_path) as run:
            folders.add(run.folder)
    assert len(folders) == 5
    assert {folder.name for folder in (tmp_path / "cartpole/ppo").iterdir()} == {f.name for f in folders}


@pytest.mark.parametrize(
    ("environment", "agent", "seed"),
    [
        ("../cartpole", "ppo", 0),
        ("/etc/passwd", "ppo", 0),
        ("a//b", "ppo", 0),
        ("", "ppo", 0),
        ("cartpole\n", "ppo", 0),
        ("cartpole", "$(touch owned)", 0),
        ("cartpole", "ppo; rm -rf .", 0),
        ("cartpole", "é", 0),
        ("cartpole", "a" * 101, 0),
        ("cartpole", "ppo", -1),
        ("cartpole", "ppo", 1.5),
        ("cartpole", "ppo", True),
    ],
)
def test_create_refuses_names_and_seeds(tmp_path, environment, agent, seed):
    with pytest.raises(RunError) as error:
        Run.create(environment, agent, {}, seed, root=tmp_path)
    one_sentence(error)
    assert not list(tmp_path.iterdir())


def test_config_must_be_plain_json(tmp_path):
    for value in (float("nan"), {1: 2}, object(), np.int64(3), 10**200):
        with pytest.raises(ValueError, match="the config of a run must be plain JSON"):
            Run.create("cartpole", "ppo", {"x": value}, 0, root=tmp_path)


# Logging and resuming --------------------------------------------------------------------------------------


def test_rows_are_json_whatever_the_number(run):
    run.log(5, {"a": 0.1, "b": np.float32(2), "c": np.nan, "d": np.inf, "e": -np.inf}, timing={"speed": 1e300})
    assert rows(run.folder) == [{"step": 5, "a": 0.1, "b": 2.0, "c": "NaN", "d": "Infinity", "e": "-Infinity"}]
    assert float("Infinity") == np.inf
    with pytest.raises(ValueError, match="step"):
        run.log(6, {"step": 1})
    with pytest.raises(TypeError):
        run.log(6.5, {"a": 1})
    assert len(rows(run.folder)) == 1


def test_resume_cuts_the_rows_behind_the_newest_checkpoint(run):
    for step in range(1, 8):
        run.log(step, {"loss": 1 / step})
        if step in (2, 4, 6):
            run.save(step, tensors(step), {"step": step})
    run.close()
    opened = Run.open(run.folder)
    assert opened.steps() == [4, 6]
    checkpoint = opened.resume()
    assert (checkpoint.step, checkpoint.facts) == (6, {"step": 6})
    assert checkpoint.tensors["weights"].tolist() == tensors(6)["weights"].tolist()
    assert [row["step"] for row in rows(run.folder)] == [1, 2, 3, 4, 5, 6]
    opened.log(7, {"loss": 0.0})
    opened.save(7, tensors(7), {})
    opened.close()
    assert [row["step"] for row in rows(run.folder)] == [1, 2, 3, 4, 5, 6, 7]
    assert opened.steps() == [6, 7]
    assert len(opened.read_card()["resumes"]) == 1


def test_resume_from_an_older_checkpoint_removes_the_newer_one(run):
    for step in (1, 2):
        run.log(step, {"loss": step})
        run.save(step, tensors(step), {})
    run.close()
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 3: choose one of 1, 2"):
        Run.open(run.folder).resume(3)
    opened = Run.open(run.folder)
    assert opened.resume(1).step == 1
    opened.close()
    assert opened.steps() == [1]
    assert [row["step"] for row in rows(run.folder)] == [1]
    assert Run.open(run.folder).load().step == 1


def test_a_removal_that_is_cut_off_leaves_no_half_checkpoint(run, monkeypatch):
    for step in (1, 2):
        run.save(step, tensors(step), {})
    run.close()
    monkeypatch.setattr("rlkit.checkpoint.shutil.rmtree", lambda path, **options: None)  # the process died here
    opened = Run.open(run.folder)
    opened.resume(1)
    opened.close()
    assert opened.steps() == [1]
    monkeypatch.undo()
    opened.resume()
    opened.close()
    assert os.listdir(run.folder / "checkpoints") == ["000000000001"]


def test_resume_without_a_checkpoint_starts_over(run):
    run.log(1, {"loss": 1})
    run.close()
    opened = Run.open(run.folder)
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        opened.load()
    assert opened.resume() is None
    opened.close()
    assert rows(run.folder) == []


@pytest.mark.parametrize("damage", [lambda log: log[:-1], lambda log: b"#" + log[1:], lambda log: b""])
def test_resume_refuses_rows_that_are_not_the_checkpoints(run, damage):
    run.log(1, {"loss": 1})
    run.save(1, tensors(1), {})
    run.close()
    log = run.folder / "metrics.jsonl"
    log.write_bytes(damage(log.read_bytes()))
    with pytest.raises(RunError, match=r"metrics\.jsonl is damaged") as error:
        Run.open(run.folder).resume()
    one_sentence(error)
    assert Run.open(run.folder).load().step == 1  # it can still be evaluated and watched


def test_a_damaged_newest_checkpoint_is_refused_with_the_way_out(run):
    for step in (10, 20):
        run.save(step, tensors(step), {})
    run.close()
    (run.folder / "checkpoints/000000000020/facts.json").write_bytes(b"{}")
    with pytest.raises(CheckpointError, match=r"facts\.json is damaged.*step 10.*--checkpoint 10") as error:
        Run.open(run.folder).resume()
    one_sentence(error)
    opened = Run.open(run.folder)
    assert opened.steps() == [10, 20]  # nothing was touched
    assert opened.resume(10).step == 10
    opened.close()


def test_resume_clears_what_a_killed_save_left(run):
    run.save(1, tensors(1), {})
    run.close()
    folder = run.folder / "checkpoints"
    for name in (".tmp-000000000002", ".old-000000000000"):
        (folder / name).mkdir()
        (folder / name / "facts.json").write_text("{")
    assert Run.open(run.folder).load().step == 1
    assert len(os.listdir(folder)) == 3  # reading changes nothing
    opened = Run.open(run.folder)
    opened.resume()
    opened.close()
    assert os.listdir(folder) == ["000000000001"]


def test_resume_tells_what_has_changed(run):
    run.close()
    card = run.read_card()
    card["versions"]["numpy"] = "0.9"
    (run.folder / "card.json").write_text(json.dumps(card))
    opened = Run.open(run.folder)
    opened.resume()
    opened.close()
    assert opened.changes == [f"numpy '0.9', now '{np.__version__}'"]
    assert opened.read_card()["resumes"][0]["changes"] == opened.changes


def test_only_create_and_resume_may_write(run):
    opened = Run.open(run.folder)
    for write in (lambda: opened.log(1, {}), lambda: opened.save(1, {}, {}), lambda: opened.write_scores({})):
        with pytest.raises(RunError, match=r"reading only: call run\.resume"):
            write()
    run.save(5, {}, {})
    with pytest.raises(ValueError, match="step 4 cannot follow"):
        run.save(4, {}, {})


def test_one_process_at_a_time(run):
    with pytest.raises(RunError, match="is in use: another process") as error:
        Run.open(run.folder).resume()
    one_sentence(error)
    code = "import sys; from rlkit.run import Run; Run.open(sys.argv[1]).resume()"
    assert "is in use: another process" in python(code, str(run.folder)).stderr
    run.close()
    assert python(code.replace(".resume()", "") + "; print('read')", str(run.folder)).stdout == "read\n"
    killed = python(code + "; import os; os.kill(os.getpid(), 9)", str(run.folder))
    assert killed.returncode == -signal.SIGKILL
    opened = Run.open(run.folder)
    opened.resume()  # the lock died with its process
    opened.close()
