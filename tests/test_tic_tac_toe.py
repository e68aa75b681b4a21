"""Tic-tac-toe: the rules by hand, and the enumeration it is graded by against a search through the rules."""

import numpy as np
import pytest

import rlkit
from envs.board.tic_tac_toe import ENVIRONMENT, yardstick
from rlkit.evaluation import random_policy, run_episodes
from rlkit.learning.policy import FunctionPolicy

YARDSTICK = ENVIRONMENT.yardstick


def play(moves):
    """Play cells 1 to 9 on one environment, both sides: (env, the last step's results, legal actions)."""
    env = rlkit.make("tic_tac_toe", opponent="self")
    _, info = env.reset(seed=0)
    results = None
    for cell in moves:
        obs, reward, terminated, truncated, info = env.step(int(cell) - 1)
        results = (obs, reward, terminated, truncated)
    return env, results, np.flatnonzero(info["action_mask"])


def key(obs):
    """Return one observation as a position: a pair of bitboards (own, other)."""
    return tuple(int(plane.ravel() @ (1 << np.arange(9))) for plane in obs)


@pytest.fixture(scope="module")
def graph():
    """The game by the rules alone: positions (own, other) → {action: next position, or the mover's reward}.

    With it the ends: final board → result for the first player.
    """
    env = rlkit.make("tic_tac_toe", opponent="self")
    obs, info = env.reset(seed=0)
    moves, ends = {}, {}
    waiting = [(key(obs), np.flatnonzero(info["action_mask"]), env.snapshot())]
    while waiting:
        position, legal, snapshot = waiting.pop()
        if position in moves:
            continue
        moves[position] = {}
        for action in legal:
            env.restore(snapshot)
            player = int(env.state.player)
            obs, reward, terminated, _, info = env.step(action)
            if terminated:
                moves[position][int(action)] = reward
                ends[tuple(env.state.board.ravel().tolist())] = reward * player
            else:
                moves[position][int(action)] = key(obs)
                waiting.append((key(obs), np.flatnonzero(info["action_mask"]), env.snapshot()))
    return moves, ends


def move_values(moves):
    """Return (own, other) → {action: value for the mover}, by minimax from the fullest boards down."""
    values = {}
    for position in sorted(moves, key=lambda p: -(p[0] | p[1]).bit_count()):
        values[position] = {
            action: -max(values[after].values()) if isinstance(after, tuple) else int(after)
            for action, after in moves[position].items()
        }
    return values


# --- rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moves",
    ["14253", "41526", "71829", "12437", "21538", "31649", "12539", "31527", "132467985"],
    ids=["top", "middle", "bottom", "left", "centre", "right", "diagonal", "antidiagonal", "full-board"],
)
def test_three_in_a_row_wins(moves):
    for shorter in range(1, len(moves)):
        assert play(moves[:shorter])[1][1:] == (0.0, False, False)
    assert play(moves)[1][1:] == (1.0, True, False)


def test_the_second_player_wins_too():
    assert play("14259")[1][1:3] == (0.0, False)
    assert play("142596")[1][1:3] == (1.0, True)


def test_a_full_board_without_a_row_is_a_draw():
    _, (_, reward, terminated, truncated), legal = play("153287469")
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert legal.size == 0


def test_the_observation_is_the_movers():
    env, (obs, *_), legal = play("159")
    own, other = np.zeros((3, 3)), np.zeros((3, 3))
    own[1, 1] = other[0, 0] = other[2, 2] = 1
    np.testing.assert_array_equal(obs, [own, other])
    assert legal.tolist() == [1, 2, 3, 5, 6, 7]
    assert env.state.player == -1


def test_a_taken_cell_loses():
    _, (_, reward, terminated, _), _ = play("11")
    assert (reward, terminated) == (-1.0, True)


# --- the enumeration ----------------------------------------------------------------------------------------


def test_there_are_as_many_positions_as_is_known(graph):
    """5,478, of them 4,520 to be played on; of 958 ends the first wins 626, loses 316 and draws 16."""
    moves, ends = graph
    assert len(moves) == 4_520
    assert len(moves) + len(ends) == 5_478
    results = list(ends.values())
    assert [results.count(result) for result in (1, -1, 0)] == [626, 316, 16]
    assert len(yardstick.solve().own) == 4_520


def test_every_move_of_every_position_has_the_value_of_a_search_through_the_rules(graph):
    values = move_values(graph[0])
    table = yardstick.solve()
    assert set(zip(table.own.tolist(), table.other.tolist(), strict=True)) == set(values)
    for own, other, of_moves in zip(table.own.tolist(), table.other.tolist(), table.values.tolist(), strict=True):
        legal = {action: value for action, value in enumerate(of_moves) if value != yardstick.ILLEGAL}
        assert legal == values[own, other]


def test_the_table_shows_what_the_environment_shows(graph):
    table = yardstick.solve()
    assert [key(obs) for obs in table.obs] == list(zip(table.own.tolist(), table.other.tolist(), strict=True))
    for own, other, legal in zip(table.own.tolist(), table.other.tolist(), table.masks, strict=True):
        assert np.flatnonzero(legal).tolist() == sorted(graph[0][own, other])
    obs, info = rlkit.make_batch("tic_tac_toe", 1, opponent="self").reset(seed=0)
    row = table.rows[0, 0]
    for ours, theirs in ((table.obs[row], obs[0]), (table.masks[row], info["action_mask"][0])):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


_ = None


@pytest.mark.parametrize(
    ("moves", "scores", "why"),
    [
        ("", [0, 0, 0, 0, 0, 0, 0, 0, 0], "the game is a draw, and no first move loses it"),
        ("1", [_, -1, -1, -1, 0, -1, -1, -1, -1], "only the centre answers a corner"),
        ("5", [0, -1, 0, -1, _, -1, 0, -1, 0], "only a corner answers the centre"),
        (
            "2",
            [0, _, 0, -1, 0, -1, -1, 0, -1],
            "an edge: its two corners, the centre and the opposite edge hold",
        ),
        ("15", [_, 0, 0, 0, _, 0, 0, 0, 0], "after corner and centre nothing is lost yet"),
        ("159", [_, 0, -1, 0, _, 0, -1, 0, _], "the trap of opposite corners: an edge holds, a corner loses"),
        (
            "1593",
            [_, -1, _, -1, _, -1, 1, -1, _],
            "in the trap: 7 threatens twice, anything else lets 7 complete 3 5 7",
        ),
        ("1425", [_, _, 1, _, _, 0, -1, -1, -1], "3 wins, 6 blocks and draws, anything else lets 6 win"),
        ("14256", [_, _, 0, _, _, _, -1, -1, -1], "only blocking the top row holds"),
        ("12345769", [_, _, _, _, _, _, _, 0, _], "the last cell fills the board"),
    ],
)
def test_scores_of_positions_drawn_by_hand(moves, scores, why):
    facts = YARDSTICK.explain(moves)
    assert facts["scores"] == scores, why
    assert facts["value"] == max(score for score in scores if score is not None)
    assert facts["player"] == (1 if len(moves) % 2 == 0 else -1)


def test_after_the_end_no_move_has_a_score():
    assert YARDSTICK.explain("14253") == {"player": -1, "scores": [None] * 9, "value": -1}
    assert YARDSTICK.explain("153287469") == {"player": -1, "scores": [None] * 9, "value": 0}


@pytest.mark.parametrize(
    ("moves", "sentence"),
    [
        ("1x", "move 2 of '1x' is 'x'; moves are cells from 1 to 9, as in '159'"),
        ("10", "move 2 of '10' is '0'; moves are cells from 1 to 9, as in '159'"),
        ("1²", "move 2 of '1²' is '²'; moves are cells from 1 to 9, as in '159'"),
        ("151", "move 3 of '151' plays cell 1, which is taken: choose an empty one"),
        ("142536", "move 6 of '142536' comes after the game's end: drop it and what follows"),
        ("1532874691", "move 10 of '1532874691' plays cell 1, which is taken: choose an empty one"),
    ],
)
def test_bad_moves_are_refused_in_one_sentence(moves, sentence):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        YARDSTICK.explain(moves)
    assert str(error.value) == sentence


# --- perfect play and scores --------------------------------------------------------------------------------


@pytest.mark.parametrize("seat", [1, -1])
def test_perfect_play_never_loses_whatever_the_other_side_does(graph, seat):
    moves, policy = graph[0], YARDSTICK.policies["solver"](ENVIRONMENT.params()[0])
    results = []
    waiting = [((0, 0), 1)]
    while waiting:
        position, player = waiting.pop()
        if player == seat:
            planes = np.array([[bits >> cell & 1 for cell in range(9)] for bits in position], np.float32)
            actions = [int(policy.act(planes.reshape(2, 3, 3)))]
        else:
            actions = list(moves[position])
        for action in actions:
            after = moves[position][action]
            if isinstance(after, tuple):
                waiting.append((after, -player))
            else:
                results.append(after * player * seat)
    assert -1 not in results
    assert {0, 1} <= set(results)


def test_perfect_play_wins_soonest_and_loses_latest():
    policy = yardstick.perfect(ENVIRONMENT.params()[0])
    _, (obs, *_), _ = play("1593")  # 7 is the only move that wins
    assert policy.act(obs) == 6
    _, (obs, *_), _ = play("125943")  # 6 and 7 win at once; 8 does not
    assert policy.act(obs) in (5, 6)
    _, (obs, *_), _ = play("125")  # lost, but blocking 9 lasts longest
    assert set(YARDSTICK.explain("125")["scores"]) == {None, -1}
    assert policy.act(obs) == 8


def test_perfect_play_against_random_play_loses_no_episode():
    policy = yardstick.perfect(ENVIRONMENT.params()[0])
    returns = run_episodes(ENVIRONMENT, policy, 500, seed=0, opponent="random").returns
    assert set(returns.tolist()) == {0.0, 1.0}
    assert returns.mean() > 0.85
    assert (run_episodes(ENVIRONMENT, policy, 20, seed=0, opponent="solver").returns == 0).all()


def test_scores_are_shares_of_positions():
    assert YARDSTICK.score(yardstick.perfect(ENVIRONMENT.params()[0])) == {
        "value_kept": 1.0,
        "value_kept_decisive": 1.0,
    }
    worst = FunctionPolicy(lambda obs, mask: _worst_moves(), ENVIRONMENT.observation_space)
    assert YARDSTICK.score(worst) == {"value_kept": (4_520 - 3_191) / 4_520, "value_kept_decisive": 0.0}
    taken = FunctionPolicy(lambda obs, mask: (mask == 0).argmax(axis=1), ENVIRONMENT.observation_space)
    # an illegal move keeps nothing; on the empty board, where none is taken, argmax gives the legal cell 0
    assert YARDSTICK.score(taken) == {"value_kept": 1 / 4_520, "value_kept_decisive": 0.0}


def _worst_moves():
    values = yardstick.solve().values
    return np.where(values == yardstick.ILLEGAL, 2, values).argmin(axis=1)


def test_random_play_scores_what_counting_moves_says(graph):
    values = move_values(graph[0])
    shares, decisive = [], []
    for of_moves in values.values():
        share = list(of_moves.values()).count(max(of_moves.values())) / len(of_moves)
        shares.append(share)
        if share < 1:
            decisive.append(share)
    assert len(decisive) == 3_191
    figures = YARDSTICK.score(random_policy(ENVIRONMENT))
    # one draw a position: standard errors 0.7 % and 0.9 %
    assert figures["value_kept"] == pytest.approx(np.mean(shares), abs=0.03)
    assert figures["value_kept_decisive"] == pytest.approx(np.mean(decisive), abs=0.035)
    assert np.mean(shares) == pytest.approx(0.5797, abs=1e-4)


def test_a_search_is_graded_by_its_search():
    """Every position reaches it as a state: the yardstick's states show what its observations show."""
    from agents.alphazero.players import rollout_search
    from envs.board.tic_tac_toe import rules

    environment, table = ENVIRONMENT, yardstick.solve()
    params, states, obs = environment.params()[0], table.states, np.zeros((2, 3, 3), np.float32)
    for row in range(0, len(states), 97):
        rules.observe(states[row], params, obs)
        assert np.array_equal(obs, table.obs[row])
    assert YARDSTICK.score(rollout_search(environment, params, 800))["value_kept"] > 0.99
