"""The canvas, and the drawings of the environments on it."""

import itertools
import subprocess
import sys
import textwrap
import types

import numpy as np
import pygame
import pytest
from viewing_helpers import ALL, read_gif, session_of, share_of, states_along

from rlkit.engine.scalar import ScalarEnv
from rlkit.registry import find_environment
from rlkit.viewing.canvas import BACKGROUND, BLUE, FIRST, TEXT, Canvas, draw_frame
from rlkit.viewing.session import HUMAN


@pytest.mark.parametrize("scale", [0.5, 1, 1.5, 2])
def test_canvas_is_an_array_of_its_scaled_size(scale):
    canvas = Canvas((80, 60), scale)
    canvas.fill((10, 20, 30))
    canvas.rect(40, 0, 40, 60, (200, 100, 50))
    array = canvas.to_array()
    assert array.dtype == np.uint8
    assert array.shape == (60 * scale, 80 * scale, 3)
    assert (array[:, : round(40 * scale)] == (10, 20, 30)).all()
    assert (array[:, round(40 * scale) :] == (200, 100, 50)).all()


def test_canvas_refuses_an_empty_size():
    with pytest.raises(ValueError, match=r"size \(0, 10\)"):
        Canvas((0, 10))
    with pytest.raises(ValueError, match="scale 0"):
        Canvas((10, 10), 0)


def covered(draw):
    """How many pixels white drawing covers on black, edges counted by their brightness."""
    canvas = Canvas((100, 100))
    canvas.fill((0, 0, 0))
    draw(canvas)
    return canvas.to_array()[..., 0].astype(float).sum() / 255


WHITE = (255, 255, 255)


@pytest.mark.parametrize(
    ("draw", "area"),
    [
        (lambda c: c.disc(50, 50, 30, WHITE), np.pi * 30**2),
        (lambda c: c.disc(50, 50, 30, WHITE, outline=6), np.pi * (30**2 - 24**2)),
        (lambda c: c.rect(10, 20, 50, 40, WHITE), 2000),
        (lambda c: c.rect(10, 20, 50, 40, WHITE, radius=10), 2000 - (4 - np.pi) * 100),
        (lambda c: c.rect(10, 20, 50, 40, WHITE, outline=5), 2000 - 40 * 30),
        (lambda c: c.polygon([(10, 10), (90, 15), (30, 80)], WHITE), 2750),
        (lambda c: c.line([(20, 20), (80, 20)], WHITE, 10), 600 + np.pi * 25),
        (lambda c: c.line([(20, 30), (80, 77)], WHITE, 8), np.hypot(60, 47) * 8 + np.pi * 16),
    ],
)
def test_shapes_cover_their_area(draw, area):
    assert covered(draw) == pytest.approx(area, rel=0.03)


def test_edges_are_smooth():
    canvas = Canvas((60, 60))
    canvas.fill((0, 0, 0))
    canvas.line([(10, 12), (50, 43)], WHITE, 6)
    assert len(np.unique(canvas.to_array()[..., 0])) > 8


def test_what_cannot_be_placed_is_left_out():
    canvas = Canvas((40, 40))
    canvas.fill(BACKGROUND)
    canvas.disc(float("nan"), 20, 5, TEXT)
    canvas.rect(1e300, 0, 10, 10, TEXT)
    canvas.polygon([(float("inf"), 0), (1e9, 5), (float("nan"), 9)], TEXT)
    canvas.line([(float("nan"), 0), (float("nan"), 20)], TEXT, 6)
    canvas.text("away", float("inf"), 20)
    assert (canvas.to_array() == BACKGROUND).all()


def columns_with_ink(canvas):
    return np.flatnonzero((canvas.to_array() != BACKGROUND).any(axis=(0, 2)))


@pytest.mark.parametrize(("align", "left", "right"), [("left", 100, 160), ("center", 70, 130), ("right", 40, 100)])
def test_text_is_aligned(align, left, right):
    canvas = Canvas((200, 40))
    canvas.fill(BACKGROUND)
    size = 20 * 60 / canvas.text_width("Hm Hm", 20)  # so that it is 60 wide
    canvas.text("Hm Hm", 100, 20, size, align=align)
    ink = columns_with_ink(canvas)
    assert ink[0] == pytest.approx(left, abs=3)
    assert ink[-1] == pytest.approx(right, abs=3)


def test_text_is_cut_to_its_width():
    canvas = Canvas((400, 40))
    canvas.fill(BACKGROUND)
    canvas.text("much too long for such a narrow place", 0, 20, 20, width=90)
    assert 60 < columns_with_ink(canvas)[-1] <= 90


def test_text_survives_the_end_of_pygame():
    before = Canvas((10, 10)).text_width("words", 20)
    pygame.quit()
    assert Canvas((10, 10)).text_width("words", 20) == before


def test_a_part_has_its_own_pixels():
    whole = Canvas((100, 50))
    whole.fill(BACKGROUND)
    part = whole.part(50, 0, 50, 50, (10, 5))  # 5 pixels of the whole per pixel, centred in height
    part.fill(BLUE)
    part.disc(10, 5, 100, BLUE)  # must not spill over
    array = whole.to_array()
    assert part.size == (10, 5)
    assert (array[12:37, 50:] == BLUE).mean() > 0.95
    assert (array[:, :50] == BACKGROUND).all()
    assert (array[:12] == BACKGROUND).all()
    assert (array[38:] == BACKGROUND).all()


def test_no_display_is_started_by_pictures_and_recordings(tmp_path):
    code = f"""
        import os
        os.environ["SDL_VIDEODRIVER"] = "no such driver"
        import pygame
        from rlkit.registry import find_environment, make
        from rlkit.viewing.canvas import draw_frame
        from rlkit.viewing.viewer import watch
        for name in {ALL}:
            environment = find_environment(name)
            env = make(environment)
            env.reset(seed=1)
            draw_frame(environment, env.state, env.params)
        watch(environment, record={str(tmp_path / "game.gif")!r}, window=False, speed=64)
        assert not pygame.display.get_init()
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(code)], check=True)
    assert len(read_gif(tmp_path / "game.gif")[0]) > 3


@pytest.mark.parametrize("name", ALL)
def test_every_state_has_its_own_picture(name):
    session = session_of(name, seed=3)
    environment = session.environment
    frames = []
    for _ in range(4):
        frames.append(draw_frame(environment, session.env.state, session.env.params))
        states_along(session, 1 if environment.num_players == 2 else 4)  # a slow cart takes a while
    width, height = environment.drawing.SIZE
    assert frames[0].shape == (height, width, 3)
    for one, other in itertools.combinations(frames, 2):
        assert (one != other).any()
    assert draw_frame(environment, session.env.state, session.env.params, 2).shape == (
        2 * height,
        2 * width,
        3,
    )


def test_render_is_the_drawing():
    env = ScalarEnv(find_environment("cartpole"), render_mode="rgb_array")
    env.reset(seed=1)
    assert (env.render() == draw_frame(env.environment, env.state, env.params)).all()


@pytest.mark.parametrize("name", ["tic_tac_toe", "connect_four"])
def test_a_click_plays_where_the_piece_then_appears(name):
    session = session_of(name, HUMAN, HUMAN)
    drawing, (width, height) = session.environment.drawing, session.environment.drawing.SIZE
    actions = set()
    for x, y in itertools.product(range(0, width, 6), range(0, height, 6)):
        action = drawing.action_from_click(session.env.state, session.env.params, x, y)
        if action is None or action in actions:
            continue
        actions.add(action)
        session.restart()
        before = draw_frame(session.environment, session.env.state, session.env.params)
        session.click(x, y)
        after = draw_frame(session.environment, session.env.state, session.env.params)
        rows, columns = np.nonzero(share_of(after, FIRST) & ~share_of(before, FIRST))
        assert session.moment.action == action
        assert abs(columns.mean() - x) < 80
        assert abs(rows.mean() - (450 if name == "connect_four" else y)) < 80  # discs drop to the bottom
    assert len(actions) == session.env.action_space.n


def test_clicks_beside_the_cells_mean_nothing():
    tic_tac_toe, connect_four = (find_environment(name).drawing for name in ("tic_tac_toe", "connect_four"))
    for point in ((5, 100), (100, 475), (169, 100), (-50, -50), (1000, 100)):
        assert tic_tac_toe.action_from_click(None, None, *point) is None
    for point in ((5, 100), (599, 100), (-50, 10), (1000, 100)):
        assert connect_four.action_from_click(None, None, *point) is None


@pytest.mark.parametrize(
    ("moves", "cells"),
    [
        ("", set()),
        ("1212121", {(0, 0), (1, 0), (2, 0), (3, 0)}),
        ("1122334", {(0, 0), (0, 1), (0, 2), (0, 3)}),
        ("12233434474", {(0, 0), (1, 1), (2, 2), (3, 3)}),
        ("76655454414", {(0, 6), (1, 5), (2, 4), (3, 3)}),
    ],
)
def test_the_winning_line_of_connect_four(moves, cells):
    session = session_of("connect_four", HUMAN, HUMAN)
    for column in moves:
        session.press(column)
    drawing = session.environment.drawing
    assert drawing.winning_cells(drawing.to_board(session.env.state)) == cells
    assert session.moment.is_over == bool(cells)


def test_the_winning_line_of_tic_tac_toe():
    winning_cells = find_environment("tic_tac_toe").drawing.winning_cells
    board = np.zeros((3, 3), np.int8)
    assert winning_cells(board) == set()
    board[[0, 1, 2], [2, 1, 0]] = -1
    assert winning_cells(board) == {(0, 2), (1, 1), (2, 0)}
    board[0] = 1
    assert winning_cells(board) == {(0, 0), (0, 1), (0, 2)}


def centre_of(frame, color):
    rows, columns = np.nonzero(share_of(frame, color))
    return columns.mean(), rows.mean()


def test_positive_angles_lean_to_the_side_of_the_physics():
    cartpole, pendulum = session_of("cartpole"), session_of("pendulum")
    state = cartpole.env.state
    state.x, state.theta = 1.0, 0.2
    pole = centre_of(draw_frame(cartpole.environment, state, cartpole.env.params), FIRST)
    cart = centre_of(draw_frame(cartpole.environment, state, cartpole.env.params), BLUE)
    assert pole[0] > cart[0] + 5 > 320  # leans right of a cart right of the middle
    assert pole[1] < cart[1]
    state = pendulum.env.state
    state.theta, state.torque = np.pi / 2, 2.0  # counter-clockwise from up: to the left
    frame = draw_frame(pendulum.environment, state, pendulum.env.params)
    assert centre_of(frame, BLUE)[0] < 130
    assert centre_of(frame, FIRST)[0] < 240  # the arrow of a positive torque
    state.torque = 0.0
    assert not share_of(draw_frame(pendulum.environment, state, pendulum.env.params), FIRST).any()


def test_an_environment_without_drawing_shows_its_state():
    session = session_of("cartpole")
    plain = types.SimpleNamespace(drawing=None)
    first = draw_frame(plain, session.env.state, session.env.params)
    session.step()
    second = draw_frame(plain, session.env.state, session.env.params)
    assert (first != BACKGROUND).any()
    assert (first != second).any()


def test_what_lies_under_a_disc_shines_through():
    canvas = Canvas((100, 100))
    canvas.fill((0, 0, 0))
    canvas.disc(50, 50, 20, (200, 100, 0), alpha=0.25)
    canvas.disc(0, 100, 20, (0, 200, 0), alpha=0.5)  # a quarter of it inside
    canvas.disc(500, 500, 20, (0, 200, 0), alpha=0.5)
    frame = canvas.to_array()
    assert frame[50, 50] == pytest.approx((50, 25, 0), abs=2)
    assert frame[95, 5] == pytest.approx((0, 100, 0), abs=2)
    assert not frame[50, 75].any()
    assert not frame[25:75, 25:75][:5, :5].any()  # the corners round the disc
