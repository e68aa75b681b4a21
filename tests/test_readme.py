"""What the READMEs promise: their commands parse, their paths exist, their code runs, no figure goes unexplained."""

import dataclasses
import itertools
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

import agents
import rlkit
from agents import alphazero, dqn, mpc, ppo, rlhf
from rlkit.checking import CHECKS, check_environment
from rlkit.cli import VERBS, main
from rlkit.cli.settings import parse_settings
from rlkit.cli.train import _parser
from rlkit.registry import (
    agent_names,
    environment_from_path,
    environment_names,
    find_environment,
    pretrained_folder,
)
from rlkit.run import Run

ROOT = Path(rlkit.__file__).parent.parent
PAGES = {name: (ROOT / name).read_text() for name in ("README.md", "envs/README.md", "agents/README.md")}
ABOUT_AGENTS = PAGES["agents/README.md"]
PICTURES = ROOT / ".pictures"
FIRST = ["pip install -e . && rlkit train connect_four", 'pip install -e ".[dev]" && pytest']

TINY = {"total_steps": 64, "num_envs": 4, "num_steps": 8, "minibatch_size": 32, "num_epochs": 1}
TINY |= {"hidden_sizes": (8,), "eval_interval": 32, "eval_episodes": 4, "picture_interval": 0}


def blocks(page, language):
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], re.M | re.S)


def shell_lines(page):
    """Return the lines of a page's shell blocks without comments."""
    lines = "".join(blocks(page, "sh")).splitlines()
    return [line for line in (re.sub(r"\s+# .*", "", line) for line in lines) if line]


def quoted_commands():
    """Return the arguments of every `rlkit ...` in the pages, in shell blocks and within a line."""
    lines = [line for page in PAGES for line in shell_lines(page)]
    lines += [line for text in PAGES.values() for line in re.findall(r"`(rlkit [^`]+)`", text)]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return sorted({part.removeprefix("rlkit ") for part in parts if part.startswith("rlkit ")})


def train_once(environment, folder, **settings):
    """Train PPO for two rollouts and return the run folder."""
    config = ppo.Config(**(TINY | settings))
    with Run.create(environment.name, "ppo", dataclasses.asdict(config), 0, root=folder) as run, run.training():
        ppo.train(environment, config, run)
    return run.folder


# The first page ---------------------------------------------------------------------------------------------


def test_the_page_begins_with_the_two_commands():
    assert shell_lines("README.md")[:2] == FIRST
    assert "```sh" not in PAGES["README.md"].partition("```sh")[0]
    assert len(PAGES["README.md"].partition("```sh")[0].split()) <= 3  # nothing but the title stands before them
    ci = (ROOT / ".ci/run").read_text()
    assert FIRST[0] in ci
    assert 'pip install --quiet --disable-pip-version-check -e ".[dev]"' in ci


def test_there_are_six_commands_for_a_start():
    six = PAGES["README.md"].split("## In six commands", 1)[1].split("```")[1].splitlines()[1:]
    assert [shlex.split(line, comments=True)[:2][-1] for line in six] == [
        *("train", "watch", "play", "evaluate", "yardstick", "--logdir")
    ]


def test_the_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    codes = blocks("README.md", "python")
    assert codes
    for code in codes:
        seen = {}
        exec(compile(code, "README.md", "exec"), seen)
        assert seen["env"].observation_space.contains(seen["env"].reset()[0])
        assert (seen["batch"].states["num_steps"] == 0).all()  # restored


def test_the_tree_names_only_what_exists_and_every_environment_and_agent():
    tree = blocks("README.md", "text")[0]
    folders, seen = [], []
    for line in tree.splitlines():
        entry = line[:26].strip() if len(line) > 26 else line.strip()
        depth = (len(line) - len(line.lstrip())) // 2
        folders = folders[:depth]
        for name in entry.split():
            path = ROOT.joinpath(*folders, name)
            assert path.is_dir() if name.endswith("/") else path.is_file(), path
            seen.append(path)
        if entry.endswith("/"):
            folders.append(entry)
        for name in re.findall(r"\b(?:\w+/)*\w+\.py\b", line[26:]):  # files that the remark names
            assert ROOT.joinpath(*folders, name).is_file(), line
    assert len(seen) > 20
    for folder in ROOT.glob("envs/*/*/rules.py"):
        assert folder.parent.name in tree
    for place in {module.split(".")[1] for module in agents.AGENTS.values()}:
        assert re.search(rf"^  {place}(\.py|/)", tree, re.M)
    for folder in (ROOT / "rlkit").glob("*/__init__.py"):
        assert folder.parent in seen, folder


# Commands, links and pictures, on every page ----------------------------------------------------------------


@pytest.mark.parametrize("command", quoted_commands())
def test_every_command_parses(command, capsys):
    args = shlex.split(command)
    if args[0] == "VERB":
        return
    assert args[0] in VERBS
    verb = args[: 2 if args[0] == "bench" else 1]
    subject = next(iter(args[len(verb) :]), "")
    if args[0] != "new" and re.fullmatch("[a-z_0-9]+", subject):
        assert subject in environment_names()
    if args[0] == "train" and subject in environment_names():
        _, settings = _parser().parse_known_args(args[2:])
        parse_settings(next(iter(find_environment(subject).recipes.values())), settings, "rlkit train")
        return
    assert main([*verb, "--help"]) == 0
    flags = re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out)
    assert {arg for arg in args if arg.startswith("-")} <= {*flags}
    for flag, name in itertools.pairwise(args):
        if flag == "--policy" or (flag == "--against" and args[0] == "play"):
            is_program = len(shlex.split(name)) > 1
            network = re.fullmatch(r"pretrained:(\w+)(@\d+)?", name)
            known = ("RUN", *find_environment(subject).yardstick.policies)
            assert is_program or name in known or (network and (pretrained_folder() / f"{network[1]}.json").exists())


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", PAGES[page]) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / page).parent.joinpath(link).exists(), link


def test_pictures_are_small_and_shown():
    pictures = sorted(PICTURES.iterdir())
    assert {picture.stem for picture in pictures} >= {*environment_names()}
    for picture in pictures:
        assert f"](.pictures/{picture.name})" in PAGES["README.md"]
        assert picture.stat().st_size < 400_000
        with Image.open(picture) as image:
            assert min(image.size) > 300
            assert picture.suffix == ".png" or image.n_frames > 5


# envs/README.md ---------------------------------------------------------------------------------------------


def test_the_environment_in_ten_lines_keeps_the_contract(tmp_path):
    files = {}
    for code in blocks("envs/README.md", "python"):
        name, _, source = code.partition("\n")
        files[name.removeprefix("# ")] = source
    assert sorted(files) == ["windy_walk/__init__.py", "windy_walk/rules.py"]
    rules = [line for line in files["windy_walk/rules.py"].splitlines() if line.strip()]
    assert len([line for line in rules if not line.startswith(("import", "from", "@"))]) == 10
    for name, source in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    verdicts = list(check_environment(environment_from_path(tmp_path / "windy_walk")))
    assert [verdict for verdict in verdicts if not verdict.ok] == []
    assert len(verdicts) == len(CHECKS)


def test_the_table_of_environments_is_complete():
    rows = re.findall(r"^\| `(\w+)` \| `([\w/-]+)` \| (\d) \|", PAGES["envs/README.md"], re.M)
    environments = [find_environment(name) for name in environment_names()]
    assert rows == [(env.name, env.id, str(env.num_players)) for env in environments]
    for name in environment_names():
        assert f"| `{name}` |" in PAGES["README.md"]  # how its results are measured


# agents/README.md -------------------------------------------------------------------------------------------


def table_names(heading):
    """Return the names in the first column of the tables below a heading."""
    section = ABOUT_AGENTS.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    firsts = re.findall(r"^\| (`[^|]+) \|", section, re.M)
    return [name for first in firsts for name in re.findall(r"`([^`]+)`", first)]


@pytest.mark.parametrize(
    ("heading", "agent"),
    [("PPO's settings", ppo), ("AlphaZero's settings", alphazero), ("DQN's settings", dqn), ("MPC's settings", mpc)],
)
def test_every_setting_is_explained(heading, agent):
    assert sorted(table_names(heading)) == sorted(field.name for field in dataclasses.fields(agent.Config))


def test_every_setting_of_choices_between_clips_is_explained_beside_ppos():
    ppos = {field.name for field in dataclasses.fields(ppo.Config)}
    own = {field.name for field in dataclasses.fields(rlhf.Config)} - ppos
    assert sorted(table_names("RLHF's settings")) == sorted(own)


def test_every_agent_is_in_the_table():
    for name in agent_names():
        assert f"| `{name}` |" in ABOUT_AGENTS


def test_every_logged_metric_is_explained_and_no_other(tmp_path, monkeypatch):
    logged = set()
    log = Run.log

    def note(run, step, values, timing=None):
        logged.update(values, timing or {})
        log(run, step, values, timing)

    monkeypatch.setattr(Run, "log", note)
    main(["new", str(tmp_path / "corridor_of_readme")])
    walk = environment_from_path(tmp_path / "corridor_of_readme")
    train_once(walk, tmp_path, total_steps=2048, num_envs=16, num_steps=64, minibatch_size=512)
    train_once(find_environment("tic_tac_toe"), tmp_path)
    config = alphazero.Config(
        total_steps=300, num_games=8, threads=1, num_simulations=4, iteration_samples=64, minibatch_size=32,
        size=8, num_blocks=1, eval_interval=100,
    )  # fmt: skip
    with Run.create("tic_tac_toe", "alphazero", {}, 0, root=tmp_path) as run, run.training():
        alphazero.train(find_environment("tic_tac_toe"), config, run)
    config = dqn.Config(total_steps=512, learning_starts=64, hidden_sizes=(8,), eval_interval=256, eval_episodes=4)
    with Run.create("tic_tac_toe", "dqn", {}, 0, root=tmp_path) as run, run.training():
        dqn.train(find_environment("tic_tac_toe"), config, run)
    config = rlhf.Config(**TINY | {"num_envs": 16, "total_steps": 2048}, labels=16, clip_length=4, num_sessions=4)
    with Run.create("pendulum", "rlhf", {}, 0, root=tmp_path) as run, run.training():
        rlhf.train(find_environment("pendulum"), config, run)
    assert walk.metrics == ("detour",)
    logged = {re.sub(r"/\d/", "/K/", name.replace("/detour", "/METRIC")) for name in logged}
    assert sorted(table_names("What every metric means")) == sorted(logged)
