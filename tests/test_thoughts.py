"""What searches and engines in a seat think: when they are asked, and how it is shown."""

import types

import numpy as np
import pytest
from viewing_helpers import Chooser, Engine, Searcher, SpyCanvas, session_of, words_of

from rlkit.engine.state import states_equal
from rlkit.registry import find_environment
from rlkit.viewing import overlay, panel
from rlkit.viewing.canvas import picture_size
from rlkit.viewing.session import HUMAN

COLUMNS = [2, 6, 14, 60, 9, 6, 3]  # weights of a search that likes the middle


def marks_of(session):
    """Text → (x, y) of the marks on the board."""
    canvas = SpyCanvas(picture_size(session.environment))
    overlay.draw_marks(session, canvas)
    middles = [(text, ((left + right) / 2, (top + bottom) / 2)) for text, left, top, right, bottom in canvas.boxes]
    return [(text, pytest.approx(middle, abs=1)) for text, middle in middles]


def drawing_of(name):
    return find_environment(name).drawing


# When they are asked ----------------------------------------------------------------------------------------


def test_a_search_thinks_once_a_move_and_after_the_persons_move_was_on_show():
    searcher = Searcher(range(1, 10))
    session = session_of("tic_tac_toe", HUMAN, searcher)
    session.press("5")
    assert session.moment.num_steps == 1
    assert session.moment.thought is None  # the viewer draws now
    assert session.is_thinking
    assert "thinking …" in words_of(session)
    look = panel.look(session)
    session.tick(0.03)
    assert searcher.asked == [[4]]
    assert panel.look(session) != look
    assert (session.is_thinking, session.moment.num_steps) == (False, 1)
    assert "playing" in words_of(session)
    for _ in range(16):
        session.tick(0.03)
    assert (session.moment.num_steps, session.moment.action) == (2, 8)  # the first of its line
    session.tick(1)
    assert len(searcher.asked) == 1  # it is not asked of the person's moves


def test_a_search_is_not_asked_again_on_the_way_back_and_forth():
    searcher = Searcher(COLUMNS)
    session = session_of("connect_four", searcher, searcher)
    for _ in range(3):
        session.press("right")
        session.tick(0.1)
    assert searcher.asked == [[], [3], [3, 3], [3, 3, 3]]
    session.press("left")
    session.tick(0.1)
    session.press("left")
    session.tick(0.1)
    assert session.moment.num_steps == 1
    assert len(searcher.asked) == 4
    session.press("right")
    session.tick(0.1)
    assert searcher.asked[4:] == [[3, 3]]


def test_watching_fast_a_search_thinks_once_a_frame():
    searcher = Searcher(COLUMNS)
    session = session_of("connect_four", searcher, searcher, speed=64)
    for step in range(1, 5):
        session.tick(1 / 30)
        assert session.moment.num_steps == step
    quick = session_of("connect_four", Chooser(COLUMNS), Chooser(COLUMNS), speed=64)
    quick.tick(1 / 30)
    assert quick.moment.num_steps == 4


@pytest.mark.parametrize("opponent", [Searcher([9, 8, 7, 6, 5, 4, 3, 2, 1]), Engine()])
@pytest.mark.parametrize("player", [1, -1])
def test_undo_against_who_plans(opponent, player):
    session = session_of("tic_tac_toe", *[HUMAN, opponent][::player])
    wait = lambda: [session.tick(0.1) for _ in range(8)]  # noqa: E731
    wait()
    first = session.env.snapshot().states
    session.press("5")
    wait()
    game = [moment.action for moment in session.history]
    session.press("backspace")
    session.release("backspace")
    assert states_equal(session.env.snapshot().states, first)
    session.press("5")
    wait()
    assert [moment.action for moment in session.history] == game
    assert session.moment.num_steps == (2 if player == 1 else 3)


def test_an_engine_is_told_the_moves_and_thinks_until_it_replies():
    session = session_of("tic_tac_toe", HUMAN, Engine())
    session.press("7")
    session.tick(0.2)
    assert session.is_thinking
    session.tick(0.4)
    assert session.moment.action == 7  # the cell after the person's
    assert not session.is_thinking


def test_moves_that_were_forgotten_are_not_made_up():
    searcher = Searcher(COLUMNS)
    session = session_of("connect_four", searcher, searcher)
    session.step()
    session.history.popleft()
    session.step()
    session.think()
    assert searcher.asked == [[], None, None]


def test_drawn_from_probabilities_a_search_thinks_once_too():
    searcher = Searcher(COLUMNS)  # its probabilities are even
    session = session_of("connect_four", searcher, searcher, deterministic=False)
    for _ in range(6):
        session.step()
    assert len(searcher.asked) == 6
    assert len({moment.action for moment in session.history}) > 2


# Hints, strength and seats ----------------------------------------------------------------------------------


def test_hints_are_the_opponents_view_of_the_persons_position():
    searcher = Searcher(COLUMNS, value=0.5)
    session = session_of("connect_four", HUMAN, searcher)
    session.tick(1)
    assert not marks_of(session)
    assert not searcher.asked
    session.press("h")
    assert "thinking …" in words_of(session)
    session.tick(0.01)
    words = words_of(session)
    assert {"your move", "hint, 64 simulations", "+0.50", "60 %", "no hints"} <= set(words)
    centre = drawing_of("connect_four").action_point(session.env.state, session.env.params, 3)
    assert ("60%", centre) in marks_of(session)
    for _ in range(2):
        session.press("h")
        session.tick(0.01)
    assert searcher.asked == [[]]
    session.press("h")
    assert not marks_of(session)
    assert "hint, 64 simulations" not in words_of(session)
    session.press("1")
    session.tick(0.01)
    assert marks_of(session)  # its own moves are no secret


@pytest.mark.parametrize("opponent", [None, HUMAN, Engine()])
def test_who_says_nothing_gives_no_hints(opponent):
    session = session_of("tic_tac_toe", HUMAN, opponent)
    session.press("h")
    assert not session.hints
    assert not {"hints", "no hints"} & set(words_of(session))
    session.press("]")
    assert session.seats == {1: HUMAN, -1: opponent}
    assert not {"strength", "["} & set(words_of(session))


def test_keys_change_the_strength_of_a_search():
    session = session_of("connect_four", HUMAN, Searcher(COLUMNS, num_simulations=48))
    assert {"strength", "48", "[", "]"} <= set(words_of(session))
    for _ in range(2):
        session.press("]")
    assert "192" in words_of(session)
    assert panel.seat_label(session, -1) == "searcher"
    session.press("4")
    session.tick(0.01)
    session.press("[")
    session.tick(0.01)
    assert session.moment.thought["num_simulations"] == 96  # it thought again
    for _ in range(9):
        session.press("[")
    assert session.strength == 1
    for _ in range(20):
        session.press("]")
    assert session.strength == 65_536


def test_swapped_seats_begin_the_same_game_again():
    session = session_of("connect_four", HUMAN, Searcher(COLUMNS), seed=5)
    start = session.env.snapshot().states
    session.press("4")
    session.tick(1)
    session.press("s")
    assert session.moment.num_steps == 0
    assert states_equal(session.env.snapshot().states, start)
    assert [panel.seat_label(session, player) for player in (1, -1)] == ["searcher", "you"]
    for _ in range(6):
        session.tick(0.1)
    assert session.moment.action == 3
    assert session.awaits_person
    alone = session_of("cartpole")
    alone.step()
    alone.press("s")
    assert alone.moment.num_steps == 1


def test_alone_and_against_no_clock_there_is_nobody_to_swap_with(monkeypatch):
    monkeypatch.delattr(drawing_of("cartpole"), "IDLE_ACTION")
    session = session_of("cartpole", HUMAN)
    words = words_of(session)
    assert {"undo", "next copy"} <= set(words)
    assert not {"swap seats", "hints", "strength"} & set(words)


# How it is shown --------------------------------------------------------------------------------------------


def test_the_panel_of_a_search():
    session = session_of("connect_four", Searcher(COLUMNS, 600, value=0.3), Searcher(COLUMNS, 600, value=-0.2))
    session.think()
    words = words_of(session)
    assert {"search, 600 simulations", "+0.30", "60 %", "column 4", "best line", "4 3 5"} <= set(words)
    assert "strength" not in words
    session.step()
    session.think()
    assert "value for yellow" in words_of(session)


def test_the_panel_keeps_its_order_with_many_actions():
    session = session_of("tic_tac_toe", Searcher(range(1, 10)), Searcher(range(1, 10)))
    visits = np.arange(82.0) / np.arange(82.0).sum()
    line = list(range(81, 60, -1))
    thought = {"visits": visits, "value": 1.0, "line": line, "num_simulations": 65_536}
    session.seats[1].inspect_in = lambda situation: thought
    session.think()
    words = words_of(session)  # nothing lies over another
    assert {"81", "70", "search, 65536 simulations", "best line"} <= set(words)
    assert "69" not in words


def test_the_bar_of_chances_is_seen_from_the_first_player():
    def boundary(value, steps):
        session = session_of("connect_four", *[Searcher(COLUMNS, value=value)] * 2)
        for _ in range(steps):
            session.step()
        session.think()
        canvas = SpyCanvas(panel.window_size(session.environment))
        panel.draw_window(session, canvas)
        row = canvas.to_array()[256, -panel.WIDTH :].astype(int)  # red minus green: little in yellow, much in red
        return (row[:, 0] - row[:, 1] > 80).sum()

    assert boundary(1.0, 0) == 0
    assert boundary(0.0, 0) == pytest.approx(132, abs=3)
    assert boundary(0.5, 1) == pytest.approx(3 * boundary(0.5, 0), abs=4)


def test_marks_lie_where_the_disc_would_fall():
    session = session_of("connect_four", Searcher(COLUMNS), Searcher([1, 1, 1, 0, 0, 0.02, 1]))
    for column in (3, 3, 3):
        session.step(column)
    session.think()
    x = [66 + 78 * column for column in range(7)]
    bottom = 453
    assert marks_of(session) == [("25%", (x[column], bottom)) for column in (0, 1, 2, 6)]  # under 1 %: no mark
    for column in (3, 3, 3, 0):
        session.step(column)
    session.think()
    marks = dict(marks_of(session))
    point = drawing_of("connect_four").action_point
    assert point(session.env.state, session.env.params, 3) is None  # the column is full
    assert marks["25%"] is not None
    assert ("25%", (x[0], bottom - 78)) in marks_of(session)


@pytest.mark.parametrize("name", ["connect_four", "tic_tac_toe"])
def test_a_click_on_a_mark_plays_its_action(name):
    session = session_of(name, HUMAN, HUMAN)
    drawing, state, params = drawing_of(name), session.env.state, session.env.params
    for action in range(session.env.action_space.n):
        x, y = drawing.action_point(state, params, action)
        assert drawing.action_from_click(state, params, x, y) == action


def test_marks_keep_apart_and_are_at_most_a_dozen():
    rows = 19
    drawing = types.SimpleNamespace(
        action_point=lambda state, params, action: (
            (20 * (action % rows), 20 * (action // rows)) if action < 361 else None
        )
    )
    session = types.SimpleNamespace(
        environment=types.SimpleNamespace(drawing=drawing),
        env=types.SimpleNamespace(state=None, params=None),
        moment=types.SimpleNamespace(thought={"probabilities": np.full(362, 0.011)}),
        speaker=Chooser([1]),
    )
    canvas = SpyCanvas((400, 400))
    overlay.draw_marks(session, canvas)
    assert len(canvas.boxes) == 12
    assert all(right - left < 20 and bottom - top < 20 for _, left, top, right, bottom in canvas.boxes)
    session.environment.drawing = None
    overlay.draw_marks(session, canvas)
    assert len(canvas.boxes) == 12
