"""Gomoku: positions drawn by hand, whole games against OpenSpiel, and the threats that its rule sees."""

import os

import numpy as np
import pytest

import rlkit
from envs.board.gomoku import ENVIRONMENT, rules, yardstick
from rlkit.evaluation import run_episodes
from rlkit.viewing.canvas import RED, draw_frame

DRAWING = ENVIRONMENT.drawing


def play(names, **options):
    """Play moves such as "e5 d4", both sides: (env, the last step's (reward, terminated), legal names)."""
    env = rlkit.make(ENVIRONMENT, opponent="self", **options)
    _, info = env.reset(seed=0)
    all_names, results = DRAWING.ACTION_NAMES(env.params), None
    for name in names.split():
        _, reward, terminated, _, info = env.step(all_names.index(name))
        results = (reward, terminated)
    return env, results, {all_names[action] for action in np.flatnonzero(info["action_mask"])}


def play_first(names, size=9):
    """Play the first player's moves, with answers along the rim that never make three in a line."""
    rim = [f"{column}{row}" for row in (1, size) for column in "acegi"]
    return play(" ".join(f"{move} {answer}" for move, answer in zip(names.split(), rim, strict=False))[:-3])


# --- rules by hand ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "b5 c5 d5 e5 f5",  # across
        "e3 e4 e5 e6 e7",  # up
        "b2 c3 d4 e5 f6",  # up and to the right
        "b8 c7 d6 e5 f4",  # down and to the right
        "b5 c5 e5 f5 d5",  # the last stone in the middle
        "f5 e5 c5 d5 b5",
        "b5 c5 d5 f5 g5 e5",  # six win too
    ],
)
def test_five_in_a_line_win(line):
    stones = line.split()
    for count in range(1, len(stones)):
        assert play_first(" ".join(stones[:count]))[1] == (0.0, False)
    env, results, _ = play_first(line)
    assert results == (1.0, True)
    assert env.state.player == rules.SECOND
    points = sorted(DRAWING.ACTION_NAMES(env.params).index(name) for name in stones)
    assert sorted(DRAWING.winning_points(env.state, env.params)) == points


def test_lines_do_not_go_around_the_rim():
    assert play_first("f5 g5 h5 i5 a4")[1] == (0.0, False)
    assert play_first("f5 g5 h5 i5 a5")[1] == (0.0, False)
    assert play_first("g6 h5 i4 a4 b3")[1] == (0.0, False)


def test_the_second_player_wins_too():
    assert play("a1 e5 c1 e6 g1 e7 i1 e8 a9 e9")[1] == (1.0, True)


def test_the_others_stones_do_not_count():
    assert play("b5 d5 c5 a1 e5 c1 f5 e1 g5 g1")[1] == (0.0, False)  # x x o x x x
    assert play("b5 d5 c5 a1 e5 c1 f5 e1 g5 g1 h5")[1] == (0.0, False)
    assert play("b5 d5 c5 a1 e5 c1 f5 e1 g5 g1 h5 a9 i5")[1] == (1.0, True)


def test_row_length_is_a_param():
    assert play("a1 a4 b1 b4 c1", board_size=4, row_length=3)[1] == (1.0, True)
    assert play("a1 a4 b1 b4 c1", board_size=4, row_length=4)[1] == (0.0, False)


def test_a_full_board_is_a_draw():
    moves = "a1 b1 c1 b2 a2 a3 b3 c3"  # x o x / x o . / o x o: c2 makes no line
    env, results, legal = play(moves, board_size=3, row_length=3)
    assert results == (0.0, False)
    assert legal == {"c2"}
    assert env.step(DRAWING.ACTION_NAMES(env.params).index("c2"))[1:3] == (0.0, True)


def test_the_last_stone_of_a_full_board_may_win():
    moves = "a1 b1 c1 a2 b2 c2 b3 a3 c3"  # x o x / o x o / o x x: a1, b2, c3
    assert play(moves, board_size=3, row_length=3)[1] == (1.0, True)


def test_what_the_mover_sees():
    env, _, legal = play("a9 b8", board_size=9)  # the top left corner, and the point below and right of it
    own, other = np.zeros((9, 9)), np.zeros((9, 9))
    own[0, 0] = other[1, 1] = 1
    assert legal == {*DRAWING.ACTION_NAMES(env.params)} - {"a9", "b8"}
    obs = env.step(80)[0]
    own[8, 8] = 1
    assert (obs == [other, own]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"board_size": 2}, r"^board_size=2 is no board of Gomoku here: choose 3 to 15$"),
        ({"board_size": 16}, r"^board_size=16 "),
        ({"row_length": 10}, r"^row_length=10 must be between 3 and the board's size, 9$"),
        ({"row_length": 2}, r"^row_length=2 "),
    ],
)
def test_wrong_params_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        rlkit.make(ENVIRONMENT, **options)


def test_openings_are_random_and_the_game_goes_on():
    env = rlkit.make_batch(ENVIRONMENT, 300, board_size=3, row_length=3, max_random_plies=30, opponent="self")
    obs, info = env.reset(seed=1)
    counts = env.states["num_stones"]
    assert {*range(9)} == {*counts.tolist()}  # never all nine
    assert (env.states["player"] == np.where(counts % 2 == 0, 1, -1)).all()
    assert (obs.sum(axis=(1, 2, 3)) == counts).all()
    assert (info["action_mask"].sum(axis=1) == 9 - counts).all()
    lines = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]])
    assert (obs.reshape(300, 2, 9)[:, :, lines].sum(axis=3) < 3).all()


# --- whole games ------------------------------------------------------------------------------------------------


def test_games_are_those_of_openspiel():
    pyspiel = pytest.importorskip("pyspiel")
    num_games = int(os.environ.get("RLKIT_GAMES", "300"))
    for board_size, row_length in ((3, 3), (6, 4), (9, 5), (15, 5)):
        theirs = pyspiel.load_game("mnk", {"m": board_size, "n": board_size, "k": row_length})
        ours = rlkit.make(ENVIRONMENT, opponent="self", board_size=board_size, row_length=row_length)
        compare(theirs, ours, num_games // 4)


def compare(game, env, num_games):
    """Play random games in both and compare legal moves, the side to move and the result."""
    rng = np.random.default_rng(1)
    for number in range(num_games):
        theirs, terminated = game.new_initial_state(), False
        _, info = env.reset(seed=number)
        while not terminated:
            legal = np.flatnonzero(info["action_mask"])
            assert legal.tolist() == theirs.legal_actions()
            player = int(env.state.player)
            assert player == (1, -1)[theirs.current_player()]
            action = int(rng.choice(legal))
            theirs.apply_action(action)
            _, reward, terminated, _, info = env.step(action)
            assert terminated == theirs.is_terminal()
        assert theirs.returns() == [reward * player, -reward * player]


# --- the yardstick ----------------------------------------------------------------------------------------------


def obs_of(*lines):
    """Return the observation [2, n, n] in which the mover x looks at lines like "x . o", the top first."""
    cells = np.array([line.split() for line in lines])
    return np.stack([cells == "x", cells == "o"]).astype(np.float32)


def answer(name, *lines):
    """Return the name of the point that a policy of the yardstick plays as x."""
    params = ENVIRONMENT.params(board_size=len(lines))[0]
    action = ENVIRONMENT.yardstick.policies[name](params).act(obs_of(*lines))
    return DRAWING.ACTION_NAMES(params)[action]


def ranks_in(line, row_length=5):
    """Return the ranks for x along a line like "x . o" in the middle of an empty board."""
    cells = line.split()
    size = len(cells)
    board = [". " * size] * (size // 2) + [line] + [". " * size] * (size - size // 2 - 1)
    obs = obs_of(*board)[None]
    ranks, _ = yardstick.threats(obs[:, 0], obs[:, 1], row_length)
    return ranks.reshape(size, size)[size // 2].tolist()


def test_threats_along_a_line():
    five, forcing = yardstick.FIVE, yardstick.FORCING
    assert ranks_in(". x x x x . . . .") == [five, 0, 0, 0, 0, five, 0, 0, 0]
    assert ranks_in("o x x x x . . . .") == [0, 0, 0, 0, 0, five, 0, 0, 0]
    assert ranks_in(". x x . x x . . .")[3] == five
    assert ranks_in(". . x x x . . . .")[1] == forcing  # an open four
    assert ranks_in("o . x x x . . . .")[1] == 0  # only a four: the point behind it is taken
    assert ranks_in(". . x . x x . . .")[3] == forcing
    assert ranks_in(". . . x x . . . .") == [0] * 9  # an open three alone forces nothing yet
    assert ranks_in(". o x x x . o . .") == [0] * 9  # no room for five


def test_threats_in_two_lines():
    lines = [
        ". . . . . . . . .",
        ". . . . x . . . .",
        ". . . . x . . . .",
        ". . x x . . . . .",  # e6 makes two open threes
        ". . . . . . . . .",
        ". . . . . . . . .",
        ". . . . . . . . .",
        ". . . . . . . . .",
        ". . . . . . . . .",
    ]
    obs = obs_of(*lines)[None]
    ranks, _ = yardstick.threats(obs[:, 0], obs[:, 1], 5)
    assert ranks.reshape(9, 9)[3, 4] == yardstick.THREES
    lines[3] = "o x x x . . . . ."  # … a four and an open three
    obs = obs_of(*lines)[None]
    ranks, _ = yardstick.threats(obs[:, 0], obs[:, 1], 5)
    assert ranks.reshape(9, 9)[3, 4] == yardstick.FORCING
    assert (ranks >= yardstick.FORCING).sum() == 1


EMPTY_ROW = ". . . . . . . . ."


def test_the_rule_keeps_the_order_of_threats():
    def played(*lines):
        return answer("threats", *lines, *[EMPTY_ROW] * (9 - len(lines)))

    assert played("x x x x . . . . .", "o o o o . . . . .") == "e9"  # win before stopping the other's five
    assert played("o o o o . . . . .", ". . . x x x . . .") == "e9"  # stop the five before an open four
    assert played(EMPTY_ROW, ". . o o o . . . .", EMPTY_ROW, ". x x x . . . . .") in ("a6", "e6")  # own open four
    assert played(EMPTY_ROW, ". . o o o . . . .", EMPTY_ROW, ". x x . . . . . .") in ("b8", "f8")  # stop theirs


def test_the_first_stone_lies_in_the_centre():
    for size, expected in ((9, "e5"), (15, "h8")):
        for name in ("threats", "shape"):
            assert answer(name, *[". " * size] * size) == expected


def test_the_references_are_of_graded_strength():
    options = {"max_random_plies": 8}
    params = ENVIRONMENT.params(**options)[0]
    strong, weak = (ENVIRONMENT.yardstick.policies[name](params) for name in ("threats", "shape"))
    returns = {
        name: run_episodes(ENVIRONMENT, strong, 60, 1, opponent=opponent, **options).returns
        for name, opponent in (("shape", weak), ("random", "random"))
    }
    assert (returns["random"] == 1).all()
    assert returns["shape"].mean() > 0.3


# --- the picture ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("board_size", [5, 9, 15])
def test_a_mark_lies_where_a_click_plays(board_size):
    env, _, _ = play("", board_size=board_size)
    for action in range(env.action_space.n):
        x, y = DRAWING.action_point(env.state, env.params, action)
        assert DRAWING.action_from_click(env.state, env.params, x, y) == action
        assert 0 < x < DRAWING.SIZE[0]
        assert 0 < y < DRAWING.SIZE[1]
    for x, y in ((5, 300), (300, 635), (-40, 300), (900, 300)):
        assert DRAWING.action_from_click(env.state, env.params, x, y) is None


def test_points_and_stars_have_the_names_that_people_use():
    env, _, _ = play("", board_size=15)
    names = DRAWING.ACTION_NAMES(env.params)
    assert (names[0], names[-1], names[112]) == ("a15", "o1", "h8")
    assert {names[point] for point in DRAWING.star_points(15)} == {"d4", "d12", "h8", "l4", "l12"}
    assert len(DRAWING.star_points(9)) == 5
    assert DRAWING.star_points(8) == []


def test_only_the_end_of_a_game_shows_a_line():
    env, _, _ = play_first("b5 c5 d5 e5")
    assert DRAWING.winning_points(env.state, env.params) == []
    before = (draw_frame(ENVIRONMENT, env.state, env.params) == RED).all(axis=2).sum()
    env, _, _ = play_first("b5 c5 d5 e5 f5")
    after = (draw_frame(ENVIRONMENT, env.state, env.params) == RED).all(axis=2).sum()
    assert 0 < before < 200 < 2000 < after
