"""Games as PettingZoo AEC environments."""

import importlib
import sys

import numpy as np
import pytest

from rlkit.registry import environment_names, find_environment

# Crosses win with the top row.
GAME = (0, 3, 1, 4, 2)
WON = np.array([[[0, 0, 0], [1, 1, 0], [0, 0, 0]], [[1, 1, 1], [0, 0, 0], [0, 0, 0]]], np.float32)  # noughts see it


@pytest.fixture
def aec_env():
    from rlkit.engine.pettingzoo import aec_env

    return aec_env


@pytest.mark.parametrize("name", [name for name in environment_names() if find_environment(name).num_players == 2])
@pytest.mark.filterwarnings("ignore:Observation numpy array is all zeros.")  # an empty board
@pytest.mark.filterwarnings("ignore:The old environment creation API has been deprecated")  # in PettingZoo itself
def test_pettingzoos_own_tests(name, aec_env):
    from pettingzoo.test import api_test, seed_test

    api_test(aec_env(name))
    seed_test(lambda: aec_env(name))


def test_a_game_in_pettingzoo(aec_env):
    env = aec_env("tic_tac_toe")
    env.reset(seed=1)
    assert env.agents == ["player_0", "player_1"]
    for action in GAME:
        agent = env.agent_selection
        other = next(name for name in env.agents if name != agent)
        np.testing.assert_array_equal(env.observe(agent), env.observe(other)[::-1])  # own and other side change places
        assert env.infos[agent]["action_mask"].sum() > 0
        assert env.infos[other]["action_mask"].sum() == 0
        env.step(action)
    assert env.rewards == {"player_0": 1.0, "player_1": -1.0}
    assert env.terminations == {"player_0": True, "player_1": True}
    np.testing.assert_array_equal(env.observe("player_1"), WON)
    np.testing.assert_array_equal(env.observe("player_0"), WON[::-1])
    for _ in range(2):
        env.step(None)
    assert env.agents == []


def test_an_illegal_move_in_pettingzoo(aec_env):
    env = aec_env("tic_tac_toe")
    env.reset(seed=1)
    env.step(4)
    env.step(4)
    assert env.rewards == {"player_0": 1.0, "player_1": -1.0}
    assert "illegal_action" in env.infos["player_1"]
    assert "illegal_action" not in env.infos["player_0"]


def test_pettingzoo_is_for_two(aec_env):
    with pytest.raises(ValueError, match=r"cartpole has one player: use rlkit\.make"):
        aec_env("cartpole")
    with pytest.raises(ValueError, match="there is no environment 'conect_four'; did you mean 'connect_four'"):
        aec_env("conect_four")


def test_pettingzoo_missing_is_one_sentence(monkeypatch):
    monkeypatch.delitem(sys.modules, "rlkit.engine.pettingzoo", raising=False)
    monkeypatch.setitem(sys.modules, "pettingzoo", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"^this interface needs PettingZoo: pip install .rlkit-suite\[pett\w+\]"
    ):
        importlib.import_module("rlkit.engine.pettingzoo")
