"""The command line: help, errors in one sentence, and every verb on real environments with tiny budgets."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rlkit import cli
from rlkit.cli import VERBS, guard, main
from rlkit.cli import train as train_verb
from rlkit.registry import make_batch
from rlkit.run import Run

STARTED_IN = Path.cwd()  # tests may change the folder

TINY = ["--total-steps", "6144", "--num-envs", "16", "--eval-interval", "4096", "--eval-episodes", "10"]
HEAVY = ("numba", "gymnasium", "torch", "tyro", "rich", "numpy", "pygame")


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """On a cold cache the first use of an environment also says that it compiles; let that be here."""
    for name, options in (("cartpole", {}), ("tic_tac_toe", {}), ("tic_tac_toe", {"opponent": "self"})):
        make_batch(name, 1, **options)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Every test has its own current folder, no display, and leaves Python's import state as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.delenv("RLKIT_DEBUG", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = {*sys.modules}
    yield
    for name in {*sys.modules} - known:
        if name.split(".")[0] in ("my_env", "evil", "cartpole"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished tiny run on CartPole: (its folder, what the command printed)."""
    root = tmp_path_factory.mktemp("trained")
    done = _process("train", "cartpole", *TINY, "--seed", "3", "--runs", str(root))
    assert done.returncode == 0, done.stderr
    return next(root.glob("cartpole/ppo/*-s3")), done


def _process(*args, **options):
    command = [sys.executable, "-m", "rlkit", *args]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, **options)


def _sentence(capsys, args, code=2):
    """Run a command that must fail, and return the one sentence it says."""
    assert main(args) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("rlkit: ")
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("rlkit: ").rstrip("\n")


def _make_my_env():
    assert main(["new", "my_env"]) == 0
    return Path("my_env")


# Help, version and errors -----------------------------------------------------------------------------------


def test_help_names_every_verb_and_imports_nothing_heavy():
    code = "import sys; from rlkit.cli import main; code = main(['--help']); print(code, [*sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, modules = done.stdout.rsplit("\n0 ", 1)
    for verb in VERBS:
        assert f"\n  {verb} " in text
    assert not [name for name in HEAVY if f"'{name}'" in modules]


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: rlkit {verb}")


def test_help_of_training_shows_the_recipe(capsys):
    assert main(["train", "cartpole", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--resume RUN" in text
    assert "discount a step (default: 0.98)" in " ".join(text.split())  # the recipe's, not the Config's 0.99


def test_version_and_no_arguments(capsys):
    from rlkit import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rlkit {__version__}\n"
    assert main([]) == 0
    assert capsys.readouterr().out == cli.HELP


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("trian cartpole", "no verb 'trian'; did you mean 'train'?"),
        ("train", "rlkit train ENV"),
        ("train --gamma 0.9 cartpole", "before any flags"),
        ("train carpole", "did you mean 'cartpole'?"),
        ("train ./nothing", "there is no folder ./nothing"),
        ("train no.such.module", "no.such.module is neither"),
        ("train gymnasium:Acrobt-v1", "did you mean 'Acrobot-v1'?"),
        ("train cartpole --agent pppo", "did you mean 'ppo'?"),
        ("train cartpole --gama 3", "no flag '--gama'; did you mean '--gamma'?"),
        ("train cartpole --total_step 3", "did you mean '--total-steps'?"),
        ("train cartpole --sed 3", "did you mean '--seed'?"),
        ("train cartpole --gamma abc", "--gamma: could not convert string to float: 'abc'"),
        ("train cartpole --gamma", "Missing value for argument '--gamma'"),
        ("train cartpole --network conv", "--network"),
        ("train cartpole --seed -1", "--seed: '-1' is not a whole number"),
        ("train cartpole pendulum", "unexpected argument 'pendulum'"),
        ("train cartpole --minibatch-size 7", "minibatch_size=7 must divide"),
        ("train cartpole --time-limit soon", "'soon' is not a duration"),
        ("train cartpole --level hard", "no level 'hard'"),
        ("train cartpole --params gravty 3", "did you mean 'gravity'?"),
        ("train cartpole --network board", "network=board needs"),
        ("train cartpole --checkpoint 3", "use it with --resume"),
        ("train --resume nowhere", "nowhere is not a run folder"),
        ("evaluate nowhere", "nowhere is not a run folder"),
        ("evaluate nowhere --episodes 0", "--episodes: 0 is too few"),
        ("watch cartpole", "no display was found; use --record"),
        ("watch cartpole --policy lqx --record a.gif", "did you mean 'lqr'?"),
        ("watch cartpole --record a.avi", "the name must end in"),
        ("watch cartpole --record a.gif --speed 1000", "speed=1000.0 must be between"),
        ("watch cartpole --record a.gif --opponent random", "leave --opponent out"),
        ("watch cartpole --env ./my_env", "cartpole is not a run folder"),
        ("watch gymnasium:CartPole-v1", "no display was found; use --record"),
        ("watch gymnasium:CartPole-v1 --level hard", "leave --opponent, --level and --speed out"),
        ("play tic_tac_toe", "no display was found"),
        ("play cartpole --against random", "has one player"),
        ("play tic_tac_toe --seat third", "invalid choice: 'third'"),
        ("play cartpole --simulations 8", "leave --against, --seat and --simulations out"),
        ("play tic_tac_toe --against random --simulations 8", "random play does not search: leave --simulations out"),
        ("watch tic_tac_toe --policy solver --simulations 8", "solver does not search: leave --simulations out"),
        ("play tic_tac_toe --against solvr", "did you mean 'solver'?"),
        ("play gymnasium:CartPole-v1", "only environments with rules"),
        ("yardstick cartpole --moves 3", "takes no moves"),
        ("yardstick connect_four --moves 9", "'9'"),
        ("yardstick gymnasium:CartPole-v1", "has no yardstick"),
        ("check gymnasium:CartPole-v1", "no rules of ours"),
        ("check", "ENV"),
        ("list --al", "no flag '--al'"),
        ("new 3x", "'3x' cannot be an environment's name"),
        ("new for", "'for' cannot be"),
        ("new MyEnv", "must be lower case: 'myenv'"),
        ("new random", "a Python module 'random' already"),
        ("new numpy", "a Python module 'numpy' already"),
        ("new cartpole", "an environment 'cartpole' already"),
    ],
)
def test_a_users_error_is_one_sentence(command, said, capsys):
    assert said in _sentence(capsys, command.split())


def test_an_error_before_the_first_step_leaves_no_run(capsys):
    _sentence(capsys, ["train", "cartpole", "--network", "board"])
    assert not [*Path("runs").rglob("config.json")]


def test_guard_tells_meant_errors_from_bugs(capsys, monkeypatch):
    def bug(args):
        return int("x")

    def foreign(args):  # raised on purpose, but not by a line of ours, so not written for users
        raise ValueError("deep\nwithin")

    for verb, text in ((bug, "invalid literal"), (foreign, "deep within (ValueError at ")):
        assert guard(verb, []) == 1
        error = capsys.readouterr().err
        assert text in error
        assert "test_cli.py:" in error
        assert "RLKIT_DEBUG=1" in error
        assert error.count("\n") == 1
    monkeypatch.setenv("RLKIT_DEBUG", "1")
    with pytest.raises(ValueError, match="deep"):
        guard(foreign, [])


def test_ctrl_c_outside_training_is_quiet(capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    assert guard(interrupted, []) == 130
    assert capsys.readouterr().err == "\n"


def test_a_closed_pipe_is_no_error():
    command = [sys.executable, "-m", "rlkit", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


# Training, measuring, going on ------------------------------------------------------------------------------


def test_training_says_what_it_does_and_what_came_of_it(trained):
    folder, done = trained
    assert "Training ppo on cartpole for 6,144 steps (seed 3)" in done.stdout
    for player in ("agent", "random", "lqr", "normalised score"):
        assert f"\n{player} " in done.stdout
    for command in ("tensorboard --logdir", "rlkit evaluate", "rlkit watch"):
        (shown,) = set(re.findall(rf"{command} (\S+)", done.stdout))
        assert Path(STARTED_IN, shown).resolve() == folder  # the shorter of the relative and the absolute path
    assert "6.14k of 6.14k steps" in done.stderr
    assert "score" in done.stderr


def test_evaluate_agrees_with_the_runs_card(trained, capsys):
    folder, _ = trained
    final = Run.open(folder).read_card()["scores"]["final"]
    assert main(["evaluate", str(folder), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["environment"] == "cartpole"
    assert report["checkpoint"] == 6144
    assert {key: report[key] for key in final} == final
    assert final["rows"]["lqr"]["return"]["mean"] == 500
    assert final["rows"]["agent"]["return"]["count"] == 1000
    assert main(["evaluate", str(folder), "--episodes", "20", "--seed", "7"]) == 0
    text = capsys.readouterr().out
    assert "20 episodes" in text
    assert "lqr     500 [500, 500]" in text


def test_an_interrupted_training_goes_on_exactly(trained, capsys, monkeypatch):
    folder, _ = trained
    update = train_verb.Progress.update

    def interrupt(self, step, total_steps, figures):
        update(self, step, total_steps, figures)
        if step == 2048:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(train_verb.Progress, "update", interrupt)
        assert main(["train", "cartpole", *TINY, "--seed", "3"]) == 130
    (run,) = Path("runs/cartpole/ppo").iterdir()
    assert f"stopped, with a checkpoint; go on: rlkit train --resume {run}" in capsys.readouterr().out
    assert Run.open(run).steps() == [2048]

    assert main(["train", "--resume", str(run)]) == 0
    assert "Resuming ppo on cartpole from step 2,048" in capsys.readouterr().out
    assert (run / "metrics.jsonl").read_bytes() == (folder / "metrics.jsonl").read_bytes()
    theirs = Run.open(folder).read_card()["scores"]
    assert Run.open(run).read_card()["scores"] == theirs


def test_a_second_ctrl_c_aborts(capsys, monkeypatch):
    def interrupt(self, step, total_steps, figures):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(train_verb.Progress, "update", interrupt)
    assert main(["train", "cartpole", *TINY]) == 130
    (run,) = Path("runs/cartpole/ppo").iterdir()
    text = capsys.readouterr().out
    assert "aborted; go on from the beginning: rlkit train --resume" in text
    assert Run.open(run).steps() == []


def test_a_time_limit_ends_with_a_way_to_go_on(capsys):
    assert main(["train", "cartpole", *TINY, "--time-limit", "0.000001s"]) == 0
    (run,) = Path("runs/cartpole/ppo").iterdir()
    assert f"rlkit train --resume {run}" in capsys.readouterr().out
    assert main(["train", "--resume", str(run), "--time-limit", "1h"]) == 0
    assert Run.open(run).steps()[-1] == 6144


def test_resuming_takes_everything_from_the_run(trained, capsys):
    run = ["train", "--resume", str(trained[0])]
    for flags in (["--seed", "3"], ["--gamma", "0.9"], ["--agent", "ppo"], ["--runs", "x"]):
        assert f"{flags[0]} cannot be combined with --resume" in _sentence(capsys, [*run, *flags])
    assert "trained on 'cartpole', not on 'pendulum'" in _sentence(capsys, ["train", "pendulum", *run[1:]])
    assert "has no checkpoint of step 5" in _sentence(capsys, [*run, "--checkpoint", "5"])


def test_a_run_without_its_settings_is_refused(trained, capsys):
    folder = Path("edited")
    folder.mkdir()
    config = json.loads((trained[0] / "config.json").read_text())
    config["config"]["gama"] = 1.0
    (folder / "config.json").write_text(json.dumps(config))
    assert "no settings of ppo" in _sentence(capsys, ["train", "--resume", str(folder)])


def test_a_train_module_passes_its_arguments_on(capsys):
    assert train_verb.main(["cartpole", "--gama", "1"]) == 2
    assert "did you mean '--gamma'?" in capsys.readouterr().err
    root = Path(cli.__file__).parents[2]
    command = [sys.executable, "-m", "envs.classic.cartpole.train", "--gama", "1"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 2
    assert "did you mean '--gamma'?" in done.stderr


def test_gymnasiums_own_environments_train_too(capsys):
    flags = ["--total-steps", "256", "--num-envs", "4", "--minibatch-size", "64", "--eval-episodes", "2"]
    flags += ["--max-grad-norm", "0.4"]
    assert main(["train", "gymnasium:CartPole-v1", *flags]) == 0
    (run,) = Path("runs/gymnasium-CartPole-v1/ppo").iterdir()
    assert main(["evaluate", str(run), "--episodes", "3"]) == 0
    assert main(["watch", str(run), "--record", "a.gif"]) == 0
    assert main(["train", "--resume", str(run)]) == 0
    assert "its episodes begin anew" in capsys.readouterr().out
    assert Path("a.gif").read_bytes()[:4] == b"GIF8"


# Watching and playing ---------------------------------------------------------------------------------------


def test_watch_records_a_run_and_a_controller(trained, capsys):
    from PIL import Image

    for subject in ([str(trained[0])], ["cartpole", "--policy", "lqr"], ["tic_tac_toe"]):
        assert main(["watch", *subject, "--record", "a.png", "--speed", "64"]) == 0
        assert capsys.readouterr().out == "recorded a.png\n"
        colours = np.unique(np.asarray(Image.open("a.png")).reshape(-1, 3), axis=0)
        assert len(colours) > 10
    assert "--policy goes with an environment" in _sentence(capsys, ["watch", str(trained[0]), "--policy", "lqr"])


def test_watch_seats_the_opponent(monkeypatch):
    from rlkit.viewing import viewer

    seen = []
    monkeypatch.setattr(viewer, "_show", lambda environment, seats, *rest: seen.append((seats, rest)))
    assert main(["watch", "tic_tac_toe", "--policy", "solver", "--opponent", "random", "--sample"]) == 0
    assert main(["watch", "tic_tac_toe", "--policy", "solver", "--episodes", "2"]) == 0
    (against_random, rest), (itself, _) = seen
    assert against_random[1].name == "solver"
    assert against_random[-1] is None
    assert itself[1] is itself[-1]
    assert rest[-1] == {"seed": 0, "deterministic": False, "speed": 1.0, "episodes": None}


def test_play_seats_a_person(monkeypatch, trained, capsys):
    from rlkit.viewing import viewer

    seen = []
    monkeypatch.setattr(viewer, "play", lambda *args, **options: seen.append((args, options)))
    assert main(["play", "tic_tac_toe", "--against", "solver", "--seat", "second"]) == 0
    assert main(["play", "cartpole"]) == 0
    ((game, against), options), ((_, nobody), _) = seen
    assert (game.name, against.name, options["player"]) == ("tic_tac_toe", "solver", -1)
    assert nobody is None
    run = str(trained[0])
    assert "trained on 'cartpole'" in _sentence(capsys, ["play", "tic_tac_toe", "--against", run])
    assert f"rlkit play ENV --against {run}" in _sentence(capsys, ["play", run])


def test_simulations_and_seats_reach_the_window(monkeypatch):
    from rlkit.cli import play, watch
    from rlkit.viewing import viewer

    def policy_named(environment, name, params):
        return SimpleNamespace(with_simulations=lambda count: SimpleNamespace(num_simulations=count), name=name)

    seen = []
    for module in (play, watch):
        monkeypatch.setattr(module, "policy_named", policy_named)
    monkeypatch.setattr(viewer, "play", lambda game, against, **options: seen.append((against, options["player"])))
    monkeypatch.setattr(viewer, "_show", lambda game, seats, *rest: seen.append(seats))
    assert main(["play", "tic_tac_toe", "--against", "deep", "--simulations", "80", "--seat", "second"]) == 0
    assert main(["watch", "tic_tac_toe", "--policy", "deep", "--simulations", "80"]) == 0
    ((against, player), seats) = seen
    assert (against.num_simulations, against.name, player) == (80, "deep", -1)
    assert (seats[1].num_simulations, seats[-1] is seats[1]) == (80, True)
    seen.clear()
    for choice in (1, -1):
        monkeypatch.setattr(play.random, "choice", lambda seats, choice=choice: choice)
        assert main(["play", "tic_tac_toe", "--seat", "random"]) == 0
    assert [player for _, player in seen] == [1, -1]


# Yardsticks, lists, checks ----------------------------------------------------------------------------------


def test_yardstick_of_a_position_is_one_line(capsys):
    assert main(["yardstick", "connect_four", "--moves", ""]) == 0
    assert capsys.readouterr().out == "scores: -2 -1 0 1 0 -1 -2\n"
    assert main(["yardstick", "tic_tac_toe", "--moves", "5"]) == 0
    assert capsys.readouterr().out == "scores: 0 -1 0 -1 - -1 0 -1 0\n"  # a corner draws, a side loses
    assert main(["yardstick", "tic_tac_toe", "--moves", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"] == [0, -1, 0, -1, None, -1, 0, -1, 0]


def test_yardstick_of_any_environment(capsys):
    assert main(["yardstick", "connect_four"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "scores: -2 -1 0 1 0 -1 -2"
    assert lines[1] == "environment: connect_four"
    assert main(["yardstick", "cartpole"]) == 0
    text = capsys.readouterr().out
    assert text.count("reference: ") == 1
    assert "policies: lqr" in text


def test_list_compiles_nothing_and_imports_no_agent(tmp_path):
    code = "import sys; from rlkit.cli import main; main(['list']); print('torch' in sys.modules)"
    env = os.environ | {"RLKIT_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    *lines, has_torch = done.stdout.splitlines()
    assert has_torch == "False"
    assert not [*(tmp_path / "cache").rglob("*.nbi")]
    assert any(line.split()[:5] == ["connect_four", "rlkit/ConnectFour-v0", "2", "alphazero,", "ppo"] for line in lines)
    assert lines[-1] == "agents: ppo, alphazero, dqn, rlhf, sb3-ppo, sb3-dqn, sb3-sac, sb3-td3; without training: mpc"


def test_list_as_json(capsys):
    from rlkit.registry import environment_names

    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["environments"]
    assert [about["name"] for about in found] == [*environment_names()]
    assert all(about["yardstick"] and about["recipes"] for about in found)


def test_check_fails_with_its_exit_code(capsys, monkeypatch):
    from rlkit import checking

    verdicts = [("rules", True, "compiled"), ("drawing", False, "the picture has only one colour")]
    monkeypatch.setattr(checking, "check_environment", lambda environment: iter(verdicts))
    assert main(["check", "cartpole"]) == 1
    text = capsys.readouterr().out
    assert text == "✓ rules: compiled\n✗ drawing: the picture has only one colour\n1 of 2 checks passed\n"
    del verdicts[1]
    assert main(["check", "cartpole", "pendulum"]) == 0


# One's own environment --------------------------------------------------------------------------------------


def test_a_new_environment_keeps_the_contract_and_is_learned(capsys):
    folder = _make_my_env()
    assert "rlkit train ./my_env" in capsys.readouterr().out
    assert "exists already" in _sentence(capsys, ["new", "my_env"])
    assert "skeleton" not in "".join(path.read_text() for path in folder.glob("*.py")).lower()
    assert main(["check", "./my_env"]) == 0
    assert "✗" not in capsys.readouterr().out

    assert main(["train", "./my_env"]) == 0
    assert "--env ./my_env" in capsys.readouterr().out
    (run,) = Path("runs/my_env/ppo").iterdir()
    scores = Run.open(run).read_card()["scores"]["final"]
    assert scores["score"] > 0.95
    optimum = scores["rows"]["straight"]["return"]
    assert optimum["low"] < -(12 + 1) / 3 / 0.9 < optimum["high"]

    assert "add --env PATH" in _sentence(capsys, ["evaluate", str(run)])
    assert f"rlkit train PATH --resume {run}" in _sentence(capsys, ["train", "--resume", str(run)])
    assert main(["evaluate", str(run), "--env", "./my_env", "--level", "hard", "--episodes", "20"]) == 0
    assert main(["watch", str(run), "--env", "my_env.", "--record", "a.png"]) == 2  # no such module
    assert main(["watch", str(run), "--env", "./my_env", "--record", "a.png"]) == 0
    assert main(["train", "./my_env", "--resume", str(run)]) == 0
    assert main(["play", "./my_env"]) == 2
    capsys.readouterr()
    assert main(["yardstick", "./my_env"]) == 0
    assert "optimal mean return: -4.81481" in capsys.readouterr().out


def test_a_folder_without_a_path_is_pointed_at(capsys):
    _make_my_env()
    capsys.readouterr()
    assert "for the folder write ./my_env" in _sentence(capsys, ["train", "my_env"])
    Path("my_env").rename("cartpole")
    assert "rename the folder" in _sentence(capsys, ["train", "./cartpole"])


def test_a_broken_environment_is_one_sentence(capsys):
    folder = _make_my_env()
    (folder / "rules.py").write_text("def reset(state, params:\n")
    capsys.readouterr()
    assert f"{folder.resolve() / 'rules.py'}:1" in _sentence(capsys, ["train", "./my_env"], code=1)


def test_a_run_folder_imports_nothing(trained, capsys):
    Path("evil.py").write_text("open('executed', 'w')\n")
    config = json.loads((trained[0] / "config.json").read_text())
    Path("run").mkdir()
    for name in ("evil", "evil:X-v0", "gymnasium:evil:X-v0", "./evil"):
        Path("run/config.json").write_text(json.dumps(config | {"environment": name}))
        for args in (["evaluate", "run"], ["watch", "run"], ["train", "--resume", "run"]):
            _sentence(capsys, args)
    Path("run/config.json").write_text(json.dumps(config | {"agent": "evil"}))
    _sentence(capsys, ["evaluate", "run"])
    assert not Path("executed").exists()


@pytest.mark.parametrize("text", ["200000", "2e5", "200_000"])
def test_whole_numbers_may_be_written_as_people_write_them(text):
    from agents import ppo
    from rlkit.cli.settings import parse_settings

    assert parse_settings(ppo.Config(), ["--total-steps", text], "rlkit train x").total_steps == 200_000
