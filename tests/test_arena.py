"""Names of players, `rlkit arena`, `rlkit gtp`, and `play` and `evaluate` against any player."""

import dataclasses
import io
import json
import os
import shutil
import signal
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces

from agents import ppo
from rlkit import matches
from rlkit.cli import main
from rlkit.cli.arguments import player_named, policy_named
from rlkit.cli.errors import UsageError
from rlkit.cli.evaluate import REPORT_SEED
from rlkit.registry import find_environment, make_batch
from rlkit.run import Run

TIC_TAC_TOE = find_environment("tic_tac_toe")
PARAMS = TIC_TAC_TOE.params()[0]
TINY = {"total_steps": 64, "num_envs": 4, "num_steps": 8, "minibatch_size": 32, "num_epochs": 1}
TINY |= {"hidden_sizes": (8,), "eval_interval": 32, "eval_episodes": 4, "picture_interval": 0}

# Tic-tac-toe over GTP: takes the first free cell, rows from the top.
ENGINE = """
import sys

for line in sys.stdin:
    words, answer = line.split(), ""
    if words[0] == "protocol_version":
        answer = "2"
    elif words[0] == "name":
        answer = "Engine"
    elif words[0] == "clear_board":
        free = [column + row for row in "321" for column in "ABC"]
    elif words[0] == "play":
        free.remove(words[2])
    elif words[0] == "genmove":
        answer = free.pop(0)
    print("= " + answer, end="\\n\\n", flush=True)
"""


class Lowest:
    """Takes the first legal action."""

    def __init__(self, num_simulations=None):
        self.num_simulations = num_simulations

    def act(self, obs, action_mask=None, deterministic=True):
        return action_mask.argmax(axis=-1)


class Search(Lowest):
    """Stands for a policy that searches."""

    def act_in(self, situation, deterministic=True):
        return self.act(situation.obs, situation.action_mask)

    def with_simulations(self, num_simulations):
        return type(self)(num_simulations)


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """On a cold cache the first use of an environment also says that it compiles; let that be here."""
    for options in ({}, {"opponent": "self"}):
        make_batch("tic_tac_toe", 1, **options)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.delenv("RLKIT_DEBUG", raising=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a tiny run on tic-tac-toe."""
    config = ppo.Config(**TINY)
    settings, folder = dataclasses.asdict(config), tmp_path_factory.mktemp("runs")
    with Run.create("tic_tac_toe", "ppo", settings, 0, root=folder) as run, run.training():
        ppo.train(TIC_TAC_TOE, config, run)
    return str(run.folder)


@pytest.fixture
def engine(tmp_path):
    """The command of a GTP engine, in a folder whose name has a space."""
    script = tmp_path / "my engine.py"
    script.write_text(ENGINE)
    return f'{sys.executable} "{script}" --level 5'


@pytest.fixture
def searching(monkeypatch):
    """The founder's module with rollout search, or what stands for it: what it was called with."""
    calls = []

    def rollout_search(environment, params, num_simulations, seed):
        calls.append((environment.name, num_simulations, seed))
        return Search(num_simulations)

    monkeypatch.setitem(sys.modules, "agents.alphazero.players", types.SimpleNamespace(rollout_search=rollout_search))
    return calls


def _sentence(capsys, args, code=2):
    """Run a command that must fail, and return the one sentence it says."""
    assert main(args) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("rlkit: ")
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("rlkit: ").rstrip("\n")


# Names ----------------------------------------------------------------------------------------------------------


def test_names_of_players(trained, engine, searching):
    assert policy_named(TIC_TAC_TOE, "random", PARAMS) is None
    assert policy_named(TIC_TAC_TOE, "solver", PARAMS).name == "solver"
    assert policy_named(TIC_TAC_TOE, trained, PARAMS).name == "ppo"
    rollouts = policy_named(TIC_TAC_TOE, "rollouts:400", PARAMS, seed=7)
    assert (rollouts.name, rollouts.num_simulations) == ("rollouts:400", 400)
    assert searching == [("tic_tac_toe", 400, 7)]
    fewer = policy_named(TIC_TAC_TOE, "rollouts:400@25", PARAMS)
    assert (fewer.name, fewer.num_simulations) == ("rollouts:400@25", 25)
    program = policy_named(TIC_TAC_TOE, engine, PARAMS)
    assert program.name == "Engine"
    program.close()


def test_runs_and_pretrained_networks_take_numbers_of_simulations(trained, monkeypatch):
    import rlkit

    loaded = []
    monkeypatch.setattr(rlkit, "load", lambda run, environment, params=None: loaded.append(run) or Search())
    for name, count in ((f"{trained}@64", 64), ("pretrained:tic_tac_toe@0", 0)):
        policy = policy_named(TIC_TAC_TOE, name, PARAMS)
        assert (policy.name, policy.num_simulations) == (name, count)
    assert str(loaded[0].folder) == trained
    assert loaded[1] == "pretrained:tic_tac_toe"


def test_random_play_is_seeded():
    mask = np.ones((50, 9), np.int8)
    draws = [player_named(TIC_TAC_TOE, "random", PARAMS, seed).act(np.zeros((50, 2, 3, 3)), mask) for seed in (1, 1, 2)]
    assert draws[0].tolist() == draws[1].tolist() != draws[2].tolist()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("solvr", "'solvr' is neither a run folder nor one of random, solver; did you mean 'solver'?"),
        ("solver@3", "'solver' does not search: leave @3 out"),
        ("random@3", "'random@3' is neither"),
        ("rollouts:many", "must be rollouts:N"),
        ("rollouts:0", "must be rollouts:N"),
        ('python "-c', "cannot be split into a command's words: no closing quotation"),
        ("no-such-engine --mode gtp", "'no-such-engine --mode gtp' is neither"),
        ("pretrained:nothing", "there is no pretrained network 'nothing'; there are: "),
        ("", "'' is neither"),
    ],
)
def test_names_that_are_none(name, message, capsys):
    assert message in _sentence(capsys, ["arena", "tic_tac_toe", "random", name])


def test_programs_play_games_of_two_only(engine):
    cartpole = find_environment("cartpole")
    with pytest.raises(UsageError, match="programs play games of two"):
        policy_named(cartpole, engine, cartpole.params()[0])
    assert policy_named(cartpole, "rollouts:9", cartpole.params()[0]).num_simulations == 9


def test_a_run_of_another_board_is_refused(trained):
    any_size = dataclasses.replace(
        TIC_TAC_TOE, observation_space=lambda params: spaces.Box(0.0, 1.0, (2, 3 + int(params.max_random_plies), 3))
    )
    larger = any_size.params()
    assert policy_named(any_size, trained, larger[0]).name == "ppo"
    larger["max_random_plies"] = 1
    with pytest.raises(UsageError, match=r"actions of another shape, .*; add --level standard"):
        policy_named(any_size, trained, larger[0])


@pytest.mark.parametrize("quoted", [False, True])
def test_a_run_folder_starts_no_program(trained, capsys, monkeypatch, quoted):
    shutil.copytree(trained, "run")
    program = "touch executed"
    config = json.loads(Path("run/config.json").read_text())
    config["config"]["opponent"] = f"'{program}'" if quoted else program
    Path("run/config.json").write_text(json.dumps(config))
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(b"genmove b\n")))
    assert main(["evaluate", "run", "--episodes", "4"]) == 0
    assert main(["gtp", "run"]) == 0
    capsys.readouterr()
    opponent = ["--agent", "ppo", "--opponent", config["config"]["opponent"]]
    for args in (["train", "--resume", "run"], ["train", "tic_tac_toe", *opponent]):
        assert "is neither one of random, self, solver nor a run folder" in _sentence(capsys, args)
    assert not Path("executed").exists()


# The arena ------------------------------------------------------------------------------------------------------


def test_an_arena_rates_its_players(engine, searching, trained, capsys):
    players = ["random", "solver", engine, "rollouts:9", trained]
    command = ["arena", "tic_tac_toe", *players, "--games", "12", "--opening-plies", "2", "--seed", "5"]
    assert main(command) == 0
    captured = capsys.readouterr()
    assert "120 of 120 games" in captured.err
    head, _, ratings, *_ = captured.out.split("\n", 3)
    assert head == "tic_tac_toe, each pair 12 games: 6 openings of 2 random plies, each with both colours (seed 5)"
    assert ratings.split() == ["Elo", "95", "%", "games"]
    assert captured.out.splitlines()[3].startswith("solver ")
    assert "[0, 0]" in captured.out

    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["environment"], report["openings"], len(report["pairs"])) == ("tic_tac_toe", 6, 10)
    assert report["elo"]["random"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "count": 48}
    assert max(report["elo"], key=lambda name: report["elo"][name]["mean"]) == "solver"
    by_pair = {tuple(pair["players"]): pair for pair in report["pairs"]}
    both = by_pair[engine, "rollouts:9"]  # they play alike: what is won with one colour is lost with the other
    assert both["moving_first"]["won"] == both["moving_second"]["lost"]
    assert by_pair["random", "solver"]["all"]["won"] == 0
    assert all(sum(pair["all"].values()) == 12 for pair in report["pairs"])


def test_an_arena_says_when_there_are_few_openings(capsys):
    assert main(["arena", "tic_tac_toe", "solver", "random", "--games", "40", "--opening-plies", "1"]) == 0
    text = capsys.readouterr().out
    assert "18 games: 9 openings of 1 random ply" in text
    assert "there are only 9 such openings: a pair plays fewer than 40 games" in text
    assert main(["arena", "tic_tac_toe", "solver", "random", "--opening-plies", "0"]) == 0
    assert "2 games from the empty board" in capsys.readouterr().out


def test_ctrl_c_shows_what_was_played(monkeypatch, capsys):
    play_match, played = matches.play_match, []

    def interrupted(*args, **options):
        played.append(args)
        if len(played) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return play_match(*args, **options)

    monkeypatch.setattr(matches, "play_match", interrupted)
    monkeypatch.setattr("rlkit.cli.arena.BATCH", 2)
    command = ["arena", "tic_tac_toe", "solver", "random", "--games", "12"]
    assert main(command) == 130
    captured = capsys.readouterr()
    assert "stopped after 8 of 12 games" in captured.out
    assert [line.split()[-1] for line in captured.out.splitlines() if line.startswith("random ")] == ["8"]
    played[1:] = []  # the second match from here is interrupted
    assert main([*command, "--json"]) == 130
    assert sum(json.loads(capsys.readouterr().out)["pairs"][0]["all"].values()) == 4


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("arena", "ENV"),
        ("arena tic_tac_toe solver", "needs two players"),
        ("arena tic_tac_toe solver solver", "'solver' is named twice"),
        ("arena tic_tac_toe solver random --games 3", "--games 3 must be even"),
        ("arena tic_tac_toe solver random --opening-plies 9", "9 random plies end every game"),
        ("arena tic_tac_toe solver random --level hard", "no level 'hard'"),
        ("arena cartpole random lqr", "has one player"),
        ("gtp cartpole random", "has one player"),
        ("gtp tic_tac_toe", "say who plays: rlkit gtp tic_tac_toe PLAYER"),
        ("gtp nowhere", "no environment 'nowhere'"),
    ],
)
def test_a_users_error_is_one_sentence(command, said, capsys):
    assert said in _sentence(capsys, command.split())


# Play, evaluate and serve ---------------------------------------------------------------------------------------


def test_play_against_any_player(engine, searching, monkeypatch):
    from rlkit.viewing import viewer

    seen = []
    monkeypatch.setattr(viewer, "play", lambda environment, against, **options: seen.append(against.name))
    for name in (engine, "rollouts:50", "solver"):
        assert main(["play", "tic_tac_toe", "--against", name]) == 0
    assert seen == ["Engine", "rollouts:50", "solver"]


def test_evaluate_plays_a_match_where_it_takes_one(trained, engine, searching, capsys):
    assert main(["evaluate", trained, "--opponent", "rollouts:4", "--episodes", "11", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["opponent"], report["checkpoint"], report["seed"]) == ("rollouts:4", 64, REPORT_SEED)
    by_search = report["match"]
    assert sum(by_search["all"].values()) == 12
    assert sum(by_search["moving_first"].values()) == 6
    assert main(["evaluate", trained, "--opponent", engine, "--episodes", "12"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ppo on tic_tac_toe, step 64; 12 games: 6 openings of 4 random plies, each with both colours"
    assert lines[3].split() == ["ppo", "moves", "first", *map(str, by_search["moving_first"].values())]
    assert lines[5].split() == ["all", *map(str, by_search["all"].values())]  # the engine plays as the search does
    assert f"of the points against {engine}" in lines[-1]


def test_evaluate_stays_what_it_was_for_others(trained, capsys):
    assert main(["evaluate", trained, "--opponent", "solver", "--episodes", "20"]) == 0
    text = capsys.readouterr().out
    assert "20 episodes, returns against solver" in text
    assert "value kept" in text


def test_a_run_is_served_over_gtp(trained, monkeypatch, capsys):
    said = b"name\nboardsize 3\n\xff\xfe\ngenmove b\nplay w A9\nquit\nname\n"
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(said)))
    assert main(["gtp", trained]) == 0
    answers = capsys.readouterr().out.split("\n\n")
    assert answers[:3] == ["= rlkit ppo", "=", "? unknown command"]
    assert answers[3][:2] == "= "
    assert answers[3][2:] in TIC_TAC_TOE.gtp(PARAMS).names
    assert answers[4:] == ["? illegal move", "=", ""]
    assert "leave 'solver' out" in _sentence(capsys, ["gtp", trained, "solver"])
    assert "does not search: leave @9 out" in _sentence(capsys, ["gtp", f"{trained}@9"])
