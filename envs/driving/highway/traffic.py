"""The cars of Highway: who follows whom, who changes lanes, and how they move in a fifteenth of a second.

Car 0 is the ego. Index NOBODY is a car infinitely far ahead, so that a car without a leader needs no case of its own.
`order` lists the cars from front to back. It is put right every SORT_SUBSTEPS substeps: that is often enough, since
cars less than a car length apart cannot be in the same lane, and nobody passes faster than a car length in that time.

Lanes are chosen by MOBIL: A. Kesting, M. Treiber, D. Helbing, "General lane-changing model MOBIL for car-following
models", Transportation Research Record 1999, 2007 (safety: equation 2; incentive of the symmetric rule: equation 3).
"""

from envs.driving.bicycle import bicycle_move, do_touch, keep_lane
from envs.driving.idm import closing_weight, idm_acceleration
from rlkit.engine.jit import jit

MAX_CARS = 50  # beside the ego
MAX_LANES = 5
EGO = 0
NOBODY = MAX_CARS + 1
FAR_AWAY = 1e9  # m, where nobody is

LENGTH = 5.0  # m, of a car
WIDTH = 2.0  # m
LANE_WIDTH = 4.0  # m
SUBSTEPS = 15  # a decision of the ego
DT = 1.0 / SUBSTEPS  # s
SORT_SUBSTEPS = 5
MAX_BRAKE = 6.0  # m/s²
MAX_STEERING = 1.0471975511965976  # rad, a third of π
SETTLED_OFFSET = 0.02  # m and …
SETTLED_HEADING = 0.002  # … rad from the lane's centre line: the change is over
REACH = 5.5  # m; cars whose centres are farther apart cannot touch
CUT_IN_SUBSTEPS = 30  # who entered the lane so short a time ago is to blame


@jit
def sort_cars(state, num_cars):
    """Put `order` and `rank` right: an insertion sort, since hardly anybody has passed since."""
    x, order, rank = state.x, state.order, state.rank
    for k in range(1, num_cars):
        i = order[k]
        here = x[i]
        place = k
        if x[order[k - 1]] >= here:
            continue
        state.is_linked = 0
        while place > 0 and x[order[place - 1]] < here:
            order[place] = order[place - 1]
            rank[order[place]] = place
            place -= 1
        order[place] = i
        rank[i] = place


@jit
def link_cars(state, num_cars):
    """Find each car's leader, the nearest ahead in any lane it touches or heads for, and its follower."""
    order, low, high, last = state.order, state.low, state.high, state.last
    leader, follower = state.leader, state.follower
    for lane in range(MAX_LANES):
        last[lane] = -1
    for k in range(num_cars):
        i = order[k]
        follower[i] = NOBODY
        nearest = -1
        for lane in range(low[i], high[i] + 1):
            nearest = max(nearest, last[lane])
            last[lane] = k
        if nearest < 0:
            leader[i] = NOBODY
        else:
            ahead = order[nearest]
            leader[i] = ahead
            if follower[ahead] == NOBODY:
                follower[ahead] = i
    state.is_linked = 1


@jit
def follow(state, params, i, ahead, weight):
    """Return the acceleration that car i would have behind car `ahead`, by IDM; `weight` is its `closing_weight`."""
    return idm_acceleration(
        state.speed[i], state.inverse_desired[i], state.x[ahead] - state.x[i] - LENGTH, state.speed[ahead],
        float(params.min_gap), float(params.time_gap), float(params.max_accel), weight, MAX_BRAKE,
    )  # fmt: skip


@jit
def driver_weight(params):
    """Return the `closing_weight` of the drivers."""
    return closing_weight(float(params.max_accel), float(params.comfort_brake))


@jit
def _gain_of_others(state, params, i, ahead, behind, weight):
    """Return by how much the old follower gains and the new one loses if car i changes lanes, together (m/s²)."""
    gain, old_ahead, old_behind = 0.0, int(state.leader[i]), int(state.follower[i])
    if old_behind != NOBODY:
        gain += follow(state, params, old_behind, old_ahead, weight) - follow(state, params, old_behind, i, weight)
    if behind != NOBODY:
        gain += follow(state, params, behind, i, weight) - follow(state, params, behind, ahead, weight)
    return gain


@jit
def lane_merit(state, params, i, lane, own, weight, num_cars):
    """Return MOBIL's advantage less its threshold if car i, now at acceleration `own`, changed into `lane`.

    At most 0 where it does not want to. What cannot be worth it any more is not looked at further.
    """
    order, low, high, x = state.order, state.low, state.high, state.x
    politeness, threshold = float(params.politeness), float(params.gain_threshold)
    place = int(state.rank[i])
    ahead = NOBODY
    for k in range(place - 1, -1, -1):
        j = order[k]
        if low[j] <= lane <= high[j]:
            ahead = int(j)
            break
    if x[ahead] - x[i] <= LENGTH:
        return -1.0
    merit = follow(state, params, i, ahead, weight) - own - threshold
    if merit <= 0.0 and politeness <= 0.0:
        return -1.0
    behind = NOBODY
    for k in range(place + 1, num_cars):
        j = order[k]
        if low[j] <= lane <= high[j]:
            behind = int(j)
            break
    if behind != NOBODY and x[i] - x[behind] <= LENGTH:
        return -1.0
    if behind != NOBODY and follow(state, params, behind, i, weight) < -float(params.safe_brake):
        return -1.0
    if politeness > 0.0:
        merit += politeness * _gain_of_others(state, params, i, ahead, behind, weight)
    return merit


@jit
def best_lane(state, params, i, num_cars):
    """Return the lane that MOBIL chooses for car i, its own if none is better."""
    weight, lane = driver_weight(params), int(state.target[i])
    own = follow(state, params, i, int(state.leader[i]), weight)
    best, best_merit = lane, 0.0
    for other in (lane - 1, lane + 1):
        if 0 <= other < int(params.lanes):
            merit = lane_merit(state, params, i, other, own, weight, num_cars)
            if merit > best_merit:
                best, best_merit = other, merit
    return best


@jit
def head_for(state, i, lane):
    """Make car i change into `lane`."""
    state.target[i] = lane
    state.low[i] = min(int(state.low[i]), lane)
    state.high[i] = max(int(state.high[i]), lane)
    state.changed[i] = int(state.clock)
    state.is_linked = 0
    if not state.is_changing[i]:
        state.is_changing[i] = 1
        count = int(state.num_changing)
        state.changing[count] = i
        state.num_changing = count + 1


@jit
def decide_lanes(state, params, num_cars):
    """Let every fifteenth car think about its lane, another fifteenth in each substep: once a second each."""
    for i in range(1 + int(state.clock) % SUBSTEPS, num_cars, SUBSTEPS):
        if not state.is_changing[i]:
            if not state.is_linked:
                link_cars(state, num_cars)
            lane = best_lane(state, params, i, num_cars)
            if lane != int(state.target[i]):
                head_for(state, i, lane)


@jit
def accelerate(state, params, num_cars):
    """Set every car's acceleration by IDM; the ego's own is set by its rules afterwards."""
    x, speed, accel, inverse, leader = state.x, state.speed, state.accel, state.inverse_desired, state.leader
    gap, lead_speed = state.gap, state.lead_speed
    min_gap, time_gap, max_accel = float(params.min_gap), float(params.time_gap), float(params.max_accel)
    weight = driver_weight(params)
    for i in range(num_cars):  # apart from the formula, so that the compiler can do several of those at once
        ahead = leader[i]
        gap[i] = x[ahead] - x[i] - LENGTH
        lead_speed[i] = speed[ahead]
    for i in range(num_cars):
        accel[i] = idm_acceleration(
            speed[i], inverse[i], gap[i], lead_speed[i], min_gap, time_gap, max_accel, weight, MAX_BRAKE
        )


@jit
def move_ahead(state, num_cars):
    """Move all cars along the road; speeds change evenly within the substep and never go below 0."""
    x, speed, accel = state.x, state.speed, state.accel
    for i in range(num_cars):
        before = speed[i]
        after = max(0.0, before + accel[i] * DT)
        speed[i] = after
        x[i] += 0.5 * (before + after) * DT


@jit
def move_across(state, lanes):
    """Steer the cars that are not yet at the centre of their lane; they have moved as if straight ahead."""
    count = int(state.num_changing)
    k = 0
    while k < count:
        i = int(state.changing[k])
        heading, centre = float(state.heading[i]), LANE_WIDTH * int(state.target[i])
        distance = float(state.speed[i]) * DT
        slip = keep_lane(float(state.y[i]) - centre, heading, float(state.speed[i]), LENGTH, MAX_STEERING)
        along, across, turn = bicycle_move(heading, distance, slip, LENGTH)
        y = float(state.y[i]) + across
        state.x[i] += along - distance
        state.heading[i] = heading + turn
        state.y[i] = y
        if abs(y - centre) < SETTLED_OFFSET and abs(heading + turn) < SETTLED_HEADING:
            count -= 1
            state.changing[k] = state.changing[count]
            state.is_changing[i] = 0
            state.y[i], state.heading[i] = centre, 0.0
        else:
            k += 1
        _occupy(state, i, lanes)
    state.num_changing = count


@jit
def _occupy(state, i, lanes):
    """Note the lanes that car i touches or heads for."""
    y, target = float(state.y[i]), int(state.target[i])
    side = 0.5 * WIDTH - 1e-9  # a car that just touches a lane's edge is not in it
    low = min(target, max(0, int((y - side) / LANE_WIDTH + 0.5)))
    high = max(target, min(lanes - 1, int((y + side) / LANE_WIDTH + 0.5)))
    if low != int(state.low[i]) or high != int(state.high[i]):
        state.low[i], state.high[i] = low, high
        state.is_linked = 0


@jit
def car_touched(state, num_cars):
    """Return the car that the ego touches, or NOBODY."""
    x, y, heading, order = state.x, state.y, state.heading, state.order
    # `order` may be some substeps old: look one sort's worth of passing farther than cars can touch
    place = int(state.rank[EGO])
    for step in (-1, 1):
        k = place + step
        while 0 <= k < num_cars:
            j = order[k]
            dx, dy = x[j] - x[EGO], y[j] - y[EGO]
            if abs(dx) > 2.0 * REACH:
                break
            if abs(dx) < REACH and abs(dy) < REACH and do_touch(dx, dy, heading[EGO], heading[j], LENGTH, WIDTH):
                return int(j)
            k += step
    return NOBODY


@jit
def is_caused(state, other):
    """Return whether the ego is to blame for touching `other`.

    Whoever began a change of lanes in the last two seconds is; both if both did. Otherwise whoever is behind.
    """
    clock = int(state.clock)
    if clock - int(state.changed[EGO]) <= CUT_IN_SUBSTEPS:
        return True
    if clock - int(state.changed[other]) <= CUT_IN_SUBSTEPS:
        return False
    return float(state.x[EGO]) < float(state.x[other])
