"""DQN's parts against textbook formulas; what it refuses; what its policy offers."""

import dataclasses

import numpy as np
import pytest
import torch
from gymnasium import spaces

from agents import dqn
from rlkit.engine.turns import sample
from rlkit.evaluation import random_policy, run_episodes
from rlkit.learning.actor_critic import ActorCritic
from rlkit.learning.policy import with_temperature
from rlkit.learning.q_policy import QPolicy, q_values
from rlkit.registry import environment_from_path, find_environment, resolve
from rlkit.run import Run

TINY = {
    "total_steps": 2048, "num_envs": 4, "train_frequency": 8, "gradient_steps": 2, "minibatch_size": 16,
    "learning_starts": 200, "hidden_sizes": (8,), "eval_interval": 0, "picture_interval": 0, "buffer_size": 1000,
}  # fmt: skip


def learner_of(name="cartpole", seed=0, **settings):
    return dqn.Learner(find_environment(name), dqn.Config(**(TINY | settings)), seed)


def networks(seed=0, num_actions=4):
    torch.manual_seed(seed)
    space = spaces.Discrete(num_actions)
    return [ActorCritic((3,), space, hidden_sizes=(16,), activation="relu") for _ in range(2)]


def by_numpy(network, obs):
    """Return (advantages, values) of an ActorCritic with one hidden layer, without torch."""
    weights = {name: value.numpy().astype(np.float64) for name, value in network.state_dict().items()}

    def heads(body, head):
        hidden = np.maximum(0, obs @ weights[f"{body}.0.weight"].T + weights[f"{body}.0.bias"])
        return hidden @ weights[f"{head}.weight"].T + weights[f"{head}.bias"]

    return heads("actor", "policy_head"), heads("critic", "value_head")


@pytest.mark.parametrize("dueling", [False, True])
def test_q_values_are_those_of_the_paper(dueling):
    """Wang et al. 2016, equation 9: V + A − mean A."""
    network = networks()[0]
    obs = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    advantages, values = by_numpy(network, obs)
    expected = values + advantages - advantages.mean(axis=1, keepdims=True) if dueling else advantages
    np.testing.assert_allclose(q_values(network, torch.from_numpy(obs), dueling).detach(), expected, atol=1e-5)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("dueling", [False, True])
def test_targets_are_those_of_the_textbook(double, dueling):
    """R + γⁿ q⁻(s', argmax over legal a of q(s', a)), by the target network's own argmax without double."""
    network, target_network = networks(seed=1)
    with torch.no_grad():
        for each in (network, target_network):
            each.policy_head.weight.normal_()
    rng, config = np.random.default_rng(1), dqn.Config(double=double, dueling=dueling)
    next_obs = rng.normal(size=(50, 3)).astype(np.float32)
    masks = (rng.random((50, 4)) < 0.5).astype(np.uint8)
    masks[:, 0] |= masks.sum(axis=1) == 0
    returns, discounts = rng.normal(size=50), np.where(rng.random(50) < 0.3, 0.0, 0.9)

    def q_of(each, where):
        advantages, values = by_numpy(each, where)
        return values + advantages - advantages.mean(axis=1, keepdims=True) if dueling else advantages

    online, target = q_of(network, next_obs), q_of(target_network, next_obs)
    expected = []
    for i in range(50):
        legal = np.flatnonzero(masks[i])
        best = legal[(online if double else target)[i, legal].argmax()]
        expected.append(returns[i] + discounts[i] * target[i, best])
    batch = dqn.Batch(
        obs=torch.from_numpy(next_obs), actions=torch.from_numpy(rng.integers(4, size=(50, 1))),
        returns=torch.from_numpy(returns).float()[:, None], discounts=torch.from_numpy(discounts).float()[:, None],
        next_obs=torch.from_numpy(next_obs), next_masks=torch.from_numpy(masks),
        next_q=q_values(target_network, torch.from_numpy(next_obs), dueling).detach(), weights=None, targets=None,
    )  # fmt: skip
    np.testing.assert_allclose(dqn.targets(network, batch, config)[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "tanh", "silu"])
@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_are_those_of_the_huber_loss(activation, dueling, weighted):
    """By autograd of torch's own loss, through the network's modules: written out by hand or not."""
    learner = learner_of(activation=activation, dueling=dueling, hidden_sizes=(16, 8))
    assert (learner.by_hand is not None) == (not dueling and activation != "silu")
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        learner.weights += 0.3 * torch.randn(len(learner.weights), generator=draw)
    obs, wanted = torch.randn(64, 4, generator=draw), 2 * torch.randn(64, 1, generator=draw)
    actions = torch.randint(2, (64, 1), generator=draw)
    weights = torch.rand(64, 1, generator=draw) if weighted else None
    batch = dqn.Batch(obs, actions, wanted, wanted, obs, None, wanted, weights, targets=wanted)
    found, errors, q = dqn.gradient(learner, batch)
    outputs, values = learner.network(obs)
    if dueling:
        outputs = values[:, None] + outputs - outputs.mean(dim=1, keepdim=True)
    taken = outputs.gather(1, actions)
    loss = torch.nn.HuberLoss(reduction="none")(taken, wanted)
    expected = torch.autograd.grad(
        (loss * (1.0 if weights is None else weights)).mean(), dqn.trained_parameters(learner.network, dueling)
    )
    torch.testing.assert_close(found, torch.cat([part.flatten() for part in expected]), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(q, taken.detach())
    torch.testing.assert_close(errors, wanted - taken.detach())


@pytest.mark.parametrize("max_grad_norm", [0.01, 1e6])
def test_a_gradient_step_is_torchs_adam_on_clipped_gradients(max_grad_norm):
    learner, other = learner_of(max_grad_norm=max_grad_norm), learner_of()
    reference = torch.optim.Adam(other.network.parameters(), learner.config.learning_rate)
    obs = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    for _ in range(3):
        parameters = dqn.trained_parameters(learner.network, False)
        parts = torch.autograd.grad(learner.network.outputs(obs).square().sum(), parameters)
        dqn.descend(learner, torch.cat([part.flatten() for part in parts]))
        reference.zero_grad()
        other.network.outputs(obs).square().sum().backward()
        torch.nn.utils.clip_grad_norm_(other.network.parameters(), max_grad_norm)
        reference.step()
    ours, theirs = learner.network.state_dict(), other.network.state_dict()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=1e-6)


def test_the_target_network_moves_at_every_multiple_of_its_interval():
    """32 transitions a round and an interval of 10: 3, then 3 more, then 3, then 3 (10 … 120 of 128)."""
    learner = learner_of(target_update_interval=10, target_update_rate=0.25)
    with torch.no_grad():
        learner.weights += 1.0
    start, goal = learner.target_weights.detach().clone(), learner.weights.detach()
    for times in (3, 6, 9, 12):
        learner.total_steps += learner.config.round_size
        dqn.update_target(learner)
        expected = goal + (start - goal) * 0.75**times
        torch.testing.assert_close(learner.target_weights.detach(), expected)
        named = dict(learner.target_network.named_parameters())
        assert (named["policy_head.bias"] == learner.target_weights[-2:]).all()  # the network's own weights are these


def test_epsilon_falls_linearly_after_a_start_at_random():
    learner = learner_of(total_steps=10_000, exploration_fraction=0.5, learning_starts=1000, final_epsilon=0.1)
    seen = {}
    for learner.total_steps in (0, 999, 1000, 2500, 5000, 9000):
        seen[learner.total_steps] = dqn.epsilon(learner)
    assert seen == pytest.approx({0: 1.0, 999: 1.0, 1000: 0.82, 2500: 0.55, 5000: 0.1, 9000: 0.1})


def test_exploring_draws_every_legal_action_alike_and_greed_is_legal():
    learner = learner_of("tic_tac_toe", num_envs=4000, buffer_size=4000)
    masks = (np.random.default_rng(0).random((1, 9)) < 0.5).astype(np.int8).repeat(4000, axis=0)
    learner.info["action_mask"] = masks
    legal = np.flatnonzero(masks[0])
    counts = np.bincount(dqn.explore(learner, np.ones(4000, np.bool_), learner.uniforms(4000)), minlength=9)
    assert counts[masks[0] == 0].sum() == 0
    np.testing.assert_allclose(counts[legal] / 4000, 1 / len(legal), atol=0.04)
    greedy = dqn.explore(learner, np.zeros(4000, np.bool_), learner.uniforms(4000))
    q = learner.policy.q_values(learner.obs)
    assert (greedy == legal[q[:, legal].argmax(axis=1)]).all()


def test_many_minibatches_drawn_together_are_as_many_drawn_apart(monkeypatch):
    def weights(max_draw):
        monkeypatch.setattr(dqn, "MAX_DRAW", max_draw)
        learner = learner_of(gradient_steps=6, double=False)
        for _ in range(10):
            dqn.collect(learner)
            dqn.update(learner)
        return learner.weights.detach()

    torch.testing.assert_close(weights(1 << 14), weights(1), rtol=1e-4, atol=1e-6)  # batch sizes round differently


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("pendulum", {}, "dqn chooses among single actions, not from Box.*: use --agent ppo"),
        ("tic_tac_toe", {"opponent": "self"}, "dqn has no self-play; choose random, .* or use --agent ppo"),
        ("cartpole", {"n_step": 0}, "n_step=0 must be at least 1"),
        ("cartpole", {"gradient_steps": 0}, "gradient_steps=0 must be at least 1, or -1"),
        ("cartpole", {"buffer_size": 3}, "buffer_size=3 must be at least num_envs=4"),
        ("cartpole", {"temperature": 0.0}, "temperature=0.0 must be above 0"),
        ("cartpole", {"buffer_size": 10**12}, "more than half of this machine's"),
        ("cartpole", {"network": "board"}, "needs observations"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(name, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        learner_of(name, **settings)


def train(name, folder, **settings):
    config = dqn.Config(**(TINY | settings))
    with Run.create(name, "dqn", dataclasses.asdict(config), 0, root=folder) as run, run.training():
        return dqn.train(resolve(name, trusted=False), config, run), run


@pytest.mark.parametrize("name", ["gymnasium:CartPole-v1", "tic_tac_toe"])
def test_it_trains_loads_and_resumes_elsewhere_too(name, tmp_path):
    settings = {} if ":" in name else {"network": "board", "kernel_size": 2, "eval_interval": 1000}
    policy, run = train(name, tmp_path, **settings)
    environment = resolve(name, trusted=False)
    loaded = dqn.load(Run.open(run.folder), environment)
    for mine, its in zip(policy.network.parameters(), loaded.network.parameters(), strict=True):
        assert (mine == its).all()
    learner = dqn.Learner(environment, dqn.Config(**(TINY | settings)), 0)
    checkpoint = Run.open(run.folder).load()
    learner.restore(checkpoint.tensors, checkpoint.facts)
    dqn.iterate(learner)
    assert learner.total_steps > 2048


def test_the_policy_draws_by_its_temperature_and_shows_what_it_thinks():
    network = networks()[0]
    policy = QPolicy(network, False, 0.5, spaces.Box(-9, 9, (3,)), spaces.Discrete(4))
    obs, mask = np.ones((6, 3), np.float32), np.array([[1, 0, 1, 1]] * 6, np.int8)
    q = by_numpy(network, obs)[0]
    weights = np.where(mask, np.exp(q / 0.5), 0)
    chances = policy.probabilities(obs, mask)
    np.testing.assert_allclose(chances, weights / weights.sum(axis=1, keepdims=True), atol=1e-5)
    logits, values = policy.evaluate(obs)
    np.testing.assert_allclose(logits, q / 0.5, atol=1e-5)
    np.testing.assert_allclose(values, q.max(axis=1), atol=1e-5)
    thought = policy.inspect(obs[0], mask[0])
    np.testing.assert_allclose(thought["probabilities"], chances[0], atol=1e-7)
    assert thought["value"] == pytest.approx(q[0, [0, 2, 3]].max(), abs=1e-5)
    assert policy.act(obs[0], mask[0]) == policy.act(obs, mask)[0] == np.where(mask[0], q[0], -9).argmax()
    doubled = np.where(mask, np.exp(q / 1.0), 0)
    at_two = with_temperature(policy, 2.0).probabilities(obs, mask)
    np.testing.assert_allclose(at_two, doubled / doubled.sum(axis=1, keepdims=True), atol=1e-5)
    drawn = policy.act(obs.repeat(2000, axis=0), mask.repeat(2000, axis=0), deterministic=False)
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 12_000, chances[0], atol=0.02)
    assert sample(chances, np.zeros(6)).tolist() == [0] * 6


def test_what_is_learned_on_four_rows_holds_for_nine(tmp_path):
    from test_rows import DECLARATION, RULES

    (tmp_path / "rows_of_dqn").mkdir()
    (tmp_path / "rows_of_dqn" / "__init__.py").write_text(DECLARATION)
    (tmp_path / "rows_of_dqn" / "rules.py").write_text(RULES)
    environment = environment_from_path(tmp_path / "rows_of_dqn")
    config = dqn.Config(
        total_steps=5_000, network="rows", hidden_sizes=(32,), gamma=0.0, n_step=1, minibatch_size=64,
        gradient_steps=32, train_frequency=8, learning_starts=500, learning_rate=3e-3, eval_interval=0,
        picture_interval=0,
    )  # fmt: skip
    with Run.create("rows_of_dqn", "dqn", dataclasses.asdict(config), 0, root=tmp_path) as run, run.training():
        dqn.train(environment, config, run)
    params = environment.params("many")[0]
    policy = dqn.load(Run.open(run.folder), environment, params)
    floor = run_episodes(environment, random_policy(environment, level="many"), 100, 1, level="many")
    found = run_episodes(environment, policy, 100, 1, level="many")
    assert found.metrics["wrong"].mean() < 0.25 * floor.metrics["wrong"].mean()
