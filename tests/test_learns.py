"""Proof of learning in seconds: tasks whose solution is known, for every kind of action."""

import numpy as np
import pytest

import rlkit
from agents import dqn, ppo
from rlkit.evaluation import run_episodes
from rlkit.registry import environment_from_path
from rlkit.run import Run

HEADER = """
import numpy as np
from gymnasium import spaces
from rlkit.engine.jit import jit
from rlkit.engine.rng import integer
from rlkit.engine.state import params_dtype, state_dtype
from rlkit.environment import Environment
PARAMS = params_dtype()
"""

# Each step shows one of four numbers; the reward is 1 for naming it.
IDENTITY = """
STATE = state_dtype(target=np.int64)
@jit
def reset(state, params):
    state.target = integer(state, 0, 4)
@jit
def step(state, params, action):
    reward = {reward}
    state.target = integer(state, 0, 4)
    return reward, False
@jit
def observe(state, params, obs):
    for i in range(4):
        obs[i] = state.target == i
"""
REWARDS = {
    "discrete": ("spaces.Discrete(4)", "1.0 if action == state.target else 0.0"),
    "multi_discrete": (
        "spaces.MultiDiscrete([2, 2])",
        "1.0 if action[0] == state.target // 2 and action[1] == state.target % 2 else 0.0",
    ),
    "box": (
        "spaces.Box(-1.0, 1.0, (1,))",
        "1.0 - abs(float(action[0]) - (float(state.target) / 2.0 - 0.75))",
    ),
}


def write_environment(folder, name, rules, action_space):
    """Write an environment folder and return its declaration."""
    (folder / name).mkdir()
    (folder / name / "rules.py").write_text(HEADER + rules)
    (folder / name / "__init__.py").write_text(
        HEADER.replace("PARAMS = params_dtype()", "")
        + f'ENVIRONMENT = Environment(__name__, "rlkit/T-v0", spaces.Box(0, 1, (4,)), {action_space}, max_steps=20)\n'
    )
    return environment_from_path(folder / name)


def train(environment, folder, seed=0, **settings):
    """Train PPO for a few thousand steps and return the policy."""
    base = {
        "total_steps": 40_000,
        "num_envs": 16,
        "num_steps": 32,
        "minibatch_size": 128,
        "learning_rate": 3e-3,
    }
    config = ppo.Config(**{**base, "gamma": 0.5, "eval_interval": 0, "picture_interval": 0, **settings})
    with Run.create("task", "ppo", {}, seed, root=folder) as run, run.training():
        return ppo.train(environment, config, run)


def train_dqn(environment, folder, seed=0, **settings):
    """Train DQN for a few thousand steps and return the policy."""
    base = {
        "total_steps": 6_000, "num_envs": 8, "train_frequency": 8, "gradient_steps": 8, "minibatch_size": 32,
        "learning_starts": 500, "learning_rate": 3e-3, "target_update_interval": 200, "hidden_sizes": (32,),
    }  # fmt: skip
    config = dqn.Config(**{**base, "gamma": 0.5, "eval_interval": 0, "picture_interval": 0, **settings})
    with Run.create("task", "dqn", {}, seed, root=folder) as run, run.training():
        return dqn.train(environment, config, run)


@pytest.mark.parametrize("kind", REWARDS)
def test_ppo_learns_to_name_what_it_sees(kind, tmp_path):
    action_space, reward = REWARDS[kind]
    environment = write_environment(tmp_path, f"identity_{kind}", IDENTITY.format(reward=reward), action_space)
    policy = train(environment, tmp_path, total_steps=60_000, initial_log_std=-0.5)
    returns = run_episodes(environment, policy, 50, seed=1).returns
    assert returns.mean() > (18.5 if kind == "box" else 19.5)  # of 20; random play gets at most 5, or 10 for the box


DQN_PARTS = {
    "plain": {"double": False, "n_step": 1},
    "polyak": {"n_step": 1, "target_update_interval": 32, "target_update_rate": 0.2},
    "rainbow": {"dueling": True, "prioritized": True, "n_step": 3},
}


@pytest.mark.parametrize("part", DQN_PARTS)
def test_dqn_learns_to_name_what_it_sees(part, tmp_path):
    action_space, reward = REWARDS["discrete"]
    environment = write_environment(tmp_path, f"dqn_{part}", IDENTITY.format(reward=reward), action_space)
    policy = train_dqn(environment, tmp_path, **DQN_PARTS[part])
    assert run_episodes(environment, policy, 50, seed=1).returns.mean() > 19.5  # of 20


@pytest.mark.parametrize("agent", ["ppo", "dqn"])
def test_masks_are_obeyed_and_learned_under(agent, tmp_path):
    """The number shown is masked, and worth nothing; the next one (cyclically) is worth 1."""
    rules = (
        IDENTITY.format(reward="1.0 if action == (state.target + 1) % 4 else 0.0")
        + """
@jit
def action_mask(state, params, mask):
    for i in range(4):
        mask[i] = state.target != i
"""
    )
    environment = write_environment(tmp_path, f"masked_{agent}", rules, "spaces.Discrete(4)")
    policy = (train if agent == "ppo" else train_dqn)(environment, tmp_path)
    episodes = run_episodes(environment, policy, 50, seed=1)
    assert (episodes.lengths == 20).all()  # a masked action would have ended the episode
    assert episodes.returns.mean() > 19.5
    stochastic = run_episodes(environment, policy, 50, seed=1, deterministic=False)
    assert (stochastic.lengths == 20).all()


def test_self_play_finds_the_forced_win(tmp_path):
    """Tic-tac-toe by self-play, both sides learning, comes near perfect play."""
    environment = rlkit.find_environment("tic_tac_toe")
    policy = train(
        environment, tmp_path, total_steps=150_000, num_envs=64, num_steps=16, minibatch_size=256, gamma=1.0,
        hidden_sizes=(128, 128), entropy_coef=0.1, normalize_advantages=False,
    )  # fmt: skip
    score = environment.yardstick.score(policy, True)
    assert score["value_kept"] > 0.82  # random play keeps 58 %


def test_playing_past_selves_beats_random_play(tmp_path):
    environment = rlkit.find_environment("tic_tac_toe")
    policy = train(
        environment,
        tmp_path,
        opponent="pool",
        pool_interval=20_000,
        total_steps=100_000,
        gamma=1.0,
        entropy_coef=0.02,
    )
    results = run_episodes(environment, policy, 300, seed=3, opponent="random").returns
    assert results.mean() > 0.75  # random play against itself is even


def test_the_value_of_a_truncated_episode_is_bootstrapped(tmp_path):
    """Reward 1 a step for ever, cut every 20 steps: the value is 1/(1 − γ) = 2, not what is left until the cut."""
    rules = IDENTITY.format(reward="1.0")
    environment = write_environment(tmp_path, "forever", rules, "spaces.Discrete(4)")
    policy = train(environment, tmp_path, gamma=0.5)
    obs = np.eye(4, dtype=np.float32)
    assert policy.inspect(obs[0])["value"] == pytest.approx(2.0, abs=0.05)
    for n_step in (1, 3):
        policy = train_dqn(environment, tmp_path, n_step=n_step)
        assert policy.inspect(obs[0])["value"] == pytest.approx(2.0, abs=0.05)


def test_policies_take_one_observation_or_a_batch(tmp_path):
    environment = write_environment(tmp_path, "shapes", IDENTITY.format(reward="0.0"), "spaces.Discrete(4)")
    policy = train(environment, tmp_path, total_steps=512)
    batch = np.eye(4, dtype=np.float32)
    actions = policy.act(batch)
    assert actions.shape == (4,)
    assert [policy.act(row) for row in batch] == list(actions)
    assert policy.probabilities(batch).sum(axis=1) == pytest.approx(np.ones(4))
