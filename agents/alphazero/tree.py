"""The arrays of N search trees side by side, and the numbers that steer a search.

Shapes: N games, M nodes a game at most, A actions. Node 0 is the root; a child's index is greater than its
parent's. Values are those of the side to move at a node; q-values belong to the side that takes the action.
A node is one record, so that a visit touches neighbouring bytes, and its loops over actions have a fixed length.
"""

from typing import NamedTuple

import numpy as np

from rlkit.engine.rng import streams
from rlkit.engine.state import record_dtype

UNKNOWN, HORIZON = 2, 3  # outcomes that are no proven value: not known yet; cut by the time limit, never expanded

PUCT, GUMBEL = 0, 1
UNIFORM, ROLLOUT = 0, 1  # evaluators that need no network
STRATEGIES = {"puct": PUCT, "gumbel": GUMBEL}


def node_dtype(num_actions: int) -> np.dtype:
    """Return the record of a node; A = `num_actions`. Its state lies in an array of its own."""
    return record_dtype(
        ("children", np.int32, num_actions),  # −1 where there is none yet
        ("visit_counts", np.int32, num_actions),
        ("q_values", np.float32, num_actions),  # meaningful where visited
        ("priors", np.float32, num_actions),  # −1 where illegal
        ("edge_outcomes", np.int8, num_actions),  # proven value of the action, or UNKNOWN
        ("outcome", np.int8),  # proven value −1, 0, 1 (0 at an end), or UNKNOWN, HORIZON
        ("sign", np.int8),  # +1 if the same side is to move as at the parent, else −1
        ("floor", np.int8),  # best proven outcome of an action: the side to move gets at least that
        ("num_open", np.int32),  # legal actions whose outcome is not proven
        ("value", np.float32),  # of the evaluator; what is proven once it is
        ("mean", np.float32),  # of all values backed up through the node
        ("visits", np.int32),  # its own evaluation included
        ("parent", np.int32),
        ("action", np.int32),  # that led here from the parent
        ("reward", np.float32),  # of that action, for who took it
    )


def game_dtype(num_actions: int) -> np.dtype:
    """Return the record of a game: what a search has one of; A = `num_actions`."""
    return record_dtype(
        ("rng", np.uint64),  # the search's own random numbers, see rlkit.engine.rng
        ("num_nodes", np.int32),
        ("num_simulations", np.int32),  # done in this search
        ("leaf", np.int32),  # where the simulation at work ended
        ("is_two_player", np.int8),
        ("low", np.float64),  # least and …
        ("high", np.float64),  # … greatest q-value: the scale of values
        ("noise", np.float32, num_actions),  # the root's Gumbel noise
        ("mask", np.int8, num_actions),  # legal actions at the leaf
        ("weights", np.float64, num_actions),  # scratch
    )


class Tree(NamedTuple):
    """N trees: all there is to know of searches in progress. Copy the arrays, and they go on from there."""

    nodes: np.ndarray  # [N, M] `node_dtype`
    states: np.ndarray  # [N, M] the rules' records
    games: np.ndarray  # [N] `game_dtype`
    playouts: np.ndarray  # [N] the rules' records, scratch for plies from a leaf on


def make_tree(rules_state: np.dtype, num_games: int, num_nodes: int, num_actions: int, seed: int) -> Tree:
    """Return empty trees for `num_games` of at most `num_nodes` nodes each."""
    games = np.zeros(num_games, game_dtype(num_actions))
    games["rng"] = streams(seed, num_games)
    games["mask"] = 1  # rules without masks leave it so
    shape = (num_games, num_nodes)
    nodes = np.zeros(shape, node_dtype(num_actions))
    return Tree(nodes, np.zeros(shape, rules_state), games, np.zeros(num_games, rules_state))


SETTINGS = record_dtype(
    ("strategy", np.int64),  # PUCT or GUMBEL
    ("c_puct", np.float64),  # weight of the prior in PUCT, for values scaled to [0, 1]
    ("fpu_reduction", np.float64),  # an unvisited action is worth the node's value less this
    ("c_visit", np.float64),  # Gumbel's σ: (c_visit + most visits) × c_scale × value in [0, 1]
    ("c_scale", np.float64),
    ("gumbel_scale", np.float64),  # of the root's Gumbel noise: 1 to learn, 0 to play
    ("dirichlet_alpha", np.float64),  # of the root's noise under PUCT …
    ("dirichlet_share", np.float64),  # … and its share of the prior; 0: none
    ("gamma", np.float64),  # discount a step
    ("max_steps", np.int64),  # of an episode; 0: no limit
    ("find_wins", np.int64),  # games of two: each new leaf is searched for an action that wins at once
)


def make_settings(**values: float) -> np.ndarray:
    """Return one record [1] of SETTINGS: the defaults with `values` applied.

    Raises:
        ValueError: a name that is no setting.
    """
    defaults = {
        "strategy": PUCT, "c_puct": 1.25, "fpu_reduction": 0.1, "c_visit": 50.0, "c_scale": 1.0,
        "gumbel_scale": 0.0, "dirichlet_alpha": 1.0, "dirichlet_share": 0.0,
        "gamma": 1.0, "max_steps": 0, "find_wins": 0,
    }  # fmt: skip
    unknown = values.keys() - defaults.keys()
    if unknown:
        raise ValueError(f"{min(unknown)!r} is no setting of a search; there are: {', '.join(defaults)}")
    return np.array([tuple((defaults | values).values())], SETTINGS)


def halving_schedule(max_considered: int, num_simulations: int) -> np.ndarray:
    """Return, for 0 to `max_considered` root actions, how often the action of each simulation has been visited.

    Sequential halving (Karnin et al. 2013) as Gumbel AlphaZero uses it: all actions considered are visited in
    turn, equally often; then the better half of them goes on, until two are left. Simulation t visits an action
    that has had `schedule[m, t]` visits so far: int32 [max_considered + 1, num_simulations].
    """
    schedule = np.zeros((max_considered + 1, max(1, num_simulations)), np.int32)
    for considered in range(1, max_considered + 1):
        num_phases = max(1, int(np.ceil(np.log2(considered))))
        sequence: list[int] = []
        remaining, visits = considered, 0
        while len(sequence) < num_simulations:
            rounds = max(1, num_simulations // (num_phases * remaining)) if considered > 1 else num_simulations
            for _ in range(rounds):
                sequence += [visits] * remaining
                visits += 1
            remaining = max(2, remaining // 2) if considered > 1 else 1
        schedule[considered, :num_simulations] = sequence[:num_simulations]
    return schedule
