"""Rules of LostSales: one item, a lead time, demand that does not wait (P. Zipkin, Operations Research 56(5), 2008).

A period: an order is placed, demand is met from the stock on hand and what is missing is lost, the period is paid
for, and the order placed `lead_time` periods before the next one arrives.
"""

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import poisson
from rlkit.engine.state import params_dtype, state_dtype

MAX_LEAD_TIME = 6  # periods
WARM_UP = 100  # periods of an episode that its metrics leave out

STATE = state_dtype(
    stock=np.int32,  # units on hand when the order is placed
    pipeline=(np.int32, (MAX_LEAD_TIME,)),  # units ordered and not yet here; the k-th arrives k + 1 periods from now
    order=np.int32,  # units ordered in the last period,
    demand=np.int32,  # asked for in it,
    lost=np.int32,  # and not delivered
    cost=np.float64,  # of the last period
    num_counted=np.int32,  # periods since the warm-up, and their totals:
    total_cost=np.float64,
    total_demand=np.int64,
    total_lost=np.int64,
    total_stock=np.int64,  # left over at the ends of periods
)
PARAMS = params_dtype(
    lead_time=4,  # periods, 1 to MAX_LEAD_TIME
    demand_mean=5.0,  # units a period, of a Poisson distribution
    holding_cost=1.0,  # a unit left over at the end of a period
    penalty=4.0,  # a unit of demand lost
    max_order=15,  # units
    capacity=40,  # units on hand and on order together; what an order has beyond it is not sent
)


@jit
def position(state, params):
    """Return the units on hand and on order."""
    units = int(state.stock)
    for k in range(int(params.lead_time) - 1):
        units += int(state.pipeline[k])
    return units


@jit
def reset(state, params):
    lead_time, capacity = int(params.lead_time), int(params.capacity)
    mean, max_order = float(params.demand_mean), int(params.max_order)
    room = capacity
    state.stock = min(poisson(state, mean), room)
    room -= int(state.stock)
    for k in range(MAX_LEAD_TIME):
        units = 0
        if k < lead_time - 1:
            units = min(poisson(state, mean), max_order, room)
            room -= units
        state.pipeline[k] = units
    state.order, state.demand, state.lost, state.cost = 0, 0, 0, 0.0
    state.num_counted = 0
    state.total_cost, state.total_demand, state.total_lost, state.total_stock = 0.0, 0, 0, 0


@jit
def step(state, params, action):
    lead_time = int(params.lead_time)
    order = min(int(action), max(0, int(params.capacity) - position(state, params)))
    demand = poisson(state, float(params.demand_mean))
    stock = int(state.stock)
    left, lost = max(stock - demand, 0), max(demand - stock, 0)
    cost = float(params.holding_cost) * left + float(params.penalty) * lost

    state.pipeline[lead_time - 1] = order
    state.stock = left + int(state.pipeline[0])
    for k in range(lead_time - 1):
        state.pipeline[k] = state.pipeline[k + 1]
    state.pipeline[lead_time - 1] = 0
    state.order, state.demand, state.lost, state.cost = order, demand, lost, cost
    if int(state.num_steps) >= WARM_UP:
        state.num_counted += 1
        state.total_cost += cost
        state.total_demand += demand
        state.total_lost += lost
        state.total_stock += left
    return -cost, False


@jit
def observe(state, params, obs):
    mean = float(params.demand_mean)
    obs[0] = int(state.stock) / mean
    for k in range(int(params.lead_time) - 1):
        obs[k + 1] = int(state.pipeline[k]) / mean


@jit
def metrics(state, params, out):
    periods = max(int(state.num_counted), 1)
    out[0] = float(state.total_cost) / periods
    out[1] = 1.0 - int(state.total_lost) / max(int(state.total_demand), 1)
    out[2] = int(state.total_stock) / periods
