"""Robots that MuJoCo moves: equal to a loop of mj_step, exact to restore, the same in any company."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco")
pytest.importorskip("mujoco.batch")

import rlkit  # noqa: E402
from rlkit.engine.bind import RulesError  # noqa: E402
from rlkit.engine.physics import Simulation  # noqa: E402
from rlkit.engine.state import state_dtype, states_equal  # noqa: E402
from rlkit.engine.variation import Range  # noqa: E402
from rlkit.registry import find_environment  # noqa: E402

WALKER, PUSH = find_environment("planar_walker"), find_environment("arm_push")
FULL_SPEED = np.array([1.5, 1.5, 1.5, 1.5, 2.0, 2.0, 2.0])  # rad/s, of the arm's servos


def actions_of(env, num_steps, seed=0):
    shape = (num_steps, env.num_envs, *env.single_action_space.shape)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def standing(env, num_steps, seed=0):
    """Yield actions that keep the walker on its feet, with a little noise."""
    policy = WALKER.yardstick.policies["stand"](env.params_of(0))
    for noise in actions_of(env, num_steps, seed):
        obs = np.concatenate([env.states["qpos"][:, 1:], env.states["qvel"]], axis=1)
        yield np.clip(policy.act(obs) + 0.05 * noise, -1, 1)


# --- against MuJoCo's own loop ------------------------------------------------------------------------------


@pytest.mark.parametrize(("environment", "scale"), [(WALKER, 1.0), (PUSH, FULL_SPEED)])
def test_every_step_is_that_of_an_mj_step_loop_bit_for_bit(environment, scale):
    env = rlkit.make_batch(environment, 5, autoreset_mode="disabled", threads=2)
    env.reset(seed=1)
    physics = environment.rules.PHYSICS
    model = mujoco.MjModel.from_xml_path(str(physics.path))
    loops = []
    for state in env.states:
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:] = state.qpos, state.qvel
        loops.append(data)
    num_contacts = 0
    for actions in actions_of(env, 40):
        running = env.episodes["is_done"] == 0
        if not running.any():
            break
        env.episodes["is_done"] = 0  # go on, fallen or not
        env.step(actions)
        for data, action, state in zip(loops, actions, env.states, strict=True):
            data.ctrl[:] = action.astype(np.float64) * scale
            for _ in range(physics.num_substeps):
                mujoco.mj_step(model, data)
            num_contacts += data.ncon
            for name in ("time", "qpos", "qvel", "qacc_warmstart"):
                np.testing.assert_array_equal(np.asarray(getattr(data, name)), state[name], err_msg=name)
    assert num_contacts > 100


def test_outputs_belong_to_the_new_positions():
    env = rlkit.make_batch(PUSH, 3, flat_obs=True)
    model = mujoco.MjModel.from_xml_path(str(PUSH.rules.PHYSICS.path))
    data = mujoco.MjData(model)
    obs, _ = env.reset(seed=2)
    for actions in [None, *actions_of(env, 60)]:  # over an episode's end
        if actions is not None:
            obs, *_ = env.step(actions)
        for i in range(3):
            data.qpos[:] = env.states["qpos"][i]
            mujoco.mj_kinematics(model, data)
            np.testing.assert_allclose(env.states["site_xpos"][i, 0], data.site_xpos[0], rtol=0, atol=1e-12)
            np.testing.assert_allclose(obs[i, 14:17], data.site_xpos[0], rtol=0, atol=1e-6)


# --- snapshots ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["standard", "randomized"])
def test_a_snapshot_goes_on_bit_for_bit_over_200_steps_in_contact(level):
    env = rlkit.make_batch(WALKER, 6, autoreset_mode="same_step", level=level, obs_noise=0.0)
    env.reset(seed=3)
    for actions in standing(env, 40):
        env.step(actions)
    snapshot = env.snapshot()
    trace, seen = [], []
    for actions in standing(env, 200, seed=1):
        trace.append(actions)
        seen.append(env.step(actions)[:2])
    assert sum(env.simulation.batch.get_data(i).ncon > 0 for i in range(6)) >= 3
    expected = env.states.copy()
    others = rlkit.make_batch(WALKER, 6, autoreset_mode="same_step", level=level, obs_noise=0.0, threads=2)
    for again in (env, others):
        again.restore(snapshot)
        for actions, (obs, rewards) in zip(trace, seen, strict=True):
            new_obs, new_rewards, *_ = again.step(actions)
            np.testing.assert_array_equal(new_obs, obs)
            np.testing.assert_array_equal(new_rewards, rewards)
        assert states_equal(again.states, expected)


def test_without_the_solvers_warm_start_a_restoration_would_not_be_exact():
    env = rlkit.make_batch(WALKER, 4, autoreset_mode="same_step")
    env.reset(seed=3)
    for actions in standing(env, 40):
        env.step(actions)
    snapshot = env.snapshot()
    trace = list(actions_of(env, 20))
    for actions in trace:
        env.step(actions)
    expected = env.states["qpos"].copy()
    env.restore(snapshot)
    env.states["qacc_warmstart"] = 0.0
    for actions in trace:
        env.step(actions)
    assert not np.array_equal(env.states["qpos"], expected)


def test_a_scripted_push_goes_on_bit_for_bit_from_within_it():
    env = rlkit.make("arm_push", flat_obs=True)
    policy = PUSH.yardstick.policies["scripted_push"](env.params)
    obs, _ = env.reset(seed=4)
    for _ in range(20):
        obs, *_ = env.step(policy.act(obs))
    snapshot, tracks = env.snapshot(), []
    for _ in range(2):
        now, _ = env.restore(snapshot)
        track = [now]
        for _ in range(29):
            now, *_ = env.step(policy.act(now))
            track.append(now)
        tracks.append(np.array(track))
    np.testing.assert_array_equal(*tracks)
    assert np.linalg.norm(tracks[0][-1, 26:28] - tracks[0][0, 26:28]) > 0.01  # the cube was being pushed


# --- drawn params and delays --------------------------------------------------------------------------------


def test_drawn_params_make_the_models_that_they_would_make_alone():
    levels = {"drawn": {"mass_scale": Range(0.5, 1.5), "friction_scale": Range(0.2, 1.5), "motor_scale": Range(0.5, 1)}}
    env = rlkit.make_batch(replace(WALKER, levels=WALKER.levels | levels), 5, level="drawn", autoreset_mode="same_step")
    obs, _ = env.reset(seed=8)
    scales = [{name: float(env.params_of(i)[name]) for name in levels["drawn"]} for i in range(5)]
    assert len({scale["mass_scale"] for scale in scales}) == 5
    alone = [rlkit.make_batch(WALKER, 1, autoreset_mode="same_step", **scale) for scale in scales]
    for i, single in enumerate(alone):
        single.reset(seed=0)
        for name in ("qpos", "qvel", "last_x"):
            single.states[name][0] = env.states[name][i]
    for actions in 0.3 * actions_of(env, 15):
        obs, rewards, terminated, *_ = env.step(actions)
        assert not terminated.any()
        for i, single in enumerate(alone):
            one, reward, *_ = single.step(actions[i : i + 1])
            np.testing.assert_array_equal(one[0], obs[i])
            assert reward[0] == rewards[i]
    nominal = mujoco.MjModel.from_xml_path(str(WALKER.rules.PHYSICS.path)).body_mass
    for i, scale in enumerate(scales):
        masses = env.simulation.batch.get_model(i).body_mass
        np.testing.assert_allclose(masses, nominal * scale["mass_scale"], rtol=1e-12)


def test_the_company_of_other_copies_changes_nothing_where_params_are_drawn():
    def play(count, threads):
        env = rlkit.make_batch(PUSH, count, level="randomized", threads=threads, autoreset_mode="same_step")
        obs, _ = env.reset(seed=5)
        seen = [obs["observation"][:2]]
        for actions in actions_of(rlkit.make_batch(PUSH, 2), 60):
            rest = np.zeros((count - 2, 7), np.float32)
            seen.append(env.step(np.concatenate([actions, rest]))[0]["observation"][:2])
        return np.array(seen)

    np.testing.assert_array_equal(play(2, 1), play(7, 2))


def test_a_delayed_action_moves_the_robot_later():
    def play(actions, **options):
        env = rlkit.make_batch(WALKER, 2, autoreset_mode="same_step", **options)
        obs, _ = env.reset(seed=6)
        return np.array([obs] + [env.step(action)[0] for action in actions])

    actions = 0.3 * actions_of(rlkit.make_batch(WALKER, 2), 15)
    late = np.concatenate([np.zeros((3, 2, 6), np.float32), actions])[:15]
    np.testing.assert_array_equal(play(actions, action_delay=3), play(late))
    seen, exact = play(actions, obs_delay=2), play(actions)
    np.testing.assert_array_equal(seen[2:], exact[:-2])


def test_what_is_seen_first_is_computed_from_the_new_positions_under_delay_and_noise():
    late = rlkit.make_batch(PUSH, 3, flat_obs=True, obs_delay=1, autoreset_mode="same_step")
    plain = rlkit.make_batch(PUSH, 3, flat_obs=True, autoreset_mode="same_step")
    (obs, _), (expected, _) = late.reset(seed=7), plain.reset(seed=7)
    np.testing.assert_array_equal(obs, expected)
    for actions in actions_of(plain, 51):  # beyond the episode's end
        obs, *_ = late.step(actions)
        before, (expected, *_) = expected, plain.step(actions)
        is_new = int(plain.states["num_steps"][0]) == 0
        np.testing.assert_array_equal(obs, expected if is_new else before)
        expected = expected.copy()


# --- what cannot be -----------------------------------------------------------------------------------------


def test_a_state_without_a_part_of_mujocos_is_refused():
    rules, params = WALKER.rules, WALKER.params()
    fields = {
        "time": np.float64, "qpos": (np.float64, (9,)), "qvel": (np.float64, (9,)),
        "qacc_warmstart": (np.float64, (9,)), "ctrl": (np.float64, (6,)),
    }  # fmt: skip

    def simulate(**changes):
        declared = {name: field for name, field in (fields | changes).items() if field is not None}
        Simulation(rules.PHYSICS, np.zeros(2, state_dtype(**declared)), params, threads=1)

    simulate()
    with pytest.raises(RulesError, match=r"STATE lacks the field qacc_warmstart=\(np.float64, \(9,\)\)"):
        simulate(qacc_warmstart=None)
    with pytest.raises(RulesError, match=r"'qpos' has shape \(8,\); MuJoCo's has \(9,\)"):
        simulate(qpos=(np.float64, (8,)))


def test_rules_without_physics_have_no_simulation():
    assert rlkit.make_batch("cartpole", 2).simulation is None


MISSING = """
import sys
sys.modules["mujoco"] = None
from rlkit.cli import main
print(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["list"], "planar_walker"),
        (["watch", "planar_walker", "--record", "x.png"], "pip install 'rlkit-suite[mujoco]'"),
        (["train", "arm_reach"], "needs mujoco-core"),
    ],
)
def test_without_mujoco_one_sentence_says_what_to_install(args, said, tmp_path):
    done = subprocess.run([sys.executable, "-c", MISSING, *args], capture_output=True, text=True, cwd=tmp_path)
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
