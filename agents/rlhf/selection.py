"""Which pairs of clips to ask about."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from agents.rlhf.clips import Clip
from agents.rlhf.reward_model import RewardModel


def draw_pairs(clips: Sequence[Clip], count: int, rng: np.random.Generator) -> list[tuple[Clip, Clip]]:
    """Return `count` pairs of different clips, each drawn by equal chance."""
    left = rng.integers(len(clips), size=count)
    right = (left + rng.integers(1, len(clips), size=count)) % len(clips)
    return [(clips[i], clips[j]) for i, j in zip(left, right, strict=True)]


def select(
    clips: Sequence[Clip], count: int, how: Literal["random", "disagreement"], candidates: int, model: RewardModel,
    rng: np.random.Generator,
) -> list[tuple[Clip, Clip]]:  # fmt: skip
    """Return `count` pairs to ask about.

    Args:
        clips: at least two, to draw from.
        how: "random"; or "disagreement": those of `candidates` × `count` drawn pairs over which the members of the
            ensemble differ most in which clip they think is better (Christiano et al. 2017, section 2.2.4).
        model: with at least one fit for "disagreement"; without any, pairs are random.
    """
    if how == "random" or not model.num_fits:
        return draw_pairs(clips, count, rng)
    pairs = draw_pairs(clips, candidates * count, rng)
    spread = model.chances(pairs).std(axis=0)  # [candidates × count]
    return [pairs[i] for i in np.argsort(-spread, kind="stable")[:count]]
