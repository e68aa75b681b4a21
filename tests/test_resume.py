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
PPO = {
    "num_envs": 16, "num_steps": 32, "minibatch_size": 256, "eval_interval": 8192, "eval_episodes": 20,
    "checkpoint_interval": 4096, "picture_interval": 0, "total_steps": 49_152, "hidden_sizes": (16, 16),
}  # fmt: skip
ALPHAZERO = {
    "num_games": 16, "num_simulations": 16, "num_fast_simulations": 4, "size": 16, "num_blocks": 1, "head_size": 8,
    "iteration_samples": 256, "window_size": 1000, "minibatch_size": 128, "eval_interval": 1000,
    "checkpoint_interval": 500, "total_steps": 4000,
}  # fmt: skip
DQN = {
    "num_envs": 4, "train_frequency": 8, "gradient_steps": 4, "minibatch_size": 32, "learning_starts": 500,
    "hidden_sizes": (16, 16), "eval_interval": 4000, "eval_episodes": 20, "checkpoint_interval": 2000,
    "picture_interval": 0, "total_steps": 16_000, "buffer_size": 5_000,
}  # fmt: skip
TRAININGS = {  # environment and agent → settings; AlphaZero with a thread that learns, one that plays, and more chance
    ("tic_tac_toe", "ppo"): PPO | {"opponent": "pool", "pool_interval": 4096, "hidden_sizes": (32, 32)},
    ("pendulum", "ppo"): PPO | {"normalize_obs": True, "normalize_returns": True, "normalize_values": True},
    ("cartpole", "dqn"): DQN | {"n_step": 3, "prioritized": True, "dueling": True, "target_update_rate": 0.5},
    ("tic_tac_toe", "dqn"): DQN | {"n_step": 2, "learning_rate_schedule": "linear"},
    ("tic_tac_toe", "alphazero"): ALPHAZERO | {"strategy": "puct", "num_sampled_plies": 4},
}
SCRIPT = """
import sys
from dataclasses import asdict
from rlkit.registry import find_agent, find_environment
from rlkit.run import Run

name, agent_name, root, resume, settings = *sys.argv[1:5], eval(sys.argv[5])
agent = find_agent(agent_name)
config = agent.Config(**settings)
run = Run.open(resume) if resume else Run.create(name, agent_name, asdict(config), 7, root=root)
print(run.folder, flush=True)
with run, run.training():
    agent.train(find_environment(name), config, run, run.resume() if resume else None)
"""


def start(training, root, resume=""):
    """Start a training process; return it and the run folder it prints first."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *training, str(root), str(resume), repr(TRAININGS[training])],
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


@pytest.mark.parametrize("training", TRAININGS, ids=" ".join)
def test_killed_and_resumed_equals_never_interrupted(training, tmp_path):
    begin = time.monotonic()
    process, reference = start(training, tmp_path)
    finish(process)
    length = time.monotonic() - begin
    expected = outcome(reference)
    assert len(json.loads(expected[0].splitlines()[-1])) > 5
    chance = random.Random(0)
    kills = KILLS if training[1] == "ppo" else KILLS // 3  # the others' are slow to start
    while kills > 0:
        process, folder = start(training, tmp_path)
        delay = chance.uniform(0, length)
        time.sleep(min(delay, length))
        if process.poll() is not None:
            process.stdout.close()
            continue  # it was done already: draw again
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        kills -= 1
        process, _ = start(training, tmp_path, resume=folder)
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
