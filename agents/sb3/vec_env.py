"""BatchVecEnv: a `BatchEnv` as Stable-Baselines3 expects many environments."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv

from rlkit.engine.batch import BatchEnv
from rlkit.engine.observations import obs_rows
from rlkit.environment import Environment
from rlkit.learning import saving
from rlkit.registry import find_environment


class BatchVecEnv(VecEnv):
    """A `BatchEnv` as an SB3 `VecEnv`: the same episodes as a DummyVecEnv over `ScalarEnv`s of the same seeds.

    A finished copy begins anew within the step: its last observation is `infos[i]["terminal_observation"]`, and
    `infos[i]["TimeLimit.truncated"]` says whether only the time limit ended it. `infos[i]["episode"]` has the return
    `r`, the length `l` and the metrics.

    Every array handed out is a fresh one, and nothing in it changes later.

    Args:
        environment: the declaration, or its name.
        num_envs: number of copies.
        options: of `BatchEnv`, such as `level`, params and `flat_obs`.

    Raises:
        ValueError: the environment has action masks, of which SB3 knows nothing.
    """

    def __init__(self, environment: str | Environment, num_envs: int, **options: Any):
        found = find_environment(environment) if isinstance(environment, str) else environment
        if found.has_action_mask:
            raise ValueError(f"{found.name} has action masks, of which SB3 knows nothing: use --agent ppo or dqn")
        self.env = BatchEnv(found, num_envs, autoreset_mode=AutoresetMode.SAME_STEP, episode_stats=True, **options)
        self._resumed: Any = None
        super().__init__(num_envs, self.env.single_observation_space, self.env.single_action_space)

    def reset(self) -> Any:
        """Begin new episodes, of the seeds given to `seed`, if any; after `restore` go on with the old ones."""
        obs, self._resumed = self._resumed, None
        if obs is None:
            seeds = None if all(seed is None for seed in self._seeds) else self._seeds
            obs, _ = self.env.reset(seed=seeds)
        self._reset_seeds()
        self._reset_options()
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        """Note the actions of the next `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step every copy once: (obs, float32 rewards [N], whether the episode ended [N], infos)."""
        obs, rewards, terminated, truncated, info = self.env.step(self._actions)
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{"TimeLimit.truncated": False} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done).tolist():
            infos[i] = {
                "TimeLimit.truncated": bool(truncated[i] and not terminated[i]),
                "terminal_observation": obs_rows(info["final_obs"], i),
                "episode": {name: figures[i].item() for name, figures in info["episode"].items()},
            }
            if "is_success" in info:
                infos[i]["is_success"] = bool(info["is_success"][i])
        return obs, rewards.astype(np.float32), done, infos

    def restore(self, tensors: dict[str, np.ndarray]) -> None:
        """Take back the states that `rlkit.learning.saving.env_tensors` saved; the next `reset` goes on from there."""
        self._resumed, _ = saving.restore_env(self.env, tensors, seed=0)

    def close(self) -> None:
        """End the batch's threads."""
        self.env.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Return a picture of each copy."""
        return self.env.render() or [None] * self.num_envs

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Call a method of the batch, such as `compute_reward`, once for each index."""
        method = getattr(self.env, method_name)
        return [method(*args, **kwargs) for _ in self._get_indices(indices)]

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the batch, once for each index."""
        return [getattr(self.env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: copies have no attributes of their own."""
        raise ValueError(f"{attr_name!r} cannot be set: level and params are chosen where the batch is made")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Return False for each index: the copies of a batch have no wrappers."""
        return [False for _ in self._get_indices(indices)]
