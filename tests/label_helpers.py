"""What the tests of labelling share: stores with clips that were really lived through, without a training."""

import os
import re
import signal
import sqlite3
import subprocess
import sys

import numpy as np

from agents.rlhf.clips import ClipRecorder
from agents.rlhf.labels import About, LabelStore
from rlkit.engine.batch import BatchEnv
from rlkit.registry import find_environment


def record_clips(name, count, length=12, num_envs=8, seed=0, params=None):
    """Let random actions live, and return (About, clips)."""
    env = BatchEnv(find_environment(name), num_envs, autoreset_mode="same_step", flat_obs=True, **(params or {}))
    obs = env.reset(seed=seed)[0].reshape(num_envs, -1)
    space = env.single_action_space
    shape = () if hasattr(space, "n") else space.shape
    about = About(name, "standard", params or {}, env.states.itemsize, obs.shape[1], shape, length)
    recorder = ClipRecorder(num_envs, count, about, seed)
    env.action_space.seed(seed)
    while recorder.num_seen < count:
        recorder.begin(env.states)
        actions = env.action_space.sample()
        next_obs, rewards, terminated, truncated, _ = env.step(actions)
        recorder.note(obs, actions, rewards, terminated, truncated)
        obs = next_obs.reshape(num_envs, -1)
    return about, recorder.newest(count)


def make_store(folder, num_pairs, name="pendulum", wanted=None, **options):
    """Make `folder`/labels.sqlite with so many questions, and return its path."""
    about, clips = record_clips(name, 2 * num_pairs or 2, **options)
    path = folder / "labels.sqlite"
    with LabelStore.create(path, about, wanted or num_pairs, 100_000) as store:
        chances = list(np.linspace(0.1, 0.9, num_pairs))
        store.ask([(clips[2 * k], clips[2 * k + 1]) for k in range(num_pairs)], 1000, "first", chances)
        store.tell(step=2000)
    return path


def answers_in(path):
    """Return (question, choice, who) of every answer, in order: undone ones, and each undo, too."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT question, choice, who FROM answers ORDER BY id").fetchall()
    connection.close()
    return rows


class Server:
    """`rlkit label RUN --web` as a process of its own."""

    def __init__(self, folder, *flags, port=0):
        command = [sys.executable, "-m", "rlkit", "label", str(folder), "--web", "--port", str(port), *flags]
        self.folder = folder
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=os.environ | {"SDL_VIDEODRIVER": "dummy"},
        )  # fmt: skip
        line = self.process.stdout.readline()
        match = re.fullmatch(r"label at (http://(\S+?):(\d+)/(?:\?token=(\S+))?) \(Ctrl-C ends\)\n", line)
        assert match, line + self.process.communicate(timeout=30)[0]
        self.url, self.host, self.port, self.token = match[1], match[2], int(match[3]), match[4]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.end(signal.SIGKILL)

    def end(self, number):
        """Send a signal and return (exit code, what it still said)."""
        self.process.send_signal(number)
        said = self.process.communicate(timeout=30)[0]
        return self.process.returncode, said

    def log(self):
        return (self.folder / "label.log").read_text().splitlines()
