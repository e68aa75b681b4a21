"""Advantages and returns."""

import numpy as np


def generalized_advantages(
    rewards: np.ndarray,
    values: np.ndarray,
    next_values: np.ndarray,
    is_last: np.ndarray,
    gamma: float,
    gae_lambda: float,
    same_side: np.ndarray | None = None,
) -> np.ndarray:
    """Return generalised advantage estimates, float32 [T, N] (Schulman et al. 2016, equation 16).

    Args:
        rewards: [T, N], of the side that moved.
        values: [T, N], of the observation acted on, for the side to move.
        next_values: [T, N], of the next observation, for the side to move then: 0 after termination, the last
            observation's value after truncation.
        is_last: bool [T, N], whether the episode ended with this step, by termination or truncation.
        gamma: discount a step.
        gae_lambda: λ.
        same_side: two-player self-play: [T, N], +1 where the side to move stays the same and −1 where it
            changes, so that the next value and the accumulated advantage are the other side's loss.
    """
    sides = np.ones_like(rewards) if same_side is None else same_side
    deltas = rewards + gamma * sides * next_values - values  # [T, N]
    carry = gamma * gae_lambda * sides * ~is_last  # [T, N]
    advantages = np.empty(rewards.shape, np.float32)
    running = np.zeros(rewards.shape[1], np.float32)
    for t in range(rewards.shape[0] - 1, -1, -1):
        running = deltas[t] + carry[t] * running
        advantages[t] = running
    return advantages
