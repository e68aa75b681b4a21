"""Connect Four's yardstick: the exact solver, and a simple rule as a second reference."""

from typing import Any

import numpy as np
from gymnasium import spaces

from envs.board.connect_four import positions, solver
from envs.board.connect_four.bitboard import CENTRE_FIRST
from envs.board.connect_four.conversion import conversion
from envs.board.connect_four.solver import ILLEGAL
from rlkit.evaluation import Yardstick
from rlkit.learning.policy import FunctionPolicy, Policy

_SPACE = spaces.Box(0.0, 1.0, (2, 6, 7))


def position_of(obs: np.ndarray) -> solver.Position:
    """Return the position of one observation [2, 6, 7]."""
    player = 1 if obs[0].sum() == obs[1].sum() else -1  # the first player moves at equal counts
    return solver.from_board((player * (obs[0] - obs[1])).astype(int), player)


def _solver_actions(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
    return np.array([solver.best_move(position_of(board)) for board in obs])


def _rule_actions(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
    return np.array([_rule_move(board) for board in obs])


def _rule_move(obs: np.ndarray) -> int:
    """Win if possible, else block, else avoid handing over a win, else play near the centre."""
    own, filled = position_of(obs)
    other = own ^ filled
    legal = [column for column in CENTRE_FIRST if not solver.is_full(filled, column)]
    for discs in (own, other):
        for column in legal:
            if solver.has_four(discs | _new_disc(filled, column)):
                return column
    for column in legal:
        after = filled | _new_disc(filled, column)
        if solver.is_full(after, column) or not solver.has_four(other | _new_disc(after, column)):
            return column
    return legal[0]


def _new_disc(filled: int, column: int) -> int:
    return (filled + (1 << (7 * column))) & ~filled


def _score(policy: Policy, is_final: bool) -> dict[str, float]:
    return positions.score(policy, positions.load("test" if is_final else "tune"))


def _explain(moves: str) -> dict[str, Any]:
    scores = solver.move_scores(solver.parse_moves(moves))
    return {"scores": [None if score == ILLEGAL else int(score) for score in scores]}


YARDSTICK = Yardstick(
    reference="an exact solver: alpha-beta on bitboards behind a book of all 8-ply positions (the optimum)",
    policies={
        "solver": lambda params: FunctionPolicy(_solver_actions, _SPACE),
        "rule": lambda params: FunctionPolicy(_rule_actions, _SPACE),
    },
    score=_score,
    explain=_explain,
    positions=positions.read,
    conversion=conversion,
)
