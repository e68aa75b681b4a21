"""A training resumed is the training that was never interrupted; the same seed gives the same weights."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rlkit.run import Run

KILLS = int(os.environ.get("RLKIT_KILLS", "3"))  # the full ten take minutes
SETTINGS = {
    "tic_tac_toe": {
        "total_steps": 49_152,
        "opponent": "pool",
        "pool_interval": 4096,
        "hidden_sizes": (32, 32),
    },
    "pendulum": {"total_steps": 49_152, "normalize_obs": True, "normalize_returns": True},
}
SCRIPT = """
import sys
from dataclasses import asdict
from agents import ppo
from rlkit.registry import find_environment
from rlkit.run import Run

name, root, resume, settings = sys.argv[1], sys.argv[2], sys.argv[3], eval(sys.argv[4])
config = ppo.Config(num_envs=16, num_steps=32, minibatch_size=256, eval_interval=8192, eval_episodes=20,
                    checkpoint_interval=4096, picture_interval=0, **settings)
run = Run.open(resume) if resume else Run.create(name, "ppo", asdict(config), 7, root=root)
print(run.folder, flush=True)
with run, run.training():
    ppo.train(find_environment(name), config, run, run.resume() if resume else None)
"""


def start(name, root, resume=""):
    """Start a training process; return it and the run folder it prints first."""
    settings = repr({"hidden_sizes": (16, 16), **SETTINGS[name]})
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, name, str(root), str(resume), settings],
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, Path(process.stdout.readline().strip())


def finish(process):
    assert process.wait(timeout=120) == 0
    process.stdout.close()


def outcome(folder):
    """Return everything that must be equal: metrics rows, tensors and facts of the last checkpoint."""
    checkpoint = Run.open(folder).load()
    tensors = {name: np.asarray(value).tobytes() for name, value in checkpoint.tensors.items()}
    return (folder / "metrics.jsonl").read_bytes(), tensors, checkpoint.facts, checkpoint.step


@pytest.mark.parametrize("name", SETTINGS)
def test_killed_and_resumed_equals_never_interrupted(name, tmp_path):
    begin = time.monotonic()
    process, reference = start(name, tmp_path)
    finish(process)
    length = time.monotonic() - begin
    expected = outcome(reference)
    assert len(json.loads(expected[0].splitlines()[0])) > 5
    chance = random.Random(0)
    kills = 0
    while kills < KILLS:
        process, folder = start(name, tmp_path)
        delay = chance.uniform(0, length)
        time.sleep(min(delay, length))
        if process.poll() is not None:
            process.stdout.close()
            continue  # it was done already: draw again
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        kills += 1
        process, _ = start(name, tmp_path, resume=folder)
        finish(process)
        assert outcome(folder) == expected, f"killed after {delay:.2f} s of {length:.2f}"


def test_same_seed_same_weights_other_seed_other_weights(tmp_path):
    from agents import ppo
    from rlkit.registry import find_environment

    def weights(seed):
        config = ppo.Config(
            total_steps=4096,
            num_envs=16,
            num_steps=32,
            minibatch_size=256,
            eval_interval=0,
            picture_interval=0,
        )
        with Run.create("cartpole", "ppo", {}, seed, root=tmp_path) as run, run.training():
            policy = ppo.train(find_environment("cartpole"), config, run)
        return b"".join(value.numpy().tobytes() for value in policy.network.state_dict().values())

    assert weights(3) == weights(3)
    assert weights(3) != weights(4)


def test_evaluation_does_not_change_what_is_learned(tmp_path):
    from agents import ppo
    from rlkit.registry import find_environment

    def last_weights(eval_interval):
        config = ppo.Config(
            total_steps=4096, num_envs=16, num_steps=32, minibatch_size=256, eval_interval=eval_interval,
            eval_episodes=10, picture_interval=0,
        )  # fmt: skip
        with Run.create("tic_tac_toe", "ppo", {}, 0, root=tmp_path) as run, run.training():
            ppo.train(find_environment("tic_tac_toe"), config, run)
        tensors = run.load().tensors
        return {name: value.numpy().tobytes() for name, value in tensors.items() if name.startswith("network.")}

    assert last_weights(0) == last_weights(1024)
