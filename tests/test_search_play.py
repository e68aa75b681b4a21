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


class Counting:
    """An evaluator that thinks nothing, counts how often it is asked, and may fail."""

    def __init__(self):
        self.calls, self.fails = 0, False

    def __call__(self, obs):
        self.calls += 1
        if self.fails:
            raise KeyboardInterrupt
        return np.zeros((len(obs), 9), np.float32), np.zeros(len(obs), np.float32)


def situation(moves):
    _, states, params = play("tic_tac_toe", moves)
    obs = np.zeros((1, 2, 3, 3), np.float32)
    return Situation(obs, None, states, params[0], [list(moves)])


def counting_player(**changes):
    environment, evaluate = rlkit.find_environment("tic_tac_toe"), Counting()
    return SearchPlayer(environment, environment.params()[0], 60, evaluate, **changes), evaluate


def test_the_tree_goes_on_with_the_moves_and_only_with_them():
    player, evaluate = counting_player()
    player.act_in(situation((0,)))
    kept = player._tree.nodes[0, 0]
    reply = int(kept["visit_counts"].argmax())
    below = int(kept["visit_counts"][reply])
    player.act_in(situation((0, reply)))
    assert player._tree.nodes[0, 0]["visits"] == below + 60
    for moves in ((4, 0), (0,), (0, 8, 2, 1)):  # another game, a move taken back, a jump
        fresh, _ = counting_player()
        again, expected = player.inspect_in(situation(moves)), fresh.inspect_in(situation(moves))
        assert again["visits"].tolist() == expected["visits"].tolist(), moves
    player.act_in(situation((0,)))
    evaluate.fails = True
    with pytest.raises(KeyboardInterrupt):
        player.act_in(situation((0, 4)))
    evaluate.fails = False
    fresh, _ = counting_player()
    expected = fresh.inspect_in(situation((0,)))
    assert player.inspect_in(situation((0,)))["visits"].tolist() == expected["visits"].tolist()


def test_sequential_halving_begins_each_search_anew():
    player, _ = counting_player(strategy=GUMBEL)
    player.act_in(situation((0,)))
    player.act_in(situation((0, 4)))
    assert player._tree.nodes[0, 0]["visit_counts"].sum() <= 60
