"""Job shop's yardstick: CP-SAT against published optima and brute force, and no play that beats a proven optimum."""

import math
import sys

import numpy as np
import pytest
from test_job_shop import best_of_all_play, build_non_delay, least_makespan, random_shop, shop_params

import rlkit
from envs.allocation.job_shop import ENVIRONMENT, optimum
from envs.allocation.job_shop.instances import published
from envs.allocation.job_shop.yardstick import RULES, Optimal, shop_of
from rlkit.cli.output import report_table
from rlkit.evaluation import Judge, compare, run_episodes
from rlkit.learning.policy import FunctionPolicy

pytest.importorskip("ortools")

COLUMNS = [column for column, _ in RULES.values()]
SIGNS = np.array([-1.0 if is_largest_first else 1.0 for _, is_largest_first in RULES.values()])


def test_nobody_beats_a_proven_optimum():
    """Every published instance, by every rule, by random dispatching and by random play that also waits."""
    generator = np.random.default_rng(0)

    def choose(obs, action_mask):
        keys = generator.random(action_mask.shape)
        keys[:5, -1] = np.inf
        keys[:4, :-1] = obs[range(4), :, COLUMNS] * SIGNS[:, None]
        return np.where(action_mask == 1, keys, np.inf).argmin(axis=1)

    best_found = {}
    for name, shop in published().items():
        policy = FunctionPolicy(choose, ENVIRONMENT.spaces(ENVIRONMENT.params(name)[0])[0])
        metrics = run_episodes(ENVIRONMENT, policy, 6, 0, level=name).metrics
        assert (metrics["makespan"] >= shop.lower_bound).all(), name
        known = shop.optimum or shop.lower_bound
        np.testing.assert_allclose(metrics["excess"], metrics["makespan"] / known - 1)
        best_found[name] = metrics["makespan"].min() / known - 1
    assert len(best_found) == 162
    assert np.mean(list(best_found.values())) < 0.2  # so that the bound was put to the test


@pytest.mark.parametrize("name", ["ft06", "la01", "la05", "la16", "orb07"])
def test_cp_sat_finds_published_optima(name):
    schedule = optimum.solve(published()[name].durations, published()[name].machines)
    assert schedule.makespan == schedule.bound == published()[name].optimum


@pytest.mark.parametrize("name", ["ft06", "la01", "la16"])
def test_the_schedule_can_be_played(name):
    """The reference follows CP-SAT's schedule in the environment, waits included, and reaches its makespan."""
    params = ENVIRONMENT.params(name)[0]
    episodes = run_episodes(ENVIRONMENT, Optimal(params), 1, 0, level=name)
    assert episodes.metrics["makespan"].tolist() == [published()[name].optimum]


def test_the_reference_plays_optima_of_drawn_shops():
    env = rlkit.make_batch("job_shop", 60)
    env.reset(seed=0)
    schedules = [optimum.solve(*shop_of(state, 6, 6)) for state in env.states]
    assert all(schedule.makespan == schedule.bound for schedule in schedules)
    makespans = run_episodes(ENVIRONMENT, Optimal(env.params[0]), 60, 0).metrics["makespan"]
    np.testing.assert_array_equal(makespans, [schedule.makespan for schedule in schedules])


@pytest.mark.parametrize("seed", range(3))
def test_cp_sat_brute_force_and_play_agree(seed):
    shop = random_shop(np.random.default_rng(100 + seed), 3, 3, 10)
    best = least_makespan(shop.durations, shop.machines)
    assert optimum.solve(shop.durations, shop.machines).makespan == best
    assert best_of_all_play(shop_params(shop)[0]) == best


def test_shifting_left_makes_no_operation_later_and_leaves_no_gap():
    generator = np.random.default_rng(2)
    for _ in range(20):
        shop = random_shop(generator, 5, 4, 20)
        # late on purpose: one operation after the other, job by job in a random order
        ends = np.cumsum(shop.durations[generator.permutation(5)].ravel()).reshape(5, 4)
        order = generator.permutation(5)
        late = np.zeros((5, 4), np.int64)
        late[order] = np.cumsum(shop.durations[order].ravel()).reshape(5, 4) - shop.durations[order]
        starts = optimum.shift_left(shop.durations, shop.machines, late)
        assert (starts <= late).all()
        assert (starts[:, 1:] >= (starts + shop.durations)[:, :-1]).all()
        assert ends.max() >= (starts + shop.durations).max()
        np.testing.assert_array_equal(optimum.shift_left(shop.durations, shop.machines, starts), starts)


def test_rules_miss_the_optimum_of_shops_from_an_independent_generator_as_of_ours():
    """SPT 15, MWKR 12.5, FIFO 15 and MOPNR 12.5 %: NumPy's shops and a slow builder give what the docstring says."""
    generator = np.random.default_rng(11)
    shops = [random_shop(generator, 6, 6) for _ in range(200)]
    best = np.array([optimum.solve(shop.durations, shop.machines).makespan for shop in shops])
    report = compare(ENVIRONMENT, ENVIRONMENT.yardstick.policies["non_delay"](ENVIRONMENT.params()[0]), 200, 7)
    gaps = {name: figures["gap_percent"].mean / 100 for name, figures in report.rows.items()}
    for name in RULES:
        built = [build_non_delay(shop.durations.tolist(), shop.machines.tolist(), name) for shop in shops]
        makespans = [(starts + shop.durations).max() for starts, shop in zip(built, shops, strict=True)]
        assert np.mean(makespans / best - 1) == pytest.approx(gaps[name], abs=0.02)
    assert gaps["optimal"] == 0
    assert gaps["agent"] == pytest.approx(0.183, abs=0.02)  # random dispatching
    assert gaps["random"] > gaps["non_delay"] + 0.03  # it waits at random


def test_a_plan_is_followed_through_overruns():
    """The planned order beats every rule when durations are uncertain, too, and never stops."""
    rows = compare(
        ENVIRONMENT, ENVIRONMENT.yardstick.policies["mwkr"](ENVIRONMENT.params("noisy")[0]), 60, 3, level="noisy"
    ).rows
    best = rows.pop("optimal")["makespan"].mean
    assert all(best < figures["makespan"].mean for figures in rows.values())


def test_without_or_tools_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ortools.sat.python.cp_model", None)
    shop = random_shop(np.random.default_rng(9), 2, 2)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rlkit-suite\[yardsticks\]'"):
        optimum.solve(shop.durations, shop.machines)


def test_without_or_tools_reports_and_judges_go_without_the_optimum(monkeypatch):
    monkeypatch.setitem(sys.modules, "ortools.sat.python.cp_model", None)
    policy = ENVIRONMENT.yardstick.policies["mwkr"](ENVIRONMENT.params()[0])
    report = compare(ENVIRONMENT, policy, 3, 0)
    assert list(report.rows) == ["agent", "random", *RULES, "non_delay"]
    assert "gap_percent" not in report.rows["agent"]
    assert math.isnan(report.score)
    assert "optimal is left out: the job shop's optimum needs OR-Tools: pip install" in report_table(report)
    figures, score, _ = Judge(ENVIRONMENT, 3, {})(policy, policy, -math.inf)
    assert score == figures["eval/episode_return"] < 0
    assert "eval/score" not in figures


def test_explain_gives_facts_and_refuses_moves():
    facts = ENVIRONMENT.yardstick.explain("")
    assert facts["mean_gap_percent"]["optimal"] == 0
    assert facts["mean_makespan"]["mwkr"] > facts["mean_makespan"]["optimal"]
    with pytest.raises(ValueError, match="no moves to explain; leave out moves '12'"):
        ENVIRONMENT.yardstick.explain("12")
