"""Masked actions, and actions outside the space."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import rlkit


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_masked_action_loses_the_episode(mode):
    env = rlkit.make_batch("tic_tac_toe", 3, opponent="self", autoreset_mode=mode)
    env.reset(seed=1)
    _, _, _, _, info = env.step([4, 4, 4])
    assert "illegal_action" not in info
    before = env.states["board"].copy()
    _, rewards, terminated, truncated, info = env.step([0, 4, 1])
    assert rewards.tolist() == [0.0, -1.0, 0.0]
    assert terminated.tolist() == info["illegal_action"].tolist() == [False, True, False]
    assert not truncated.any()
    if mode is AutoresetMode.SAME_STEP:
        assert info["final_info"]["illegal_action"].tolist() == [False, True, False]
    else:
        np.testing.assert_array_equal(env.states["board"][1], before[1])  # the action was not applied


def test_a_masked_action_against_an_opponent_loses_too():
    env = rlkit.make("connect_four")
    rng = np.random.default_rng(0)
    _, info = env.reset(seed=1)
    while info["action_mask"].all():
        _, _, is_over, _, info = env.step(rng.choice(np.flatnonzero(info["action_mask"])))
        if is_over:
            _, info = env.reset()
    _, reward, terminated, truncated, info = env.step(int(info["action_mask"].argmin()))
    assert (reward, terminated, truncated, info["illegal_action"]) == (-1.0, True, False, True)


def test_masked_actions_can_be_errors_before_anything_moves():
    env = rlkit.make_batch("tic_tac_toe", 3, opponent="self", illegal_actions="raise")
    env.reset(seed=1)
    env.step([4, 4, 4])
    before = env.states.tobytes()
    with pytest.raises(ValueError, match="action 4 of copy 1 is masked: illegal in its present state"):
        env.step([0, 4, 1])
    assert env.states.tobytes() == before
    env.step([0, 1, 2])


# --- actions outside the space ------------------------------------------------------------------------------

OUTSIDE = {
    "cartpole": [
        ([0, 2, 1], "action 2 of copy 1 is outside Discrete"),
        ([0, 0, -1], "action -1 of copy 2 is outside Discrete"),
        ([2**40, 0, 0], "action 1099511627776 of copy 0 is outside"),
        ([0, 1], r"actions have shape \(2,\), not \(3,\)"),
        (1, r"actions have shape \(\), not \(3,\)"),
        ([[0], [1], [1]], r"actions have shape \(3, 1\), not \(3,\)"),
        ([0.0, 1.0, 0.0], "actions of dtype float64 do not fit Discrete.*; use int64"),
        ([True, False, True], "actions of dtype bool do not fit"),
        (["0", "1", "1"], "do not fit Discrete"),
        ([0, 1, None], "actions of dtype object do not fit"),
    ],
    "pendulum": [
        ([[0.0], [2.1], [0.0]], r"action \[2.1\] of copy 1 is outside Box"),
        ([[0.0], [0.0], [-np.inf]], r"action \[-inf\] of copy 2 is outside Box"),
        ([[np.nan], [0.0], [0.0]], r"action \[nan\] of copy 0 is outside Box"),
        ([[1e300], [0.0], [0.0]], r"action \[1.e\+300\] of copy 0 is outside Box"),
        ([0.0, 0.0, 0.0], r"actions have shape \(3,\), not \(3, 1\)"),
        ([[0j], [0j], [0j]], "actions of dtype complex128 do not fit"),
    ],
    "connect_four": [([0, 0, 7], "action 7 of copy 2 is outside Discrete")],
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_action_outside_the_space_raises_before_any_copy_moves(name):
    env = rlkit.make_batch(name, 3)
    env.reset(seed=1)
    for actions, words in OUTSIDE[name]:
        before = env.states.tobytes(), env.episodes.tobytes()
        with pytest.raises(ValueError, match=words):
            env.step(actions)
        assert (env.states.tobytes(), env.episodes.tobytes()) == before
    env.step(np.zeros(env.action_space.shape, np.int32))


@pytest.mark.parametrize("illegal_actions", ["lose", "raise"])
def test_the_action_of_a_finished_copy_is_ignored_but_must_be_in_the_space(illegal_actions):
    env = rlkit.make_batch("tic_tac_toe", 2, opponent="self", illegal_actions=illegal_actions)
    env.reset(seed=1)
    for actions in ([0, 0], [3, 3], [1, 1], [4, 4], [2, 8]):
        _, _, terminated, _, _ = env.step(actions)
    assert terminated.tolist() == [True, False]
    with pytest.raises(ValueError, match="action 9 of copy 0 is outside"):
        env.step([9, 5])
    obs, rewards, _, _, info = env.step([0, 5])  # 0 is taken in copy 0, which begins anew
    assert "illegal_action" not in info
    assert rewards.tolist() == [0.0, 1.0]
    assert obs[0].sum() == 0
