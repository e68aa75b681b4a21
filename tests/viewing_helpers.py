"""What the tests of rlkit.viewing share: small policies, sessions, and readers of recordings."""

import itertools
import re
import subprocess

import imageio_ffmpeg
import numpy as np
from PIL import Image

from rlkit.engine.scalar import ScalarEnv
from rlkit.registry import find_environment
from rlkit.viewing.session import Session

ALL = ("cartpole", "pendulum", "tic_tac_toe", "connect_four", "hex", "gomoku")


class Chooser:
    """A policy with fixed preferences among the legal actions."""

    name = "chooser"

    def __init__(self, weights, value=0.25):
        self.weights, self.value = np.asarray(weights, float), value

    def inspect(self, obs, action_mask=None):
        weights = self.weights if action_mask is None else self.weights * action_mask
        return {"probabilities": weights / weights.sum(), "value": self.value}

    def act(self, obs, action_mask=None, deterministic=True):
        return int(self.inspect(obs, action_mask)["probabilities"].argmax())


class Torque:
    """A continuous policy; what it does not know is None."""

    def inspect(self, obs, action_mask=None):
        return {"probabilities": None, "value": -3.5}

    def act(self, obs, action_mask=None, deterministic=True):
        return np.array([1.5], np.float32)


def session_of(name, *seats, **options):
    """A session with these seats in order of players (random where there are none)."""
    environment = find_environment(name)
    players = (1, -1) if environment.num_players == 2 else (1,)
    self_play = {"opponent": "self"} if environment.num_players == 2 else {}
    env = ScalarEnv(environment, episode_stats=True, **self_play)
    filled = dict(itertools.zip_longest(players, seats))
    return Session(environment, env, filled, **options)


def states_along(session, count):
    states = []
    for _ in range(count):
        states.append(session.env.snapshot().states)
        session.step()
    return states


def share_of(frame, color):
    return (frame == color).all(axis=2)


def read_mp4(path):
    """What ffmpeg says of the video stream, its (width, height), and the frames, each uint8 [H, W, 3]."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    decoded = subprocess.run(command, capture_output=True, check=True)
    facts = re.search(r"Video: .*", decoded.stderr.decode())[0]
    width, height = (int(side) for side in re.search(r" (\d\d+)x(\d+)", facts).groups())
    return facts, (width, height), np.frombuffer(decoded.stdout, np.uint8).reshape(-1, height, width, 3)


def read_gif(source):
    """The frames of a GIF, uint8 [T, H, W, 3], and how long each lasts in ms."""
    frames, durations = [], []
    with Image.open(source) as image:
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB")))
            durations.append(image.info["duration"])
    return np.array(frames), durations
