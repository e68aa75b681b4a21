"""Planning with one player: optima by dynamic programming, a textbook's search, chance, and the commands."""

import itertools
import json
import math
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from planning_environments import BET, NUM_JOBS, EarliestDue, Plain, least_tardiness, load_tardiness
from tiny_environments import load_environment, run_python

import rlkit
from agents import alphazero, ppo
from agents.alphazero.network import BoardNetwork, Evaluator
from agents.alphazero.planner import Planner, rollout_planner
from agents.alphazero.players import SearchPlayer
from agents.alphazero.tree import UNIFORM
from rlkit.cli import main
from rlkit.cli.arguments import policy_named
from rlkit.evaluation import random_policy, run_episodes, run_parts
from rlkit.learning.policy import Situation
from rlkit.run import Run


@pytest.fixture(scope="module")
def tardiness(tmp_path_factory):
    return load_tardiness(tmp_path_factory.mktemp("planning") / "tardiness")


def situation(states, params):
    return Situation(None, None, states, params[0])


def states_after(environment, num_copies, actions=(), seed=5, **params):
    """Return (states, params) of copies in which each has taken `actions`."""
    env = rlkit.make_batch(environment, num_copies, **params)
    env.reset(seed=seed)
    for action in actions:
        env.step(np.full(num_copies, action))
    return env.states.copy(), env.params


# --- against optima and a textbook ------------------------------------------------------------------------------


def test_small_problems_are_solved_to_the_optimum(tardiness):
    """Four jobs are left: 24 orders, all of which are played; so the value is the optimum's, for sure."""
    states, params = states_after(tardiness, 40, actions=(0, 3, 5, 6))
    values = [Planner(tardiness, params[0], 200, EarliestDue()).inspect_in(situation(s, params))["value"]
              for s in np.split(states, 40)]  # fmt: skip
    for state, value in zip(states, values, strict=True):
        left = [job for job in range(NUM_JOBS) if not state["is_done"][job]]
        gone = [job for job in range(NUM_JOBS) if state["is_done"][job]]
        durations, weights, due = (state[name].copy() for name in ("durations", "weights", "due"))
        durations[gone], due[left] = 0, due[left] - int(state["time"])
        weights[gone] = 0
        assert value == -least_tardiness(durations, weights, due)


def test_plans_are_never_worse_than_the_policy_and_much_better_on_the_whole(tardiness):
    states, params = states_after(tardiness, 60, seed=7)
    optima = np.array([-least_tardiness(s["durations"], s["weights"], s["due"]) for s in states])
    policy = EarliestDue()
    alone = run_episodes(tardiness, policy, 60, seed=7).returns
    planned = run_episodes(tardiness, Planner(tardiness, params[0], 64, policy), 60, seed=7).returns
    assert (planned >= alone).all()
    assert (planned <= optima).all()
    assert (planned - optima).mean() > 0.4 * (alone - optima).mean()
    values_only = Planner(tardiness, params[0], 64, policy, playout_steps=0)
    assert run_episodes(tardiness, values_only, 60, seed=7).returns.mean() > alone.mean()


def test_the_value_of_a_plan_is_what_following_it_returns_at_least(tardiness):
    env = rlkit.make_batch(tardiness, 20)
    env.reset(seed=11)
    player = Planner(tardiness, env.params[0], 8, EarliestDue())
    promised, returns = np.full(20, -np.inf), np.zeros(20)
    for _ in range(NUM_JOBS):
        _, actions, values, lines = player._planned(env.states)
        assert [line[0] for line in lines] == actions.tolist()
        assert (values >= promised - 1e-9).all()  # a line is followed until a better one is found
        _, rewards, *_ = env.step(actions)
        returns += rewards
        promised = values - rewards
    assert promised == pytest.approx(np.zeros(20))


def textbook(state, evaluate, num_simulations, c_puct, fpu_reduction, gamma, scale):
    """Return (visits by job, mean) of the root by PUCT over orders of jobs, with leaves worth their evaluation.

    Written over tuples and dicts: it shares no code with the compiled planner, nor with the rules.
    """
    durations, weights, due = (state[name].tolist() for name in ("durations", "weights", "due"))
    nodes, seen = {}, []  # order → [prior by job, {job: [visits, mean]}, visits, mean]

    def evaluated(order):
        time = sum(durations[job] for job in order)
        obs = [[durations[j] / 20, weights[j] / 10, (due[j] - time) / 70, float(j in order)] for j in range(NUM_JOBS)]
        logits, values = evaluate(np.array([obs], np.float32))
        open_jobs = [job for job in range(NUM_JOBS) if job not in order]
        chances = np.exp(logits[0].astype(float) - max(logits[0][job] for job in open_jobs))
        total = sum(chances[job] for job in open_jobs)
        nodes[order] = [{job: float(np.float32(chances[job] / total)) for job in open_jobs}, {}, 0, 0.0]
        return scale * float(values[0])

    def simulate(order):
        if len(order) == NUM_JOBS:
            return 0.0
        value = choose(order) if order in nodes else evaluated(order)
        node = nodes[order]
        node[2] += 1
        node[3] += (value - node[3]) / node[2]
        return value

    def choose(order):
        priors, tried, visits, mean = nodes[order]
        factor = 1 / (max(seen) - min(seen)) if seen and max(seen) > min(seen) else 0.0

        def score(job):
            count, q_value = tried.get(job, (0, 0.0))
            value = (q_value - mean) * factor if count else -fpu_reduction
            return value + c_puct * math.sqrt(visits) * priors[job] / (1 + count)

        job = max(priors, key=score)
        time = sum(durations[j] for j in (*order, job))
        value = -float(weights[job] * max(0, time - due[job])) + gamma * simulate((*order, job))
        count, q_value = tried.get(job, (0, 0.0))
        tried[job] = (count + 1, q_value + (value - q_value) / (count + 1))
        return value

    seen.append(simulate(()))
    for _ in range(num_simulations):
        seen.append(simulate(()))
    return {job: count for job, (count, _) in nodes[()][1].items()}, nodes[()][3]


@pytest.mark.parametrize(("gamma", "scale"), [(1.0, 1.0), (0.9, 30.0)])
def test_the_tree_is_the_textbooks(tardiness, gamma, scale):
    """Rewards on the way count, discounted, in the same units as values; too few simulations to reach an end."""

    class Guess(EarliestDue):
        value_scale = scale

        def evaluate(self, obs, action_mask=None):
            return 3 * obs[..., 1] - 2 * obs[..., 2], -obs[..., 0].sum(axis=1) - obs[..., 2].sum(axis=1)

    policy = Guess()
    policy.gamma = gamma
    states, params = states_after(tardiness, 10, seed=3)
    player = Planner(tardiness, params[0], 60, policy, playout_steps=0, c_puct=1.25, fpu_reduction=0.1)
    for state in np.split(states, 10):
        thoughts = player.inspect_in(situation(state, params))
        visits, mean = textbook(state[0], policy.evaluate, 60, 1.25, 0.1, gamma, scale)
        found = {job: round(share * 60) for job, share in enumerate(thoughts["visits"]) if share > 0}
        assert found == visits
        assert thoughts["value"] == pytest.approx(mean)


# --- chance -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bet(tmp_path_factory):
    return load_environment(tmp_path_factory.mktemp("planning") / "bet", *BET)


def test_nobody_guesses_a_coin(bet):
    """A guess is worth 1/2, more than the 0.3 that are sure, and no plan makes more of it."""
    player = Planner(bet, bet.params(goal=3)[0], 200, Plain(3), gamma=0.3)
    gains = run_episodes(bet, player, 50, seed=1, goal=3).returns.sum()
    assert abs(gains - 500) < 5 * math.sqrt(1000) / 2  # five standard deviations of 1,000 throws


def test_a_sure_gain_is_preferred_to_a_guess(bet):
    """A tree of states plans as if the one outcome that each of them holds were certain, so it takes the bet."""
    states, params = states_after(bet, 50, goal=6)
    for steps in (0, 30):  # with playouts, too
        player = Planner(bet, params[0], 600, Plain(3), playout_steps=steps, gamma=0.3)
        assert (player.act_in(situation(states, params)) == 2).mean() > 0.9
        assert not player._lines
    naive = SearchPlayer(bet, params[0], 600, UNIFORM, gamma=0.3)
    assert (naive.act_in(situation(states, params)) == 2).mean() < 0.2


def test_lines_that_draw_random_numbers_are_not_remembered(tardiness):
    states, params = states_after(tardiness, 30, luck=1)
    player = Planner(tardiness, params[0], 16, EarliestDue())
    player.act_in(situation(states, params))
    assert not player._lines
    lucky, _ = (run_episodes(tardiness, p, 300, seed=2, luck=1).returns.mean() for p in (player, EarliestDue()))
    assert lucky > _


def test_a_state_that_has_become_another_is_planned_from_anew(tardiness):
    states, params = states_after(tardiness, 5)
    player = Planner(tardiness, params[0], 16, EarliestDue())
    actions = player.act_in(situation(states, params))
    assert len(player._lines) == 5
    env = rlkit.make_batch(tardiness, 5)
    env.reset(seed=5)
    env.step(actions)
    changed = env.states.copy()
    changed["time"] += 1
    fresh = Planner(tardiness, params[0], 16, EarliestDue())
    assert (player.act_in(situation(changed, params)) == fresh.act_in(situation(changed, params))).all()


# --- the time limit ---------------------------------------------------------------------------------------------


def test_the_time_limit_ends_a_plan_with_the_networks_value(tardiness):
    """Two of the last four jobs are still in time; what follows is worth −50, as the network says."""
    environment = replace(tardiness, max_steps=6)
    states, params = states_after(tardiness, 20, actions=(0, 3, 5, 6))
    for state in np.split(states, 20):
        left, now = [1, 2, 4, 7], int(state["time"][0])
        durations, weights, due = (state[name][0].tolist() for name in ("durations", "weights", "due"))

        def late(job, time, weights=weights, due=due):
            return weights[job] * max(0, time - due[job])

        best = min(
            late(a, now + durations[a]) + late(b, now + durations[a] + durations[b])
            for a, b in itertools.permutations(left, 2)
        )
        for steps in (0, 30):
            player = Planner(environment, params[0], 60, Plain(8, value=-50.0), playout_steps=steps)
            thoughts = player.inspect_in(situation(state, params))
            assert (thoughts["value"], len(thoughts["line"])) == (-best - 50.0, 2)


def test_only_short_playouts_are_played(tardiness):
    """Otherwise leaves are worth the network's value; near the end playouts become short enough."""
    for actions, uses_playouts in (((), 0), ((0, 3, 5, 6, 7), 1)):
        states, params = states_after(tardiness, 3, actions)
        player = Planner(tardiness, params[0], 10, EarliestDue(), playout_steps=3)
        player.act_in(situation(states, params))
        assert player._plans.games["uses_playouts"].tolist() == [uses_playouts] * 3


# --- determinism ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("luck", [0, 1])
def test_copies_planned_together_are_those_planned_alone(tardiness, luck):
    params = tardiness.params(luck=luck)
    together = run_episodes(tardiness, Planner(tardiness, params[0], 12, EarliestDue()), 30, seed=9, luck=luck)
    alone = [
        run_episodes(tardiness, Planner(tardiness, params[0], 12, EarliestDue()), 1, seed=9 + i, luck=luck).returns[0]
        for i in range(30)
    ]
    assert together.returns.tolist() == alone
    told = []
    player = Planner(tardiness, params[0], 12, EarliestDue())
    parts = run_parts(tardiness, player, 70, 9, lambda *seen: told.append(seen), luck=luck)
    assert parts.returns[:30].tolist() == alone
    assert told == [(0, 70), (32, 70), (64, 70), (70, 70)]


PLAIN = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[2])
from dataclasses import asdict, replace
from pathlib import Path
from planning_environments import EarliestDue, load_tardiness
from agents.alphazero.planner import Planner
from rlkit.evaluation import run_episodes
environment = load_tardiness(Path(sys.argv[1]) / "tardiness")
player = Planner(environment, environment.params()[0], 6, EarliestDue())
print(run_episodes(environment, player, 3, seed=4).returns.tolist())
"""


def test_compiled_and_plain_python_plan_alike(tmp_path):
    here = os.path.dirname(__file__)
    found = [run_python(PLAIN, tmp_path / name, here, NUMBA_DISABLE_JIT=name).stdout for name in ("0", "1")]
    assert found[0] == found[1] != ""


# --- players and commands ---------------------------------------------------------------------------------------


def test_what_cannot_be_planned_in_is_refused(tardiness):
    params = tardiness.params()[0]
    with pytest.raises(ValueError, match="a plan needs at least 1 simulation, not 0"):
        Planner(tardiness, params, 0, EarliestDue())
    with pytest.raises(ValueError, match="'c_pukt' is no setting of a planner; there are: c_puct, "):
        Planner(tardiness, params, 4, EarliestDue(), c_pukt=1.0)
    for name, sentence in (("pendulum", "needs a Discrete action space"), ("tic_tac_toe", "has two players")):
        environment = rlkit.find_environment(name)
        with pytest.raises(ValueError, match=sentence):
            Planner(environment, environment.params()[0], 4, EarliestDue())


def test_other_strengths_and_random_playouts(tardiness):
    policy, params = EarliestDue(), tardiness.params()[0]
    player = Planner(tardiness, params, 4, policy)
    assert player.with_simulations(0) is policy
    assert player.with_simulations(9).num_simulations == 9
    planned = run_episodes(tardiness, rollout_planner(tardiness, params, 16), 40, seed=1).returns.mean()
    assert planned > run_episodes(tardiness, random_policy(tardiness), 40, seed=1).returns.mean() + 200


@pytest.fixture(scope="module")
def trained(tardiness, tmp_path_factory):
    """Return a run of PPO under `normalize_returns`, and the policy that it ended with."""
    settings = {"total_steps": 2048, "num_envs": 16, "num_steps": 16, "minibatch_size": 64, "gamma": 0.99}
    settings |= {"normalize_returns": True, "eval_interval": 1024, "eval_episodes": 8, "picture_interval": 0}
    config = ppo.Config(**settings, hidden_sizes=(32,), learning_rate=3e-3)

    folder = tmp_path_factory.mktemp("runs")
    with Run.create(tardiness.name, "ppo", asdict(config), 0, root=folder) as run, run.training():
        policy = ppo.train(tardiness, config, run)
    return run.folder, policy


def test_ppos_values_are_in_the_units_of_rewards(tardiness, trained):
    """Returns are some −600; what the network says is some −3, in deviations of returns."""
    folder, policy = trained
    loaded = ppo.load(Run.open(folder), tardiness)
    assert loaded.value_scale == policy.value_scale > 50
    assert loaded.gamma == 0.99
    player = Planner(tardiness, tardiness.params()[0], 8, loaded)
    assert player._settings["value_scale"][0] == loaded.value_scale
    assert player._settings["gamma"][0] == 0.99


def test_evaluate_prints_a_row_for_each_number_of_simulations(tardiness, trained, capsys, monkeypatch):
    monkeypatch.setattr("rlkit.registry.resolve", lambda name, trusted: tardiness)
    folder = str(trained[0])
    assert main(["evaluate", folder, "--simulations", "0,4,16", "--episodes", "40", "--json"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert list(report["rows"]) == ["agent@0", "agent@4", "agent@16", "random"]
    returns = [row["return"]["mean"] for row in report["rows"].values()]
    assert returns[3] < returns[0] < returns[1] < returns[2]
    assert "of 40 episodes" in err
    player = policy_named(tardiness, f"{folder}@4", tardiness.params()[0])
    assert (player.num_simulations, player.name) == (4, f"{folder}@4")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ("tic_tac_toe --policy solver --simulations 4", "--simulations of games of two goes with --positions"),
        ("cartpole --policy lqr --simulations 4", "lqr does not search: leave --simulations out"),
        ("pendulum --policy rollouts:4", "a planner needs a Discrete action space, which pendulum has not"),
    ],
)
def test_what_cannot_look_ahead_is_told_so(args, sentence, capsys):
    assert main(["evaluate", *args.split()]) == 2
    assert sentence in capsys.readouterr().err


def test_watch_takes_a_run_with_its_simulations(trained, tardiness, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr("rlkit.registry.resolve", lambda name, trusted: tardiness)
    monkeypatch.setattr("rlkit.viewing.viewer._show", lambda environment, seats, *args: seen.append(seats[1]))
    assert main(["watch", f"{trained[0]}@16"]) == 0
    assert (seen[0].num_simulations, Path(trained[0]).exists()) == (16, True)
    assert main(["watch", f"{trained[0]}@16", "--simulations", "4"]) == 2
    assert "says how many simulations" in capsys.readouterr().err


# --- AlphaZero alone --------------------------------------------------------------------------------------------


def test_alphazero_learns_values_of_any_size(tardiness, tmp_path):
    """Returns are some −600 at random, −200 at best: no value between −1 and 1 could say so."""
    config = alphazero.Config(
        total_steps=20_000, num_games=64, threads=1, num_simulations=16, num_fast_simulations=8, iteration_samples=1024,
        window_size=6000, minibatch_size=128, size=64, num_blocks=1, head_size=32, eval_interval=0,
        play_simulations=8, cache_size=0,
    )  # fmt: skip
    with Run.create("tardiness", "alphazero", asdict(config), 0, root=tmp_path) as run, run.training():
        player = alphazero.train(tardiness, config, run)
    network = player.with_simulations(0)
    returns = run_episodes(tardiness, network, 100, seed=3).returns
    floor = run_episodes(tardiness, random_policy(tardiness), 100, seed=3).returns
    assert returns.mean() > floor.mean() + 150
    env = rlkit.make_batch(tardiness, 100)
    obs, _ = env.reset(seed=3)
    values = network.evaluate(obs)[1]
    assert np.square(values - returns).mean() < 0.6 * returns.var()  # explains most of what differs
    assert run_episodes(tardiness, player, 100, seed=3).returns.mean() > returns.mean()
    loaded = alphazero.load(run, tardiness)
    assert loaded.with_simulations(0).evaluate(obs)[1] == pytest.approx(values, rel=0.02)


def test_values_stay_what_they_are_when_their_scale_changes():
    torch.manual_seed(0)
    network = BoardNetwork((4,), 2, "mlp", size=8, num_blocks=1, head_size=4, is_bounded=False).eval()
    torch.nn.init.normal_(network.value_head.weight)
    obs = torch.randn(10, 4)
    before = network(obs)[1].detach()
    for mean, deviation in ((-600.0, 40.0), (3.0, 0.01)):
        network.value_head.rescale(mean, deviation)
        assert network(obs)[1].detach().numpy() == pytest.approx(before.numpy(), rel=1e-3, abs=1e-3)
        values = Evaluator(network, torch.float32)(obs.numpy())[1]
        assert values == pytest.approx(before.numpy(), rel=1e-3, abs=1e-3)
