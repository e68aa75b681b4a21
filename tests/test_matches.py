"""Openings, matches and Elo: games played out by hand, ratings against slow or closed formulas."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from tiny_environments import load_environment

import rlkit
from rlkit.learning.policy import RandomPolicy
from rlkit.matches import Match, draw_openings, elo_ratings, play_match
from rlkit.registry import find_environment

TIC_TAC_TOE = find_environment("tic_tac_toe")
CONNECT_FOUR = find_environment("connect_four")


class Lowest:
    """Takes the first legal action."""

    name = "lowest"

    def act(self, obs, action_mask=None, deterministic=True):
        return action_mask.argmax(axis=-1)


class Fixed:
    """Always takes the same action."""

    name = "fixed"

    def __init__(self, action):
        self.action = action

    def act(self, obs, action_mask=None, deterministic=True):
        return np.full(len(obs), self.action)


class Quitter(Lowest):
    """Gives up as soon as it is asked with three plies on the board."""

    def act_in(self, situation, deterministic=True):
        self.resigned = np.array([len(history) >= 3 for history in situation.actions])
        return self.act(situation.obs, situation.action_mask)


def random_player(environment, seed):
    env = rlkit.make(environment.name, opponent="self")
    return RandomPolicy(env.observation_space, env.action_space, seed)


def solver(environment):
    return environment.yardstick.policies["solver"](environment.params()[0])


# Openings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("num_plies", "count"), [(0, 1), (1, 9), (2, 72), (3, 252)])
def test_all_short_openings_of_tic_tac_toe_are_found_once(num_plies, count):
    openings = draw_openings(TIC_TAC_TOE, 1000, num_plies, seed=0)
    assert len(openings) == count  # 9 · 8 · 7 / 2! positions of two crosses and a nought
    assert {len(opening) for opening in openings} == {num_plies}
    crosses_and_noughts = {(frozenset(opening[::2]), frozenset(opening[1::2])) for opening in openings}
    assert len(crosses_and_noughts) == count


def test_openings_are_legal_undecided_and_seeded():
    openings = draw_openings(CONNECT_FOUR, 40, 10, seed=3)
    assert len({*openings}) == 40
    env = rlkit.make("connect_four", opponent="self", illegal_actions="raise")
    for opening in openings:
        env.reset(seed=9)
        for action in opening:
            _, _, terminated, truncated, _ = env.step(action)
            assert not terminated
            assert not truncated
    assert draw_openings(CONNECT_FOUR, 40, 10, seed=3, level="openings") == openings
    assert draw_openings(CONNECT_FOUR, 40, 10, seed=4) != openings


def test_plies_that_end_every_game_are_refused():
    assert draw_openings(TIC_TAC_TOE, 5, 8, seed=0)
    with pytest.raises(ValueError, match="9 random plies end every game of tic_tac_toe"):
        draw_openings(TIC_TAC_TOE, 5, 9, seed=0)
    with pytest.raises(ValueError, match="cartpole has one player"):
        draw_openings(find_environment("cartpole"), 5, 1, seed=0)


# Matches --------------------------------------------------------------------------------------------------------


def test_a_game_played_by_hand():
    # Cells in order, crosses first: 0 x, 1 o, 2 x, 3 o, 4 x, 5 o, and 6 completes 2-4-6.
    match = play_match(TIC_TAC_TOE, Lowest(), Lowest(), [()])
    assert match.results.tolist() == [[1], [-1]]
    assert match.lengths.tolist() == [[7], [7]]
    assert match.counts() == (1, 0, 1)
    assert (match.counts(0), match.counts(1)) == ((1, 0, 0), (0, 0, 1))
    assert (match.points, match.score.mean) == (1.0, 0.5)
    # After 0 x, 4 o: 1 x, 2 o, 3 x, 5 o, and 6 completes 0-3-6 for crosses at the seventh ply.
    # After 8 x, 0 o: 1 x, 2 o, 3 x, 4 o, 5 x, and 6 completes 2-4-6 for noughts at the eighth.
    match = play_match(TIC_TAC_TOE, Lowest(), Lowest(), [(0, 4), (8, 0)])
    assert match.results.tolist() == [[1, -1], [-1, 1]]
    assert match.lengths.tolist() == [[7, 8], [7, 8]]


def test_perfect_players_draw_and_beat_random_play():
    openings = draw_openings(TIC_TAC_TOE, 9, 1, seed=0)
    assert play_match(TIC_TAC_TOE, solver(TIC_TAC_TOE), solver(TIC_TAC_TOE), openings).counts() == (0, 18, 0)
    match = play_match(TIC_TAC_TOE, random_player(TIC_TAC_TOE, 1), solver(TIC_TAC_TOE), openings)
    assert match.counts()[0] == 0
    again = play_match(TIC_TAC_TOE, random_player(TIC_TAC_TOE, 1), solver(TIC_TAC_TOE), openings)
    np.testing.assert_array_equal(match.results, again.results)
    other = play_match(TIC_TAC_TOE, solver(TIC_TAC_TOE), random_player(TIC_TAC_TOE, 1), openings)
    assert other.counts()[2] == 0


def test_players_see_the_whole_situation():
    class Witness(Lowest):
        num_seen = 0

        def act_in(self, situation, deterministic=True):
            for row, history in enumerate(situation.actions):
                env = rlkit.make("connect_four", opponent="self")
                obs, info = env.reset(seed=0)
                for action in history:
                    obs, _, _, _, info = env.step(action)
                np.testing.assert_array_equal(situation.obs[row], obs)
                np.testing.assert_array_equal(situation.action_mask[row], info["action_mask"])
                assert situation.states[row]["discs"].tolist() == env.state.discs.tolist()
                assert situation.params.max_random_plies == 0
                self.num_seen += 1
            return self.act(situation.obs, situation.action_mask)

    witness, openings = Witness(), draw_openings(CONNECT_FOUR, 3, 4, seed=0)
    match = play_match(CONNECT_FOUR, witness, Lowest(), openings, level="openings")
    by_hand = play_match(CONNECT_FOUR, Lowest(), Lowest(), openings)
    np.testing.assert_array_equal(match.results, by_hand.results)
    own_plies = [(match.lengths[0] - 4 + 1) // 2, (match.lengths[1] - 4) // 2]
    assert witness.num_seen == np.sum(own_plies)


def test_a_game_of_the_longest_length_is_a_draw():
    match = play_match(replace(TIC_TAC_TOE, max_steps=5), Lowest(), Lowest(), [()])
    assert match.results.tolist() == [[0], [0]]
    assert match.truncated.all()
    assert match.lengths.tolist() == [[5], [5]]
    assert not play_match(replace(TIC_TAC_TOE, max_steps=7), Lowest(), Lowest(), [()]).truncated.any()


def test_who_resigns_loses():
    match = play_match(TIC_TAC_TOE, Quitter(), Lowest(), [(0, 1)])
    assert match.results.tolist() == [[-1], [-1]]
    assert match.resigned.all()
    assert match.lengths.tolist() == [[5], [4]]  # as crosses it is asked with four plies there, as noughts with three
    match = play_match(TIC_TAC_TOE, Lowest(), Quitter(), [(0, 1)])
    assert match.results.tolist() == [[1], [1]]


def test_moves_that_lose_and_rules_without_masks(tmp_path):
    # Count to three, by nothing or by one; who says three loses.
    game = load_environment(
        tmp_path / "count_to_lose",
        ("__init__", "max_steps=12,", "max_steps=12,\n    num_players=2,"),
        ("rules", "small=np.int8", "player=np.int8"),
        ("rules", "state.small = 0", "state.player = 1"),
        (
            "rules",
            "    return float(action), int(state.count) >= int(params.goal)",
            "    state.player = -int(state.player)\n    is_over = int(state.count) >= int(params.goal)\n"
            "    return -1.0 if is_over else 0.0, is_over",
        ),
    )
    match = play_match(game, Fixed(1), Fixed(1), [()])
    assert match.results.tolist() == [[-1], [1]]  # who begins says one and three
    match = play_match(game, Fixed(1), Fixed(0), [()])
    assert match.counts() == (0, 0, 2)


@pytest.mark.parametrize("action", [0, 9, -1])
def test_illegal_actions_are_named(action):
    with pytest.raises(ValueError, match=rf"^fixed chose action {action}, illegal after the plies \["):
        play_match(TIC_TAC_TOE, Lowest(), Fixed(action), [()])


def test_wrong_openings_are_refused():
    with pytest.raises(ValueError, match=r"^the opening chose action 4, illegal after the plies \[4\]"):
        play_match(TIC_TAC_TOE, Lowest(), Lowest(), [(4, 4)])
    with pytest.raises(ValueError, match="at least one opening"):
        play_match(TIC_TAC_TOE, Lowest(), Lowest(), [])


def test_progress_counts_finished_games():
    seen = []
    openings = draw_openings(TIC_TAC_TOE, 5, 2, seed=0)
    play_match(TIC_TAC_TOE, Lowest(), Lowest(), openings, progress=lambda *numbers: seen.append(numbers))
    assert seen == sorted(seen)
    assert seen[-1] == (10, 10)


def test_matches_add_up():
    first = play_match(TIC_TAC_TOE, Lowest(), Lowest(), [(), (0, 4)])
    both = first + play_match(TIC_TAC_TOE, Lowest(), Lowest(), [(4, 8)])
    assert both.results.tolist() == play_match(TIC_TAC_TOE, Lowest(), Lowest(), [(), (0, 4), (4, 8)]).results.tolist()


# Elo ------------------------------------------------------------------------------------------------------------


def match_of(wins, draws, losses):
    results = np.repeat(np.array([1, 0, -1], np.int8), [wins, draws, losses]).reshape(2, -1)
    return Match(results, results > 1, results > 1, results.astype(int))


def test_two_players_have_a_closed_formula():
    ratings = elo_ratings({("random", "strong"): match_of(20, 10, 70)})
    won, lost = 75.5, 25.5  # with the virtual draw
    strong = ratings["strong"]
    assert strong.mean == pytest.approx(400 * math.log10(won / lost))
    error = 400 / math.log(10) / math.sqrt(101 * (won / 101) * (lost / 101))
    assert (strong.high - strong.mean, strong.mean - strong.low) == pytest.approx((1.96 * error, 1.96 * error))
    assert (ratings["random"].mean, ratings["random"].low, strong.count) == (0, 0, 100)


def test_without_random_the_mean_is_zero():
    ratings = elo_ratings({("a", "b"): match_of(75, 0, 25)})
    difference = 400 * math.log10(75.5 / 25.5)
    assert ratings["a"].mean == pytest.approx(difference / 2)
    assert ratings["b"].mean == pytest.approx(-difference / 2)
    assert ratings["a"].high - ratings["a"].low == pytest.approx(ratings["b"].high - ratings["b"].low)


def test_a_perfect_record_is_finite():
    ratings = elo_ratings({("a", "random"): match_of(100, 0, 0), ("b", "a"): match_of(1000, 0, 0)})
    assert ratings["b"].mean > ratings["a"].mean > 600
    assert all(math.isfinite(rating.high) for rating in ratings.values())
    only = elo_ratings({("a", "random"): match_of(100, 0, 0)})["a"]
    assert only.mean == pytest.approx(400 * math.log10(100.5 / 0.5))  # 921


def test_ratings_maximise_the_likelihood():
    matches = {
        ("random", "a"): match_of(3, 4, 13),
        ("a", "b"): match_of(9, 1, 10),
        ("b", "random"): match_of(17, 3, 0),
        ("c", "b"): match_of(12, 2, 6),
        ("c", "random"): match_of(40, 0, 0),
    }
    names = ["random", "a", "b", "c"]

    def loss(strengths):
        total = 0.0
        for i in range(4):
            for j in range(i):
                total += 0.5 * sum(np.logaddexp(0, sign * (strengths[j] - strengths[i])) for sign in (1, -1))
        for (first, second), match in matches.items():
            ahead = strengths[names.index(first)] - strengths[names.index(second)]
            total += match.points * np.logaddexp(0, -ahead)
            total += (match.num_games - match.points) * np.logaddexp(0, ahead)
        return total

    best = minimize(loss, np.zeros(4), tol=1e-12).x
    ratings = elo_ratings(matches)
    expected = (best - best[0]) * 400 / math.log(10)
    assert [ratings[name].mean for name in names] == pytest.approx(expected, abs=0.05)


def test_the_intervals_hold_the_truth_in_95_of_100_tournaments():
    rng = np.random.default_rng(0)
    strengths = {"random": 0.0, "a": 0.8, "b": 1.5}
    num_held, num_tournaments = 0, 400
    for _ in range(num_tournaments):
        matches = {}
        for first, second in (("random", "a"), ("random", "b"), ("a", "b")):
            chance = 1 / (1 + math.exp(strengths[second] - strengths[first]))
            wins = int(rng.binomial(60, chance))
            matches[first, second] = match_of(wins, 0, 60 - wins)
        rating = elo_ratings(matches)["b"]
        num_held += rating.low <= 1.5 * 400 / math.log(10) <= rating.high
    assert 0.92 <= num_held / num_tournaments <= 0.98
