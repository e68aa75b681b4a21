"""Networks over rows: the order of rows does not matter, and what is learned on a few holds for many."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tiny_environments import write_environment

import rlkit
from agents import alphazero, dqn, ppo
from rlkit.evaluation import best_episodes, compare, random_policy, run_episodes
from rlkit.learning.actor_critic import ActorCritic
from rlkit.learning.policy import with_temperature
from rlkit.registry import environment_from_path, find_agent
from rlkit.run import Run

DECLARATION = """
import numpy as np
from gymnasium import spaces
from rlkit.environment import Environment

def instance(name):
    if name != "many":
        raise ValueError(f"there is no instance {name!r}; there is: many")
    return {"num_rows": 9}

ENVIRONMENT = Environment(
    __name__, "rlkit/T-v0",
    lambda params: spaces.Box(0.0, 1.0, (int(params.num_rows), 2)),
    lambda params: spaces.Discrete(int(params.num_rows) + 1),
    max_steps=8, instance=instance, metrics=("wrong",),
)
"""
# The right action is the row of the greatest number, or the one behind all rows where all numbers are small.
RULES = """
import numpy as np
from rlkit.engine.jit import jit
from rlkit.engine.rng import uniform
from rlkit.engine.state import params_dtype, state_dtype

STATE = state_dtype(numbers=(np.float64, (9,)), wrong=np.int64)
PARAMS = params_dtype(num_rows=4)

@jit
def draw(state):
    ceiling = 1.0 if uniform(state) < 0.7 else 0.4
    for i in range(9):
        state.numbers[i] = ceiling * uniform(state)

@jit
def reset(state, params):
    state.wrong = 0
    draw(state)

@jit
def step(state, params, action):
    n = int(params.num_rows)
    best = n
    for i in range(n):
        if state.numbers[i] > 0.4 and (best == n or state.numbers[i] > state.numbers[best]):
            best = i
    right = int(action) == best
    state.wrong += not right
    draw(state)
    return 1.0 if right else 0.0, False

@jit
def observe(state, params, obs):
    for i in range(int(params.num_rows)):
        obs[i, 0] = state.numbers[i]
        obs[i, 1] = 1.0

@jit
def metrics(state, params, out):
    out[0] = 1 + state.wrong
"""


@pytest.fixture(scope="module")
def greatest(tmp_path_factory):
    folder = write_environment(tmp_path_factory.mktemp("rows") / "greatest_row")
    (folder / "__init__.py").write_text(DECLARATION)
    (folder / "rules.py").write_text(RULES)
    return environment_from_path(folder)


def network(num_rows, num_others):
    torch.manual_seed(0)
    return ActorCritic(
        (num_rows, 3), spaces.Discrete(num_rows + num_others), kind="rows", hidden_sizes=(16,), num_layers=2
    )


@pytest.mark.parametrize("num_others", [0, 2])
def test_outputs_follow_the_rows_and_values_do_not_care(num_others):
    order = torch.tensor([2, 0, 4, 1, 3])
    rows = torch.randn(7, 5, 3)
    outputs, values = network(5, num_others)(rows)
    turned_outputs, turned_values = network(5, num_others)(rows[:, order])
    expected = torch.cat([outputs[:, :5][:, order], outputs[:, 5:]], dim=1)
    torch.testing.assert_close(turned_outputs, expected)
    torch.testing.assert_close(turned_values, values)
    assert outputs.shape == (7, 5 + num_others)
    assert outputs[:, :5].std(dim=1).min() > 0  # rows are told apart


def test_weights_do_not_depend_on_the_number_of_rows():
    network(9, 1).load_state_dict(network(4, 1).state_dict())


@pytest.mark.parametrize(
    ("shape", "space", "words"),
    [
        ((4,), spaces.Discrete(5), r"needs observations \[rows, features\], not \[4\]"),
        ((4, 2), spaces.Discrete(3), "needs a Discrete action for each of 4 rows"),
        ((4, 2), spaces.Box(-1, 1, (4,)), "needs a Discrete action for each of 4 rows"),
    ],
)
def test_spaces_without_rows_are_refused(shape, space, words):
    with pytest.raises(ValueError, match=words):
        ActorCritic(shape, space, kind="rows")


@pytest.fixture(scope="module")
def run(greatest, tmp_path_factory):
    settings = {"total_steps": 30_000, "num_envs": 16, "num_steps": 32, "minibatch_size": 128, "gamma": 0.5,
                "learning_rate": 3e-3, "network": "rows", "hidden_sizes": (32,), "eval_interval": 0,
                "picture_interval": 0}  # fmt: skip
    config = ppo.Config(**settings)
    with Run.create("greatest_row", "ppo", asdict(config), 0, root=tmp_path_factory.mktemp("r")) as run:
        with run.training():
            ppo.train(greatest, config, run)
        return run.folder


def test_what_is_learned_on_four_rows_holds_for_nine(greatest, run):
    for level, least in [("standard", 0.95), ("many", 0.9)]:
        policy = rlkit.load(run, greatest, greatest.params(level)[0])
        share = run_episodes(greatest, policy, 200, seed=5, level=level).returns.mean() / 8
        assert share > least, (level, share)
    with pytest.raises(ValueError, match="there is no instance 'more'"):
        greatest.params("more")


def test_other_networks_say_that_they_do_not_fit(greatest, tmp_path):
    config = ppo.Config(total_steps=512, num_envs=16, num_steps=32, minibatch_size=128, eval_interval=0)
    with Run.create("greatest_row", "ppo", asdict(config), 0, root=tmp_path) as run, run.training():
        ppo.train(greatest, config, run)
    with pytest.raises(ValueError, match="trained on observations or actions of another shape"):
        rlkit.load(run.folder, greatest, greatest.params("many")[0])


def test_the_best_of_several_draws_is_the_best_of_each_episode(greatest):
    policy = random_policy(greatest)
    single = run_episodes(greatest, policy, 50, seed=3, deterministic=False)
    best = best_episodes(greatest, policy, 20, 50, seed=3)
    assert best.returns.mean() > single.returns.mean() + 1
    np.testing.assert_array_equal(best.metrics["wrong"], 1 + 8 - best.returns)  # of the same tries
    report = compare(greatest, policy, 50, seed=3, num_samples=20)
    assert report.rows["agent, best of 20"]["return"].mean > report.rows["agent"]["return"].mean + 1
    assert set(report.rows) == {"agent", "random", "agent, best of 20", "random, best of 20"}


def test_a_temperature_makes_draws_even_or_greedy(greatest, run):
    policy = rlkit.load(run, greatest)
    obs, mask = np.random.default_rng(0).random((64, 4, 2), np.float32), np.ones((64, 5), np.int8)
    chances = {t: with_temperature(policy, t).probabilities(obs, mask) for t in (0.01, 1.0, 2.0, 1000.0)}
    np.testing.assert_array_equal(chances[1.0], policy.probabilities(obs, mask))
    np.testing.assert_allclose(chances[1000.0], 0.2, atol=0.02)
    np.testing.assert_allclose(chances[0.01].max(axis=1), 1.0, atol=0.2)
    root = np.sqrt(chances[1.0])
    np.testing.assert_allclose(chances[2.0], root / root.sum(axis=1, keepdims=True), atol=1e-5)
    for subject, temperature, words in [
        (policy, 0.0, r"temperature=0.0 must be above 0"),
        (policy, float("nan"), "temperature=nan must be above 0"),
        (random_policy(greatest), 2.0, "RandomPolicy does not draw its actions from a network"),
    ]:
        with pytest.raises(ValueError, match=words):
            with_temperature(subject, temperature)


def test_alphazero_and_dqn_take_the_same_rows(greatest, tmp_path):
    """Both learn to name the row on four rows, and act on nine."""
    configs = {
        "alphazero": alphazero.Config(
            total_steps=12_000, num_games=32, threads=1, num_simulations=8, num_fast_simulations=4, gamma=0.5,
            network="rows", size=32, num_blocks=1, iteration_samples=1024, window_size=8192, minibatch_size=128,
            learning_rate=5e-3, eval_interval=0,
        ),
        "dqn": dqn.Config(
            total_steps=20_000, num_envs=16, train_frequency=4, gradient_steps=16, learning_starts=500, gamma=0.5,
            learning_rate=2e-3, network="rows", hidden_sizes=(32,), eval_interval=0, picture_interval=0,
        ),
    }  # fmt: skip
    for name, config in configs.items():
        with Run.create("greatest_row", name, asdict(config), 0, root=tmp_path) as run:
            with run.training():
                find_agent(name).train(greatest, config, run)
            policy = rlkit.load(run.folder, greatest, greatest.params("many")[0])
        if name == "alphazero":
            policy = policy.with_simulations(0)
        share = run_episodes(greatest, policy, 100, seed=5, level="many").returns.mean() / 8
        assert share > 0.8, (name, share)
