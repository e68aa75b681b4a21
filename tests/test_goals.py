"""Goal environments: their parts, their rewards, and that everything inside rlkit acts on the flat observation."""

import math

import gymnasium
import numpy as np
import pytest
from goal_environment import goal_environment
from tiny_environments import load_environment

import rlkit
from agents import ppo
from rlkit.checking import check_environment
from rlkit.evaluation import random_policy, run_episodes
from rlkit.run import Run

PARTS = ["observation", "achieved_goal", "desired_goal"]


@pytest.fixture(scope="module")
def point(tmp_path_factory):
    return goal_environment(tmp_path_factory.mktemp("goals") / "point_goal")


def test_observations_are_views_of_one_flat_array(point):
    for copy in (True, False):
        env = rlkit.make_batch(point, 5, copy=copy)
        flat = rlkit.make_batch(point, 5, flat_obs=True)
        obs, _ = env.reset(seed=3)
        whole, _ = flat.reset(seed=3)
        assert list(obs) == PARTS == list(env.single_observation_space)
        assert obs["observation"].base is obs["achieved_goal"].base is obs["desired_goal"].base
        for _ in range(12):
            assert env.observation_space.contains(obs)
            assert np.array_equal(np.concatenate([*obs.values()], axis=1), whole)
            actions = env.action_space.sample()
            obs, whole = env.step(actions)[0], flat.step(actions)[0]
    assert flat.single_observation_space == gymnasium.spaces.Box(-1, 1, (6,))


def test_observations_handed_out_stay_as_they_were(point):
    env = rlkit.make_batch(point, 2)
    first, _ = env.reset(seed=0)
    kept = {name: part.copy() for name, part in first.items()}
    env.step(np.ones((2, 2), np.float32))
    assert all(np.array_equal(first[name], kept[name]) for name in PARTS)


def test_last_observations_have_parts_too(point):
    env = rlkit.make_batch(point, 3, autoreset_mode="same_step")
    env.reset(seed=0)
    for _ in range(10):
        obs, *_, info = env.step(np.ones((3, 2), np.float32))
    assert list(info["final_obs"]) == PARTS
    assert not np.array_equal(info["final_obs"]["achieved_goal"], obs["achieved_goal"])


def test_compute_reward_takes_any_leading_shape(point):
    env = rlkit.make_batch(point, 2, radius=0.5)
    rng = np.random.default_rng(0)
    reached, wanted = rng.uniform(-1, 1, (2, 4, 3, 2)).astype(np.float32)
    expected = np.where(np.linalg.norm(reached - wanted, axis=-1) < 0.5, 0.0, -1.0)
    assert 0 < -expected.sum() < expected.size
    assert np.array_equal(env.compute_reward(reached, wanted, {}), expected)
    assert np.array_equal(env.compute_reward(reached[0], wanted[0], [{}] * 3), expected[0])
    single = rlkit.make(point, radius=0.5).compute_reward(reached[0, 0], wanted[0, 0], {})
    assert type(single) is float
    assert single == expected[0, 0]
    with pytest.raises(ValueError, match=r"must have one shape \[..., 2\]"):
        env.compute_reward(reached[..., :1], wanted, {})
    with pytest.raises(ValueError, match="cartpole is no goal environment"):
        rlkit.make_batch("cartpole", 1).compute_reward(reached, wanted, {})


def test_the_step_pays_what_compute_reward_says(point):
    env = rlkit.make(point)
    obs, info = env.reset(seed=1)
    done = False
    while not done:
        assert "is_success" not in info
        toward = (obs["desired_goal"] - obs["achieved_goal"]) / 0.2
        obs, reward, terminated, truncated, info = env.step(np.clip(toward, -1, 1))
        assert reward == env.compute_reward(obs["achieved_goal"], obs["desired_goal"], info)
        done = terminated or truncated
    assert math.dist(obs["achieved_goal"], obs["desired_goal"]) < 0.3
    assert info["is_success"]


def test_everything_inside_acts_on_the_flat_observation(point, tmp_path):
    config = ppo.Config(total_steps=2_000, num_envs=10, num_steps=20, minibatch_size=50, eval_interval=1_000)
    with Run.create("point_goal", "ppo", {}, 0, root=tmp_path) as run, run.training():
        policy = ppo.train(point, config, run)
    episodes = run_episodes(point, policy, 20, seed=1)
    assert set(episodes.metrics) == {"is_success"}
    assert run_episodes(point, random_policy(point), 20, seed=1).lengths.max() == 10
    obs, _ = rlkit.make(point).reset(seed=0)
    flat, _ = rlkit.make(point, flat_obs=True).reset(seed=0)
    assert np.array_equal(policy.act(obs), policy.act(flat))  # a policy takes the parts, too


def test_the_checker_knows_goals(point, tmp_path):
    verdicts = {verdict.name: verdict for verdict in check_environment(point)}
    assert [verdict for verdict in verdicts.values() if not verdict.ok] == []
    assert verdicts["goals"].sentence == "compute_reward equals the step's reward in 100 % of steps"
    missing = load_environment(tmp_path / "goal_missing", ("__init__", "max_steps=12", "max_steps=12, goal_size=1"))
    found = [verdict.sentence for verdict in check_environment(missing) if verdict.name == "goals"]
    assert found == ["goal_size is set, but rules.py has no goal_reward()"]
    small = load_environment(
        tmp_path / "goal_small",
        ("__init__", "max_steps=12", "max_steps=12, goal_size=1"),
        ("rules", "", "\n\n@jit\ndef goal_reward(achieved, desired, params):\n    return 0.0\n"),
    )
    with pytest.raises(ValueError, match="goal_size=1 needs a flat Box"):
        rlkit.make(small)
