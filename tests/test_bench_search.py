"""`rlkit bench search`: it counts what was done, from positions that are what it says, beside a peer that answers."""

import functools
import os
import re
import sys

import numpy as np
import pytest
from bench_helpers import rows_of, sentence, stand_in

from agents import alphazero
from rlkit.cli import bench_search as bench
from rlkit.cli import main
from rlkit.environment import Environment
from rlkit.registry import find_environment, make_batch

TINY = ["bench", "search", "--games", "4", "--simulations", "4", "--repeats", "2", "--self-play", "0"]


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """On a cold cache the first use of an environment also says that it compiles; let that be here."""
    for name in ("connect_four", "tic_tac_toe"):
        environment = find_environment(name)
        bench.make_search(environment, bench.openings(environment, 2), "puct", bench.UNIFORM, 2)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(bench, "REPEAT_SECONDS", 0.01)


@pytest.fixture
def python(tmp_path):
    return functools.partial(stand_in, tmp_path)


def test_positions_are_of_every_number_of_random_plies():
    environment = find_environment("connect_four")
    states = bench.openings(environment, 260)
    assert states["num_steps"].max() == bench.MAX_PLIES
    assert (np.bincount(states["num_steps"]) > 5).all()
    assert len(np.unique(states["discs"], axis=0)) > 200
    assert np.array_equal(states["discs"], bench.openings(environment, 260)["discs"])


def test_positions_are_of_games_that_go_on():
    """Tic-tac-toe ends within nine plies, so every game here has begun anew on the way."""
    states = bench.openings(find_environment("tic_tac_toe"), 260)
    assert states["num_steps"].max() <= 8


@pytest.mark.parametrize("strategy", ["puct", "gumbel"])
def test_simulations_are_those_done(strategy):
    environment = find_environment("tic_tac_toe")
    env = make_batch(environment, 2, opponent="self")
    env.reset(seed=0)
    for action in (0, 1, 2, 4, 3, 5, 7, 6):  # X O X / X O O / O X . : one move is left, and it draws
        env.step(np.array([action, action]))
    assert (env.states["num_steps"] == 8).all()
    assert bench.make_search(environment, env.states, strategy, bench.UNIFORM, 16)() == 2  # proven by the first
    env.reset(seed=0)
    assert bench.make_search(environment, env.states, strategy, bench.UNIFORM, 16)() == 32


def test_rate_divides_by_the_time_of_what_was_done(monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr(bench.time, "perf_counter", lambda: float(next(ticks)))
    monkeypatch.setattr(bench, "REPEAT_SECONDS", 5.0)
    assert bench.rate(lambda: 10) == 40 / 5  # checks at 1, 2, 3, 4 s go on, that at 5 s ends it


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins nothing")
def test_the_core_is_given_back():
    before = os.sched_getaffinity(0)
    with bench.one_core() as core:
        assert os.sched_getaffinity(0) == {core}
    assert os.sched_getaffinity(0) == before


def test_a_system_that_pins_nothing_is_named(monkeypatch, capsys):
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert main([*TINY[:2], "tic_tac_toe", *TINY[2:]]) == 0
    assert "cannot pin" in capsys.readouterr().out


def test_every_figure_is_there(capsys, monkeypatch):
    recipes = {"alphazero": alphazero.Config(network="mlp", size=16, num_blocks=1)}
    monkeypatch.setattr(Environment, "recipes", property(lambda environment: recipes))
    rows = rows_of([*TINY[:2], "tic_tac_toe", *TINY[2:-1], "1"], capsys)
    searches = [f"{s}, {e}" for s in ("puct", "gumbel") for e in ("uniform evaluation", "random rollouts")]
    assert {"setting", *searches, "self-play, 3 × 32 conv network, float32"} <= {*rows}
    assert rows["setting"] == rows["setting"] | {"environment": "tic_tac_toe", "games": 4, "simulations": 4}
    for what in searches:
        assert 0 < rows[what]["median"] <= rows[what]["best"] < np.inf
    self_play = [row for what, row in rows.items() if what.startswith("self-play")]
    assert any(row["what"].startswith("self-play, the recipe's 1 × 16 mlp network") for row in self_play)
    for row in self_play:
        assert 0 < row["evaluations"] < np.inf
        assert 0 < row["simulations"] < np.inf


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_a_peer_is_asked_in_turn(capsys, python):
    answers = "while read strategy; do if [ $strategy = puct ]; then echo 1000.0; else echo 500.0; fi; done"
    peer = python(f"""echo '{{"mctx": "0.1"}}'\n{answers}""")
    rows = rows_of([*TINY, "--against", "mctx", "--peer-python", peer], capsys)
    assert rows["versions"]["mctx"] == "0.1"
    for strategy, rate in (("puct", 1000), ("gumbel", 500)):
        assert rows[f"mctx {strategy}, uniform evaluation"]["median"] == rate
        ours = rows[f"{strategy}, uniform evaluation"]["median"]
        assert rows[f"{strategy} / mctx {strategy}"]["median"] == pytest.approx(ours / rate)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_a_peer_that_does_not_run_is_one_sentence(capsys, python):
    peer = [*TINY, "--against", "mctx", "--peer-python"]
    said = sentence([*peer, python(f'exec "{sys.executable}" -S "$@"')], capsys)  # -S: without installed packages
    assert "No module named 'jax'" in said
    assert 'pip install -e ".[peers]"' in said
    assert "it said nothing" in sentence([*peer, python("exit 1")], capsys)
    dies = """echo '{"mctx": "0.1"}'\nread strategy\necho 'killed by the test' >&2\nexit 1"""
    assert "killed by the test" in sentence([*peer, python(dies)], capsys)
    assert "/no/such/python does not start" in sentence([*peer, "/no/such/python"], capsys)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--games", "0"], "--games: 0 is too few, use at least 1"),
        (["--against", "sb3"], "--against: invalid choice: 'sb3'"),
        (["tic_tac_toe", "--against", "mctx"], "mctx is measured on connect_four, not on tic_tac_toe"),
        (["pendulum"], "pendulum cannot be searched"),
        (["--simulation", "3"], "there is no flag '--simulation'; did you mean '--simulations'?"),
    ],
)
def test_what_cannot_be_measured_is_refused(args, said, capsys):
    assert said in sentence(["bench", "search", *args], capsys)


def test_mctx_itself_answers():
    pytest.importorskip("mctx")
    pytest.importorskip("pgx")
    with bench.mctx_peer(sys.executable, num_games=4, num_simulations=4) as peer:
        assert {*peer.versions} == {"jax", "mctx", "pgx"}
        assert all(0 < peer.ask(strategy) < np.inf for strategy in ("gumbel", "puct"))


def test_the_peer_imports_nothing_of_ours():
    imported = re.findall(r"^ *(?:import|from) (\w+)", bench.PEER.read_text(), re.M)
    assert {*imported} == {"importlib", "jax", "json", "mctx", "pgx", "sys", "time"}
