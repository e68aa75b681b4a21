"""The parts of Stable-Baselines3's algorithms: what they are made of, and what of them goes into a checkpoint."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from agents.sb3.vec_env import BatchVecEnv
from rlkit.external import ExternalEnvironment
from rlkit.learning import saving, training

REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts", "ep_start", "ep_length")
ACTIVATIONS = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU, "silu": torch.nn.SiLU}


def check_actions(name: str, action_space: spaces.Space, *kinds: type) -> None:
    """Raise ValueError if an agent cannot choose such actions."""
    if not isinstance(action_space, kinds):
        known = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{name} needs actions of kind {known}, not {action_space}: choose another --agent")


def policy_class(algorithm: Any, observation_space: spaces.Space) -> type:
    """Return SB3's policy of an algorithm for such observations: one array, or the parts of a goal environment."""
    return algorithm.policy_aliases["MultiInputPolicy" if isinstance(observation_space, spaces.Dict) else "MlpPolicy"]


def vec_env(environment: Any, config: Any) -> VecEnv:
    """Return the copies to learn from; those of a goal environment in parts if there is to be hindsight."""
    if isinstance(environment, ExternalEnvironment):
        return make_vec_env(environment.id, config.num_envs)
    options = training.env_options(environment, config, "random")
    options["flat_obs"] = not (environment.goal_size and getattr(config, "hindsight_goals", 0))
    return BatchVecEnv(environment, config.num_envs, threads=config.threads, **options)


def schedule(value: float, kind: str) -> Callable[[float], float]:
    """Return a setting as SB3 asks for it: a function of the share of the budget that remains."""
    return lambda remaining: value * (max(0.0, remaining) if kind == "linear" else 1.0)


def network(config: Any) -> dict[str, Any]:
    """Return the settings of the perceptrons, as SB3's policies take them."""
    return {"net_arch": list(config.hidden_sizes), "activation_fn": ACTIVATIONS[config.activation]}


def replay(environment: Any, config: Any, env: VecEnv) -> dict[str, Any]:
    """Return the settings of SB3's replay: with hindsight where observations have goals."""
    settings = {"buffer_size": config.buffer_size, "learning_starts": config.learning_starts}
    space = env.observation_space
    if not (config.hindsight_goals and isinstance(space, spaces.Dict) and "desired_goal" in space.spaces):
        return settings
    whole = config.num_envs * (getattr(environment, "max_steps", None) or 0)  # hindsight needs a finished episode
    settings["learning_starts"] = max(config.learning_starts, whole)
    goals = {"n_sampled_goal": config.hindsight_goals, "goal_selection_strategy": "future"}
    return settings | {"replay_buffer_class": HerReplayBuffer, "replay_buffer_kwargs": goals}


# --- in a checkpoint ----------------------------------------------------------------------------------------------


def is_optimizer(name: str) -> bool:
    """Return whether a part of SB3's parameters is an optimiser."""
    return name.endswith("optimizer")


def part_name(name: str) -> str:
    """Return a name without dots: `policy.optimizer` must not look like a part of `policy`."""
    return name.replace(".", "_")


def optimizer_tensors(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors in the state dict of an optimiser."""
    return {f"{i}/{key}": value for i, values in state["state"].items() for key, value in values.items()}


def optimizer_state(tensors: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Return what `optimizer_tensors` took apart."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        i, key = name.split("/")
        state.setdefault(int(i), {})[key] = value
    return state


def _replay_arrays(buffer: Any) -> dict[str, np.ndarray]:
    """Return the live arrays [rows, N, …] of SB3's replay, of hindsight replay too, by name."""
    arrays: dict[str, np.ndarray] = {}
    for name in REPLAY:
        value = getattr(buffer, name, None)
        if isinstance(value, dict):
            arrays |= saving.prefixed(name, value)
        elif value is not None:
            arrays[name] = value
    return arrays


def replay_tensors(buffer: Any) -> dict[str, np.ndarray]:
    """Return the filled rows of SB3's replay."""
    rows = buffer.buffer_size if buffer.full else buffer.pos
    tensors = {name: array[:rows] for name, array in _replay_arrays(buffer).items()}
    if hasattr(buffer, "_current_ep_start"):
        tensors["_current_ep_start"] = buffer._current_ep_start
    return tensors


def restore_replay(buffer: Any, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Take back what `replay_tensors` gave."""
    for name, array in _replay_arrays(buffer).items():
        array[: len(tensors[name])] = tensors[name]
    if "_current_ep_start" in tensors:
        buffer._current_ep_start[:] = tensors["_current_ep_start"]
    buffer.pos, buffer.full = facts["replay_pos"], facts["replay_full"]
