"""Go's yardstick: a rule that captures, saves, and takes what area it can (see estimate.py)."""

import functools
import types
from typing import Any

import numpy as np

from envs.board.go import ENVIRONMENT, estimate
from envs.board.go.rules import NUM_POINTS, STATE
from rlkit.engine.bind import bind
from rlkit.evaluation import Yardstick
from rlkit.learning.policy import FunctionPolicy
from rlkit.registry import make


@functools.cache
def _compiled() -> types.ModuleType:
    return bind(estimate)


def rule(params: np.record) -> FunctionPolicy:
    """Return the rule as a policy; it needs the action mask, which tells the ko."""
    rule_params = np.array([params], params.dtype).view(np.recarray)[0]
    rule_params.max_random_plies = 0
    space = ENVIRONMENT.spaces(params)[0]

    def act(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        masks = np.ones((len(obs), obs[0, 0].size + 1), np.int8) if action_mask is None else action_mask
        actions = np.zeros(len(obs), np.int64)
        states = np.zeros(2, STATE).view(np.recarray)
        _compiled().best_actions(obs, masks, rule_params, states, actions)
        return actions

    return FunctionPolicy(act, space)


def explain(moves: str) -> dict[str, Any]:
    """Return who is to move after `moves` (such as "E5 C3 pass") on the 9 × 9 board, and what the rule would play.

    `area_lead` is Black's area less White's and komi, as if the game ended there.

    Raises:
        ValueError: the moves are not those of a game.
    """
    from envs.board.go.drawing import ACTION_NAMES, PLAYER_NAMES  # only here: it imports pygame

    env = make(ENVIRONMENT, opponent="self")
    obs, info = env.reset(seed=0)
    names, is_over = ACTION_NAMES(env.params), False
    for number, move in enumerate(moves.split(), 1):
        name = "pass" if move.lower() == "pass" else move.upper()
        if name not in names:
            raise ValueError(f"move {number} is {move!r}; moves are points such as E5, or pass, with spaces between")
        if is_over:
            raise ValueError(f"move {number} ({move}) comes after the game's end: drop it and what follows")
        if not info["action_mask"][names.index(name)]:
            raise ValueError(f"move {number} ({move}) is not legal there: choose an empty point, no suicide and no ko")
        obs, _, terminated, truncated, info = env.step(names.index(name))
        is_over = terminated or truncated
    choice = None if is_over else names[int(rule(env.params).act(obs, info["action_mask"]))]
    lead = _compiled().score(env.state.board, env.params, np.zeros(NUM_POINTS, np.int8))
    return {"player": PLAYER_NAMES[0 if env.state.player > 0 else 1], "rule": choice, "area_lead": lead}


YARDSTICK = Yardstick(
    reference="a rule: takes, saves chains, and goes for the largest estimated area (far from the optimum)",
    policies={"rule": rule},
    explain=explain,
)
