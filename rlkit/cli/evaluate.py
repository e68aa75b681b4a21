"""`rlkit evaluate`: a run's best policy beside random play and the yardstick."""

import json
from typing import Any

from rlkit.cli import output
from rlkit.cli.arguments import (
    Parser,
    environment_of_run,
    environment_options,
    load_policy,
    policy_named,
    positive,
    whole,
)
from rlkit.cli.errors import UsageError

REPORT_SEED = 2_000_000_011  # episodes that neither training nor the choice of the best policy has seen
REPORT_EPISODES = 1000
EXTERNAL_EPISODES = 100  # Gymnasium's own environments are slow

DESCRIPTION = """\
Measure a run's best policy beside random legal play and the environment's yardstick, all on the same
seeded episodes: means with 95 % intervals, and the score between random (0) and the reference (1).
"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    parser = Parser("evaluate", DESCRIPTION)
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder")
    add(
        "--episodes",
        metavar="N",
        type=positive,
        help=f"of each policy (default {REPORT_EPISODES}; {EXTERNAL_EPISODES} in Gymnasium's own)",
    )
    add("--seed", type=whole, default=REPORT_SEED, help="of the first episode (default %(default)s)")
    add("--opponent", metavar="WHO", help="in games of two: random (default), a yardstick's policy, or a RUN")
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
        env_options["opponent"] = _opponent(environment, options.opponent, env_options)
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
    if environment.num_players == 1:
        raise UsageError(f"{environment.name} has one player: leave --opponent out")
    return policy_named(environment, name, environment.params(**env_options)[0]) or "random"
