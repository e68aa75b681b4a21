"""`rlkit train`: from an environment's recipe and a person's flags to a run folder, or on from there."""

import dataclasses
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rlkit.cli import guard, output
from rlkit.cli.arguments import (
    Parser,
    duration,
    environment_of,
    environment_of_run,
    environment_options,
    policy_named,
    whole,
)
from rlkit.cli.errors import UsageError
from rlkit.cli.evaluate import REPORT_SEED, episodes_text, usual_episodes
from rlkit.cli.progress import Progress
from rlkit.cli.settings import parse_settings, settings_help

DESCRIPTION = """\
Train an agent on an environment, by the environment's recipe and the flags that change it, into a run folder.
`--resume RUN` goes on with a run, exactly as if it had never stopped: everything is taken from its folder.

Ctrl-C stops at the next iteration with a checkpoint (exit code 130); a second Ctrl-C aborts at once.
`rlkit train ENV --help` also shows the settings of the agent, each of which is a flag.
"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code; `python -m envs.<family>.<env>.train` calls this, too."""
    return guard(_train, args)


def _train(args: list[str]) -> int:
    parser = _parser()
    name = args[0] if args and not args[0].startswith("-") else None
    options, flags = parser.parse_known_args(args[1:] if name else args)
    if name is None and flags and not flags[0].startswith("-"):
        name = flags.pop(0)
    if options.help:
        return _help(parser, name, options.agent)
    if options.resume is not None:
        return _resume(name, options, flags)
    if options.checkpoint is not None:
        raise UsageError("--checkpoint chooses where a run is resumed: use it with --resume RUN")
    if name is None:
        raise UsageError("say what to train on, before any flags: rlkit train ENV; see `rlkit list`")
    return _begin(name, options, flags)


def _parser() -> Parser:
    usage = "rlkit train ENV [flags]\n       rlkit train [PATH] --resume RUN [--checkpoint STEP] [--time-limit T]"
    parser = Parser("train", DESCRIPTION, usage=usage, add_help=False)
    add = parser.add_argument
    add("--help", "-h", action="store_true", help="show this help; after ENV also the agent's settings")
    add("--agent", help="the algorithm (default: that of the environment's first recipe)")
    add("--seed", type=whole, help="decides everything that chance decides (default 0)")
    add("--runs", metavar="DIR", help="where run folders are made (default runs)")
    limit = "end early, with a checkpoint: minutes, or 90s, 5m, 2h"
    add("--time-limit", metavar="T", type=duration, help=limit)
    add("--resume", metavar="RUN", help="go on with this run; first the PATH of an environment not rlkit's")
    add("--checkpoint", metavar="STEP", type=whole, help="resume from this checkpoint instead of the newest")
    return parser


def _help(parser: Parser, name: str | None, agent_name: str | None) -> int:
    text = parser.format_help()
    if name is not None:
        _, agent_name, _, default = _recipe(name, agent_name)
        about = settings_help(default, f"rlkit train {name}")
        text += f"\nsettings of {agent_name}, with the recipe's defaults:\n{about}"
    print(text.rstrip())
    return 0


# From the beginning -----------------------------------------------------------------------------------------


def _recipe(name: str, agent_name: str | None) -> tuple[Any, str, Any, Any]:
    """Return (environment, name of the agent, its module, its config by the environment's recipe)."""
    from rlkit.registry import find_agent

    environment = environment_of(name)
    recipes = environment.recipes
    agent_name = agent_name or next(iter(recipes), "ppo")
    agent = find_agent(agent_name)
    own = agent.default_recipe(environment) if hasattr(agent, "default_recipe") else agent.Config()
    return environment, agent_name, agent, recipes.get(agent_name) or own


def _begin(name: str, options: Any, flags: list[str]) -> int:
    from rlkit.engine.variation import varied
    from rlkit.run import Run

    environment, agent_name, agent, recipe = _recipe(name, options.agent)
    config = parse_settings(recipe, flags, f"rlkit train {name}", _parser().flags)
    seed = options.seed or 0
    settings = dataclasses.asdict(config)
    if hasattr(environment, "rules"):
        preset = environment.preset(**environment_options(settings))
        varied(environment, preset)  # what is wrong is told before there is a folder
    run = Run.create(environment.name, agent_name, settings, seed, root=options.runs or "runs")
    changes = [
        f"{field.name}={value}"
        for field in dataclasses.fields(config)
        if (value := getattr(config, field.name)) != getattr(recipe, field.name)
    ]
    _say_start(f"Training {agent_name} on {environment.name}", run, config, name, changes)
    try:
        return _go(environment, agent, config, run, None, options.time_limit, name)
    except Exception:
        if not run.steps() and not (run.folder / "metrics.jsonl").stat().st_size:
            shutil.rmtree(run.folder, ignore_errors=True)  # it never began: a setting that cannot be
        raise


def _say_start(what: str, run: Any, config: Any, name: str, changes: list[str]) -> None:
    budget = getattr(config, "total_steps", None)
    steps = f" for {budget:,} steps" if budget else ""
    folder = output.shown_path(run.folder)
    rows = [("run", folder), ("curves", f"tensorboard --logdir {folder}")]
    if changes:
        rows.insert(0, ("changed", ", ".join(changes)))
    print(f"{what}{steps} (seed {run.seed})")
    print(output.columns(rows, indent="  "), flush=True)


# On from a checkpoint ---------------------------------------------------------------------------------------


def _resume(name: str | None, options: Any, flags: list[str]) -> int:
    from rlkit.registry import find_agent
    from rlkit.run import Run

    given = [f"--{flag}" for flag in ("agent", "seed", "runs") if getattr(options, flag) is not None]
    for flag in given + flags:
        raise UsageError(f"{flag} cannot be combined with --resume: a run keeps its settings; leave it out")
    run = Run.open(options.resume)
    how = f"write rlkit train PATH --resume {output.shown_path(run.folder)} with PATH"
    environment = environment_of_run(run, name, how)
    agent = find_agent(run.agent_name)
    config = _config_of(agent, run)
    checkpoint = run.resume(options.checkpoint)
    at = f"step {checkpoint.step:,}" if checkpoint else "the beginning: it has no checkpoint yet"
    shown = name or environment.name
    _say_start(f"Resuming {run.agent_name} on {environment.name} from {at},", run, config, shown, [])
    if run.changes:
        print(f"  note: since the run began these changed, so results may differ: {'; '.join(run.changes)}")
    if checkpoint and not hasattr(environment, "rules"):
        print(f"  note: the states of {environment.name} cannot be saved: its episodes begin anew")
    return _go(environment, agent, config, run, checkpoint, options.time_limit, shown)


def _config_of(agent: Any, run: Any) -> Any:
    from rlkit.learning.training import config_of
    from rlkit.run import RunError

    try:
        return config_of(agent.Config, run.config)
    except (TypeError, KeyError, ValueError) as error:
        raise RunError(f"{run.folder / 'config.json'} has no settings of {run.agent_name}: {error}") from None


# The training itself ----------------------------------------------------------------------------------------


def _go(
    environment: Any, agent: Any, config: Any, run: Any, checkpoint: Any, time_limit: float | None, name: str
) -> int:
    """Train, report and say what can be done next; `name` is what a person calls the environment."""
    resume = f"rlkit train {f'{name} ' if _is_path(name) else ''}--resume {output.shown_path(run.folder)}"
    with run:
        choose = _chooser(environment, run)
        with _announced_stop(run, time_limit) as signals, Progress(choose=choose) as run.progress:
            try:
                policy = agent.train(environment, config, run, checkpoint)
            except KeyboardInterrupt:
                at = f"its checkpoint of step {run.steps()[-1]:,}" if run.steps() else "the beginning"
                print(f"\naborted; go on from {at}: {resume}")
                raise
            is_stopped = run.stop_requested
        if signals or not run.steps():
            when = "with a checkpoint" if run.steps() else "before the first iteration"
            print(f"stopped, {when}; go on: {resume}")
            return 128 + signals[-1] if signals else 0
        _report(environment, policy, run)
    is_unfinished = is_stopped and run.steps()[-1] < getattr(config, "total_steps", 0)
    _say_next(environment, run, name, resume if is_unfinished else None)
    return 0


@contextmanager
def _announced_stop(run: Any, time_limit: float | None) -> Iterator[list[int]]:
    """As `run.training`, and says at once that a signal was heard; gives the list of those."""
    heard: list[int] = []
    with run.training(time_limit):
        previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def announce(number: int, frame: Any) -> None:
            if not heard:  # not print: the signal may have come in the middle of one
                text = "\nrlkit: stopping at the next iteration boundary; press Ctrl-C again to abort\n"
                os.write(2, text.encode())
            heard.append(number)
            previous[signal.Signals(number)](number, frame)  # type: ignore[operator, misc]

        for number, handler in previous.items():
            if getattr(handler, "__self__", None) is run:  # else deaf (nohup), or outside the main thread
                signal.signal(number, announce)
        yield heard


def _chooser(environment: Any, run: Any) -> Any:
    """Return what picks the figures of the live line: the return, and how good that is."""
    is_self_play = environment.num_players == 2 and run.config.get("opponent") in ("self", "pool")
    known = {"episode_return", "episode_length", *environment.metrics}

    def choose(figures: Mapping[str, float]) -> dict[str, float]:
        shown: dict[str, float] = {}
        if "rollout/episode_return" in figures and not is_self_play:  # in self-play it says nothing
            shown["return"] = figures["rollout/episode_return"]
        value = figures.get("eval/episode_return")
        if value is not None and "eval/score" not in figures:
            shown["against the best so far" if is_self_play else "evaluation"] = value
        evaluated = {name.removeprefix("eval/"): name for name in figures if name.startswith("eval/")}
        return shown | {name: figures[full] for name, full in evaluated.items() if name not in known}

    return choose


# What came of it --------------------------------------------------------------------------------------------


def _report(environment: Any, policy: Any, run: Any) -> None:
    from rlkit.evaluation import compare

    num_episodes, took = usual_episodes(environment, policy), output.seconds_text(run.read_card()["wall_seconds"])
    played, options = episodes_text(environment, num_episodes), environment_options(run.config)
    is_judged = run.load().facts.get("best_score", 0.0) is not None  # else the last policy is all there is
    others, who = {}, f"The {'best' if is_judged else 'last'} policy"
    if hasattr(policy, "with_simulations"):
        count = policy.num_simulations
        who = f"The network with {count} simulations a move"
        others["network alone"] = policy.with_simulations(0)
        if environment.num_players == 2:
            params = environment.params(**options)[0]
            others[f"rollouts:{count}"] = policy_named(environment, f"rollouts:{count}", params)
    print(f"\n{run.steps()[-1]:,} steps in {took}. {who} over {played}:\n", flush=True)
    scores = compare(environment, policy, num_episodes, REPORT_SEED, others, **options)
    about = {"episodes": num_episodes, "seed": REPORT_SEED}
    run.write_scores({"final": output.report_json(scores) | about})
    print(output.report_table(scores))


def _say_next(environment: Any, run: Any, name: str, resume: str | None) -> None:
    folder = output.shown_path(run.folder)
    env = f" --env {name}" if _is_path(name) else ""
    rows = [("go on", resume)] if resume else []
    rows.append(("watch", f"rlkit watch {folder}{env}"))
    if environment.num_players == 2:
        rows.append(("play", f"rlkit play {name} --against {folder}"))
    elif hasattr(environment.drawing, "KEYS") or hasattr(environment.drawing, "action_from_click"):
        rows.append(("play", f"rlkit play {name}"))
    rows.append(("measure", f"rlkit evaluate {folder}{env}"))
    rows.append(("curves", f"tensorboard --logdir {folder}"))
    rows += [("picture", output.shown_path(file)) for file in sorted(run.folder.glob("*.png"))]
    print(f"\n{output.columns(rows)}")


def _is_path(name: str) -> bool:
    """Whether the environment is none that a run folder may name by itself."""
    from rlkit.registry import UnknownNameError, resolve

    try:
        resolve(name, trusted=False)
    except UnknownNameError:
        return True
    return False
