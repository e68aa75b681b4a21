"""`rlkit watch`: a policy in the window, in a recording or both."""

from typing import Any

from rlkit.cli.arguments import (
    ENV_OF_RUN,
    Parser,
    can_look_ahead,
    environment_of,
    environment_of_run,
    is_run,
    look_ahead,
    policy_and_options,
    policy_named,
    positive,
    whole,
)
from rlkit.cli.errors import UsageError
from rlkit.cli.output import shown_path

DESCRIPTION = """\
Watch a run's best policy, or in an environment a policy of its yardstick or random play (the default).
Without a display, --record makes a video of it.
"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    options = _parse(args)
    _split_simulations(options)
    environment, policy, env_options = _subject(options)
    if options.simulations is not None:
        policy = _with_simulations(policy, options.simulations, environment, env_options)
    if not hasattr(environment, "rules"):
        from rlkit.cli.watch_gymnasium import watch_gymnasium

        watch_gymnasium(environment, policy, options)
    else:
        _show(environment, policy, env_options, options)
    if options.record:
        print(f"recorded {shown_path(options.record)}")
    return 0


def _split_simulations(options: Any) -> None:
    """Read RUN@N as RUN --simulations N."""
    folder, _, count = options.subject.rpartition("@")
    if count.isdecimal() and is_run(folder) and not is_run(options.subject):
        if options.simulations is not None:
            raise UsageError(f"{options.subject} says how many simulations: leave --simulations out")
        options.subject, options.simulations = folder, int(count)


def _with_simulations(policy: Any, num_simulations: int, environment: Any, env_options: dict[str, Any]) -> Any:
    from rlkit.learning.policy import with_simulations

    if policy is None or not can_look_ahead(policy, environment):
        return with_simulations(policy, num_simulations)  # which says so
    name = getattr(policy, "name", type(policy).__name__)
    changed = look_ahead(policy, num_simulations, environment, environment.params(**env_options)[0])
    changed.name = name
    return changed


def _parse(args: list[str]) -> Any:
    parser = Parser("watch", DESCRIPTION)
    add = parser.add_argument
    add("subject", metavar="RUN|ENV", help="a run folder (RUN@64: --simulations 64), or an environment's name or path")
    add(
        "--policy",
        "--agent",
        metavar="NAME",
        help="with ENV: random (default), mpc, or one of the yardstick's, such as lqr",
    )
    add(
        "--opponent",
        metavar="WHO",
        help="games of two: random, a yardstick's policy or a RUN (default: itself)",
    )
    add("--simulations", metavar="N", type=whole, help="how many a move the policy looks ahead, if it can")
    add("--seed", type=whole, default=0, help="of the first copy (default 0)")
    add("--episodes", metavar="N", type=positive, help="end after so many (a recording without window: 1)")
    add("--speed", metavar="X", type=float, default=1.0, help="times normal speed, 0.125 to 64")
    add("--sample", action="store_true", help="draw actions from the policy instead of taking its best")
    add("--level", help="preset of the environment's params (default: the run's own, or standard)")
    add("--record", metavar="FILE", help="write a video or picture: .mp4, .gif or .png (the last picture)")
    add("--env", metavar="PATH", help=ENV_OF_RUN)
    return parser.parse(args)


def _subject(options: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Return (environment, policy or None for random, options of the environment)."""
    level = {"level": options.level} if options.level else {}
    if is_run(options.subject):
        from rlkit.run import Run

        if options.policy:
            raise UsageError("--policy goes with an environment: a run brings its own policy")
        run = Run.open(options.subject)
        environment = environment_of_run(run, options.env, counterpart_too=True)
        return environment, *policy_and_options(run, environment, options.level)
    if options.env:
        raise UsageError(f"{options.subject} is not a run folder, so --env does not go with it")
    environment = environment_of(options.subject)
    env_options = {"level": "standard"} | level
    params = environment.params(**env_options)[0] if hasattr(environment, "rules") else None
    return environment, policy_named(environment, options.policy or "random", params), env_options


def _show(environment: Any, policy: Any, env_options: dict[str, Any], options: Any) -> None:
    from rlkit.viewing import viewer

    level, params = env_options["level"], {k: v for k, v in env_options.items() if k != "level"}
    opponent = policy
    if options.opponent is not None:
        if environment.num_players == 1:
            raise UsageError(f"{environment.name} has one player: leave --opponent out")
        opponent = policy_named(environment, options.opponent, environment.params(**env_options)[0])
    seats = {1: policy, -1: opponent} if environment.num_players == 2 else {1: policy}
    shown = {
        "seed": options.seed,
        "deterministic": not options.sample,
        "speed": options.speed,
        "episodes": options.episodes,
    }
    viewer._show(environment, seats, level, params, options.record, None, None, shown)
