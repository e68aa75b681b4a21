"""How policies do under params that they were not trained on; returns numbers, prints nothing.

Four conditions, each a list of parameter sets that share the episodes:

    nominal    level standard: what controllers are designed for
    held-out   `NUM_POINTS` fixed points of the ranges of level randomized: a scrambled Halton sequence, so that they
               fill the ranges evenly, which random draws of training never meet exactly
    outside    the same points moved out of the ranges, all params at once: the further beyond an end, the further the
               point is from the middle, at most `FAR` of the range's width
    hidden     level hidden: one set of params, with delay and noise, that stands for the real thing

Where the environment has a counterpart, the same task in another simulator, it is played too: a condition of its
name is its level standard, and one of its name and a level each of those that the environment itself does not have.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rlkit.engine.variation import MAX_DELAY, Range, is_whole, ranges
from rlkit.environment import Environment
from rlkit.evaluation import metric_interval, run_episodes

NUM_POINTS = 64
FAR = 0.25
CONDITIONS = ("nominal", "held-out", "outside", "hidden")


def parameter_sets(environment: Environment) -> dict[str, list[dict[str, Any]]]:
    """Return the options of `BatchEnv` for each parameter set of each condition.

    Raises:
        ValueError: the environment has no level `randomized` with ranges, or no level `hidden`.
    """
    for level in ("randomized", "hidden"):
        if level not in environment.levels:
            raise ValueError(f"{environment.name} has no level {level!r}, so there is nothing to transfer to")
    drawn = ranges(environment.levels["randomized"])
    if not drawn:
        raise ValueError(f"level 'randomized' of {environment.name} draws nothing, so there is nothing to transfer to")
    whole = {name for name in drawn if is_whole(environment, name)}
    held_out, beyond = [], []
    for point in _points(len(drawn)):
        inside: dict[str, Any] = {"level": "randomized"}
        far: dict[str, Any] = {"level": "randomized"}
        for (name, values), share in zip(drawn.items(), point, strict=True):
            value = within(values, share)
            inside[name] = round(value) if name in whole else value
            far[name] = _beyond(name, values, share, name in whole)
        held_out.append(inside)
        beyond.append(far)
    return {
        "nominal": [{"level": "standard"}],
        "held-out": held_out,
        "outside": beyond,
        "hidden": [{"level": "hidden"}],
    }


def counterpart_sets(environment: Environment, counterpart: Environment) -> dict[str, list[dict[str, Any]]]:
    """Return the options of `BatchEnv` of the conditions in the same task's other simulator, a set each."""
    levels = [level for level in counterpart.levels if level not in environment.levels]
    sets = {f"{counterpart.name}, {level}": [{"level": level}] for level in levels}
    return {counterpart.name: [{"level": "standard"}], **sets}


def within(values: Range, share: float) -> float:
    """Return the value at a share, 0 to 1, of a range."""
    if values.distribution == "log_uniform":
        return float(values.low * (values.high / values.low) ** share)
    return float(values.low + (values.high - values.low) * share)


def outside(values: Range, share: float) -> float:
    """Return a value beyond the nearer end; beyond the upper one where a range begins at 0, below which is nothing."""
    far = FAR * 2 * abs(share - 0.5)
    is_up = share >= 0.5 or values.low == 0
    if values.distribution == "log_uniform":
        factor = (values.high / values.low) ** far
        return float(values.high * factor if is_up else values.low / factor)
    distance = far * (values.high - values.low)
    if is_up:
        return float(values.high + distance)
    return float(max(values.low - distance, 0.25 * values.low) if values.low > 0 else values.low - distance)


def transfer(
    environment: Environment,
    policies: Mapping[str, Any],
    num_episodes: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    counterpart: Environment | None = None,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return condition → policy → figure → estimate over `num_episodes` episodes, shared by a condition's sets.

    Every policy meets the same episodes. `progress` hears (parameter sets played, all). `counterpart` is the same task
    in another simulator: its conditions come last.

    Raises:
        ValueError: see `parameter_sets`.
    """
    table: dict[str, dict[str, dict[str, Any]]] = {}
    conditions = {name: (environment, sets) for name, sets in parameter_sets(environment).items()}
    if counterpart is not None:
        conditions |= {name: (counterpart, sets) for name, sets in counterpart_sets(environment, counterpart).items()}
    done, total = 0, len(policies) * sum(len(sets) for _, sets in conditions.values())
    for condition, (place, sets) in conditions.items():
        table[condition] = {}
        for name, policy in policies.items():
            parts = []
            for k, options in enumerate(sets):
                count = -(-num_episodes // len(sets))
                parts.append(run_episodes(place, policy, count, seed + k * count, **options))
                done += 1
                if progress is not None:
                    progress(done, total)
            figures = {"return": np.concatenate([part.returns for part in parts])}
            for metric in environment.metrics:
                figures[metric] = np.concatenate([part.metrics[metric] for part in parts])
            table[condition][name] = {figure: metric_interval(figure, values) for figure, values in figures.items()}
    return table


def _points(size: int) -> np.ndarray:
    """Return the points [NUM_POINTS, size] of the unit cube."""
    from scipy.stats import qmc  # here, because it takes half a second

    return qmc.Halton(size, seed=0).random(NUM_POINTS)


def _beyond(name: str, values: Range, share: float, is_whole: bool) -> float:
    """Return the value `outside` a range: of a whole param the next whole one further out, of a delay one there is."""
    value = outside(values, share)
    if is_whole:
        value = math.ceil(value) if value > values.high else math.floor(value)
    return min(value, MAX_DELAY) if name.endswith("_delay") else value
