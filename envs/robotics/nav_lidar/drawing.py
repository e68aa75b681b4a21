"""Draws NavLidar from above: walls, boxes and discs, the robot with its lidar's rays and trail, the goal, the path."""

import itertools
import math

from envs.robotics.nav_lidar.geometry import SIZE as WORLD
from envs.robotics.nav_lidar.rules import NUM_RAYS, RAY_COS, RAY_SIN
from rlkit.viewing.canvas import BACKGROUND, BLUE, GREEN, LINE, MUTED, PANEL, RED, TEXT, YELLOW, mix

SIZE = (640, 700)
ACTION_NAMES = ("speed", "turn")
KEYS = {"up": (1.0, 0.0), "left": (0.0, 0.6), "right": (0.0, -0.6)}
IDLE_ACTION = (-1.0, 0.0)

_LEFT, _TOP, _SIDE = 20.0, 60.0, 600.0
_SCALE = _SIDE / WORLD  # pixels a metre
_OBSTACLE = mix(LINE, MUTED, 0.35)
_FLOOR = mix(BACKGROUND, PANEL, 0.8)


def draw(state, params, canvas):
    """Draw one state."""
    canvas.fill(BACKGROUND)
    canvas.rect(_LEFT - 8, _TOP - 8, _SIDE + 16, _SIDE + 16, _OBSTACLE, 4)
    canvas.rect(_LEFT, _TOP, _SIDE, _SIDE, _FLOOR)
    _draw_rays(state, params, canvas)
    _draw_obstacles(state, canvas)
    _draw_path(state, canvas)
    _draw_goal(state, params, canvas)
    _draw_trail(state, canvas)
    _draw_robot(state, params, canvas)
    _draw_head(state, canvas)


def _at(x, y):
    """Return the pixel of a place in metres; y points up."""
    return _LEFT + _SCALE * float(x), _TOP + _SIDE - _SCALE * float(y)


def _draw_rays(state, params, canvas):
    """Draw each ray faintly, with a dot where it meets something."""
    x, y, cos, sin = (float(state[name]) for name in ("x", "y", "cos_heading", "sin_heading"))
    limit = float(params.lidar_range)
    for k in range(NUM_RAYS):
        reach = float(state.lidar[k])
        dx = cos * RAY_COS[k] - sin * RAY_SIN[k]
        dy = sin * RAY_COS[k] + cos * RAY_SIN[k]
        end = _at(x + reach * dx, y + reach * dy)
        canvas.line([_at(x, y), end], mix(_FLOOR, BLUE, 0.28), 1)
        if reach < limit:
            canvas.disc(*end, 3.5, mix(_FLOOR, BLUE, 0.8))


def _draw_obstacles(state, canvas):
    for left, bottom, right, top in state.boxes[: int(state.num_boxes)]:
        x, y = _at(left, top)
        canvas.rect(x, y, _SCALE * float(right - left), _SCALE * float(top - bottom), _OBSTACLE)
    for x, y, radius in state.discs[: int(state.num_discs)]:
        canvas.disc(*_at(x, y), _SCALE * float(radius), _OBSTACLE)
    # discs may reach beyond the world: cover what sticks out
    canvas.rect(0, 0, SIZE[0], _TOP - 8, BACKGROUND)
    canvas.rect(0, _TOP + _SIDE + 8, SIZE[0], SIZE[1], BACKGROUND)
    canvas.rect(0, 0, _LEFT - 8, SIZE[1], BACKGROUND)
    canvas.rect(_LEFT + _SIDE + 8, 0, _LEFT, SIZE[1], BACKGROUND)


def _draw_path(state, canvas):
    """Draw the shortest path as dots; the robot does not know it."""
    left = 0.0  # pixels until the next dot
    corners = [_at(x, y) for x, y in state.taut[: int(state.num_taut)]]
    for (x0, y0), (x1, y1) in itertools.pairwise(corners):
        length = math.hypot(x1 - x0, y1 - y0)
        while left < length:
            share = left / length
            canvas.disc(x0 + share * (x1 - x0), y0 + share * (y1 - y0), 1.6, mix(_FLOOR, GREEN, 0.75))
            left += 10.0
        left -= length


def _draw_goal(state, params, canvas):
    centre, radius = _at(state.goal_x, state.goal_y), _SCALE * float(params.goal_radius)
    canvas.disc(*centre, radius, GREEN, alpha=0.35)
    canvas.disc(*centre, radius, GREEN, outline=2.5)
    canvas.disc(*centre, 4, GREEN)


def _draw_trail(state, canvas):
    places = state.trail[: int(state.num_steps) + 1]
    if len(places) > 1:
        canvas.line([_at(x, y) for x, y in places], YELLOW, 2.5)
    canvas.disc(*_at(*state.trail[0]), 4, YELLOW)


def _draw_robot(state, params, canvas):
    """Draw the robot as a disc with two wheels and a bright wedge where it looks; red after a collision."""
    x, y, cos, sin = (float(state[name]) for name in ("x", "y", "cos_heading", "sin_heading"))
    radius = float(params.robot_radius)
    color = RED if int(state.has_collided) else BLUE

    def corner(ahead, aside):
        return _at(x + radius * (ahead * cos - aside * sin), y + radius * (ahead * sin + aside * cos))

    canvas.disc(*_at(x, y), _SCALE * radius, color)
    for side in (1.0, -1.0):
        canvas.line([corner(-0.45, 0.82 * side), corner(0.45, 0.82 * side)], BACKGROUND, 4)
    canvas.polygon([corner(0.95, 0.0), corner(-0.35, 0.5), corner(-0.35, -0.5)], TEXT)


def _draw_head(state, canvas):
    """Write what is going on: time, way, speed, and how it ended."""
    ending, color = "", TEXT
    if int(state.has_reached):
        ending, color = "goal reached", GREEN
    elif int(state.has_collided):
        ending, color = "collision", RED
    canvas.text(ending or f"goal {float(state.goal_distance):.1f} m away", _LEFT, 26, 22, color)
    travelled, shortest = float(state.travelled), float(state.shortest)
    canvas.text(f"travelled {travelled:.1f} m, shortest {shortest:.1f} m", _LEFT + _SIDE, 26, 18, MUTED, "right")
    figures = f"speed {float(state.speed):.2f} m/s    turn {float(state.turn_rate):+.1f} rad/s"
    canvas.text(figures.replace("-", "−"), _LEFT, 684, 17, MUTED)
    gap = f"clearance {max(0.0, float(state.gap)):.2f} m"
    canvas.text(gap, _LEFT + _SIDE, 684, 17, RED if float(state.gap) < 0.1 else MUTED, "right")
