"""Runs that are stopped, killed at any moment, or short of room: nothing is lost that was saved."""

import errno
import json
import os
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
from rlkit.run import Run, RunError


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


# Killed anywhere -------------------------------------------------------------------------------------------

KILLER = """
    import os, signal, sys, traceback
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
        rows = (folder / "metrics.jsonl").read_bytes()
        return rows, final.step, final.tensors["weights"].tobytes(), final.facts

    def fork(work):
        child = os.fork()
        if child == 0:
            try:
                work()
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
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
        code = killed_at(number, run.folder)
        if code == 0:  # it makes fewer changes than that
            break
        kills += 1
        again = killed_at(number // 2, run.folder)  # the resumed one is killed too, if it lives that long
        assert code == -signal.SIGKILL and again in (0, -signal.SIGKILL), number
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
    with pytest.raises(RunError, match=r"cannot make a run below the folder .*runs/cartpole/ppo: ") as error:
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
    assert message.startswith(f"cannot make a run below the folder {folder}/cartpole/ppo: Permission denied; ")
    assert message.count("\n") == 1
