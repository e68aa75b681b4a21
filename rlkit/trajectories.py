"""Episodes of legal random actions, and where two of them first differ, in bits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from rlkit.engine.batch import BatchEnv
from rlkit.engine.turns import sample

Seen = dict[str, np.ndarray]  # what episodes showed: name → [T, N, …]


def random_actions(space: spaces.Space, uniforms: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Return a legal action a copy, made of its numbers in [0, 1): `uniforms` [N, D]."""
    if isinstance(space, spaces.Discrete):
        weights = np.ones((len(uniforms), int(space.n))) if mask is None else mask.astype(np.float64)
        return sample(weights, uniforms[:, 0])
    rows = uniforms.reshape(-1, *(space.shape or ()))
    if isinstance(space, spaces.Box):
        low, high = np.maximum(space.low, -10.0), np.minimum(space.high, 10.0)
        return np.clip(low + rows * (high - low), space.low, space.high).astype(space.dtype)
    if isinstance(space, spaces.MultiDiscrete):
        return space.start + np.floor(rows * space.nvec).astype(np.int64)
    return (rows < 0.5).astype(np.int8)


def make_uniforms(env: Any, num_steps: int, seed: int) -> np.ndarray:
    """Return numbers in [0, 1) [T, N, D] for `random_actions`; copy i's depend on the seed and i only."""
    size = int(np.prod(env.single_action_space.shape or ()))
    streams = [np.random.default_rng([seed, i]).random((num_steps, size)) for i in range(env.num_envs)]
    return np.stack(streams, axis=1)


def play(env: Any, num_steps: int, seed: int = 0, begin: bool = True) -> Seen:
    """Play a vector environment with legal random actions and return all it showed, T = `num_steps` + 1 rows.

    Finished copies are reset by hand under DISABLED. With `begin=False` it goes on from the present states.
    """
    obs, info = env.reset(seed=seed) if begin else env.restore(env.snapshot())
    nothing = np.zeros(env.num_envs)
    seen = [_row(env, obs, nothing, nothing > 0, nothing > 0, info)]
    mask = info.get("action_mask")
    for uniforms in make_uniforms(env, num_steps, seed):
        actions = random_actions(env.single_action_space, uniforms, mask)
        obs, rewards, terminated, truncated, info = env.step(actions)
        seen.append(_row(env, obs, rewards, terminated, truncated, info))
        mask, done = info.get("action_mask"), terminated | truncated
        if env.metadata["autoreset_mode"] is AutoresetMode.DISABLED and done.any():
            obs, info = env.reset(options={"reset_mask": done})
            seen[-1].update(obs_parts("reset_obs", obs))
            if mask is not None:
                mask = np.where(done[:, None], info["action_mask"], mask)
    shapes = {name: array for row in seen for name, array in row.items()}
    return {name: np.stack([row.get(name, np.zeros_like(shapes[name])) for row in seen]) for name in shapes}


def obs_parts(name: str, obs: Any, copy: bool = True) -> Seen:
    """Return the arrays of an observation, one for each part of it."""
    parts = {f"{name}.{key}": part for key, part in obs.items()} if isinstance(obs, dict) else {name: obs}
    return {key: np.array(part) if copy else part for key, part in parts.items()}


def _row(env: Any, obs: Any, rewards: Any, terminated: Any, truncated: Any, info: dict) -> Seen:
    row = {"reward": np.array(rewards), "terminated": np.array(terminated), "truncated": np.array(truncated)}
    row |= obs_parts("obs", obs)
    for name in ("action_mask", "player"):
        if name in info:
            row[name] = np.array(info[name], np.int64)
    if "final_obs" in info and isinstance(env.single_observation_space, spaces.Box):
        ended = info["_final_obs"]
        row["final_obs"] = np.zeros_like(obs)
        row["final_obs"][ended] = np.stack(list(info["final_obs"][ended]))
    if isinstance(env, BatchEnv):
        row |= {f"state.{name}": np.array(env.states[name]) for name in env.states.dtype.names or ()}
    return row


def first_difference(left: Mapping[str, np.ndarray], right: Mapping[str, np.ndarray]) -> str | None:
    """Return where `right` first differs from `left` in what both saw, in bits; None where it does not."""
    found = []
    for name in sorted(left.keys() & right.keys()):
        one, other = left[name], right[name]
        if one.dtype != other.dtype or one.shape != other.shape:
            return f"{name} is {one.dtype}{one.shape} and {other.dtype}{other.shape}"
        bits = [np.ascontiguousarray(array)[..., None].view(np.uint8) for array in (one, other)]
        differs = (bits[0] != bits[1]).reshape(*one.shape[:2], -1).any(axis=2)
        if differs.any():
            step, copy = (int(k) for k in np.argwhere(differs)[0])
            values = f"{one[step, copy]} and {other[step, copy]}"
            found.append((step, f"{name} differs at step {step} of copy {copy}: {values}"))
    return min(found)[1] if found else None
