"""What agents put into a checkpoint: each part as named tensors, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from rlkit.engine.batch import BatchEnv, Snapshot
from rlkit.engine.state import without_padding


def prefixed(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return `tensors` under names that begin with `prefix` and a dot."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def part(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return what `prefixed` put under `prefix`, by its own names."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer, network: nn.Module) -> dict[str, Any]:
    """Return the optimiser's state, keyed by the names of the network's parameters."""
    return {
        f"{name}/{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state[parameter].items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, network: nn.Module, tensors: Mapping[str, Any]) -> None:
    """Take back what `optimizer_tensors` gave."""
    parameters = dict(network.named_parameters())
    for full_name, value in tensors.items():
        name, key = full_name.split("/")
        optimizer.state[parameters[name]][key] = value.to(parameters[name].device)


def load_weights(network: nn.Module, weights: Mapping[str, Any]) -> None:
    """Give `network` saved weights.

    Raises:
        ValueError: they are those of a network for observations or actions of another shape.
    """
    for name, own in network.state_dict().items():
        if name in weights and weights[name].shape != own.shape:
            raise ValueError(
                "the policy was trained on observations or actions of another shape, and its kind of network cannot "
                f"change that: {name} is {list(weights[name].shape)}, and {list(own.shape)} would be needed"
            )
    network.load_state_dict(weights)


def env_tensors(env: Any) -> dict[str, np.ndarray]:
    """Return the states of a BatchEnv as bytes; nothing for other vectors, whose states cannot be had."""
    if not isinstance(env, BatchEnv):
        return {}
    snapshot = env.snapshot()
    return {
        name: without_padding(records).view(np.uint8)
        for name, records in (("states", snapshot.states), ("episodes", snapshot.episodes))
    }


def restore_env(env: Any, tensors: Mapping[str, np.ndarray], seed: int) -> tuple[Any, dict[str, Any]]:
    """Take back what `env_tensors` gave and return (obs, info); other vectors begin new episodes from `seed`.

    Raises:
        ValueError: the bytes are of other rules or another number of copies.
    """
    if not isinstance(env, BatchEnv):
        return env.reset(seed=seed)
    mine = {"states": env.states, "episodes": env.episodes}
    for name, records in mine.items():
        if tensors[name].size != records.nbytes:
            raise ValueError(f"the checkpoint's env {name} do not fit this version of {env.environment.id}")
    return env.restore(Snapshot(**{n: np.frombuffer(tensors[n].tobytes(), r.dtype) for n, r in mine.items()}))
