"""The dynamic window: the best (speed, turn rate) that the motors can reach within a step, by what the lidar shows.

D. Fox, W. Burgard and S. Thrun, "The dynamic window approach to collision avoidance", IEEE Robotics and Automation
Magazine 1997. Each pair is an arc that the robot would follow; arcs from which it could no longer stop before the
first lidar point in the way are out, and of the rest that one wins whose weighted sum of heading (towards the goal,
after a while on the arc), clearance (way along the arc to the first point) and speed is the largest. What differs:

1. The window is that of motors with a first-order lag: the pairs reached one step after each of a grid of commands.
2. Clearance counts up to `LOOK` metres, and not beyond the goal.
"""

import math

from rlkit.engine.jit import jit

NUM_SPEEDS, NUM_TURNS = 7, 21  # of the grid of commands
# Weights of heading, clearance and speed; m up to which clearance counts; s on the arc, after which the heading is
# judged; m of safety beside the robot.
WEIGHTS = (0.8, 0.4, 0.8, 4.0, 0.5, 0.05)


@jit
def way_to_point(speed, turn_rate, x, y, reach):
    """Return the way along an arc until the robot's centre is within `reach` of the point (x ahead, y left)."""
    if x * x + y * y < reach * reach:
        return 0.0 if x > 0.0 else math.inf  # too near already: only away from it
    if abs(turn_rate) < 1e-3 * max(speed, 1e-6):
        if x < 0.0 or abs(y) >= reach:
            return math.inf
        return x - math.sqrt(reach * reach - y * y)
    radius = speed / abs(turn_rate)
    side = y if turn_rate > 0.0 else -y  # the centre of the circle is at (0, radius)
    distance = math.sqrt(x * x + (side - radius) * (side - radius))
    if distance < abs(radius - reach) or distance > radius + reach or distance * radius < 1e-12:
        return math.inf
    cos = (radius * radius + distance * distance - reach * reach) / (2.0 * radius * distance)
    angle = math.atan2(x, radius - side) - math.acos(min(max(cos, -1.0), 1.0))
    return radius * (angle % (2.0 * math.pi))


@jit
def way_along(speed, turn_rate, ranges, max_range, reach, ray_cos, ray_sin):
    """Return the way along an arc until it is blocked by what the lidar shows."""
    way = math.inf
    for k in range(len(ray_cos)):
        if ranges[k] < max_range:
            x, y = ranges[k] * ray_cos[k], ranges[k] * ray_sin[k]
            way = min(way, way_to_point(speed, turn_rate, x, y, reach))
    return way


@jit
def heading_score(speed, turn_rate, goal_x, goal_y, seconds):
    """Return 1 where the goal is straight ahead after a while on the arc, 0 where it is behind."""
    turned = turn_rate * seconds
    half = 0.5 * turned
    chord = speed * seconds * (1.0 if abs(half) < 1e-6 else math.sin(half) / half)
    to_x, to_y = goal_x - chord * math.cos(half), goal_y - chord * math.sin(half)
    error = math.atan2(to_y, to_x) - turned
    return 1.0 - abs((error + math.pi) % (2.0 * math.pi) - math.pi) / math.pi


@jit
def choose(ranges, goal_x, goal_y, speed, turn_rate, robot, weights, ray_cos, ray_sin):
    """Return the action (speed, turn) in [−1, 1] of the best arc.

    `robot`: (largest speed, largest turn rate, share of a difference left after a step, s to stop, m of lidar range,
    m of the robot's radius, m of the goal's).
    """
    max_speed, max_turn, left, stop_seconds, max_range, radius, goal_radius = robot
    heading_weight, clearance_weight, speed_weight, most_look, seconds, safety = weights
    look = min(most_look, math.sqrt(goal_x * goal_x + goal_y * goal_y) + goal_radius)
    best, best_speed, best_turn = -math.inf, -1.0, 1.0 if goal_y > 0.0 else -1.0
    for i in range(NUM_SPEEDS):
        command = i / (NUM_SPEEDS - 1)
        next_speed = left * speed + (1.0 - left) * command * max_speed
        for j in range(NUM_TURNS):
            turn = 2.0 * j / (NUM_TURNS - 1) - 1.0
            next_turn = left * turn_rate + (1.0 - left) * turn * max_turn
            way = way_along(next_speed, next_turn, ranges, max_range, radius + safety, ray_cos, ray_sin)
            if way < next_speed * stop_seconds:
                continue
            score = heading_weight * heading_score(next_speed, next_turn, goal_x, goal_y, seconds)
            score += clearance_weight * min(way, look) / look + speed_weight * next_speed / max_speed
            if score > best:
                best, best_speed, best_turn = score, 2.0 * command - 1.0, turn
    return best_speed, best_turn


@jit
def choose_all(obs, robot, weights, scale, ray_cos, ray_sin, ranges, actions):
    """Write the action of each observation [B, 69] into `actions` [B, 2]; `ranges` [rays] is room to work in."""
    num_rays = len(ray_cos)
    for i in range(len(obs)):
        for k in range(num_rays):
            ranges[k] = obs[i, k] * robot[4]
        distance = obs[i, num_rays] * scale
        goal_x, goal_y = distance * obs[i, num_rays + 2], distance * obs[i, num_rays + 1]
        speed, turn_rate = obs[i, num_rays + 3] * robot[0], obs[i, num_rays + 4] * robot[1]
        action = choose(ranges, goal_x, goal_y, speed, turn_rate, robot, weights, ray_cos, ray_sin)
        actions[i, 0], actions[i, 1] = action
