"""LostSales: how many units to order each period when demand that finds no stock is lost.

One item with Poisson demand; an order arrives `lead_time` periods after it was placed. Orders too small lose sales,
orders too large pay for stock, and what is on order already says when it will arrive.

Observation
    Box float32 [lead_time], in periods of mean demand: the units on hand, then the units that arrive 1, 2, …
    periods from now.

Action
    Discrete(max_order + 1): the units to order. What does not fit into `capacity` is not sent.

Reward
    −(holding_cost × units left over + penalty × units of demand lost) of the period.

Termination
    Never. Truncated after 500 periods.

Params
    lead_time (periods, 1 to 6), demand_mean (units a period), holding_cost and penalty (a unit), max_order (units),
    capacity (units on hand and on order). The optimum is not touched by the last two as they are set in the levels:
    it never orders more than 8 units there, and none from 32 on hand and on order (43 in level hard); the bounds
    are in `solver.py`.

Metrics
    mean_cost (a period), service_level (share of demand met), mean_stock (units left over at the end of a period);
    each without the first 100 periods of the episode.

Yardstick
    The least average cost, by value iteration over all states; beside it the best capped base-stock policy and the
    best base-stock policy. `rlkit evaluate` adds the average cost over 1,000 copies × 5,000 periods.

Source
    P. Zipkin, "Old and new methods for lost-sales inventory systems", Operations Research 56(5), 2008: model and
    levels; L. Xin, "Understanding the performance of capped base-stock policies in lost-sales inventory models",
    Operations Research 69(1), 2021.
"""

import numpy as np
from gymnasium import spaces

from envs.allocation.lost_sales.rules import MAX_LEAD_TIME
from rlkit.environment import Environment


def _observation_space(params: np.record) -> spaces.Box:
    lead_time = int(params.lead_time)
    if not 1 <= lead_time <= MAX_LEAD_TIME:
        raise ValueError(f"lead_time={lead_time} must be between 1 and {MAX_LEAD_TIME} periods")
    if not 0 < float(params.demand_mean) <= 50:
        raise ValueError(f"demand_mean={float(params.demand_mean):g} must be above 0 and at most 50 units")
    if min(float(params.holding_cost), float(params.penalty)) <= 0:
        raise ValueError("holding_cost and penalty must be above 0")
    if int(params.capacity) < 1:
        raise ValueError(f"capacity={int(params.capacity)} must be at least 1 unit")
    return spaces.Box(0.0, np.float32(params.capacity / params.demand_mean), (lead_time,))


def _action_space(params: np.record) -> spaces.Discrete:
    if int(params.max_order) < 1:
        raise ValueError(f"max_order={int(params.max_order)} must be at least 1 unit")
    return spaces.Discrete(int(params.max_order) + 1)


ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/LostSales-v0",
    observation_space=_observation_space,
    action_space=_action_space,
    max_steps=500,
    metrics=("mean_cost", "service_level", "mean_stock"),
    levels={
        "standard": {},
        "easy": {"lead_time": 1},
        "hard": {"lead_time": 6, "penalty": 9.0, "capacity": 60},
        "l2p4": {"lead_time": 2},
        "l2p9": {"lead_time": 2, "penalty": 9.0},
        "l3p4": {"lead_time": 3},
        "l3p9": {"lead_time": 3, "penalty": 9.0},
        "l4p4": {},
        "l4p9": {"penalty": 9.0},
    },
    frame_seconds=0.4,
)
