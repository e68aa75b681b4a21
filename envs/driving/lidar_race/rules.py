"""LidarRace's rules: a step of the car, the track, the lidar and the laps."""

import math

import numpy as np

from envs.driving.lidar_race.car import clip, drive
from envs.driving.lidar_race.track import MAX_POINTS, clear_track, copy_track, generate_track, is_off, locate
from envs.driving.lidar_race.walls import NUM_RAYS, scan
from rlkit.engine.jit import jit
from rlkit.engine.rng import integer, random_bits, uniform_between
from rlkit.engine.state import params_dtype, state_dtype

FIRST_DRAWN = 1 << 40  # tracks drawn at random have at least this number: never one that `track` names

STATE = state_dtype(
    # The car, about its centre of mass
    x=np.float64,  # m
    y=np.float64,  # m
    heading=np.float64,  # rad
    speed=np.float64,  # m/s, of the centre of mass; never negative
    yaw_rate=np.float64,  # rad/s
    slip=np.float64,  # rad, from the heading to the direction of motion
    steering=np.float64,  # rad, positive to the left
    # Where it is
    segment=np.int32,  # of the centreline
    arc=np.float64,  # m along the centreline
    progress=np.float64,  # m along the centreline since the start
    laps=np.int32,  # completed
    lap_seconds=np.float64,  # s, from the start to the end of the last completed lap
    crashed=np.int8,
    ranges=(np.float64, (NUM_RAYS,)),  # m, from right to left
    # The track
    track=np.int64,  # its number
    num_points=np.int32,
    spacing=np.float64,  # m, between points of the centreline
    centre_x=(np.float64, (MAX_POINTS,)),  # m
    centre_y=(np.float64, (MAX_POINTS,)),
    left_x=(np.float64, (MAX_POINTS,)),  # walls
    left_y=(np.float64, (MAX_POINTS,)),
    right_x=(np.float64, (MAX_POINTS,)),
    right_y=(np.float64, (MAX_POINTS,)),
)
PARAMS = params_dtype(
    # The car: a 1:10 race car as measured for the F1TENTH simulator
    mass=3.74,  # kg
    inertia=0.04712,  # kg m², about the vertical axis
    front_length=0.15875,  # m, from the centre of mass to the front axle
    rear_length=0.17145,  # m
    height=0.074,  # m, of the centre of mass
    friction=1.0489,  # of tyre and floor
    front_stiffness=4.718,  # 1/rad, side force by slip angle / (friction · load)
    rear_stiffness=5.4562,  # 1/rad
    max_steering=0.4189,  # rad
    max_steering_rate=3.2,  # rad/s
    max_acceleration=9.51,  # m/s², and braking
    motor_speed=7.319,  # m/s, above which acceleration falls as 1 / speed
    max_speed=10.0,  # m/s
    switch_speed=0.5,  # m/s, below it the kinematic model
    car_length=0.58,  # m
    car_width=0.31,  # m
    # The lidar
    lidar_offset=0.104,  # m ahead of the centre of mass
    max_range=10.0,  # m
    # The track
    track=-1,  # number of the track; −1: another one every episode
    half_width=1.0,  # m, from the centreline to a wall: the mean over tracks
    width_spread=0.15,  # share by which tracks differ
    length=90.0,  # m, the mean over tracks
    length_spread=0.2,
    min_radius=2.0,  # m, of the centreline
    waviness=1.0,  # of the centreline; 0: a circle
    track_scale=1.0,  # of a track from a file
    table_points=0,  # points of a track from a file; 0: generated
    table_spacing=1.0,  # m between them
    table=np.zeros((4, MAX_POINTS)),  # m: x, y, width to the right, width to the left
    # The task
    step_seconds=0.05,  # s
    episode_steps=2000,
    action_cost=0.002,  # m for each squared unit of the two actions
    crash_cost=20.0,  # m
)


@jit
def look(state, params):
    """Measure the lidar's ranges; return whether the car touches a wall."""
    most = float(params.max_range)
    for ray in range(NUM_RAYS):
        state.ranges[ray] = most
    n, gate, offset = int(state.num_points), int(state.segment), float(params.lidar_offset)
    x, y, heading = float(state.x), float(state.y), float(state.heading)
    length, width = 0.5 * float(params.car_length), 0.5 * float(params.car_width)
    ahead = scan(
        state.left_x, state.left_y, state.right_x, state.right_y, n, gate, 1, x, y, heading, offset, length, width,
        most, state.ranges,
    )  # fmt: skip
    behind = scan(
        state.right_x, state.right_y, state.left_x, state.left_y, n, gate, -1, x, y, heading, offset, length, width,
        most, state.ranges,
    )  # fmt: skip
    return ahead or behind


@jit
def place_car(state):
    """Put the resting car near a random point of the centreline, nearly along it."""
    n = int(state.num_points)
    segment = integer(state, 0, n)
    after = segment + 1 if segment + 1 < n else 0
    ax, ay = float(state.centre_x[segment]), float(state.centre_y[segment])
    dx, dy = float(state.centre_x[after]) - ax, float(state.centre_y[after]) - ay
    wx, wy = float(state.left_x[segment]) - ax, float(state.left_y[segment]) - ay
    aside = uniform_between(state, -0.3, 0.3)  # of the way to the left wall
    state.x, state.y = ax + aside * wx, ay + aside * wy
    state.heading = math.atan2(dy, dx) + uniform_between(state, -0.2, 0.2)
    state.segment = segment


@jit
def reset(state, params):
    clear_track(state)
    state.track = int(params.track)
    if int(params.track) < 0:
        state.track = FIRST_DRAWN + ((int(random_bits(state)) >> 16) & 0xFFFFFFFFFFFF)
    if int(params.table_points) > 0:
        copy_track(state, params)
    else:
        generate_track(state, params, int(state.track))
    state.speed, state.yaw_rate, state.slip, state.steering = 0.0, 0.0, 0.0, 0.0
    place_car(state)
    segment, share = locate(state)
    state.segment, state.arc = segment, (segment + share) * float(state.spacing)
    state.progress, state.laps, state.lap_seconds, state.crashed = 0.0, 0, 0.0, 0
    look(state, params)


@jit
def advance(state, params):
    """Count progress and laps; return the progress of this step (m)."""
    segment, share = locate(state)
    length = float(state.spacing) * int(state.num_points)
    arc = (segment + share) * float(state.spacing)
    gain = arc - float(state.arc)
    if gain > 0.5 * length:
        gain -= length
    elif gain < -0.5 * length:
        gain += length
    before = float(state.progress)
    state.segment, state.arc, state.progress = segment, arc, before + gain
    finish = (int(state.laps) + 1) * length
    if before + gain >= finish:
        state.laps = int(state.laps) + 1
        share_of_step = (finish - before) / gain
        state.lap_seconds = (int(state.num_steps) + share_of_step) * float(params.step_seconds)
    return gain


@jit
def step(state, params, action):
    turn, push = clip(float(action[0]), -1.0, 1.0), clip(float(action[1]), -1.0, 1.0)
    drive(state, params, turn * float(params.max_steering_rate), push * float(params.max_acceleration))
    reward = advance(state, params) - float(params.action_cost) * (turn * turn + push * push)
    is_touching = look(state, params)
    if is_touching or is_off(state, int(state.segment)):
        state.crashed = 1
        rest = max(0, int(params.episode_steps) - 1 - int(state.num_steps))  # steps there would have been
        return reward - float(params.crash_cost) - 2.0 * float(params.action_cost) * rest, True
    return reward, False


@jit
def observe(state, params, obs):
    most = float(params.max_range)
    for ray in range(NUM_RAYS):
        obs[ray] = float(state.ranges[ray]) / most
    obs[NUM_RAYS] = 0.1 * float(state.speed)
    obs[NUM_RAYS + 1] = 0.2 * float(state.yaw_rate)
    obs[NUM_RAYS + 2] = 2.0 * float(state.slip)
    obs[NUM_RAYS + 3] = float(state.steering) / float(params.max_steering)


@jit
def metrics(state, params, out):
    laps, seconds = int(state.laps), int(state.num_steps) * float(params.step_seconds)
    out[0] = int(state.crashed)
    out[1] = laps
    out[2] = float(state.lap_seconds) / laps if laps > 0 else float(params.episode_steps) * float(params.step_seconds)
    out[3] = float(state.progress) / seconds if seconds > 0.0 else 0.0
    out[4] = float(state.progress)
