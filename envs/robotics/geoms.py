"""Draws robots from the poses of their geoms: capsules, spheres and boxes on a canvas, without OpenGL.

What a camera sees is projected point by point; nearer geoms are painted over farther ones.
"""

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlkit.engine.physics import Physics
from rlkit.extras import import_extra
from rlkit.viewing.canvas import BACKGROUND, Canvas, Color, mix

_BOX_FACES = [(axis, side) for axis in range(3) for side in (-1.0, 1.0)]
_LIGHT = np.array([0.35, -0.5, 0.8]) / math.sqrt(0.35**2 + 0.5**2 + 0.8**2)


@dataclass(frozen=True)
class Geom:
    """A part of a body: its name, shape ("capsule", "sphere", "box"), sizes (m), centre [3], axes [3, 3] (columns)."""

    name: str
    shape: str
    size: np.ndarray
    centre: np.ndarray
    axes: np.ndarray

    @property
    def ends(self) -> np.ndarray:
        """The centres [2, 3] of a capsule's two half balls."""
        half = self.size[1] * self.axes[:, 2]
        return np.stack([self.centre - half, self.centre + half])


@functools.lru_cache(maxsize=8)
def _template(physics: Physics) -> tuple[Any, Any]:
    mujoco = import_extra("mujoco", "mujoco", "a robot moved by MuJoCo needs mujoco-core")
    model = mujoco.MjModel.from_xml_path(str(physics.path))
    return model, mujoco.MjData(model)


def geoms_at(physics: Physics, positions: np.ndarray) -> list[Geom]:
    """Return the geoms of a model, planes left out, where its joints have `positions` (qpos)."""
    mujoco = import_extra("mujoco", "mujoco", "a robot moved by MuJoCo needs mujoco-core")
    model, data = _template(physics)
    data.qpos[:] = positions
    mujoco.mj_kinematics(model, data)
    shapes = {mujoco.mjtGeom.mjGEOM_CAPSULE: "capsule", mujoco.mjtGeom.mjGEOM_SPHERE: "sphere"}
    shapes[mujoco.mjtGeom.mjGEOM_BOX] = "box"
    return [
        Geom(
            model.geom(i).name, shapes[mujoco.mjtGeom(kind)], model.geom_size[i].copy(), data.geom_xpos[i].copy(),
            data.geom_xmat[i].reshape(3, 3).copy(),
        )
        for i, kind in enumerate(model.geom_type)
        if mujoco.mjtGeom(kind) in shapes
    ]  # fmt: skip


class Camera:
    """Looks at a point, z upwards in the picture.

    Args:
        eye, target: m; orthographic cameras only use the direction between them.
        middle: where the target is in the picture, pixels.
        pixels: a metre at the target, pixels.
        is_perspective: what is farther away is smaller.
    """

    def __init__(
        self, eye: Iterable[float], target: Iterable[float], middle: tuple[float, float], pixels: float,
        is_perspective: bool = True,
    ):  # fmt: skip
        self._target, self._middle, self._pixels = np.array([*target]), middle, pixels
        way = self._target - np.array([*eye])
        self._distance = float(np.linalg.norm(way))
        self._ahead = way / self._distance
        right = np.cross(self._ahead, [0.0, 0.0, 1.0])
        self._right = right / np.linalg.norm(right)
        self._up = np.cross(self._right, self._ahead)
        self._is_perspective = is_perspective

    def __call__(self, point: Iterable[float]) -> tuple[float, float, float, float]:
        """Return (x, y) in the picture, how far beyond the target the point is (m), and pixels a metre there."""
        offset = np.asarray(point, np.float64) - self._target
        depth = float(offset @ self._ahead)
        scale = self._pixels
        if self._is_perspective:
            scale *= self._distance / max(self._distance + depth, 0.05)
        x = self._middle[0] + scale * float(offset @ self._right)
        return x, self._middle[1] - scale * float(offset @ self._up), depth, scale

    def at(self, point: Iterable[float]) -> tuple[float, float]:
        """Return (x, y) of a point in the picture."""
        return self(point)[:2]


def draw_geoms(canvas: Canvas, camera: Camera, geoms: Iterable[Geom], color_of: Callable[[Geom], Color]) -> None:
    """Draw `geoms`, the farthest first; of equally far ones the first."""
    for geom in sorted(geoms, key=lambda geom: -camera(geom.centre)[2]):
        _DRAWERS[geom.shape](canvas, camera, geom, color_of(geom))


def draw_shadows(canvas: Canvas, camera: Camera, geoms: Iterable[Geom], color: Color, height: float = 0.0) -> None:
    """Draw what lies straight below `geoms` on a floor at `height`."""
    for geom in geoms:
        if geom.shape == "box":
            corners = [(*(geom.centre + geom.axes @ (geom.size * [a, b, 0.0]))[:2], height) for a, b in _SQUARE]
            canvas.polygon([camera.at(corner) for corner in corners], color)
            continue
        ends = geom.ends if geom.shape == "capsule" else geom.centre[None]
        spots = [camera((x, y, height)) for x, y, _ in ends]
        width = 2 * geom.size[0] * spots[0][3]
        canvas.line([spot[:2] for spot in spots], color, width)
        for x, y, _, _ in spots:
            canvas.disc(x, y, width / 2, color)


_SQUARE = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))


def _draw_capsule(canvas: Canvas, camera: Camera, geom: Geom, color: Color) -> None:
    ends = [camera(end) for end in geom.ends]
    points = [end[:2] for end in ends]
    width = geom.size[0] * (ends[0][3] + ends[1][3])
    lit = [(x - 0.16 * width, y - 0.16 * width) for x, y in points]
    for line, part, share in ((points, width + 3, mix(color, BACKGROUND, 0.7)), (points, width, color),
                              (lit, 0.4 * width, mix(color, (255, 255, 255), 0.25))):  # fmt: skip
        canvas.line(line, share, part)
        for x, y in line:
            canvas.disc(x, y, part / 2, share)


def _draw_sphere(canvas: Canvas, camera: Camera, geom: Geom, color: Color) -> None:
    x, y, _, scale = camera(geom.centre)
    radius = geom.size[0] * scale
    canvas.disc(x, y, radius + 1.5, mix(color, BACKGROUND, 0.7))
    canvas.disc(x, y, radius, color)
    canvas.disc(x - 0.3 * radius, y - 0.3 * radius, 0.35 * radius, mix(color, (255, 255, 255), 0.35))


def _draw_box(canvas: Canvas, camera: Camera, geom: Geom, color: Color) -> None:
    faces = []
    for axis, side in _BOX_FACES:
        normal = side * geom.axes[:, axis]
        middle = geom.centre + geom.size[axis] * normal
        first, second = (geom.size[k] * geom.axes[:, k] for k in range(3) if k != axis)
        shade = 0.55 * (1.0 - max(0.0, float(normal @ _LIGHT)))
        corners = [camera.at(middle + a * first + b * second) for a, b in _SQUARE]
        faces.append((camera(middle)[2], corners, mix(color, BACKGROUND, shade)))
    for _, corners, shaded in sorted(faces, key=lambda face: -face[0])[3:]:  # the three nearer ones hide the others
        canvas.polygon(corners, shaded)
        canvas.line([*corners, corners[0]], mix(shaded, BACKGROUND, 0.4), 1.5)


_DRAWERS = {"capsule": _draw_capsule, "sphere": _draw_sphere, "box": _draw_box}
