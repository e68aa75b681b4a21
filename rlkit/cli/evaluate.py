"""`rlkit evaluate`: a run's best policy beside random play and the yardstick."""

import json
import math
from typing import Any

from rlkit.cli import output
from rlkit.cli.arguments import (
    PLAYERS,
    Parser,
    environment_of_run,
    environment_options,
    load_policy,
    player_named,
    positive,
    whole,
)
from rlkit.cli.errors import UsageError

REPORT_SEED = 2_000_000_011  # episodes that neither training nor the choice of the best policy has seen
REPORT_EPISODES = 1000
EXTERNAL_EPISODES = 100  # Gymnasium's own environments are slow, and so are searches and other programs

DESCRIPTION = f"""\
Measure a run's best policy beside random legal play and the environment's yardstick, all on the same
seeded episodes: means with 95 % intervals, and the score between random (0) and the reference (1).
In games of two, if the run or --opponent is a search or another program, they play a match instead:
openings of random plies, each with both colours.

{PLAYERS}"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    parser = Parser("evaluate", DESCRIPTION)
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder")
    add(
        "--episodes",
        metavar="N",
        type=positive,
        help=f"of each policy (default {REPORT_EPISODES}; {EXTERNAL_EPISODES} in Gymnasium's own and in matches)",
    )
    add("--seed", type=whole, default=REPORT_SEED, help="of the first episode (default %(default)s)")
    add("--opponent", metavar="WHO", help="in games of two: a player, see above (default random)")
    add("--level", help="preset of the environment's params (default: the one it was trained on)")
    add("--env", metavar="PATH", help="the environment's folder or module, if it is not one of rlkit's")
    add("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse(args)

    from rlkit.evaluation import compare
    from rlkit.run import Run

    run = Run.open(options.run)
    environment = environment_of_run(run, options.env)
    policy = load_policy(run, environment)
    env_options = environment_options(run.config) | ({"level": options.level} if options.level else {})
    if options.opponent is not None:
        opponent = _opponent(environment, options.opponent, env_options)
        if hasattr(policy, "act_in") or hasattr(opponent, "act_in"):
            return _match(run, environment, policy, opponent, env_options, options)
        env_options["opponent"] = "random" if options.opponent == "random" else opponent
    num_episodes = options.episodes or usual_episodes(environment)
    report = compare(environment, policy, num_episodes, options.seed, **env_options)
    step = run.steps()[-1]
    if options.json:
        about = {"environment": environment.name, "agent": run.agent_name, "checkpoint": step}
        about |= {"episodes": num_episodes, "seed": options.seed}
        print(json.dumps(about | output.report_json(report), indent=1))
        return 0
    played = episodes_text(environment, num_episodes, options.opponent)
    print(f"{run.agent_name} on {environment.name}, step {step:,}; {played}\n")
    print(output.report_table(report))
    return 0


def usual_episodes(environment: Any) -> int:
    """Return how many episodes a report is about unless told otherwise."""
    return REPORT_EPISODES if hasattr(environment, "rules") else EXTERNAL_EPISODES


def episodes_text(environment: Any, num_episodes: int, opponent: str | None = None) -> str:
    """Return what the returns of a report are means of."""
    against = f", returns against {opponent or 'random'}" if environment.num_players == 2 else ""
    return f"{num_episodes:,} episodes{against}"


def _opponent(environment: Any, name: str, env_options: dict[str, Any]) -> Any:
    from rlkit.matches import without_random_plies

    if environment.num_players == 1:
        raise UsageError(f"{environment.name} has one player: leave --opponent out")
    return player_named(environment, name, environment.params(**without_random_plies(environment, env_options))[0])


def _match(run: Any, environment: Any, policy: Any, opponent: Any, env_options: dict[str, Any], options: Any) -> int:
    """Play a match, for players that must see more than observations, and print it."""
    from rlkit.cli.arena import OPENING_PLIES, match_json, match_table, openings_text
    from rlkit.cli.progress import Progress
    from rlkit.matches import draw_openings, play_match

    num_openings = ((options.episodes or EXTERNAL_EPISODES) + 1) // 2
    openings = draw_openings(environment, num_openings, OPENING_PLIES, options.seed, **env_options)
    with Progress(unit="games", window=math.inf) as shown:
        match = play_match(
            environment, policy, opponent, openings, **env_options,
            progress=lambda finished, total: shown.update(finished, total, {}),
        )  # fmt: skip
    step = run.steps()[-1]
    if options.json:
        about = {"environment": environment.name, "agent": run.agent_name, "checkpoint": step}
        about |= {"opponent": options.opponent, "seed": options.seed}
        print(json.dumps(about | {"match": match_json(match)}, indent=1))
        return 0
    print(f"{run.agent_name} on {environment.name}, step {step:,}; {openings_text(openings)}\n")
    print(match_table((run.agent_name, options.opponent), match))
    return 0
