"""The generalisation table: which params are met, and that a cell is what playing under them gives."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from rlkit.cli import main
from rlkit.engine.variation import MAX_DELAY, Range
from rlkit.evaluation import run_episodes
from rlkit.registry import find_agent, find_environment
from rlkit.run import Run
from rlkit.transfer import FAR, NUM_POINTS, outside, parameter_sets, transfer, within

PENDULUM = find_environment("pendulum")
DRAWN = {
    "mass": Range(0.5, 2.0, "log_uniform"), "gravity": Range(8.0, 12.0), "action_delay": Range(0, 2),
    "obs_delay": Range(6, MAX_DELAY), "obs_noise": Range(0.0, 0.1),
}  # fmt: skip
ENVIRONMENT = replace(
    PENDULUM, levels={"standard": {}, "randomized": DRAWN, "hidden": {"mass": 1.3, "obs_noise": 0.02}}
)


def test_held_out_params_fill_the_ranges_and_the_others_lie_outside():
    sets = parameter_sets(ENVIRONMENT)
    assert sets == parameter_sets(ENVIRONMENT)  # fixed
    held_out, beyond = ({name: np.array([s[name] for s in sets[c]]) for name in DRAWN} for c in ("held-out", "outside"))
    for name, values in DRAWN.items():
        assert len(held_out[name]) == NUM_POINTS
        assert ((held_out[name] >= values.low) & (held_out[name] <= values.high)).all()
        width = values.high - values.low
        if name == "mass":
            assert np.median(held_out[name]) == pytest.approx(1.0, rel=0.1)  # of the logarithm
            assert ((beyond[name] < 0.5) | (beyond[name] > 2.0)).all()
            assert beyond[name].max() <= 2.0 * 4**FAR
        elif name == "obs_delay":
            assert beyond[name].max() <= MAX_DELAY
            assert ((beyond[name] < 6) | (beyond[name] == MAX_DELAY)).all()  # there is no longer delay
            assert (beyond[name] < 6).any()
        elif values.low == 0:  # there is nothing below
            assert (beyond[name] >= values.high).all()
        else:
            assert ((beyond[name] < values.low) | (beyond[name] > values.high)).all()
            assert (np.abs(beyond[name] - 10) <= width * (0.5 + FAR)).all()
    assert set(held_out["action_delay"]) == {0, 1, 2}
    assert set(beyond["action_delay"]) == {3}


def test_shares_of_ranges():
    assert within(Range(2, 4), 0.25) == 2.5
    assert within(Range(1, 100, "log_uniform"), 0.5) == pytest.approx(10)
    assert outside(Range(2, 4), 1.0) == 4 + 2 * FAR
    assert outside(Range(2, 4), 0.0) == 2 - 2 * FAR
    assert outside(Range(0.1, 4), 0.0) == 0.025  # never below 0


def test_a_cell_is_what_playing_under_these_params_gives():
    policies = {"swing_up": PENDULUM.yardstick.policies["swing_up"](PENDULUM.params()[0])}
    seen = []
    table = transfer(ENVIRONMENT, policies, 64, 5, progress=lambda done, total: seen.append((done, total)))
    assert list(table) == ["nominal", "held-out", "outside", "hidden"]
    assert seen[-1] == (130, 130)
    nominal = run_episodes(PENDULUM, policies["swing_up"], 64, 5).returns.mean()
    hidden = run_episodes(PENDULUM, policies["swing_up"], 64, 5, mass=1.3, obs_noise=0.02).returns.mean()
    assert table["nominal"]["swing_up"]["return"].mean == pytest.approx(nominal)
    assert table["hidden"]["swing_up"]["return"].mean == pytest.approx(hidden)
    assert table["outside"]["swing_up"]["return"].mean < table["held-out"]["swing_up"]["return"].mean < nominal


def test_environments_without_such_levels_are_refused():
    with pytest.raises(ValueError, match="pendulum has no level 'randomized', so there is nothing to transfer to"):
        parameter_sets(PENDULUM)
    with pytest.raises(ValueError, match="level 'randomized' of pendulum draws nothing"):
        parameter_sets(replace(PENDULUM, levels={"randomized": {}, "hidden": {}}))


def test_the_verb_compares_runs(tmp_path, capsys):
    runs = {}
    for level in ("randomized", "standard"):
        environment, agent = find_environment("quadrotor_2d"), find_agent("ppo")
        config = agent.Config(
            total_steps=512,
            num_envs=8,
            num_steps=64,
            minibatch_size=512,
            eval_interval=0,
            picture_interval=0,
            level=level,
        )
        with Run.create("quadrotor_2d", "ppo", asdict(config), 0, root=tmp_path / level) as run, run.training():
            agent.train(environment, config, run)
        runs[level] = str(run.folder)
    assert main(["transfer", runs["randomized"], "--nominal", runs["standard"], "--episodes", "64"]) == 0
    text = capsys.readouterr().out
    assert "agent (randomized)" in text
    assert "agent (standard)" in text
    assert "lqr" in text
    assert main(["transfer", runs["randomized"], "--episodes", "64", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["conditions"]) == {"nominal", "held-out", "outside", "hidden"}
    assert found["conditions"]["hidden"]["lqr"]["return"]["count"] == 64
