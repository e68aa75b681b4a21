"""Advantages against slow textbook loops."""

import numpy as np
import pytest

from rlkit.learning.returns import generalized_advantages


def _slow_advantage(t, i, rewards, values, next_values, is_last, gamma, gae_lambda, sides):
    """Equation 16 of Schulman et al. 2016 by recursion, the other side's gain being our loss."""
    delta = rewards[t, i] + gamma * sides[t, i] * next_values[t, i] - values[t, i]
    if t + 1 == rewards.shape[0] or is_last[t, i]:
        return delta
    rest = _slow_advantage(t + 1, i, rewards, values, next_values, is_last, gamma, gae_lambda, sides)
    return delta + gamma * gae_lambda * sides[t, i] * rest


@pytest.mark.parametrize("two_players", [False, True])
def test_advantages_equal_the_textbook_recursion(two_players):
    rng = np.random.default_rng(0)
    shape = (17, 5)
    rewards, values, next_values = (rng.normal(size=shape).astype(np.float32) for _ in range(3))
    is_last = rng.random(shape) < 0.2
    sides = rng.choice([-1.0, 1.0], shape).astype(np.float32) if two_players else np.ones(shape, np.float32)
    advantages = generalized_advantages(
        rewards, values, next_values, is_last, 0.97, 0.9, sides if two_players else None
    )
    for t in range(shape[0]):
        for i in range(shape[1]):
            slow = _slow_advantage(t, i, rewards, values, next_values, is_last, 0.97, 0.9, sides)
            assert advantages[t, i] == pytest.approx(slow, abs=1e-4)


def test_lambda_one_gives_discounted_returns_less_values():
    rewards = np.array([[0.0], [0.0], [1.0]], np.float32)
    values = np.array([[0.5], [0.25], [0.75]], np.float32)
    next_values = np.array([[0.25], [0.75], [0.0]], np.float32)
    is_last = np.array([[False], [False], [True]])
    advantages = generalized_advantages(rewards, values, next_values, is_last, 0.9, 1.0)
    np.testing.assert_allclose(advantages[:, 0], [0.81 - 0.5, 0.9 - 0.25, 1.0 - 0.75], rtol=1e-6)


def test_a_win_is_credited_to_the_winner_and_debited_to_the_loser():
    """Four plies, sides alternating, the last wins: seen by a slow loop over pairs of plies of one side."""
    gamma = 0.9
    rewards = np.array([[0.0], [0.0], [0.0], [1.0]], np.float32)
    values = np.zeros((4, 1), np.float32)
    is_last = np.array([[False], [False], [False], [True]])
    sides = np.full((4, 1), -1.0, np.float32)
    advantages = generalized_advantages(rewards, values, values, is_last, gamma, 1.0, sides)[:, 0]
    for ply in range(4):  # each side's return is its own rewards less the other's, discounted a ply at a time
        expected = sum(
            (1.0 if later % 2 == ply % 2 else -1.0) * gamma ** (later - ply) * rewards[later, 0]
            for later in range(ply, 4)
        )
        assert advantages[ply] == pytest.approx(expected)


def test_truncation_bootstraps_and_stops_the_sum():
    """The step before a truncation counts the last observation's value, and nothing of the next episode."""
    rewards = np.array([[1.0], [100.0]], np.float32)
    values = np.zeros((2, 1), np.float32)
    next_values = np.array([[3.0], [0.0]], np.float32)
    advantages = generalized_advantages(rewards, values, next_values, np.array([[True], [True]]), 0.5, 1.0)
    assert advantages[0, 0] == pytest.approx(1.0 + 0.5 * 3.0)
