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

few_examples = settings(max_examples=20, deadline=None, derandomize=True)

# --- forced wins in games of two --------------------------------------------------------------------------------

# (moves from the start, the moves that win soonest or alone do not lose, the proven value if simulations suffice)
FORCED = {
    "tic_tac_toe": [
        ((0, 3, 1, 4), {2}, 1),  # the row 0 1 2 now, before O has 3 4 5
        ((0, 8, 2, 1), {6}, 1),  # 6 threatens 3 and 4
        ((0, 4, 1), {2}, 0),  # O stops the row, and holds the draw
    ],
    "connect_four": [
        ((0, 1, 0, 1, 0, 1), {0}, 1),  # a column of three each: who moves wins
        ((3, 3, 2, 2), {1, 4}, 1),  # three in the bottom row, open on both sides
        ((0, 1, 0, 1, 0), {0}, UNKNOWN),
        ((3, 3, 2), {1, 4}, UNKNOWN),  # stops that open row in time, four plies before its end
    ],
    "hex": [  # 5 × 5; X joins top and bottom
        ((0, 21, 5, 22, 10, 23, 15, 24), {20}, 1),  # the left column's last cell
        ((16, 2, 7, 24, 21, 0), {3}, 1),  # the other cell of a bridge; what is left is one more bridge
        ((0, 21, 5, 22, 10, 23, 15), {20}, 1),  # stops that column; the bottom row then wins at 24 or at 19
    ],
    "gomoku": [  # 5 × 5, four in a line
        ((11, 0, 12, 2, 13, 4), {10, 14}, 1),
        ((11, 0, 12, 24), {13}, 1),  # an open three in the middle row
        ((11, 10, 12, 0, 13), {14}, UNKNOWN),  # stops a three that is open on one side
    ],
}


@pytest.mark.parametrize(("find_wins", "num_simulations"), [(0, 30_000), (1, 5_000)])
@pytest.mark.parametrize("strategy", [PUCT, GUMBEL])
@pytest.mark.parametrize("name", FORCED)
def test_forced_wins_are_proven_and_others_stopped(name, strategy, find_wins, num_simulations):
    for moves, expected, proven in FORCED[name]:
        environment, states, params = play(name, moves)
        found = Search(
            environment, states, params, num_nodes=30_002, schedule=(26, num_simulations), strategy=strategy,
            find_wins=find_wins,
        )  # fmt: skip
        assert found.run(num_simulations).best in expected, moves
        assert found.root["outcome"] == proven, moves
        assert found.line()[0] == found.best


def test_wins_are_found_where_no_prior_points():
    """The shortest wipe-out in Othello: f5 d6 c5 f4 e7 f6 g5 e6, and Black's e3 turns White's last discs."""
    blunder, wipe_out = 44, 20
    moves = (37, 43, 34, 29, 52, 45, 38)
    environment, states, params = play("othello", moves)
    for find_wins, outcome in ((0, UNKNOWN), (1, -1)):
        found = Search(environment, states, params, find_wins=find_wins).run(20)
        assert found.root["visit_counts"][blunder] > 0
        assert found.root["edge_outcomes"][blunder] == outcome
    environment, states, params = play("othello", (*moves, blunder))
    found = Search(environment, states, params, find_wins=1)
    found.run_with(1, lambda obs: pytest.fail("a proven position needs no evaluation"))
    assert (found.root["outcome"], found.best, found.line()) == (1, wipe_out, [wipe_out])


# White and Black have one liberty each, a and b: who moves first takes the other's stones.
RACE = ("X b X X X", "X X X X X", "O O O O O", "O O O O O", "O O O O a")


@pytest.mark.parametrize("strategy", [PUCT, GUMBEL])
def test_go_takes_and_saves_stones_and_ends_the_game_in_time(strategy):
    def find(game, num_simulations):
        states = game.env.snapshot().states
        params = np.array([game.env.params]).view(np.recarray)
        return Search(
            game.env.environment, states, params, num_nodes=10_000, strategy=strategy, schedule=(26, num_simulations)
        ).run(num_simulations)

    game = Game(*RACE, komi=0.5)
    assert find(game, 2000).best == game.cells["a"]
    game = Game(*RACE, komi=0.5, player=WHITE)
    assert find(game, 2000).best == game.cells["b"]
    game.play("pass")  # White leads by area, so that a pass of Black's would end the game and lose it
    found = find(game, 2000)
    assert found.best == game.cells["a"]
    assert found.root["edge_outcomes"][game.cells["pass"]] == -1
    game.play("a", "pass")  # and now Black leads
    found = find(game, 100)
    assert (found.best, found.root["outcome"]) == (game.cells["pass"], 1)


# --- exactness --------------------------------------------------------------------------------------------------


def test_tic_tac_toes_openings_are_worth_what_everybody_knows():
    """A corner must be answered in the centre, the centre in a corner; then it is a draw."""
    for first, drawn in ((0, {4}), (4, {0, 2, 6, 8})):
        environment, states, params = play("tic_tac_toe", (first,))
        found = Search(environment, states, params, num_nodes=10_000, schedule=(9, 60_000)).run(60_000)
        assert found.root["outcome"] == 0
        assert found.tree.games[0]["num_simulations"] < 60_000
        assert set(np.flatnonzero(found.root["edge_outcomes"] == 0)) == drawn
        policies, actions, values = found.recommended()
        assert (values[0], actions[0] in drawn) == (0, True)
        assert set(np.flatnonzero(policies[0])) == drawn
        found = Search(environment, states, params, num_nodes=10_000, strategy=GUMBEL, schedule=(9, 9000)).run(9000)
        lost = set(np.flatnonzero(found.root["edge_outcomes"] == -1))
        assert lost == set(range(9)) - drawn - {first}


def test_tic_tac_toe_is_proven_a_draw():
    environment, states, params = play("tic_tac_toe", ())
    found = Search(environment, states, params, num_nodes=100_000, schedule=(9, 99_000)).run(99_000)
    assert found.root["outcome"] == 0
    assert found.tree.games[0]["num_simulations"] < 60_000


@few_examples
@given(
    seed=st.integers(0, 10_000), num_plies=st.integers(24, 40), strategy=st.sampled_from([PUCT, GUMBEL]),
    find_wins=st.integers(0, 1),
)  # fmt: skip
def test_what_is_proven_in_connect_four_is_what_the_solver_says(seed, num_plies, strategy, find_wins):
    environment, states, params = random_position("connect_four", seed, num_plies)
    found = Search(
        environment, states, params, num_nodes=4002, schedule=(7, 4000), strategy=strategy, find_wins=find_wins
    ).run(4000)
    obs = np.zeros((2, 6, 7), np.float32)
    environment.rules.observe(states[0], params[0], obs)
    exact = solver.move_scores(connect_four.position_of(obs))
    if found.root["outcome"] != UNKNOWN:
        assert found.root["outcome"] == np.sign(exact.max())
        assert np.sign(exact[found.best]) == np.sign(exact.max())
    for action, outcome in enumerate(found.root["edge_outcomes"]):
        assert outcome in (UNKNOWN, np.sign(exact[action]))


@pytest.mark.parametrize("strategy", [PUCT, GUMBEL])
def test_othellos_last_plies_are_proven(strategy):
    num_proven = num_decisive = 0
    for seed in range(20):
        environment, states, params = random_position("othello", seed, 54)
        found = Search(environment, states, params, num_nodes=6002, strategy=strategy, schedule=(16, 6000)).run(6000)
        obs, scores = np.zeros((1, 4, 8, 8), np.float32), np.zeros((1, 65), np.int64)
        environment.rules.observe(states[0], params[0], obs[0])
        num_empty = int(64 - obs[0, :2].sum())
        othello.compiled().score_moves(othello.positions_of(obs), num_empty, 1, scores, othello_search.new_memory())
        legal = scores[0] != othello_search.ILLEGAL
        exact = np.sign(scores[0])
        num_proven += found.root["outcome"] == exact[legal].max()
        num_decisive += len(set(exact[legal])) > 1
        assert exact[found.best] == exact[legal].max() or found.root["outcome"] == UNKNOWN
        known = found.root["edge_outcomes"] != UNKNOWN
        assert (found.root["edge_outcomes"][known] == exact[known]).all()
    assert num_proven >= 15
    assert num_decisive >= 3


# --- one player -------------------------------------------------------------------------------------------------


def test_a_search_without_a_network_keeps_the_pole_up():
    """Random play lasts about 22 steps. Where leaves are worth 0, only a wide tree tells falls from its own edge."""
    environment = rlkit.find_environment("cartpole")
    params = environment.params()[0]
    for player in (
        SearchPlayer(environment, params, 1000, UNIFORM, gamma=0.97, c_puct=5.0),
        SearchPlayer(environment, params, 60, ROLLOUT, gamma=0.97),
    ):
        assert run_episodes(environment, player, 4, seed=3, max_steps=200).returns.min() > 150


def test_nothing_is_planned_beyond_the_time_limit():
    environment = rlkit.find_environment("cartpole")
    states = np.zeros(1, environment.rules.STATE)
    states["num_steps"] = 496
    found = Search(environment, states, num_nodes=400, gamma=0.95).run(300)
    ends = found.states["num_steps"] == 500
    assert found.states["num_steps"].max() == 500
    assert ends.sum() == 2**4
    assert (found.nodes["outcome"][ends] == HORIZON).all()
    assert (found.nodes["children"][ends] == -1).all()
    assert found.root["visit_counts"].sum() == 300
    assert 3.5 < found.root["q_values"].max() < 1 + 0.95 + 0.95**2 + 0.95**3  # four steps, and leaves on the way


COIN = [
    ("rules", "from rlkit.engine.rng import uniform", "from rlkit.engine.rng import integer, uniform"),
    ("rules", "    return float(action), int(state.count) >= int(params.goal)", "    return gain, False"),
    (
        "rules",
        "    state.count = int(state.count) + action\n",
        "    gain = 1.0 if action == integer(state, 0, 2) else 0.0\n",
    ),
    ("__init__", "max_steps=12", "max_steps=50"),
]


def test_no_planner_beats_a_fair_coin(tmp_path):
    """The reward is 1 for naming a coin that the state's own generator throws after the choice."""
    environment = load_environment(tmp_path / "coin", *COIN)
    player = SearchPlayer(environment, environment.params()[0], 24, UNIFORM, gamma=0.9)
    guesses = run_episodes(environment, player, 40, seed=1).returns.sum()
    assert abs(guesses - 1000) < 5 * np.sqrt(2000) / 2  # five standard deviations of 2,000 throws
    env = rlkit.make_batch(environment, 1)
    obs, _ = env.reset(seed=2)
    actions, right = [[]], 0.0
    for _ in range(50):  # one copy whose moves are known keeps its tree
        action = player.act_in(Situation(obs, None, env.states, env.params[0], actions))
        obs, rewards, *_ = env.step(action)
        actions[0].append(int(action[0]))
        right += rewards[0]
    assert abs(right - 25) < 5 * np.sqrt(50) / 2
    env.reset(seed=3)
    cheat, right = Search(environment, env.states.copy(), gamma=0.9), 0.0
    for _ in range(40):  # the same planner with tomorrow's dice
        cheat.kernels.begin_all(cheat.tree, env.states)
        cheat.tree.states["rng"][:, 0] = env.states["rng"]
        right += env.step(np.array([cheat.run(24).best]))[1][0]
    assert right > 36


# --- the players ------------------------------------------------------------------------------------------------


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


def test_thoughts_are_those_of_the_action_taken_and_are_not_had_twice():
    player, evaluate = counting_player()
    thoughts = player.inspect_in(situation((0, 8, 2)))
    asked = evaluate.calls
    assert asked > 10
    assert player.act_in(situation((0, 8, 2)))[0] == thoughts["line"][0]
    assert evaluate.calls == asked
    assert thoughts["visits"].sum() == pytest.approx(1)
    assert thoughts["num_simulations"] == 60


def test_a_line_holds_no_move_that_is_proven_to_lose():
    """A position, found by random play, in which the most visited reply on the line is proven to lose."""
    environment, states, params = random_position("connect_four", 176, 25)
    player = SearchPlayer(environment, params[0], 300, UNIFORM)
    line = player.inspect_in(Situation(np.zeros((1, 2, 6, 7)), None, states, params[0]))["line"]
    nodes, k = player._tree.nodes[0], 0
    for action in line:
        assert nodes[k]["edge_outcomes"][action] != -1 or nodes[k]["outcome"] == -1
        k = nodes[k]["children"][action]


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


def test_many_positions_at_once_get_the_actions_of_each_alone():
    environment, _, params = play("connect_four")
    states = np.concatenate([random_position("connect_four", seed, seed % 30)[1] for seed in range(300)])
    player = SearchPlayer(environment, params[0], 20, UNIFORM)
    actions = player.act_in(Situation(None, None, states, params[0]))  # more than are searched at a time
    for i in (0, 100, 255, 256, 299):
        assert player.act_in(Situation(None, None, states[i : i + 1], params[0])) == actions[i]


def test_players_of_other_strengths_and_what_they_refuse():
    player, _ = counting_player()
    assert player.with_simulations(5).num_simulations == 5
    with pytest.raises(ValueError, match="a search without a network needs at least 1 simulation"):
        player.with_simulations(0)
    with pytest.raises(ValueError, match="a search needs at least 1 simulation, not 0"):
        rollout_search(rlkit.find_environment("tic_tac_toe"), play("tic_tac_toe")[2][0], 0)
    with pytest.raises(TypeError, match=r"needs the states, not only observations: call act_in"):
        player.act(np.zeros((2, 3, 3)))
    network = network_player()
    assert network.with_simulations(0) is network
    assert network.with_simulations(8).with_simulations(0) is network


def test_random_games_as_leaves_find_the_win():
    environment, states, params = play("tic_tac_toe", (0, 8, 2, 1))
    for strategy in (PUCT, GUMBEL):
        player = rollout_search(environment, params[0], 200, seed=1, strategy=strategy)
        assert player.act_in(Situation(None, None, states, params[0]))[0] == 6


# --- evaluators -------------------------------------------------------------------------------------------------


def network_player(kind="mlp"):
    environment = rlkit.find_environment("tic_tac_toe")
    params = environment.params()[0]
    network = BoardNetwork((2, 3, 3), 9, kind, size=8, num_blocks=1, head_size=4)
    for parameter in network.parameters():
        parameter.data.uniform_(-1, 1)
    return NetworkPlayer(environment, params, network, environment.spaces(params))


def test_symmetrized_evaluations_are_averages_and_turn_with_the_board():
    found = rlkit.find_environment("tic_tac_toe").symmetries(None)
    weights = np.random.default_rng(0).normal(size=(18, 10))

    def evaluator(obs):
        out = obs.reshape(len(obs), 18) @ weights
        return out[:, :9], out[:, 9]

    obs = np.zeros((1, 2, 3, 3))
    obs[0, 0, 0, 0] = 1  # a stone in a corner
    logits, values = Symmetrized(evaluator, found)(obs)
    corners = weights[[0, 2, 6, 8]]  # what the evaluator says of its four images, each of them twice
    assert values[0] == pytest.approx(corners[:, 9].mean())
    assert logits[0, 4] == pytest.approx(corners[:, 4].mean())  # the centre stays the centre
    # The stone's own corner, however it is turned:
    assert logits[0, 0] == pytest.approx(np.mean([weights[cell, cell] for cell in (0, 2, 6, 8)]))
    obs = np.random.default_rng(1).integers(2, size=(5, 2, 3, 3)).astype(float)
    logits, values = Symmetrized(evaluator, found)(obs)
    for obs_order, action_order in zip(found.obs_orders, found.action_orders, strict=True):
        turned_logits, turned_values = Symmetrized(evaluator, found)(
            obs.reshape(5, 18)[:, obs_order].reshape(obs.shape)
        )
        assert turned_values == pytest.approx(values)
        assert turned_logits == pytest.approx(logits[:, action_order])


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_the_network_alone_obeys_masks(kind):
    player, chance = network_player(kind), np.random.default_rng(0)
    obs = chance.integers(2, size=(40, 2, 3, 3)).astype(np.float32)
    masks = chance.integers(2, size=(40, 9)).astype(np.int8)
    masks[:, 3] = 1
    probabilities = player.probabilities(obs, masks)
    assert (probabilities[masks == 0] == 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(40))
    for deterministic in (True, False):
        actions = player.act(obs, masks, deterministic)
        assert (masks[np.arange(40), actions] == 1).all()
    assert (player.act(obs, masks) == probabilities.argmax(axis=1)).all()
    thoughts = player.inspect(obs[0], masks[0])
    assert thoughts["probabilities"] == pytest.approx(probabilities[0], abs=2e-2)  # bfloat16, another batch
    assert -1 <= thoughts["value"] <= 1
    assert player.act(obs[0], masks[0]) in np.flatnonzero(masks[0])
