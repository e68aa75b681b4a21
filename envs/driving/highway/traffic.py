"""The cars of Highway: who follows whom, who changes lanes, and how they move in a fifteenth of a second.

Car 0 is the ego. Index NOBODY is a car infinitely far ahead, so that a car without a leader needs no case of its own.
`order` lists the cars from front to back. It is put right every SORT_SUBSTEPS substeps: that is often enough, since
cars less than a car length apart cannot be in the same lane, and nobody passes faster than a car length in that time.
"""

from envs.driving.bicycle import bicycle_move, do_touch, keep_lane
from envs.driving.idm import closing_weight, idm_acceleration, mobil_wants
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
def neighbours(state, i, lane, num_cars):
    """Return (car ahead, car behind) of car i among those that touch or head for `lane`, or NOBODY."""
    order, low, high = state.order, state.low, state.high
    place = int(state.rank[i])
    ahead, behind = NOBODY, NOBODY
    for k in range(place - 1, -1, -1):
        j = order[k]
        if low[j] <= lane <= high[j]:
            ahead = j
            break
    for k in range(place + 1, num_cars):
        j = order[k]
        if low[j] <= lane <= high[j]:
            behind = j
            break
    return ahead, behind


@jit
def follow(state, params, i, ahead):
    """Return the acceleration that car i would have behind car `ahead`, by IDM; 0 for NOBODY."""
    if i == NOBODY:
        return 0.0
    weight = closing_weight(float(params.max_accel), float(params.comfort_brake))
    return idm_acceleration(
        state.speed[i], state.inverse_desired[i], state.x[ahead] - state.x[i] - LENGTH, state.speed[ahead],
        float(params.min_gap), float(params.time_gap), float(params.max_accel), weight, MAX_BRAKE,
    )  # fmt: skip


@jit
def lane_gain(state, params, i, lane, num_cars):
    """Return the driver's gain of acceleration if car i changed into `lane` by MOBIL, −1 where it does not."""
    ahead, behind = neighbours(state, i, lane, num_cars)
    x = state.x
    if x[ahead] - x[i] <= LENGTH or (behind != NOBODY and x[i] - x[behind] <= LENGTH):
        return -1.0
    old_ahead, old_behind = int(state.leader[i]), int(state.follower[i])
    gain = follow(state, params, i, ahead) - follow(state, params, i, old_ahead)
    behind_before, behind_after = follow(state, params, behind, ahead), follow(state, params, behind, i)
    old_gain = follow(state, params, old_behind, old_ahead) - follow(state, params, old_behind, i)
    wants = mobil_wants(
        gain, behind_before - behind_after, old_gain, behind_after,
        float(params.politeness), float(params.gain_threshold), float(params.safe_brake),
    )  # fmt: skip
    # An advantage to others alone may be wanted, too; a small positive number then stands for it.
    return max(gain, 1e-6) if wants else -1.0


@jit
def best_lane(state, params, i, num_cars):
    """Return the lane that MOBIL chooses for car i, its own if none is better."""
    lane = int(state.target[i])
    best, best_gain = lane, 0.0
    for other in (lane - 1, lane + 1):
        if 0 <= other < int(params.lanes):
            gain = lane_gain(state, params, i, other, num_cars)
            if gain > best_gain:
                best, best_gain = other, gain
    return best


@jit
def can_gain(state, params, i):
    """Return whether a change of lanes could be worth it: false for most cars, at the price of a few products."""
    behind = int(state.follower[i])
    max_accel, politeness = float(params.max_accel), float(params.politeness)
    possible = follow(state, params, i, NOBODY) - state.accel[i]
    if behind != NOBODY and politeness > 0.0:
        possible += politeness * (max_accel + MAX_BRAKE)
    return possible > float(params.gain_threshold)


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
        if not state.is_changing[i] and can_gain(state, params, i):
            if not state.is_linked:
                link_cars(state, num_cars)
            lane = best_lane(state, params, i, num_cars)
            if lane != int(state.target[i]):
                head_for(state, i, lane)


@jit
def accelerate(state, params, num_cars):
    """Set every car's acceleration by IDM; the ego's own is set by its rules afterwards."""
    x, speed, accel, inverse, leader = state.x, state.speed, state.accel, state.inverse_desired, state.leader
    min_gap, time_gap, max_accel = float(params.min_gap), float(params.time_gap), float(params.max_accel)
    weight = closing_weight(max_accel, float(params.comfort_brake))
    for i in range(num_cars):
        ahead = leader[i]
        accel[i] = idm_acceleration(
            speed[i], inverse[i], x[ahead] - x[i] - LENGTH, speed[ahead], min_gap, time_gap, max_accel, weight, MAX_BRAKE
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
