"""The networks that come with rlkit: they load, play as their cards say, and are refused when damaged."""

import shutil

import pytest

import rlkit
from rlkit.files import RunError
from rlkit.pretrained import Pretrained
from rlkit.registry import find_environment, pretrained_folder

NAMES = sorted(path.stem for path in pretrained_folder().glob("*.json"))


def test_there_are_some():
    assert "connect_four" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_network_plays_as_its_card_says(name):
    source = Pretrained.open(pretrained_folder(), name)
    assert str(source.card["command"]).startswith(f"rlkit train {source.environment_name} ")
    policy = rlkit.load(f"pretrained:{name}")
    score = find_environment(source.environment_name).yardstick.score
    if score is not None:  # of the network alone; half precision and other processors move a position or two
        expected = source.card["scores"]["network alone"]
        for figure, value in score(policy.with_simulations(0), True).items():
            assert value == pytest.approx(expected[figure], abs=0.004)


def test_it_plays_its_own_game_only():
    with pytest.raises(ValueError, match="pretrained:connect_four plays 'connect_four', not 'tic_tac_toe'"):
        rlkit.load("pretrained:connect_four", find_environment("tic_tac_toe"))
    with pytest.raises(RunError, match="there is no pretrained network 'nothing'; there are: "):
        rlkit.load("pretrained:nothing")


def test_damaged_weights_are_refused(tmp_path):
    for path in pretrained_folder().glob("connect_four.*"):
        shutil.copy(path, tmp_path)
    weights = tmp_path / "connect_four.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(RunError, match="is damaged: its SHA-256 is not the one on its card"):
        Pretrained.open(tmp_path, "connect_four").load()
