"""Reach2LinkMujoco: MuJoCo's equations of motion and paths against reach_2link's, and what transfers between both."""

import json
import sys
from dataclasses import asdict

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco")
pytest.importorskip("mujoco.batch")

import rlkit  # noqa: E402
from envs.robotics.reach_2link import ENVIRONMENT as KERNEL  # noqa: E402
from envs.robotics.reach_2link.dynamics import STEP_SECONDS, dynamics, mass_matrix, tip  # noqa: E402
from envs.robotics.reach_2link_mujoco import ENVIRONMENT, rules  # noqa: E402
from rlkit.cli import main  # noqa: E402
from rlkit.cli.transfer import _counterpart  # noqa: E402
from rlkit.evaluation import run_episodes  # noqa: E402
from rlkit.registry import find_agent  # noqa: E402
from rlkit.run import Run  # noqa: E402
from rlkit.viewing.canvas import draw_frame  # noqa: E402

OTHER_ARM = {
    "length_1": 0.4, "length_2": 0.6, "mass_1": 1.3, "mass_2": 0.8, "payload": 0.25, "damping": 0.2,
    "max_torque": 4.0, "gain": 0.9,
}  # fmt: skip
ARMS = pytest.mark.parametrize("arm", [{}, OTHER_ARM], ids=["standard", "other"])


def random_motions(count, seed):
    """Joint angles and speeds [count, 4] in rad and rad/s."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, 4)) * [3, 3, 8, 8]


def data_at(model, motion):
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = motion[:2], motion[2:]
    mujoco.mj_forward(model, data)
    return data


def both(num_envs, motions=None, **options):
    """Return (our kernel's batch, MuJoCo's), their arms at `motions` [num_envs, 4]."""
    batches = []
    for environment in (KERNEL, ENVIRONMENT):
        env = rlkit.make_batch(environment, num_envs, autoreset_mode="disabled", flat_obs=True, **options)
        env.reset(seed=0)
        if motions is not None:
            env.states["qpos"], env.states["qvel"] = motions[:, :2], motions[:, 2:]
        batches.append(env)
    return batches


# --- the equations of motion: exact, so only rounding is allowed ----------------------------------------------------


@ARMS
def test_mass_matrix_bias_damping_and_accelerations_are_mujocos(arm):
    """M(q), c(q, q̇), the damping's torque and q̈ under torques; largest values are some 10 N·m and 1,000 rad/s²."""
    params, rng = ENVIRONMENT.params(**arm)[0], np.random.default_rng(1)
    model = rules.PHYSICS.model(params)
    for motion in random_motions(50, seed=1):
        data = data_at(model, motion)
        matrix = np.zeros((2, 2))
        mujoco.mj_fullM(model, data, matrix)
        np.testing.assert_allclose(mass_matrix(motion[1], params), matrix, rtol=0, atol=1e-12)
        still = dynamics(motion, np.zeros(2), params)[2:]  # M still = −c − damping q̇
        np.testing.assert_allclose(-matrix @ still, data.qfrc_bias - data.qfrc_passive, rtol=0, atol=1e-10)
        np.testing.assert_allclose(data.qfrc_passive, -params.damping * motion[2:], rtol=0, atol=1e-12)
        data.ctrl[:] = action = rng.uniform(-1, 1, 2)
        mujoco.mj_forward(model, data)
        torques = params.max_torque * params.gain * action
        np.testing.assert_allclose(dynamics(motion, torques, params)[2:], data.qacc, rtol=1e-10, atol=1e-10)


@ARMS
def test_the_tip_and_the_energy_are_mujocos(arm):
    params = ENVIRONMENT.params(**arm)[0]
    model = rules.PHYSICS.model(params)
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    for motion in random_motions(20, seed=2):
        data = data_at(model, motion)
        np.testing.assert_allclose(tip(*motion[:2], params), data.site("tip").xpos[:2], rtol=0, atol=1e-12)
        energy = 0.5 * motion[2:] @ mass_matrix(motion[1], params) @ motion[2:]
        assert data.energy.sum() == pytest.approx(energy, rel=1e-11)


def test_the_files_numbers_are_the_nominal_params():
    model = mujoco.MjModel.from_xml_path(str(rules.PHYSICS.path))
    configured = rules.PHYSICS.model(ENVIRONMENT.params()[0])
    for name in rules.PHYSICS.configured:
        np.testing.assert_allclose(getattr(model, name), getattr(configured, name), rtol=0, atol=1e-15, err_msg=name)
    assert rules.PHYSICS.step_seconds(model) == pytest.approx(STEP_SECONDS)
    np.testing.assert_array_equal(model.actuator_ctrlrange, [[-1, 1]] * 2)


# --- paths ----------------------------------------------------------------------------------------------------------


@ARMS
def test_a_step_from_equal_states_under_equal_torques_ends_in_the_same_place(arm):
    """Both integrate by the classical Runge–Kutta method in two steps of 10 ms: only rounding differs."""
    kernel, physics = both(100, random_motions(100, seed=3), **arm)
    actions = np.random.default_rng(4).uniform(-1.2, 1.2, (100, 2)).clip(-1, 1).astype(np.float32)
    kernel.step(actions)
    physics.step(actions)
    for name in ("qpos", "qvel"):
        np.testing.assert_allclose(kernel.states[name], physics.states[name], rtol=0, atol=1e-12)


@ARMS
def test_an_episode_is_the_same_in_both(arm):
    """Over 4 s rounding (1e-15) grows, as double pendulums are chaotic: measured to 8e-12 rad and 1e-10 rad/s.

    A thousand times that is allowed, for other machines round otherwise; it is still no more than what the single
    precision of observations leaves out.
    """
    kernel, physics = both(50, **arm)
    rng, held = np.random.default_rng(5), np.zeros((50, 2), np.float32)
    for k in range(200):
        if k % 10 == 0:
            held = rng.uniform(-1, 1, (50, 2)).astype(np.float32)
        obs, rewards, _, truncated, _ = kernel.step(held)
        its_obs, its_rewards, _, its_truncated, _ = physics.step(held)
        np.testing.assert_allclose(obs, its_obs, rtol=0, atol=1e-6)
        np.testing.assert_allclose(rewards, its_rewards, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(truncated, its_truncated)
    assert np.abs(kernel.states["qvel"]).max() > 5  # they did move
    np.testing.assert_allclose(kernel.states["qpos"], physics.states["qpos"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(kernel.states["qvel"], physics.states["qvel"], rtol=0, atol=1e-7)
    for name in rules.TASK_FIELDS:
        np.testing.assert_allclose(kernel.states[name], physics.states[name], rtol=1e-6, atol=1e-6, err_msg=name)


def test_drawn_arms_start_alike_and_move_alike():
    """Level randomized draws the same arm, start, goal and delay for equal seeds; the encoders' noise is another."""
    kernel, physics = both(20, level="randomized")
    actions = np.random.default_rng(6).uniform(-1, 1, (60, 20, 2)).astype(np.float32)
    for name in ("mass_1", "payload", "damping", "gain", "action_delay"):
        np.testing.assert_array_equal(kernel.states["drawn"][name], physics.states["drawn"][name])
    np.testing.assert_array_equal(kernel.states["goal"], physics.states["goal"])
    for action in actions:
        kernel.step(action)
        physics.step(action)
    np.testing.assert_allclose(kernel.states["qpos"], physics.states["qpos"], rtol=0, atol=1e-9)


def test_a_coarser_step_of_mujocos_own_integrator_is_told_from_ours():
    """That the tolerances above can fail: semi-implicit Euler at 10 ms is off by more than 1e-4 rad in one step."""
    kernel, _ = both(1, np.array([[0.3, 1.0, 3.0, -5.0]]))
    model = rules.PHYSICS.model(ENVIRONMENT.params()[0])
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER
    data = data_at(model, np.array([0.3, 1.0, 3.0, -5.0]))
    mujoco.mj_step(model, data, 2)
    kernel.step(np.zeros((1, 2), np.float32))
    assert np.abs(kernel.states["qpos"][0] - data.qpos).max() > 1e-4


# --- what MuJoCo has and our equations have not ---------------------------------------------------------------------


def test_dry_friction_holds_against_a_smaller_torque():
    """But for a slow creep: MuJoCo's friction is a soft constraint."""
    turned = {}
    for dry_friction in (0.0, 0.5):
        env = rlkit.make_batch(ENVIRONMENT, 1, autoreset_mode="disabled", dry_friction=dry_friction, damping=0.0)
        env.reset(seed=0)
        before = env.states["qpos"][0].copy()
        for _ in range(50):
            env.step(np.full((1, 2), 0.06, np.float32))  # 0.3 N·m for 1 s
        turned[dry_friction] = np.abs(env.states["qpos"][0] - before).max()
    assert turned[0.0] > 0.5
    assert turned[0.5] < 0.03


def test_a_rotor_adds_its_inertia_to_the_joints_own():
    params = ENVIRONMENT.params(rotor_inertia=0.03)[0]
    model = rules.PHYSICS.model(params)
    matrix, data = np.zeros((2, 2)), data_at(model, [0.1, 0.7, 0, 0])
    mujoco.mj_fullM(model, data, matrix)
    np.testing.assert_allclose(matrix, mass_matrix(0.7, params) + 0.03 * np.eye(2), atol=1e-12)


# --- one policy in both ---------------------------------------------------------------------------------------------


def test_both_are_one_task():
    assert (KERNEL.counterpart, ENVIRONMENT.counterpart) == (ENVIRONMENT.name, KERNEL.name)
    assert ENVIRONMENT.spaces(ENVIRONMENT.params()[0]) == KERNEL.spaces(KERNEL.params()[0])
    for name in ("max_steps", "goal_size", "metrics", "frame_seconds"):
        assert getattr(ENVIRONMENT, name) == getattr(KERNEL, name)
    assert {name: ENVIRONMENT.levels[name] for name in KERNEL.levels} == dict(KERNEL.levels)


def test_the_controllers_figures_are_the_same_in_both_and_worse_with_gears():
    policy = ENVIRONMENT.yardstick.policies["computed_torque"](ENVIRONMENT.params()[0])
    kernel = run_episodes(KERNEL, policy, 20, seed=0)
    physics = run_episodes(ENVIRONMENT, policy, 20, seed=0)
    np.testing.assert_allclose(kernel.returns, physics.returns, rtol=0, atol=1e-3)
    geared = run_episodes(ENVIRONMENT, policy, 20, seed=0, level="geared")
    assert geared.metrics["is_success"].all()
    assert geared.returns.mean() < physics.returns.mean()


def test_explain_is_about_this_environment(monkeypatch):
    monkeypatch.setattr("envs.robotics.reach_2link.yardstick.EXPLAIN_EPISODES", 2)
    assert ENVIRONMENT.yardstick.explain("")["computed_torque_success"] == 1
    with pytest.raises(ValueError, match="reach_2link_mujoco has no moves to explain"):
        ENVIRONMENT.yardstick.explain("12")


def test_the_picture_is_reach_2links_with_the_simulators_name():
    env, its = (rlkit.make(environment) for environment in (KERNEL, ENVIRONMENT))
    env.reset(seed=3)
    its.reset(seed=3)
    ours, other = draw_frame(KERNEL, env.state, env.params), draw_frame(ENVIRONMENT, its.state, its.params)
    rows = np.flatnonzero((ours != other).any(axis=(1, 2)))
    assert rows.min() >= 40
    assert rows.max() < 80


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of reach_2link, hardly trained."""
    ppo = find_agent("ppo")
    config = ppo.Config(
        total_steps=512, num_envs=8, num_steps=64, minibatch_size=512, hidden_sizes=(8,), eval_interval=0,
        picture_interval=0,
    )  # fmt: skip
    root = tmp_path_factory.mktemp("runs")
    with Run.create(KERNEL.name, "ppo", asdict(config), 0, root=root) as run, run.training():
        ppo.train(KERNEL, config, run)
    return str(run.folder)


def test_transfer_shows_a_run_in_mujoco_beside_our_kernel(run_folder, capsys, monkeypatch):
    monkeypatch.setattr("rlkit.transfer.NUM_POINTS", 2)
    assert main(["transfer", run_folder, "--episodes", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["conditions"]
    assert list(found) == [
        *("nominal", "held-out", "outside", "hidden", "reach_2link_mujoco", "reach_2link_mujoco, geared")
    ]
    for policy, figures in found["nominal"].items():
        for name, figure in figures.items():
            there = found["reach_2link_mujoco"][policy][name]
            assert there["mean"] == pytest.approx(figure["mean"], rel=1e-4, abs=1e-6), (policy, name)
        assert found["reach_2link_mujoco, geared"][policy]["return"]["mean"] != figures["return"]["mean"]


def test_transfer_says_why_there_is_no_row_without_mujoco(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    assert _counterpart(KERNEL) is None
    said = capsys.readouterr().err
    assert said.startswith("reach_2link_mujoco is left out: ")
    assert "pip install 'rlkit-suite[mujoco]'" in said


def test_evaluate_plays_a_run_in_its_counterpart_and_nowhere_else(run_folder, capsys):
    args = ["evaluate", run_folder, "--episodes", "4", "--json"]
    means = []
    for more in ([], ["--env", ENVIRONMENT.name]):
        assert main([*args, *more]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["environment"] == (ENVIRONMENT.name if more else KERNEL.name)
        means.append(report["rows"]["agent"]["return"]["mean"])
    assert means[0] == pytest.approx(means[1], rel=1e-4)
    assert main(["evaluate", ENVIRONMENT.name, "--policy", run_folder, "--episodes", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["agent"]["return"]["mean"] == means[1]
    assert main(["evaluate", run_folder, "--env", "pendulum"]) == 2
    assert "the run was trained on 'reach_2link', not on 'pendulum'" in capsys.readouterr().err


def test_a_training_does_not_go_on_in_the_counterpart(run_folder, capsys):
    assert main(["train", ENVIRONMENT.name, "--resume", run_folder]) == 2
    assert "the run was trained on 'reach_2link', not on 'reach_2link_mujoco'" in capsys.readouterr().err
