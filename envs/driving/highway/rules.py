"""Highway's rules: the ego's decisions, the traffic's substeps, observation, reward and figures."""

import math

import numpy as np

from envs.driving.highway.traffic import (
    CUT_IN_SUBSTEPS,
    DT,
    EGO,
    FAR_AWAY,
    LANE_WIDTH,
    LENGTH,
    MAX_CARS,
    MAX_LANES,
    NOBODY,
    SORT_SUBSTEPS,
    SUBSTEPS,
    accelerate,
    car_touched,
    decide_lanes,
    head_for,
    is_caused,
    link_cars,
    move_across,
    move_ahead,
    sort_cars,
)
from rlkit.engine.jit import jit
from rlkit.engine.rng import integer, uniform_between
from rlkit.engine.state import params_dtype, state_dtype

LANE_LEFT, IDLE, LANE_RIGHT, FASTER, SLOWER = range(5)
NUM_ROWS = 5  # of the observation: the ego and the four nearest
SLOWEST, SPEED_STEP, NUM_SPEEDS = 20.0, 5.0, 3  # m/s: the ego's target speeds are 20, 25 and 30
START_SPEED = 25.0  # m/s, of the ego
START_GAP = 0.5  # s to the next car in the lane when the episode begins; a fuller lane is left to others
SPEED_SECONDS = 0.6  # s, in which the ego would reach its target speed
PERCEPTION = 200.0  # m ahead, and the scale of x
BEHIND = 2.0 * LENGTH  # m behind that are seen
SPEED_SCALE = 80.0  # m/s
FREE_TTC = 100.0  # s: longer times to collision, and none at all, count as this
NEAR_TTC = 2.0  # s

STATE = state_dtype(
    x=(np.float64, MAX_CARS + 2),  # m along the road, of each car's centre; [0] the ego, [NOBODY] far ahead
    y=(np.float64, MAX_CARS + 2),  # m to the right of the centre of lane 0, the leftmost
    speed=(np.float64, MAX_CARS + 2),  # m/s
    heading=(np.float64, MAX_CARS + 2),  # rad, positive to the right
    accel=(np.float64, MAX_CARS + 2),  # m/s², of the last substep
    gap=(np.float64, MAX_CARS + 2),  # m to the leader, from bumper to bumper, and …
    lead_speed=(np.float64, MAX_CARS + 2),  # m/s, … the leader's speed when accelerations were last set
    inverse_desired=(np.float64, MAX_CARS + 2),  # s/m, 1 / the speed that the driver wants
    target=(np.int8, MAX_CARS + 2),  # lane that the car is in or heads for
    low=(np.int8, MAX_CARS + 2),  # first and …
    high=(np.int8, MAX_CARS + 2),  # … last lane that it touches or heads for
    is_changing=(np.int8, MAX_CARS + 2),  # not settled at the centre of its lane
    changed=(np.int32, MAX_CARS + 2),  # substep in which it last chose another lane
    leader=(np.uint8, MAX_CARS + 2),  # car ahead, or NOBODY
    follower=(np.uint8, MAX_CARS + 2),  # car behind, or NOBODY
    order=(np.uint8, MAX_CARS + 1),  # cars from front to back
    rank=(np.uint8, MAX_CARS + 1),  # place of each car in it
    changing=(np.uint8, MAX_CARS + 1),  # the first num_changing are the cars with is_changing
    num_changing=np.int32,
    last=(np.int32, MAX_LANES),  # while linking: place of the last car seen in each lane
    is_linked=np.int8,  # leader and follower are up to date
    clock=np.int32,  # substeps since the episode began
    speed_index=np.int8,  # of the ego's target speed
    touched=np.int8,  # car that the ego collided with, or NOBODY
    caused=np.int8,  # the collision was the ego's doing
    start=np.float64,  # m, the ego's x when the episode began
    min_ttc=np.float64,  # s
    num_near=np.int32,  # substeps with a time to collision below NEAR_TTC
    jerk=np.float64,  # m/s³, sum of the ego's |jerk| over substeps
    lane_changes=np.int32,  # the ego's
)
PARAMS = params_dtype(
    lanes=4,  # 2 to 5
    cars=50,  # 1 to 50, beside the ego
    density=1.0,  # of the cars when the episode begins, 1 as in highway-env
    desired_speed=22.5,  # m/s, mean of what drivers want
    speed_spread=1.5,  # m/s to either side, uniform
    time_gap=1.5,  # s, T of IDM
    min_gap=5.0,  # m, s₀
    max_accel=3.0,  # m/s², a
    comfort_brake=5.0,  # m/s², b
    politeness=0.0,  # p of MOBIL
    gain_threshold=0.2,  # m/s², Δa
    safe_brake=2.0,  # m/s², b_safe
    collision_reward=-1.0,
    right_lane_reward=0.1,
    high_speed_reward=0.4,
)


@jit
def num_all(params):
    """Return the number of cars with the ego."""
    return 1 + min(max(int(params.cars), 0), MAX_CARS)


@jit
def reset(state, params):
    lanes, num_cars = int(params.lanes), num_all(params)
    for i in range(MAX_CARS + 2):
        state.x[i], state.y[i], state.speed[i], state.heading[i], state.accel[i] = FAR_AWAY, 0.0, 0.0, 0.0, 0.0
        state.gap[i], state.lead_speed[i], state.inverse_desired[i] = FAR_AWAY, 0.0, 1.0
        state.target[i], state.low[i], state.high[i], state.is_changing[i] = 0, 0, 0, 0
        state.changed[i] = -CUT_IN_SUBSTEPS - 1
        state.leader[i], state.follower[i] = NOBODY, NOBODY
    for k in range(MAX_CARS + 1):
        state.order[k], state.rank[k], state.changing[k] = 0, 0, 0
    state.num_changing = 0
    _place_cars(state, params, lanes, num_cars)
    state.clock, state.speed_index = 0, 1
    state.touched, state.caused = NOBODY, 0
    state.start = float(state.x[EGO])
    state.min_ttc, state.num_near, state.jerk, state.lane_changes = FREE_TTC, 0, 0.0, 0
    link_cars(state, num_cars)
    accelerate(state, params, num_cars)
    state.accel[EGO] = 0.0


@jit
def _place_cars(state, params, lanes, num_cars):
    """Place the ego and then, one after another ahead of it, the cars, each in a lane drawn by chance."""
    packing = math.exp(-lanes / 8.0)
    mean, spread = float(params.desired_speed), float(params.speed_spread)
    place = 0.0
    for i in range(num_cars):
        wanted = SLOWEST + SPEED_STEP * (NUM_SPEEDS - 1)
        speed, spacing = START_SPEED, 2.0
        if i != EGO:
            wanted = uniform_between(state, mean - spread, mean + spread)
            speed, spacing = wanted, 1.0 / float(params.density)
        gap = spacing * (12.0 + speed) * packing
        place += (3.0 * gap if i == EGO else 0.0) + gap * uniform_between(state, 0.9, 1.1)
        lane = integer(state, 0, lanes)
        if i != EGO:
            place = max(place, float(state.x[i - 1]) + 1.0)
            lane = _free_lane(state, lane, place, START_GAP * speed + LENGTH, lanes, i)
        state.x[i], state.y[i], state.speed[i] = place, LANE_WIDTH * lane, speed
        state.inverse_desired[i] = 1.0 / wanted
        state.target[i], state.low[i], state.high[i] = lane, lane, lane
        state.order[num_cars - 1 - i], state.rank[i] = i, num_cars - 1 - i


@jit
def _free_lane(state, lane, place, room, lanes, num_placed):
    """Return `lane`, or where its last car is less than `room` (m) behind `place`, the next one with more room."""
    for turn in range(lanes):
        other = (lane + turn) % lanes
        is_free = True
        for i in range(num_placed - 1, -1, -1):
            if place - float(state.x[i]) > room:
                break
            if int(state.target[i]) == other:
                is_free = False
                break
        if is_free:
            return other
    return lane


@jit
def step(state, params, action):
    lanes, num_cars = int(params.lanes), num_all(params)
    _obey(state, int(action), lanes)
    target_speed = SLOWEST + SPEED_STEP * int(state.speed_index)
    for _ in range(SUBSTEPS):
        if int(state.clock) % SORT_SUBSTEPS == 0:
            sort_cars(state, num_cars)
        if not state.is_linked:
            link_cars(state, num_cars)
        decide_lanes(state, params, num_cars)
        if not state.is_linked:
            link_cars(state, num_cars)
        before = float(state.accel[EGO])
        accelerate(state, params, num_cars)
        accel = (target_speed - float(state.speed[EGO])) / SPEED_SECONDS
        state.accel[EGO] = accel
        state.jerk = float(state.jerk) + abs(accel - before) / DT
        move_ahead(state, num_cars)
        move_across(state, lanes)
        state.clock = int(state.clock) + 1
        _note_ttc(state)
        touched = car_touched(state, num_cars)
        if touched != NOBODY:
            state.touched = touched
            state.caused = is_caused(state, touched)
            state.min_ttc = 0.0
            break
    is_over = int(state.touched) != NOBODY
    return _reward(state, params, lanes, is_over), is_over


@jit
def _obey(state, action, lanes):
    """Turn a meta-action into the ego's target lane and target speed."""
    lane = int(state.target[EGO])
    if action in (LANE_LEFT, LANE_RIGHT):
        wanted = min(max(lane + (1 if action == LANE_RIGHT else -1), 0), lanes - 1)
        if wanted != lane:
            head_for(state, EGO, wanted)
            state.lane_changes = int(state.lane_changes) + 1
    elif action in (FASTER, SLOWER):
        # as in highway-env, relative to the actual speed and not to the last target
        now = min(max(math.floor((float(state.speed[EGO]) - SLOWEST) / SPEED_STEP + 0.5), 0), NUM_SPEEDS - 1)
        state.speed_index = min(max(now + (1 if action == FASTER else -1), 0), NUM_SPEEDS - 1)


@jit
def time_to_collision(state):
    """Return the seconds until the ego would reach its leader at their present speeds, FREE_TTC at most."""
    ahead = int(state.leader[EGO])
    closing = float(state.speed[EGO]) - float(state.speed[ahead])
    gap = max(0.0, float(state.x[ahead]) - float(state.x[EGO]) - LENGTH)
    if closing * FREE_TTC <= gap:
        return FREE_TTC
    return gap / closing


@jit
def _note_ttc(state):
    ttc = time_to_collision(state)
    state.min_ttc = min(float(state.min_ttc), ttc)
    if ttc < NEAR_TTC:
        state.num_near = int(state.num_near) + 1


@jit
def _reward(state, params, lanes, is_over):
    collision, right, fast = (
        float(params.collision_reward),
        float(params.right_lane_reward),
        float(params.high_speed_reward),
    )
    forward = float(state.speed[EGO]) * math.cos(float(state.heading[EGO]))
    share = min(max((forward - SLOWEST) / (SPEED_STEP * (NUM_SPEEDS - 1)), 0.0), 1.0)
    reward = right * int(state.target[EGO]) / max(lanes - 1, 1) + fast * share
    if is_over:
        reward += collision
    return (reward - collision) / (fast + right - collision)


@jit
def observe(state, params, obs):
    num_cars = num_all(params)
    height = LANE_WIDTH * int(params.lanes)
    x, y, place = float(state.x[EGO]), float(state.y[EGO]), int(state.rank[EGO])
    _write_row(state, obs[0], EGO, 0.0, 0.0, 0.0, 0.0, height)
    vx = float(state.speed[EGO]) * math.cos(float(state.heading[EGO]))
    vy = float(state.speed[EGO]) * math.sin(float(state.heading[EGO]))
    ahead, behind = place - 1, place + 1
    for row in range(1, NUM_ROWS):
        dx_ahead, dx_behind = FAR_AWAY, FAR_AWAY
        if ahead >= 0:
            dx_ahead = abs(float(state.x[state.order[ahead]]) - x)
        if behind < num_cars:
            dx_behind = abs(float(state.x[state.order[behind]]) - x)
        is_behind = dx_behind < dx_ahead and dx_behind < BEHIND
        if not is_behind and dx_ahead > PERCEPTION:
            for column in range(5):
                obs[row, column] = 0.0
        elif is_behind:
            _write_row(state, obs[row], state.order[behind], x, y, vx, vy, height)
            behind += 1
        else:
            _write_row(state, obs[row], state.order[ahead], x, y, vx, vy, height)
            ahead -= 1


@jit
def _write_row(state, row, i, x, y, vx, vy, height):
    speed, heading = float(state.speed[i]), float(state.heading[i])
    sin, cos = 0.0, 1.0
    if heading != 0.0:
        sin, cos = math.sin(heading), math.cos(heading)
    row[0] = 1.0
    row[1] = min(max((float(state.x[i]) - x) / PERCEPTION, -1.0), 1.0)
    row[2] = min(max((float(state.y[i]) - y) / height, -1.0), 1.0)
    row[3] = min(max((speed * cos - vx) / SPEED_SCALE, -1.0), 1.0)
    row[4] = min(max((speed * sin - vy) / SPEED_SCALE, -1.0), 1.0)


@jit
def action_mask(state, params, mask):
    lane, index = int(state.target[EGO]), int(state.speed_index)
    mask[LANE_LEFT] = lane > 0
    mask[IDLE] = True
    mask[LANE_RIGHT] = lane < int(params.lanes) - 1
    mask[FASTER] = index < NUM_SPEEDS - 1
    mask[SLOWER] = index > 0


@jit
def metrics(state, params, out):
    is_over = int(state.touched) != NOBODY
    clock = max(1, int(state.clock))
    distance = float(state.x[EGO]) - float(state.start)
    out[0] = is_over
    out[1] = int(state.caused)
    out[2] = 1000.0 * is_over / max(distance, 1.0)
    out[3] = distance / 1000.0
    out[4] = float(state.min_ttc)
    out[5] = int(state.num_near) / clock
    out[6] = distance / (clock * DT)
    out[7] = float(state.jerk) / clock
    out[8] = int(state.lane_changes)
