"""The session behind the viewer: watching and playing without a window."""

import types

import numpy as np
import pytest
from viewing_helpers import ALL, Chooser, session_of, states_along

from rlkit.engine.scalar import ScalarEnv
from rlkit.engine.state import states_equal
from rlkit.registry import find_environment
from rlkit.viewing.session import HUMAN


@pytest.mark.parametrize("name", ALL)
def test_the_seed_decides_everything(name):
    one, two, other = session_of(name, seed=7), session_of(name, seed=7), session_of(name, seed=8)
    along = states_along(one, 12)
    assert all(states_equal(a, b) for a, b in zip(along, states_along(two, 12), strict=True))
    assert not all(states_equal(a, b) for a, b in zip(along, states_along(other, 12), strict=True))
    one.next_copy()
    fresh = states_along(session_of(name, seed=8), 12)
    assert all(states_equal(a, b) for a, b in zip(fresh, states_along(one, 12), strict=True))


@pytest.mark.parametrize("name", ALL)
def test_rewinding_and_stepping_again_repeats(name):
    session = session_of(name, seed=2)
    along = states_along(session, 6)
    for expected in reversed(along):
        session.rewind()
        assert states_equal(session.env.snapshot().states, expected)
    assert session.paused
    assert session.moment.num_steps == 0
    session.rewind()  # nothing earlier
    assert session.moment.num_steps == 0
    assert all(states_equal(a, b) for a, b in zip(along, states_along(session, 6), strict=True))


def test_the_end_of_an_episode_can_be_rewound():
    session = session_of("cartpole", Chooser([1, 0]))
    while session.step():
        pass
    end = session.moment
    assert end.terminated
    assert not end.truncated
    assert end.episode_return == end.num_steps
    session.rewind()
    assert not session.moment.is_over
    assert session.step()
    assert session.moment.num_steps == end.num_steps
    assert states_equal(session.moment.snapshot.states, end.snapshot.states)


def test_restart_repeats_the_episode_and_the_next_one_goes_on():
    session = session_of("cartpole", Chooser([1, 0]))
    first = states_along(session, 5)
    session.restart()
    assert session.episode == 0
    assert all(states_equal(a, b) for a, b in zip(first, states_along(session, 5), strict=True))
    while session.step():
        pass
    session.pause()  # at the end: on to the next
    assert (session.episode, session.moment.num_steps, session.paused) == (1, 0, False)
    env = ScalarEnv(find_environment("cartpole"))
    env.reset(seed=0)
    while not env.step(0)[2]:
        pass
    assert (env.reset()[0] == session.moment.obs).all()


@pytest.mark.parametrize(("speed", "steps"), [(1, 50), (2, 100), (0.5, 25), (8, 400), (64, 500)])
def test_time_passes_at_the_chosen_speed(speed, steps):
    balance = types.SimpleNamespace(act=lambda obs, mask, deterministic: (obs[:, 2] + obs[:, 3] > 0) * 1)
    session = session_of("cartpole", balance, speed=speed)
    for _ in range(50):
        session.tick(0.02)
    assert session.moment.num_steps == steps
    assert session.moment.is_over == (steps == 500)


def test_time_stands_still_while_paused():
    session = session_of("cartpole")
    session.press("space")
    session.tick(1)
    assert session.moment.num_steps == 0
    session.press("space")
    session.tick(0.02)
    assert session.moment.num_steps == 1


def test_speed_keys_and_bounds():
    session = session_of("cartpole")
    session.press("+")
    assert session.speed == 2
    for _ in range(20):
        session.press("-")
    assert session.speed == 0.125
    with pytest.raises(ValueError, match="speed=1000 must be between"):
        session_of("cartpole", speed=1000)


def test_holding_an_arrow_winds_on():
    session = session_of("cartpole", seed=1)
    session.press("right")
    assert session.moment.num_steps == 1
    for _ in range(5):
        session.tick(0.1)
    assert session.moment.num_steps == 2  # only beyond 0.4 s
    session.tick(0.1)
    assert session.moment.num_steps == 3
    session.release("right")
    session.tick(0.1)
    assert session.moment.num_steps == 3
    session.press("left")
    session.release_all()
    session.tick(1)
    assert session.moment.num_steps == 2


def test_after_the_end_the_next_episode_comes_or_the_session_closes():
    session = session_of("cartpole", Chooser([1, 0]), episodes=2)
    for _ in range(2):
        assert not session.closed
        while session.step():
            pass
        session.tick(1)
        assert session.moment.is_over  # it stays on show for a while
        session.tick(1)
    assert session.closed
    assert session.episode == 1


def test_history_is_bounded(monkeypatch):
    monkeypatch.setattr("rlkit.viewing.session._HISTORY_BYTES", 1)
    session = session_of("pendulum")
    for _ in range(150):
        session.step()
    assert len(session.history) == 100
    for _ in range(200):
        session.rewind()
    assert session.moment.num_steps == 51
    session.restart()
    assert session.moment.num_steps == 0


def test_drawing_from_probabilities_repeats_with_the_seed():
    def actions(seed, deterministic):
        session = session_of("connect_four", *[Chooser(range(1, 8))] * 2, seed=seed, deterministic=deterministic)
        while session.step():
            pass
        return [moment.action for moment in session.history][1:]

    assert actions(1, False) == actions(1, False)
    assert actions(1, False) != actions(2, False)
    assert actions(1, True) == actions(2, True)
    assert actions(1, True)[:6] == [6] * 6


def test_returns_of_games_are_the_first_players():
    session = session_of("connect_four", Chooser([1, 0, 0, 0, 0, 0, 1e-9]), Chooser([0, 1, 0, 0, 0, 0, 1e-9]))
    while session.step():
        pass
    assert session.moment.player == -1  # the first player moved last
    assert (session.moment.reward, session.moment.episode_return) == (1, 1)
    session = session_of("connect_four", Chooser([1, 1e-9, 1e-6, 0, 0, 0, 1e-7]), Chooser([0, 0, 0, 0, 1, 1e-9, 0]))
    for key in "1526":  # not four of the first player
        session.step(int(key) - 1)
    while session.step():
        pass
    assert (session.moment.reward, session.moment.episode_return) in ((1, 1), (1, -1))


def test_a_person_plays_by_keys_and_clicks_and_the_reply_takes_its_time():
    session = session_of("tic_tac_toe", HUMAN, Chooser(range(1, 10)))
    session.tick(10.4)
    assert session.moment.num_steps == 0  # waits
    session.press("right")  # no step for the person
    assert session.moment.num_steps == 0
    session.press("5")
    assert session.moment.action == 4
    session.tick(0.2)
    assert session.moment.num_steps == 1
    session.press("1")  # not the person's move
    assert session.moment.num_steps == 1
    session.tick(0.4)
    assert (session.moment.num_steps, session.moment.action) == (2, 8)
    session.press("5")  # taken
    session.click(10, 10)  # beside the board
    assert session.moment.num_steps == 2
    session.click(100, 100)
    assert session.moment.action == 0


@pytest.mark.parametrize("player", [1, -1])
def test_undo_goes_back_to_the_persons_move(player):
    seats = [HUMAN, Chooser(range(1, 10))][::player]
    session = session_of("tic_tac_toe", *seats)
    session.tick(0.5)
    seen = []
    for key in "14":
        seen.append(session.env.snapshot().states)
        assert session.awaits_person
        session.press(key)
        session.tick(0.5)
    for expected in reversed(seen):
        session.press("backspace")
        assert states_equal(session.env.snapshot().states, expected)
        assert session.awaits_person
        assert not session.paused
    session.press("left")
    session.tick(0.5)  # the other side opens again
    assert states_equal(session.env.snapshot().states, seen[0])


def test_after_a_game_a_click_begins_the_next():
    session = session_of("tic_tac_toe", HUMAN, HUMAN)
    for key in "14253":
        session.press(key)
    assert session.moment.is_over
    session.tick(60)
    assert session.moment.is_over  # a person may look as long as they like
    session.click(100, 100)
    assert (session.episode, session.moment.num_steps) == (1, 0)


def test_against_the_clock_time_waits_for_the_first_key():
    session = session_of("cartpole", HUMAN)
    session.tick(1)
    assert session.moment.num_steps == 0
    session.press("right")
    for _ in range(3):
        session.tick(0.02)
    assert [moment.action for moment in session.history][1:] == [1, 1, 1]
    session.press("left")  # the latest of two
    session.tick(0.02)
    assert session.moment.action == 0
    session.release("left")
    session.release("right")
    session.tick(0.02)
    session.tick(0.02)
    assert [moment.action for moment in session.history][-2:] == [0, 1]  # idle: in turn
    session.press("backspace")
    session.release("backspace")
    assert session.paused
    session.tick(1)
    assert session.moment.num_steps == 5
    session.press("left")
    session.tick(0.02)
    assert (session.moment.num_steps, session.moment.action) == (6, 0)


def test_continuous_keys_add_up_and_a_short_tap_counts():
    session = session_of("pendulum", HUMAN)
    session.press("left")
    session.tick(0.05)
    assert session.moment.action == pytest.approx(2)
    session.press("right")
    session.tick(0.05)
    assert session.moment.action == pytest.approx(0)
    session.release("left")
    session.release("right")
    session.tick(0.05)
    assert session.moment.action == pytest.approx(0)
    session.press("right")
    session.release("right")  # before any step
    session.tick(0.05)
    assert session.moment.action == pytest.approx(-2)
    session.tick(0.05)
    assert session.moment.action == pytest.approx(0)
    assert session.moment.action.dtype == np.float32
