"""The scene that the drawings of arm_reach and arm_push share: a table, the arm of seven joints, a goal."""

import numpy as np

from envs.robotics.geoms import Camera, Geom, draw_geoms, draw_shadows, geoms_at
from rlkit.engine.physics import Physics
from rlkit.viewing.canvas import BACKGROUND, BLUE, CARD, GREEN, LINE, MUTED, TEXT, YELLOW, Canvas, Color, mix

SIZE = (640, 540)
STEP_SECONDS = 0.04
TABLE = ((-0.15, -0.5), (0.8, -0.5), (0.8, 0.5), (-0.15, 0.5))  # m

_CAMERA = Camera((1.7, -1.5, 1.15), (0.3, 0.0, 0.2), (305.0, 275.0), 440.0)
_COLORS: dict[str, Color] = {"tip": TEXT, "rod": MUTED, "cube": YELLOW, "base": LINE}


def draw_scene(canvas: Canvas, physics: Physics, positions: np.ndarray, goal: np.ndarray, is_there: bool) -> None:
    """Draw the arm where its joints have `positions` (qpos), and the goal with what lies below it."""
    canvas.fill(BACKGROUND)
    _draw_table(canvas)
    geoms = [geom for geom in geoms_at(physics, positions) if geom.name != "table"]
    dark = mix(CARD, BACKGROUND, 0.7)
    draw_shadows(canvas, _CAMERA, geoms, dark)
    color = GREEN if is_there else TEXT
    x, y, depth, scale = _CAMERA(goal)
    ground = _CAMERA.at((goal[0], goal[1], 0.0))
    canvas.line([ground, (x, y)], mix(color, CARD, 0.5), 2)
    canvas.disc(*ground, 4, mix(color, CARD, 0.5))
    draw_geoms(canvas, _CAMERA, [geom for geom in geoms if _CAMERA(geom.centre)[2] > depth], _color_of)
    canvas.disc(x, y, 0.05 * scale, color, outline=3)
    canvas.disc(x, y, 4, color)
    draw_geoms(canvas, _CAMERA, [geom for geom in geoms if _CAMERA(geom.centre)[2] <= depth], _color_of)


def draw_figures(canvas: Canvas, num_steps: int, error: float, is_there: bool, what: str) -> None:
    """Write the time and how far `what` is from the goal."""
    canvas.text(f"{STEP_SECONDS * num_steps:.1f} s", 28, 34, 26, TEXT)
    text = f"{what} {100 * error:.1f} cm from the goal"
    canvas.text(text, SIZE[0] - 28, 34, 22, GREEN if is_there else TEXT, "right")


def _draw_table(canvas: Canvas) -> None:
    canvas.polygon([_CAMERA.at((x, y, 0.0)) for x, y in TABLE], CARD)
    for k in range(11):
        y = -0.5 + 0.1 * k
        canvas.line([_CAMERA.at((-0.15, y, 0.0)), _CAMERA.at((0.8, y, 0.0))], mix(CARD, LINE, 0.5), 1)
    for k in range(10):
        x = -0.1 + 0.1 * k
        canvas.line([_CAMERA.at((x, -0.5, 0.0)), _CAMERA.at((x, 0.5, 0.0))], mix(CARD, LINE, 0.5), 1)


def _color_of(geom: Geom) -> Color:
    return _COLORS.get(geom.name, BLUE if geom.name in ("upper_arm", "forearm", "hand") else mix(BLUE, TEXT, 0.35))
