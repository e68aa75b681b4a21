"""Othello players of graded strength, and the compiled search behind them, for batches of observations."""

import functools
from collections.abc import Callable
from types import ModuleType

import numpy as np
from gymnasium import spaces

from envs.board.othello import search
from rlkit.engine.bind import bind
from rlkit.learning.policy import FunctionPolicy

_SPACE = spaces.Box(0.0, 1.0, (4, 8, 8))


@functools.cache
def compiled() -> ModuleType:
    """The module `search`, its compiled code cached on disk."""
    return bind(search)


def positions_of(obs: np.ndarray) -> np.ndarray:
    """Return observations [B, 4, 8, 8] as bitboards (own, other), uint64 [B, 2]."""
    cells = np.asarray(obs)[:, :2].reshape(len(obs), 2, 64) > 0.5
    return np.packbits(cells, axis=-1, bitorder="little").view("<u8")[..., 0].astype(np.uint64)


def searcher(depth: int, num_exact: int) -> FunctionPolicy:
    """Return a player that looks `depth` plies ahead, and to the end from `num_exact` empty cells on."""
    return _player(
        lambda positions, actions: compiled().choose_moves(positions, depth, num_exact, actions, search.new_memory())
    )


def greedy() -> FunctionPolicy:
    """Return the beginner's player: it turns as many discs as it can."""
    return _player(lambda positions, actions: compiled().turn_most(positions, actions))


def _player(choose: Callable[[np.ndarray, np.ndarray], None]) -> FunctionPolicy:
    def actions_of(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        actions = np.empty(len(obs), np.int64)
        choose(positions_of(obs), actions)
        return actions

    return FunctionPolicy(actions_of, _SPACE)
