"""Battery: buy electricity when it is cheap, sell when it is dear, and keep the day's peak low.

A site with a load, solar panels and a battery is connected to the grid at a price that changes every hour. At night
one cannot know what the next evening will cost; but prices have a daily shape, and today's deviation from it fades
from hour to hour. The day's largest import costs extra.

Observation
    Box float32 [35]. Charge / capacity; price / mean − 1; the price's deviation from its daily shape (in means), and
    whether there is a spike: together the state of the price process; sine and cosine of the hour of the day; share of
    the episode to come; the day's largest import so far / max_power; how far import is below it without the battery
    / max_power; panels / max_power; load / max_power; cloud, the state of the sky (deviations, large is clear). Then
    for each of the next 23 hours the expected price less the present one, in means (0 the price after the end).

Action
    Box float32 [1] in [−1, 1]: the battery's power as a share of max_power for one hour. Positive charges, negative
    discharges; what the charge does not allow is not done.

Reward
    The money saved in this hour against the same site without the battery, in currency units: energy bought at the
    price, energy fed in at export_share of it, and peak_charge for each kW by which the day's largest import rises.
    Doing nothing gives 0.

Termination
    After num_days days, which begin at midnight. Charge that is left is worth nothing.

Params
    num_days (1 to 7), capacity (kWh), max_power (kW), efficiency (of charging and of discharging), initial_charge
    (share). Price = price_mean × (price_shape[hour] + deviation + spike_rise × spike), where the deviation is AR(1)
    with price_rho (hour to hour) and innovations of standard deviation price_sigma, and a spike comes with
    spike_chance in each hour by itself. export_share, peak_charge (currency units a kW and day). Load = load_mean ×
    load_shape[hour] kW. Panels = sun_peak × sun_shape[hour] / (1 + exp(−cloud_mean − cloud_spread × cloud)) kW, cloud
    AR(1) with cloud_rho and standard deviation 1. The shapes are arrays [24]. series_hours, series_price and
    series_sun are a given series (series_hours 0: none); an episode then begins at a random midnight in it.

    `--level FILE.csv` takes a price series of your own: see envs/allocation/battery/series.py.

Metrics
    profit (currency units saved against no battery), cycles (energy taken out / capacity), peak (kW, the episode's
    largest import).

Yardstick
    Stochastic dynamic programming on a grid: the best that can be reached without knowing the future, within 0.5 %.
    Beside it the best rule of two price thresholds, and a linear program that knows all prices beforehand, which
    nobody can reach.

Source
    The daily shapes and processes are ours, in the tradition of storage valuation: AR(1) prices as in E. Schwartz,
    "The stochastic behavior of commodity prices", Journal of Finance 1997. The reward is exact accounting.
"""

import numpy as np
from gymnasium import spaces

from envs.allocation.battery.series import read_series
from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/Battery-v0",
    observation_space=spaces.Box(-np.inf, np.inf, (35,)),
    action_space=spaces.Box(-1.0, 1.0, (1,)),
    metrics=("profit", "cycles", "peak"),
    levels={
        "standard": {},
        "easy": {"sun_peak": 0.0, "peak_charge": 0.0, "price_sigma": 0.1, "spike_chance": 0.0},
        "hard": {"price_sigma": 0.3, "price_rho": 0.8, "export_share": 0.7, "peak_charge": 0.2},
    },
    instance=read_series,
    frame_seconds=0.25,
)
