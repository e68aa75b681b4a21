"""Pictures of clips: each is lived through again, from the bytes of its first state, and drawn."""

import math
import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium import spaces

from agents.rlhf.clips import Clip
from agents.rlhf.labels import About, LabelError

if TYPE_CHECKING:
    from rlkit.environment import Environment

WIDTH = 360  # pixels
HOLD_SECONDS = 0.5  # that the last frame stays, so that the loop's end is seen
MAX_RATE = 25.0  # frames per second; steps in between are not drawn
MAX_FRAMES = 120
CACHE_BYTES = 48 << 20


class Film(NamedTuple):
    """What a clip looks like."""

    frames: list[np.ndarray]  # each uint8 [H, W, 3]
    rate: float  # frames per second at normal speed
    is_end: bool  # the episode terminates with the last frame


class Pictures:
    """Draws the clips of one label file, and keeps the newest animations in memory.

    One copy of the environment lives through the clips one after the other; several threads may ask, and wait for each
    other.

    Args:
        about: what the clips are clips of.
        environment: that environment, where it is not one of rlkit's: a file may not name code to import.
        width: of the pictures, pixels.

    Raises:
        LabelError: the environment is unknown or cannot be set to a state, or the clips are not of it as it is now.
        MissingExtraError: MuJoCo is not installed, and it needs that.
    """

    def __init__(self, about: About, environment: "Environment | None" = None, width: int = WIDTH):
        self.environment = environment or _environment_of(about)
        if environment is not None and environment.name != about.environment:
            raise LabelError(f"the clips are of {about.environment!r:.80}, not of {environment.name!r}")
        self._width = width
        self._env = _one_copy(self.environment, about)
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures, pixels."""
        from rlkit.viewing.canvas import picture_size

        width, height = picture_size(self.environment)
        return self._width, max(1, round(height * self._width / width))

    def film(self, clip: Clip) -> Film:
        """Return what a clip looks like: first state, and the state after every action.

        Raises:
            LabelError: it cannot be lived through.
        """
        with self._lock:
            return self._film(clip)

    def animation(self, number: int, clip: Clip) -> bytes:
        """Return the looping GIF of clip `number` at normal speed; its last frame stays for `HOLD_SECONDS` more.

        Raises:
            LabelError: the clip cannot be lived through.
        """
        from rlkit.viewing.recorder import gif_bytes

        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
            film = self._film(clip)
            animation = self._kept[number] = gif_bytes(film.frames, film.rate, HOLD_SECONDS)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > CACHE_BYTES:
                self._kept.popitem(last=False)
            return animation

    def _film(self, clip: Clip) -> Film:
        every = _steps_per_frame(self.environment.frame_seconds, clip.length)
        terminated = False
        try:
            self._go_to(clip.start)
            frames = [self._draw(0.0)]
            for step, action in enumerate(clip.actions, 1):
                _, _, ended, truncated, _ = self._env.step(self._legal(action)[None])
                terminated = bool(ended[0])
                is_last = terminated or bool(truncated[0]) or step == clip.length
                if is_last or step % every == 0:
                    frames.append(self._draw(step / clip.length, terminated))
                if is_last:
                    break
        except (ValueError, ArithmeticError, IndexError) as error:
            raise LabelError(f"a clip of {self.environment.name} cannot be drawn: {error}") from None
        return Film(frames, 1 / (every * self.environment.frame_seconds), terminated)

    def _go_to(self, start: bytes) -> None:
        from rlkit.engine.batch import Snapshot

        env = self._env
        state = np.frombuffer(bytearray(start), np.uint8).view(env.states.dtype)
        env.restore(Snapshot(state, np.zeros_like(env.episodes)))

    def _legal(self, action: np.ndarray) -> np.ndarray:
        """Return an action as the environment takes it: what a policy sampled may lie outside the bounds."""
        space = self._env.single_action_space
        if isinstance(space, spaces.Box):
            action = np.clip(np.nan_to_num(action), space.low, space.high)
        return np.asarray(action).astype(space.dtype)

    def _draw(self, share: float, is_end: bool = False) -> np.ndarray:
        """Draw where the copy is, and below it the `share` of the clip that is over."""
        from rlkit.engine.variation import base_states
        from rlkit.viewing.canvas import LINE, RED, TEXT, Canvas, draw_picture, mix, picture_size

        width, height = size = picture_size(self.environment)
        scale = self._width / width
        canvas = Canvas(size, scale)
        state = base_states(self._env.environment, self._env.states)[0]
        draw_picture(self.environment, state, self._env.params_of(0), canvas)
        thick = 4 / scale
        canvas.rect(0, height - thick, width * share, thick, mix(LINE, TEXT, 0.35))
        if is_end:
            canvas.rect(0, 0, width, height, RED, outline=thick)
            canvas.rect(0, 0, 82 / scale, 26 / scale, RED)
            canvas.text("ends here", 41 / scale, 13 / scale, 18 / scale, TEXT, "center")
        return canvas.to_array()


def _steps_per_frame(step_seconds: float, length: int) -> int:
    """Return how many steps a frame lasts, so that there are neither too many a second nor too many in all."""
    return max(1, math.ceil(1 / (MAX_RATE * step_seconds) - 1e-9), math.ceil(length / MAX_FRAMES))


def _environment_of(about: About) -> Any:
    from rlkit.registry import UnknownNameError, resolve

    try:
        return resolve(about.environment, trusted=False)
    except UnknownNameError as error:
        raise LabelError(f"the clips' environment is not one of rlkit's: {error}; add --env PATH, its folder") from None


def _one_copy(environment: Any, about: About) -> Any:
    from rlkit.engine.batch import BatchEnv
    from rlkit.engine.state import param_names
    from rlkit.engine.variation import DISTURBANCES

    if not hasattr(environment, "rules"):
        raise LabelError(f"clips of {environment.name} cannot be drawn: Gymnasium's environments have no states")
    # Other keywords of BatchEnv, such as an opponent to load, are not a file's to set.
    strange = set(about.params) - {*param_names(environment.base_rules.PARAMS), *DISTURBANCES}
    if strange:
        raise LabelError(f"the clips were made under {min(strange)!r}, which {environment.name} does not have")
    if environment.num_players != 1:
        raise LabelError(f"clips of {environment.name} cannot be drawn: the other player's moves are not in them")
    params: dict[str, Any] = {**about.params}
    # Where a clip is cut is the recorder's business, not the time limit's.
    endless = replace(environment, max_steps=None)
    try:
        env = BatchEnv(endless, 1, level=about.level, flat_obs=True, **params)
    except (ValueError, TypeError) as error:
        raise LabelError(f"{environment.name} cannot be as it was when the clips were made: {error}") from None
    shape = () if isinstance(env.single_action_space, spaces.Discrete) else env.single_action_space.shape
    if env.states.dtype.itemsize != about.state_size or shape != about.action_shape:
        raise LabelError(f"the clips are of another {environment.name}: its state or its actions have changed since")
    return env
