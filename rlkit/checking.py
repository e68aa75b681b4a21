"""What `rlkit check ENV` verifies: the contract that every environment keeps, ours or yours. Prints nothing.

The checks play episodes of legal random actions and compare what they showed, bit for bit: with the same
again, with single copies, with other batch sizes and threads, with plain Python. Source of the idea: the
checkers `api_test` of Pgx and `test_game` of AlphaZero.jl, which any new environment must pass.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rlkit.engine.batch import MIN_SLICE, BatchEnv
from rlkit.engine.bind import RulesError
from rlkit.engine.scalar import ScalarEnv
from rlkit.engine.state import fork, param_names, states_equal
from rlkit.environment import Environment
from rlkit.learning.policy import Situation, decide
from rlkit.trajectories import first_difference, make_uniforms, obs_parts, play, random_actions

HEADINGS = ("Observation", "Action", "Reward", "Termination", "Params", "Metrics", "Yardstick", "Source")

# Gymnasium's advice that an environment may have reasons not to follow.
_ADVICE = ("probably too low", "probably too high", "we recommend using a symmetric and normalized space")


class Check(NamedTuple):
    """One verdict: the check's name, whether it passed, and one sentence."""

    name: str
    ok: bool
    sentence: str


class _BrokenError(Exception):
    """The environment does not keep the contract; the message is the sentence."""


def check_environment(environment: Environment) -> Iterator[Check]:
    """Yield the verdict of each check; the first failure to compile is the last verdict."""
    for name, check in CHECKS.items():
        try:
            sentence = check(environment)
        except _BrokenError as error:
            yield Check(name, False, str(error))
        except Exception as error:
            yield Check(name, False, " ".join(f"{type(error).__name__}: {error}".split()))
            if isinstance(error, RulesError):
                return
        else:
            yield Check(name, True, sentence)


def _require(condition: Any, sentence: str) -> None:
    if not condition:
        raise _BrokenError(sentence)


def opponent_modes(environment: Environment) -> list[dict[str, Any]]:
    """Return the options under which an environment is checked: a game also from both sides."""
    return [{"opponent": "random"}, {"opponent": "self"}] if environment.num_players == 2 else [{}]


def _check_rules(environment: Environment) -> str:
    for options in opponent_modes(environment):
        BatchEnv(environment, 1, **options)
    names = environment.rules.STATE.names or ()
    if environment.num_players == 2:
        _require("player" in names, "the STATE of a game of two needs a field `player`, +1 or −1")
    _require(
        not environment.metrics or hasattr(environment.rules, "metrics"),
        f"the declaration names metrics {environment.metrics}, but rules.py has no metrics()",
    )
    return f"compiled; the state has {len(names)} fields in {environment.rules.STATE.itemsize} bytes"


def _check_docstring(environment: Environment) -> str:
    lines = (importlib.import_module(environment.package).__doc__ or "").splitlines()
    _require(lines and lines[0].strip(), "the docstring's first line must say what the environment is")
    headings = [line.strip() for line in lines if line.strip() in HEADINGS and not line.startswith(" ")]
    found, needed = ", ".join(headings) or "none", ", ".join(HEADINGS)
    _require(found == needed, f"the docstring has the headings {found}; it needs, in this order, {needed}")
    for heading in HEADINGS:
        below = lines[lines.index(heading) + 1 :]
        _require(
            below and below[0].startswith("    "),
            f"under the docstring's {heading!r} there is no indented text",
        )
    text = "\n".join(lines)
    for name in (*param_names(environment.rules.PARAMS), *environment.metrics):
        _require(name in text, f"the docstring does not mention {name!r}")
    return f"{len(HEADINGS)} headings in order"


def _check_gymnasium(environment: Environment) -> str:
    def make(**options: Any) -> ScalarEnv:
        return ScalarEnv(environment, **options)

    for options in opponent_modes(environment):
        env = make(**options)
        env.spec = EnvSpec(environment.id, entry_point=make, kwargs=dict(options))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            check_env(env)
        texts = [str(warning.message) for warning in said]
        serious = [text for text in texts if not any(advice in text for advice in _ADVICE)]
        _require(not serious, f"Gymnasium's check_env warns: {serious[:1]}")
    return f"Gymnasium {gymnasium.__version__}'s check_env passes"


def _check_spaces(environment: Environment) -> str:
    for level in environment.levels:
        for options in opponent_modes(environment):
            env = BatchEnv(environment, 4, level=level, **options)
            obs, info = env.reset(seed=1)
            for uniforms in make_uniforms(env, 200, seed=1):
                _require(
                    env.observation_space.contains(obs),
                    f"an observation is outside its space ({level}): {obs}",
                )
                actions = random_actions(env.single_action_space, uniforms, info.get("action_mask"))
                _require(env.action_space.contains(actions), f"actions {actions} are outside {env.action_space}")
                obs, rewards, _, _, info = env.step(actions)
                _require(np.isfinite(rewards).all(), f"a reward is not finite ({level}): {rewards}")
    return f"observations and rewards stay inside their spaces in levels {', '.join(environment.levels)}"


def _check_seeds(environment: Environment) -> str:
    for options in opponent_modes(environment):
        env = BatchEnv(environment, 3, **options)
        once, again = play(env, 150, seed=7), play(env, 150, seed=7)
        fresh = play(BatchEnv(environment, 3, **options), 150, seed=7)
        difference = first_difference(once, again) or first_difference(once, fresh)
        _require(difference is None, f"the same seed gave another episode: {difference}")
        num_streams = len(np.unique(once["state.rng"][0]))
        _require(num_streams == 3, "different seeds give the same random stream: rules must not set rng")
    return "the same seed gives the same episodes, bit for bit"


def _check_copies(environment: Environment) -> str:
    brief = replace(environment, max_steps=min(environment.max_steps or 25, 25))  # so that both ends happen
    for options in opponent_modes(environment):
        for mode in AutoresetMode:
            batch = BatchEnv(brief, 3, autoreset_mode=mode, **options)
            singles = SyncVectorEnv([partial(ScalarEnv, brief, **options)] * 3, autoreset_mode=mode)
            difference = first_difference(play(singles, 90), play(batch, 90))
            _require(difference is None, f"a batch and single copies differ under {mode.name}: {difference}")
    return "a batch equals single copies in Gymnasium's SyncVectorEnv, under all three autoreset modes"


def _check_sizes(environment: Environment) -> str:
    count = 2 * MIN_SLICE
    for options in opponent_modes(environment):
        sliced = BatchEnv(environment, count, threads=2, **options)
        _require(sliced.num_slices == 2, "two threads were asked for and not used")
        large, small = play(sliced, 40), play(BatchEnv(environment, 2, **options), 40)
        sliced.close()
        difference = first_difference(play(BatchEnv(environment, count, **options), 40), large)
        _require(difference is None, f"one thread and two differ: {difference}")
        difference = first_difference(small, {name: values[:, :2] for name, values in large.items()})
        _require(difference is None, f"2 copies and {count} differ: {difference}")
    return f"2 or {count} copies, 1 or 2 threads: the same episodes"


def _check_plain_python(environment: Environment) -> str:
    """Play in another process without the compiler."""
    code = "import sys; from rlkit.checking import save_play; save_play(*sys.argv[1:])"
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    for options in opponent_modes(environment):
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/seen.npz"
            process = subprocess.run(
                [sys.executable, "-c", code, environment.package, json.dumps(options), file],
                env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
                capture_output=True,
                text=True,
            )
            last = (process.stderr.strip().splitlines() or ["no message"])[-1]
            _require(process.returncode == 0, f"the rules fail as plain Python: {last}")
            with np.load(file) as plain:
                difference = first_difference(play(BatchEnv(environment, 3, **options), 250), dict(plain))
        hint = "read fields with int() or float() before arithmetic"
        _require(difference is None, f"compiled and plain Python differ ({hint}): {difference}")
    return "compiled and plain Python give the same bits"


def save_play(package: str, options: str, file: str) -> None:
    """Write to `file` what 250 steps of 3 copies show; called in the process without the compiler."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # overflows, about which compiled code keeps silent
        environment = importlib.import_module(package).ENVIRONMENT
        np.savez(file, allow_pickle=False, **play(BatchEnv(environment, 3, **json.loads(options)), 250))


def _check_masks(environment: Environment) -> str:
    if not environment.has_action_mask:
        return "no masks: every action is always legal"
    num_illegal = 0
    for options in opponent_modes(environment):
        mask = play(BatchEnv(environment, 8, **options), 100)["action_mask"]
        _require(((mask == 0) | (mask == 1)).all(), "a mask has values other than 0 and 1")
        env = BatchEnv(environment, 64, **options)
        _, info = env.reset(seed=3)
        for uniforms in make_uniforms(env, 100, seed=3):
            mask, running = info["action_mask"], env.episodes["is_done"] == 0
            _require(mask[running].any(axis=1).all(), "in a running episode no action is legal")
            illegal = running & ~mask.all(axis=1) & (uniforms[:, 0] < 0.2)
            actions = random_actions(env.single_action_space, uniforms, mask)
            actions[illegal] = mask[illegal].argmin(axis=1)
            _, rewards, terminated, _, info = env.step(actions)
            lost = terminated & (rewards == environment.illegal_reward) & info.get("illegal_action", illegal)
            _require(
                lost[illegal].all(),
                f"a masked action did not end its episode with {environment.illegal_reward}",
            )
            num_illegal += int(illegal.sum())
    return f"some action is legal in every running episode; {num_illegal} masked ones lost theirs"


def _check_reset(environment: Environment) -> str:
    names = environment.rules.STATE.names or ()
    for options in opponent_modes(environment):
        clean, dirty = (BatchEnv(environment, 4, copy=False, **options) for _ in range(2))
        clean.reset(seed=11)
        for byte in (0x5A, 0xFF):
            dirty.states.view(np.uint8)[...] = byte
            obs, info = dirty.reset(seed=11)
            left = [name for name in names if not states_equal(clean.states[[name]], dirty.states[[name]])]
            _require(not left, f"reset() leaves {', '.join(left)} as it was before")
            buffers = obs_parts("obs", obs, copy=False)
            if "action_mask" in info:
                buffers["action_mask"] = info["action_mask"]
            expected = {name: buffer.copy() for name, buffer in buffers.items()}
            for buffer in buffers.values():
                buffer.view(np.uint8)[...] = byte
            dirty.restore(dirty.snapshot())  # observes anew, into the same buffers
            left = [name for name, buffer in buffers.items() if buffer.tobytes() != expected[name].tobytes()]
            _require(not left, f"observe() or action_mask() does not write all of {', '.join(left)}")
    return "reset writes every field of the state, observe every element of the observation"


def _check_snapshots(environment: Environment) -> str:
    for options in opponent_modes(environment):
        env = BatchEnv(environment, 4, **options)
        play(env, 30, seed=5)
        snapshot, states = env.snapshot(), env.states.copy()
        once = play(env, 60, seed=6, begin=False)
        env.restore(snapshot)
        _require(states_equal(states, env.states), "restoring a snapshot does not give back its states")
        difference = first_difference(once, play(env, 60, seed=6, begin=False))
        _require(difference is None, f"going on from a snapshot differs from the first time: {difference}")
        _require(states_equal(fork(states), states), "a fork differs from what it was forked from")
        reseeded = fork(states, reseed=1)
        _require((reseeded["rng"] != states["rng"]).all(), "a reseeded fork keeps its random stream")
        reseeded["rng"] = states["rng"]
        _require(states_equal(reseeded, states), "a reseeded fork differs in more than its random stream")
    return "a snapshot restored goes on exactly as before"


def _check_goals(environment: Environment) -> str:
    """Compare the parts with the flat observation, and the vectorised reward with one goal after another."""
    if not environment.goal_size:
        return "no goal environment"
    _require(hasattr(environment.rules, "goal_reward"), "goal_size is set, but rules.py has no goal_reward()")
    env, flat = (BatchEnv(environment, 8, flat_obs=flat) for flat in (False, True))
    obs, _ = env.reset(seed=9)
    whole, _ = flat.reset(seed=9)
    running, num_equal, num_steps = np.ones(8, np.bool_), 0, 0
    for uniforms in make_uniforms(env, 100, seed=9):
        _require(
            np.array_equal(np.concatenate([*obs.values()], axis=1), whole), "the parts are not the flat observation"
        )
        actions = random_actions(env.single_action_space, uniforms, None)
        whole = flat.step(actions)[0]
        obs, rewards, terminated, truncated, info = env.step(actions)
        reached, wanted = obs["achieved_goal"], obs["desired_goal"]
        together = env.compute_reward(reached, wanted, info)
        _require(np.isfinite(together).all(), f"goal_reward is not finite: {together}")
        one_by_one = [env.compute_reward(a, d, info) for a, d in zip(reached, wanted, strict=True)]
        _require((together == one_by_one).all(), "goal_reward of many goals differs from that of each")
        num_equal += int(np.isclose(together, rewards, atol=1e-4)[running].sum())
        num_steps += int(running.sum())
        running = ~(terminated | truncated)
    return f"compute_reward equals the step's reward in {100 * num_equal / num_steps:.0f} % of steps"


def _check_symmetries(environment: Environment) -> str:
    """Play a game and its images side by side, copy k under symmetry k, and compare what is seen."""
    if environment.symmetries is None:
        return "none declared"
    env = BatchEnv(environment, 1, opponent="self" if environment.num_players == 2 else None)
    found = environment.symmetries(env.params[0])
    count, start = len(found.obs_orders), env.reset(seed=3)[0]
    num_actions = int(env.single_action_space.n)  # type: ignore[attr-defined]
    for orders, size in ((found.obs_orders, start[0].size), (found.action_orders, num_actions)):
        is_complete = orders.shape == (count, size) and (np.sort(orders, axis=1) == np.arange(size)).all()
        _require(is_complete, f"an order of the symmetries does not hold each of 0 to {size - 1} once")
        _require((orders[0] == np.arange(size)).all(), "the first symmetry must be the identity")
    images = BatchEnv(environment, count, opponent="self" if environment.num_players == 2 else None)
    obs, info = images.reset(seed=[3] * count)
    inverse = np.argsort(found.action_orders, axis=1)
    for uniforms in make_uniforms(env, 100, seed=4):
        masks = info.get("action_mask", np.ones((count, num_actions), np.int8))
        action = random_actions(env.single_action_space, uniforms, masks[:1])[0]
        for k in range(count):
            same = np.array_equal(obs[0].ravel()[found.obs_orders[k]], obs[k].ravel())
            same = same and np.array_equal(masks[0][found.action_orders[k]], masks[k])
            _require(same, f"symmetry {k} of the position is not what the same moves under it lead to")
        obs, _, terminated, _, info = images.step(inverse[:, action])
        _require((terminated == terminated[0]).all(), "a game and its image do not end together")
        if terminated[0]:
            obs, info = images.reset(seed=[3] * count)
    return f"{count} symmetries: a game and its images look alike under them"


def _check_drawing(environment: Environment) -> str:
    import pygame

    from rlkit.viewing.canvas import draw_frame

    shown = pygame.display.get_init()
    env = BatchEnv(environment, 2)
    play(env, 5)
    before = env.states.copy()
    for scale in (1, 2):
        frame = draw_frame(environment, env.states[0], env.params[0], scale=scale)
        height, width = frame.shape[0] / scale, frame.shape[1] / scale
        is_picture = frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3
        _require(is_picture, f"a picture is {frame.dtype} {frame.shape}, not uint8 [H, W, 3]")
        _require((frame != frame[0, 0]).any(), "the picture has only one colour")
    _require(states_equal(before, env.states), "drawing changed the state")
    _require(pygame.display.get_init() == shown, "drawing started a display")
    drawing = environment.drawing
    if drawing is None:
        return "no drawing.py: the state is shown as text"
    _require((width, height) == tuple(drawing.SIZE), f"the picture is {width} × {height}, not SIZE {drawing.SIZE}")
    _check_controls(env, drawing)
    return f"a picture of {width:.0f} × {height:.0f} without a display"


def _check_controls(env: BatchEnv, drawing: Any) -> None:
    space = env.single_action_space
    actions = [
        action(env.states[0], env.params[0]) if callable(action) else action
        for action in getattr(drawing, "KEYS", {}).values()
    ]
    if hasattr(drawing, "IDLE_ACTION"):
        idle = drawing.IDLE_ACTION
        actions.append(idle(env.states[0], env.params[0]) if callable(idle) else idle)
    if hasattr(drawing, "action_from_click"):
        width, height = drawing.SIZE
        places = [(x, y) for x in np.linspace(0, width - 1, 25) for y in np.linspace(0, height - 1, 25)]
        clicked = [drawing.action_from_click(env.states[0], env.params[0], x, y) for x, y in places]
        _require(any(action is not None for action in clicked), "no click gives an action")
        actions += [action for action in clicked if action is not None]
    for action in actions:
        _require(space.contains(np.asarray(action, space.dtype)), f"a key or click gives {action}, outside {space}")
    if hasattr(drawing, "action_point"):
        for action in range(getattr(space, "n", 0)):
            point = drawing.action_point(env.states[0], env.params[0], action)
            inside = point is None or all(0 <= v <= side for v, side in zip(point, drawing.SIZE, strict=True))
            _require(inside, f"action_point of {action} is {point}, outside SIZE {drawing.SIZE}")


def _check_yardstick(environment: Environment) -> str:
    yardstick = environment.yardstick
    if yardstick is None:
        return "no yardstick.py"
    _require(yardstick.reference and "\n" not in yardstick.reference, "the yardstick's reference must be one line")
    _require(yardstick.policies, "the yardstick names no policy")
    env = BatchEnv(environment, 4, flat_obs=True)
    obs, info = env.reset(seed=2)
    for name, build in yardstick.policies.items():
        situation = Situation(obs, info.get("action_mask"), env.states, env.params[0])
        actions = decide(build(env.params[0]), situation)
        inside = env.action_space.contains(actions.astype(env.action_space.dtype))
        _require(inside, f"the yardstick's {name} gives actions {actions}, outside {env.action_space}")
    return yardstick.reference


def _check_recipes(environment: Environment) -> str:
    recipes = environment.recipes
    if not recipes:
        return "no train.py, or no recipes in it"
    for agent, config in recipes.items():
        _require(
            is_dataclass(config) and not isinstance(config, type),
            f"the recipe {agent!r} is not a Config(...)",
        )
    return f"recipes for {', '.join(recipes)}"


CHECKS: dict[str, Callable[[Environment], str]] = {
    "rules": _check_rules,
    "docstring": _check_docstring,
    "gymnasium": _check_gymnasium,
    "spaces": _check_spaces,
    "seeds": _check_seeds,
    "copies": _check_copies,
    "sizes": _check_sizes,
    "plain python": _check_plain_python,
    "masks": _check_masks,
    "reset": _check_reset,
    "snapshots": _check_snapshots,
    "goals": _check_goals,
    "symmetries": _check_symmetries,
    "drawing": _check_drawing,
    "yardstick": _check_yardstick,
    "recipes": _check_recipes,
}
