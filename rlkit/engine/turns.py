"""Two-player games: opponents for single-agent use, a PettingZoo AEC for the rest."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rlkit.engine.observations import obs_rows
from rlkit.environment import Environment
from rlkit.learning.policy import Situation, decide

# (obs [N, …], action_mask [N, A], where [N] bool, uniforms [N], draws [N]) → actions [N]; rows outside `where`
# are ignored. `uniforms` come from each copy's own stream and are all the chance an opponent needs; `draws` are
# 64 random bits that stay the same through an episode.
Opponent = Callable[[Any, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def resolve_opponent(environment: Environment, opponent: Any) -> Opponent | None:
    """Return what plays the other side, or None in one-player environments and for "self".

    `opponent` is None (the same as "random" in games of two), "random", "self", the name of a policy of the
    yardstick, the path of a run, a policy, or an `Opponent`.

    Raises:
        ValueError: an opponent for a one-player environment, or one that is none of these.
    """
    if environment.num_players == 1:
        if opponent is not None:
            raise ValueError(f"{environment.name} has one player; leave opponent={opponent!r} out")
        return None
    if opponent is None or opponent == "random":
        return play_random
    if isinstance(opponent, str):
        if opponent == "self":
            return None
        return policy_opponent(_named_policy(environment, opponent))
    if hasattr(opponent, "act") or hasattr(opponent, "act_in"):
        return policy_opponent(opponent)
    if callable(opponent):
        return opponent
    raise ValueError(f"opponent={opponent!r} is neither a name, a run, nor a policy with act()")


def _named_policy(environment: Environment, name: str) -> Any:
    import rlkit

    policies = environment.yardstick.policies if environment.yardstick else {}
    if name in policies:
        return policies[name](environment.params()[0])
    try:
        return rlkit.load(name)
    except FileNotFoundError:
        names = ", ".join(["random", "self", *policies])
        raise ValueError(f"opponent {name!r} is neither one of {names} nor a run folder") from None


def play_random(
    obs: Any, action_mask: np.ndarray, where: np.ndarray, uniforms: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    """An opponent that picks each legal action with equal chance."""
    return sample(action_mask.astype(np.float64), uniforms)


def sample(weights: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Return one action a row, drawn with chances proportional to `weights` [N, A] by inverting `uniforms` [N]."""
    cumulative = np.cumsum(weights, axis=1)  # [N, A]
    return (cumulative > (uniforms * cumulative[:, -1])[:, None]).argmax(axis=1)


def check_replies(
    opponent: Opponent, replies: np.ndarray, waiting: np.ndarray, masks: np.ndarray, num_actions: int
) -> None:
    """Refuse an opponent's `replies` [N] unless they are legal in the copies that are `waiting` for them.

    Raises:
        RuntimeError: the actions are not whole numbers [N], or one is outside the space or masked.
    """
    if replies.shape != waiting.shape or not np.issubdtype(replies.dtype, np.integer):
        raise RuntimeError(
            f"the opponent {opponent!r} gave actions of shape {replies.shape} and dtype {replies.dtype}, not one "
            f"whole number for each of {waiting.shape[0]} copies"
        )
    bad = waiting & ((replies < 0) | (replies >= num_actions))
    if masks.shape[1] and not bad.any():
        bad = waiting & (masks[np.arange(len(waiting)), np.where(waiting, replies, 0)] == 0)
    if bad.any():
        copy = int(np.flatnonzero(bad)[0])
        raise RuntimeError(f"the opponent {opponent!r} chose action {replies[copy]}, illegal in copy {copy}")


class PlanningOpponent:
    """A policy that plans on states, or follows the moves, as an opponent; the batch it plays in lends the states."""

    def __init__(self, policy: Any):
        self._policy = policy
        self.states: Any = None  # [N] records, live
        self.params: Any = None  # the params record

    def __call__(
        self, obs: Any, action_mask: np.ndarray, where: np.ndarray, uniforms: np.ndarray, draws: np.ndarray
    ) -> np.ndarray:
        actions = np.zeros(where.shape[0], np.int64)
        situation = Situation(obs_rows(obs, where), action_mask[where], self.states[where], self.params)
        actions[where] = decide(self._policy, situation)
        return actions


def policy_opponent(policy: Any) -> Opponent:
    """Return `policy` as an opponent: it samples where it offers `probabilities`, else plays its best action."""
    if hasattr(policy, "act_in"):
        return PlanningOpponent(policy)

    def opponent(
        obs: Any, action_mask: np.ndarray, where: np.ndarray, uniforms: np.ndarray, draws: np.ndarray
    ) -> np.ndarray:
        actions = np.zeros(where.shape[0], np.int64)
        rows = obs_rows(obs, where)
        if hasattr(policy, "probabilities"):
            actions[where] = sample(policy.probabilities(rows, action_mask[where]), uniforms[where])
        else:
            actions[where] = policy.act(rows, action_mask[where])
        return actions

    return opponent
