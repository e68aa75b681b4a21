"""Evaluations that a network has already made, for as long as it stays the same: positions come up again and again.

In self-play of Connect Four two of five leaves have been evaluated before in the same iteration, in Othello one of
five, in Hex one of a hundred (agents/RESULTS.md).
"""

from typing import NamedTuple

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import streams

EMPTY = -1
_MASK = 0xFFFFFFFFFFFFFFFF  # keeps plain Python's integers to 64 bits, see rlkit.engine.rng


class Cache(NamedTuple):
    """C places, each for the latest evaluation whose key falls there."""

    factors: np.ndarray  # [O] uint64, one for each number of an observation
    keys: np.ndarray  # [C] int64; EMPTY: nothing yet
    logits: np.ndarray  # [C, A] float32
    values: np.ndarray  # [C] float32


def make_cache(size: int, obs_size: int, num_actions: int) -> Cache:
    """Return an empty cache with `size` places; 0: one that never remembers."""
    return Cache(
        streams(0xCAC4E, obs_size),
        np.full(size, EMPTY, np.int64),
        np.zeros((size, num_actions), np.float32),
        np.zeros(size, np.float32),
    )


@jit
def key_of(cache, obs):
    """Return the key of an observation, at least 0: multilinear hashing (Carter and Wegman 1979) of its bits.

    Two observations of an iteration share one with a probability of about 1 in 10^9: 10^5 of them in 63 bits.
    """
    bits = obs.reshape(-1).view(np.uint32)
    key = int(cache.factors[0])
    for i in range(bits.shape[0]):
        number = int(bits[i]) & _MASK
        number ^= (number >> 23) & (_MASK >> 23)  # the low bits of 1.0 are zeros
        key = (key + number * int(cache.factors[i])) & _MASK
    return key & (_MASK >> 1)  # fits a signed number


@jit
def recall(cache, key):
    """Return the place of the evaluation with this key, or −1."""
    if cache.keys.shape[0] == 0:
        return -1
    place = key % cache.keys.shape[0]
    return place if cache.keys[place] == key else -1


@jit
def remember(cache, key, logits, value):
    """Keep an evaluation, `logits` [A] and `value`, in the place of an earlier one."""
    if cache.keys.shape[0] > 0:
        place = key % cache.keys.shape[0]
        cache.keys[place] = key
        cache.logits[place] = logits
        cache.values[place] = value
