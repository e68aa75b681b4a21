"""Average costs of inventory policies over a long run, and how far they are above the reference's.

Every policy meets the same demand: copy i draws from seed + i, and the rules draw the same numbers whatever is
ordered. So the difference of two policies is known much better than the cost of either.
"""

import functools
from dataclasses import replace
from typing import Any

import numpy as np

from rlkit.environment import Environment
from rlkit.evaluation import mean_interval
from rlkit.registry import make_batch

NUM_COPIES = 1000
PERIODS = 5000  # of each copy, after the warm-up
WARM_UP = 200  # periods that are left out
SEED = 3_000_000_019  # of demand that neither training nor the choice of the best policy has seen


def long_run_costs(
    environment: Environment,
    policy: Any,
    num_copies: int = NUM_COPIES,
    periods: int = PERIODS,
    warm_up: int = WARM_UP,
    seed: int = SEED,
    **options: Any,
) -> np.ndarray:
    """Return the mean cost a period of each copy [N], without time limit; `options` are those of `BatchEnv`."""
    env = make_batch(replace(environment, max_steps=None), num_copies, copy=False, **options)
    obs, _ = env.reset(seed=seed)
    totals = np.zeros(num_copies)
    for period in range(warm_up + periods):
        obs, *_ = env.step(policy.act(obs, None, deterministic=True))
        if period >= warm_up:
            totals += env.states["cost"]
    env.close()
    return totals / periods


def long_run_figures(environment: Environment, policy: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return the average cost of a policy and its gap to the yardstick's reference, in per cent of that one's.

    A policy that plans on states is too slow for so many decisions: none for it.
    """
    if hasattr(policy, "act_in"):
        return {}
    costs = long_run_costs(environment, policy, **options)
    best = reference_costs(environment.package, tuple(sorted(options.items())))
    gaps = 100.0 * (costs - best) / best.mean()
    return {"average_cost": mean_interval(costs), "gap_percent": mean_interval(gaps)}


@functools.lru_cache(maxsize=8)
def reference_costs(package: str, options: tuple[tuple[str, Any], ...]) -> np.ndarray:
    """Return the long-run costs [N] of the yardstick's first policy under `options`, as items."""
    from rlkit.registry import find_environment

    environment = find_environment(package.rsplit(".", 1)[-1])
    build = next(iter(environment.yardstick.policies.values()))  # type: ignore[union-attr]
    return long_run_costs(environment, build(environment.params(**dict(options))[0]), **dict(options))
