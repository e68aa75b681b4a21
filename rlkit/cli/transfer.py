"""`rlkit transfer`: how a policy does under params that it was not trained on."""

import json
import math
import sys
from typing import Any

from rlkit.cli import output
from rlkit.cli.arguments import ENV_OF_RUN, Parser, environment_of_run, policy_and_options, positive, whole
from rlkit.cli.errors import UsageError
from rlkit.cli.evaluate import REPORT_SEED

EPISODES = 512

DESCRIPTION = """\
Measure a run under params that it was not trained on, beside the yardstick's policies, which know the nominal ones.

Four rows: nominal (level standard), held-out (64 fixed parameter sets inside the ranges of level randomized), outside
(beyond their ends, all at once, by up to a quarter of their widths) and hidden (level hidden, with delay and noise).
Where the same task exists in another simulator (reach_2link in MuJoCo) further rows show it there, and under what only
that simulator has; these are played by what was trained in ours, unchanged.

Train on `--level randomized`, and beside it a run on `--level standard` for --nominal: the difference is what practice
under many params is worth."""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    parser = Parser("transfer", DESCRIPTION)
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder, trained on a level that draws params")
    add("--nominal", metavar="RUN", help="a run of the same environment, trained on nominal params")
    add("--episodes", type=positive, default=EPISODES, help="of each policy in each row (default %(default)s)")
    add("--seed", type=whole, default=REPORT_SEED, help="of the episodes (default %(default)s)")
    add("--env", metavar="PATH", help=ENV_OF_RUN)
    add("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse(args)
    from rlkit.cli.progress import Progress
    from rlkit.transfer import transfer

    environment, policies = _policies(options)
    counterpart = _counterpart(environment)
    with Progress(unit="parameter sets", window=math.inf) as line:
        table = transfer(
            environment, policies, options.episodes, options.seed, lambda done, total: line.update(done, total, {}),
            counterpart,
        )  # fmt: skip
    if options.json:
        about = {"environment": environment.name, "episodes": options.episodes, "seed": options.seed}
        print(json.dumps(about | {"conditions": output.plain(table)}, indent=1))
        return 0
    print(f"{environment.name}, {options.episodes} episodes a row and policy")
    for figure in ("return", *environment.metrics):
        rows = [[figure.replace("_", " "), *policies]]
        for condition, found in table.items():
            rows.append([condition, *(output.figure(found[name][figure]) for name in policies)])
        print(f"\n{output.columns(rows)}")
    if options.nominal is None:
        print("\n(--nominal RUN puts a run beside it that was trained on level standard)")
    return 0


def _policies(options: Any) -> tuple[Any, dict[str, Any]]:
    """Return the environment and the policies by the names of their columns."""
    from rlkit.evaluation import build_policies
    from rlkit.run import Run

    run = Run.open(options.run)
    environment = environment_of_run(run, options.env, counterpart_too=True)
    if not hasattr(environment, "rules") or environment.num_players != 1:
        raise UsageError(f"{environment.name} has no params that could be drawn: only rlkit's of one player have")
    level = run.config.get("level", "standard")
    policies = {f"agent ({level})": policy_and_options(run, environment, "standard")[0]}
    if options.nominal is not None:
        other = Run.open(options.nominal)
        if other.environment_name != run.environment_name:
            raise UsageError(f"--nominal is a run of {other.environment_name}, not of {run.environment_name}")
        level = other.config.get("level", "standard")
        name = f"agent ({level})"
        name = name if name not in policies else "--nominal"
        policies[name] = policy_and_options(other, environment, "standard")[0]
    yardstick = environment.yardstick
    built, left_out = build_policies({} if yardstick is None else yardstick.policies, environment.params()[0])
    for name, reason in left_out.items():
        print(f"{name} is left out: {reason}", file=sys.stderr)
    return environment, policies | built


def _counterpart(environment: Any) -> Any:
    """Return the environment that is the same task in another simulator; None, and say why, if it is not installed."""
    from rlkit.extras import MissingExtraError
    from rlkit.registry import find_environment, make_batch

    if environment.counterpart is None:
        return None
    counterpart = find_environment(environment.counterpart)
    try:
        make_batch(counterpart, 1).close()
    except MissingExtraError as error:
        print(f"{counterpart.name} is left out: {error}", file=sys.stderr)
        return None
    return counterpart
