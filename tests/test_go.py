"""Go: positions drawn by hand (X Black, O White, letters empty points to play on), and whole games against OpenSpiel.

OpenSpiel's `go` has the same area scoring, forbids suicide and retaking a ko at once, and calls a game a draw when a
position comes back otherwise; ours does not let a position of the last eight come back at all.
"""

import os
from types import SimpleNamespace

import numpy as np
import pytest
from go_positions import BLACK, KO, SET_UP, TAKEN, WHITE, Game, board_of, stones_of

import rlkit
from envs.board.go import ENVIRONMENT, rules, size_of

NUM_GAMES = int(os.environ.get("RLKIT_GAMES", "500"))


def area_lead(*rows, komi=0.0):
    """Black's area less White's and komi."""
    params = ENVIRONMENT.params(board_size=len(rows), komi=komi)[0]
    board = np.full((rules.MAX_SIZE + 2, rules.STRIDE), rules.EDGE, np.int8)
    board[1 : len(rows) + 1, 1 : len(rows) + 1] = stones_of(rows)
    return SET_UP.score(board.ravel(), params, np.zeros(board.size, np.int8))


# --- captures, suicide ----------------------------------------------------------------------------------------


def test_a_stone_without_liberties_is_taken():
    game = Game(". X . .", "X O a .", ". X . .", ". . . .")
    game.play("a")
    assert game.shows(". X . .", "X . X .", ". X . .", ". . . .")


def test_a_corner_and_an_edge_need_fewer_stones():
    game = Game("O a . .", "X . . .", "O b . .", "X . . .", player=BLACK)
    game.play("a")
    assert game.shows(". X . .", "X . . .", "O . . .", "X . . .")
    game.play("pass", "b")
    assert game.shows(". X . .", "X . . .", ". X . .", "X . . .")


def test_one_move_takes_several_chains_and_keeps_the_others():
    game = Game("O O O X X", "O O a O X", "X X O X X", ". X O X .", ". . X . .")
    game.play("a")  # fills the last liberty of all three
    assert game.shows(". . . X X", ". . X . X", "X X . X X", ". X . X .", ". . X . .")
    liberties = game.env.state.liberties[game.env.state.chain[rules.STRIDE * 2 + 3]]
    assert liberties == 4  # the new stone's


def test_suicide_of_one_stone_and_of_a_chain_is_illegal():
    game = Game("a X . .", "X X . .", ". X X X", ". X O b", player=WHITE)
    assert not game.allows("a")
    assert not game.allows("b")
    game = Game("a X . .", "X X . .", ". X X X", ". X O b", player=BLACK)
    assert game.allows("a")
    assert game.allows("b")


def test_a_stone_that_takes_may_have_no_liberty_before():
    game = Game("a O X .", "O X X .", "X . . .", ". . . .")
    assert game.allows("a")
    game.play("a")
    assert game.shows("X . X .", ". X X .", "X . . .", ". . . .")


def test_snapback():
    rows = ("X O a O X", "X O b O X", ". X X X .", ". . . . .", ". . . . .")
    game = Game(*rows)
    game.play("a", "b")  # Black throws in, White takes
    assert game.shows("X O . O X", "X O O O X", ". X X X .", ". . . . .", ". . . . .")
    assert game.allows("a")  # one for five: no ko
    game.play("a")
    assert game.shows("X . X . X", "X . . . X", ". X X X .", ". . . . .", ". . . . .")


# --- repetition -----------------------------------------------------------------------------------------------


def test_a_ko_may_not_be_retaken_at_once():
    game = Game(*KO)
    game.play("a")
    assert not game.allows(TAKEN)
    forbidden = np.zeros((5, 5))
    forbidden[1, 1] = 1
    np.testing.assert_array_equal(game.obs[6], forbidden)
    game.play("b", "c")  # a threat and its answer
    assert game.allows(TAKEN)
    assert not game.obs[6].any()
    game.play(TAKEN)
    assert not game.allows("a")


def test_passes_do_not_lift_a_ko():
    game = Game(*KO)
    game.play("a", "pass")
    assert game.obs[8].all()  # the other side has passed
    game.play("b")
    assert not game.obs[8].any()
    assert game.allows(TAKEN)  # the board has changed since
    game = Game(*KO)
    game.play("a", "pass", "b", "pass", "c")
    assert game.env.state.player == WHITE


def test_sending_two_returning_one():
    rows = ("a O c O .", "X X O O .", ". X O . .", ". . . . .", "d . . . .")
    game = Game(*rows, player=WHITE)
    b = 1  # the stone that is there
    game.play("a", "c")  # White sends two, Black takes them
    assert game.shows(". . X O .", "X X O O .", ". X O . .", ". . . . .", ". . . . .")
    assert not game.allows(b)  # to take one back would repeat the position of three stones ago
    assert game.obs[6, 0, 1] == 1
    game.play("pass", "d")
    assert game.allows(b)


# Kos at rows 1, 3, 5 and 7, on both sides of a 9 × 9 board; in each, Black plays on the right point, White on the left.
KO_ROWS = [". X O . . . X O .", "X ? ? O . X ? ? O"] * 4 + [". X O . . . X O ."]


def many_kos(num_kos):
    """Draw `num_kos` kos, by turns for Black and for White to take; return rows and (left, right) cells of each."""
    board = [row.split() for row in KO_ROWS]
    cells = [(row, column) for column in (1, 6) for row in (1, 3, 5, 7)]
    for k, (row, column) in enumerate(cells):
        for offset, stone in enumerate((".X", "O.")[k % 2 == 0] if k < num_kos else ".."):
            board[row][column + offset] = stone
    points = [(9 * row + column, 9 * row + column + 1) for row, column in cells[:num_kos]]
    return [" ".join(row) for row in board], points


@pytest.mark.parametrize(("num_kos", "is_forbidden"), [(3, True), (4, True), (5, False)])
def test_cycles_of_up_to_eight_stones_are_forbidden(num_kos, is_forbidden):
    rows, points = many_kos(num_kos)
    game = Game(*rows)
    start = board_of(game.env.state, 9).copy()
    order = [*range(num_kos)] * 2 if num_kos % 2 else [0, 1, 2, 3, 1, 0, 3, 2]
    for number, ko in enumerate(order):
        cell = points[ko][1 if number % 2 == 0 else 0]
        if number < len(order) - 1:
            assert game.mask[cell], number
            game.play(cell)
    assert game.mask[cell] != is_forbidden
    assert game.obs[6].sum() == (game.obs[6].ravel()[cell] == 1) + 1  # the ko taken just now, and this
    if not is_forbidden:
        game.play(cell)
        np.testing.assert_array_equal(board_of(game.env.state, 9), start)


# --- the end --------------------------------------------------------------------------------------------------


def test_two_passes_end_the_game_and_one_does_not():
    game = Game(". . .", ". X .", ". . .", komi=0.5)
    assert game.play("pass") == (0.0, False)
    assert game.play("pass") == (-1.0, True)  # White's, who loses all nine points
    game = Game("a . .", ". X .", ". . .", komi=0.5)
    game.play("pass", "a")
    assert game.play("pass") == (0.0, False)


@pytest.mark.parametrize(
    ("komi", "rewards"), [(8.5, (-1.0, 1.0)), (9.0, (0.0, 0.0)), (9.5, (1.0, -1.0))], ids=["black", "draw", "white"]
)
def test_komi_decides_and_the_reward_is_the_movers(komi, rewards):
    rows = (". . .", ". X .", ". . .")
    assert Game(*rows, komi=komi).play("pass", "pass") == (rewards[0], True)  # White passes last
    assert Game(*rows, komi=komi, player=WHITE).play("pass", "pass") == (rewards[1], True)


@pytest.mark.parametrize(
    ("rows", "lead", "why"),
    [
        ((". . .", ". . .", ". . ."), 0, "an empty board is nobody's"),
        ((". . .", ". O .", ". . ."), -9, "one stone has all of it"),
        ((". X O", "X X O", ". X O"), 6 - 3, "eyes count for who surrounds them"),
        ((". X . O", ". X . O", ". X . O", ". X . O"), 8 - 4, "the column between both is neither's"),
        (
            (". X . O .", "X X O O O", ". X O . O", "X X O O O", ". X . O ."),
            10 - 13,
            "Black's 7 stones and 3 eyes, White's 10 and 3; the two points between them are neither's",
        ),
        (
            ("X X X X X", "X . X O O", "X X O O .", "O O O O O", ". O . . ."),
            9 + 1 - 15,
            "White's 10 stones, and 5 points in three regions of its own",
        ),
        (
            # Seki: the two chains in the corner share their last liberties, a and b; who fills one is taken.
            ("X O . X O", "X O . X O", "X O O X O", "X X X O O", "O O O O ."),
            9 - 14,
            "shared liberties are neither's, and the chains stay where they are",
        ),
        ((". X . .", "X X . O", ". . . .", ". . . ."), 4 - 1, "a hopeless stone counts until it is taken"),
    ],
)
def test_areas_counted_by_hand(rows, lead, why):
    assert area_lead(*rows) == lead, why
    assert area_lead(*rows, komi=2.5) == lead - 2.5
    assert area_lead(*(row[::-1] for row in rows[::-1])) == lead
    assert area_lead(*(row.translate(str.maketrans("XO", "OX")) for row in rows)) == -lead


def test_games_without_an_end_are_truncated():
    env = rlkit.make("go", opponent="self", board_size=9)
    _, info = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for number in range(162):
        stones = np.flatnonzero(info["action_mask"][:81])
        _, reward, terminated, truncated, info = env.step(rng.choice(stones) if len(stones) else 81)
        assert (reward, terminated, truncated) == (0, False, number == 161)


# --- observations, params -------------------------------------------------------------------------------------


def test_the_observation_is_the_movers():
    rows = ("X O . .", ". X . .", ". X O O", ". . X .")
    own, other = np.array(stones_of(rows) == -1), np.array(stones_of(rows) == 1)
    obs = Game(*rows, player=WHITE).obs
    np.testing.assert_array_equal(obs[0], own)
    np.testing.assert_array_equal(obs[1], other)
    assert [np.argwhere(plane).tolist() for plane in obs[2:4]] == [[[0, 1]], [[0, 0]]]  # in atari
    assert [np.argwhere(plane).tolist() for plane in obs[4:6]] == [[], [[3, 2]]]  # two liberties
    assert obs[7].all()
    assert not obs[[6, 8]].any()
    flipped = Game(*rows, player=BLACK).obs
    np.testing.assert_array_equal(flipped[[1, 0, 3, 2, 5, 4]], obs[:6])
    assert not flipped[7].any()


def count_liberties(stones, row, column):
    """Count a chain's liberties by walking it."""
    size, color = len(stones), stones[row, column]
    chain, liberties, waiting = {(row, column)}, set(), [(row, column)]
    while waiting:
        r, c = waiting.pop()
        for near in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            if not (0 <= near[0] < size and 0 <= near[1] < size):
                continue
            if stones[near] == 0:
                liberties.add(near)
            elif stones[near] == color and near not in chain:
                chain.add(near)
                waiting.append(near)
    return len(liberties)


@pytest.mark.parametrize("board_size", [2, 5, 9])
def test_liberties_are_right_all_through_random_games(board_size):
    env = rlkit.make_batch("go", 4, opponent="self", board_size=board_size)
    obs, info = env.reset(seed=1)
    rng = np.random.default_rng(board_size)
    for _ in range(150):
        weights = info["action_mask"] * np.where(np.arange(board_size**2 + 1) < board_size**2, 1, 0.02)
        actions = (rng.random(weights.shape) ** (1 / np.maximum(weights, 1e-9))).argmax(axis=1)
        obs, _, _, _, info = env.step(actions)
        for planes in obs:
            stones = planes[0] - planes[1]
            for row, column in np.argwhere(stones):
                count = count_liberties(stones, row, column)
                own = int(stones[row, column] < 0)
                assert count > 0
                assert (planes[2 + own, row, column], planes[4 + own, row, column]) == (count == 1, count == 2)


def test_board_sizes_outside_the_rules_are_refused():
    for board_size in (1, 10, 19):
        with pytest.raises(ValueError, match=rf"board_size={board_size} must be from 2 to 9"):
            rlkit.make("go", board_size=board_size)
    assert [size_of(ENVIRONMENT.params(level)[0]) for level in ENVIRONMENT.levels] == [9, 9, 5, 7]


def test_openings_begin_after_a_few_random_stones():
    env = rlkit.make_batch("go", 300, opponent="self", level="openings")
    obs, _ = env.reset(seed=0)
    counts = obs[:, :2].sum(axis=(1, 2, 3)).astype(int)
    assert set(counts) == set(range(9))
    whites_turn = env.states["player"] == WHITE
    assert (whites_turn == counts % 2).all()  # nothing is taken so early here, so counts tell the turns
    assert (obs[whites_turn][:, 7] == 1).all()


# --- OpenSpiel ------------------------------------------------------------------------------------------------


def check_ply(theirs, action_mask):
    """Compare legal moves: what OpenSpiel has beyond ours must bring back a position and be a draw there."""
    ours, legal = set(np.flatnonzero(action_mask).tolist()), set(theirs.legal_actions())
    assert ours <= legal
    for action in legal - ours:
        child = theirs.child(action)
        assert child.is_terminal()
        assert child.returns() == [0, 0]
    return len(legal - ours)


@pytest.mark.parametrize("board_size", [9, 5])
def test_random_games_agree_with_openspiel(board_size):
    """Row 0 is our top and their bottom; Go does not care."""
    pyspiel = pytest.importorskip("pyspiel")
    game = pyspiel.load_game(f"go(board_size={board_size},komi=7.5)")
    num_games = NUM_GAMES if board_size == 9 else NUM_GAMES // 4
    seen = SimpleNamespace(games=0, plies=0, repeats=0, long_cycles=0, truncated=0)
    num_envs = min(num_games, 50)
    env = rlkit.make_batch("go", num_envs, opponent="self", autoreset_mode="Disabled", board_size=board_size)
    rng = np.random.default_rng(0)
    while seen.games < num_games:
        _, info = env.reset(seed=seen.games)
        theirs = [game.new_initial_state() for _ in range(num_envs)]
        running = np.ones(num_envs, bool)
        while running.any():
            mask = info["action_mask"]
            for i in np.flatnonzero(running):
                seen.repeats += check_ply(theirs[i], mask[i])
            chance = rng.random(mask.shape) * mask
            chance[:, -1] *= rng.random(num_envs) < 0.2  # fewer passes
            actions = np.where(chance.max(axis=1) > 0, chance.argmax(axis=1), mask.shape[1] - 1)
            movers = env.states["player"].copy()
            _, rewards, terminated, truncated, info = env.step(actions)
            for i in np.flatnonzero(running):
                theirs[i].apply_action(int(actions[i]))
                seen.plies += 1
                running[i] = not compare_end(theirs[i], env, i, rewards[i] * movers[i], terminated[i], seen)
            done = terminated | truncated
            if done.any():
                _, reset_info = env.reset(options={"reset_mask": done})
                info = {"action_mask": np.where(done[:, None], reset_info["action_mask"], info["action_mask"])}
        seen.games += num_envs
    print(board_size, seen)
    assert seen.repeats > 0


def compare_end(theirs, env, i, black_reward, terminated, seen):
    """Compare the ends of a game; return whether it is over for one of the two."""
    if not theirs.is_terminal():
        assert not terminated
        return False
    state, returns = env.states[i], theirs.returns()
    lead = SET_UP.score(state.board, env.params[0], np.zeros(rules.NUM_POINTS, np.int8))
    if terminated:
        assert returns[0] == black_reward == np.sign(lead)
    elif returns == [0, 0]:
        seen.long_cycles += 1  # a cycle of more than eight stones
    else:
        seen.truncated += 1  # by their limit of plies, at which they count
        assert len(theirs.history()) == 2 * env.single_observation_space.shape[1] ** 2
        assert returns[0] == np.sign(lead)
    return True
