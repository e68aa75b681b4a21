"""The window to label in, driven by pygame's events without a display."""

import time

import numpy as np
import pygame
import pytest
from label_helpers import answers_in, make_store, record_clips

from agents.rlhf import window as module
from agents.rlhf.labels import LabelError, LabelStore
from agents.rlhf.pictures import Pictures
from agents.rlhf.window import Labelling, Window, waiting_words
from rlkit.viewing.viewer import DisplayError

ARROWS = {"left": pygame.K_LEFT, "right": pygame.K_RIGHT, "equal": pygame.K_UP, "skip": pygame.K_DOWN}


class Person:
    """Somebody at a window."""

    def __init__(self, path, who="Anna"):
        self.store = LabelStore.open(path)
        self.labelling = Labelling(self.store, Pictures(self.store.about, width=96), who)
        self.window = Window(self.labelling)

    def wait(self):
        """Wait until both clips are on show, and return their question."""
        deadline = time.monotonic() + 60
        while not self.labelling.is_ready:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return self.labelling.question.id

    def press(self, key):
        self.window.handle(pygame.event.Event(pygame.KEYDOWN, key=key))

    def click(self, x, y):
        self.window.handle(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(x, y)))

    def pixels(self):
        return pygame.surfarray.array3d(self.window.picture()).swapaxes(0, 1)


@pytest.fixture
def person_at(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.init()
    people = []

    def open_window(path, who="Anna"):
        people.append(Person(path, who))
        return people[-1]

    yield open_window
    for person in people:
        person.labelling.close()
        person.store.close()
    pygame.display.quit()


def test_pairs_by_keyboard_with_undo(tmp_path, person_at):
    path = make_store(tmp_path, 6, length=4)
    anna = person_at(path)
    for number, choice in enumerate(("left", "right", "equal", "skip"), 1):
        assert anna.wait() == number
        anna.press(ARROWS[choice])
    assert anna.wait() == 5
    for key, number in ((pygame.K_u, 4), (pygame.K_BACKSPACE, 3)):
        anna.press(key)
        assert anna.wait() == number
    anna.press(pygame.K_LEFT)
    assert anna.wait() == 4
    progress = anna.labelling.progress
    assert (progress.answered, progress.skipped, progress.open) == (3, 0, 3)
    for _ in range(3):
        anna.wait()
        anna.press(pygame.K_RIGHT)
    assert anna.labelling.question is None
    choices = [(number, choice) for number, choice, _ in answers_in(path)]
    assert choices == [
        (1, "left"), (2, "right"), (3, "equal"), (4, "skip"), (4, "undo"), (3, "undo"), (3, "left"), (4, "right"),
        (5, "right"), (6, "right"),
    ]  # fmt: skip


def test_nothing_is_answered_before_it_is_seen(tmp_path, person_at, monkeypatch):
    path = make_store(tmp_path, 2, length=4)
    film = Pictures.film
    monkeypatch.setattr(Pictures, "film", lambda self, clip: time.sleep(0.2) or film(self, clip))
    anna = person_at(path)
    anna.press(pygame.K_LEFT)
    assert answers_in(path) == []
    anna.wait()
    anna.press(pygame.K_LEFT)
    assert answers_in(path) == [(1, "left", "Anna")]


def test_the_next_pair_is_drawn_ahead(tmp_path, person_at):
    anna = person_at(make_store(tmp_path, 4, length=4))
    anna.wait()
    deadline = time.monotonic() + 60
    while not all(film.done() for film in anna.labelling._films.values()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert {*anna.labelling._films} == {1, 2, 3, 4}
    anna.press(pygame.K_LEFT)
    assert anna.labelling.is_ready  # at once
    assert {*anna.labelling._films} == {3, 4, 5, 6}


def test_both_clips_loop_side_by_side(tmp_path, person_at):
    anna = person_at(make_store(tmp_path, 2, length=8))
    anna.wait()
    films = [anna.labelling._film(side) for side in ("left", "right")]
    shown = []
    for _ in range(9 + 10):  # nine frames of 1/20 s, and half a second that the last one stays
        shown.append([anna.labelling.frame(side) for side in ("left", "right")])
        anna.labelling.tick(0.05 + 1e-9)
    for side, film in enumerate(films):
        for step, frames in enumerate(shown):
            assert frames[side] is film.frames[min(step, 8)]
    assert anna.labelling.frame("left") is films[0].frames[0]
    first = anna.pixels()
    anna.labelling.tick(0.2)
    moved = (first != anna.pixels()).any(axis=(0, 2))
    width = first.shape[1]
    assert moved[: width // 2].any()
    assert moved[width // 2 :].any()


def test_clicks_choose_a_clip_at_any_size(tmp_path, person_at):
    path = make_store(tmp_path, 4, length=4)
    anna = person_at(path)
    anna.wait()
    anna.pixels()
    anna.click(260, 300)
    anna.wait()
    anna.pixels()
    anna.click(500, 645)  # below: nothing
    anna.click(800, 300)
    anna.wait()
    pygame.display.set_mode((1400, 500), pygame.RESIZABLE)
    anna.window.handle(pygame.event.Event(pygame.VIDEORESIZE, w=1400, h=500))
    assert anna.pixels().shape == (500, 1400, 3)
    anna.click(100, 250)  # beside the picture, which is as high as the window
    anna.click(900, 250)
    assert [choice for _, choice, _ in answers_in(path)] == ["left", "right", "right"]


def test_two_people_and_a_question_that_another_answered(tmp_path, person_at):
    path = make_store(tmp_path, 4, length=4)
    anna, ben = person_at(path), person_at(path, "Ben")
    assert (anna.wait(), ben.wait()) == (1, 2)
    with LabelStore.open(path) as store:
        store.answer({1: "right"}, "Cleo")
    anna.press(pygame.K_LEFT)
    assert anna.labelling.message.startswith("question 1 has been answered by Cleo already")
    assert anna.wait() == 3
    anna.press(pygame.K_LEFT)
    assert anna.labelling.message == ""
    assert answers_in(path) == [(1, "right", "Cleo"), (3, "left", "Anna")]
    ben.press(pygame.K_u)
    assert ben.labelling.message == "there is nothing of yours to undo"


def test_an_answer_that_the_file_did_not_take_is_kept(tmp_path, person_at, monkeypatch):
    path = make_store(tmp_path, 3, length=4)
    anna = person_at(path)
    anna.wait()
    with monkeypatch.context() as patch:

        def fail(*_):
            raise LabelError("cannot write labels.sqlite: database or disk is full")

        patch.setattr(anna.store, "answer", fail)
        anna.press(pygame.K_LEFT)
        anna.press(pygame.K_RIGHT)  # it has been answered
        anna.press(pygame.K_u)
        assert "disk is full; your answer 'left' is kept and tried again" in anna.labelling.message
        anna.labelling.tick(2.1)
    assert answers_in(path) == []
    anna.labelling.tick(2.1)
    assert answers_in(path) == [(1, "left", "Anna")]
    assert anna.labelling.message == ""


def test_a_clip_that_cannot_be_drawn_is_skipped(tmp_path, person_at, monkeypatch):
    def fail(self, clip):
        raise LabelError("a clip of pendulum cannot be drawn: it is damaged")

    monkeypatch.setattr(Pictures, "film", fail)
    path = make_store(tmp_path, 2, length=4)
    anna = person_at(path)
    anna.wait()
    anna.pixels()
    assert anna.labelling.message == "a clip of pendulum cannot be drawn: it is damaged: skip the pair"
    anna.press(pygame.K_DOWN)
    assert answers_in(path) == [(1, "skip", "Anna")]


def test_waiting_and_the_end_of_the_training(tmp_path, person_at):
    path = make_store(tmp_path, 0, wanted=2)
    anna = person_at(path)
    assert waiting_words(anna.labelling.progress)[0] == "Waiting for the training to ask"
    assert len(np.unique(anna.pixels().reshape(-1, 3), axis=0)) > 10
    _, clips = record_clips("pendulum", 2, length=12, seed=3)
    with LabelStore.open(path) as store:
        store.ask([(clips[0], clips[1])], 2500, "", None)
        anna.labelling.tick(2.1)
        assert anna.wait() == 1
        other = Labelling(LabelStore.open(path), anna.labelling.pictures, "Ben")
        assert waiting_words(other.progress)[0] == "Others look at the open questions"
        other.close()
        other.store.close()
        anna.press(pygame.K_LEFT)
        store.answer({}, "Anna")
        store.tell(step=3000, is_over=True)
        anna.labelling.tick(2.1)
        assert waiting_words(anna.labelling.progress)[0] == "The training is over"
    for key in (pygame.K_LEFT, pygame.K_u, pygame.K_q):
        anna.press(key)
    assert anna.labelling.is_closed
    assert answers_in(path) == [(1, "left", "Anna")]


def test_the_window_opens_runs_and_closes(tmp_path, monkeypatch, capsys):
    path = make_store(tmp_path, 2, length=4)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with pytest.raises(DisplayError, match="add --web to label in a browser instead"):
        module.label(path, "Anna")
    monkeypatch.setattr("rlkit.viewing.viewer.has_display", lambda: True)
    ticks = []

    def tick(self, seconds):
        ticks.append(seconds)
        if len(ticks) == 3:
            pygame.event.post(pygame.event.Event(pygame.QUIT))

    monkeypatch.setattr(Labelling, "tick", tick)
    module.label(path, "Anna")
    assert len(ticks) == 4
    assert not pygame.display.get_init()
    assert capsys.readouterr().out == f"ended; 0 answers are kept in {path}\n"
