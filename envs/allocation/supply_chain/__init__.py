"""SupplyChain: how much each stage of a serial supply chain orders when customers wait for what is missing.

The beer game with all stages in one hand: 2 to 5 stages in a row (1 is allowed), each supplied by the next after a
lead time, the first facing random demand. Stock costs more the nearer it is to the customers; so do backorders.

Observation
    Box float32 [sum of the lead times], in periods of mean demand. Echelon stock of a stage is what it and all
    stages nearer to the customers have on hand and under way between them, less the backorders. For each stage,
    nearest first: its echelon stock, then with what reaches the stage 1, 2, … periods from now; less the mean
    demand of so many periods as the element has others before it. It tells the whole state.

Action
    Box float32 [num_stages] in [−1, 1]: each stage orders mean demand + action × reach, at least 0, where reach is
    the greater of the mean demand and 5 deviations of demand; whole units under Poisson demand. A stage is sent
    what its supplier has on hand; the rest of the order is forgotten.

Reward
    −cost of the period: for each stage echelon_costs × its echelon stock, and (penalty + all echelon_costs) × the
    backorders. It is the same as paying for each unit on hand at its stage's local cost (the sum of the echelon
    costs from there upstream), for each unit under way at its sender's, and the penalty for each backorder.

Termination
    Never. Truncated after 200 periods.

Params
    num_stages, demand_mean (units a period), demand_deviation (of normal demand; 0: Poisson), penalty (a unit and
    period); as tables that a level or an instance sets, by stage, nearest to the customers first: echelon_costs (a
    unit and period), lead_times (periods, 1 to 8).

    `--level` also takes a published instance (example_6_1, problem_6_1, problem_6_2a, problem_6_2b, problem_6_16,
    shang_song_1, shang_song_9, shang_song_17, shang_song_25) or a JSON file: the form is in `instances.py`.

Metrics
    mean_cost (a period), ready_rate (share of periods that end without backorders), mean_stock (units on hand, all
    stages), mean_backorders (units); each without the first 50 periods of the episode.

Yardstick
    The optimum: echelon base-stock levels by the recursion of Clark and Scarf; beside it their newsvendor
    approximation by Shang and Song, and a rule in which each stage looks at its own stock only. `rlkit evaluate`
    adds the average cost over 1,000 copies × 5,000 periods.

Source
    A. Clark, H. Scarf, "Optimal policies for a multi-echelon inventory problem", Management Science 6(4), 1960; order
    of events as in L. Snyder, Z.-J. Shen, "Fundamentals of Supply Chain Theory", 2nd edition 2019, chapter 6. Level
    standard is row 1 of table 1 in K. Shang, J.-S. Song, Management Science 49(5), 2003, with a quarter of their
    time unit as period.
"""

import numpy as np
from gymnasium import spaces

from envs.allocation.supply_chain.instances import load_instance
from envs.allocation.supply_chain.rules import MAX_LEAD_TIME, MAX_STAGES
from rlkit.environment import Environment


def _observation_space(params: np.record) -> spaces.Box:
    num_stages = _num_stages(params)
    lead_times = np.asarray(params.lead_times)[:num_stages]
    if lead_times.min() < 1 or lead_times.max() > MAX_LEAD_TIME:
        raise ValueError(f"lead_times {lead_times.tolist()} must be between 1 and {MAX_LEAD_TIME} periods")
    if np.asarray(params.echelon_costs)[:num_stages].min() <= 0 or float(params.penalty) <= 0:
        raise ValueError("penalty and the echelon_costs of all stages must be above 0")
    deviation, mean = float(params.demand_deviation), float(params.demand_mean)
    if mean <= 0 or (deviation == 0 and mean > 50):
        raise ValueError(f"demand_mean={mean:g} must be above 0, and at most 50 where demand is Poisson")
    if deviation < 0 or 3 * deviation > mean:
        raise ValueError(f"demand_deviation={deviation:g} must be at least 0 and at most a third of demand_mean")
    return spaces.Box(-np.inf, np.inf, (int(lead_times.sum()),))


def _action_space(params: np.record) -> spaces.Box:
    return spaces.Box(-1.0, 1.0, (_num_stages(params),))


def _num_stages(params: np.record) -> int:
    num_stages = int(params.num_stages)
    if not 1 <= num_stages <= MAX_STAGES:
        raise ValueError(f"num_stages={num_stages} must be between 1 and {MAX_STAGES}")
    return num_stages


ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/SupplyChain-v0",
    observation_space=_observation_space,
    action_space=_action_space,
    max_steps=200,
    metrics=("mean_cost", "ready_rate", "mean_stock", "mean_backorders"),
    levels={
        "standard": {},
        "easy": {"num_stages": 2},
        "hard": {"penalty": 39.0, "lead_times": np.array([2, 2, 2, 2, 1])},
    },
    instance=load_instance,
    frame_seconds=0.4,
)
