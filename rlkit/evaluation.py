"""Episodes, yardstick scores, win rates and confidence intervals; returns numbers, prints nothing."""

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from rlkit.engine.observations import obs_rows
from rlkit.engine.variation import base_states
from rlkit.environment import Environment
from rlkit.extras import MissingExtraError
from rlkit.learning.policy import Policy, RandomPolicy, Situation, decide
from rlkit.positions import Positions
from rlkit.registry import make_batch


@dataclass(frozen=True)
class Yardstick:
    """What an environment is graded against.

    Args:
        reference: one line: what the reference is, and whether it is the optimum.
        policies: named classical controllers and solvers, each a function of the params record that builds it (a
            `Policy`, or what acts by states alone and has only `act_in`);
            the first is the reference. One that needs an extra raises MissingExtraError when it is built without it;
            reports then go without its row.
        score: figures of a policy beyond its return, name → value (shares in [0, 1]); None: returns are all. The
            flag asks for the final figure; without it positions kept for tuning are used, where there are such.
        explain: for `rlkit yardstick ENV`: the reference for given moves or in general, as JSON-able facts.
        positions: labelled positions by the name of a set, or of a file: `rlkit evaluate --positions`.
        gap: the metric, smaller is better, in which reports tell by how much an episode misses the reference's figure
            in the same episode, in per cent of it; None: there is none.
        conversion: of (policy, number of games, seed): the share of won positions that the policy wins against the
            reference.
        long_run: of (policy, options of `BatchEnv`): figures of one player over a time much longer than an episode,
            by name; None: episodes are all.
    """

    reference: str
    policies: Mapping[str, Callable[[Any], Any]]
    score: Callable[[Policy, bool], dict[str, float]] | None = None
    explain: Callable[[str], dict[str, Any]] | None = None
    positions: Callable[[str], Positions] | None = None
    gap: str | None = None
    conversion: "Callable[[Policy, int, int], Estimate] | None" = None
    long_run: Callable[[Policy, dict[str, Any]], dict[str, Any]] | None = None


def build_policies(policies: Mapping[str, Callable[[Any], Any]], params: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (policies by name, built for `params`; of those whose extra is missing, the reason by name)."""
    built: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for name, build in policies.items():
        try:
            built[name] = build(params)
        except MissingExtraError as error:
            left_out[name] = str(error)
    return built, left_out


def refuse_moves(environment: Environment, moves: str) -> None:
    """Raise ValueError if a yardstick that explains itself in general is given moves."""
    if moves:
        raise ValueError(f"{environment.name} has no moves to explain; leave out moves {moves!r}")


@dataclass(frozen=True)
class Episodes:
    """Finished episodes: returns [E], lengths [E], and metrics by name [E]."""

    returns: np.ndarray
    lengths: np.ndarray
    metrics: dict[str, np.ndarray] = field(default_factory=dict)


def run_episodes(
    environment: Any,
    policy: Policy,
    num_episodes: int,
    seed: int,
    *,
    deterministic: bool = True,
    max_steps: int = 100_000,
    **options: Any,
) -> Episodes:
    """Play `num_episodes` episodes, one a copy, copy i from seed + i, and return their figures.

    One episode a copy, so that short episodes are not over-represented. `options` are those of `BatchEnv`; an
    episode still running after `max_steps` counts with its return so far.
    """
    env = make_batch(
        environment, num_episodes, autoreset_mode=AutoresetMode.SAME_STEP, episode_stats=True, flat_obs=True, **options
    )
    obs, info = env.reset(seed=seed)
    names = getattr(environment, "metrics", ())
    returns, lengths = np.zeros(num_episodes), np.zeros(num_episodes, np.int64)
    metrics = {name: np.zeros(num_episodes) for name in names}
    running = np.ones(num_episodes, np.bool_)
    for _ in range(max_steps):
        actions = _actions(policy, env, obs, info.get("action_mask"), running, deterministic)
        obs, rewards, terminated, truncated, info = env.step(actions)
        returns[running] += rewards[running]
        lengths[running] += 1
        ended = running & (terminated | truncated)
        for name in names if ended.any() else ():
            metrics[name][ended] = info["episode"][name][ended]
        running &= ~ended
        if not running.any():
            break
    env.close()
    return Episodes(returns, lengths, metrics)


def best_episodes(
    environment: Any, policy: Policy, num_samples: int, num_episodes: int, seed: int, **options: Any
) -> Episodes:
    """Draw each episode `num_samples` times from the policy and return the tries of the highest returns.

    Of use where the same decisions always have the same outcome, so that the best try can be put into practice.
    """
    best = run_episodes(environment, policy, num_episodes, seed, deterministic=False, **options)
    for _ in range(num_samples - 1):
        tried = run_episodes(environment, policy, num_episodes, seed, deterministic=False, **options)
        is_better = tried.returns > best.returns
        best.returns[is_better], best.lengths[is_better] = tried.returns[is_better], tried.lengths[is_better]
        for name, values in best.metrics.items():
            values[is_better] = tried.metrics[name][is_better]
    return best


def run_parts(
    environment: Any,
    policy: Any,
    num_episodes: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Episodes:
    """Play what `run_episodes` plays, some episodes after others, and tell `progress` (finished, all) between."""
    size = min(max(num_episodes // 8, 32), 256)
    parts = []
    for first in range(0, num_episodes, size):
        count = min(size, num_episodes - first)
        if progress is not None:
            progress(first, num_episodes)
        parts.append(run_episodes(environment, policy, count, seed + first, **options))
    if progress is not None:
        progress(num_episodes, num_episodes)
    returns, lengths = (np.concatenate([getattr(part, name) for part in parts]) for name in ("returns", "lengths"))
    return Episodes(
        returns, lengths, {name: np.concatenate([part.metrics[name] for part in parts]) for name in parts[0].metrics}
    )


def _actions(
    policy: Any, env: Any, obs: Any, action_mask: np.ndarray | None, running: np.ndarray, deterministic: bool
) -> np.ndarray:
    """Return the policy's actions [N]; one that plans is asked only where the episode still counts."""
    if not hasattr(policy, "act_in"):
        return policy.act(obs, action_mask, deterministic)
    masks = None if action_mask is None else action_mask[running]
    states = base_states(env.environment, env.states[running])
    situation = Situation(obs_rows(obs, running), masks, states, env.nominal_params[0])
    actions = _any_actions(env.single_action_space, len(running), action_mask)
    actions[running] = decide(policy, situation, deterministic)
    return actions


def _any_actions(space: Any, count: int, action_mask: np.ndarray | None) -> np.ndarray:
    """Return actions [N, …] that nobody chose: the first legal ones, or the lowest of a Box."""
    if action_mask is not None:
        return action_mask.argmax(axis=1)
    if hasattr(space, "n"):
        return np.zeros(count, np.int64)
    return np.repeat(space.low[None], count, axis=0)


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval, of `count` samples."""

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}]"


def mean_interval(samples: np.ndarray) -> Estimate:
    """Return the mean of `samples` [E] with its normal 95 % interval."""
    count, mean = len(samples), float(np.mean(samples))
    half = 1.96 * float(np.std(samples, ddof=1)) / math.sqrt(count) if count > 1 else math.inf
    return Estimate(mean, mean - half, mean + half, count)


def rate_interval(successes: float, count: int) -> Estimate:
    """Return a rate with its Wilson 95 % interval (E. B. Wilson, 1927)."""
    z, rate = 1.96, successes / count
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    return Estimate(rate, max(0.0, centre - half), min(1.0, centre + half), count)


def metric_interval(name: str, samples: np.ndarray) -> Estimate:
    """Return the mean of a metric's `samples` [E]; `is_success` is a rate, whose interval has a width even at 100 %."""
    return rate_interval(float(samples.sum()), len(samples)) if name == "is_success" else mean_interval(samples)


def normalized_score(value: float, floor: float, reference: float) -> float:
    """Return (value − floor) / (reference − floor): 0 is random legal play, 1 the reference."""
    return (value - floor) / (reference - floor) if reference != floor else math.nan


@dataclass(frozen=True)
class Report:
    """A policy beside random play and the yardstick's policies: rows of figures by name."""

    rows: dict[str, dict[str, Any]]
    score: float  # of the first row, 0 = random, 1 = reference
    left_out: dict[str, str] = field(default_factory=dict)  # rows there are none of, and why


def random_policy(environment: Any, seed: int = 0, **options: Any) -> RandomPolicy:
    """Return uniformly random legal play in `environment`; `options` are those of `BatchEnv`."""
    games = {"opponent": "self"} if environment.num_players == 2 else {}
    env = make_batch(environment, 1, flat_obs=True, **options | games)
    return RandomPolicy(env.single_observation_space, env.single_action_space, seed)


def compare(
    environment: Environment,
    policy: Policy,
    num_episodes: int,
    seed: int,
    others: Mapping[str, Policy] | None = None,
    num_samples: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
    **options: Any,
) -> Report:
    """Play `policy`, random play and the yardstick's policies on the same seeded episodes.

    `others` get rows of their own under their names, with the yardstick's own score where there is one. With
    `num_samples`, `policy` and random play also get rows for the best of so many draws of each episode. Of those who
    plan, which takes long, `progress` hears (row, finished episodes, all).

    `options` are those of `BatchEnv`. In two-player games the episodes are against `opponent` (default random)
    and the yardstick's own score, where there is one, says how good the play is; the returns are beside it. Without
    one there is the return against the yardstick's first policy instead.
    """
    yardstick = environment.yardstick
    level = {k: v for k, v in options.items() if k != "opponent"}
    params = environment.params(**level)[0] if isinstance(environment, Environment) else None
    score_of = yardstick.score if yardstick is not None else None
    builders = dict(yardstick.policies) if yardstick is not None else {}
    reference = next(iter(builders), None)
    if score_of is not None and reference is not None:
        del builders[reference]  # it made the labels: 100 % by definition
    built, left_out = build_policies(builders, params)
    players = {"agent": policy, **(others or {}), "random": random_policy(environment, **level), **built}
    rows: dict[str, dict[str, Any]] = {}
    played: dict[str, Episodes] = {}
    for name, player in players.items():
        rows[name] = {}
        if environment.num_players == 1 or name == "agent":
            played[name] = _play_row(environment, name, player, num_episodes, seed, progress, options)
            rows[name].update(_figures(played[name]))
        if yardstick is not None and yardstick.long_run is not None:
            rows[name].update(yardstick.long_run(player, level))
        if score_of is not None:
            rows[name].update(score_of(player, True))
    if environment.num_players == 2 and reference in built:
        count = min(num_episodes, 100)  # such rules are plain Python, and slow
        episodes = run_episodes(environment, policy, count, seed, **options | {"opponent": built[reference]})
        rows["agent"][f"return against {reference}"] = mean_interval(episodes.returns)
    for name in ("agent", "random") if num_samples else ():
        row = f"{name}, best of {num_samples}"
        played[row] = best_episodes(environment, players[name], num_samples, num_episodes, seed, **options)
        rows[row] = _figures(played[row])
    if yardstick is not None and yardstick.gap is not None and reference in played:
        best = played[reference].metrics[yardstick.gap]
        for name, episodes in played.items():
            rows[name]["gap_percent"] = mean_interval(100.0 * (episodes.metrics[yardstick.gap] / best - 1.0))
    rows = {name: figures for name, figures in rows.items() if figures}  # others are only compared by scores
    score = math.nan
    if reference in rows and environment.num_players == 1:
        agent, floor, top = (rows[name]["return"].mean for name in ("agent", "random", reference))
        score = normalized_score(agent, floor, top)
    return Report(rows, score, left_out)


def _play_row(
    environment: Any, name: str, player: Any, num_episodes: int, seed: int, progress: Any, options: dict[str, Any]
) -> Episodes:
    if environment.num_players == 2 or not hasattr(player, "act_in"):
        return run_episodes(environment, player, num_episodes, seed, **options)
    told = None if progress is None else lambda finished, total: progress(name, finished, total)
    return run_parts(environment, player, num_episodes, seed, told, **options)


def _figures(episodes: Episodes) -> dict[str, Any]:
    means = {name: metric_interval(name, values) for name, values in episodes.metrics.items()}
    return {"return": mean_interval(episodes.returns)} | means


EVALUATION_SEED = 1_000_000_007  # far from the seeds of training


class Judge:
    """Scores policies while they are trained, always on the same seeded episodes.

    One player: the mean return of greedy episodes; the highest so far is best. Two players: the mean result of
    games in which both sides draw from their policies, against the best so far; better than even is best.

    Args:
        environment: an `Environment` or an `ExternalEnvironment`.
        num_episodes: of each judgement.
        options: of `BatchEnv`, without `opponent`.
    """

    def __init__(self, environment: Any, num_episodes: int, options: Mapping[str, Any]):
        self._environment, self._num_episodes, self._options = environment, num_episodes, dict(options)
        self._is_game = environment.num_players == 2
        yardstick = environment.yardstick
        self._score = yardstick.score if yardstick is not None else None
        self._anchors: tuple[float, float] | None = None
        if yardstick is not None and not self._is_game:
            with contextlib.suppress(MissingExtraError):  # then there is no score, and returns are all
                reference = next(iter(yardstick.policies.values()))(environment.params(**self._options)[0])
                floor, top = (
                    self._play(p).returns.mean() for p in (random_policy(environment, **self._options), reference)
                )
                self._anchors = (float(floor), float(top))

    def _play(self, policy: Policy, **options: Any) -> Episodes:
        return run_episodes(
            self._environment, policy, self._num_episodes, EVALUATION_SEED,
            deterministic=not self._is_game, **self._options, **options,
        )  # fmt: skip

    def __call__(self, policy: Policy, best: Policy, best_score: float) -> tuple[dict[str, float], float, bool]:
        """Return (figures for the log, score, whether `policy` is the new best)."""
        episodes = self._play(policy, opponent=best) if self._is_game else self._play(policy)
        score = float(episodes.returns.mean())
        figures = {"eval/episode_return": score, "eval/episode_length": float(episodes.lengths.mean())}
        figures |= {f"eval/{name}": float(values.mean()) for name, values in episodes.metrics.items()}
        if self._anchors is not None:
            figures["eval/score"] = normalized_score(score, *self._anchors)
        if self._score is not None:
            figures |= {f"eval/{name}": value for name, value in self._score(policy, False).items()}
        return figures, score, score > (0.0 if self._is_game else best_score)
