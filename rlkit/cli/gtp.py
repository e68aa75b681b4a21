"""`rlkit gtp`: a player that other programs talk to over the Go Text Protocol."""

import sys
from typing import Any

from rlkit.cli.arguments import (
    PLAYERS,
    Parser,
    environment_of,
    environment_of_run,
    environment_options,
    is_run,
    player_named,
    whole,
)
from rlkit.cli.errors import UsageError

DESCRIPTION = f"""\
Speak the Go Text Protocol (GTP 2) on standard input and output, so that other programs can play against a
run, or against any player of a game: rlkit gtp RUN, rlkit gtp connect_four solver. Black moves first.

{PLAYERS}"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    parser = Parser("gtp", DESCRIPTION)
    add = parser.add_argument
    add("subject", metavar="RUN|ENV", help="a run folder (RUN@N: N simulations a move), or a game")
    add("player", metavar="PLAYER", nargs="?", help="with ENV: who plays")
    add("--level", help="preset of the game's params (default: the run's own, or standard)")
    add("--seed", type=whole, default=0, help="of a player that draws (default 0)")
    add("--env", metavar="PATH", help="with RUN: its environment's folder or module, if not one of rlkit's")
    options = parser.parse(args)
    environment, policy, env_options = _subject(options)

    from rlkit.gtp_server import GtpServer

    server = GtpServer(environment, policy, **env_options)
    for line in iter(sys.stdin.buffer.readline, b""):
        print(server.answer(line.decode(errors="replace")), end="", flush=True)
        if server.is_closed:
            break
    return 0


def _subject(options: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Return (environment, policy, options of the environment)."""
    from rlkit.matches import without_random_plies

    level = {"level": options.level} if options.level else {}
    folder = options.subject if is_run(options.subject) else options.subject.rpartition("@")[0]
    if folder and is_run(folder):
        from rlkit.run import Run

        if options.player:
            raise UsageError(f"{folder} is a run and plays by itself: leave {options.player!r} out")
        run = Run.open(folder)
        environment = environment_of_run(run, options.env)
        name, env_options = options.subject, environment_options(run.config) | level
    else:
        environment = environment_of(options.subject)
        name, env_options = options.player, {"level": "standard"} | level
        if not name:
            raise UsageError(f"say who plays: rlkit gtp {options.subject} PLAYER, such as random")
    if environment.num_players == 1:
        raise UsageError(f"{environment.name} has one player: GTP is for games of two")
    env_options = without_random_plies(environment, env_options)
    params = environment.params(**env_options)[0]
    return environment, player_named(environment, name, params, options.seed), env_options
