"""Draws the worlds of NavLidar: walls with doors, boxes, discs, a start and a goal that are surely connected."""

from envs.robotics.nav_lidar.geometry import SIZE, clearance
from envs.robotics.nav_lidar.paths import block_nodes, measure_to_goal, path_length, tighten, trace
from rlkit.engine.jit import jit
from rlkit.engine.rng import uniform, uniform_between

MAX_DISCS = 24
MAX_FREE_BOXES = 8
MAX_BOXES = MAX_FREE_BOXES + 6  # two walls of three pieces
WALL = 0.2  # m, thickness
MAX_WORLDS = 32  # tries, then the world is empty
_MAX_PLACES = 64  # tries to place start and goal
_ROUNDS = 12  # of pulling a path taut


@jit
def _add_box(state, across, low, high, from_across, to_across, is_upright):
    """Add a box that runs from `low` to `high`, upright or lying, if it is longer than nothing."""
    if high - low <= 0.0:
        return
    box = state.boxes[int(state.num_boxes)]
    box[0], box[1] = (across + from_across, low) if is_upright else (low, across + from_across)
    box[2], box[3] = (across + to_across, high) if is_upright else (high, across + to_across)
    state.num_boxes = int(state.num_boxes) + 1


@jit
def _add_wall(state, across, crossing, door_width, is_upright):
    """Add a wall over the whole world with a door on each side of where the other wall crosses it."""
    edge = 0.5 * door_width + 0.4
    door_1 = uniform_between(state, edge, max(edge, crossing - edge))
    door_2 = uniform_between(state, min(crossing + edge, SIZE - edge), SIZE - edge)
    half = 0.5 * door_width
    _add_box(state, across, 0.0, door_1 - half, -0.5 * WALL, 0.5 * WALL, is_upright)
    _add_box(state, across, door_1 + half, door_2 - half, -0.5 * WALL, 0.5 * WALL, is_upright)
    _add_box(state, across, door_2 + half, SIZE, -0.5 * WALL, 0.5 * WALL, is_upright)


@jit
def _draw_obstacles(state, params):
    """Draw walls, boxes and discs without regard to each other."""
    state.num_boxes = 0
    num_walls = min(max(int(params.num_walls), 0), 2)
    first, second = uniform_between(state, 0.35 * SIZE, 0.65 * SIZE), uniform_between(state, 0.35 * SIZE, 0.65 * SIZE)
    is_upright = uniform(state) < 0.5
    if num_walls > 0:
        _add_wall(state, first, second, float(params.door_width), is_upright)
    if num_walls > 1:
        _add_wall(state, second, first, float(params.door_width), not is_upright)
    for _ in range(min(max(int(params.num_boxes), 0), MAX_FREE_BOXES)):
        length, thickness = uniform_between(state, 0.8, 2.0), uniform_between(state, 0.2, 0.6)
        along, across = uniform_between(state, 0.0, SIZE - length), uniform_between(state, 0.0, SIZE - thickness)
        _add_box(state, across, along, along + length, 0.0, thickness, uniform(state) < 0.5)
    state.num_discs = min(max(int(params.num_discs), 0), MAX_DISCS)
    for i in range(int(state.num_discs)):
        state.discs[i, 0] = uniform_between(state, 0.0, SIZE)
        state.discs[i, 1] = uniform_between(state, 0.0, SIZE)
        state.discs[i, 2] = uniform_between(state, 0.15, 0.5)


@jit
def _place(state, params, room):
    """Draw a start and a goal with `room` around them and far enough from each other; return whether there are any."""
    for _ in range(_MAX_PLACES):
        state.x, state.y = uniform_between(state, room, SIZE - room), uniform_between(state, room, SIZE - room)
        state.goal_x, state.goal_y = (
            uniform_between(state, room, SIZE - room),
            uniform_between(state, room, SIZE - room),
        )
        dx, dy = float(state.goal_x) - float(state.x), float(state.goal_y) - float(state.y)
        is_far = dx * dx + dy * dy >= float(params.least_way) * float(params.least_way)
        if not is_far or clearance(state, float(state.x), float(state.y)) < room:
            continue
        if clearance(state, float(state.goal_x), float(state.goal_y)) >= room:
            return True
    return False


@jit
def _find_path(state, path, margin):
    """Write the shortest path of a disc of radius `margin`; return its number of corners, 0 if there is none."""
    block_nodes(state, margin)
    measure_to_goal(state)
    count = trace(state, path, margin)
    return tighten(state, path, count, margin, _ROUNDS) if count > 0 else 0


@jit
def _plan(state, params):
    """Find the path with the promised margin, and the shortest one that the robot fits through; is there any?"""
    radius = float(params.robot_radius)
    count = _find_path(state, state.path, radius + float(params.margin))
    if count == 0:
        return False
    num_taut = _find_path(state, state.taut, radius)
    if num_taut == 0 or path_length(state.taut, num_taut) > path_length(state.path, count):
        for i in range(count):  # the grid's choice was the worse one
            state.taut[i, 0], state.taut[i, 1] = state.path[i, 0], state.path[i, 1]
        num_taut = tighten(state, state.taut, count, radius, _ROUNDS)
    state.num_corners, state.num_taut = count, num_taut
    state.shortest = max(path_length(state.taut, num_taut) - float(params.goal_radius), 0.0)
    return True


@jit
def _clear_world(state):
    """Set every field of the world and its path to nothing."""
    for i in range(MAX_DISCS):
        state.discs[i, 0], state.discs[i, 1], state.discs[i, 2] = 0.0, 0.0, 0.0
    for i in range(MAX_BOXES):
        state.boxes[i, 0], state.boxes[i, 1], state.boxes[i, 2], state.boxes[i, 3] = 0.0, 0.0, 0.0, 0.0
    for i in range(state.path.shape[0]):
        state.path[i, 0], state.path[i, 1] = 0.0, 0.0
        state.taut[i, 0], state.taut[i, 1] = 0.0, 0.0
    state.num_discs, state.num_boxes, state.num_corners, state.num_taut = 0, 0, 0, 0


@jit
def draw_world(state, params):
    """Draw worlds until start and goal are connected with the promised margin; after many tries take an empty one."""
    room = float(params.robot_radius) + float(params.margin) + 0.2  # the nearest node is within 0.18 m, so free
    for _ in range(MAX_WORLDS):
        _clear_world(state)
        _draw_obstacles(state, params)
        if _place(state, params, room) and _plan(state, params):
            return
    _clear_world(state)
    state.x, state.y, state.goal_x, state.goal_y = 0.2 * SIZE, 0.2 * SIZE, 0.8 * SIZE, 0.8 * SIZE
    _plan(state, params)
