"""Shortest paths of a round robot: distances to the goal on a grid, then a path over them, pulled taut.

1. Dijkstra's distances from the goal over the 8-connected nodes where the robot fits, by sweeping the grid to and fro
   until nothing changes: without a queue, so that it needs no memory beyond the field `state.to_goal`. Steps cost 70
   and diagonal ones 99, whole numbers whose quotient is √2 to 5e-5.
2. From the start down those distances; nodes that can be skipped in a straight line are (string pulling).
3. Corners slide towards the line between their neighbours as far as the robot fits (`tighten`), so that the path is no
   longer bound to the grid.

What comes out bends round the obstacles as tightly as the robot does, so it is hardly ever shorter than the shortest
one: only where a step of the grid cuts a corner, by less than 10 cm.
"""

import math

from envs.robotics.nav_lidar.geometry import SIZE, is_free
from rlkit.engine.jit import jit

NODES = 41  # of the grid along each side, the first and the last on the outer walls
SPACING = SIZE / (NODES - 1)  # m
MAX_CORNERS = 32  # of a path, start and goal included

STRAIGHT, DIAGONAL = 70, 99  # cost of a step
FAR = 1 << 28  # not reached
BLOCKED = 1 << 29  # the robot does not fit there
_MAX_SWEEPS = 64


@jit
def node_of(place):
    """Return the row or column nearest to a coordinate."""
    return min(max(math.floor(place / SPACING + 0.5), 0), NODES - 1)


@jit
def _block(state, left, bottom, right, top, reach):
    """Block the nodes nearer than `reach` to a box (or to a point, a box without sides)."""
    for row in range(node_of(bottom - reach), node_of(top + reach) + 1):
        for column in range(node_of(left - reach), node_of(right + reach) + 1):
            x, y = column * SPACING, row * SPACING
            gap_x, gap_y = max(max(left - x, x - right), 0.0), max(max(bottom - y, y - top), 0.0)
            if gap_x * gap_x + gap_y * gap_y < reach * reach:
                state.to_goal[row, column] = BLOCKED


@jit
def block_nodes(state, margin):
    """Set `state.to_goal` to FAR where a disc of radius `margin` fits, and to BLOCKED elsewhere."""
    first = max(1, math.ceil(margin / SPACING - 1e-9))
    for row in range(NODES):
        for column in range(NODES):
            is_inside = first <= row < NODES - first and first <= column < NODES - first
            state.to_goal[row, column] = FAR if is_inside else BLOCKED
    for i in range(int(state.num_discs)):
        x, y, radius = float(state.discs[i, 0]), float(state.discs[i, 1]), float(state.discs[i, 2])
        _block(state, x, y, x, y, radius + margin)
    for i in range(int(state.num_boxes)):
        box = state.boxes[i]
        _block(state, float(box[0]), float(box[1]), float(box[2]), float(box[3]), margin)


@jit
def _sweep(to_goal, side):
    """Relax every free node by the four neighbours on one side, in that side's order; return whether any changed."""
    has_changed = False
    for i in range(1, NODES - 1):
        row = i if side > 0 else NODES - 1 - i
        for j in range(1, NODES - 1):
            column = j if side > 0 else NODES - 1 - j
            old = int(to_goal[row, column])
            if old == BLOCKED:
                continue
            straight = min(int(to_goal[row - side, column]), int(to_goal[row, column - side]))
            diagonal = min(int(to_goal[row - side, column - 1]), int(to_goal[row - side, column + 1]))
            best = min(straight + STRAIGHT, diagonal + DIAGONAL)
            if best < old:
                to_goal[row, column] = best
                has_changed = True
    return has_changed


@jit
def measure_to_goal(state):
    """Write the distance of every free node to the goal; `block_nodes` comes first."""
    to_goal = state.to_goal
    to_goal[node_of(float(state.goal_y)), node_of(float(state.goal_x))] = 0
    for _ in range(_MAX_SWEEPS):
        has_changed = _sweep(to_goal, 1)
        if not _sweep(to_goal, -1) and not has_changed:
            break


@jit
def _add(path, count, x, y):
    """Append a corner; return the new count, which stays at the limit where there is no room."""
    if count < MAX_CORNERS:
        path[count, 0] = x
        path[count, 1] = y
    return count + 1


@jit
def trace(state, path, margin):
    """Write the path from the start down the distances, straight where it can be; return its number of corners.

    0: the goal cannot be reached (or the path has too many corners).
    """
    row, column = node_of(float(state.y)), node_of(float(state.x))
    goal_x, goal_y = float(state.goal_x), float(state.goal_y)
    if int(state.to_goal[row, column]) >= FAR:
        return 0
    anchor_x, anchor_y = float(state.x), float(state.y)
    count = _add(path, 0, anchor_x, anchor_y)
    while int(state.to_goal[row, column]) > 0:
        next_row, next_column, least = row, column, int(state.to_goal[row, column])
        for up in range(-1, 2):
            for right in range(-1, 2):
                cost = DIAGONAL if up * right != 0 else STRAIGHT
                total = int(state.to_goal[row + up, column + right]) + cost
                if (up != 0 or right != 0) and total <= least:
                    next_row, next_column, least = row + up, column + right, total
        if next_row == row and next_column == column:
            return 0  # distances that have not settled: too long a maze
        if not is_free(state, anchor_x, anchor_y, next_column * SPACING, next_row * SPACING, margin):
            anchor_x, anchor_y = column * SPACING, row * SPACING
            count = _add(path, count, anchor_x, anchor_y)
        row, column = next_row, next_column
    if not is_free(state, anchor_x, anchor_y, goal_x, goal_y, margin):
        count = _add(path, count, column * SPACING, row * SPACING)
    count = _add(path, count, goal_x, goal_y)
    return count if count <= MAX_CORNERS else 0


@jit
def path_length(path, count):
    """Return the length of a path in metres."""
    total = 0.0
    for i in range(1, count):
        dx, dy = float(path[i, 0]) - float(path[i - 1, 0]), float(path[i, 1]) - float(path[i - 1, 1])
        total += math.sqrt(dx * dx + dy * dy)
    return total


@jit
def _slide(state, path, i, margin):
    """Move corner i towards the line between its neighbours as far as the robot fits; return whether it is on it."""
    x0, y0, x1, y1 = float(path[i - 1, 0]), float(path[i - 1, 1]), float(path[i + 1, 0]), float(path[i + 1, 1])
    if is_free(state, x0, y0, x1, y1, margin):
        return True
    x, y = float(path[i, 0]), float(path[i, 1])
    side_x, side_y = x1 - x0, y1 - y0
    share = ((x - x0) * side_x + (y - y0) * side_y) / max(side_x * side_x + side_y * side_y, 1e-12)
    to_x, to_y = x0 + share * side_x - x, y0 + share * side_y - y  # to the foot of the perpendicular
    moved, reach = 0.0, 0.5
    for _ in range(7):
        x2, y2 = x + (moved + reach) * to_x, y + (moved + reach) * to_y
        if is_free(state, x0, y0, x2, y2, margin) and is_free(state, x2, y2, x1, y1, margin):
            moved += reach
        reach *= 0.5
    path[i, 0] = x + moved * to_x
    path[i, 1] = y + moved * to_y
    return False


@jit
def tighten(state, path, count, margin, num_rounds):
    """Pull a path taut: shorten it at every corner, over and over; return its number of corners."""
    length = path_length(path, count)
    for _ in range(num_rounds):
        i = 1
        while i < count - 1:
            if _slide(state, path, i, margin):
                for k in range(i, count - 1):
                    path[k, 0] = path[k + 1, 0]
                    path[k, 1] = path[k + 1, 1]
                count -= 1
            else:
                i += 1
        shorter = path_length(path, count)
        if shorter > length - 1e-3:
            break
        length = shorter
    return count
