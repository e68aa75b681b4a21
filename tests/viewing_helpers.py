"""What the tests of rlkit.viewing share: small policies, sessions, and readers of recordings."""

import itertools
import re
import subprocess

import imageio_ffmpeg
import numpy as np
from PIL import Image

from rlkit.engine.scalar import ScalarEnv
from rlkit.registry import find_environment
from rlkit.viewing import panel
from rlkit.viewing.canvas import TEXT, Canvas
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
        weights = self.weights if action_mask is None else self.weights * action_mask
        return np.broadcast_to(weights, (len(obs), len(self.weights))).argmax(axis=1)


class Searcher:
    """Looks like a search: it shares its simulations by fixed weights, and notes the games it was asked about."""

    name = "searcher"

    def __init__(self, weights, num_simulations=64, value=0.25):
        self.weights, self.num_simulations, self.value = np.asarray(weights, float), num_simulations, value
        self.asked = []

    def with_simulations(self, num_simulations):
        return Searcher(self.weights, num_simulations, self.value)

    def inspect_in(self, situation):
        self.asked.append(situation.actions and list(situation.actions[0]))
        weights = self.weights * situation.action_mask[0]
        return {
            "probabilities": np.full(len(weights), 1 / len(weights)),
            "visits": weights / weights.sum(),
            "value": self.value,
            "line": np.argsort(-weights)[:3],
            "num_simulations": self.num_simulations,
        }

    def act_in(self, situation, deterministic=True):
        raise AssertionError("it would search a second time")


class Engine:
    """Like an engine over GTP it needs the moves, takes its time and says nothing; it plays beside the last move."""

    name = "engine"

    def act_in(self, situation, deterministic=True):
        (actions,), (mask,) = situation.actions, situation.action_mask
        return np.array([next(cell for cell in range(actions[-1] if actions else 0, 99) if mask[cell % len(mask)])])


class Torque:
    """A continuous policy; what it does not know is None."""

    def inspect(self, obs, action_mask=None):
        return {"probabilities": None, "value": -3.5}

    def act(self, obs, action_mask=None, deterministic=True):
        return np.full((len(obs), 1), 1.5, np.float32)


class SpyCanvas(Canvas):
    """Notes every text and the box it takes."""

    def __init__(self, size):
        super().__init__(size)
        self.boxes = []
        self.lines = []

    def line(self, points, color, width=2):
        self.lines.append(list(points))
        super().line(self.lines[-1], color, width)

    def text(self, text, x, y, size=18, color=TEXT, align="left", width=None):
        taken = min(self.text_width(text, size), width or 1e9)
        left = x - {"left": 0.0, "center": 0.5, "right": 1.0}[align] * taken
        self.boxes.append((text, left, y - 0.35 * size, left + taken, y + 0.35 * size))
        super().text(text, x, y, size, color, align, width)


def words_of(session):
    """Everything the panel says; no text may lie over another or reach outside."""
    canvas = SpyCanvas(panel.window_size(session.environment))
    panel.draw_window(session, canvas)
    width, height = canvas.size
    for text, left, top, right, bottom in canvas.boxes:
        assert left >= 0, text
        assert top >= 0, text
        assert right <= width, text
        assert bottom <= height, text
    for one, other in itertools.combinations(canvas.boxes, 2):
        apart = one[3] <= other[1] or other[3] <= one[1] or one[4] <= other[2] or other[4] <= one[2]
        assert apart, (one, other)
    return [box[0] for box in canvas.boxes]


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
