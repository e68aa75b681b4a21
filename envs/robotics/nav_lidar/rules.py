"""NavLidar's rules: a robot with two driven wheels, its motors' lag, what its lidar sees, and what it is paid for."""

import math

import numpy as np

from envs.robotics.nav_lidar.geometry import SIZE, clearance, look
from envs.robotics.nav_lidar.paths import MAX_CORNERS, NODES
from envs.robotics.nav_lidar.world import MAX_BOXES, MAX_DISCS, draw_world
from rlkit.engine.jit import jit
from rlkit.engine.rng import uniform_between
from rlkit.engine.state import params_dtype, state_dtype

NUM_RAYS = 32
MAX_STEPS = 400
GOAL_REWARD, COLLISION_REWARD, STEP_REWARD = 10.0, -10.0, -0.01

# Of each ray's angle from straight ahead, counter-clockwise: ray 0 looks ahead, 8 left, 16 back, 24 right.
RAY_COS = np.array([math.cos(2.0 * math.pi * k / NUM_RAYS) for k in range(NUM_RAYS)])
RAY_SIN = np.array([math.sin(2.0 * math.pi * k / NUM_RAYS) for k in range(NUM_RAYS)])

STATE = state_dtype(
    x=np.float64,  # m, the robot's centre
    y=np.float64,  # m
    heading=np.float64,  # rad, counter-clockwise from the x axis, in [−π, π]
    cos_heading=np.float64,
    sin_heading=np.float64,
    speed=np.float64,  # m/s, forwards
    turn_rate=np.float64,  # rad/s
    goal_x=np.float64,  # m
    goal_y=np.float64,  # m
    goal_distance=np.float64,  # m
    lidar=(np.float64, (NUM_RAYS,)),  # m
    gap=np.float64,  # m, from the robot's rim to the nearest obstacle
    # The world, drawn at reset:
    num_discs=np.int32,
    discs=(np.float64, (MAX_DISCS, 3)),  # m: centre, radius
    num_boxes=np.int32,
    boxes=(np.float64, (MAX_BOXES, 4)),  # m: left, bottom, right, top
    # Its shortest path, which the robot does not see:
    to_goal=(np.int32, (NODES, NODES)),  # 70 a step of the grid; see paths.py
    num_corners=np.int32,
    path=(np.float64, (MAX_CORNERS, 2)),  # m, from start to goal with the promised margin
    num_taut=np.int32,
    taut=(np.float64, (MAX_CORNERS, 2)),  # m, the shortest that the robot fits through
    shortest=np.float64,  # m, length of the shortest path to the goal's rim
    # How the episode goes:
    travelled=np.float64,  # m
    least_gap=np.float64,  # m
    has_reached=np.int8,
    has_collided=np.int8,
    trail=(np.float32, (MAX_STEPS + 1, 2)),  # m, where it was after each step: for drawings
)
PARAMS = params_dtype(
    num_discs=8,  # at most 24
    num_boxes=3,  # at most 8
    num_walls=1,  # 0: one room; 1: two rooms; 2: four rooms
    door_width=1.4,  # m
    least_way=5.0,  # m, from start to goal as the crow flies
    robot_radius=0.2,  # m
    margin=0.15,  # m, beside the robot, with which a path is promised
    max_speed=1.0,  # m/s
    max_turn=2.0,  # rad/s
    motor_lag=0.2,  # s, time constant
    speed_gain=1.0,  # of the real speed over the wanted one
    turn_gain=1.0,
    lidar_range=5.0,  # m
    goal_radius=0.3,  # m
    step_seconds=0.1,  # s
)


@jit
def reset(state, params):
    draw_world(state, params)
    for i in range(MAX_STEPS + 1):
        state.trail[i, 0], state.trail[i, 1] = 0.0, 0.0
    state.trail[0, 0], state.trail[0, 1] = state.x, state.y
    state.speed, state.turn_rate, state.travelled = 0.0, 0.0, 0.0
    state.has_reached, state.has_collided = 0, 0
    _face(state, uniform_between(state, -math.pi, math.pi))
    _perceive(state, params)
    state.least_gap = state.gap


@jit
def _face(state, heading):
    """Set the heading, within a turn of [−π, π], and its cosine and sine."""
    if heading > math.pi:
        heading -= 2.0 * math.pi
    elif heading < -math.pi:
        heading += 2.0 * math.pi
    state.heading = heading
    state.cos_heading = math.cos(heading)
    state.sin_heading = math.sin(heading)


@jit
def _perceive(state, params):
    """Set what follows from where the robot is: lidar, gap and distance to the goal."""
    x, y = float(state.x), float(state.y)
    dx, dy = float(state.goal_x) - x, float(state.goal_y) - y
    state.goal_distance = math.sqrt(dx * dx + dy * dy)
    state.gap = clearance(state, x, y) - float(params.robot_radius)
    look(state, float(params.lidar_range), RAY_COS, RAY_SIN)


@jit
def wanted_speed(params, action):
    """Return the speed in m/s that action[0] in [−1, 1] asks for: 0 to max_speed."""
    return 0.5 * (min(max(float(action[0]), -1.0), 1.0) + 1.0) * float(params.max_speed)


@jit
def wanted_turn(params, action):
    """Return the turn rate in rad/s that action[1] in [−1, 1] asks for, counter-clockwise positive."""
    return min(max(float(action[1]), -1.0), 1.0) * float(params.max_turn)


@jit
def _drive(state, params, action):
    """Move for one step; return the way travelled in m.

    Speed and turn rate approach the wanted ones exponentially, exactly; the way is the arc of their means.
    """
    dt, lag = float(params.step_seconds), max(float(params.motor_lag), 1e-6)
    left = math.exp(-dt / lag)  # of a difference after the step
    mean = (1.0 - left) * lag / dt  # of a difference over the step
    speed, turn_rate = float(state.speed), float(state.turn_rate)
    to_speed = float(params.speed_gain) * wanted_speed(params, action)
    to_turn = float(params.turn_gain) * wanted_turn(params, action)
    way = dt * (to_speed + mean * (speed - to_speed))
    half = 0.5 * dt * (to_turn + mean * (turn_rate - to_turn))  # rad, of the turn
    chord = way * (1.0 - half * half / 6.0)  # sin(half) / half, to 1e-5
    cos, sin = float(state.cos_heading), float(state.sin_heading)
    half_cos, half_sin = math.cos(half), math.sin(half)
    state.x = float(state.x) + chord * (cos * half_cos - sin * half_sin)
    state.y = float(state.y) + chord * (sin * half_cos + cos * half_sin)
    _face(state, float(state.heading) + 2.0 * half)
    state.speed = to_speed + left * (speed - to_speed)
    state.turn_rate = to_turn + left * (turn_rate - to_turn)
    return abs(way)


@jit
def step(state, params, action):
    before = float(state.goal_distance)
    state.travelled = float(state.travelled) + _drive(state, params, action)
    _perceive(state, params)
    state.least_gap = min(float(state.least_gap), float(state.gap))
    after = min(int(state.num_steps) + 1, MAX_STEPS)
    state.trail[after, 0], state.trail[after, 1] = state.x, state.y
    reward = before - float(state.goal_distance) + STEP_REWARD
    if float(state.gap) < 0.0:
        state.has_collided = 1
        return reward + COLLISION_REWARD, True
    if float(state.goal_distance) < float(params.goal_radius):
        state.has_reached = 1
        return reward + GOAL_REWARD, True
    return reward, False


@jit
def observe(state, params, obs):
    per_range = 1.0 / float(params.lidar_range)
    for k in range(NUM_RAYS):
        obs[k] = float(state.lidar[k]) * per_range
    dx, dy = float(state.goal_x) - float(state.x), float(state.goal_y) - float(state.y)
    cos, sin = float(state.cos_heading), float(state.sin_heading)
    distance = float(state.goal_distance)
    per_distance = 1.0 / max(distance, 1e-9)
    obs[NUM_RAYS] = distance / SIZE
    obs[NUM_RAYS + 1] = (cos * dy - sin * dx) * per_distance
    obs[NUM_RAYS + 2] = (cos * dx + sin * dy) * per_distance
    obs[NUM_RAYS + 3] = float(state.speed) / float(params.max_speed)
    obs[NUM_RAYS + 4] = float(state.turn_rate) / float(params.max_turn)
    radius = float(params.robot_radius)
    for k in range(NUM_RAYS):
        obs[NUM_RAYS + 5 + k] = min(radius / max(float(state.lidar[k]), 1e-9), 1.0)


@jit
def metrics(state, params, out):
    has_reached = float(state.has_reached)
    shortest = float(state.shortest)
    out[0] = has_reached
    out[1] = float(state.has_collided)
    out[2] = has_reached * shortest / max(max(float(state.travelled), shortest), 1e-9)
    out[3] = float(state.least_gap)
