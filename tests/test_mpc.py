"""Sampling MPC: optima by Riccati's recursion and dynamic programming, chance, plans kept from step to step."""

import json
import math

import numpy as np
import pytest
from planning_environments import BET, NUM_JOBS, least_tardiness, load_tardiness
from tiny_environments import DECLARATION, RULES, load_environment, run_python

import rlkit
from agents.mpc import Config, Controller, best_first, coloured
from rlkit.cli import main
from rlkit.engine import rng
from rlkit.evaluation import random_policy, run_episodes
from rlkit.learning.policy import Situation

# A mass on a rail, pushed for 12 steps: x += v, v += 0.5 push, at a cost of x² + v² + push² a step.
MASS = """import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import uniform_between
from rlkit.engine.state import params_dtype, state_dtype

STATE = state_dtype(x=np.float64, v=np.float64)
PARAMS = params_dtype(spread=1.0)


@jit
def reset(state, params):
    state.x = uniform_between(state, -float(params.spread), float(params.spread))
    state.v = 0.0


@jit
def step(state, params, action):
    x, v, push = float(state.x), float(state.v), float(action[0])
    state.x = x + v
    state.v = v + 0.5 * push
    return -(x * x + v * v + push * push), False


@jit
def observe(state, params, obs):
    obs[0] = state.x
    obs[1] = state.v
"""


@pytest.fixture(scope="module")
def mass(tmp_path_factory):
    declaration = DECLARATION.replace("spaces.Discrete(2)", "spaces.Box(-2.0, 3.0, (1,))").replace(
        "(0.0, 10", "(-9.0, 9"
    )
    folder = tmp_path_factory.mktemp("mpc") / "mass"
    return load_environment(folder, ("rules", RULES, MASS), ("__init__", DECLARATION, declaration))


@pytest.fixture(scope="module")
def tardiness(tmp_path_factory):
    return load_tardiness(tmp_path_factory.mktemp("mpc") / "tardiness_of_mpc")


@pytest.fixture(scope="module")
def bet(tmp_path_factory):
    return load_environment(tmp_path_factory.mktemp("mpc") / "bet_of_mpc", *BET)


def states_of(environment, num_copies, seed=5, **options):
    """Return (states at the beginning, params) of so many copies."""
    env = rlkit.make_batch(environment, num_copies, **options)
    env.reset(seed=seed)
    return env.states.copy(), env.params


def situation(states, params):
    return Situation(None, None, states, params[0])


# --- against optima ---------------------------------------------------------------------------------------------


def least_cost(x, num_steps):
    """Return the least cost of the mass from rest at x, by Riccati's recursion."""
    a, b = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.0], [0.5]])
    p = np.zeros((2, 2))
    for _ in range(num_steps):
        gain = np.linalg.solve(1.0 + b.T @ p @ b, b.T @ p @ a)
        p = np.eye(2) + a.T @ p @ (a - b @ gain)
    return p[0, 0] * x * x


MANY = {"horizon": 16, "num_samples": 256, "num_iterations": 12, "noise_exponent": 0.5, "noise_scale": 0.3}


@pytest.mark.parametrize(("method", "most"), [("cem", 1.03), ("mppi", 1.2)])
def test_a_mass_is_moved_at_the_regulators_cost(mass, method, most):
    """The horizon is longer than the episode, so the time limit must end plans."""
    states, params = states_of(mass, 20)
    costs = np.array([least_cost(float(state["x"]), 12) for state in states])
    controller = Controller(mass, params[0], Config(method=method, **MANY))
    played = -run_episodes(mass, controller, 20, seed=5).returns
    assert (played >= costs - 1e-9).all()
    assert played.sum() <= most * costs.sum()


def test_jobs_are_ordered_to_the_optimum(tardiness):
    """Dynamic programming knows the least tardiness of eight jobs; every plan is legal and ends where jobs do."""
    states, params = states_of(tardiness, 30, seed=7)
    optima = np.array([-least_tardiness(s["durations"], s["weights"], s["due"]) for s in states])
    config = Config(horizon=12, num_iterations=6)
    played = run_episodes(tardiness, Controller(tardiness, params[0], config), 30, seed=7, illegal_actions="raise")
    assert (played.returns <= optima).all()
    assert (played.returns == optima).mean() >= 0.8
    assert (played.lengths == NUM_JOBS).all()
    floor = run_episodes(tardiness, random_policy(tardiness), 30, seed=7).returns
    config = Config(method="mppi", horizon=12)
    mppi = run_episodes(tardiness, Controller(tardiness, params[0], config), 30, seed=7, illegal_actions="raise")
    assert (mppi.returns - optima).mean() > 0.2 * (floor - optima).mean()


def test_the_value_says_what_follows_the_horizon(mass):
    """One step ahead nothing moves the mass; with the optimum's value behind it the step is the optimum's."""

    class Value:
        gamma, value_scale = 1.0, 2.0

        def evaluate(self, obs, action_mask):
            x, v = obs.astype(np.float64).T
            return None, -0.5 * (8 * x * x + 6 * x * v + 6 * v * v)  # half the value, as the scale is 2

    states, params = states_of(mass, 10)
    config = Config(horizon=1, num_iterations=8)
    alone = Controller(mass, params[0], config).act_in(situation(states, params))
    assert np.abs(alone).max() < 0.02
    states["v"] = 0.5
    pushes = Controller(mass, params[0], config, value=Value()).act_in(situation(states, params))
    # d/du of u² + 8 y² + 6 y w + 6 w² with y = x + v, w = v + u / 2 is 0
    best = -(3 * (states["x"] + 0.5) + 6 * 0.5) / (2 + 3)
    assert pushes[:, 0] == pytest.approx(best, abs=0.02)


# --- chance -----------------------------------------------------------------------------------------------------


def test_nobody_guesses_a_coin(bet):
    """A guess is worth 1/2, more than the 0.3 that are sure, and no plan makes more of it."""
    controller = Controller(bet, bet.params(goal=3)[0], Config(horizon=4, num_samples=32))
    gains = run_episodes(bet, controller, 50, seed=1, goal=3).returns.sum()
    assert abs(gains - 500) < 5 * math.sqrt(1000) / 2  # five standard deviations of 1,000 throws


def test_a_sure_gain_is_preferred_to_a_guess_where_scenarios_are_many(bet):
    """On one stream of dice a guess seems sure."""
    states, params = states_of(bet, 50, goal=6)
    shares = [
        (
            Controller(bet, params[0], Config(horizon=1, num_scenarios=count)).act_in(situation(states, params)) == 2
        ).mean()
        for count in (1, 256)
    ]
    assert shares[0] < 0.2
    assert shares[1] > 0.9


def test_the_copys_own_dice_do_not_matter(bet):
    states, params = states_of(bet, 40, goal=5)
    plans = []
    for seed in (1, 2):
        states["rng"] = rng.streams(seed, 40)
        plans.append(Controller(bet, params[0]).act_in(situation(states, params)))
    assert (plans[0] == plans[1]).all()


# --- determinism, and plans from step to step -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pendulum", "lost_sales"])
def test_copies_planned_together_are_those_planned_alone(name):
    environment = rlkit.find_environment(name)
    params, config = environment.params()[0], Config(num_samples=16, horizon=8, num_iterations=2)

    def returns(count, episode_seed, **changes):
        controller = Controller(environment, params, config, **changes)
        return run_episodes(environment, controller, count, episode_seed, max_steps=12).returns.tolist()

    together = returns(12, 9)
    assert together == [returns(1, 9 + i)[0] for i in range(12)]
    assert together == returns(12, 9)
    assert together != returns(12, 9, seed=1)


def test_a_copy_is_found_again_when_others_have_ended():
    """Rows move up when an episode ends; the dice of lost_sales have been thrown in between."""
    environment = rlkit.find_environment("lost_sales")
    env = rlkit.make_batch(environment, 6)
    env.reset(seed=3)
    controller = Controller(environment, env.params[0], Config(num_samples=8, horizon=5, num_iterations=1))
    actions = controller.act_in(situation(env.states, env.params))
    memory = controller._memory
    env.step(actions)
    left = np.array([4, 1, 5])
    rows = controller._predecessors(env.states[left])
    assert (memory.places[rows] == rng.places(states_of(environment, 6, seed=3)[0]["rng"])[left]).all()
    centre, _, kept, num_kept = controller._continued(rows)
    assert (kept[:, :, :-1] == memory.kept[rows][:, :, 1:]).all()
    assert (num_kept == controller.config.num_kept).all()
    assert centre[:, 0] == pytest.approx(0.5 * memory.centre[rows][:, 1] + 0.5 / centre.shape[2])
    env.step(actions)  # two steps on there is nothing to go on with, nor in another episode
    assert (controller._predecessors(env.states) == -1).all()
    env.reset(seed=4)
    assert (controller._predecessors(env.states) == -1).all()


def test_a_plan_goes_on_where_the_last_one_was():
    """So few samples find no way up for a pendulum in one decision; from step to step the plan gets better."""
    environment = rlkit.find_environment("pendulum")
    params, config = environment.params()[0], Config(num_samples=24, num_iterations=1)

    class Forgetful(Controller):
        def act_in(self, situation, deterministic=True):
            self._memory = None
            return super().act_in(situation)

    kept, lost = (
        run_episodes(environment, player(environment, params, config), 8, seed=1).returns.mean()
        for player in (Controller, Forgetful)
    )
    assert kept > lost + 100


def test_it_is_asked_twice_and_thinks_once():
    environment = rlkit.find_environment("cartpole")
    states, params = states_of(environment, 1)
    controller = Controller(environment, params[0])
    thought = controller.inspect_in(situation(states, params))
    assert (thought["value"], len(thought["line"])) == (50.0, 50)
    assert controller.act_in(situation(states, params))[0] == thought["line"][0] == thought["probabilities"].argmax()


PLAIN = """
import sys
import rlkit
from agents.mpc import Config, Controller
from rlkit.evaluation import run_episodes
for name in ("pendulum", "lost_sales"):
    environment = rlkit.find_environment(name)
    config = Config(num_samples=8, horizon=5, num_iterations=2, num_scenarios=2)
    controller = Controller(environment, environment.params()[0], config)
    print(run_episodes(environment, controller, 2, seed=4, max_steps=4).returns.tolist())
"""


def test_compiled_and_plain_python_plan_alike():
    found = [run_python(PLAIN, NUMBA_DISABLE_JIT=name).stdout for name in ("0", "1")]
    assert found[0] == found[1] != ""


# --- parts ------------------------------------------------------------------------------------------------------


def test_the_noise_has_deviation_1_and_the_power_of_its_frequency():
    for exponent in (0.0, 1.0, 2.0):
        matrix = coloured(64, exponent)
        assert np.square(matrix).sum(axis=1) == pytest.approx(np.ones(64))
        assert matrix == pytest.approx(matrix.T)  # as the compiled loop takes for granted
        power = np.square(np.abs(np.fft.rfft(matrix, axis=0))).sum(axis=1)
        assert power[4] / power[16] == pytest.approx(4**exponent)
    assert coloured(64, 0.0) == pytest.approx(np.eye(64))


def test_the_newest_of_equal_returns_is_first():
    assert best_first(np.array([[1.0, 3.0, 3.0, 2.0, 3.0]])).tolist() == [[4, 2, 1, 3, 0]]


def test_places_count_draws():
    states, _ = states_of(rlkit.find_environment("cartpole"), 1)
    before = rng.places(states["rng"])[0]
    for _ in range(5):
        rng.random_bits(states[0])
    assert rng.places(states["rng"])[0] - before == 5


# --- commands ---------------------------------------------------------------------------------------------------


def test_evaluate_takes_it_as_an_agent(capsys):
    args = "pendulum --agent mpc:horizon=6,num_samples=8,num_iterations=1 --episodes 2 --json"
    assert main(["evaluate", *args.split()]) == 0
    assert list(json.loads(capsys.readouterr().out)["rows"]) == ["agent", "random", "swing_up"]


def test_watch_takes_it(monkeypatch):
    seen = []
    monkeypatch.setattr("rlkit.viewing.viewer._show", lambda environment, seats, *args: seen.append(seats[1]))
    assert main(["watch", "pendulum", "--agent", "mpc:horizon=6,method=mppi"]) == 0
    assert (seen[0].name, seen[0].config) == ("mpc:horizon=6,method=mppi", Config(horizon=6, method="mppi"))


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("train pendulum --agent mpc", "mpc plans with the rules and has nothing to train: rlkit evaluate ENV"),
        ("evaluate tic_tac_toe --agent mpc", "tic_tac_toe has two players, and mpc plans for one"),
        ("evaluate gymnasium:CartPole-v1 --agent mpc", "mpc needs states, which gymnasium:CartPole-v1 cannot save"),
        ("evaluate pendulum --agent mpc:horizn=3", "'horizn=3' must be SETTING=VALUE; did you mean 'horizon'?"),
        ("evaluate pendulum --agent mpc:horizon", "'horizon' must be SETTING=VALUE"),
        ("evaluate pendulum --agent mpc:horizon=x", "horizon=x must be a whole number"),
        ("evaluate pendulum --agent mpc:horizon=0", "horizon=0 must be at least 1"),
        ("evaluate pendulum --agent mpc:momentum=2", "momentum=2.0 must be a share, from 0 to 1"),
        ("evaluate pendulum --agent mpc:temperature=0", "temperature=0.0 must be above 0"),
        ("evaluate pendulum --agent mpc:gamma=2", "gamma=2.0 must be between 0 and 1"),
        ("evaluate pendulum --agent mpc:method=cme", "method='cme' must be 'cem' or 'mppi'"),
        ("evaluate pendulum --agent mpc:value=swing_up", "value=swing_up has no values to plan with"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(command, sentence, capsys):
    assert main(command.split()) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_observations_alone_are_refused():
    environment = rlkit.find_environment("pendulum")
    with pytest.raises(ValueError, match="mpc plans on states, not on observations"):
        Controller(environment, environment.params()[0]).act(np.zeros(3))
