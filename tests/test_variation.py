"""Drawn params, delays and noise around rules, against the rules by themselves."""

from dataclasses import replace

import numpy as np
import pytest

import rlkit
from rlkit.engine.state import states_equal
from rlkit.engine.variation import MAX_DELAY, Range, base_states
from rlkit.evaluation import run_episodes
from rlkit.learning.policy import FunctionPolicy
from rlkit.registry import find_environment

PENDULUM = find_environment("pendulum")
LEVELS = {
    "standard": {},
    "randomized": {"mass": Range(0.5, 2.0, "log_uniform", "kg"), "gravity": Range(5.0, 15.0, unit="m/s²")},
    "hard": {"mass": Range(0.7, 1.3), "action_delay": Range(0, 2), "obs_delay": 1, "obs_noise": 0.05},
}
ENVIRONMENT = replace(PENDULUM, levels=LEVELS)
SCHED = find_environment("cluster_sched")


def torques(num_steps, num_envs, seed=0):
    return np.random.default_rng(seed).uniform(-2, 2, (num_steps, num_envs, 1)).astype(np.float32)


def play(env, actions, seed=1):
    """Return (observations, rewards) of an episode's beginning."""
    obs, _ = env.reset(seed=seed)
    seen, rewards = [obs], []
    for action in actions:
        obs, reward, *_ = env.step(action)
        seen.append(obs)
        rewards.append(reward)
    return np.array(seen), np.array(rewards)


@pytest.mark.parametrize("delay", [1, 3, MAX_DELAY])
def test_a_delayed_action_is_the_action_of_then(delay):
    actions = torques(30, 3)
    late = np.concatenate([np.zeros((delay, 3, 1), np.float32), actions])[:30]
    seen, rewards = play(rlkit.make_batch(PENDULUM, 3, action_delay=delay), actions)
    expected_obs, expected_rewards = play(rlkit.make_batch(PENDULUM, 3), late)
    assert (seen == expected_obs).all()
    assert (rewards == expected_rewards).all()


@pytest.mark.parametrize("delay", [2, MAX_DELAY])
def test_a_delayed_observation_is_the_observation_of_then(delay):
    actions = torques(30, 3)
    seen, rewards = play(rlkit.make_batch(PENDULUM, 3, obs_delay=delay), actions)
    expected_obs, expected_rewards = play(rlkit.make_batch(PENDULUM, 3), actions)
    assert (rewards == expected_rewards).all()
    assert (seen[delay:] == expected_obs[:-delay]).all()
    assert (seen[:delay] == expected_obs[0]).all()


def test_noise_is_of_its_deviation_and_the_state_knows_none_of_it():
    env = rlkit.make_batch(PENDULUM, 20_000, obs_noise=0.1)
    obs, _ = env.reset(seed=0)
    theta = env.states["theta"]
    errors = obs[:, 0] - np.cos(theta)
    assert np.std(errors) == pytest.approx(0.1, rel=0.02)
    assert abs(np.mean(errors)) < 0.004
    assert abs(np.corrcoef(errors, obs[:, 1] - np.sin(theta))[0, 1]) < 0.03


def test_params_are_drawn_anew_in_each_episode_from_their_ranges():
    env = rlkit.make_batch(ENVIRONMENT, 4000, level="randomized")
    env.reset(seed=0)
    first = env.states["drawn"].copy()
    assert ((first["mass"] >= 0.5) & (first["mass"] <= 2)).all()
    assert np.median(first["mass"]) == pytest.approx(1.0, rel=0.05)  # of the logarithm
    assert first["gravity"].mean() == pytest.approx(10.0, rel=0.02)
    assert (first["length"] == PENDULUM.params()["length"]).all()  # not in the level
    env.reset()
    assert (env.states["drawn"]["mass"] != first["mass"]).all()
    hard = rlkit.make_batch(ENVIRONMENT, 4000, level="hard")
    hard.reset(seed=0)
    delays, counts = np.unique(hard.states["drawn"]["action_delay"], return_counts=True)
    assert delays.tolist() == [0, 1, 2]  # both ends
    assert (counts > 1200).all()


def test_an_episode_is_that_of_its_params():
    """What is drawn is what acts: a fresh environment with these params, from the same state, goes the same way."""
    env = rlkit.make_batch(ENVIRONMENT, 5, level="randomized")
    env.reset(seed=3)
    actions = torques(20, 5)
    for i in range(5):
        drawn = env.states["drawn"][i]
        alone = rlkit.make_batch(PENDULUM, 1, mass=float(drawn["mass"]), gravity=float(drawn["gravity"]))
        alone.reset(seed=0)
        snapshot = alone.snapshot()
        snapshot.states[:] = base_states(env.environment, env.states[i : i + 1])
        alone.restore(snapshot)
        fork = rlkit.make_batch(ENVIRONMENT, 5, level="randomized")
        fork.restore(env.snapshot())
        for action in actions:
            expected = fork.step(action)
            found = alone.step(action[i : i + 1])
            assert (found[0][0] == expected[0][i]).all()
            assert found[1][0] == expected[1][i]


def test_snapshots_seeds_and_threads_hold_for_what_is_drawn():
    actions = torques(40, 600)
    envs = [rlkit.make_batch(ENVIRONMENT, 600, level="hard", threads=threads) for threads in (1, 2)]
    first, second = (play(env, actions) for env in envs)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    snapshot = envs[0].snapshot()
    ahead = [envs[0].step(action)[0] for action in actions[:10]]
    obs, _ = envs[1].restore(snapshot)
    assert (obs == first[0][-1]).all()
    assert all((envs[1].step(action)[0] == expected).all() for action, expected in zip(actions, ahead, strict=False))
    alone = rlkit.make(ENVIRONMENT, level="hard")
    alone.reset(seed=1 + 7)
    batch = rlkit.make_batch(ENVIRONMENT, 8, level="hard")
    batch.reset(seed=1)
    assert states_equal(alone.snapshot().states, batch.states[7:])


def test_rows_and_masks_are_varied_too():
    env = rlkit.make_batch(SCHED, 6, obs_noise=0.01, action_delay=1, job_rate=0.6)
    obs, info = env.reset(seed=0)
    assert obs.shape[1:] == SCHED.spaces(SCHED.params()[0])[0].shape
    for _ in range(300):
        obs, _, _, _, info = env.step(info["action_mask"].argmax(axis=1))
    assert np.isfinite(obs).all()


def test_drawings_get_the_episode_as_the_rules_have_it():
    """Drawings call compiled functions with single records, which must be of the types those were compiled for."""
    env = rlkit.make("quadrotor_2d", level="hard", render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().any()
    assert env.state.dtype == env.environment.base_rules.STATE
    assert env.params.dtype == env.environment.base_rules.PARAMS.dtype
    assert env.params.mass != env.nominal_params.mass


def test_planners_and_controllers_get_the_nominal_model():
    seen = []

    class Looker:
        def act_in(self, situation, deterministic=True):
            seen.append((situation.states.dtype, float(situation.params.mass)))
            return np.zeros((len(situation.states), 1), np.float32)

    def act(obs, action_mask):
        return np.zeros((len(obs), 1), np.float32)

    space = PENDULUM.spaces(PENDULUM.params()[0])[0]
    run_episodes(ENVIRONMENT, FunctionPolicy(act, space), 3, 0, level="hard")
    env = rlkit.make_batch(ENVIRONMENT, 2, level="hard")
    env.reset(seed=0)
    from rlkit.learning.policy import Situation, decide

    situation = Situation(None, None, base_states(env.environment, env.states), env.nominal_params[0])
    decide(Looker(), situation)
    assert seen == [(PENDULUM.rules.STATE, float(PENDULUM.params().mass[0]))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action_delay": 9}, "action_delay=9 must be whole steps, 0 to 8"),
        ({"obs_delay": 1.5}, r"obs_delay=1\.5 must be whole steps"),
        ({"obs_noise": -1.0}, r"obs_noise=-1\.0 must be at least 0"),
        ({"level": "none"}, "pendulum has no level 'none'"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        rlkit.make_batch(PENDULUM, 2, **options)


def test_wrong_ranges_are_refused():
    with pytest.raises(ValueError, match="the range 2 to 1 must have its smaller end first"):
        Range(2, 1)
    with pytest.raises(ValueError, match="must begin above 0"):
        Range(0, 1, "log_uniform")
    with pytest.raises(ValueError, match="there is no param 'weight' to draw"):
        rlkit.make_batch(replace(PENDULUM, levels={"x": {"weight": Range(1, 2)}}), 2, level="x")
    with pytest.raises(ValueError, match="tic_tac_toe has two players"):
        rlkit.make_batch("tic_tac_toe", 2, obs_noise=0.1)
