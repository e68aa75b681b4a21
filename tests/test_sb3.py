"""Stable-Baselines3's agents: what its buffers see of our batches, learning, resuming, and files of strangers."""

import json
import pickle
import re
from copy import deepcopy
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import stable_baselines3
import torch
from goal_environment import goal_environment
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC, HerReplayBuffer
from stable_baselines3.common.vec_env import DummyVecEnv
from test_learns import IDENTITY, REWARDS, write_environment
from test_run_hostile import forge

import rlkit
from agents.sb3 import BatchVecEnv
from rlkit.checkpoint import CheckpointError
from rlkit.cli import main
from rlkit.engine.scalar import ScalarEnv
from rlkit.evaluation import run_episodes
from rlkit.registry import find_agent
from rlkit.run import Run

SEED, NUM_ENVS = 5, 3
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def short():
    """CartPole that ends within a few steps, by its pole or by its time limit."""
    return replace(rlkit.find_environment("cartpole"), max_steps=14)


@pytest.fixture(scope="module")
def point(tmp_path_factory):
    return goal_environment(tmp_path_factory.mktemp("goals") / "sb3_point_goal")


def both(environment, **options):
    """Return our batch and SB3's own vector of single copies."""
    singles = DummyVecEnv([lambda: ScalarEnv(environment, **options) for _ in range(NUM_ENVS)])
    return BatchVecEnv(environment, NUM_ENVS, **options), singles


def arrays(obs):
    return {"obs": obs} if isinstance(obs, np.ndarray) else dict(obs)


def same(left, right):
    left, right = arrays(left), arrays(right)
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


# What SB3 sees ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["short", "point"])
def test_steps_are_those_of_single_copies_and_stay_as_they_were(name, request):
    environment = request.getfixturevalue(name)
    ours, theirs = both(environment)
    rng, handed_out = np.random.default_rng(0), []
    for env in (ours, theirs):
        env.seed(SEED)
    assert same(ours.reset(), theirs.reset())
    ends = set()
    for _ in range(60):
        ours.action_space.seed(int(rng.integers(1_000)))
        actions = np.stack([ours.action_space.sample() for _ in range(NUM_ENVS)])
        seen, expected = ours.step(actions), theirs.step(actions)
        handed_out.append((seen, deepcopy(seen)))
        assert same(seen[0], expected[0])
        assert np.array_equal(seen[1], expected[1])
        assert seen[1].dtype == expected[1].dtype
        assert np.array_equal(seen[2], expected[2])
        for info, other in zip(seen[3], expected[3], strict=True):
            assert info["TimeLimit.truncated"] == other["TimeLimit.truncated"]
            assert ("terminal_observation" in info) == ("terminal_observation" in other)
            if "terminal_observation" in info:
                assert same(info["terminal_observation"], other["terminal_observation"])
                ends.add(info["TimeLimit.truncated"])
                assert info.get("is_success") == other.get("is_success")
    assert ends == ({True, False} if name == "short" else {True})
    for (obs, rewards, done, infos), kept in handed_out:
        assert same(obs, kept[0])
        assert np.array_equal(rewards, kept[1])
        assert np.array_equal(done, kept[2])
        assert all(
            same(info.get("terminal_observation", {}), other.get("terminal_observation", {}))
            for info, other in zip(infos, kept[3], strict=True)
        )


def test_the_rollout_buffer_is_that_of_single_copies(short):
    """The rewards hold the values of truncated episodes' last observations: those must be right, too."""
    settings = {"n_steps": 40, "batch_size": 30, "n_epochs": 2, "seed": SEED}
    models = [PPO("MlpPolicy", env, **settings).learn(3 * 40 * NUM_ENVS) for env in both(short)]  # one after the other
    ours, theirs = (model.rollout_buffer for model in models)
    assert ours.episode_starts.sum() > 5
    assert (ours.rewards > 1).any()  # 1 a step, and more where the value of a cut episode is added
    for name in ("observations", "actions", "rewards", "episode_starts", "values", "log_probs", "advantages"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name


def test_the_replay_buffer_is_that_of_single_copies(short):
    settings = {"learning_starts": 30, "buffer_size": 600, "seed": SEED}
    models = [DQN("MlpPolicy", env, **settings).learn(300) for env in both(short)]
    ours, theirs = (model.replay_buffer for model in models)
    assert ours.timeouts.any()
    assert (ours.dones > ours.timeouts).any()
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name


def test_hindsight_replay_is_that_of_single_copies(point):
    settings = {"replay_buffer_class": HerReplayBuffer, "learning_starts": 60, "buffer_size": 600, "seed": SEED}
    settings["policy_kwargs"] = {"net_arch": [8]}
    models = [SAC("MultiInputPolicy", env, **settings).learn(120) for env in both(point)]
    ours, theirs = (model.replay_buffer for model in models)
    for name in ("observations", "next_observations"):
        assert same(getattr(ours, name), getattr(theirs, name)), name
    for name in ("actions", "rewards", "dones", "timeouts", "ep_start", "ep_length"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    drawn = ours.sample(200)
    distance = np.linalg.norm(drawn.next_observations["achieved_goal"] - drawn.observations["desired_goal"], axis=1)
    assert np.array_equal(drawn.rewards[:, 0].numpy(), np.where(distance < 0.3, 0, -1))
    assert (distance == 0).any()  # goals in hindsight that were just reached


def test_rewards_of_goals_are_reckoned_by_the_batch(point):
    env = BatchVecEnv(point, 4)
    reached, wanted = np.zeros((6, 2), np.float32), np.full((6, 2), 0.1, np.float32)
    wanted[3:] = 0.9
    (rewards,) = env.env_method("compute_reward", reached, wanted, [{}] * 6, indices=[0])
    assert rewards.tolist() == [0, 0, 0, -1, -1, -1]


def test_sb3s_own_learning_needs_nothing_but_the_batch(short):
    """As a user drives it, without our agents: SB3's statistics of episodes are there."""
    env = BatchVecEnv(short, 2)
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=32, seed=0).learn(128)
    assert 0 < model.ep_info_buffer[0]["l"] <= 14
    assert model.ep_info_buffer[0]["r"] == model.ep_info_buffer[0]["l"]
    assert env.get_attr("num_envs") == [2, 2]
    assert env.env_is_wrapped(DummyVecEnv) == [False, False]


# Agents -----------------------------------------------------------------------------------------------------

SMALL = {"hidden_sizes": (32,), "gamma": 0.5, "eval_interval": 0, "log_interval": 400, "learning_rate": 3e-3}
OFF = SMALL | {"num_envs": 8, "learning_starts": 300, "minibatch_size": 64, "buffer_size": 3_000}
TASKS = {  # agent → (actions, settings): seconds each
    "sb3-ppo": ("discrete", SMALL | {"total_steps": 12_000, "num_envs": 16, "num_steps": 32, "minibatch_size": 128}),
    "sb3-dqn": ("discrete", OFF | {"total_steps": 6_000, "train_frequency": 4, "gradient_steps": 4,
                                   "target_update_interval": 200}),
    "sb3-sac": ("box", OFF | {"total_steps": 2_400, "gradient_steps": 2, "target_update_rate": 0.05}),
    "sb3-td3": ("box", OFF | {"total_steps": 3_000, "gradient_steps": 2, "target_update_rate": 0.05}),
}  # fmt: skip


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    folder = tmp_path_factory.mktemp("identity")
    found = {}
    for kind in ("discrete", "box"):
        action_space, reward = REWARDS[kind]
        found[kind] = write_environment(folder, f"sb3_{kind}", IDENTITY.format(reward=reward), action_space)
    return found


class StopAt:
    """A progress line that asks the run to stop once it has seen so many steps."""

    def __init__(self, run, step):
        self.run, self.step, self.said = run, step, []

    def say(self, text):
        self.said.append(text)

    def update(self, step, total_steps, figures):
        if step >= self.step:
            self.run.request_stop()


def train(environment, name, settings, root, stop_at=None, resume=None):
    """Train into a run folder (or on in one) and return (run, policy)."""
    agent = find_agent(name)
    config = agent.Config(**settings)
    run = Run.open(resume) if resume else Run.create(environment.name, name, asdict(config), 3, root=root)
    with run, run.training():
        run.progress = StopAt(run, stop_at or 10**9)
        return run, agent.train(environment, config, run, run.resume() if resume else None)


@pytest.mark.parametrize("name", TASKS)
def test_agents_learn_to_name_what_they_see(name, identity, tmp_path):
    kind, settings = TASKS[name]
    run, policy = train(identity[kind], name, settings, tmp_path)
    assert run_episodes(identity[kind], policy, 50, seed=1).returns.mean() > (18.5 if kind == "box" else 19.5)  # of 20
    loaded = rlkit.load(run.folder, identity[kind])
    obs = np.eye(4, dtype=np.float32)
    assert np.array_equal(loaded.act(obs), policy.act(obs))
    assert np.allclose(loaded.act(obs[0]), policy.act(obs)[0], atol=1e-5)
    value = loaded.inspect(obs[0])["value"]
    assert value == pytest.approx(2.0, abs=0.4)  # 1 a step, discounted by ½; SAC's counts its entropy, too
    draws = [rlkit.load(run.folder, identity[kind]).act(np.tile(obs, (20, 1)), None, False) for _ in range(2)]
    assert np.array_equal(*draws)  # from a generator of its own


@pytest.mark.parametrize("name", TASKS)
def test_a_resumed_training_is_the_same_training(name, identity, tmp_path):
    kind, settings = TASKS[name]
    settings = settings | {"total_steps": 1_200, "eval_interval": 500, "eval_episodes": 3, "learning_starts": 200}
    if name == "sb3-ppo":
        del settings["learning_starts"]
    whole, _ = train(identity[kind], name, settings, tmp_path / "whole")
    first, _ = train(identity[kind], name, settings, tmp_path / "parts", stop_at=500)
    assert 500 <= first.steps()[-1] < 1_200
    resumed, _ = train(identity[kind], name, settings, None, resume=first.folder)
    assert "no exact resume" in resumed.progress.said[0]
    assert (whole.folder / "metrics.jsonl").read_bytes() == (resumed.folder / "metrics.jsonl").read_bytes()
    one, other = whole.load(), Run.open(resumed.folder).load()
    assert one.step == other.step >= 1_200
    assert one.facts == other.facts
    assert one.tensors.keys() == other.tensors.keys()
    differing = [n for n in one.tensors if not np.array_equal(np.asarray(one.tensors[n]), np.asarray(other.tensors[n]))]
    assert differing == []


def test_settings_and_figures_are_explained(identity, tmp_path):
    about = (Path(rlkit.__file__).parent.parent / "agents" / "README.md").read_text()
    section = about.split("\n## Stable-Baselines3's settings\n")[1]
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]+) \|", section, re.M)))
    configs = [find_agent(name).Config for name in TASKS]
    assert sorted(named) == sorted({field.name for config in configs for field in fields(config)})
    logged = set()
    for name, (kind, settings) in TASKS.items():
        run, _ = train(
            identity[kind], name, settings | {"total_steps": 600, "eval_interval": 400, "eval_episodes": 3}, tmp_path
        )
        rows = (run.folder / "metrics.jsonl").read_text().splitlines()
        logged |= {figure for row in rows for figure in json.loads(row)} - {"step"}
    assert {"train/q_loss", "train/entropy_coef", "train/policy_loss", "train/entropy", "rollout/epsilon"} <= logged
    assert [name for name in logged if f"| `{name}` |" not in about] == []


def test_hindsight_learns_to_reach_goals(point, tmp_path):
    settings = OFF | {"total_steps": 3_000, "gradient_steps": 2, "gamma": 0.9, "target_update_rate": 0.05}
    settings |= {"eval_interval": 1_500, "eval_episodes": 20}
    run, policy = train(point, "sb3-sac", settings, tmp_path)
    assert run_episodes(point, policy, 100, seed=1).metrics["is_success"].mean() > 0.7
    loaded = rlkit.load(run.folder, point)
    assert isinstance(loaded.policy.observation_space, spaces.Dict)
    parts, _ = rlkit.make_batch(point, 4).reset(seed=0)
    flat, _ = rlkit.make_batch(point, 4, flat_obs=True).reset(seed=0)
    assert np.array_equal(loaded.act(parts), loaded.act(flat))
    assert np.allclose(loaded.act(flat[1]), loaded.act(flat)[1], atol=1e-5)


def test_goals_without_hindsight_are_seen_flat(point, tmp_path):
    settings = OFF | {"total_steps": 400, "hindsight_goals": 0}
    _, policy = train(point, "sb3-td3", settings, tmp_path)
    assert policy.policy.observation_space == point.observation_space
    parts, _ = rlkit.make(point).reset(seed=0)
    flat, _ = rlkit.make(point, flat_obs=True).reset(seed=0)
    assert np.array_equal(policy.act(parts), policy.act(flat))


@pytest.mark.parametrize(
    ("environment", "name", "words"),
    [
        ("tic_tac_toe", "sb3-ppo", "has action masks"),
        ("job_shop", "sb3-dqn", "has action masks"),
        ("cartpole", "sb3-sac", "needs actions of kind Box"),
        ("pendulum", "sb3-dqn", "needs actions of kind Discrete"),
    ],
)
def test_what_sb3_cannot_is_refused_in_a_sentence(environment, name, words, tmp_path, capsys):
    assert main(["train", environment, "--agent", name, "--runs", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_the_command_line_takes_its_agents_from_beginning_to_end(tmp_path, capsys):
    flags = ["--total-steps", "256", "--num-envs", "4", "--num-steps", "16", "--minibatch-size", "32"]
    flags += ["--eval-interval", "128", "--eval-episodes", "3"]
    assert main(["train", "cartpole", "--agent", "sb3-ppo", "--runs", str(tmp_path), *flags]) == 0
    assert "Training sb3-ppo on cartpole" in capsys.readouterr().out
    (folder,) = (tmp_path / "cartpole" / "sb3-ppo").iterdir()
    assert main(["evaluate", str(folder), "--episodes", "5"]) == 0
    assert main(["train", "--resume", str(folder)]) == 0
    assert main(["watch", str(folder), "--record", str(tmp_path / "one.png")]) == 0
    assert main(["train", "cartpole", "--agent", "sb3-dqn", "--help"]) == 0
    assert "settings of sb3-dqn" in capsys.readouterr().out


def test_environments_of_gymnasium_are_learned_on_too(tmp_path):
    from rlkit.registry import resolve

    environment = resolve("gymnasium:Acrobot-v1", trusted=False)
    settings = OFF | {"total_steps": 600, "learning_starts": 100, "num_envs": 2}
    run, policy = train(environment, "sb3-dqn", settings, tmp_path)
    obs = np.zeros((3, 6), np.float32)
    assert np.array_equal(policy.act(obs), rlkit.load(run.folder).act(obs))


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a stranger's file was executed",))


def test_a_pickle_under_the_name_of_weights_is_refused(identity, tmp_path):
    kind, settings = TASKS["sb3-dqn"]
    run, _ = train(identity[kind], "sb3-dqn", settings | {"total_steps": 400}, tmp_path)
    (step,) = (run.folder / "checkpoints").iterdir()
    weights = [path for path in step.iterdir() if path.suffix == ".safetensors"]
    assert weights
    for path in weights:
        path.write_bytes(pickle.dumps(Evil()))
    forge(step)  # its sums are right
    with pytest.raises(CheckpointError, match="safetensors"):
        rlkit.load(run.folder, identity[kind])


def test_nothing_of_sb3s_own_loading_is_used(monkeypatch, identity, tmp_path):
    kind, settings = TASKS["sb3-dqn"]
    run, _ = train(identity[kind], "sb3-dqn", settings | {"total_steps": 400}, tmp_path)
    for where, name in ((pickle, "load"), (pickle, "loads"), (stable_baselines3.DQN, "load")):
        monkeypatch.setattr(where, name, lambda *args, **kwargs: pytest.fail("unpickled"))
    rlkit.load(run.folder, identity[kind])
