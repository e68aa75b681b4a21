"""`rlkit play`: a person at the window, alone or against a policy."""

import random
from typing import Any

from rlkit.cli.arguments import PLAYERS, Parser, environment_of, is_run, policy_named, whole
from rlkit.cli.errors import UsageError

DESCRIPTION = f"""\
Play an environment with keys or mouse; the window says which. In games of two, against any player.

{PLAYERS}"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    parser = Parser("play", DESCRIPTION)
    add = parser.add_argument
    add("environment", metavar="ENV", help="a name, path or module")
    add(
        "--against",
        metavar="WHO",
        help="games of two: a player, see above (default: the pretrained network, if there is one, else random)",
    )
    add("--seat", choices=["first", "second", "random"], help="games of two: who you are (default first)")
    add("--simulations", metavar="N", type=whole, help="games of two: how many a move the one you play searches")
    add("--level", default="standard", help="preset of the environment's params (default standard)")
    add("--seed", type=whole, default=0, help="of the first episode (default 0)")
    add("--record", metavar="FILE", help="record what is shown: .mp4, .gif or .png (the last picture)")
    options = parser.parse(args)
    if is_run(options.environment):
        raise UsageError(f"play takes an environment: rlkit play ENV --against {options.environment}")
    environment = environment_of(options.environment)
    if not hasattr(environment, "rules"):
        raise UsageError(f"{environment.name} is not made for our window; only environments with rules can be played")
    if environment.num_players == 1 and (options.against or options.seat or options.simulations is not None):
        raise UsageError(f"{environment.name} has one player: leave --against, --seat and --simulations out")

    from rlkit.learning.policy import with_simulations
    from rlkit.viewing import viewer

    against = None
    if environment.num_players == 2:
        params = environment.params(options.level)[0]
        against = policy_named(environment, options.against or _usual_opponent(environment), params)
        if options.simulations is not None:
            against = with_simulations(against, options.simulations)
    seats = {"first": 1, "second": -1, "random": random.choice((1, -1))}
    viewer.play(
        environment,
        against,
        player=seats[options.seat or "first"],
        level=options.level,
        record=options.record,
        seed=options.seed,
    )
    return 0


def _usual_opponent(environment: Any) -> str:
    from rlkit.pretrained import PREFIX
    from rlkit.registry import pretrained_folder

    card = pretrained_folder() / f"{environment.name}.json"
    return f"{PREFIX}{environment.name}" if card.exists() else "random"
