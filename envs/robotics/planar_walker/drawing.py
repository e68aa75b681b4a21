"""Draws PlanarWalker from the side: the right leg in front, the left behind, on a floor marked every half metre."""

import math

from envs.robotics.geoms import Camera, draw_geoms, draw_shadows, geoms_at
from envs.robotics.planar_walker.rules import PHYSICS, STEP_SECONDS
from rlkit.viewing.canvas import BACKGROUND, BLUE, CARD, LINE, MUTED, RED, TEXT, YELLOW, mix

SIZE = (720, 480)
ACTION_NAMES = ("right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle")
IDLE_ACTION = (0.0,) * 6

_PIXELS = 190.0  # a metre
_FLOOR = 400.0  # pixels from the top
_DEPTH = {"left": 0.1, "torso": 0.0, "right": -0.1}  # m away, so that the legs are painted in this order


def draw(state, params, canvas):
    """Draw one state."""
    canvas.fill(BACKGROUND)
    x = float(state.qpos[0])
    camera = Camera((x, -5.0, 0.0), (x, 0.0, 0.0), (SIZE[0] / 2, _FLOOR), _PIXELS, is_perspective=False)
    _draw_floor(canvas, camera, x)
    geoms = [geom for geom in geoms_at(PHYSICS, state.qpos) if geom.name != "floor"]
    for geom in geoms:
        geom.centre[1] += _DEPTH[geom.name.split("_")[0]]
    draw_shadows(canvas, camera, geoms, mix(CARD, BACKGROUND, 0.6), height=-0.05)
    colors = {"left": mix(BLUE, BACKGROUND, 0.45), "torso": YELLOW, "right": BLUE}
    draw_geoms(canvas, camera, geoms, lambda geom: colors[geom.name.split("_")[0]])
    seconds = STEP_SECONDS * int(state.num_steps)
    speed = float(state.distance) / seconds if seconds else 0.0
    has_fallen = bool(state.has_fallen)
    canvas.text("fell" if has_fallen else f"{seconds:.1f} s", 28, 34, 26, RED if has_fallen else TEXT)
    canvas.text(f"{speed:.2f} m/s on average".replace("-", "−"), SIZE[0] / 2, 34, 22, TEXT, "center")
    canvas.text(f"{float(state.distance):.1f} m".replace("-", "−"), SIZE[0] - 28, 34, 26, TEXT, "right")


def _draw_floor(canvas, camera, x):
    canvas.rect(0, _FLOOR, SIZE[0], SIZE[1] - _FLOOR, CARD)
    canvas.line([(0, _FLOOR), (SIZE[0], _FLOOR)], LINE, 3)
    reach = SIZE[0] / 2 / _PIXELS
    for half in range(math.floor(2 * (x - reach)), math.ceil(2 * (x + reach)) + 1):
        at, _ = camera.at((half / 2, 0.0, 0.0))
        is_whole = half % 2 == 0
        canvas.line([(at, _FLOOR), (at, _FLOOR + (16 if is_whole else 8))], MUTED if is_whole else LINE, 2)
        if is_whole:
            canvas.text(f"{half // 2} m".replace("-", "−"), at, _FLOOR + 40, 18, MUTED, "center")
