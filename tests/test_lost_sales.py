"""LostSales: a period by hand, value iteration against enumeration and published figures, and the rules beside it."""

import functools
import itertools
import math

import numpy as np
import pytest

import rlkit
from envs.allocation import inventory
from envs.allocation.inventory import long_run_costs, long_run_figures
from envs.allocation.lost_sales import ENVIRONMENT, solver
from envs.allocation.lost_sales import yardstick as lost_sales
from rlkit.evaluation import compare, mean_interval

# Zipkin 2008, "Old and new methods", the table for Poisson demand of mean 5 and holding cost 1: (L, p) → least cost
PUBLISHED = {(1, 4): 4.04, (2, 4): 4.40, (2, 9): 6.09, (3, 4): 4.60, (3, 9): 6.53, (4, 4): 4.73, (4, 9): 6.84}


def model(lead_time, penalty, **changes):
    settings = {"demand_mean": 5.0, "holding_cost": 1.0, "max_order": 15, "capacity": 40} | changes
    return solver.Model(lead_time=lead_time, penalty=float(penalty), **settings)


def place(env, stock, pipeline):
    env.reset(seed=0)
    env.states["stock"] = stock
    env.states["pipeline"] = 0
    env.states["pipeline"][:, : len(pipeline)] = pipeline


def test_a_period_by_hand():
    """Stock 4, then 3, 1 and 2 arrive; 6 are ordered. The rules draw the demand; everything else follows from it."""
    env = rlkit.make_batch("lost_sales", 200)
    place(env, 4, [3, 1, 2])
    obs, rewards, terminated, truncated, _ = env.step(np.full(200, 6))
    states = env.states
    demand = states["demand"]
    assert demand.min() < 4 < demand.max()
    np.testing.assert_array_equal(states["lost"], np.maximum(demand - 4, 0))
    np.testing.assert_array_equal(rewards, -np.where(demand < 4, 4 - demand, 4 * (demand - 4)))
    np.testing.assert_array_equal(states["stock"], np.maximum(4 - demand, 0) + 3)
    np.testing.assert_array_equal(states["pipeline"][:, :4], np.tile([1, 2, 6, 0], (200, 1)))
    np.testing.assert_allclose(obs[:, 1:] * 5, np.tile([1, 2, 6], (200, 1)), rtol=1e-6)
    assert not (terminated | truncated).any()


@pytest.mark.parametrize("lead_time", range(1, 7))
def test_an_order_arrives_after_its_lead_time(lead_time):
    env = rlkit.make_batch("lost_sales", 1, lead_time=lead_time, demand_mean=1e-9)
    place(env, 0, [])
    stocks = []
    for period in range(lead_time + 1):
        env.step(np.array([7 if period == 0 else 0]))
        stocks.append(int(env.states["stock"][0]))
    assert stocks == [0] * (lead_time - 1) + [7, 7]


def test_what_does_not_fit_is_not_sent():
    env = rlkit.make_batch("lost_sales", 1, capacity=12, demand_mean=1e-9)
    place(env, 4, [3, 1, 2])
    env.step(np.array([15]))
    assert env.states["order"][0] == 2


def test_demand_is_poisson_and_the_same_whatever_is_ordered():
    seen = []
    for order in (0, 9):
        env = rlkit.make_batch("lost_sales", 1000)
        env.reset(seed=5)
        seen.append(np.array([env.step(np.full(1000, order)) and env.states["demand"].copy() for _ in range(50)]))
    np.testing.assert_array_equal(*seen)
    assert abs(seen[0].mean() - 5) < 0.05
    assert abs(seen[0].var() - 5) < 0.15


def test_metrics_are_means_after_the_warm_up():
    env = rlkit.make_batch("lost_sales", 3, autoreset_mode="Disabled", episode_stats=True)
    env.reset(seed=1)
    costs, lost, demand, left = [], [], [], []
    for _ in range(500):
        before = env.states["stock"].copy()
        *_, info = env.step(np.full(3, 4))
        for figures, name in ((costs, "cost"), (lost, "lost"), (demand, "demand")):
            figures.append(env.states[name].copy())
        left.append(np.maximum(before - env.states["demand"], 0))
    costs, lost, demand, left = (np.array(figures[100:]) for figures in (costs, lost, demand, left))
    np.testing.assert_allclose(info["episode"]["mean_cost"], costs.mean(axis=0))
    np.testing.assert_allclose(info["episode"]["service_level"], 1 - lost.sum(axis=0) / demand.sum(axis=0))
    np.testing.assert_allclose(info["episode"]["mean_stock"], left.mean(axis=0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lead_time": 7}, "lead_time=7 must be between 1 and 6"),
        ({"demand_mean": 0.0}, "demand_mean=0 must be above 0"),
        ({"penalty": -1.0}, "penalty must be above 0"),
        ({"max_order": 0}, "max_order=0 must be at least 1"),
        ({"capacity": 0}, "capacity=0 must be at least 1"),
    ],
)
def test_params_out_of_range_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        rlkit.make_batch("lost_sales", 1, **change)


# --- the optimum ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("case", "cost"), PUBLISHED.items())
def test_the_optimum_is_the_published_one(case, cost):
    assert abs(solver.solve(model(*case)).cost - cost) < 0.0051  # they give two decimals


def average_cost(orders, lead_time, mean, holding_cost, penalty):
    """Return the average cost of a policy (state → order) by the stationary chances of its states, brute force."""
    states = list(orders)
    index = {state: i for i, state in enumerate(states)}
    chances = [math.exp(-mean) * mean**d / math.factorial(d) for d in range(25)]
    matrix, costs = np.zeros((len(states), len(states))), np.zeros(len(states))
    for state, order in orders.items():
        for demand, chance in enumerate(chances):
            left = max(state[0] - demand, 0)
            coming = (*state[1:], order)
            following = (min(left + coming[0], max(s[0] for s in states)), *coming[1:])
            matrix[index[state], index[following]] += chance
            costs[index[state]] += chance * (holding_cost * left + penalty * max(demand - state[0], 0))
    equations = np.vstack([matrix.T - np.eye(len(states)), np.ones(len(states))])
    stationary = np.linalg.lstsq(equations, np.append(np.zeros(len(states)), 1.0), rcond=None)[0]
    return stationary @ costs


def test_value_iteration_against_every_policy_there_is():
    """Lead time 2, at most 1 unit an order and 2 in all: 2 to the power of 4 policies, one after another."""
    tiny = model(2, 3, demand_mean=0.6, max_order=1, capacity=2)
    assert (tiny.max_position, tiny.order_bound) == (2, 1)
    states = list(itertools.product(range(3), range(2)))
    free = [state for state in states if sum(state) < 2]
    costs = []
    for chosen in itertools.product(range(2), repeat=len(free)):
        orders = dict.fromkeys(states, 0) | dict(zip(free, chosen, strict=True))
        costs.append(average_cost(orders, 2, 0.6, 1.0, 3.0))
    assert abs(solver.solve(tiny).cost - min(costs)) < 1e-4


def test_wider_bounds_do_not_lower_the_optimum():
    for case in ((2, 9), (3, 4)):
        narrow = model(*case)
        wide = solver.iterate(narrow, narrow.max_position + 6, narrow.order_bound + 4)
        assert abs(wide.cost - solver.solve(narrow).cost) < 2e-5
        assert wide.orders.max() <= narrow.order_bound


def test_orders_that_are_held_below_the_bound_cost_more():
    held = model(2, 9, max_order=5, capacity=60)
    assert held.max_position == held.capacity  # the bound on stock and orders is only for free orders
    wide = solver.iterate(held, 80, 5)
    assert abs(solver.solve(held).cost - wide.cost) < 2e-5
    assert solver.solve(held).cost > solver.solve(model(2, 9, max_order=8)).cost + 0.1


def test_more_on_hand_or_on_order_means_no_larger_order_and_by_no_more_than_the_difference():
    """Zipkin 2008, "On the structure of lost-sales inventory models": slopes from −1 to 0, later orders' steeper."""
    orders = solver.solve(model(3, 9)).orders.astype(int)
    inside = np.indices(orders.shape).sum(axis=0) < 20
    slopes = []
    for axis in range(orders.ndim):
        slope = np.diff(orders, axis=axis)
        slopes.append(slope[tuple(slice(0, n - 1) for n in orders.shape)])
        kept = np.take(inside, range(orders.shape[axis] - 1), axis=axis)
        assert (slope[kept] <= 0).all()
        assert (slope[kept] >= -1).all()
    assert slopes[0].mean() > slopes[-1].mean()


def test_costs_rise_with_lead_time_and_penalty():
    by_lead_time = [solver.solve(model(lead_time, 4)).cost for lead_time in (1, 2, 3, 4)]
    by_penalty = [solver.solve(model(2, penalty)).cost for penalty in (2, 4, 9, 19)]
    assert by_lead_time == sorted(by_lead_time)
    assert by_penalty == sorted(by_penalty)


def test_too_many_states_are_refused():
    with pytest.raises(ValueError, match="lower lead_time or demand_mean"):
        solver.solve(model(6, 9, demand_mean=20.0, capacity=300, max_order=60))


def test_a_cut_solution_in_the_cache_is_computed_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("RLKIT_CACHE", str(tmp_path))
    solver.solve.cache_clear()
    first = solver.solve(model(1, 4))
    (file,) = tmp_path.glob("lost_sales/*.npz")
    file.write_bytes(file.read_bytes()[:100])
    solver.solve.cache_clear()
    assert solver.solve(model(1, 4)).cost == first.cost
    solver.solve.cache_clear()
    np.testing.assert_array_equal(solver.solve(model(1, 4)).orders, first.orders)


# --- the policies -----------------------------------------------------------------------------------------------

# level → cost of the optimum, the best capped base-stock and the best base-stock policy, measured with another program
MEASURED = {"l2p4": (4.393, 4.405, 4.641), "l4p4": (4.726, 4.800, 5.204)}


@pytest.mark.parametrize("level", MEASURED)
def test_the_policies_cost_what_they_should(level):
    params = ENVIRONMENT.params(level)[0]
    for build, cost in zip(lost_sales.YARDSTICK.policies.values(), MEASURED[level], strict=True):
        seen = mean_interval(long_run_costs(ENVIRONMENT, build(params), 300, 2000, level=level))
        assert abs(seen.mean - cost) < 0.006 * cost


def test_the_simulated_optimum_costs_what_value_iteration_says():
    params = ENVIRONMENT.params("l3p9")[0]
    seen = mean_interval(long_run_costs(ENVIRONMENT, lost_sales.optimal(params), 500, 2000, level="l3p9"))
    exact = solver.solve(solver.model_of(params)).cost
    assert abs(seen.mean - exact) < 2 * (seen.high - seen.mean)
    assert seen.high - seen.mean < 0.005 * exact


@pytest.mark.parametrize(("level", "cap", "lead_time"), [(12, 4, 1), (17, 5, 2), (25, 15, 4), (30, 6, 6)])
def test_the_search_simulates_the_rules(level, cap, lead_time):
    params = ENVIRONMENT.params(lead_time=lead_time)[0]
    demand = np.random.default_rng(3).poisson(5.0, 400_000).astype(np.int32)
    quick = lost_sales.rule_cost(demand, level, cap, solver.model_of(params))
    policy = lost_sales.capped_base_stock(params, level, cap)
    played = mean_interval(long_run_costs(ENVIRONMENT, policy, 200, 2000, lead_time=lead_time))
    assert abs(quick - played.mean) < 0.01 * quick


def test_a_base_stock_level_is_best_among_its_neighbours():
    params = solver.model_of(ENVIRONMENT.params("l2p9")[0])
    (level, cap), plain = lost_sales.best_levels(params)
    demand = np.random.default_rng(9).poisson(5.0, 2_000_000).astype(np.int32)
    best = lost_sales.rule_cost(demand, level, cap, params)
    for other, other_cap in ((level - 1, cap), (level + 1, cap), (level, cap - 1), (level, cap + 1)):
        assert best <= lost_sales.rule_cost(demand, other, other_cap, params) * 1.001
    best = lost_sales.rule_cost(demand, plain, 15, params)
    for other in (plain - 1, plain + 1):
        assert best <= lost_sales.rule_cost(demand, other, 15, params) * 1.001


def test_long_run_figures_tell_the_gap_to_the_optimum(monkeypatch):
    brief = functools.partial(long_run_costs, num_copies=100, periods=500)
    monkeypatch.setattr(inventory, "long_run_costs", brief)
    inventory.reference_costs.cache_clear()
    params = ENVIRONMENT.params("easy")[0]
    rows = compare(ENVIRONMENT, lost_sales.base_stock(params), 5, seed=0, level="easy").rows
    inventory.reference_costs.cache_clear()
    assert list(rows) == ["agent", "random", "optimal", "capped_base_stock", "base_stock"]
    assert rows["optimal"]["gap_percent"].mean == 0
    costs = {name: row["average_cost"].mean for name, row in rows.items()}
    assert abs(rows["agent"]["gap_percent"].mean - 100 * (costs["agent"] / costs["optimal"] - 1)) < 1e-9
    assert rows["agent"]["gap_percent"].low > 0
    assert rows["agent"] == rows["base_stock"]  # the same demand, to the bit


def test_a_policy_that_plans_has_no_long_run_figures():
    class Planner:
        def act_in(self, situation, deterministic=True):
            raise AssertionError("asked to plan")

    assert long_run_figures(ENVIRONMENT, Planner(), {}) == {}


def test_explain_gives_facts_and_refuses_moves():
    facts = ENVIRONMENT.yardstick.explain("")
    assert abs(facts["optimal_cost"] - 4.7285) < 0.001
    assert facts["optimal_cost"] < facts["capped_base_stock"]["cost"] < facts["base_stock"]["cost"]
    with pytest.raises(ValueError, match="no moves to explain; leave out moves '12'"):
        ENVIRONMENT.yardstick.explain("12")
