"""The ego as one of the drivers: IDM and MOBIL through the five actions. A module to be kept compiled by `bind`."""

import math

from envs.driving.highway.rules import (
    FASTER,
    IDLE,
    LANE_LEFT,
    LANE_RIGHT,
    NUM_SPEEDS,
    SLOWER,
    SLOWEST,
    SPEED_STEP,
    num_all,
)
from envs.driving.highway.traffic import EGO, best_lane, driver_weight, follow
from rlkit.engine.jit import jit


@jit
def choose_action(state, params, horizon):
    """Return the ego's action: MOBIL's lane if it is another one, else the target speed nearest to IDM's.

    IDM's acceleration, kept for `horizon` seconds, says which speed the driver is after.
    """
    lane = int(state.target[EGO])
    if not state.is_changing[EGO]:
        wanted = best_lane(state, params, EGO, num_all(params))
        if wanted != lane:
            return LANE_LEFT if wanted < lane else LANE_RIGHT
    accel = follow(state, params, EGO, int(state.leader[EGO]), driver_weight(params))
    wanted_speed = float(state.speed[EGO]) + horizon * accel
    index = min(max(math.floor((wanted_speed - SLOWEST) / SPEED_STEP + 0.5), 0), NUM_SPEEDS - 1)
    now = int(state.speed_index)
    if index == now:
        return IDLE
    return FASTER if index > now else SLOWER


@jit
def choose_actions(states, params, horizon, actions):
    """Write the ego's actions [B] in `states` [B]."""
    for i in range(states.shape[0]):
        actions[i] = choose_action(states[i], params[0], horizon)
