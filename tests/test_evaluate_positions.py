"""`rlkit evaluate --positions` and `--conversion`, with stand-ins for what searches."""

import json
import sys
import types

import numpy as np
import pytest

from envs.board.connect_four import ENVIRONMENT, conversion
from envs.board.connect_four.solver import parse_moves
from rlkit.cli import arguments, evaluate, main
from rlkit.evaluation import rate_interval
from rlkit.learning.policy import FunctionPolicy

SPACE = ENVIRONMENT.observation_space

# Two positions of the solver's own tables: in the first only the middle keeps the win, in the second two draws.
LINES = "moves,s1,s2,s3,s4,s5,s6,s7\n,-2,-1,0,1,0,-1,-2\n11111122,,0,-2,0,-3,-3,-3\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "two.csv"
    path.write_text(LINES)
    return str(path)


class Searching:
    """Plays the leftmost column without search and the middle with; notes in `asked` with how many simulations."""

    def __init__(self, asked, simulations=0):
        self.asked, self.simulations = asked, simulations

    def with_simulations(self, simulations):
        self.asked.append(simulations)
        return Searching(self.asked, simulations)

    def act_in(self, situation, deterministic):
        leftmost = situation.action_mask.argmax(axis=1)
        return np.full(len(leftmost), 3) if self.simulations else leftmost


@pytest.fixture
def searching(monkeypatch):
    """Makes `--policy searching` a search, and `agents.alphazero.players` a module of the same form.

    Returns what is asked of them: numbers of simulations, and the arguments of `rollout_search`.
    """
    asked: list[int] = []
    rollouts: list[tuple] = []
    policy = Searching(asked)

    def rollout_search(environment, params, num_simulations, seed):
        rollouts.append((environment.name, params.max_random_plies, num_simulations, seed))
        return FunctionPolicy(lambda obs, mask: 6 - mask[:, ::-1].argmax(axis=1), SPACE)

    def named(environment, name, params):
        return policy if name == "searching" else arguments.policy_named(environment, name, params)

    players = types.ModuleType("agents.alphazero.players")
    players.rollout_search = rollout_search
    package = types.ModuleType("agents.alphazero")
    monkeypatch.setitem(sys.modules, "agents.alphazero", package)
    monkeypatch.setitem(sys.modules, "agents.alphazero.players", players)
    monkeypatch.setattr(evaluate, "policy_named", named)
    return asked, rollouts


def _run(capsys, *args):
    assert main(["evaluate", *args]) == 0
    return capsys.readouterr().out


def _json(capsys, *args):
    return json.loads(_run(capsys, *args, "--json"))


def _sentence(capsys, *args):
    assert main(["evaluate", *args]) == 2
    return capsys.readouterr().err.removeprefix("rlkit: ").rstrip("\n")


def test_a_policy_beside_random_play_and_the_rule(capsys, file):
    found = _json(capsys, "connect_four", "--policy", "rule", "--positions", file)
    assert (found["environment"], found["agent"], found["positions"]) == ("connect_four", "rule", file)
    assert list(found["rows"]) == ["rule", "random"]  # the solver made the labels
    assert found["rows"]["rule"] == {
        "value_kept": 1.0,  # the middle, and the middle again
        "value_kept_decisive": 1.0,
        "best_move": 1.0,
        "value_lost": 0.0,
        "count": 2,
        "count_decisive": 2,
    }
    assert found["rows"]["random"]["value_kept"] == pytest.approx((1 / 7 + 2 / 6) / 2)
    assert list(found["breakdowns"]["ply"]) == ["0", "8"]
    assert list(found["breakdowns"]["plies"]) == ["0-3", "8-11"]
    assert list(found["breakdowns"]["phase"]) == ["begin hard"]


def test_the_tables(capsys, file):
    text = _run(capsys, "connect_four", "--policy", "random", "--positions", file)
    assert text == (
        f"random on connect_four\n\n{file}: 2 positions, 2 of them decisive\n\n"
        "        value kept  value kept decisive  best move\n"
        "rule    100.0 %     100.0 %              100.0 %\n"
        "random  23.8 %      23.8 %               23.8 %\n\n"
        "value kept (and value kept decisive), by plies\n\n"
        "      positions  rule               random\n"
        "0-3   1          100.0 % (100.0 %)  14.3 % (14.3 %)\n"
        "8-11  1          100.0 % (100.0 %)  33.3 % (33.3 %)\n\n"
        "value lost, by phase\n\n"
        "            positions  rule   random\n"
        "begin hard  2          0.0 %  76.2 %\n"
    )
    text = _run(capsys, "connect_four", "--policy", "rule", "--positions", file, "--by-ply")
    assert "by ply\n\n   positions  rule               random\n0  1          100.0 %" in text


def test_a_search_at_several_numbers_of_simulations(capsys, file, searching):
    ask = ["connect_four", "--policy", "searching", "--positions", file]
    found = _json(capsys, *ask, "--simulations", "0,32,600", "--seed", "5")
    rows = ["searching@0", "searching@32", "searching@600", "rollouts:32", "rollouts:600", "rule", "random"]
    assert list(found["rows"]) == rows
    asked, rollouts = searching
    assert asked == [0, 32, 600]
    assert rollouts == [("connect_four", 0, 32, 5), ("connect_four", 0, 600, 5)]
    kept = {name: row["value_kept"] for name, row in found["rows"].items()}
    assert (kept["searching@0"], kept["searching@32"], kept["rollouts:32"]) == (0.5, 1.0, 0.0)
    assert list(_json(capsys, *ask)["rows"])[:3] == ["searching@0", "searching@64", "rollouts:64"]


@pytest.mark.usefixtures("searching")
def test_rollouts_alone(capsys, file):
    found = _json(capsys, "connect_four", "--policy", "random", "--positions", file, "--simulations", "64")
    assert list(found["rows"]) == ["rollouts:64", "rule", "random"]


def test_won_openings(capsys, file, monkeypatch):
    # 121212: three of the first player's discs stand on each other in the first column.
    monkeypatch.setattr(conversion, "won_opening", lambda rng: ([0, 1, 0, 1, 0, 1], parse_moves("121212")))
    found = _json(capsys, "connect_four", "--policy", "rule", "--conversion", "4")
    interval = rate_interval(4, 4)
    assert found["conversion"] == {"rule": {"mean": 1.0, "low": interval.low, "high": 1.0, "count": 4}}
    text = _run(capsys, "connect_four", "--policy", "rule", "--conversion", "4")
    assert text.endswith("won openings converted against solver\nrule  100.0 % [51.0 %, 100.0 %] of 4\n")
    both = _run(capsys, "connect_four", "--policy", "random", "--conversion", "4", "--positions", file)
    assert "2 positions" in both
    assert "\nrandom  " in both.split("converted against solver")[1]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("connect_four --policy rule --positions test --simulations 64", "rule does not search: leave --simulations"),
        ("connect_four --policy rule --positions tset", "tset is neither a set of labelled positions nor a .csv"),
        ("connect_four --policy rule --positions no.csv", "there is no file no.csv"),
        ("connect_four --policy ruel --positions test", "did you mean 'rule'?"),
        ("connect_four --policy rule --positions test --simulations x", "--simulations: 'x' is not a whole number"),
        ("connect_four --policy rule --positions test --episodes 3", "--episodes is about episodes"),
        ("connect_four --policy rule --conversion 3 --opponent random", "--opponent is about episodes"),
        ("connect_four --policy rule --by-ply", "--by-ply goes with --positions"),
        ("connect_four --policy rule --conversion 0", "0 is too few"),
        ("tic_tac_toe --policy random --positions test", "tic_tac_toe has no labelled positions"),
        ("tic_tac_toe --policy random --conversion 3", "tic_tac_toe has no won openings"),
        ("connect_four --positions test", "connect_four is not a run folder"),
        ("connect_four --policy rule --env ./x", "--env goes with a run folder only"),
        ("pretrained:connect_four --policy rule", "--policy goes with an environment"),
        ("pretrained:conect_four", "did you mean 'connect_four'?"),
    ],
)
def test_errors_in_one_sentence(capsys, tmp_path, monkeypatch, args, said):
    monkeypatch.chdir(tmp_path)
    assert said in _sentence(capsys, *args.split())


def test_episodes_of_a_named_policy(capsys):
    found = _json(capsys, "tic_tac_toe", "--policy", "solver", "--episodes", "20")
    assert found["agent"] == "solver"
    assert found["rows"]["agent"]["value_kept"] == 1.0
    assert found["episodes"] == 20
