"""Rules of SupplyChain: stages in a row, the last of which meets customers (A. Clark, H. Scarf 1960).

Stage 0 serves customers, stage j is supplied by stage j + 1, the highest by a supplier who has everything. A period:
every stage orders and is sent at once as much of it as its supplier has on hand; deliveries that are due arrive; the
customers' demand is met from stage 0, and what is missing waits; the period is paid for. A lead time of L makes
goods arrive in the L-th period, counted from the one in which they are sent.
"""

import math

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import normal, poisson, uniform
from rlkit.engine.state import params_dtype, state_dtype

MAX_STAGES = 5
MAX_LEAD_TIME = 8  # periods
WARM_UP = 50  # periods of an episode that its metrics leave out

STATE = state_dtype(
    stock=(np.float64, (MAX_STAGES,)),  # units on hand at each stage
    pipeline=(np.float64, (MAX_STAGES, MAX_LEAD_TIME)),  # units that reach a stage at the end of 1, 2, … periods
    backorders=np.float64,  # units that customers wait for
    sent=(np.float64, (MAX_STAGES,)),  # units that left for each stage in the last period,
    demand=np.float64,  # asked for in it
    cost=np.float64,  # of the last period
    num_counted=np.int32,  # periods since the warm-up, and their totals:
    total_cost=np.float64,
    total_stock=np.float64,  # on hand at the ends of periods, all stages
    total_backorders=np.float64,
    num_short=np.int32,  # periods that ended with backorders
)
PARAMS = params_dtype(
    num_stages=4,  # 1 to MAX_STAGES
    demand_mean=4.0,  # units a period
    demand_deviation=0.0,  # of normal demand, units; 0: Poisson demand, and whole units everywhere
    penalty=9.0,  # a unit that a customer waits for, a period
    echelon_costs=np.array([0.25, 0.25, 0.25, 0.25, 0.0]),  # a unit and period more than one stage earlier
    lead_times=np.array([1, 1, 1, 1, 1]),  # periods from the supplier to each stage, 1 to MAX_LEAD_TIME
)


@jit
def reach(params):
    """Return by how many units an order of action ±1 differs from the mean demand."""
    mean, deviation = float(params.demand_mean), float(params.demand_deviation)
    return max(mean, 5.0 * (deviation if deviation > 0.0 else math.sqrt(mean)))


@jit
def ordered(params, most, action):
    """Return the units that an action in [−1, 1] orders; `most` is the reach."""
    share = min(max(float(action), -1.0), 1.0)
    units = max(0.0, float(params.demand_mean) + share * most)
    return units if float(params.demand_deviation) > 0.0 else math.floor(units + 0.5)


@jit
def _start(state, params):
    """Return the units on hand or under way at a place when an episode begins: up to twice the mean demand."""
    units = 2.0 * uniform(state) * float(params.demand_mean)
    return units if float(params.demand_deviation) > 0.0 else math.floor(units + 0.5)


@jit
def reset(state, params):
    num_stages = int(params.num_stages)
    for j in range(MAX_STAGES):
        state.stock[j] = _start(state, params) if j < num_stages else 0.0
        state.sent[j] = 0.0
        for k in range(MAX_LEAD_TIME):
            is_used = j < num_stages and k < int(params.lead_times[j]) - 1
            state.pipeline[j, k] = _start(state, params) if is_used else 0.0
    state.backorders, state.demand, state.cost = 0.0, 0.0, 0.0
    state.num_counted, state.num_short = 0, 0
    state.total_cost, state.total_stock, state.total_backorders = 0.0, 0.0, 0.0


@jit
def _send(state, params, action):
    """Let every stage order, and its supplier send what it has."""
    num_stages, most = int(params.num_stages), reach(params)
    for j in range(num_stages):
        units = ordered(params, most, action[j])
        if j + 1 < num_stages:
            units = min(units, float(state.stock[j + 1]))
            state.stock[j + 1] -= units
        state.sent[j] = units
        state.pipeline[j, int(params.lead_times[j]) - 1] = units


@jit
def _deliver(state, params):
    """Take in what is due; everything else under way comes one period nearer."""
    for j in range(int(params.num_stages)):
        lead_time = int(params.lead_times[j])
        state.stock[j] += float(state.pipeline[j, 0])
        for k in range(lead_time - 1):
            state.pipeline[j, k] = state.pipeline[j, k + 1]
        state.pipeline[j, lead_time - 1] = 0.0


@jit
def _cost(state, params):
    """Return the cost of a period that ends in `state`: echelon costs on echelon stock, which counts backorders."""
    echelon, cost, rates = -float(state.backorders), 0.0, 0.0
    for j in range(int(params.num_stages)):
        echelon += float(state.stock[j])
        rate = float(params.echelon_costs[j])
        cost += rate * echelon
        rates += rate
        for k in range(int(params.lead_times[j])):
            echelon += float(state.pipeline[j, k])
    return cost + (float(params.penalty) + rates) * float(state.backorders)


@jit
def step(state, params, action):
    _send(state, params, action)
    _deliver(state, params)
    mean, deviation = float(params.demand_mean), float(params.demand_deviation)
    demand = max(0.0, mean + deviation * normal(state)) if deviation > 0.0 else float(poisson(state, mean))
    net = float(state.stock[0]) - float(state.backorders) - demand
    state.stock[0], state.backorders = max(net, 0.0), max(-net, 0.0)
    cost = _cost(state, params)
    state.demand, state.cost = demand, cost
    if int(state.num_steps) >= WARM_UP:
        state.num_counted += 1
        state.num_short += 1 if net < 0.0 else 0
        state.total_cost += cost
        state.total_backorders += float(state.backorders)
        for j in range(int(params.num_stages)):
            state.total_stock += float(state.stock[j])
    return -cost, False


@jit
def observe(state, params, obs):
    scale = 1.0 / float(params.demand_mean)
    echelon, i = -float(state.backorders), 0  # i is also the periods of mean demand that are taken off
    for j in range(int(params.num_stages)):
        echelon += float(state.stock[j])
        for k in range(int(params.lead_times[j])):
            obs[i] = echelon * scale - i
            echelon += float(state.pipeline[j, k])  # of the last k nothing is under way when orders are placed
            i += 1


@jit
def metrics(state, params, out):
    periods = max(int(state.num_counted), 1)
    out[0] = float(state.total_cost) / periods
    out[1] = 1.0 - int(state.num_short) / periods
    out[2] = float(state.total_stock) / periods
    out[3] = float(state.total_backorders) / periods
