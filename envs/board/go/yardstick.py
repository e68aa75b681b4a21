"""Go's yardstick: a rule that captures, saves, and takes what area it can (see estimate.py)."""

import functools
import types

import numpy as np

from envs.board.go import ENVIRONMENT, estimate
from envs.board.go.rules import STATE
from rlkit.engine.bind import bind
from rlkit.evaluation import Yardstick
from rlkit.learning.policy import FunctionPolicy


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


YARDSTICK = Yardstick(
    reference="a rule: captures, saves chains, takes the largest estimated area (far from the optimum)",
    policies={"rule": rule},
)
