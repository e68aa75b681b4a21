"""States, random numbers, batches, snapshots and threads."""

import gymnasium
import numpy as np
import pytest
from tiny_environments import load_environment, write_environment

import rlkit
from rlkit.checking import check_environment
from rlkit.engine.batch import Snapshot
from rlkit.engine.state import fork, make_params, param_names, params_dtype, state_dtype, states_equal
from rlkit.registry import environment_from_path
from rlkit.trajectories import first_difference, play

# --- states and params --------------------------------------------------------------------------------------


def test_a_state_is_an_aligned_record_with_the_engines_fields():
    dtype = state_dtype(flag=np.int8, x=np.float64, board=(np.int8, (3, 2)))
    assert dtype.names == ("flag", "x", "board", "rng", "num_steps")
    assert dtype.isalignedstruct
    assert dtype.fields["x"][1] == 8
    state = np.zeros(1, dtype)[0]
    state.board[1, 1] = 5
    assert isinstance(state, np.record)
    assert state.board.shape == (3, 2)
    for name in ("rng", "num_steps"):
        with pytest.raises(ValueError, match=f"state field '{name}' is the engine's own; choose another name"):
            state_dtype(**{name: np.int8})


def test_names_that_numpys_records_use_themselves_are_refused():
    for name in ("size", "flat", "max", "data", "copy", "T", "field"):
        words = f"{name!r} is also an attribute of NumPy's records; choose another name"
        with pytest.raises(ValueError, match=f"state field {words}"):
            state_dtype(**{name: np.int8})
        with pytest.raises(ValueError, match=f"param {words}"):
            params_dtype(**{name: 1.0})


def test_params_have_kinds_and_refuse_what_does_not_fit():
    defaults = params_dtype(gravity=9.8, count=3)
    assert param_names(defaults) == ["gravity", "count"]
    changed = make_params(defaults, {"gravity": 1}, {"count": 5.0})
    assert (changed.gravity[0], changed.count[0]) == (1.0, 5)
    assert (defaults.gravity[0], defaults.count[0]) == (9.8, 3)
    for change, words in [
        ({"gravty": 1.0}, "unknown param 'gravty'; did you mean 'gravity'?"),
        ({"zzz": 1.0}, "unknown param 'zzz'; there are: gravity, count"),
        ({"count": 2.5}, "param count=2.5 is not a whole number"),
        ({"gravity": np.nan}, "param gravity=nan is not a finite number"),
        ({"gravity": "much"}, "param gravity='much' is not a finite number"),
        ({"gravity": None}, "param gravity=None is not a finite number"),
    ]:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 (the words are compared below)
            make_params(defaults, change)
        assert str(caught.value) == words
    with pytest.raises(ValueError, match="unknown param 'x'; there are: none"):
        make_params(params_dtype(), {"x": 1})


def test_a_param_may_be_a_table_that_only_presets_set():
    defaults = params_dtype(num_jobs=2, durations=np.zeros((2, 3), np.int16))
    table = np.arange(6).reshape(2, 3)
    changed = make_params(defaults, {"durations": table, "num_jobs": 1})
    assert changed.durations[0].tolist() == table.tolist()
    assert (changed.num_jobs[0], defaults.durations.sum()) == (1, 0)
    for value, words in [
        (3.0, r"'durations' is a table of shape \(2, 3\), which only a level or an instance can set"),
        (table[0], r"must be an array of shape \(2, 3\) with values that int16 can hold"),
        (table * 10_000, "with values that int16 can hold"),
        (table * 0.5, "with values that int16 can hold"),
    ]:
        with pytest.raises(ValueError, match=words):
            make_params(defaults, {"durations": value})


def test_padding_is_not_compared_and_nan_equals_nan():
    dtype = state_dtype(flag=np.int8, x=np.float64)
    left, right = np.zeros(2, dtype), np.zeros(2, dtype)
    left["x"] = right["x"] = np.nan
    right.view(np.uint8).reshape(2, -1)[:, 1:8] = 7  # between flag and x
    assert left.tobytes() != right.tobytes()
    assert states_equal(left, right)
    assert not states_equal(left, right[:1])
    right["x"][1] = -0.0
    left["x"][1] = 0.0
    assert not states_equal(left, right)


def test_a_fork_is_a_copy_and_a_reseeded_fork_has_streams_of_its_own():
    states = np.zeros(1000, state_dtype(x=np.float64))
    states["rng"] = 5
    copy = fork(states)
    copy["x"] = 1.0
    assert (states["x"] == 0).all()
    assert (copy["rng"] == 5).all()
    one, same, other = (fork(states, reseed=seed)["rng"] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert len(set(one.tolist()) | set(other.tolist())) == 2000


# --- batches ------------------------------------------------------------------------------------------------


def test_wrong_arguments_are_refused_in_one_sentence():
    for options, words in [
        ({"num_envs": 0}, "num_envs=0 must be at least 1"),
        ({"threads": 0}, "threads=0 must be at least 1"),
        ({"illegal_actions": "ignore"}, "illegal_actions='ignore' must be 'lose' or 'raise'"),
        ({"level": "hard"}, "cartpole has no level 'hard'; there are: standard"),
        ({"gravity": "x"}, "param gravity='x' is not a finite number"),
    ]:
        with pytest.raises(ValueError, match=words):
            rlkit.make_batch("cartpole", **options)


def test_seeds():
    env = rlkit.make_batch("cartpole", 3)
    obs = env.reset(seed=10)[0]
    np.testing.assert_array_equal(env.reset(seed=[10, 11, 12])[0], obs)
    np.testing.assert_array_equal(env.reset(seed=np.array([12, 11, 10]))[0], obs[::-1])
    partly = env.reset(seed=[None, 11, None])[0]
    np.testing.assert_array_equal(partly[1], obs[1])
    assert (partly[[0, 2]] != obs[[0, 2]]).all()
    for seed, words in [
        ([1, 2], "2 seeds were given for 3 copies"),
        (-1, "seed -1 must be a whole number, at least 0"),
        (2**64 - 1, f"seed {2**64} must be a whole number, at least 0 and below"),
        (1.5, "seed 1.5 must be a whole number, or a list with one for each copy"),
        ([1, 2.5, 3], "seed 2.5 must be a whole number"),
    ]:
        with pytest.raises(ValueError, match=words):
            env.reset(seed=seed)


def test_stepping_and_resetting_in_the_wrong_order():
    env = rlkit.make_batch("cartpole", 2)
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\) before step"):
        env.step([0, 0])
    with pytest.raises(gymnasium.error.ResetNeeded, match="the first reset must reset every copy"):
        env.reset(options={"reset_mask": np.array([True, False])})


def test_a_reset_mask_resets_only_the_marked_copies():
    env = rlkit.make_batch("cartpole", 4, autoreset_mode="disabled")
    env.reset(seed=1)
    for _ in range(5):
        env.step([0, 1, 0, 1])
    before = env.states.copy()
    where = np.array([[True, False], [False, False], [True, False], [False, False]])[:, 0]  # not contiguous
    assert not where.flags.c_contiguous
    env.reset(options={"reset_mask": where})
    assert len(env.kernels.reset_copies.signatures) == 1  # nothing was compiled anew for it
    np.testing.assert_array_equal(env.states["num_steps"], [0, 5, 0, 5])
    assert states_equal(env.states[[1, 3]], before[[1, 3]])
    assert (env.states["x"][[0, 2]] != before["x"][[0, 2]]).all()
    env.reset(seed=7, options={"reset_mask": where})
    seeded = env.states.copy()
    env.reset(seed=[7, None, 9, None], options={"reset_mask": where})
    assert states_equal(env.states, seeded)
    for bad in (np.zeros(4, bool), np.ones(3, bool), np.ones(4, np.int8), [True] * 4):
        with pytest.raises(ValueError, match=r"options\['reset_mask'\] must be a bool array of shape \(4,\)"):
            env.reset(options={"reset_mask": bad})


def test_a_snapshot_holds_all_that_decides_the_future():
    env = rlkit.make_batch("connect_four", 8, autoreset_mode="same_step", episode_stats=True)
    play(env, 30, seed=1)
    snapshot = env.snapshot()
    once = play(env, 100, seed=2, begin=False)
    other = rlkit.make_batch("connect_four", 8, autoreset_mode="same_step", episode_stats=True)
    other.restore(snapshot)  # also into a batch that was never reset
    assert first_difference(once, play(other, 100, seed=2, begin=False)) is None
    states = snapshot.states.copy()
    env.step([int(mask.argmax()) for mask in env.restore(snapshot)[1]["action_mask"]])
    assert states_equal(snapshot.states, states)  # a snapshot is a copy


def test_a_snapshot_of_something_else_is_refused():
    snapshot = rlkit.make_batch("cartpole", 2).snapshot()
    for env in (rlkit.make_batch("cartpole", 3), rlkit.make_batch("pendulum", 2)):
        with pytest.raises(ValueError, match=r"the snapshot holds 2 copies of \d+ bytes, this batch of rlkit/"):
            env.restore(snapshot)


def test_a_single_copys_live_state_and_undo():
    env = rlkit.make("tic_tac_toe", opponent="self")
    obs, info = env.reset(seed=1)
    snapshot = env.snapshot()
    env.step(4)
    assert env.state.board[1, 1] == 1
    assert env.state.player == -1
    back, info_back = env.restore(snapshot)
    np.testing.assert_array_equal(back, obs)
    assert info_back["player"] == info["player"] == 1
    assert (env.state.board == 0).all()
    assert rlkit.make("cartpole", gravity=2.0).params.gravity == 2.0


# --- an environment of every kind: parts, several actions, metrics, chance, levels --------------------------

FLEET_INIT = '''"""Fleet: send one of three vans, fast or slow, to jobs that come by chance.

Observation
    Dict of "jobs" Box float32 [3, 2] and "time" Box float32 [1].

Action
    MultiDiscrete([3, 2]): the van and its speed.

Reward
    The size of the job served.

Termination
    The bad luck of a flat tyre. Truncated after 9 steps.

Params
    flat_rate, scale.

Metrics
    served, fast.

Yardstick
    none

Source
    This test.
"""

import numpy as np
from gymnasium import spaces

from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="test/Fleet-v0",
    observation_space=lambda params: spaces.Dict(
        jobs=spaces.Box(0.0, float(params.scale), (3, 2)), time=spaces.Box(0, 100, (1,), np.int64)
    ),
    action_space=spaces.MultiDiscrete([3, 2]),
    max_steps=9,
    metrics=("served", "fast"),
    levels={"standard": {}, "hard": {"flat_rate": 0.5}},
)
'''

FLEET_RULES = """import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import uniform
from rlkit.engine.state import params_dtype, state_dtype

STATE = state_dtype(jobs=(np.float64, (3, 2)), time=np.int32, served=np.float64, fast=np.int32)
PARAMS = params_dtype(flat_rate=0.1, scale=2.0)


@jit
def reset(state, params):
    state.time = 0
    state.served = 0.0
    state.fast = 0
    for van in range(3):
        for job in range(2):
            state.jobs[van, job] = float(params.scale) * uniform(state)


@jit
def step(state, params, action):
    van, speed = int(action[0]), int(action[1])
    size = float(state.jobs[van, speed])
    state.served = float(state.served) + size
    state.fast = int(state.fast) + speed
    state.time = int(state.time) + 2 - speed
    state.jobs[van, speed] = float(params.scale) * uniform(state)
    return size, uniform(state) < float(params.flat_rate)


@jit
def observe(state, params, obs):
    for van in range(3):
        for job in range(2):
            obs.jobs[van, job] = state.jobs[van, job]
    obs.time[0] = state.time


@jit
def metrics(state, params, out):
    out[0] = state.served
    out[1] = state.fast
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    edits = [("__init__", "", ""), ("rules", "", "")]
    folder = write_environment(tmp_path_factory.mktemp("fleet") / "tiny_fleet", *edits)
    (folder / "__init__.py").write_text(FLEET_INIT)
    (folder / "rules.py").write_text(FLEET_RULES)
    return environment_from_path(folder)


def test_an_environment_of_parts_keeps_the_contract(fleet):
    assert [verdict for verdict in check_environment(fleet) if not verdict.ok] == []


def test_observations_of_several_parts_are_views_of_one_record(fleet):
    env = rlkit.make_batch(fleet, 5, copy=False)
    obs, _ = env.reset(seed=1)
    assert {name: (part.shape, str(part.dtype)) for name, part in obs.items()} == {
        "jobs": ((5, 3, 2), "float32"),
        "time": ((5, 1), "int64"),
    }
    assert obs["jobs"].base is not None
    np.testing.assert_allclose(obs["jobs"], env.states["jobs"], rtol=1e-6)
    fresh = rlkit.make_batch(fleet, 5)
    assert not np.shares_memory(fresh.reset(seed=1)[0]["jobs"], fresh.step(np.zeros((5, 2), int))[0]["jobs"])
    with pytest.raises(ValueError, match=r"action \[1 2\] of copy 4 is outside MultiDiscrete"):
        fresh.step([[0, 0]] * 4 + [[1, 2]])


def test_metrics_come_with_the_episodes_figures(fleet):
    env = rlkit.make_batch(fleet, 4, autoreset_mode="same_step", episode_stats=True, level="hard")
    assert env.params.flat_rate[0] == 0.5
    env.reset(seed=1)
    totals, lengths, fast, count = np.zeros(4), np.zeros(4), np.zeros(4), 0
    for step in range(60):
        actions = np.array([[i % 3, (i + step) % 2] for i in range(4)])
        _, rewards, terminated, truncated, info = env.step(actions)
        totals, lengths, fast = totals + rewards, lengths + 1, fast + actions[:, 1]
        done = terminated | truncated
        if done.any():
            episode = info["episode"]
            np.testing.assert_allclose(episode["r"][done], totals[done])
            np.testing.assert_allclose(episode["served"][done], totals[done])
            np.testing.assert_array_equal(episode["l"][done], lengths[done])
            np.testing.assert_array_equal(episode["fast"][done], fast[done])
            for figure in (totals, lengths, fast):
                figure[done] = 0
            count += done.sum()
    assert count > 50


# --- a planner cannot beat a coin ---------------------------------------------------------------------------

COIN = (
    ("rules", "    return float(action),", "    return 1.0 if action == (uniform(state) < 0.5) else 0.0,"),
    ("rules", "int(state.count) >= int(params.goal)", "False"),
    ("rules", "    state.count = int(state.count) + action\n    state.luck = uniform(state)\n", ""),
    ("__init__", "max_steps=12", "max_steps=None"),
)


def test_a_planner_cannot_beat_a_coin(tmp_path):
    environment = load_environment(tmp_path / "tiny_coin", *COIN)
    count, num_steps = 50, 80
    wins = {}
    for reseeds in (False, True):
        env, mind = rlkit.make_batch(environment, count), rlkit.make_batch(environment, count)
        env.reset(seed=1)
        won = 0.0
        for step in range(num_steps):
            imagined = fork(env.states, reseed=step if reseeds else None)
            returns = []
            for action in (0, 1):
                mind.restore(Snapshot(imagined, env.episodes))
                returns.append(mind.step(np.full(count, action))[1])
            won += env.step(np.argmax(returns, axis=0))[1].sum()
        wins[reseeds] = won / (count * num_steps)
    assert wins[False] == 1.0  # it saw tomorrow's dice
    assert abs(wins[True] - 0.5) < 0.04  # five standard errors
