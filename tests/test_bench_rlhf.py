"""`rlkit bench rlhf`: an epoch of what it says, beside a peer that gets the same choices."""

import os
import re
import sys

import numpy as np
import pytest
from bench_helpers import rows_of, sentence, stand_in

from rlkit.cli import bench_rlhf as bench

TINY = ["bench", "rlhf", "--labels", "12", "--repeats", "2"]


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(bench, "NUM_CLIPS", 64)
    monkeypatch.setattr(bench, "NUM_EPOCHS", 2)


def test_choices_are_those_of_the_true_reward_and_the_same_in_each_call():
    pairs = bench.random_pairs(12)
    arrays = bench.as_arrays(pairs)
    assert arrays["obs"].shape == (12, 2, 25, 3)
    assert arrays["actions"].shape == (12, 2, 25, 1)
    returns = arrays["rewards"].sum(axis=2)
    assert np.array_equal(arrays["left_is_better"], returns[:, 0] > returns[:, 1])
    assert 0 < arrays["left_is_better"].mean() < 1
    assert np.array_equal(arrays["obs"], bench.as_arrays(bench.random_pairs(12))["obs"])


def test_an_epoch_is_one_in_which_each_network_learns_from_all_choices(monkeypatch):
    ticks = iter([0.0, 0.0, 0.0, 6.0] * 2)
    monkeypatch.setattr(bench.time, "process_time", lambda: next(ticks))
    pairs = bench.random_pairs(12)
    assert bench.epoch_of(pairs, 1)() == pytest.approx(6 / bench.NUM_EPOCHS)
    assert bench.epoch_of(pairs, 3)() == pytest.approx(1.5 * 6 / bench.NUM_EPOCHS)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_a_peer_is_asked_in_turn(capsys, tmp_path):
    answers = "while read count; do echo $count.5; done"
    peer = stand_in(tmp_path, f"""echo '{{"imitation": "1.0"}}'\n{answers}""")
    rows = rows_of([*TINY, "--against", "imitation", "--peer-python", peer], capsys)
    assert rows["versions"]["imitation"] == "1.0"
    for count, kind in bench.KINDS.items():
        assert rows[f"imitation, {kind} (s)"]["median"] == count + 0.5
        ours = rows[f"epoch, {kind} (s)"]["median"]
        assert rows[f"imitation / ours, {kind}"]["median"] == pytest.approx((count + 0.5) / ours)


def test_without_a_peer_there_are_our_figures(capsys):
    rows = rows_of(TINY, capsys)
    assert {*rows} == {f"epoch, {kind} (s)" for kind in bench.KINDS.values()}
    assert all(0 < row["best"] <= row["median"] for row in rows.values())


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_a_peer_that_does_not_run_is_one_sentence(capsys, tmp_path):
    python = stand_in(tmp_path, f'exec "{sys.executable}" -S "$@"')  # -S: without installed packages
    said = sentence([*TINY, "--against", "imitation", "--peer-python", python], capsys)
    assert "imitation does not run in" in said
    assert "install it there with pip install imitation" in said


def test_the_peer_imports_nothing_of_ours():
    imported = re.findall(r"^(?:import|from) (\w+)", bench.PEER.read_text(), re.M)
    assert {*imported} == {"gymnasium", "imitation", "importlib", "json", "numpy", "sys", "time", "torch"}
