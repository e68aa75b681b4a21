"""Go's rule that agents are graded against, and its drawing."""

import numpy as np
import pytest
from go_positions import BLACK, KO, TAKEN, WHITE, Game

import rlkit
from envs.board.go import ENVIRONMENT, drawing, yardstick
from rlkit.evaluation import run_episodes
from rlkit.viewing import panel
from rlkit.viewing.session import HUMAN, Session

# --- the rule -------------------------------------------------------------------------------------------------


def rule_plays(*rows, player=BLACK, after=(), **params):
    """Return the rule's choice in a drawn position: a letter, a cell or "pass"."""
    game = Game(*rows, player=player, **params)
    for point in after:
        game.play(point)
    action = int(yardstick.rule(game.env.params).act(game.obs, game.mask))
    return {cell: name for name, cell in game.cells.items()}.get(action, action)


ATARI = (". . . . .", ". X X . .", "X O O a .", ". X X . .", ". . . . .")


def test_the_rule_takes_what_is_in_atari_and_runs_when_it_is_its_own():
    assert rule_plays(*ATARI, player=BLACK) == "a"
    assert rule_plays(*ATARI, player=WHITE) == "a"


def test_the_rule_saves_a_chain_by_taking_another():
    # Black's c would take the two in the corner; White itself may not play there, but can take at a.
    rows = ("O O X a .", "c X O . .", "X X O . .", ". X O O .", ". . . . .")
    assert not Game(*rows, player=WHITE).allows("c")
    assert rule_plays(*rows, player=WHITE) == "a"


def test_the_rule_keeps_its_eyes_and_passes():
    assert rule_plays("a X b", "X X X", "c X .", komi=0.5) == "pass"


def test_the_rule_answers_a_pass_that_leaves_it_ahead():
    rows = (". X . . .", "X X X . .", ". . . . .", ". . . . .", ". . . . O")  # Black 5, White 1
    assert rule_plays(*rows, player=WHITE, after=["pass"], komi=3.5) == "pass"
    assert rule_plays(*rows, player=WHITE, after=["pass"], komi=4.5) != "pass"


def test_the_rule_does_not_retake_a_ko():
    assert rule_plays(*KO, after=["a"], komi=0.5) != TAKEN


def test_the_rule_beats_random_play_from_both_sides():
    rule = yardstick.rule(ENVIRONMENT.params()[0])
    returns = run_episodes(ENVIRONMENT, rule, 30, seed=0, opponent="random", level="openings").returns
    assert (returns == 1).mean() > 0.9


def test_the_yardstick_explains_positions():
    assert yardstick.explain("") == {"player": "black", "rule": "E5", "area_lead": -7.5}
    assert yardstick.explain("e5 pass") == {"player": "black", "rule": "pass", "area_lead": 81 - 7.5}
    assert yardstick.explain("E5 PASS pass")["rule"] is None


@pytest.mark.parametrize(
    ("moves", "sentence"),
    [
        ("E5 I3", "move 2 is 'I3'; moves are points such as E5, or pass, with spaces between"),
        ("E5 E5", "move 2 (E5) is not legal there: choose an empty point, no suicide and no ko"),
        ("pass pass E5", "move 3 (E5) comes after the game's end: drop it and what follows"),
    ],
)
def test_wrong_moves_are_named(moves, sentence):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        yardstick.explain(moves)
    assert str(error.value) == sentence


# --- drawing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("board_size", [2, 7, 9])
def test_clicks_and_marks_are_at_the_same_places(board_size):
    env = rlkit.make("go", opponent="self", board_size=board_size)
    env.reset(seed=0)
    point, click = (
        lambda action: drawing.action_point(env.state, env.params, action),
        lambda x, y: drawing.action_from_click(env.state, env.params, x, y),
    )
    for action in range(board_size**2):
        assert click(*point(action)) == action
    assert point(board_size**2) is None
    assert drawing.KEYS["p"](env.state, env.params) == board_size**2
    assert click(*np.array(drawing.SIZE) - 40) == board_size**2  # the button
    assert click(2, 2) is None


def test_actions_are_called_as_in_go():
    names = drawing.ACTION_NAMES(ENVIRONMENT.params()[0])
    assert [names[cell] for cell in (0, 8, 40, 72, 80, 81)] == ["A9", "J9", "E5", "A1", "J1", "pass"]
    assert drawing.ACTION_NAMES(ENVIRONMENT.params(board_size=5)[0])[20:] == ("A1", "B1", "C1", "D1", "E1", "pass")


def test_the_square_marks_every_ko_and_only_those():
    assert drawing.ko_point(Game(*KO).env.state, 5) is None
    game = Game(*KO)
    game.play("a")
    assert drawing.ko_point(game.env.state, 5) == TAKEN
    game.play("pass")  # Black could now fill it
    assert drawing.ko_point(game.env.state, 5) is None
    game = Game("X O a O X", "X O b O X", ". X X X .", ". . . . .", ". . . . .")
    game.play("a", "b", "a")  # a snapback
    assert drawing.ko_point(game.env.state, 5) is None


def test_the_end_shows_the_areas():
    game = Game(". X . O", ". X . O", ". X . O", ". X . O", komi=3.5)
    game.play("pass", "pass")
    assert drawing.areas(game.env.state, game.env.params) == (8, 4)


@pytest.mark.parametrize("level", ["standard", "5x5"])
def test_p_passes_on_boards_of_every_size(level):
    env = rlkit.make("go", opponent="self", level=level)
    session = Session(ENVIRONMENT, env, {1: HUMAN, -1: HUMAN})
    session.press("p")
    assert env.state.passes == 1
    assert panel._action_name(session, session.moment.action) == "pass"
