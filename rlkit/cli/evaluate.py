"""`rlkit evaluate`: a policy beside random play and the yardstick."""

import argparse
import json
import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

from rlkit.cli import output
from rlkit.cli.arguments import (
    ENV_OF_RUN,
    PLAYERS,
    Parser,
    can_look_ahead,
    environment_of,
    environment_of_run,
    look_ahead,
    player_named,
    policy_and_options,
    policy_named,
    positive,
    whole,
)
from rlkit.cli.errors import UsageError
from rlkit.pretrained import PREFIX

REPORT_SEED = 2_000_000_011  # episodes that neither training nor the choice of the best policy has seen
REPORT_EPISODES = 1000
EXTERNAL_EPISODES = 100  # Gymnasium's own environments are slow, and so are searches and other programs


DESCRIPTION = f"""\
Measure a policy beside random legal play and the environment's yardstick: a run's best, a pretrained one, or in
an environment (ENV --policy NAME) any player.

All play the same seeded episodes: means with 95 % intervals, and the score between random (0) and the reference
(1). In games of two, if --opponent is given and one of both is a search or another program, they play a match
instead: openings of random plies, each with both colours. With --positions they are asked for moves in positions
labelled with exact scores (in games that have a solver), with --conversion they play openings that are won in
theory against the perfect player. With one player --simulations 0,16,64 gives a row for each: the policy alone, and
looking so far ahead.

{PLAYERS}"""


class Subject(NamedTuple):
    """Whom a report is about; `policy` is None for random play."""

    environment: Any
    policy: Any
    env_options: dict[str, Any]
    about: dict[str, Any]  # agent, and of a run the step of its checkpoint


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    options = _parse(args)
    subject = _subject(options)
    if options.positions is not None or options.conversion is not None:
        _evaluate_positions(subject, options)
    else:
        _evaluate_episodes(subject, options)
    return 0


def _parse(args: list[str]) -> argparse.Namespace:
    parser = Parser("evaluate", DESCRIPTION)
    add = parser.add_argument
    add("subject", metavar="RUN|ENV", help="a run folder, pretrained:NAME, or with --policy an environment")
    add("--policy", "--agent", metavar="NAME", help="with ENV: random, mpc, or one of the yardstick's, such as rule")
    add(
        "--episodes",
        metavar="N",
        type=positive,
        help=f"of each policy (default {REPORT_EPISODES}; {EXTERNAL_EPISODES} in Gymnasium's own and of searches)",
    )
    add("--seed", type=whole, default=REPORT_SEED, help="of the episodes, searches and openings (default %(default)s)")
    add("--opponent", metavar="WHO", help="in games of two: a player, see above (default random)")
    add("--level", help="preset of the environment's params (default: the one it was trained on)")
    add("--positions", metavar="FILE", help="labelled positions: test, tune, or a .csv, .csv.gz or .csv.xz file")
    add("--simulations", metavar="N,N", type=_numbers, help="of a policy that can look ahead; 0: it alone")
    add("--conversion", metavar="N", type=positive, help="play so many openings that are won in theory")
    add("--samples", metavar="N", type=positive, help="of one player: also the best of N draws of each episode")
    add("--temperature", metavar="T", type=float, help="with --samples: draws at this temperature (default 1)")
    add("--by-ply", action="store_true", help="with --positions: every ply, not bands of plies")
    add("--env", metavar="PATH", help=ENV_OF_RUN)
    add("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse(args)
    _check_flags(options)
    return options


def _check_flags(options: argparse.Namespace) -> None:
    names: tuple[str, ...]
    if options.positions is None and options.conversion is None:
        if options.temperature is not None and options.samples is None:
            raise UsageError("--temperature is that of --samples: add --samples N")
        names, why = ("by_ply",), "goes with --positions or --conversion: add one"
    else:
        names = ("episodes", "opponent", "level", "samples", "temperature")
        why = "is about episodes: leave --positions and --conversion out"
    for name in names:
        if getattr(options, name):
            raise UsageError(f"--{name.replace('_', '-')} {why}")


def _numbers(text: str) -> list[int]:
    """Whole numbers from 0 with commas between them, for `type=`."""
    return [whole(part) for part in text.split(",")]


def _subject(options: argparse.Namespace) -> Subject:
    name = options.subject
    if options.policy is None and not name.startswith(PREFIX):
        return _run_subject(name, options)
    if options.policy is not None and name.startswith(PREFIX):
        raise UsageError(f"--policy goes with an environment: leave it out with {name}")
    if options.env is not None:
        raise UsageError("--env goes with a run folder only: leave it out")
    environment = environment_of(name.removeprefix(PREFIX))
    agent = options.policy or name
    env_options = {"level": options.level or "standard"}
    params = environment.params(**env_options)[0] if hasattr(environment, "rules") else None
    return Subject(environment, policy_named(environment, agent, params), env_options, {"agent": agent})


def _run_subject(folder: str, options: argparse.Namespace) -> Subject:
    from rlkit.run import Run

    run = Run.open(folder)
    environment = environment_of_run(run, options.env, counterpart_too=True)
    policy, env_options = policy_and_options(run, environment, options.level)
    return Subject(environment, policy, env_options, {"agent": run.agent_name, "checkpoint": run.steps()[-1]})


def _title(subject: Subject) -> str:
    step = f", step {subject.about['checkpoint']:,}" if "checkpoint" in subject.about else ""
    return f"{subject.about['agent']} on {subject.environment.name}{step}"


def _evaluate_episodes(subject: Subject, options: argparse.Namespace) -> None:
    from rlkit.evaluation import compare, random_policy
    from rlkit.learning.policy import with_temperature

    environment, policy, env_options, about = subject
    if options.simulations is not None and environment.num_players == 2:
        raise UsageError("--simulations of games of two goes with --positions or --conversion: add one")
    if options.opponent is not None:
        opponent = _opponent(environment, options.opponent, env_options)
        if hasattr(policy, "act_in") or hasattr(opponent, "act_in"):
            _match(subject, opponent, options)
            return
        env_options = env_options | {"opponent": "random" if options.opponent == "random" else opponent}
    player = random_policy(environment, **env_options) if policy is None else policy
    players = _players(subject, player, options)
    num_episodes = options.episodes or min(usual_episodes(environment, policy) for policy in players.values())
    if options.samples and environment.num_players == 2:
        raise UsageError(f"{environment.name} has two players: leave --samples out")
    first, *others = players
    player = players[first]
    if options.temperature is not None:
        player = with_temperature(player, options.temperature)
    with ExitStack() as lines:
        report = compare(
            environment, player, num_episodes, options.seed, {name: players[name] for name in others},
            options.samples or 0, _progress(lines, first), **env_options,
        )  # fmt: skip
    own = {"agent": first, f"agent, best of {options.samples}": f"{first}, best of {options.samples}"}
    report = replace(report, rows={own.get(name, name): row for name, row in report.rows.items()})
    if options.json:
        about = {"environment": environment.name} | about | {"episodes": num_episodes, "seed": options.seed}
        print(json.dumps(about | output.report_json(report), indent=1))
        return
    print(f"{_title(subject)}; {episodes_text(environment, num_episodes, options.opponent)}\n")
    print(output.report_table(report))


def _players(subject: Subject, player: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Return whom a report of episodes is about, by the names of their rows: of one player, each of --simulations."""
    environment, _, env_options, about = subject
    if options.simulations is None:
        return {"agent": player}
    if not can_look_ahead(player, environment):
        raise UsageError(f"{about['agent']} does not search: leave --simulations out")
    params = environment.params(**env_options)[0]
    counts = dict.fromkeys(options.simulations)
    return {f"agent@{count}": look_ahead(player, count, environment, params) for count in counts}


def _progress(lines: ExitStack, subject_name: str) -> Callable[[str, int, int], None]:
    """Return what shows how far a row is that takes long, on a line of its own among `lines`."""
    from rlkit.cli.progress import Progress

    shown: dict[str, Progress] = {}

    def tell(row: str, finished: int, total: int) -> None:
        if row not in shown:
            shown[row] = lines.enter_context(Progress(unit="episodes", window=math.inf))
        count = (subject_name if row == "agent" else row).partition("@")[2]
        shown[row].update(finished, total, {"simulations": float(count)} if count else {})

    return tell


def _evaluate_positions(subject: Subject, options: argparse.Namespace) -> None:
    from rlkit.cli import evaluate_positions as exact

    environment, policy, _, about = subject
    simulations = exact.simulations_of(policy, about["agent"], options.simulations)
    players = exact.players_of(policy, about["agent"], simulations)
    about = {"environment": environment.name} | about
    parts = [_title(subject)]
    if options.positions is not None:
        positions, report = exact.report_positions(environment, players, options.positions, simulations, options.seed)
        about |= {"positions": options.positions} | report
        parts += [f"{options.positions}: {exact.text(positions, report, options.by_ply)}"]
    if options.conversion is not None:
        about["conversion"] = exact.report_conversion(environment, players, options.conversion, options.seed)
        reference = next(iter(environment.yardstick.policies))
        parts.append(exact.conversion_text(about["conversion"], reference))
    print(json.dumps(output.plain(about), indent=1) if options.json else "\n\n".join(parts))


def usual_episodes(environment: Any, policy: Any) -> int:
    """Return how many episodes of `policy` a report is about unless told otherwise."""
    is_fast = hasattr(environment, "rules") and not hasattr(policy, "act_in")
    return REPORT_EPISODES if is_fast else EXTERNAL_EPISODES


def episodes_text(environment: Any, num_episodes: int, opponent: str | None = None) -> str:
    """Return what the returns of a report are means of."""
    against = f", returns against {opponent or 'random'}" if environment.num_players == 2 else ""
    return f"{num_episodes:,} episodes{against}"


def _opponent(environment: Any, name: str, env_options: dict[str, Any]) -> Any:
    from rlkit.matches import without_random_plies

    if environment.num_players == 1:
        raise UsageError(f"{environment.name} has one player: leave --opponent out")
    return player_named(environment, name, environment.params(**without_random_plies(environment, env_options))[0])


def _match(subject: Subject, opponent: Any, options: argparse.Namespace) -> None:
    """Play a match, for players that must see more than observations, and print it."""
    from rlkit.cli.arena import OPENING_PLIES, match_json, match_table, openings_text
    from rlkit.cli.progress import Progress
    from rlkit.evaluation import random_policy
    from rlkit.matches import draw_openings, play_match

    environment, policy, env_options, about = subject
    num_openings = ((options.episodes or EXTERNAL_EPISODES) + 1) // 2
    openings = draw_openings(environment, num_openings, OPENING_PLIES, options.seed, **env_options)
    with Progress(unit="games", window=math.inf) as shown:
        match = play_match(
            environment, policy or random_policy(environment), opponent, openings, **env_options,
            progress=lambda finished, total: shown.update(finished, total, {}),
        )  # fmt: skip
    if options.json:
        about = {"environment": environment.name} | about | {"opponent": options.opponent, "seed": options.seed}
        print(json.dumps(about | {"match": match_json(match)}, indent=1))
        return
    print(f"{_title(subject)}; {openings_text(openings)}\n")
    print(match_table((about["agent"], options.opponent), match))
