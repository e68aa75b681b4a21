"""What Gymnasium, PettingZoo and Stable-Baselines3 expect of an environment."""

import importlib.util
import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

import rlkit
from rlkit.registry import environment_names

NEED_MUJOCO = ("reach_2link_mujoco", "planar_walker", "arm_reach", "arm_push")
IDS = {
    name: id
    for name, id in environment_names().items()
    if name not in NEED_MUJOCO or importlib.util.find_spec("mujoco") is not None
}
NAMES = list(IDS)
MODES = list(AutoresetMode)

# --- making environments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", IDS.values())
def test_make_and_make_vec(id):
    single = gymnasium.make(f"envs:{id}", flat_obs=True)
    vector = gymnasium.make_vec(f"envs:{id}", num_envs=3, flat_obs=True)
    assert isinstance(single.unwrapped, rlkit.ScalarEnv)
    assert isinstance(vector, VectorEnv)
    assert isinstance(vector, rlkit.BatchEnv)
    assert vector.num_envs == 3
    assert single.spec.max_episode_steps is None  # the engine truncates
    wrappers = str(single)
    assert "TimeLimit" not in wrappers
    seeds = vector.reset(seed=5)[0]
    for i in range(3):
        np.testing.assert_array_equal(single.reset(seed=5 + i)[0], seeds[i])


def test_params_and_options_are_keywords():
    assert gymnasium.make("envs:rlkit/CartPole-v0", gravity=3.5).unwrapped.params.gravity == 3.5
    vector = gymnasium.make_vec("envs:rlkit/CartPole-v0", 2, gravity=3.5, autoreset_mode="same_step")
    assert vector.params.gravity[0] == 3.5
    assert vector.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert gymnasium.make("envs:rlkit/Pendulum-v0", max_torque=1.0).action_space.high == [1.0]
    game = gymnasium.make("envs:rlkit/TicTacToe-v0", opponent="self")
    assert game.reset(seed=1)[1]["player"] == 1
    with pytest.raises(ValueError, match="unknown param 'gravty'; did you mean 'gravity'"):
        gymnasium.make("envs:rlkit/CartPole-v0", gravty=3.5)


@pytest.mark.parametrize(
    ("given", "mode"),
    [(mode, mode) for mode in MODES]
    + [(mode.name, mode) for mode in MODES]
    + [(mode.name.lower(), mode) for mode in MODES]
    + [(mode.value, mode) for mode in MODES],
)
def test_autoreset_mode_by_enum_or_any_name_of_it(given, mode):
    env = rlkit.make_batch("cartpole", 2, autoreset_mode=given)
    assert env.metadata["autoreset_mode"] is mode


@pytest.mark.parametrize("given", ["sometimes", None, 3])
def test_other_autoreset_modes_are_refused(given):
    with pytest.raises(ValueError, match=r"autoreset_mode=.* must be 'next_step', 'same_step' or 'disabled'"):
        rlkit.make_batch("cartpole", 2, autoreset_mode=given)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:.*A Box observation space (mini|maxi)mum value is -?infinity")
@pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space")
def test_gymnasiums_own_checker(name):
    check_env(gymnasium.make(f"envs:{environment_names()[name]}").unwrapped)


IMAGE_WARNINGS = (
    "It seems that your observation  is an image but its `dtype` is (float32) whereas it has to be `np.uint8`"
    ". If your observation is not an image, we recommend you to flatten the observation to have only a 1D "
    "vector",
    "It seems that your observation space  is an image but the upper and lower bounds are not in [0, 255]. "
    "Because the CNN policy normalize automatically the observation you may encounter issue if the values "
    "are not in that range.",
    "The minimal resolution for an image is 36x36 for the default `CnnPolicy`. You might need to use a "
    "custom features extractor cf. "
    "https://stable-baselines3.readthedocs.io/en/master/guide/custom_policy.html",
)  # fmt: skip


ROWS_WARNING = (
    "Your observation  has an unconventional shape (neither an image, nor a 1D vector). We recommend you to flatten "
    "the observation to have only a 1D vector or use a custom policy to properly process the data."
)


@pytest.mark.parametrize("name", NAMES)
def test_stable_baselines3s_checker(name):
    from stable_baselines3.common.env_checker import check_env as sb3_check_env

    is_goal = rlkit.find_environment(name).goal_size > 0  # dense rewards also charge actions, which no goal tells
    env = rlkit.make(name, **{"level": "sparse"} if is_goal else {})
    expected = IMAGE_WARNINGS if env.environment.num_players == 2 else ()
    if len(env.observation_space.shape or ()) == 2:
        expected = (ROWS_WARNING,)
    if name == "pendulum":
        expected = (
            "We recommend you to use a symmetric and normalized Box action space (range=[-1, 1]) cf. "
            "https://stable-baselines3.readthedocs.io/en/master/guide/rl_tips.html",
        )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        sb3_check_env(env)
    assert [str(warning.message) for warning in said] == list(expected)


# --- autoreset ----------------------------------------------------------------------------------------------

# Two games of tic-tac-toe: in copy 0 crosses win with the top row at the fifth ply; copy 1 goes on for one.
GAME = [(0, 0), (3, 3), (1, 1), (4, 4), (2, 8)]
WON = np.array([[[0, 0, 0], [1, 1, 0], [0, 0, 0]], [[1, 1, 1], [0, 0, 0], [0, 0, 0]]], np.float32)  # noughts see it
GOES_ON = np.array([[[0, 0, 0], [1, 1, 0], [0, 0, 0]], [[1, 1, 0], [0, 0, 0], [0, 0, 1]]], np.float32)
EMPTY = np.zeros((2, 3, 3), np.float32)


def play_game(mode):
    env = rlkit.make_batch("tic_tac_toe", 2, opponent="self", autoreset_mode=mode)
    env.reset(seed=1)
    for actions in GAME[:-1]:
        _, rewards, terminated, truncated, info = env.step(actions)
        assert (rewards == 0).all()
        assert not terminated.any()
        assert not truncated.any()
        assert not {"final_obs", "final_info", "episode"} & info.keys()
    return env, env.step(GAME[-1])


def assert_step(step, obs, rewards, terminated, players, masks):
    np.testing.assert_array_equal(step[0], obs)
    assert step[1].tolist() == rewards
    assert step[1].dtype == np.float64
    assert step[2].tolist() == terminated
    assert step[3].tolist() == [False, False]
    assert step[4]["player"].tolist() == players
    assert ["".join(map(str, mask)) for mask in step[4]["action_mask"]] == masks
    assert step[4]["action_mask"].dtype == np.int8


def test_next_step_by_hand():
    env, step = play_game("next_step")
    assert_step(step, [WON, GOES_ON], [1.0, 0.0], [True, False], [-1, -1], ["000001111", "001001110"])
    assert "final_obs" not in step[4]
    step = env.step([0, 5])  # the 0 is ignored: copy 0 begins anew; in copy 1 noughts win with the middle row
    after = np.array([[[1, 1, 0], [0, 0, 0], [0, 0, 1]], [[0, 0, 0], [1, 1, 1], [0, 0, 0]]])
    assert_step(step, [EMPTY, after], [0.0, 1.0], [False, True], [1, 1], ["111111111", "001000110"])
    step = env.step([4, 4])  # copy 1 begins anew
    centre = np.array([EMPTY[0], [[0, 0, 0], [0, 1, 0], [0, 0, 0]]])
    assert_step(step, [centre, EMPTY], [0.0, 0.0], [False, False], [-1, 1], ["111101111", "111111111"])


def test_same_step_by_hand():
    env, step = play_game("same_step")
    assert_step(step, [EMPTY, GOES_ON], [1.0, 0.0], [True, False], [1, -1], ["111111111", "001001110"])
    info = step[4]
    assert info["_final_obs"].tolist() == info["_final_info"].tolist() == [True, False]
    np.testing.assert_array_equal(info["final_obs"][0], WON)
    assert info["final_info"]["player"][0] == -1
    assert "".join(map(str, info["final_info"]["action_mask"][0])) == "000001111"
    assert info["final_info"]["_action_mask"].tolist() == [True, False]
    step = env.step([4, 5])
    centre = np.array([EMPTY[0], [[0, 0, 0], [0, 1, 0], [0, 0, 0]]])
    assert_step(step, [centre, EMPTY], [0.0, 1.0], [False, True], [-1, 1], ["111101111", "111111111"])
    assert step[4]["_final_obs"].tolist() == [False, True]


def test_disabled_by_hand():
    env, step = play_game("disabled")
    assert_step(step, [WON, GOES_ON], [1.0, 0.0], [True, False], [-1, -1], ["000001111", "001001110"])
    with pytest.raises(gymnasium.error.ResetNeeded, match="copy 0 has finished its episode; reset it"):
        env.step([5, 5])
    obs, info = env.reset(options={"reset_mask": np.array([True, False])})
    np.testing.assert_array_equal(obs, [EMPTY, GOES_ON])
    assert info["player"].tolist() == [1, -1]
    step = env.step([4, 5])
    assert step[1].tolist() == [0.0, 1.0]
    assert step[2].tolist() == [False, True]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{"opponent": "self"}, {"opponent": "random"}])
def test_the_same_as_gymnasiums_own_vector_of_single_copies(mode, options):
    singles = SyncVectorEnv([lambda: rlkit.make("tic_tac_toe", **options)] * 3, autoreset_mode=mode)
    batch = rlkit.make_batch("tic_tac_toe", 3, autoreset_mode=mode, **options)
    rng, num_ended = np.random.default_rng(0), 0
    results = [env.reset(seed=3) for env in (singles, batch)]
    for _ in range(80):
        assert_same(*results)
        masks = results[1][-1]["action_mask"]
        actions = (rng.random(masks.shape) * masks + (rng.random(masks.shape) > 0.98)).argmax(axis=1)  # some illegal
        results = [env.step(actions) for env in (singles, batch)]
        done = results[0][2] | results[0][3]
        num_ended += done.sum()
        if mode is AutoresetMode.DISABLED and done.any():
            assert_same(*results)
            results = [env.reset(options={"reset_mask": done.copy()}) for env in (singles, batch)]
    assert num_ended > 20


def assert_same(one, other):
    for left, right in zip(one[:-1], other[:-1], strict=True):
        np.testing.assert_array_equal(left, right)
        assert left.dtype == right.dtype
    assert_same_info(one[-1], other[-1])


def assert_same_info(one, other):
    """Compare infos where the first defines them; ours also tells illegal actions beside `final_info`."""
    assert one.keys() <= other.keys()
    assert other.keys() - one.keys() <= {"illegal_action", "_illegal_action"}
    for name, value in one.items():
        if name.startswith("_"):
            assert (other[name] >= value).all()
        elif isinstance(value, dict):
            assert_same_info(value, other[name])
        else:
            for i in np.flatnonzero(one["_" + name]):
                np.testing.assert_array_equal(value[i], other[name][i])


# --- seeds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_copy_i_is_the_single_copy_seeded_with_s_plus_i_through_all_episodes(name):
    environment = rlkit.find_environment(name)
    brief = replace(environment, max_steps=min(environment.max_steps or 150, 150))  # so that many episodes end
    batch, singles = (
        rlkit.make_batch(brief, 3, autoreset_mode="same_step", flat_obs=True),
        [rlkit.make(brief, flat_obs=True) for _ in range(3)],
    )
    obs, info = batch.reset(seed=40)
    for i, single in enumerate(singles):
        np.testing.assert_array_equal(single.reset(seed=40 + i)[0], obs[i])
    rng, ended = np.random.default_rng(1), 0
    for _ in range(450):
        actions = legal(batch, info, rng)
        obs, rewards, terminated, truncated, info = batch.step(actions)
        for i, single in enumerate(singles):
            own_obs, reward, *flags, _ = single.step(actions[i])
            assert (reward, *flags) == (rewards[i], terminated[i], truncated[i])
            if any(flags):
                own_obs, _ = single.reset()
                ended += 1
            np.testing.assert_array_equal(own_obs, obs[i])
    assert ended >= 6


def legal(env, info, rng):
    if "action_mask" in info:
        return (rng.random(info["action_mask"].shape) * info["action_mask"]).argmax(axis=1)
    if isinstance(env.single_action_space, gymnasium.spaces.Discrete):
        return rng.integers(env.single_action_space.n, size=env.num_envs)
    space = env.single_action_space
    return rng.uniform(space.low, space.high, (env.num_envs, *space.shape)).astype(space.dtype)


def test_resetting_without_a_seed_goes_on_with_the_copys_stream():
    env = rlkit.make("cartpole")
    first = env.reset(seed=3)[0]
    second = env.reset()[0]
    assert (first != second).all()
    env.reset(seed=3)
    np.testing.assert_array_equal(env.reset()[0], second)
    unseeded = [rlkit.make("cartpole").reset()[0] for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).all()


# --- infos --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
@pytest.mark.parametrize("name", ["cartpole", "connect_four"])
def test_episode_stats_equal_gymnasiums_wrapper(name, mode):
    own = rlkit.make_batch(name, 4, autoreset_mode=mode, episode_stats=True)
    wrapped = RecordEpisodeStatistics(rlkit.make_batch(name, 4, autoreset_mode=mode))
    infos = [env.reset(seed=2)[1] for env in (own, wrapped)]
    rng, count = np.random.default_rng(2), 0
    for _ in range(120):
        actions = legal(own, infos[0], rng)
        infos = [env.step(actions)[-1] for env in (own, wrapped)]
        assert ("episode" in infos[0]) == ("episode" in infos[1])
        if "episode" in infos[0]:
            ended = infos[0]["_episode"]
            np.testing.assert_array_equal(ended, infos[1]["_episode"])
            for key in "rl":
                np.testing.assert_array_equal(infos[0]["episode"][key][ended], infos[1]["episode"][key][ended])
            count += ended.sum()
    assert count > 10


def test_episode_stats_are_off_by_default():
    env = rlkit.make_batch("tic_tac_toe", 2, opponent="self")
    env.reset(seed=1)
    infos = [env.step(actions)[-1] for actions in GAME]
    assert not any("episode" in info for info in infos)


def test_the_mask_is_what_gymnasium_samples_with():
    env = rlkit.make("connect_four", opponent="self")
    _, info = env.reset(seed=1)
    for action in (3, 3, 3, 3, 3, 3):
        assert info["action_mask"].dtype == np.int8
        *_, info = env.step(action)
    assert info["action_mask"].tolist() == [1, 1, 1, 0, 1, 1, 1]
    env.action_space.seed(0)
    assert 3 not in {env.action_space.sample(info["action_mask"]) for _ in range(100)}


# --- copies and pictures ------------------------------------------------------------------------------------


def test_arrays_are_fresh_unless_told_otherwise():
    env = rlkit.make_batch("tic_tac_toe", 2, opponent="self")
    obs, info = env.reset(seed=1)
    kept = [obs, info["action_mask"], info["_action_mask"], info["player"]]
    values = [array.copy() for array in kept]
    step = env.step([0, 1])
    for array, value, new in zip(
        kept,
        values,
        [step[0], step[4]["action_mask"], step[4]["_action_mask"], step[4]["player"]],
        strict=True,
    ):
        np.testing.assert_array_equal(array, value)
        assert not np.shares_memory(array, new)

    env = rlkit.make_batch("tic_tac_toe", 2, opponent="self", copy=False)
    obs, info = env.reset(seed=1)
    step = env.step([0, 1])
    assert step[0] is obs
    assert step[4]["action_mask"] is info["action_mask"]
    rewards, terminated, truncated = step[1:4]
    step = env.step([3, 4])
    assert all(one is other for one, other in zip(step[1:4], (rewards, terminated, truncated), strict=True))


def test_render():
    env = gymnasium.make("envs:rlkit/ConnectFour-v0", render_mode="rgb_array")
    env.reset(seed=1)
    frame = env.render()
    assert frame.dtype == np.uint8
    assert frame.shape == (560, 600, 3)
    env.step(3)
    assert (env.render() != frame).any()
    vector = rlkit.make_batch("cartpole", 2, render_mode="rgb_array")
    vector.reset(seed=1)
    assert [picture.shape for picture in vector.render()] == [(400, 640, 3)] * 2
    assert rlkit.make_batch("cartpole", 2).render() is None
    with pytest.raises(ValueError, match="render_mode='human' must be None or 'rgb_array'; to watch live use"):
        rlkit.make("cartpole", render_mode="human")
