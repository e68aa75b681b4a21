"""Observation buffers: a plain array for a Box, a structured array whose fields are the keys for a Dict."""

from typing import Any

import numpy as np
from gymnasium import spaces

from rlkit.engine.state import record_dtype


def obs_buffer(space: spaces.Space, num_envs: int) -> np.ndarray:
    """Return a zeroed buffer [N, …] for `space`.

    Raises:
        ValueError: the space is neither a Box nor a Dict of Boxes.
    """
    if isinstance(space, spaces.Box):
        return np.zeros((num_envs, *space.shape), space.dtype)
    if isinstance(space, spaces.Dict) and all(isinstance(part, spaces.Box) for part in space.values()):
        return np.zeros(num_envs, record_dtype(*((key, part.dtype, part.shape) for key, part in space.items())))
    raise ValueError(f"the observation space {space} must be a Box or a Dict of Boxes (encode the rest as numbers)")


def as_obs(buffer: np.ndarray) -> Any:
    """Return the buffer as Gymnasium hands observations out: the array, or a dict of views."""
    names = buffer.dtype.names
    return {name: buffer[name] for name in names} if names else buffer


def copy_obs(buffer: np.ndarray) -> Any:
    """Return fresh arrays with the buffer's observations."""
    names = buffer.dtype.names
    return {name: buffer[name].copy() for name in names} if names else buffer.copy()


def obs_rows(obs: Any, where: np.ndarray | int) -> Any:
    """Return the observations of the copies `where` (indices, bool [N] or one), as they were handed out."""
    return {name: part[where] for name, part in obs.items()} if isinstance(obs, dict) else obs[where]
