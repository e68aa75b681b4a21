"""What searches play: forced wins, exact values, planning of one player, and what the players build on them."""

import numpy as np
import pytest
from go_positions import WHITE, Game
from hypothesis import given, settings
from hypothesis import strategies as st
from search_helpers import Search, play, random_position
from tiny_environments import load_environment

import rlkit
from agents.alphazero.network import BoardNetwork
from agents.alphazero.players import NetworkPlayer, SearchPlayer, Symmetrized, rollout_search
from agents.alphazero.tree import GUMBEL, HORIZON, PUCT, ROLLOUT, UNIFORM, UNKNOWN
from envs.board.connect_four import solver
from envs.board.connect_four import yardstick as connect_four
from envs.board.othello import players as othello
from envs.board.othello import search as othello_search
from rlkit.evaluation import run_episodes
from rlkit.learning.policy import Situation


def test_a_line_holds_no_move_that_is_proven_to_lose():
    """X has 45 2 5 in columns 1 to 7; where the line goes on, O's most visited reply is proven to lose."""
    environment, states, params = random_position("connect_four", 176, 25)
    player = SearchPlayer(environment, params[0], 300, UNIFORM)
    line = player.inspect_in(Situation(np.zeros((1, 2, 6, 7)), None, states, params[0]))["line"]
    nodes, k = player._tree.nodes[0], 0
    for action in line:
        assert nodes[k]["edge_outcomes"][action] != -1 or nodes[k]["outcome"] == -1
        k = nodes[k]["children"][action]
