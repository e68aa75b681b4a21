"""Run folders: made, logged to, stopped, killed, resumed, and refused when they are not what they should be."""

import errno
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from rlkit.files import append
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
    assert re.fullmatch(
        r"runs/gymnasium-ALE-Pong-v5/ppo/\d{8}-\d{6}-s7", str(run.folder.relative_to(tmp_path))
    )
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


# Opening what others made ----------------------------------------------------------------------------------


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


# Logging and resuming --------------------------------------------------------------------------------------


def test_rows_are_json_whatever_the_number(run):
    run.log(
        5, {"a": 0.1, "b": np.float32(2), "c": np.nan, "d": np.inf, "e": -np.inf}, timing={"speed": 1e300}
    )
    assert rows(run.folder) == [
        {"step": 5, "a": 0.1, "b": 2.0, "c": "NaN", "d": "Infinity", "e": "-Infinity"}
    ]
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


# Killed anywhere -------------------------------------------------------------------------------------------

KILLER = """
    import os, signal, sys
    import numpy as np
    from rlkit import card, events
    from rlkit.run import Run

    card._commit = lambda: None  # asks git, which has nothing to do with what is tested and is slow

    def train(run, checkpoint):
        rng, step, weights = np.random.default_rng(run.seed), 0, np.zeros(4)
        if checkpoint is not None:
            step, weights = checkpoint.step, checkpoint.tensors["weights"]
            rng.bit_generator.state = checkpoint.facts["rng"]
        while step < 8:
            step += 1
            weights = weights + rng.normal(size=4)
            run.log(step, {"weight": weights[0]}, timing={"pid": os.getpid()})
            if step % 2 == 0:
                run.save(step, {"weights": weights}, {"rng": rng.bit_generator.state})
        run.close()

    def outcome(folder):
        final = Run.open(folder).load()
        return (folder / "metrics.jsonl").read_bytes(), final.step, final.tensors["weights"].tobytes(), final.facts

    def fork(work):
        child = os.fork()
        if child == 0:
            work()
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def killed_at(number, folder):
        # Every change of the disk below the folder is announced to the audit hook before it is made.
        left = number
        def hook(event, arguments):
            nonlocal left
            if event in ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.truncate"):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        def work():
            run = Run.open(folder)
            sys.addaudithook(hook)
            train(run, run.resume())
        return fork(work)

    root, first, stride = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    expected = Run.create("cartpole", "toy", {}, 3, root=root)
    train(expected, None)
    kills = 0
    for number in range(first, 10_000, stride):
        run = Run.create("cartpole", "toy", {}, 3, root=root)
        run.close()
        if killed_at(number, run.folder) != -signal.SIGKILL:
            break
        kills += 1
        killed_at(number // 2, run.folder)  # and the resumed one is killed again
        assert fork(lambda: train(opened := Run.open(run.folder), opened.resume())) == 0, number
        assert outcome(run.folder) == outcome(expected.folder), number
        assert len(os.listdir(run.folder / "checkpoints")) == 2, number
    print(kills)
"""


def test_a_run_killed_at_any_operation_ends_as_if_never_interrupted(tmp_path):
    done = python(KILLER, str(tmp_path), "1", "3")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


# Stopping --------------------------------------------------------------------------------------------------


def test_signals_ask_for_a_stop_once_and_then_interrupt(run):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    for first in (signal.SIGINT, signal.SIGTERM):
        with run.training():
            assert not run.stop_requested
            signal.raise_signal(first)
            assert run.stop_requested
            signal.raise_signal(signal.SIGTERM)  # impatient, not a person: still saves
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert run.stop_requested  # how it ended
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_ignored_signals_stay_ignored(run):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with run.training():
            signal.raise_signal(signal.SIGINT)
            assert not run.stop_requested
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_training_works_outside_the_main_thread(run):
    found = []

    def work():
        with run.training():
            found.append(run.stop_requested)
            run.request_stop()
            found.append(run.stop_requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False, True]


def test_a_time_limit_only_ends_early(run):
    with run.training(time_limit=0):
        assert run.stop_requested
    with run.training(time_limit=1e6):
        assert not run.stop_requested


# Full and forbidden disks ----------------------------------------------------------------------------------


def test_a_full_disk_is_one_sentence():
    with open("/dev/full", "wb", buffering=0) as full:
        with pytest.raises(RunError, match="/dev/full cannot be written: No space left on device") as error:
            append(full, b"row")
        one_sentence(error)


def test_no_room_for_a_checkpoint_leaves_the_last_one(run):
    run.save(1, tensors(1), {})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))  # bytes a file may have
    try:
        with pytest.raises(RunError, match=os.strerror(errno.EFBIG)) as error:
            run.save(2, {"weights": np.zeros(1 << 20)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "000000000002" in one_sentence(error)
    assert os.listdir(run.folder / "checkpoints") == ["000000000001"]
    run.save(2, tensors(2), {})
    assert run.load().step == 2


def test_no_room_for_a_row_leaves_the_rows_before(run):
    run.log(1, {"loss": 1})
    size = (run.folder / "metrics.jsonl").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))  # so that a part of the row fits
    try:
        with pytest.raises(RunError, match=r"metrics\.jsonl cannot be written"):
            run.log(2, {"loss": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    run.log(3, {"loss": 3})
    assert [row["step"] for row in rows(run.folder)] == [1, 3]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(RunError, match=r"cannot make a run folder in .*runs/cartpole/ppo: ") as error:
        Run.create("cartpole", "ppo", {}, 0, root=tmp_path / "runs")
    one_sentence(error)
    code = """
        import os, sys
        from rlkit.run import Run, RunError
        if os.getuid() == 0:
            os.setuid(65534)  # root may write anywhere
        try:
            Run.create("cartpole", "ppo", {}, 0, root=sys.argv[1])
        except RunError as error:
            print(error)
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        message = python(code, folder).stdout
        Path(folder).chmod(0o755)
    assert message.startswith(f"cannot make a run folder in {folder}/cartpole/ppo: Permission denied; ")
    assert message.count("\n") == 1
