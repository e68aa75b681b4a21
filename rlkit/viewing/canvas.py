"""Shapes and text on an array: what every `drawing.py` draws on, and the palette it draws with.

A canvas is a pygame surface in memory. It never starts a display, so the same code fills the viewer's window,
a recording on a server and `render()` of a Gymnasium environment. Everything is drawn anti-aliased at four
times the size and averaged down once: edges are smooth and slow movements do not jump from pixel to pixel.
"""

import functools
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pygame

if TYPE_CHECKING:
    from rlkit.environment import Environment

Color = tuple[int, int, int]
Point = tuple[float, float]

# The palette: a calm dark room with a few clear colours.
BACKGROUND: Color = (22, 25, 33)
PANEL: Color = (30, 34, 44)
CARD: Color = (39, 44, 56)
LINE: Color = (66, 73, 90)
MUTED: Color = (143, 152, 172)
TEXT: Color = (229, 233, 242)
BLUE: Color = (92, 153, 255)
GREEN: Color = (94, 201, 141)
YELLOW: Color = (247, 200, 83)
RED: Color = (240, 99, 101)
FIRST: Color = YELLOW  # the player who moves first
SECOND: Color = RED

_FAR = 30_000  # drawn pixels; pygame's integers overflow beyond


def mix(color: Color, other: Color, share: float) -> Color:
    """Return `color` with a `share` in [0, 1] of `other` mixed in."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return red, green, blue


class Canvas:
    """A picture of `size` (width, height) logical pixels; x grows to the right, y downwards.

    Args:
        size: width and height that drawing code works in.
        scale: shown pixels per logical pixel; text and edges stay crisp at any scale.

    Raises:
        ValueError: a side or the scale is not positive.
    """

    def __init__(self, size: Sequence[int], scale: float = 1.0):
        width, height = size
        if not (width > 0 and height > 0 and 0 < scale < math.inf):
            raise ValueError(f"a canvas needs a positive size and scale, not size {tuple(size)}, scale {scale}")
        self.size = (width, height)
        # Drawn pixels per shown pixel, along each side; on a fine screen two are enough. They are powers of
        # two because pygame averages those without darkening.
        oversampling = 4 if scale < 2 else 2
        self._factor = oversampling * scale  # drawn pixels per logical pixel
        self._shown = (max(1, round(width * scale)), max(1, round(height * scale)))
        # depth=32 keeps the pixel format the same with and without a window.
        self._surface = pygame.Surface([oversampling * side for side in self._shown], depth=32)

    def part(self, x: float, y: float, width: float, height: float, size: Sequence[int]) -> "Canvas":
        """Return a canvas of `size` that draws into the largest centred part of a rectangle of this one."""
        share = min(width / size[0], height / size[1])
        left, top = x + (width - share * size[0]) / 2, y + (height - share * size[1]) / 2
        part = object.__new__(Canvas)
        part.size = (size[0], size[1])
        part._factor = self._factor * share
        area = pygame.Rect(*(round(v * self._factor) for v in (left, top)), *(round(v * part._factor) for v in size))
        part._surface = self._surface.subsurface(area.clip(self._surface.get_rect()))
        part._shown = (round(share * size[0]), round(share * size[1]))
        return part

    def fill(self, color: Color) -> None:
        """Paint everything in one colour."""
        self._surface.fill(color)

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        color: Color,
        radius: float = 0,
        outline: float = 0,
    ) -> None:
        """Draw a rectangle with corner (x, y), rounded by `radius`; `outline` draws a border that wide."""
        (left, top), (right, bottom) = self._points([(x, y), (x + width, y + height)])
        area = pygame.Rect(left, top, right - left, bottom - top)
        area.normalize()
        border = max(1, round(outline * self._factor)) if outline else 0
        pygame.draw.rect(self._surface, color, area, border, border_radius=round(radius * self._factor))

    def disc(self, x: float, y: float, radius: float, color: Color, outline: float = 0, alpha: float = 1) -> None:
        """Draw a disc with centre (x, y); `outline` > 0 draws only a ring that wide, inside the radius.

        With `alpha` below 1, down to 0, what lies under it shines through.
        """
        (centre,) = self._points([(x, y)])
        border = max(1, round(outline * self._factor)) if outline else 0
        length = min(radius * self._factor, _FAR)
        if alpha == 1:
            pygame.draw.circle(self._surface, color, centre, length, border)
            return
        area = pygame.Rect(0, 0, 2 * length + 2, 2 * length + 2)
        area.center = centre
        area = area.clip(self._surface.get_rect())
        if not area:
            return
        layer = self._surface.subsurface(area).copy()
        pygame.draw.circle(layer, color, (centre[0] - area.left, centre[1] - area.top), length, border)
        layer.set_alpha(round(255 * alpha))
        self._surface.blit(layer, area)

    def line(self, points: Iterable[Point], color: Color, width: float = 2) -> None:
        """Draw a line of `width` through two or more points; a thick one has round ends and corners."""
        corners = [(float(x), float(y)) for x, y in points]
        half = max(width - 1 / self._factor, 0) / 2  # pygame's polygons include the pixels of their border
        for (x0, y0), (x1, y1) in itertools.pairwise(corners):
            if length := math.hypot(x1 - x0, y1 - y0):
                dx, dy = (x1 - x0) / length * half, (y1 - y0) / length * half
                self.polygon([(x0 - dy, y0 + dx), (x0 + dy, y0 - dx), (x1 + dy, y1 - dx), (x1 - dy, y1 + dx)], color)
        if width > 3:
            for x, y in corners:
                self.disc(x, y, width / 2, color)

    def polygon(self, points: Iterable[Point], color: Color) -> None:
        """Fill a polygon of three or more points."""
        pygame.draw.polygon(self._surface, color, self._points(points))

    def text(
        self,
        text: str,
        x: float,
        y: float,
        size: float = 18,
        color: Color = TEXT,
        align: str = "left",
        width: float | None = None,
    ) -> None:
        """Write one line, its middle at height y and its left end, centre or right end (`align`) at x.

        A text wider than `width` is cut short with "…".
        """
        while width is not None and len(text) > 1 and self.text_width(text, size) > width:
            text = text.rstrip("…")[:-1] + "…"
        image = _render(text, round(size * self._factor), color)
        ((left, top),) = self._points([(x, y)])
        shift = {"left": 0.0, "center": 0.5, "right": 1.0}[align] * image.get_width()
        self._surface.blit(image, (round(left - shift), round(top - image.get_height() / 2)))

    def text_width(self, text: str, size: float = 18) -> float:
        """Return the width that `text` takes, in logical pixels."""
        return _font_call(round(size * self._factor), "size", text)[0] / self._factor

    def to_surface(self) -> pygame.Surface:
        """Return the picture in shown pixels, as a new pygame surface."""
        return pygame.transform.smoothscale(self._surface, self._shown)

    def to_array(self) -> np.ndarray:
        """Return the picture in shown pixels, as fresh uint8 [H, W, 3]."""
        width, height = self._shown
        pixels = pygame.image.tobytes(self.to_surface(), "RGB")
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3).copy()

    def _points(self, points: Iterable[Point]) -> list[tuple[int, int]]:
        # In this order min() and max() also send NaN out of sight: a diverged state must not stop the viewer.
        factor = self._factor
        return [
            (
                round(max(-_FAR, min(_FAR, float(x) * factor))),
                round(max(-_FAR, min(_FAR, float(y) * factor))),
            )
            for x, y in points
        ]


@functools.lru_cache(maxsize=64)
def _font(size: int) -> pygame.font.Font:
    pygame.font.init()  # the font module alone: no display
    return pygame.font.Font(None, max(1, size))


def _font_call(size: int, method: str, *arguments: Any) -> Any:
    try:
        return getattr(_font(size), method)(*arguments)
    except pygame.error:  # somebody called pygame.quit() since: its fonts are dead
        _font.cache_clear()
        return getattr(_font(size), method)(*arguments)


def _render(text: str, size: int, color: Color) -> pygame.Surface:
    return _font_call(size, "render", text.replace("\0", " "), True, color)


def picture_size(environment: "Environment") -> tuple[int, int]:
    """Return (width, height) of an environment's picture in logical pixels."""
    drawing = environment.drawing
    return drawing.SIZE if drawing else (480, 360)


def draw_picture(environment: "Environment", state: Any, params: Any, canvas: Canvas) -> None:
    """Draw a state; an environment without drawing.py gets its state's fields as text."""
    if environment.drawing:
        environment.drawing.draw(state, params, canvas)
        return
    canvas.fill(BACKGROUND)
    for row, name in enumerate(state.dtype.names):
        value = np.array2string(np.asarray(state[name]), precision=3, threshold=12).replace("\n", "")
        canvas.text(name, 24, 28 + 24 * row, 18, MUTED, width=130)
        canvas.text(value, 170, 28 + 24 * row, 18, width=canvas.size[0] - 190)


def draw_frame(environment: "Environment", state: Any, params: Any, scale: float = 1.0) -> np.ndarray:
    """Return the picture of a state, uint8 [H, W, 3]: `scale` pixels per pixel of the drawing's SIZE."""
    canvas = Canvas(picture_size(environment), scale)
    draw_picture(environment, state, params, canvas)
    return canvas.to_array()
