"""A window to label in: two clips side by side, and a key for the better one."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pygame

from agents.rlhf.labels import EQUAL, LEFT, RIGHT, SKIP, LabelError, LabelStore, Progress, Question, TakenError
from agents.rlhf.pictures import HOLD_SECONDS, Film, Pictures
from rlkit.viewing.canvas import BACKGROUND, BLUE, CARD, GREEN, LINE, MUTED, PANEL, TEXT, YELLOW, Canvas, mix

if TYPE_CHECKING:
    from rlkit.environment import Environment

SIZE = (1040, 660)  # logical pixels of the window
KEYS = {"left": LEFT, "right": RIGHT, "up": EQUAL, "down": SKIP}
POLL_SECONDS = 2.0  # between two looks for a question, or tries to keep an answer
RENEW_SECONDS = 20.0  # between two looks at the file while a question is on show, which renew its lease
_WIDTH = 420  # of the pictures, pixels
_RATE = 30.0  # frames per second
_TOP, _BOTTOM, _MARGIN = 58, 132, 20


class Labelling:
    """What a person who labels is at, without a window: time and keys go in.

    The next pair is drawn ahead in a thread, so that after an answer nobody waits.

    Args:
        store: the label file.
        pictures: draw its clips.
        who: answers.
    """

    def __init__(self, store: LabelStore, pictures: Pictures, who: str):
        self.store, self.pictures, self.who = store, pictures, who
        self.question: Question | None = None
        self.progress: Progress = store.progress()
        self.message = ""  # what went wrong, in a sentence
        self.is_closed = False
        self.clock = 0.0  # s since both clips began
        self._unsent: tuple[int, str] | None = None  # an answer that the file did not take yet
        self._films: dict[int, Future[Film]] = {}
        self._thread = ThreadPoolExecutor(1, "drawings")
        self._since = 0.0  # s since the last look at the file
        self.look()

    def close(self) -> None:
        """End the thread that draws."""
        self.is_closed = True
        self._thread.shutdown(cancel_futures=True)

    @property
    def is_ready(self) -> bool:
        """Whether both clips are on show, so that they can be compared."""
        return self.question is not None and all(self._film(side) is not None for side in (LEFT, RIGHT))

    def press(self, key: str) -> None:
        """Do what a key is for, by pygame's name of it."""
        if key in ("q", "escape"):
            self.is_closed = True
        elif key in ("u", "backspace") and self._unsent is None and not self.progress.is_over:
            self._undo()  # once the training is over, the question would not come again
        elif key in KEYS and self.is_ready and self._unsent is None:
            assert self.question is not None
            self._unsent = (self.question.id, KEYS[key])
            self.message = ""
            self.look()

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        was_ready = self.is_ready
        self._since += seconds
        if self._since >= (RENEW_SECONDS if was_ready and self._unsent is None else POLL_SECONDS):
            self.look()
        self.clock = self.clock + seconds if was_ready else 0.0

    def frame(self, side: str) -> np.ndarray | None:
        """Return what the clip of a side shows now, uint8 [H, W, 3]; None: it is not drawn yet, or cannot be."""
        film = self._film(side)
        if film is None or not film.frames:
            return None
        time = self.clock % (len(film.frames) / film.rate + HOLD_SECONDS)
        return film.frames[min(int(time * film.rate), len(film.frames) - 1)]

    def look(self) -> None:
        """Keep what is unsent, and see what there is to do."""
        self._since = 0.0
        try:
            self._send()
            self.progress = self.store.progress()
            before = self.question
            self.question = None if self.progress.is_over else self.store.next_question(self.who)
            if self.question != before:
                self.clock = 0.0
            self._draw_ahead()
        except LabelError as error:
            kept = f"; your answer {self._unsent[1]!r} is kept and tried again" if self._unsent else ""
            self.message = f"{error}{kept}"

    def _send(self) -> None:
        if self._unsent is None:
            return
        number, choice = self._unsent
        try:
            self.store.answer({number: choice}, self.who)
            self.message = ""
        except TakenError as error:
            self.message = str(error)
        self._unsent = None

    def _undo(self) -> None:
        try:
            undone = self.store.undo(self.who)
            self.message = "" if undone else "there is nothing of yours to undo"
        except LabelError as error:
            self.message = str(error)
        self.look()

    def _draw_ahead(self) -> None:
        """Have the films of this question and of the next one made, and forget others."""
        after = self.question and self.store.question_after(self.question.id, self.who)
        wanted = [clip for question in (self.question, after) if question for clip in (question.left, question.right)]
        for clip in {*self._films} - {*wanted}:
            self._films.pop(clip).cancel()
        for clip in wanted:
            if clip not in self._films:
                self._films[clip] = self._thread.submit(self.pictures.film, self.store.clip(clip))

    def _film(self, side: str) -> Film | None:
        if self.question is None:
            return None
        future = self._films.get(self.question.left if side == LEFT else self.question.right)
        if future is None or not future.done():
            return None
        error = future.exception()
        if isinstance(error, LabelError):  # the pair can still be skipped
            self.message = f"{error}: skip the pair"
            return Film([], 1.0, False)
        return future.result()


def draw(labelling: Labelling, canvas: Canvas) -> dict[str, tuple[float, float, float, float]]:
    """Draw all but the clips; return where they belong, (x, y, width, height) by side."""
    width, height = canvas.size
    canvas.fill(BACKGROUND)
    canvas.text("Which is better?", _MARGIN, 30, 28)
    title = canvas.text_width("Which is better?", 28)
    canvas.text(labelling.pictures.environment.name, _MARGIN + title + 14, 31, 24, MUTED, width=300)
    canvas.text(f"as {labelling.who}", width - _MARGIN, 31, 20, MUTED, "right", width=300)
    places: dict[str, tuple[float, float, float, float]] = {}
    card = (width - 3 * _MARGIN) / 2
    for k, side in enumerate((LEFT, RIGHT)):
        x, tall = _MARGIN + k * (card + _MARGIN), height - _TOP - _BOTTOM
        if labelling.question is not None:
            canvas.rect(x, _TOP, card, tall, PANEL, 10)
            if labelling.frame(side) is None:
                words = "cannot be drawn" if labelling.is_ready else "drawing …"
                canvas.text(words, x + card / 2, _TOP + tall / 2, 20, MUTED, "center")
            places[side] = (x + 4, _TOP + 4, card - 8, tall - 8)
    if labelling.question is None:
        _draw_waiting(labelling, canvas, height - _TOP - _BOTTOM)
    _draw_keys(labelling, canvas, height - _BOTTOM + 28)
    _draw_facts(labelling, canvas, height - 44)
    return places


def _draw_waiting(labelling: Labelling, canvas: Canvas, tall: float) -> None:
    width, _ = canvas.size
    canvas.rect(_MARGIN, _TOP, width - 2 * _MARGIN, tall, PANEL, 10)
    what, why = waiting_words(labelling.progress)
    canvas.text(what, width / 2, _TOP + tall / 2 - 16, 30, TEXT, "center")
    canvas.text(why, width / 2, _TOP + tall / 2 + 18, 20, MUTED, "center", width=width - 4 * _MARGIN)


def waiting_words(progress: Progress) -> tuple[str, str]:
    """Return what to say, and its reason, where there is no question for who labels."""
    left = max(0, progress.wanted - progress.answered)
    step = f"step {progress.step:,} of {progress.total_steps:,}"
    if progress.is_over:
        return "The training is over", f"It takes no more answers; {progress.answered:,} are kept. Thank you!"
    if progress.open:
        return "Others look at the open questions", f"{progress.open:,} open, each with somebody else"
    if not left:
        return "All answers are given", f"The training wanted {progress.wanted:,} and goes on without you: {step}"
    return "Waiting for the training to ask", f"It is at {step}; {left:,} answers are left"


def _draw_keys(labelling: Labelling, canvas: Canvas, y: float) -> None:
    width, _ = canvas.size
    keys = (("←", "left"), ("↑", "equal"), ("↓", "skip"), ("→", "right"), ("U", "undo"))
    pitch = (width - 2 * _MARGIN + 10) / len(keys)
    for k, (key, word) in enumerate(keys):
        is_on = labelling.is_ready or (word == "undo" and not labelling.progress.is_over)
        is_main = word in (LEFT, RIGHT)
        color = mix(CARD, BLUE, 0.25) if is_main else CARD
        x = _MARGIN + k * pitch
        canvas.rect(x, y - 20, pitch - 10, 40, color if is_on else mix(color, BACKGROUND, 0.6), 9)
        ink = TEXT if is_on else LINE
        middle = x + (pitch - 10) / 2
        if key == "U":
            canvas.text("U", middle - 30, y, 21, MUTED, "center")
        else:
            _draw_arrow(canvas, key, middle - 34, y, MUTED if is_on else LINE)
        canvas.text(word, middle - 14, y, 21, ink)


def _draw_arrow(canvas: Canvas, key: str, x: float, y: float, color: tuple[int, int, int]) -> None:
    """Draw an arrow: pygame's own font has none."""
    dx, dy = {"←": (-1, 0), "→": (1, 0), "↑": (0, -1), "↓": (0, 1)}[key]
    canvas.line([(x - 8 * dx, y - 8 * dy), (x + 4 * dx, y + 4 * dy)], color, 2)
    tip = (x + 9 * dx, y + 9 * dy)
    canvas.polygon([tip, (x + 2 * dx - 5 * dy, y + 2 * dy + 5 * dx), (x + 2 * dx + 5 * dy, y + 2 * dy - 5 * dx)], color)


def _draw_facts(labelling: Labelling, canvas: Canvas, y: float) -> None:
    width, _ = canvas.size
    progress = labelling.progress
    share = min(1.0, progress.answered / max(1, progress.wanted))
    canvas.rect(_MARGIN, y - 26, width - 2 * _MARGIN, 6, CARD, 3)
    if share:
        canvas.rect(_MARGIN, y - 26, max(6.0, share * (width - 2 * _MARGIN)), 6, GREEN, 3)
    x: float = _MARGIN
    agreed = f"{round(100 * progress.agreed / progress.judged)} %" if progress.judged else "–"
    for figure, words in (
        (f"{progress.answered:,}", f"of {progress.wanted:,} answered"),
        (f"{max(0, progress.wanted - progress.answered):,}", "left"),
        (f"{progress.open:,}", "open"),
        (f"{progress.skipped:,}", "skipped"),
        (agreed, f"of {progress.judged:,} as the model said"),
        (f"{progress.step:,}", f"of {progress.total_steps:,} training steps"),
    ):
        canvas.text(figure, x, y, 19)
        x += canvas.text_width(figure, 19) + 6
        canvas.text(words, x, y, 19, MUTED)
        x += canvas.text_width(words, 19) + 24
    if labelling.message:
        canvas.text(labelling.message, _MARGIN, y + 26, 18, YELLOW, width=width - 2 * _MARGIN)
    else:
        canvas.text("Q ends; what you answered is kept", _MARGIN, y + 26, 18, LINE)


class Window:
    """Shows a labelling in pygame's window, or on a surface without one."""

    def __init__(self, labelling: Labelling, size: Sequence[int] = SIZE):
        self.labelling = labelling
        self.screen = pygame.display.set_mode(size, pygame.RESIZABLE)
        pygame.display.set_caption("label – rlkit")
        self._fit()

    def _fit(self) -> None:
        width, height = self.screen.get_size()
        self._scale = max(0.2, min(width / SIZE[0], height / SIZE[1]))
        self._corner = ((width - SIZE[0] * self._scale) / 2, (height - SIZE[1] * self._scale) / 2)
        self._canvas = Canvas(SIZE, self._scale)
        self._look: Any = None
        self._frame: pygame.Surface | None = None
        self._places: dict[str, tuple[float, float, float, float]] = {}

    def run(self) -> None:
        """Show it until it is closed."""
        clock = pygame.time.Clock()
        while not self.labelling.is_closed:
            for event in pygame.event.get():
                self.handle(event)
            self.screen.blit(self.picture(), (0, 0))
            pygame.display.flip()
            self.labelling.tick(clock.tick(_RATE) / 1000)

    def handle(self, event: pygame.event.Event) -> None:
        """Pass an event of pygame on."""
        if event.type == pygame.QUIT:
            self.labelling.is_closed = True
        elif event.type == pygame.KEYDOWN:
            self.labelling.press(pygame.key.name(event.key))
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            x, y = ((at - corner) / self._scale for at, corner in zip(event.pos, self._corner, strict=True))
            for side, (left, top, width, height) in self._places.items():
                if left <= x <= left + width and top <= y <= top + height:
                    self.labelling.press(side)
        elif event.type == pygame.VIDEORESIZE:
            self.screen = pygame.display.get_surface() or self.screen
            self._fit()

    def picture(self) -> pygame.Surface:
        """Return what the window shows now."""
        labelling = self.labelling
        frames = {side: labelling.frame(side) for side in (LEFT, RIGHT)}
        missing = tuple(frame is None for frame in frames.values())
        look = (labelling.question, labelling.progress, labelling.message, labelling.is_ready, missing)
        if look != self._look or self._frame is None:  # text is the slow part, and seldom new
            self._places = draw(labelling, self._canvas)
            self._look, self._frame = look, self._canvas.to_surface()
        picture = pygame.Surface(self.screen.get_size())
        picture.fill(BACKGROUND)
        picture.blit(self._frame, self._corner)
        for side, place in self._places.items():
            frame = frames[side]
            if frame is not None:
                self._blit(picture, frame, place)
        return picture

    def _blit(self, picture: pygame.Surface, frame: np.ndarray, place: tuple[float, float, float, float]) -> None:
        x, y, width, height = (value * self._scale for value in place)
        share = min(width / frame.shape[1], height / frame.shape[0])
        size = (max(1, int(frame.shape[1] * share)), max(1, int(frame.shape[0] * share)))
        image = pygame.image.frombuffer(frame.tobytes(), (frame.shape[1], frame.shape[0]), "RGB")
        left, top = self._corner[0] + x + (width - size[0]) / 2, self._corner[1] + y + (height - size[1]) / 2
        picture.blit(pygame.transform.smoothscale(image, size), (left, top))


def label(path: Path, who: str, environment: "Environment | None" = None) -> None:
    """Let `who` label the clips of a file in a window, until it is closed.

    Raises:
        DisplayError: there is no display.
        LabelError: the file or its clips cannot be shown.
    """
    from rlkit.viewing.viewer import DisplayError, require_display

    require_display("no display was found for a window; add --web to label in a browser instead")
    with LabelStore.open(path) as store:
        labelling = Labelling(store, Pictures(store.about, environment, _WIDTH), who)
        try:
            pygame.display.init()
            Window(labelling).run()
        except pygame.error as error:
            raise DisplayError(
                f"no window could be opened ({error}); add --web to label in a browser instead"
            ) from None
        finally:
            labelling.close()
            pygame.display.quit()
        print(f"ended; {store.progress().answered} answers are kept in {path}")
