"""The viewer: what its panel says, and the window itself under SDL's dummy driver."""

import os
import subprocess
import sys
import types

import numpy as np
import pygame
import pytest
from viewing_helpers import Chooser, Searcher, SpyCanvas, Torque, read_gif, read_mp4, session_of, share_of, words_of

from rlkit.registry import find_environment
from rlkit.viewing import panel, viewer
from rlkit.viewing.canvas import BLUE, FIRST, Canvas
from rlkit.viewing.session import HUMAN


def test_panel_of_a_policy():
    session = session_of("cartpole", Chooser([3, 1], value=12.5), seed=41)
    session.next_copy()
    for _ in range(3):
        session.step()
    words = words_of(session)
    for expected in (
        "CartPole-v0",
        "played by chooser",
        "playing",
        "3",
        "42",
        "push left",
        "75 %",
        "25 %",
        "+12.50",
    ):
        assert expected in words
    session.press("space")
    assert "paused" in words_of(session)


def test_panel_of_a_continuous_policy():
    session = session_of("pendulum", Torque())
    session.step()
    words = words_of(session)
    for expected in ("played by Torque", "torque", "+1.50", "−3.50"):
        assert expected in words


def test_panel_at_the_end():
    session = session_of("pendulum")
    while session.step():
        pass
    words = words_of(session)
    assert {"over", "truncated", "200"} <= set(words)
    session = session_of("cartpole", Chooser([1, 0]))
    while session.step():
        pass
    assert {"over", "terminated", f"return {session.moment.num_steps}"} <= set(words_of(session))


def test_panel_shows_metrics_of_the_episode():
    session = session_of("cartpole", Chooser([1, 0]))
    while session.step():
        pass
    end = session.history.pop()
    facts = {name: getattr(end, name) for name in end.__dataclass_fields__}
    session.history.append(type(end)(**(facts | {"metrics": {"mean_speed": 1.25, "is_success": 0.0}})))
    assert {"mean speed", "1.25", "is success", "0"} <= set(words_of(session))


@pytest.mark.parametrize(("moves", "result"), [("14253", "you win"), ("142596", "you lose"), ("132465789", "draw")])
def test_panel_of_a_game_against_a_person(moves, result):
    session = session_of("tic_tac_toe", HUMAN, Chooser(range(1, 10)))
    words = words_of(session)
    assert {"your move", "click or press 1–9", "you", "chooser", "crosses", "noughts", "to move"} <= set(words)
    for key in moves:
        session.step(int(key) - 1)
    assert session.moment.is_over
    assert result in words_of(session)


def test_panel_on_a_persons_move_shows_the_last_reply():
    session = session_of("tic_tac_toe", HUMAN, Chooser(range(1, 10), value=0.5))
    session.press("1")
    assert "decision" in words_of(session)
    session.tick(0.5)
    words = words_of(session)
    assert "last reply" in words
    assert "+0.50" in words


def test_panel_of_two_watched_players_names_the_winner():
    session = session_of("connect_four")
    for column in (0, 1, 0, 1, 0, 1, 0):
        assert words_of(session)
        session.step(column)
    assert "yellow wins" in words_of(session)


def test_the_curve_of_a_game_is_from_the_first_players_side():
    session = session_of("connect_four", *[Chooser(range(1, 8), value=0.5)] * 2)
    for _ in range(3):
        session.step()
    canvas = SpyCanvas(panel.window_size(session.environment))
    panel.draw_window(session, canvas)
    (curve,) = (line for line in canvas.lines if len(line) == 4)
    heights = [y for _, y in curve]
    assert heights[0] == heights[2] < heights[1] == heights[3]  # up is good for the first player


def test_bars_are_as_long_as_the_chances():
    def blue_pixels(chance):
        session = session_of("cartpole", Chooser([chance, 1 - chance]))
        canvas = Canvas(panel.window_size(session.environment))
        panel.draw_window(session, canvas)
        frame = canvas.to_array()[:, -panel.WIDTH :]
        return share_of(frame, BLUE).sum()

    assert blue_pixels(0.99) / blue_pixels(0.66) == pytest.approx(1.5, rel=0.05)


def test_actions_of_boards_of_several_sizes_are_named():
    assert "g7" in words_of(session_of("hex", Chooser(np.arange(49))))
    assert "i1" in words_of(session_of("gomoku", Chooser(np.arange(81))))


def test_many_actions_show_the_likeliest():
    session = session_of("cartpole", Chooser(np.ones(2)))
    weights = np.arange(100.0)
    session.seats[1].inspect = lambda obs, mask: {"probabilities": weights / weights.sum(), "value": 0.0}
    session.restart()
    words = words_of(session)
    assert {"99", "88"} <= set(words)
    assert "87" not in words


@pytest.fixture
def dummy_window(monkeypatch):
    """SDL's dummy driver, with a display so that events can be posted before the window opens."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.quit()
    pygame.display.init()
    yield
    pygame.display.quit()


def post_keys(*keys, then_quit=True):
    for key in keys:
        code = pygame.key.key_code(key)
        for kind in (pygame.KEYDOWN, pygame.KEYUP):
            pygame.event.post(pygame.event.Event(kind, key=code, unicode="", mod=0))
    if then_quit:
        pygame.event.post(pygame.event.Event(pygame.QUIT))


def test_the_window_passes_keys_on(dummy_window):
    session = session_of("cartpole", Chooser([1, 1]))
    post_keys("right", "right", "right", "left", "=", "n", "right")
    viewer.run_window(session)
    assert session.closed
    assert (session.copy, session.moment.num_steps, session.speed) == (1, 1, 2)
    assert not pygame.display.get_init()


def test_the_window_shows_a_persons_disc_before_the_reply_is_thought_about(dummy_window, monkeypatch):
    session = session_of("connect_four", HUMAN, Searcher(range(1, 8)))
    width = session.environment.drawing.SIZE[0]

    def inspect_in(situation):
        screen = pygame.display.get_surface()
        x, y = (round(v) for v in panel.picture_point(session.environment, 0, 0))
        column = [screen.get_at((width // 2 - x, height - y))[:3] for height in range(500)]
        assert column.count(FIRST) > 20
        session.close()
        return {}

    monkeypatch.setattr(session.seats[-1], "inspect_in", inspect_in)
    post_keys("4", then_quit=False)
    viewer.run_window(session, scale=1)
    assert session.closed


@pytest.mark.parametrize("key", ["q", "escape"])
def test_the_window_closes_by_key(dummy_window, key):
    session = session_of("cartpole")
    post_keys(key, then_quit=False)
    viewer.run_window(session)
    assert session.closed


def test_the_window_passes_clicks_on_at_any_size(dummy_window):
    session = session_of("tic_tac_toe", HUMAN, HUMAN)
    width, height = panel.window_size(session.environment)
    left, top = (-v for v in panel.picture_point(session.environment, 0, 0))
    click = lambda x, y: pygame.event.post(  # noqa: E731
        pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(round(x), round(y)))
    )
    click(left + 100, top + 100)
    size = (2 * width, 2 * height + 100)  # 50 pixels of border above and below
    pygame.event.post(pygame.event.Event(pygame.VIDEORESIZE, w=size[0], h=size[1], size=size))
    click(2 * (left + 400), 2 * (top + 440) + 50)
    post_keys("5")
    viewer.run_window(session, scale=1)
    assert [moment.action for moment in session.history][1:] == [0, 8, 4]


def test_a_lost_keyboard_holds_no_keys(dummy_window):
    session = session_of("pendulum", HUMAN)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_LEFT, unicode="", mod=0))
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    post_keys()
    viewer.run_window(session)
    session.step()
    assert session.moment.action == pytest.approx(0)


@pytest.mark.parametrize(
    ("key", "typed", "action"),
    [(pygame.K_KP5, "5", 4), (pygame.K_KP5, "", 4), (pygame.K_LEFTPAREN, "5", 4), (pygame.K_5, "(", 4)],
)
def test_keys_count_by_what_they_type_or_where_they_are(dummy_window, key, typed, action):
    session = session_of("tic_tac_toe", HUMAN, HUMAN)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=typed, mod=0))
    post_keys()
    viewer.run_window(session)
    assert session.moment.action == action


def test_the_window_records_what_it_shows(dummy_window, tmp_path):
    session = viewer.watch(
        find_environment("connect_four"),
        record=tmp_path / "a.mp4",
        window=True,
        scale=0.5,
        speed=64,
        episodes=1,
    )
    assert session.moment.is_over
    _, size, frames = read_mp4(tmp_path / "a.mp4")
    width, height = panel.window_size(session.environment)
    assert size == (width // 2, height // 2)
    assert len(frames) >= 45  # the end stays on show for 1.5 s at 30 frames a second
    canvas = Canvas((width, height), 0.5)
    panel.draw_window(session, canvas)
    assert np.abs(frames[-1] - canvas.to_array().astype(int)).mean() < 3


@pytest.mark.parametrize("driver", ["dummy", "offscreen", "OffScreen", None])
def test_without_a_display_there_is_one_hint_and_recording_works(monkeypatch, tmp_path, driver):
    if driver is None:
        monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.setattr(sys, "platform", "linux")
    else:
        monkeypatch.setenv("SDL_VIDEODRIVER", driver)
    environment = find_environment("tic_tac_toe")
    with pytest.raises(viewer.DisplayError, match=r"^no display was found; use --record FILE.mp4 [^\n]*$"):
        viewer.watch(environment)
    with pytest.raises(viewer.DisplayError, match=r"^playing needs a window"):
        viewer.play(environment)
    session = viewer.watch(environment, record=tmp_path / "a.gif", seed=4)
    assert session.closed
    frames, durations = read_gif(tmp_path / "a.gif")
    assert len(frames) == session.moment.num_steps + 1
    assert durations[:-1] == [pytest.approx(500, abs=10)] * session.moment.num_steps
    assert durations[-1] >= 1500
    assert not pygame.display.get_init()


def test_a_display_that_is_gone_counts_as_none():
    code = "from rlkit.viewing.viewer import has_display; print(has_display())"
    env = {name: value for name, value in os.environ.items() if name not in ("SDL_VIDEODRIVER", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, env=env | {"DISPLAY": ":987"}, capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"


@pytest.mark.parametrize("window", [True, False])
def test_ctrl_c_while_watching_leaves_the_recording(dummy_window, tmp_path, window):
    def act(obs, action_mask, deterministic):
        if action_mask.sum() == 5:
            raise KeyboardInterrupt
        return action_mask.argmax(axis=1)

    with pytest.raises(KeyboardInterrupt):
        viewer.watch(
            find_environment("tic_tac_toe"),
            types.SimpleNamespace(act=act),
            record=tmp_path / "a.gif",
            window=window,
            speed=8,
            scale=0.5,
        )
    assert len(read_gif(tmp_path / "a.gif")[0]) == 5  # the empty board and four moves
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]
    assert not pygame.display.get_init() or not window


def test_headless_recordings_count_episodes(tmp_path):
    session = viewer.watch(
        find_environment("tic_tac_toe"),
        record=tmp_path / "a.gif",
        window=False,
        episodes=3,
        speed=64,
        scale=0.25,
    )
    assert session.episode == 2
    with pytest.raises(ValueError, match="file to record to"):
        viewer.watch(find_environment("tic_tac_toe"), window=False)


def test_a_recording_shows_every_position_with_what_is_thought_of_it(monkeypatch, tmp_path):
    shown, draw = [], panel.draw_window

    def draw_window(session, canvas):
        shown.append((session.moment.num_steps, session.is_thinking))
        draw(session, canvas)

    monkeypatch.setattr(panel, "draw_window", draw_window)
    searcher = Searcher(range(1, 10))
    viewer.watch(find_environment("tic_tac_toe"), searcher, record=tmp_path / "a.gif", window=False, scale=0.25)
    assert shown == [(step, False) for step in range(8)]  # 9, 8, 7 … is won by the first at its fourth
    assert len(searcher.asked) == 7


def test_play_takes_the_seat_asked_for(dummy_window):
    post_keys()
    opponent = Chooser(range(1, 8))
    session = viewer.play(find_environment("connect_four"), opponent, player=-1, window=True)
    assert session.seats == {1: opponent, -1: HUMAN}
    post_keys_after_init()
    assert viewer.play(find_environment("pendulum"), window=True).seats == {1: HUMAN}
    with pytest.raises(ValueError, match="player=2 must be"):
        viewer.play(find_environment("connect_four"), player=2, window=True)
    unplayable = types.SimpleNamespace(name="maze", drawing=types.SimpleNamespace(SIZE=(10, 10)))
    with pytest.raises(ValueError, match="maze cannot be played"):
        viewer.play(unplayable)


def post_keys_after_init():
    pygame.display.init()
    post_keys()


@pytest.mark.parametrize(
    ("frame_seconds", "rate"), [(0.02, 50), (0.05, 40), (0.5, 30), (0.1, 30), (1 / 60, 60), (0.005, 50)]
)
def test_frame_rate_divides_evenly(frame_seconds, rate):
    assert viewer.frame_rate(types.SimpleNamespace(frame_seconds=frame_seconds)) == pytest.approx(rate)
