"""`rlkit arena`: a round robin of players, rated in Elo."""

import json
import math
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

from rlkit.cli import output
from rlkit.cli.arguments import PLAYERS, Parser, environment_of, player_named, positive, whole
from rlkit.cli.errors import UsageError

if TYPE_CHECKING:
    from rlkit.matches import Match, Opening

BATCH = 25  # openings played at once; every pair has had its first before any has its second
OPENING_PLIES = 4

DESCRIPTION = f"""\
Let players of a game meet in a round robin and rate them. Each pair plays the same openings of random
plies, each opening with both colours; players take their best actions. Ratings are those of the
Bradley-Terry model, with 95 % intervals; random has 0, or else the mean is 0.

{PLAYERS}"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    parser = Parser("arena", DESCRIPTION)
    add = parser.add_argument
    add("environment", metavar="ENV", help="a game of two: its name, path or module")
    add("players", metavar="PLAYER", nargs="+", help="two or more")
    add("--games", metavar="N", type=positive, default=100, help="of each pair, an even number (default 100)")
    add("--seed", type=whole, default=0, help="of the openings and of players that draw (default 0)")
    add(
        "--opening-plies",
        metavar="K",
        type=whole,
        default=OPENING_PLIES,
        help="random plies a game begins with (default %(default)s)",
    )
    add("--level", default="standard", help="preset of the game's params (default standard)")
    add("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse(args)
    environment = environment_of(options.environment)
    _check(environment, options)

    from rlkit.matches import draw_openings, without_random_plies

    env_options = without_random_plies(environment, {"level": options.level})
    params = environment.params(**env_options)[0]
    openings = draw_openings(environment, options.games // 2, options.opening_plies, options.seed, **env_options)
    players = {name: player_named(environment, name, params, options.seed) for name in options.players}
    matches: dict[tuple[str, str], Match] = {}
    is_complete = _play(environment, players, openings, env_options, matches)
    if options.json:
        print(json.dumps(_json(environment, openings, options, matches), indent=1))
    elif matches:
        print(_tables(environment, openings, options, matches))
    return 0 if is_complete else 130


def _check(environment: Any, options: Any) -> None:
    if environment.num_players == 1:
        raise UsageError(f"{environment.name} has one player: an arena is for games of two")
    if len(options.players) < 2:
        raise UsageError("an arena needs two players or more; see rlkit arena --help")
    twice = next((name for name in options.players if options.players.count(name) > 1), None)
    if twice:
        raise UsageError(f"{twice!r} is named twice; every player can take part once")
    if options.games % 2:
        raise UsageError(f"--games {options.games} must be even: every opening is played with both colours")


def _play(
    environment: Any,
    players: Mapping[str, Any],
    openings: "list[Opening]",
    env_options: Mapping[str, Any],
    matches: "dict[tuple[str, str], Match]",
) -> bool:
    """Fill `matches`, batch by batch; return False if Ctrl-C ended it."""
    from rlkit.cli.progress import Progress
    from rlkit.matches import play_match

    pairs = list(combinations(players, 2))
    total, done = 2 * len(openings) * len(pairs), 0
    try:
        with Progress(unit="games", window=math.inf) as shown:

            def show(finished: int, _: int) -> None:
                shown.update(done + finished, total, {})

            for start in range(0, len(openings), BATCH):
                batch = openings[start : start + BATCH]
                for pair in pairs:
                    first, second = (players[name] for name in pair)
                    match = play_match(environment, first, second, batch, progress=show, **env_options)
                    matches[pair] = matches[pair] + match if pair in matches else match
                    done += match.num_games
    except KeyboardInterrupt:
        return False
    return True


# What comes of it -----------------------------------------------------------------------------------------------


def match_table(names: tuple[str, str], match: "Match") -> str:
    """Return a match as a table from its first player's side: by colour and in all."""
    score = match.score
    rows = [["", "won", "drawn", "lost"]]
    rows += [[f"{names[0]} moves {seat}", *map(str, match.counts(row))] for row, seat in enumerate(("first", "second"))]
    rows.append(["all", *map(str, match.counts())])
    share = f"{100 * score.mean:.1f} % [{100 * score.low:.1f}, {100 * score.high:.1f}] of the points against {names[1]}"
    return "\n".join([output.columns(rows), "", f"{names[0]}: {share}", *_remarks([match])])


def openings_text(openings: "list[Opening]") -> str:
    """Return what a match is made of."""
    plies, count = len(openings[0]), len(openings)
    if plies == 0:
        return "2 games from the empty board, one with each colour"
    openings_played = "1 opening" if count == 1 else f"{count:,} openings"
    kind = "1 random ply" if plies == 1 else f"{plies} random plies"
    return f"{2 * count:,} games: {openings_played} of {kind}, each with both colours"


def match_json(match: "Match") -> dict[str, Any]:
    """Return a match as plain JSON, from its first player's side."""
    counts = {"all": match.counts(), "moving_first": match.counts(0), "moving_second": match.counts(1)}
    facts = {name: dict(zip(("won", "drawn", "lost"), figures, strict=True)) for name, figures in counts.items()}
    return facts | {
        "score": output.plain(match.score),
        "truncated": int(match.truncated.sum()),
        "resigned": int(match.resigned.sum()),
        "mean_length": float(match.lengths.mean()),
    }


def _tables(environment: Any, openings: Any, options: Any, matches: "dict[tuple[str, str], Match]") -> str:
    from rlkit.matches import elo_ratings

    ratings = sorted(elo_ratings(matches).items(), key=lambda item: -item[1].mean)
    rows = [["", "Elo", "95 %", "games"]]
    rows += [[name, f"{r.mean:.0f}", f"[{r.low:.0f}, {r.high:.0f}]", str(r.count)] for name, r in ratings]
    pairs = [["", "won", "drawn", "lost", "moving first", "moving second"]]
    for (first, second), match in matches.items():
        seats = ["/".join(map(str, match.counts(row))) for row in (0, 1)]
        pairs.append([f"{first} – {second}", *map(str, match.counts()), *seats])
    head = f"{environment.name}, each pair {openings_text(openings)} (seed {options.seed})"
    text = [head, *_notes(openings, options, matches), "", output.columns(rows), "", output.columns(pairs)]
    return "\n".join([*text, *_remarks(list(matches.values()))])


def _notes(openings: Any, options: Any, matches: "dict[tuple[str, str], Match]") -> list[str]:
    """Return what is special about an arena's number of games."""
    count, num_players = len(openings), len(options.players)
    played, total = sum(match.num_games for match in matches.values()), count * num_players * (num_players - 1)
    fewer = [f"there are only {count} such openings: a pair plays fewer than {options.games} games"]
    return (fewer if count < options.games // 2 else []) + (
        [f"stopped after {played} of {total} games"] if played < total else []
    )


def _remarks(matches: "list[Match]") -> list[str]:
    truncated, resigned = (int(sum(getattr(m, part).sum() for m in matches)) for part in ("truncated", "resigned"))
    remarks = [f"{truncated} games reached the longest length and count as drawn"] if truncated else []
    return remarks + ([f"{resigned} games were resigned"] if resigned else [])


def _json(environment: Any, openings: Any, options: Any, matches: "dict[tuple[str, str], Match]") -> dict[str, Any]:
    from rlkit.matches import elo_ratings

    return {
        "environment": environment.name,
        "level": options.level,
        "seed": options.seed,
        "opening_plies": options.opening_plies,
        "openings": len(openings),
        "elo": output.plain(elo_ratings(matches)) if matches else {},
        "pairs": [{"players": list(pair), **match_json(match)} for pair, match in matches.items()],
    }
