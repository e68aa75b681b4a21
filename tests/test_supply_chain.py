"""SupplyChain: a hand-played period, the recursion against tables and dynamic programming, the rules' own costs."""

import json
import math

import numpy as np
import pytest

import rlkit
from envs.allocation.inventory import long_run_costs
from envs.allocation.supply_chain import ENVIRONMENT, clark_scarf, instances
from envs.allocation.supply_chain import yardstick as supply_chain
from rlkit.evaluation import mean_interval

# Shang and Song 2003, table 1: row → (optimal echelon levels, least average cost)
SHANG_SONG = {
    1: ((8, 13, 18, 22), 12.688), 9: ((9, 10, 13, 19), 53.008), 17: ((11, 17, 22, 27), 16.206),
    25: ((11, 14, 18, 26), 74.564),
}  # fmt: skip


def optimum(level, **changes):
    return clark_scarf.optimize(clark_scarf.system_of(ENVIRONMENT.params(level, **changes)[0]))


def place(env, stock, pipeline, backorders=0.0):
    """Put every copy into one state; `pipeline` holds what is under way to each stage, next arrival first."""
    env.reset(seed=0)
    for name in ("stock", "pipeline"):
        env.states[name] = 0.0
    env.states["stock"][:, : len(stock)] = stock
    env.states["backorders"] = backorders
    for stage, units in enumerate(pipeline):
        env.states["pipeline"][:, stage, : len(units)] = units


def order(env, units):
    """Step with orders in units."""
    return env.step(supply_chain.actions_of(np.tile(np.array(units, float), (env.num_envs, 1)), env.params[0]))


# --- the rules --------------------------------------------------------------------------------------------------


def test_a_period_by_hand():
    """Two stages, lead times 1 and 2: stage 2 has 6 and is asked for 9, so 6 arrive; 5 of its own are due."""
    level = {"num_stages": 2, "lead_times": np.array([1, 2, 1, 1, 1])}
    params = {"echelon_costs": np.array([3.0, 2.0, 0.0, 0.0, 0.0]), "penalty": 10.0, "demand_mean": 4.0}
    env = rlkit.make_batch("supply_chain", 300, **level, **params)
    place(env, [1, 6], [[], [5]], backorders=0.0)
    obs, rewards, terminated, truncated, _ = order(env, [9, 7])
    demand = env.states["demand"]
    np.testing.assert_array_equal(env.states["sent"][:, :2], np.tile([6, 7], (300, 1)))
    left, waiting = np.maximum(7 - demand, 0), np.maximum(demand - 7, 0)
    assert waiting.max() > 0
    np.testing.assert_array_equal(env.states["stock"][:, :2], np.stack([left, np.full(300, 5.0)], axis=1))
    np.testing.assert_array_equal(env.states["backorders"], waiting)
    np.testing.assert_array_equal(env.states["pipeline"][:, 1, :2], np.tile([7, 0], (300, 1)))
    # a unit costs 3 + 2 at stage 1 and 2 at stage 2; the 7 on their way from outside nothing
    np.testing.assert_allclose(rewards, -(5 * left + 2 * 5 + 10 * waiting))
    expected = np.stack([left - waiting, left - waiting + 5, left - waiting + 5 + 7], axis=1) / 4 - [0, 1, 2]
    np.testing.assert_allclose(obs, expected, rtol=1e-6)
    assert not (terminated | truncated).any()


def test_units_under_way_cost_what_they_cost_at_their_sender():
    env = rlkit.make_batch("supply_chain", 1, demand_mean=1e-9, lead_times=np.array([1, 3, 1, 1, 1]))
    place(env, [0, 0, 5, 0], [[], [0, 8], [], []])
    _, rewards, *_ = order(env, [0, 0, 0, 0])
    assert env.states["pipeline"][0, 1].tolist()[:3] == [8, 0, 0]
    assert rewards[0] == -2 * 0.25 * (8 + 5)  # stages 3 and 4 add 0.25 each to the cost of a unit


@pytest.mark.parametrize("lead_time", range(1, 9))
def test_goods_arrive_in_the_period_of_their_lead_time(lead_time):
    lead_times = np.array([lead_time, 1, 1, 1, 1])
    env = rlkit.make_batch("supply_chain", 1, num_stages=1, lead_times=lead_times, demand_deviation=0.3)
    place(env, [0], [[]], backorders=0)
    arrived = []
    for period in range(lead_time + 1):
        order(env, [5.5 if period == 0 else 0.0])
        arrived.append(float(env.states["stock"][0, 0] - env.states["backorders"][0] + env.states["demand"][0]))
        env.states["stock"], env.states["backorders"] = 0.0, 0.0
    assert arrived[:-1] == pytest.approx([0.0] * (lead_time - 1) + [5.5], abs=1e-5)


def test_orders_are_whole_under_poisson_demand_and_never_below_nothing():
    env = rlkit.make_batch("supply_chain", 50)
    env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (50, 4)).astype(np.float32)
    env.states["stock"] = 100.0
    env.step(actions)
    wanted = np.maximum(0, np.floor(4 + 10 * actions.astype(float) + 0.5))
    np.testing.assert_array_equal(env.states["sent"][:, :4], wanted)


def test_nothing_is_lost_on_the_way():
    """What outside sent is on hand, under way, or with the customers."""
    env = rlkit.make_batch("supply_chain", 20, level="problem_6_16")
    env.reset(seed=1)
    rng = np.random.default_rng(1)

    def inside():
        states = env.states
        return states["stock"].sum(axis=1) + states["pipeline"].sum(axis=(1, 2)) - states["backorders"]

    for _ in range(100):
        before = inside()
        env.step(rng.uniform(-1, 1, (20, 2)).astype(np.float32))
        np.testing.assert_allclose(inside(), before + env.states["sent"][:, 1] - env.states["demand"], atol=1e-9)


@pytest.mark.parametrize(("level", "variance"), [("standard", 4.0), ("example_6_1", 1.0)])
def test_demand_has_its_moments_and_is_the_same_whatever_is_ordered(level, variance):
    seen = []
    for action in (-0.5, 0.5):
        env = rlkit.make_batch("supply_chain", 1000, level=level)
        env.reset(seed=5)
        actions = np.full(env.action_space.shape, action, np.float32)
        seen.append(np.array([env.step(actions) and env.states["demand"].copy() for _ in range(50)]))
    np.testing.assert_array_equal(*seen)
    assert abs(seen[0].mean() - env.params[0].demand_mean) < 0.03
    assert abs(seen[0].var() / variance - 1) < 0.03


def test_metrics_are_means_after_the_warm_up():
    env = rlkit.make_batch("supply_chain", 3, autoreset_mode="Disabled", episode_stats=True)
    env.reset(seed=1)
    seen = []
    for _ in range(200):
        *_, info = env.step(np.zeros((3, 4), np.float32))
        states = env.states
        seen.append(
            [states["cost"] * 1, states["backorders"] == 0, states["stock"].sum(axis=1), states["backorders"] * 1]
        )
    means = np.array(seen, float)[50:].mean(axis=0)
    for name, expected in zip(ENVIRONMENT.metrics, means, strict=True):
        np.testing.assert_allclose(info["episode"][name], expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_stages": 6}, "num_stages=6 must be between 1 and 5"),
        ({"lead_times": np.array([1, 9, 1, 1, 1])}, r"lead_times \[1, 9, 1, 1\] must be between 1 and 8"),
        ({"echelon_costs": np.zeros(5)}, "echelon_costs of all stages must be above 0"),
        ({"demand_mean": 60.0}, "demand_mean=60 must be above 0, and at most 50"),
        ({"demand_deviation": 2.0}, "at most a third of demand_mean"),
    ],
)
def test_params_out_of_range_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        rlkit.make_batch("supply_chain", 1, **change)


# --- the optimum ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "published"), SHANG_SONG.items())
def test_the_recursion_gives_the_published_table(row, published):
    levels, cost = optimum(f"shang_song_{row}")
    assert levels == published[0]
    assert round(cost, 3) == published[1]


def test_the_recursion_gives_the_textbook_example():
    """Snyder and Shen 2019, example 6.1: levels 6.49, 12.02, 22.71 and cost 47.65, on a grid of theirs."""
    levels, cost = optimum("example_6_1")
    np.testing.assert_allclose(levels, (6.49, 12.02, 22.71), atol=0.02)
    assert abs(cost - 47.65) < 0.02


def test_one_stage_is_the_newsvendor():
    """Cost (h + p) σ φ(z) of normal demand over the lead time, at the level μ + z σ."""
    system = clark_scarf.System(100.0, 20.0, 4.0, (1.0,), (4,))
    (level,), cost = clark_scarf.optimize(system)
    z = 0.8416212335729143  # the normal quantile of 4 / 5
    assert abs(level - (400 + z * 40)) < 0.5
    assert abs(cost - 5 * 40 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)) < 0.01


def least_cost_of_two_stages(mean, penalty, echelon_costs, most=14):
    """Return the least average cost of two stages with lead times 1 by value iteration over joint decisions.

    A state is (stock − backorders at stage 1, stock at stage 2); nothing is under way when orders are placed.
    """
    demand = np.arange(12)
    chances = np.exp(-mean) * mean**demand / np.array([math.factorial(d) for d in demand])
    nets, stocks = np.arange(-most, most + 1), np.arange(most + 1)
    h1, h2 = echelon_costs[0] + echelon_costs[1], echelon_costs[1]  # local costs
    values = np.zeros((len(nets), len(stocks)))
    for _ in range(400):
        after = np.full((len(nets), len(stocks)), np.inf)  # mean value by (net before demand, stock 2)
        for i, net in enumerate(nets):
            ends = np.clip(net - demand, -most, most)
            period = h1 * np.maximum(ends, 0) + penalty * np.maximum(-ends, 0)
            after[i] = chances @ (period[:, None] + values[ends + most]) + h2 * stocks
        best = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]  # outside sends as much as wanted
        following = np.full_like(values, np.inf)
        for i in range(len(nets)):
            for stock in stocks:
                sent = np.arange(min(stock, len(nets) - 1 - i) + 1)
                following[i, stock] = best[i + sent, stock - sent].min()
        change = following - values
        values = following - following[most, 0]
    inside = change[4:, :]  # at the lower edge backorders are cut
    return float(inside.min() + inside.max()) / 2, float(inside.max() - inside.min())


def test_the_recursion_against_dynamic_programming_over_joint_orders():
    costs = (0.5, 0.5)
    cost, span = least_cost_of_two_stages(1.0, 4.0, costs)
    assert span < 0.01
    system = clark_scarf.System(1.0, 0.0, 4.0, costs, (1, 1))
    assert abs(clark_scarf.optimize(system)[1] - cost) < 0.01


@pytest.mark.parametrize("level", ["standard", "easy", "hard", *instances.published()])
def test_optimal_levels_are_within_their_bounds(level):
    system = clark_scarf.system_of(ENVIRONMENT.params(level)[0])
    step = 0 if system.is_poisson else system.grid_step
    for best, (low, high) in zip(clark_scarf.optimize(system)[0], clark_scarf.level_bounds(system), strict=True):
        assert low - step <= best <= high + step


# --- the policies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["standard", "hard", "example_6_1", "problem_6_16", "shang_song_9"])
def test_the_simulated_optimum_costs_what_the_recursion_says(level):
    policy = supply_chain.clark_scarf(ENVIRONMENT.params(level)[0])
    seen = mean_interval(long_run_costs(ENVIRONMENT, policy, 500, 2000, level=level))
    assert abs(seen.mean / optimum(level)[1] - 1) < 0.003


def test_other_levels_cost_more():
    params = ENVIRONMENT.params("shang_song_9")[0]
    levels = np.array(optimum("shang_song_9")[0])
    best = long_run_costs(ENVIRONMENT, supply_chain.order_up_to(params, levels), 200, 1000, level="shang_song_9").mean()
    for stage in range(4):
        for change in (-2, 2):
            other = levels + change * (np.arange(4) == stage)
            policy = supply_chain.order_up_to(params, other)
            assert long_run_costs(ENVIRONMENT, policy, 200, 1000, level="shang_song_9").mean() > best


def test_the_policies_are_ranked_as_in_theory():
    params = ENVIRONMENT.params("shang_song_17")[0]
    policies = supply_chain.YARDSTICK.policies
    assert list(policies) == ["clark_scarf", "shang_song", "local_base_stock"]
    costs = [
        long_run_costs(ENVIRONMENT, build(params), 200, 1000, level="shang_song_17") for build in policies.values()
    ]
    assert (costs[1] - costs[0]).mean() > 0
    assert costs[2].mean() > 1.1 * costs[0].mean()


def test_positions_are_read_back_from_observations():
    env = rlkit.make_batch("supply_chain", 50, level="problem_6_16")
    obs, _ = env.reset(seed=3)
    for _ in range(20):
        obs, *_ = env.step(env.action_space.sample())
    seen = supply_chain.echelon_positions(obs, env.params[0])
    stock, pipeline = env.states["stock"], env.states["pipeline"]
    first = stock[:, 0] + pipeline[:, 0].sum(axis=1) - env.states["backorders"]
    np.testing.assert_allclose(seen[:, 0], first, atol=1e-3)
    np.testing.assert_allclose(seen[:, 1], first + stock[:, 1] + pipeline[:, 1].sum(axis=1), atol=1e-3)


def test_explain_gives_facts_and_refuses_moves():
    facts = ENVIRONMENT.yardstick.explain("")
    assert round(facts["optimal_cost"], 3) == 12.688
    assert facts["clark_scarf"] == [8, 13, 18, 22]
    with pytest.raises(ValueError, match="no moves to explain; leave out moves '12'"):
        ENVIRONMENT.yardstick.explain("12")


# --- instances --------------------------------------------------------------------------------------------------


def test_published_instances():
    names = list(instances.published())
    assert len(names) == 9
    params = ENVIRONMENT.params("problem_6_2a")[0]  # lead times of half a unit of time, demand 64 ± 8 in a whole one
    assert (params.num_stages, params.demand_mean, params.lead_times.tolist()) == (5, 32, [1] * 5)
    assert abs(params.demand_deviation - 8 / math.sqrt(2)) < 1e-12
    assert params.echelon_costs.tolist() == [2, 2, 1, 1, 1]


def test_a_file_of_ones_own(tmp_path):
    file = tmp_path / "mine.json"
    system = {"demand_mean": 5, "demand_deviation": 1, "penalty": 37.12}
    file.write_text(json.dumps(system | {"echelon_costs": [3, 2, 2], "lead_times": [1, 1, 2]}))
    assert ENVIRONMENT.params(str(file)) == ENVIRONMENT.params("example_6_1")
    env = rlkit.make_batch("supply_chain", 2, level=str(file))
    assert env.single_observation_space.shape == (4,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lead_times": [1, 2]}, "must be equally long"),
        ({"lead_times": [1, 1, 0.5]}, "lead time 0.5 must be a whole number of periods"),
        ({"lead_times": [1, 1, 20]}, "lead time 20 must be a whole number"),
        ({"echelon_costs": [1, 0, 1]}, "cost 0 must be above 0"),
        ({"echelon_costs": "cheap"}, "echelon_costs must be a list of numbers"),
        ({"penalty": None}, "penalty must be a number, not None"),
        ({"colour": 1}, "unknown field 'colour'"),
        ({"echelon_costs": [1] * 6, "lead_times": [1] * 6}, "6 stages are more than 5"),
    ],
)
def test_bad_files_are_told_in_a_sentence(tmp_path, change, words):
    file = tmp_path / "mine.json"
    good = {"demand_mean": 5, "penalty": 9, "echelon_costs": [3, 2, 2], "lead_times": [1, 1, 2]}
    file.write_text(json.dumps(good | change))
    with pytest.raises(ValueError, match=words) as error:
        ENVIRONMENT.params(str(file))
    assert str(file) in str(error.value)


def test_what_is_no_file_or_no_json_is_told_too(tmp_path):
    with pytest.raises(ValueError, match="no level 'beer'"):
        ENVIRONMENT.params("beer")
    with pytest.raises(ValueError, match=r"cannot read /nowhere\.json"):
        ENVIRONMENT.params("/nowhere.json")
    file = tmp_path / "mine.json"
    file.write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        ENVIRONMENT.params(str(file))
    file.write_text("[1]")
    with pytest.raises(ValueError, match="must hold one JSON object"):
        ENVIRONMENT.params(str(file))
