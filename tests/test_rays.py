"""Rays against closed forms, against marching in small steps, and against each other."""

import math

import numpy as np
import pytest

from rlkit.engine.jit import jit
from rlkit.engine.rays import ray_box, ray_disc, ray_room, ray_segment, reciprocal, turn


@jit
def cast_all(kind, rays, things, out):
    for i in range(len(rays)):
        x, y, dx, dy = rays[i]
        a, b, c, d = things[i]
        if kind == 0:
            out[i] = ray_disc(x, y, dx, dy, a, b, c)
        elif kind == 1:
            out[i] = ray_segment(x, y, dx, dy, a, b, c, d)
        elif kind == 2:
            out[i] = ray_box(x, y, reciprocal(dx), reciprocal(dy), a, b, c, d)
        else:
            out[i] = ray_room(x, y, reciprocal(dx), reciprocal(dy), a, b, c, d)


def distances(kind, rays, things):
    out = np.zeros(len(rays))
    cast_all(("disc", "segment", "box", "room").index(kind), np.array(rays, float), np.array(things, float), out)
    return out


def random_rays(rng, count, reach=3.0):
    angle = rng.uniform(-math.pi, math.pi, count)
    return np.column_stack([rng.uniform(-reach, reach, (count, 2)), np.cos(angle), np.sin(angle)])


def test_discs_equal_the_roots_of_the_quadratic():
    """|p + t·d − c|² = r² has the roots of t² + 2bt + c = 0: an independent way to the exact distance."""
    rng = np.random.default_rng(0)
    rays = random_rays(rng, 20_000)
    discs = np.column_stack([rng.uniform(-2, 2, (20_000, 2)), rng.uniform(0.05, 1.5, 20_000), np.zeros(20_000)])
    found = distances("disc", rays, discs)
    offset = rays[:, :2] - discs[:, :2]
    b = (offset * rays[:, 2:]).sum(axis=1)
    c = (offset**2).sum(axis=1) - discs[:, 2] ** 2
    discriminant = b * b - c
    with np.errstate(invalid="ignore"):
        near, far = -b - np.sqrt(discriminant), -b + np.sqrt(discriminant)
    expected = np.where((discriminant < 0) | (far < 0), np.inf, np.maximum(near, 0))
    is_clear = np.abs(discriminant) > 1e-9  # a ray that only touches may go either way
    np.testing.assert_allclose(found[is_clear], expected[is_clear], rtol=0, atol=1e-6)
    assert 0.1 < np.isfinite(found).mean() < 0.9
    assert (found == 0).sum() > 100


def marched(rays, is_inside, reach=9.0, stride=1e-3):
    """Return where each ray is first inside, found by sampling it every millimetre; inf beyond `reach`."""
    out = np.full(len(rays), np.inf)
    steps = np.arange(0, reach, stride)
    for i, (x, y, dx, dy) in enumerate(rays):
        inside = is_inside(i, x + steps * dx, y + steps * dy)
        if inside.any():
            out[i] = steps[inside.argmax()]
    return out


def assert_as_marched(found, expected):
    """Both hit within a stride, or one of them grazed a corner that sampling steps over."""
    is_equal = np.isclose(found, expected, rtol=0, atol=1.1e-3)  # two of inf are close
    assert is_equal.mean() > 0.99
    assert not np.isinf(found[np.isfinite(expected)]).any()  # what sampling hits is hit
    assert 0.1 < np.isfinite(found).mean() < 0.9


def test_discs_equal_marching():
    rng = np.random.default_rng(1)
    rays = random_rays(rng, 400)
    discs = np.column_stack([rng.uniform(-2, 2, (400, 2)), rng.uniform(0.3, 1.5, 400), np.zeros(400)])
    inside = marched(rays, lambda i, x, y: (x - discs[i, 0]) ** 2 + (y - discs[i, 1]) ** 2 <= discs[i, 2] ** 2)
    assert_as_marched(distances("disc", rays, discs), inside)


def random_boxes(rng, count):
    corner = rng.uniform(-2, 1, (count, 2))
    return np.column_stack([corner, corner + rng.uniform(0.3, 2, (count, 2))])


def test_boxes_equal_marching():
    rng = np.random.default_rng(2)
    rays, boxes = random_rays(rng, 400), random_boxes(rng, 400)
    inside = marched(
        rays, lambda i, x, y: (boxes[i, 0] <= x) & (x <= boxes[i, 2]) & (boxes[i, 1] <= y) & (y <= boxes[i, 3])
    )
    assert_as_marched(distances("box", rays, boxes), inside)


def sides(box):
    left, bottom, right, top = box
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    return [(*corners[k], *corners[(k + 1) % 4]) for k in range(4)]


def test_a_box_is_its_four_sides_seen_from_outside_and_a_room_seen_from_inside():
    rng = np.random.default_rng(3)
    rays, boxes = random_rays(rng, 20_000), random_boxes(rng, 20_000)
    walls = np.array([sides(box) for box in boxes])  # [N, 4, 4]
    nearest = np.min([distances("segment", rays, walls[:, k]) for k in range(4)], axis=0)
    is_inside = ((boxes[:, :2] < rays[:, :2]) & (rays[:, :2] < boxes[:, 2:])).all(axis=1)
    assert 500 < is_inside.sum() < 19_500
    found = distances("box", rays, boxes)
    assert (found[is_inside] == 0).all()
    np.testing.assert_allclose(found[~is_inside], nearest[~is_inside], rtol=0, atol=1e-9)
    np.testing.assert_allclose(distances("room", rays, boxes)[is_inside], nearest[is_inside], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "ray", "thing", "expected"),
    [
        ("disc", (0, 0, 1, 0), (3, 0, 1, 0), 2),
        ("disc", (0, 0, -1, 0), (3, 0, 1, 0), math.inf),  # behind
        ("disc", (0, 1, 1, 0), (3, 0, 1, 0), 3),  # touches
        ("disc", (2.5, 0, 1, 0), (3, 0, 1, 0), 0),  # inside
        ("segment", (0, 0, 0.6, 0.8), (3, 0, 3, 9), 5),
        ("segment", (0, 0, 1, 0), (3, 0, 3, 9), 3),  # at its very end
        ("segment", (0, 0, 1, 0), (3, 0.1, 3, 9), math.inf),
        ("segment", (0, 0, 1, 0), (1, 0, 2, 0), math.inf),  # end on
        ("box", (0, 0, 1, 0), (2, -1, 3, 1), 2),
        ("box", (0, 0, 0, 1), (-1, 2, 1, 3), 2),  # along an axis
        ("box", (0, 0, 1, 0), (2, 1, 3, 2), math.inf),
        ("box", (0, 0, -1, 0), (2, -1, 3, 1), math.inf),
        ("room", (1, 1, 0, -1), (0, 0, 4, 5), 1),
        ("room", (1, 1, 0.6, 0.8), (0, 0, 4, 9), 5),
    ],
)
def test_distances_drawn_by_hand(kind, ray, thing, expected):
    assert distances(kind, [ray], [thing])[0] == pytest.approx(expected, abs=1e-9)


def test_a_turn_by_90_degrees_is_counter_clockwise():
    assert turn(1.0, 0.0, 0.0, 1.0) == (0.0, 1.0)
    assert turn(0.0, 1.0, 0.0, 1.0) == (-1.0, 0.0)
