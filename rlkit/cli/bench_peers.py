"""Other projects' versions of our environments, for `rlkit bench env --against`: seconds a step of random play.

Gymnasium's and highway-env's are stepped copy after copy, as their vectors do; EnvPool's are compiled and stepped
together, on as many threads as ours; `mujoco` is our own robot's bare physics by `mujoco.batch`, from the same states
with the same controls, without anything of ours around it.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rlkit.extras import import_extra

TRACE_STEPS = 64  # steps of recorded random play that the timed loops repeat
GYMNASIUM = {
    "cartpole": ("CartPole-v1",), "pendulum": ("Pendulum-v1",), "planar_walker": ("Walker2d-v5",),
    "arm_reach": ("Reacher-v5",), "arm_push": ("Pusher-v5",),
}  # fmt: skip
HIGHWAY_ENV = {"highway": ("highway-v0", "highway-fast-v0")}
ENVPOOL = GYMNASIUM | {"highway": ("HighwayFast-v0",)}
SYNC_COPIES = 64  # of environments that are stepped one after another
HIGHWAY_COPIES = 4  # of those that take a tenth of a second


class Timing(NamedTuple):
    """A peer's time for one step of all its copies."""

    what: str
    seconds: list[float]  # a step, once for each repeat
    copies: int


def timings(peer: str, name: str, num_envs: int, threads: int, repeats: int) -> list[Timing]:
    """Return the timings of what `peer` has that is like our environment `name`; an empty list: nothing.

    Raises:
        MissingExtraError: the peer is not installed.
    """
    return {"gymnasium": _gymnasium, "highway-env": _highway_env, "envpool": _envpool, "mujoco": _mujoco}[peer](
        name, num_envs, threads, max(3, repeats // 3)
    )


def seconds_a_call(step: Callable[[Any], Any], trace: list[Any]) -> float:
    """Return the mean seconds of `step` with each of `trace`."""
    begin = time.perf_counter()
    for actions in trace:
        step(actions)
    return (time.perf_counter() - begin) / len(trace)


def record_random_play(env: Any) -> tuple[Any, list[np.ndarray]]:
    """Return (a snapshot well inside random play, the legal random actions [N, …] of `TRACE_STEPS` steps on)."""
    from rlkit.learning.policy import RandomPolicy

    policy = RandomPolicy(env.single_observation_space, env.single_action_space)
    obs, info = env.reset(seed=0)
    start, trace = None, []
    for t in range(3 * TRACE_STEPS):  # by then the copies' episodes are out of step
        if t == 2 * TRACE_STEPS:
            start = env.snapshot()
        actions = policy.act(obs, info.get("action_mask"))
        trace.append(np.array(actions, env.actions.dtype))
        obs, _, _, _, info = env.step(actions)
    return start, trace[2 * TRACE_STEPS :]


def _timed(step: Callable[[Any], Any], trace: list[Any], repeats: int) -> list[float]:
    return [seconds_a_call(step, trace) for _ in range(repeats)]


def _vector(id: str, copies: int, mode: str, repeats: int, what: str, num_steps: int = TRACE_STEPS) -> Timing:
    import gymnasium

    env = gymnasium.make_vec(id, copies, vectorization_mode=mode)
    env.reset(seed=0)
    env.action_space.seed(0)
    seconds = _timed(env.step, [env.action_space.sample() for _ in range(num_steps)], repeats)
    env.close()
    return Timing(f"{what} {id} ({copies} copies)", seconds, copies)


def _gymnasium(name: str, num_envs: int, threads: int, repeats: int) -> list[Timing]:
    import gymnasium

    if name in ("planar_walker", "arm_reach", "arm_push"):
        import_extra("mujoco", "mujoco", "Gymnasium's robots need MuJoCo")
        import_extra("imageio", "peers", "Gymnasium's robots need imageio")
    found = []
    for id in GYMNASIUM.get(name, ()):
        found.append(_vector(id, min(num_envs, SYNC_COPIES), "sync", repeats, "Gymnasium SyncVectorEnv"))
        if gymnasium.spec(id).vector_entry_point is not None:
            found.append(_vector(id, num_envs, "vector_entry_point", repeats, "Gymnasium own vectorised"))
    return found


def _highway_env(name: str, num_envs: int, threads: int, repeats: int) -> list[Timing]:
    import_extra("highway_env", "peers", "this comparison needs highway-env")
    return [_vector(id, HIGHWAY_COPIES, "sync", 3, "highway-env", 8) for id in HIGHWAY_ENV.get(name, ())]


def _envpool(name: str, num_envs: int, threads: int, repeats: int) -> list[Timing]:
    envpool = import_extra("envpool", "peers", "this comparison needs EnvPool")
    found = []
    for id in ENVPOOL.get(name, ()):
        env = envpool.make(id, env_type="gymnasium", num_envs=num_envs, num_threads=threads, seed=0)
        env.reset()
        rng = np.random.default_rng(0)
        trace = [_actions(env.action_space, num_envs, rng) for _ in range(TRACE_STEPS)]
        plural = "s" * (threads > 1)
        what = f"EnvPool {id} ({num_envs} copies, {threads} thread{plural})"
        found.append(Timing(what, _timed(env.step, trace, repeats), num_envs))
        env.close()
    return found


def _actions(space: Any, count: int, rng: np.random.Generator) -> np.ndarray:
    if hasattr(space, "n"):
        return rng.integers(space.n, size=count).astype(np.int32)
    low, high = np.maximum(space.low, -1), np.minimum(space.high, 1)
    return rng.uniform(low, high, (count, *space.shape)).astype(space.dtype)


def _mujoco(name: str, num_envs: int, threads: int, repeats: int) -> list[Timing]:
    batch = import_extra("mujoco.batch", "mujoco", "this comparison needs MuJoCo")
    from rlkit.registry import find_environment, make_batch

    environment = find_environment(name)
    physics = getattr(environment.rules, "PHYSICS", None)
    if physics is None:
        return []
    env = make_batch(environment, num_envs, autoreset_mode="SameStep", copy=False, threads=threads, flat_obs=True)
    start, trace = record_random_play(env)
    env.restore(start)
    states, controls = env.states.copy(), []
    for actions in trace:
        env.step(actions)
        controls.append(env.states["ctrl"].copy())  # where an episode just began these are 0
    env.close()
    model = physics.model(environment.params()[0])
    copies = batch.Batch(model, num_envs, min(threads, num_envs), persistent=True)
    parts = {part: copies.bind(part) for part in ("qpos", "qvel", "qacc_warmstart", "ctrl")}

    def step(actions: np.ndarray) -> None:
        parts["ctrl"][:] = actions
        copies.step(nstep=physics.num_substeps)

    def seconds() -> float:
        for part, values in parts.items():
            values[...] = states[part]
        return seconds_a_call(step, controls)

    return [Timing(f"bare mujoco.batch ({num_envs} copies)", [seconds() for _ in range(repeats)], num_envs)]
