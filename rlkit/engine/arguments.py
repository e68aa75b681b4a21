"""What `BatchEnv` is called with: checked, and put into one form."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode


def autoreset_mode_of(mode: AutoresetMode | str) -> AutoresetMode:
    """Return the mode, also of its name or value in any spelling: "next_step", "NEXT_STEP", "NextStep"."""
    for known in AutoresetMode:
        if mode is known or (isinstance(mode, str) and mode.lower().replace("_", "") == known.value.lower()):
            return known
    raise ValueError(f"autoreset_mode={mode!r} must be 'next_step', 'same_step' or 'disabled'")


def check_choices(num_envs: int, threads: int, illegal_actions: str, render_mode: str | None) -> None:
    """Raise ValueError if one of them is none that there is."""
    if num_envs < 1:
        raise ValueError(f"num_envs={num_envs} must be at least 1")
    if threads < 1:
        raise ValueError(f"threads={threads} must be at least 1")
    if illegal_actions not in ("lose", "raise"):
        raise ValueError(f"illegal_actions={illegal_actions!r} must be 'lose' or 'raise'")
    if render_mode not in (None, "rgb_array"):
        raise ValueError(f"render_mode={render_mode!r} must be None or 'rgb_array'; to watch live use `rlkit watch`")


def reset_mask_of(options: dict[str, Any] | None, num_envs: int) -> np.ndarray:
    """Return which copies `reset(options=…)` means [N]: all, or those of its "reset_mask"."""
    if not options or "reset_mask" not in options:
        return np.ones(num_envs, np.bool_)
    where = options["reset_mask"]
    if not isinstance(where, np.ndarray) or where.dtype != np.bool_ or where.shape != (num_envs,) or not where.any():
        raise ValueError(f"options['reset_mask'] must be a bool array of shape ({num_envs},) with a True in it")
    return where.copy()  # contiguous and writable: of the type that is compiled


def seeds_of(seed: int | Sequence[int | None] | None, num_envs: int, is_first: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (seeds [N] uint64, which copies to seed [N] bool); at the first reset those without one get entropy."""
    entropy = np.random.SeedSequence().generate_state(num_envs, np.uint64)
    if seed is None:
        return entropy, np.full(num_envs, is_first)
    if isinstance(seed, (int, np.integer)):
        seed = [int(seed) + i for i in range(num_envs)]
    if not hasattr(seed, "__len__"):
        raise ValueError(f"seed {seed!r} must be a whole number, or a list with one for each copy")
    if len(seed) != num_envs:
        raise ValueError(f"{len(seed)} seeds were given for {num_envs} copies")
    for number in seed:
        if number is not None and not (isinstance(number, (int, np.integer)) and 0 <= number < 2**64):
            raise ValueError(f"seed {number!r} must be a whole number, at least 0 and below 2**64")
    given = np.array([number is not None for number in seed])
    seeds = [random if number is None else number for number, random in zip(seed, entropy, strict=True)]
    return np.array(seeds, np.uint64), given | is_first
