"""Distributions and normalisers against independent formulas."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from gymnasium import spaces

from rlkit.learning.distributions import Categorical, Gaussian, MultiCategorical, distribution, num_outputs
from rlkit.learning.networks import NormalizedLinear
from rlkit.learning.normalize import ReturnScale, RunningMoments
from rlkit.learning.past_selves import PastSelves


def test_categorical_equals_torch_distributions():
    logits = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    ours, theirs = Categorical(logits), torch.distributions.Categorical(logits=logits)
    actions = torch.arange(64) % 5
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert (ours.mode() == logits.argmax(-1)).all()


def test_categorical_samples_by_its_probabilities_and_never_a_masked_action():
    logits = torch.tensor([0.0, 1.0, 2.0, 5.0]).expand(40_000, 4)
    mask = torch.tensor([1, 1, 1, 0], dtype=torch.int8).expand(40_000, 4)
    chances = Categorical(logits, mask)
    counts = torch.bincount(chances.sample(torch.Generator().manual_seed(0)), minlength=4) / 40_000
    np.testing.assert_allclose(counts[:3], torch.softmax(logits[0, :3], 0), atol=0.01)
    assert counts[3] == 0
    assert torch.isfinite(chances.entropy()).all()


def test_masked_logits_get_no_gradient():
    logits = torch.randn(8, 3, requires_grad=True)
    mask = torch.tensor([1, 1, 0], dtype=torch.int8).expand(8, 3)
    chances = Categorical(logits, mask)
    (chances.log_prob(torch.zeros(8, dtype=torch.int64)).sum() + chances.entropy().sum()).backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[:, 2] == 0).all()


def test_gaussian_equals_torch_distributions():
    means, log_std = torch.randn(16, 3), torch.tensor([-1.0, 0.0, 0.5])
    ours, theirs = Gaussian(means, log_std), torch.distributions.Normal(means, log_std.exp())
    actions = torch.randn(16, 3)
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions).sum(-1))
    torch.testing.assert_close(ours.entropy(), theirs.entropy().sum(-1))


def test_multi_categorical_is_a_product():
    logits = torch.randn(10, 5)
    ours, actions = (
        MultiCategorical(logits, [2, 3]),
        torch.stack([torch.arange(10) % 2, torch.arange(10) % 3], -1),
    )
    parts = [Categorical(logits[:, :2]), Categorical(logits[:, 2:])]
    torch.testing.assert_close(ours.log_prob(actions), sum(p.log_prob(actions[:, k]) for k, p in enumerate(parts)))
    assert ours.sample(torch.Generator().manual_seed(0)).shape == (10, 2)


def test_distribution_fits_the_space():
    assert num_outputs(spaces.MultiDiscrete([2, 3])) == 5
    assert isinstance(distribution(spaces.Discrete(4), torch.zeros(1, 4)), Categorical)
    with pytest.raises(ValueError, match="must be Discrete"):
        num_outputs(spaces.Box(0, 1, (2, 2)))


def test_running_moments_equal_those_of_all_samples_at_once():
    samples = np.random.default_rng(0).normal(3.0, 2.0, (1000, 4))
    moments = RunningMoments((4,))
    for part in np.split(samples, [1, 10, 300]):
        moments.update(part)
    np.testing.assert_allclose(moments.mean, samples.mean(0), rtol=1e-5)
    np.testing.assert_allclose(moments.var, samples.var(0), rtol=1e-5)
    restored = RunningMoments((4,))
    restored.restore(moments.arrays())
    np.testing.assert_array_equal(restored.normalized(samples), moments.normalized(samples))


def test_return_scale_divides_by_the_deviation_of_discounted_returns():
    rng = np.random.default_rng(0)
    scale, returns, running = ReturnScale(8, 0.9), [], np.zeros(8)
    for _ in range(500):
        rewards, done = rng.normal(size=8) * 5, rng.random(8) < 0.05
        running = 0.9 * running + rewards
        returns.append(running.copy())
        scaled = scale(rewards, done)
        running[done] = 0
    deviation = np.std(np.concatenate(returns))
    np.testing.assert_allclose(scaled, rewards / deviation, rtol=1e-3)
    assert math.isclose(deviation, math.sqrt(scale.moments.var), rel_tol=1e-3)


def test_past_selves_never_change_within_an_episode():
    """Members that always play their own number; the pool grows in the middle of episodes."""

    def member(number):
        return SimpleNamespace(probabilities=lambda obs, mask: np.eye(7)[np.full(len(obs), number)])

    pool = PastSelves(num_envs=32, size=2)
    pool.add(0, member(0))
    rng = np.random.default_rng(0)
    draws = rng.integers(1, 2**63, 32).astype(np.uint64)
    obs, mask, where = np.zeros((32, 1)), np.ones((32, 7)), np.ones(32, bool)
    playing = pool(obs, mask, where, rng.random(32), draws)
    for generation in range(1, 5):
        pool.add(generation, member(generation))
        ended = rng.random(32) < 0.3
        draws[ended] = rng.integers(1, 2**63, ended.sum()).astype(np.uint64)
        actions = pool(obs, mask, where, rng.random(32), draws)
        np.testing.assert_array_equal(actions[~ended], playing[~ended])
        assert set(actions[ended]) <= {generation - 1, generation}
        playing = actions
    assert set(pool.members) <= {*playing.tolist(), 3, 4}


def test_values_that_are_large_and_differ_little_are_learned_less_their_mean():
    """Costs of a process without end: −1000 and a few more or less. The values say which, and stay in their units."""
    torch.manual_seed(0)
    features = torch.randn(4096, 4)
    returns = -1000.0 + features.sum(dim=1)
    errors = {}
    for name, head in {"normalised": NormalizedLinear(4), "plain": torch.nn.Linear(4, 1)}.items():
        optimizer = torch.optim.Adam(head.parameters(), 0.01)
        for _ in range(500):
            if isinstance(head, NormalizedLinear):
                before, mean = head(features).detach(), head.mean.clone()
                head.follow(returns, before)
                moved = (head(features).detach() - before).numpy()
                assert moved == pytest.approx(float(head.mean - mean), abs=0.01)  # all alike
            scale = getattr(head, "deviation", 1.0)
            optimizer.zero_grad()
            ((returns - head(features).flatten()) / scale).square().mean().backward()
            optimizer.step()
        errors[name] = (returns - head(features).flatten()).std() / returns.std()
    assert errors["normalised"] < 0.05
    assert errors["normalised"] < 0.2 * errors["plain"]
