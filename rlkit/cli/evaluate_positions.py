"""`rlkit evaluate --positions` and `--conversion`: a policy against exact scores and the perfect player."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlkit.cli import output
from rlkit.cli.errors import UsageError

USUAL_SIMULATIONS = (0, 64)  # of a policy that searches
_FIGURES = ("value_kept", "value_kept_decisive", "best_move")


def simulations_of(policy: Any, name: str, asked: Sequence[int] | None) -> Sequence[int]:
    """Return the numbers of simulations a move that a report is about; 0 is a policy's network alone.

    Raises:
        UsageError: the policy does not search, but simulations are asked for.
    """
    is_searching = hasattr(policy, "with_simulations")
    if policy is not None and not is_searching and any(asked or ()):
        raise UsageError(f"{name} does not search: leave --simulations out")
    return asked if asked is not None else USUAL_SIMULATIONS if is_searching else ()


def players_of(policy: Any, name: str, simulations: Sequence[int]) -> dict[str, Any]:
    """Return the policy under its name, one that searches at each number of simulations; nothing for None."""
    if policy is None:
        return {}
    if not hasattr(policy, "with_simulations"):
        return {name: policy}
    return {f"{name}@{number}": policy.with_simulations(number) for number in simulations}


def report_positions(
    environment: Any, players: Mapping[str, Any], name: str, simulations: Sequence[int], seed: int
) -> tuple[Any, dict[str, Any]]:
    """Return the positions and the report (see `rlkit.positions.report`) on `players` and the references.

    Those are random legal play in expectation, search with random rollouts at the same numbers of simulations, and
    the yardstick's policies but the first, which made the labels. `name` is that of a set, or of a file.

    Raises:
        UsageError: the environment has no labelled positions.
        FileNotFoundError, ValueError: the file of positions is missing or wrong.
    """
    from rlkit.positions import chances_of, random_chances, report

    yardstick = environment.yardstick
    if yardstick is None or yardstick.positions is None:
        raise UsageError(f"{environment.name} has no labelled positions: leave --positions out")
    positions = yardstick.positions(name)
    beside = dict(_references(environment, simulations, seed))
    chances = {name: chances_of(policy, positions) for name, policy in {**players, **beside}.items()}
    return positions, report(positions, chances | {"random": random_chances(positions)})


def _references(environment: Any, simulations: Sequence[int], seed: int) -> Iterator[tuple[str, Any]]:
    params = environment.params()[0]
    if any(simulations):
        from agents.alphazero.players import rollout_search

        for number in filter(None, simulations):
            yield f"rollouts:{number}", rollout_search(environment, params, number, seed)
    for name, build in list(environment.yardstick.policies.items())[1:]:
        yield name, build(params)


def report_conversion(environment: Any, players: Mapping[str, Any], num_games: int, seed: int) -> dict[str, Any]:
    """Return name → share of won openings that a player converts, an `Estimate`; of random play if there is none.

    Raises:
        UsageError: the environment does not say which openings are won.
    """
    from rlkit.evaluation import random_policy

    yardstick = environment.yardstick
    if yardstick is None or yardstick.conversion is None:
        raise UsageError(f"{environment.name} has no won openings to convert: leave --conversion out")
    players = players or {"random": random_policy(environment, seed)}
    return {name: yardstick.conversion(player, num_games, seed) for name, player in players.items()}


def text(positions: Any, report: Mapping[str, Any], by_ply: bool) -> str:
    """Return a report on positions as tables."""
    rows = report["rows"]
    total = next(iter(rows.values()))
    lines = [["", *map(_words, _FIGURES)]]
    lines += [[name, *(output.figure(row[figure]) for figure in _FIGURES)] for name, row in rows.items()]
    parts = [f"{total['count']:,} positions, {total['count_decisive']:,} of them decisive", output.columns(lines)]
    for name, table in report["breakdowns"].items():
        if name != ("plies" if by_ply else "ply"):
            shown = positions.breakdowns[name].shown
            parts += [
                f"{' (and '.join(map(_words, shown))}{')' * (len(shown) - 1)}, by {name}",
                _breakdown(table, shown),
            ]
    return "\n\n".join(parts)


def _breakdown(table: Mapping[str, Any], shown: Sequence[str]) -> str:
    players = list(next(iter(table.values())))
    lines = [["", "positions", *players]]
    for label, rows in table.items():
        cells = (" ".join(_cells(rows[player], shown)) for player in players)
        lines.append([label, str(rows[players[0]]["count"]), *cells])
    return output.columns(lines)


def _cells(row: Mapping[str, float], shown: Sequence[str]) -> Iterator[str]:
    yield output.figure(row[shown[0]])
    for name in shown[1:]:
        yield f"({output.figure(row[name])})"


def _words(name: str) -> str:
    return name.replace("_", " ")


def conversion_text(estimates: Mapping[str, Any], reference: str) -> str:
    """Return what `report_conversion` found as a table."""
    lines = [["", f"won openings converted against {reference}"]]
    lines += [
        [
            name,
            f"{output.figure(found.mean)} [{output.figure(found.low)}, {output.figure(found.high)}] of {found.count}",
        ]
        for name, found in estimates.items()
    ]
    return output.columns(lines)
