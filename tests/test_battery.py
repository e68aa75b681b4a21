"""Battery: hours drawn by hand, the price process, the dynamic program against enumeration, hindsight, and series."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlkit
from envs.allocation.battery import ENVIRONMENT, rules, yardstick
from envs.allocation.battery.dynamic_program import Grid, solved, transition
from envs.allocation.battery.series import read_series
from rlkit.evaluation import run_episodes

EPISODES = 200
SURE = {"price_sigma": 0.0, "spike_chance": 0.0, "sun_peak": 0.0}  # nothing is left to chance


@pytest.fixture(scope="module")
def bounds():
    return yardstick.hindsight_profits(EPISODES, seed=40)


def step_env(actions, **params):
    env = rlkit.make("battery", **params)
    env.reset(seed=3)
    return env, [env.step(np.array([action], np.float32)) for action in actions]


def test_two_hours_drawn_by_hand():
    """50 kW bought at midnight and 10 kW fed in beyond the load at one o'clock, at a cost and a price by hand."""
    params = SURE | {"load_mean": 50.0, "peak_charge": 0.04, "price_mean": 0.2, "export_share": 0.5}
    env, steps = step_env([1.0, -0.8], **params)
    night, one = 0.80 * 0.2, 0.75 * 0.2  # currency units a kWh
    load_0, load_1 = 0.60 * 50, 0.58 * 50  # kW
    assert steps[0][1] == pytest.approx(-50 * night - 0.04 * 50)  # the peak rises by 50 more than it would have
    assert steps[1][1] == pytest.approx(load_1 * one + (40 - load_1) * one * 0.5)
    assert env.state.charge == pytest.approx(50 * 0.95 - 40 / 0.95)
    assert env.state.peak == load_0 + 50
    assert env.state.idle_peak == load_0


def test_the_battery_gives_no_more_than_it_has_and_takes_no_more_than_fits():
    env, steps = step_env([-1.0, 1.0, 1.0, 1.0, 1.0, 1.0], **SURE, capacity=120.0)
    assert steps[0][1] == 0  # empty: nothing happened
    assert env.state.past_power[:6].tolist() == pytest.approx([0, 50, 50, (120 - 95) / 0.95, 0, 0], rel=1e-6)
    assert env.state.charge == 120


def test_the_peak_begins_anew_at_midnight():
    env, steps = step_env([0.0] * 23 + [1.0, 1.0], **SURE, price_mean=1e-9, load_mean=40.0, peak_charge=1.0)
    # at eleven: load 26.4 + 50 is above the day's 53.6; at midnight: 24 + 50 against the new day's 24
    assert steps[23][1] == pytest.approx(-(76.4 - 53.6), abs=1e-6)
    assert steps[24][1] == pytest.approx(-50, abs=1e-6)
    assert env.state.peak == pytest.approx(74)


def test_doing_nothing_saves_nothing():
    idle = yardstick.thresholds(-9.0, 99.0)
    episodes = run_episodes(ENVIRONMENT, idle, 50, seed=0)
    np.testing.assert_array_equal(episodes.returns, 0)
    assert (episodes.lengths == 48).all()


def test_what_is_observed():
    env, steps = step_env([0.5], spike_chance=1.0, spike_rise=2.0)
    obs, state, params = steps[0][0].astype(float), env.state, env.params
    deviation, load = float(state.deviation), 40 * 0.58
    price = rules.PRICE_SHAPE[1] + deviation + 2.0  # in means
    angle = 2 * math.pi / 24
    peak = (40 * 0.60 + 25) / 50
    expected = [25 * 0.95 / 180, price - 1, deviation, 1, math.sin(angle), math.cos(angle), 47 / 48, peak]
    expected += [peak - load / 50, 0, load / 50, float(state.cloud)]
    np.testing.assert_allclose(obs[:12], expected, rtol=1e-5, atol=1e-6)
    ahead = [rules.PRICE_SHAPE[(1 + k) % 24] + 0.6**k * deviation + 2.0 - price for k in range(1, 24)]
    np.testing.assert_allclose(obs[12:], ahead, rtol=1e-4, atol=1e-5)
    assert float(rules.price_now(state, params)) == pytest.approx(0.14 * price)


def test_after_the_end_energy_is_worth_nothing():
    _, steps = step_env([0.0] * 40)
    obs = steps[-1][0]
    np.testing.assert_allclose(obs[12 + 7 :], -(obs[1] + 1), rtol=1e-6)  # 8 hours are left, this one included
    assert (obs[12 : 12 + 7] != obs[-1]).all()


def test_the_price_process_has_the_declared_moments():
    """Of 4,000 episodes at hours 0 to 47: mean, deviation and correlation of an AR(1), and the share of spikes."""
    env = rlkit.make_batch("battery", 4000, sun_peak=0.0)
    env.reset(seed=1)
    deviations, spikes, clouds = [], [], []
    for _ in range(47):
        deviations.append(env.states["deviation"].copy())
        spikes.append(env.states["spike"].copy())
        clouds.append(env.states["cloud"].copy())
        env.step(np.zeros((4000, 1), np.float32))
    deviation, cloud = np.array(deviations), np.array(clouds)
    np.testing.assert_allclose(deviation.mean(axis=1), 0, atol=0.02)
    np.testing.assert_allclose(deviation.std(axis=1), 0.22 / 0.8, rtol=0.05)
    assert np.corrcoef(deviation[10], deviation[13])[0, 1] == pytest.approx(0.6**3, abs=0.05)
    assert np.mean(spikes) == pytest.approx(0.04, abs=0.002)
    np.testing.assert_allclose(cloud.std(axis=1), 1, rtol=0.05)
    assert np.corrcoef(cloud[10], cloud[12])[0, 1] == pytest.approx(0.8**2, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.floats(-1, 1), min_size=48, max_size=48), st.floats(0, 1))
def test_energy_is_conserved_and_the_state_stays_in_bounds(seed, actions, initial):
    env = ENVS["random"]
    env.params["initial_charge"] = initial
    env.reset(seed=seed)
    charge, profit = initial * 180, 0.0
    for hour, action in enumerate(actions):
        _, rewards, terminated, _, _ = env.step(np.array([[action]], np.float32))
        state, power = env.states[0], float(env.states["power"][0])
        charge += power * 0.95 if power > 0 else power / 0.95
        profit += rewards[0]
        assert 0 <= state.charge <= 180
        assert abs(power) <= 50
        assert power * action >= 0
        assert float(state.charge) == pytest.approx(charge, abs=1e-9)
        assert state.highest >= state.peak >= 0
        assert terminated[0] == (hour == 47)
    assert float(env.states["profit"][0]) == pytest.approx(profit, abs=1e-9)


ENVS = {"random": rlkit.make_batch("battery", 1, autoreset_mode="disabled")}


# --- the dynamic program ------------------------------------------------------------------------------------------


def enumerate_profit(hours, charge, peak, params, powers):
    """Return the best profit from `hours` on by trying every sequence of powers that change the charge by units."""
    if not hours:
        return 0.0
    (price, load), *later = hours
    best = -math.inf
    for power in powers:
        after = charge + power
        if not 0 <= after <= params["capacity"]:
            continue
        grid = load + power
        energy = price * grid if grid > 0 else price * params["export_share"] * grid
        rise = max(0.0, grid - peak)
        value = enumerate_profit(later, after, max(peak, grid), params, powers)
        best = max(best, value - energy - params["peak_charge"] * rise)
    return best


def test_the_dynamic_program_equals_enumeration_where_nothing_is_left_to_chance():
    """The last eight hours of a day, a lossless battery of 2 kWh and 1 kW: 3⁸ plans."""
    params = {
        "capacity": 2.0, "max_power": 1.0, "efficiency": 1.0, "export_share": 0.5, "peak_charge": 0.1,
        "load_mean": 1.0, "load_shape": np.ones(24), "price_mean": 1.0, "num_days": 1,
    }  # fmt: skip
    sure = rules.PARAMS.copy()
    for name, value in (SURE | params).items():
        sure[name] = value
    program = solved(sure[0], Grid(charges=3, peaks=3, deviations=3, clouds=3, hermite=3))
    assert program.expected.shape[1:3] == (1, 1)  # a sure price and no sun need no axes
    hours = [(rules.PRICE_SHAPE[hour], 1.0) for hour in range(16, 24)]
    for peak in (0, 1, 2):
        for charge in (0, 1, 2):
            expected = program.expected[15][0, 0, peak, charge]
            best = enumerate_profit(hours, float(charge), float(peak), params, (-1.0, 0.0, 1.0))
            assert expected == pytest.approx(best, abs=1e-9)


def test_the_dynamic_program_weighs_chance_as_a_two_stage_problem_by_hand():
    """Before the last hour a full battery sells now, or waits for a spike that comes with chance 0.3."""
    values = {
        "capacity": 50.0, "max_power": 50.0, "efficiency": 1.0, "export_share": 1.0, "peak_charge": 0.0, "num_days": 1,
        "sun_peak": 0.0, "price_sigma": 0.0, "spike_chance": 0.3, "spike_rise": 2.0, "price_mean": 1.0,
        "load_mean": 0.0, "price_shape": np.full(24, 1.0),
    }  # fmt: skip
    params = rules.PARAMS.copy()
    for name, value in values.items():
        params[name] = value
    program = solved(params[0], Grid(charges=11))
    last, before = program.expected[22][0, 0, 0], program.expected[21][0, 0, 0]
    np.testing.assert_allclose(last, np.linspace(0, 50, 11) * (0.7 * 1 + 0.3 * 3), atol=1e-9)
    # with two hours left: sell at a spike, else wait for the 1.6 to be expected of the last hour; empty, buy at 1
    assert before[-1] == pytest.approx(50 * (0.3 * 3 + 0.7 * 1.6) + 0.0)
    assert before[0] == pytest.approx(0.7 * 50 * 0.6)
    powers = program.powers(np.array([22, 22, 22]), np.array([[50.0, 0, p, 0, 0, 0] for p in (1.0, 1.59, 1.61)]))
    assert powers.tolist() == [0, 0, -50]


def test_transitions_keep_the_mean_and_the_spread():
    nodes = np.linspace(-3.5, 3.5, 21)
    matrix = transition(nodes, 0.6, 0.8, 7)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    inner = slice(6, 15)
    np.testing.assert_allclose((matrix @ nodes)[inner], 0.6 * nodes[inner], atol=1e-3)
    variance = matrix @ nodes**2 - (matrix @ nodes) ** 2
    np.testing.assert_allclose(variance[inner], 0.64, atol=0.35**2 / 4 + 1e-3)  # interpolation adds at most a quarter


def test_hindsight_is_above_the_program_and_the_program_above_the_thresholds(bounds):
    """The docstring's figures, on the same 200 episodes; hindsight is above it in every single one."""
    params = ENVIRONMENT.params()[0]
    program = run_episodes(ENVIRONMENT, yardstick.planner(params), EPISODES, seed=40).returns
    rule = run_episodes(ENVIRONMENT, yardstick.best_thresholds(params), EPISODES, seed=40).returns
    assert (bounds >= program - 1e-6).all()
    assert (bounds >= rule - 1e-6).all()
    assert program.mean() > rule.mean()
    assert 0.80 < program.mean() / bounds.mean() < 0.85
    assert 0.59 < rule.mean() / bounds.mean() < 0.67


def test_a_finer_grid_brings_less_than_half_a_percent():
    params = ENVIRONMENT.params(num_days=1)[0]
    fine = Grid(charges=61, peaks=17, deviations=15, clouds=5, hermite=5)
    usual, finer = (
        run_episodes(ENVIRONMENT, yardstick.planner(params, grid), 2000, seed=0, num_days=1).returns.mean()
        for grid in (Grid(), fine)
    )
    assert abs(finer / usual - 1) < 0.005


def test_hindsight_equals_enumeration():
    params = ENVIRONMENT.params(capacity=2.0, max_power=1.0, efficiency=1.0, peak_charge=0.1, export_share=0.5)[0]
    price = np.array([1.0, 0.2, 1.5, 0.7, 0.3, 2.0, 0.9, 1.1])
    load = np.ones(8)
    values = {"capacity": 2.0, "export_share": 0.5, "peak_charge": 0.1}
    best = enumerate_profit(list(zip(price, load, strict=True)), 0.0, 0.0, values, (-1.0, 0.0, 1.0))
    idle = -(price.sum() + 0.1)
    found = yardstick.hindsight_profit(params, price, np.zeros(8), load)
    assert found == pytest.approx(best - idle, abs=1e-9)  # this program has whole corners


# --- series ---------------------------------------------------------------------------------------------------------


def series_file(tmp_path, days=3, pv=True):
    hours = np.arange(24 * days)
    rng = np.random.default_rng(0)
    price = 0.1 + 0.05 * np.sin(hours * math.tau / 24) + 0.02 * rng.normal(size=len(hours))
    sun = np.maximum(0, 30 * np.cos((hours % 24 - 12) * math.tau / 24)) * rng.uniform(0.5, 1, len(hours))
    path = tmp_path / "prices.csv"
    rows = [f"h{h},{p:.6f},{s:.4f}" if pv else f"h{h},{p:.6f}" for h, p, s in zip(hours, price, sun, strict=True)]
    path.write_text("\n".join(["time,price,pv" if pv else "time,price", *rows, ""]))
    return str(path), price, sun


def test_an_episode_takes_its_prices_and_sun_from_the_series(tmp_path):
    path, price, sun = series_file(tmp_path)
    paths = yardstick.episode_paths(30, seed=0, level=path)
    starts = {0: 0, 1: 0}
    for seen_price, seen_sun in zip(paths["price"], paths["sun"], strict=True):
        day = int(np.abs(price[:25:24] - seen_price[0]).argmin())
        starts[day] += 1
        np.testing.assert_allclose(seen_price, price[24 * day : 24 * day + 48], atol=1e-6)
        np.testing.assert_allclose(seen_sun, sun[24 * day : 24 * day + 48], atol=1e-4)
    assert min(starts.values()) > 5  # both midnights from which two days are left


def test_the_yardstick_works_on_a_series(tmp_path):
    path, *_ = series_file(tmp_path, days=10, pv=False)
    params = ENVIRONMENT.params(path)
    assert params["price_rho"][0] < 0.5  # white noise about the daily shape
    bound = yardstick.hindsight_profits(10, seed=0, level=path).mean()
    returns = run_episodes(ENVIRONMENT, yardstick.planner(params[0]), 10, seed=0, level=path).returns
    assert 0 < returns.mean() < bound


def test_negative_prices_keep_hindsight_a_bound(tmp_path):
    path = tmp_path / "negative.csv"
    path.write_text("price\n" + "\n".join(["-0.05", "0.2"] * 24))
    bound = yardstick.hindsight_profits(1, seed=0, level=str(path))[0]
    params = ENVIRONMENT.params(str(path))[0]
    assert run_episodes(ENVIRONMENT, yardstick.planner(params), 1, 0, level=str(path)).returns[0] <= bound + 1e-6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header must name one column price, not be empty"),
        ("time,cost\n", "line 1: the header must name one column price, not time,cost"),
        ("price\n", "has 0 hours; give whole days, 24 to 8784 lines"),
        ("price\n" + "1\n" * 25, "has 25 hours; give whole days"),
        ("price\n" + "1\n" * 8808, "has 8808 hours; give whole days"),
        ("price\n1\nx\n", "line 3: price 'x' must be a number of currency units a kWh"),
        ("price\n1\n\ninf\n", "line 4: price 'inf' must be a number"),
        ("price,pv\n1,2\n1,-2\n", "line 3: pv '-2' must be a number of kW, 0 or more"),
        ("price,pv\n1\n", "line 2: 1 fields under a header of 2"),
        ("price\n" + "0\n" * 24, "every price is 0"),
    ],
)
def test_a_bad_series_is_refused_in_one_sentence(tmp_path, text, message):
    path = tmp_path / "prices.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_series(str(path))


def test_a_level_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no level 'eazy'; there are: standard, easy, hard"):
        ENVIRONMENT.params("eazy")
    with pytest.raises(ValueError, match=r"cannot read the series .*none\.csv: No such file"):
        ENVIRONMENT.params(str(tmp_path / "none.csv"))


def test_explain_gives_facts_and_refuses_moves(monkeypatch):
    monkeypatch.setattr(yardstick, "EXPLAIN_EPISODES", 20)
    facts = ENVIRONMENT.yardstick.explain("")
    assert facts["hindsight_bound"] > facts["dp_profit"] > facts["thresholds_profit"] > 0
    assert facts["dp_share_of_hindsight"] == facts["dp_profit"] / facts["hindsight_bound"]
    assert facts["thresholds"] == "charge below 0.9 and discharge above 1.2 times the mean price"
    with pytest.raises(ValueError, match="no moves to explain; leave out moves '1'"):
        yardstick.explain("1")
