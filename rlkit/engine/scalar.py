"""ScalarEnv: a declaration as a gymnasium.Env: a batch of one."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from rlkit.engine.batch import BatchEnv, Snapshot
from rlkit.engine.variation import base_states
from rlkit.environment import Environment


class ScalarEnv(gymnasium.Env):
    """One copy of an environment. Arguments, infos and errors as for `BatchEnv`, without the batch axis.

    `ScalarEnv.reset(seed=s)` and then plain resets give the episodes of the copy that a batch seeds with s.
    """

    def __init__(self, environment: Environment, *, render_mode: str | None = None, **options: Any):
        self._batch = BatchEnv(
            environment, 1, autoreset_mode=AutoresetMode.DISABLED, render_mode=render_mode, **options
        )
        self.environment = self._batch.environment
        self.render_mode = render_mode
        if environment.goal_size:  # Stable-Baselines3 takes whatever has it for a goal environment
            self.compute_reward = self._batch.compute_reward
        self.metadata = {key: value for key, value in self._batch.metadata.items() if key != "autoreset_mode"}
        self.observation_space = self._batch.single_observation_space
        self.action_space = self._batch.single_action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; with `seed` from that seed, otherwise going on with the copy's stream."""
        super().reset(seed=seed)
        obs, info = self._batch.reset(seed=None if seed is None else [seed])
        return _first(obs), _single_info(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step once: (obs, reward, terminated, truncated, info).

        Raises:
            ValueError: the action is outside the space.
            ResetNeeded: the episode has ended or not begun.
        """
        obs, reward, terminated, truncated, info = self._batch.step(np.asarray(action)[None])
        return _first(obs), float(reward[0]), bool(terminated[0]), bool(truncated[0]), _single_info(info)

    def render(self) -> np.ndarray | None:
        """Return the picture, uint8 [H, W, 3], under `render_mode="rgb_array"`."""
        frames = self._batch.render()
        return frames[0] if frames else None

    @property
    def state(self) -> np.record:
        """The live state record; where a level draws or disturbs, a copy as the environment's own rules have it."""
        return base_states(self.environment, self._batch.states)[0]

    @property
    def params(self) -> np.record:
        """The params record of the episode."""
        return self._batch.params_of(0)

    @property
    def nominal_params(self) -> np.record:
        """The params record before a level draws its own."""
        return self._batch.nominal_params[0]

    def snapshot(self) -> Snapshot:
        """Return a copy of all that decides the future."""
        return self._batch.snapshot()

    def restore(self, snapshot: Snapshot) -> tuple[Any, dict[str, Any]]:
        """Go back to a snapshot and return (obs, info) there."""
        obs, info = self._batch.restore(snapshot)
        return _first(obs), _single_info(info)


def _first(obs: Any) -> Any:
    return {name: part[0] for name, part in obs.items()} if isinstance(obs, dict) else obs[0]


def _single_info(info: dict[str, Any]) -> dict[str, Any]:
    """Drop the batch axis and Gymnasium's `_name` companions, which say for which copies an entry holds."""
    single: dict[str, Any] = {}
    for name, value in info.items():
        if name.startswith("_") or ("_" + name in info and not info["_" + name][0]):
            continue
        single[name] = {key: part[0] for key, part in value.items()} if isinstance(value, dict) else value[0]
    return single
