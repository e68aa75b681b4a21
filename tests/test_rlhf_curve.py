"""The curve of true return over labels, read from run folders."""

import pytest
from PIL import Image

from agents.rlhf import curve
from rlkit.run import Run


def add(root, agent, seed, value, *, is_finished=True, environment="pendulum", **config):
    """Make a run folder as a training leaves it: random play returns −200."""
    with Run.create(environment, agent, config, seed, root=root) as run:
        if is_finished:
            rows = {"agent": {"return": {"mean": value}}, "random": {"return": {"mean": -200.0}}}
            run.write_scores({"final": {"rows": rows}})


@pytest.fixture
def runs(tmp_path):
    for seed, value in enumerate((-110, -100, -90)):  # 90, 100, 110 points
        add(tmp_path, "ppo", seed, value)
        add(tmp_path, "rlhf", seed, value - 20, teacher="noisy", labels=200)
        add(tmp_path, "rlhf", seed, -200, teacher="noisy", labels=50)
        add(tmp_path, "rlhf", seed, value - 1, teacher="oracle", labels=50)
    add(tmp_path, "rlhf", 3, 0, is_finished=False, teacher="skip", labels=50)
    add(tmp_path, "dqn", 0, -5)
    return tmp_path / "pendulum"


def test_points_are_medians_between_random_play_and_ppo(runs):
    found = curve.curves(curve.read_outcomes(runs))
    assert found == {
        "": {0: pytest.approx([90, 100, 110])},
        "oracle": {50: pytest.approx([89, 99, 109])},
        "noisy": {50: [0, 0, 0], 200: pytest.approx([70, 80, 90])},
    }
    assert list(found) == ["", "oracle", "noisy"]  # the best teacher first


def test_command_prints_a_table_and_draws(runs, capsys):
    assert curve.main([str(runs)]) == 0
    out = capsys.readouterr().out
    assert "| oracle | 99.0 [89.0, 109.0] |  |" in out
    assert "| noisy | 0.0 [0.0, 0.0] | 80.0 [70.0, 90.0] |" in out
    assert "true reward (PPO): 100.0 [90.0, 110.0]" in out
    with Image.open(runs / "labels.png") as image:
        assert len(image.convert("RGB").getcolors(1 << 20)) > 20


def test_runs_that_cannot_be_compared_are_refused_in_a_sentence(tmp_path, capsys):
    assert curve.main([str(tmp_path)]) == 1
    assert "no finished runs of rlhf or ppo" in capsys.readouterr().err
    add(tmp_path, "rlhf", 0, -100, teacher="noisy", labels=50)
    assert curve.main([str(tmp_path)]) == 1
    assert "no run of PPO on the true reward to compare with: rlkit train pendulum" in capsys.readouterr().err
    add(tmp_path, "ppo", 0, -10, environment="cartpole")
    assert curve.main([str(tmp_path)]) == 1
    assert "runs of several environments (cartpole, pendulum)" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.png"))
