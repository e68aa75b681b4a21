"""What trainings have in common around their algorithms: where they take place, and what they tell."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from rlkit.engine.variation import varied
from rlkit.learning.actor_critic import ActorCritic, flat_obs, flat_obs_shape
from rlkit.learning.policy import add_axis
from rlkit.registry import make_batch

ConfigT = TypeVar("ConfigT")


def config_of(kind: type[ConfigT], settings: Mapping[str, Any]) -> ConfigT:
    """Return the Config, of an agent's class, that a run folder's JSON describes, in which tuples have become lists.

    Raises:
        KeyError, TypeError, ValueError: these are not its settings.
    """
    tuples = {field.name for field in fields(kind) if isinstance(field.default, tuple)}  # type: ignore[arg-type]
    return kind(**{**settings, **{name: tuple(settings[name]) for name in tuples}})


def check_at_least_one(config: Any, *names: str) -> None:
    """Raise ValueError if one of a config's numbers is below 1."""
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(f"{name}={getattr(config, name)} must be at least 1")


def check_device(device: str) -> None:
    """Raise ValueError if this machine has no such device."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device={device} is not available here; use device=cpu")


def check_unvaried(environment: Any, config: Any) -> None:
    """Raise ValueError if params are drawn, or something is delayed or noisy: a search goes by plain rules."""
    if varied(environment, environment.preset(config.level, **config.params))[0] is not environment:
        raise ValueError(
            f"a search knows no drawn params, delays or noise, which level={config.level} has; use --agent ppo"
        )


def env_options(environment: Any, config: Any, opponent: Any) -> dict[str, Any]:
    """Return the options of `BatchEnv` in a config; `opponent` is that of games of two."""
    options: dict[str, Any] = {"level": config.level, "flat_obs": True, **config.params}
    return options | {"opponent": opponent} if environment.num_players == 2 else options


def spaces_under(environment: Any, config: Any, params: np.record | None) -> tuple[spaces.Space, spaces.Space]:
    """Return (observation space, action space) under `params`; None: under those of the config."""
    if params is not None:
        return environment.spaces(params)
    options = env_options(environment, config, "self")
    env = make_batch(environment, 1, autoreset_mode=AutoresetMode.SAME_STEP, **options)
    env.close()
    return env.single_observation_space, env.single_action_space


def actor_critic(observation_space: spaces.Space, action_space: spaces.Space, config: Any) -> ActorCritic:
    """Return a new network as a config describes it, on its device."""
    own = {
        name: getattr(config, name)
        for name in ("initial_log_std", "learn_std", "normalize_values")
        if hasattr(config, name)
    }
    return ActorCritic(
        flat_obs_shape(observation_space), action_space, kind=config.network, hidden_sizes=config.hidden_sizes,
        activation=config.activation, channels=config.channels, kernel_size=config.kernel_size,
        num_layers=config.num_layers, **own,
    ).to(config.device)  # fmt: skip


def crosses(total_steps: int, size: int, interval: int) -> bool:
    """Return whether the last `size` of `total_steps` passed a multiple of `interval` (0: never)."""
    return interval > 0 and total_steps // interval > (total_steps - size) // interval


def note_episodes(episodes: dict[str, list[np.ndarray]], info: Mapping[str, Any]) -> None:
    """Add the figures of the episodes that ended with a step, by name, to `episodes`."""
    if "episode" in info:
        for name, figures in info["episode"].items():
            episodes.setdefault(name, []).append(figures[info["_episode"]])


def episode_figures(episodes: Mapping[str, list[np.ndarray]]) -> dict[str, float]:
    """Return the means of the noted episodes' figures, by their names in the log."""
    names = {"r": "episode_return", "l": "episode_length"}
    return {
        f"rollout/{names.get(name, name)}": float(np.concatenate(figures).mean())
        for name, figures in episodes.items()
        if name != "t"  # Gymnasium's wall-clock time
    }


def last_of_episodes(obs: Any, info: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the last observations and masks [N, …] of the episodes that ended with a step, of which `info` is."""
    finals = info["final_obs"]
    if isinstance(finals, np.ndarray) and finals.dtype == object:  # as Gymnasium's own vectors give them
        rows = np.flatnonzero(info["_final_obs"])
        finals = np.array(flat_obs(obs))
        for row in rows:
            finals[row] = flat_obs(add_axis(info["final_obs"][row]))[0]
    return flat_obs(finals), info["final_info"].get("action_mask")
