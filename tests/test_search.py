"""The tree search: golden trees, a textbook's search, and what must hold in every tree of every game."""

import math

import numpy as np
import pytest
import textbook_search as textbook
from hypothesis import given, settings
from hypothesis import strategies as st
from search_helpers import GAMES, GOLDEN, Search, golden_trees, play, random_position
from tiny_environments import run_python

from agents.alphazero.tree import GUMBEL, HORIZON, PUCT, ROLLOUT, UNKNOWN, halving_schedule, make_settings
from rlkit.engine.state import states_equal

STRATEGIES = {"puct": {"strategy": PUCT}, "gumbel": {"strategy": GUMBEL, "gumbel_scale": 1.0}}
few_examples = settings(max_examples=15, deadline=None, derandomize=True)
positions = {"seed": st.integers(0, 1000), "num_plies": st.integers(0, 40)}


def is_terminal(node):
    return node["outcome"] == 0 and (node["children"] < 0).all()


def check(found):
    """Check that the links, counts, values and proofs of game 0's tree fit together."""
    nodes, num_linked = found.nodes, 0
    for k, node in enumerate(nodes):
        tried = np.flatnonzero(node["children"] >= 0)
        num_linked += len(tried)
        for action in tried:
            child = nodes[node["children"][action]]
            assert node["children"][action] > k
            assert (child["parent"], child["action"]) == (k, action)
            assert child["visits"] == node["visit_counts"][action] > 0
            assert node["q_values"][action] == child["reward"] + child["sign"] * child["mean"]
            proven = child["reward"] + child["sign"] * child["outcome"] if child["outcome"] < UNKNOWN else UNKNOWN
            assert node["edge_outcomes"][action] == proven
        untried = node["children"] < 0
        assert (node["visit_counts"][untried] == 0).all()
        assert (node["edge_outcomes"][untried] == UNKNOWN).all()
        assert abs(node["mean"]) <= 1
        if node["outcome"] == UNKNOWN:
            assert node["visits"] == 1 + node["visit_counts"].sum()  # its own evaluation, and what went on from it
        else:
            assert node["visits"] >= node["visit_counts"].sum() + (len(tried) == 0)
        if not is_terminal(node) and node["outcome"] != HORIZON:
            _check_expanded(node, tried)
    assert num_linked == len(nodes) - 1


def _check_expanded(node, tried):
    legal = node["priors"] != -1
    assert legal[tried].all()
    assert (node["priors"][legal] > 0).all()
    assert node["priors"][legal].sum() == pytest.approx(1, abs=1e-5)
    assert (np.abs(node["q_values"][tried]) <= 1).all()
    proven = node["edge_outcomes"][legal]
    assert node["num_open"] == (proven == UNKNOWN).sum()
    if (proven == 1).any():
        assert node["outcome"] == 1
    elif (proven != UNKNOWN).all():
        assert node["outcome"] == proven.max()
    else:
        assert node["outcome"] == UNKNOWN
    if node["outcome"] != UNKNOWN:
        assert node["mean"] == node["value"] == node["outcome"]


def test_a_choice_among_actions_of_no_prior_is_still_a_choice():
    """O must block at 2; the network is all for the losing cell 3, so that other priors are below what floats hold."""
    environment, states, _ = play("tic_tac_toe", (0, 4, 1))
    logits = np.where(np.arange(9) == 3, 0, -200).astype(np.float32)[None]
    found = Search(environment, states, strategy=GUMBEL)
    found.run_with(32, lambda obs: (logits, np.zeros(1, np.float32)))
    check(found)
    assert found.root["edge_outcomes"][3] == -1
    assert (found.nodes["action"] >= 0).all()
