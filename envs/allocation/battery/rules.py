"""Battery's rules: an hour of prices, sun and load, and what the battery does with it."""

import math

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import integer, normal, uniform
from rlkit.engine.state import params_dtype, state_dtype

MAX_HOURS = 168  # of an episode
MAX_SERIES = 8784  # hours of a given price series: a leap year
NUM_AHEAD = 23  # hours whose expected prices are observed
NUM_FEATURES = 12 + NUM_AHEAD

# Shares of the mean by hour of the day: cheap nights and noons, dear mornings and evenings.
PRICE_SHAPE = np.array(
    [0.80, 0.75, 0.72, 0.70, 0.72, 0.82, 1.00, 1.20, 1.28, 1.15, 0.98, 0.85,
     0.76, 0.72, 0.74, 0.85, 1.02, 1.25, 1.48, 1.52, 1.38, 1.18, 1.00, 0.88]
)  # fmt: skip
LOAD_SHAPE = np.array(
    [0.60, 0.58, 0.56, 0.56, 0.58, 0.66, 0.85, 1.05, 1.25, 1.32, 1.34, 1.34,
     1.30, 1.30, 1.30, 1.28, 1.26, 1.28, 1.30, 1.24, 1.10, 0.92, 0.76, 0.66]
)  # fmt: skip
SUN_SHAPE = np.array(
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.08, 0.26, 0.48, 0.69, 0.86, 0.97,
     1.0, 0.97, 0.86, 0.69, 0.48, 0.26, 0.08, 0.0, 0.0, 0.0, 0.0, 0.0]
)  # fmt: skip

STATE = state_dtype(
    hour=np.int32,  # since the episode began, at midnight
    first_hour=np.int32,  # of the episode in the given series
    charge=np.float64,  # kWh
    deviation=np.float64,  # of the price from its daily shape, as a share of its mean: the AR(1) process
    spike=np.float64,  # 1 in an hour with a price spike
    cloud=np.float64,  # AR(1) of standard deviation 1; the sky is clear where it is large
    peak=np.float64,  # kW, largest import of this day so far
    idle_peak=np.float64,  # kW, the same without the battery
    power=np.float64,  # kW, of the last hour; charging is positive
    profit=np.float64,  # currency units so far
    discharged=np.float64,  # kWh taken out so far
    highest=np.float64,  # kW, largest import of the episode so far
    # What happened, for drawings [hour]:
    past_price=(np.float32, (MAX_HOURS,)),
    past_power=(np.float32, (MAX_HOURS,)),  # kW
    past_charge=(np.float32, (MAX_HOURS,)),  # kWh after the hour
    past_sun=(np.float32, (MAX_HOURS,)),  # kW
)
PARAMS = params_dtype(
    num_days=2,
    capacity=180.0,  # kWh
    max_power=50.0,  # kW, at the grid's side of the converter
    efficiency=0.95,  # of charging, and of discharging
    initial_charge=0.0,  # share of the capacity
    price_mean=0.14,  # currency units a kWh
    price_shape=PRICE_SHAPE,  # by hour of the day, shares of the mean
    price_rho=0.6,  # the deviation's correlation from hour to hour
    price_sigma=0.22,  # the deviation's innovation, a share of the mean
    spike_chance=0.04,
    spike_rise=2.0,  # of a spike, a share of the mean
    export_share=0.9,  # of the price, paid for what is fed in
    peak_charge=0.04,  # currency units a kW of the largest import of each day
    load_mean=40.0,  # kW
    load_shape=LOAD_SHAPE,
    sun_peak=60.0,  # kW of the panels at noon under a clear sky
    sun_shape=SUN_SHAPE,
    cloud_rho=0.8,  # hour to hour
    cloud_mean=0.5,  # the share of the clear sky's power is 1 / (1 + exp(−mean − spread × cloud))
    cloud_spread=1.5,
    series_hours=0,  # hours of a given series; 0: prices are drawn
    series_price=np.zeros(MAX_SERIES),
    series_sun=np.zeros(MAX_SERIES),  # kW
)


@jit
def num_hours(params):
    """Return the length of an episode."""
    return min(max(24 * int(params.num_days), 24), MAX_HOURS)


@jit
def series_index(state, params):
    """Return where the present hour is in the given series."""
    return min(int(state.first_hour) + int(state.hour), int(params.series_hours) - 1)


@jit
def price_now(state, params):
    """Return the price of a kWh in this hour."""
    if int(params.series_hours) > 0:
        return float(params.series_price[series_index(state, params)])
    share = float(params.price_shape[int(state.hour) % 24]) + float(state.deviation)
    return float(params.price_mean) * (share + float(params.spike_rise) * float(state.spike))


@jit
def clear_share(state, params):
    """Return the share of a clear sky's power."""
    return 1.0 / (1.0 + math.exp(-float(params.cloud_mean) - float(params.cloud_spread) * float(state.cloud)))


@jit
def sun_now(state, params):
    """Return the power of the panels in kW."""
    if int(params.series_hours) > 0:
        return float(params.series_sun[series_index(state, params)])
    return float(params.sun_peak) * float(params.sun_shape[int(state.hour) % 24]) * clear_share(state, params)


@jit
def load_now(state, params):
    """Return the site's load in kW."""
    return float(params.load_mean) * float(params.load_shape[int(state.hour) % 24])


@jit
def read_series(state, params):
    """Take the states of the price and the sky from the given series, as far as it shows them."""
    i, hour = series_index(state, params), int(state.hour) % 24
    mean, clear = float(params.price_mean), float(params.sun_peak) * float(params.sun_shape[hour])
    state.deviation = float(params.series_price[i]) / mean - float(params.price_shape[hour])
    state.spike = 0.0
    if clear > 0.0:
        share = min(max(float(params.series_sun[i]) / clear, 0.02), 0.98)
        state.cloud = (math.log(share / (1.0 - share)) - float(params.cloud_mean)) / float(params.cloud_spread)


@jit
def draw_next(state, params):
    """Draw the next hour's deviation, spike and cloud from the present ones."""
    if int(params.series_hours) > 0:
        read_series(state, params)
        return
    rho = float(params.cloud_rho)
    state.deviation = float(params.price_rho) * float(state.deviation) + float(params.price_sigma) * normal(state)
    state.spike = 1.0 if uniform(state) < float(params.spike_chance) else 0.0
    state.cloud = rho * float(state.cloud) + math.sqrt(max(0.0, 1.0 - rho * rho)) * normal(state)


@jit
def reset(state, params):
    state.hour = 0
    state.first_hour = 0
    if int(params.series_hours) > 0:
        num_starts = max(1, (int(params.series_hours) - num_hours(params)) // 24 + 1)
        state.first_hour = 24 * integer(state, 0, num_starts)
    state.charge = float(params.initial_charge) * float(params.capacity)
    rho = float(params.price_rho)
    state.deviation = float(params.price_sigma) / math.sqrt(max(1e-6, 1.0 - rho * rho)) * normal(state)
    state.cloud = normal(state)
    draw_next(state, params)
    state.peak = 0.0
    state.idle_peak = 0.0
    state.power = 0.0
    state.profit = 0.0
    state.discharged = 0.0
    state.highest = 0.0
    for t in range(MAX_HOURS):
        state.past_price[t] = 0.0
        state.past_power[t] = 0.0
        state.past_charge[t] = 0.0
        state.past_sun[t] = 0.0


@jit
def possible_power(power, charge, capacity, efficiency):
    """Return the power nearest to `power` that one hour's charge allows, in kW."""
    return min(max(power, -charge * efficiency), (capacity - charge) / efficiency)


@jit
def next_charge(power, charge, capacity, efficiency):
    """Return the charge after an hour of `power`, in kWh."""
    gain = power * efficiency if power > 0.0 else power / efficiency
    return min(max(charge + gain, 0.0), capacity)


@jit
def energy_cost(grid, price, export_share):
    """Return what an hour at the grid costs: `grid` kW imported, or fed in where negative."""
    return price * grid if grid > 0.0 else price * export_share * grid


@jit
def step(state, params, action):
    capacity, efficiency, charge = float(params.capacity), float(params.efficiency), float(state.charge)
    limit, export_share = float(params.max_power), float(params.export_share)
    wanted = min(max(float(action[0]), -1.0), 1.0) * limit
    power = possible_power(wanted, charge, capacity, efficiency)
    after = next_charge(power, charge, capacity, efficiency)

    price, sun, hour = price_now(state, params), sun_now(state, params), int(state.hour)
    idle = load_now(state, params) - sun  # kW at the grid without the battery
    grid = idle + power
    peak, idle_peak = max(float(state.peak), grid), max(float(state.idle_peak), idle)
    saved = energy_cost(idle, price, export_share) - energy_cost(grid, price, export_share)
    risen = (peak - float(state.peak)) - (idle_peak - float(state.idle_peak))
    reward = saved - float(params.peak_charge) * risen

    state.past_price[hour] = price
    state.past_power[hour] = power
    state.past_charge[hour] = after
    state.past_sun[hour] = sun
    state.charge = after
    state.power = power
    state.profit = float(state.profit) + reward
    state.discharged = float(state.discharged) + max(0.0, charge - after)
    state.highest = max(float(state.highest), grid)
    is_midnight = (hour + 1) % 24 == 0
    state.peak = 0.0 if is_midnight else peak
    state.idle_peak = 0.0 if is_midnight else idle_peak
    state.hour = hour + 1
    draw_next(state, params)
    return reward, hour + 1 >= num_hours(params)


@jit
def observe_prices(state, params, ahead):
    """Write the expected prices of the next hours less the present one, in means; after the end they are 0."""
    mean, hour, price = float(params.price_mean), int(state.hour), price_now(state, params)
    deviation, left = float(state.deviation), num_hours(params) - hour
    rho, usual_spike = float(params.price_rho), float(params.spike_chance) * float(params.spike_rise)
    for k in range(NUM_AHEAD):
        deviation *= rho
        expected = 0.0
        if k + 1 < left:
            expected = float(params.price_shape[(hour + k + 1) % 24]) + deviation + usual_spike
        ahead[k] = expected - price / mean


@jit
def observe(state, params, obs):
    limit, hour = float(params.max_power), int(state.hour)
    sun, load = sun_now(state, params), load_now(state, params)
    angle = 2.0 * math.pi * (hour % 24) / 24.0
    obs[0] = float(state.charge) / float(params.capacity)
    obs[1] = price_now(state, params) / float(params.price_mean) - 1.0
    obs[2] = float(state.deviation)
    obs[3] = float(state.spike)
    obs[4] = math.sin(angle)
    obs[5] = math.cos(angle)
    obs[6] = (num_hours(params) - hour) / num_hours(params)
    obs[7] = float(state.peak) / limit
    obs[8] = (float(state.peak) - (load - sun)) / limit
    obs[9] = sun / limit
    obs[10] = load / limit
    obs[11] = float(state.cloud)
    observe_prices(state, params, obs[12:])


@jit
def metrics(state, params, out):
    out[0] = float(state.profit)
    out[1] = float(state.discharged) / float(params.capacity)
    out[2] = float(state.highest)
