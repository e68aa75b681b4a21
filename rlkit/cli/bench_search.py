"""Search and self-play speed: simulations a second on one core, beside mctx's on Pgx's rules, and with a network.

A simulation is one descent to a leaf and its value's way back. Ours stop early where a position is proven, so those
done are counted; mctx does all of them. A search includes clearing the tree and reading its policy and action.
"""

import argparse
import contextlib
import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents import alphazero
from agents.alphazero import games, search
from agents.alphazero.network import Evaluator, has_bfloat16
from agents.alphazero.selfplay import Group
from agents.alphazero.tree import ROLLOUT, STRATEGIES, UNIFORM, halving_schedule, make_settings, make_tree
from rlkit.cli.arguments import environment_of
from rlkit.cli.bench import _printer
from rlkit.cli.bench_process import Peer, in_turn
from rlkit.cli.errors import UsageError
from rlkit.engine.bind import bind, compiling
from rlkit.learning.policy import RandomPolicy
from rlkit.registry import make_batch

MAX_PLIES = 12  # random ones before a position that is searched
REPEAT_SECONDS = 0.5  # of one measurement of a search
PEER = Path(__file__).with_name("bench_mctx.py")

# Both sides' settings (see bench_mctx.py): noise at the root as in self-play, and mctx's constants.
SETTINGS: dict[str, dict[str, float]] = {
    "puct": {"dirichlet_share": 0.25, "dirichlet_alpha": 1.0},
    "gumbel": {"gumbel_scale": 1.0, "c_visit": 50.0, "c_scale": 0.1},
}
MAX_CONSIDERED = 16  # root actions, under gumbel


def bench_search(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure both parts, printing a line a figure as it comes.

    Raises:
        UsageError: the environment cannot be searched, or the peer does not know it or does not run.
    """
    environment = environment_of(options.environment)
    if not hasattr(environment, "rules") or not hasattr(environment.spaces(environment.params()[0])[1], "n"):
        raise UsageError(f"{environment.name} cannot be searched: that takes rules of ours and Discrete actions")
    if options.against and environment.name != "connect_four":
        raise UsageError(f"mctx is measured on connect_four, not on {environment.name}: leave --against out")
    say = _printer(options.json)
    with one_core() as core:
        rows = _search_rows(say, environment, options, core)
    if options.self_play:
        rows += _self_play_rows(say, environment, options)
    return rows


def _rate_row(say: Callable[[str], None], what: str, rates: list[float]) -> dict[str, Any]:
    median, best = statistics.median(rates), max(rates)
    say(f"  {what:<34} {median / 1e6:9.3f} M simulations/s   (best {best / 1e6:.3f} M)")
    return {"what": what, "median": median, "best": best}


# --- searches without a network, on one core --------------------------------------------------------------------


@contextlib.contextmanager
def one_core() -> Iterator[int | None]:
    """Keep this thread and the processes it starts on one core; give its number, or None where no system call does."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    before = os.sched_getaffinity(0)
    core = max(before)  # core 0 often has the system's interrupts
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, before)


def _search_rows(
    say: Callable[[str], None], environment: Any, options: argparse.Namespace, core: int | None
) -> list[dict[str, Any]]:
    where = "one thread, which this system cannot pin to a core" if core is None else f"one thread on core {core}"
    say(f"{environment.name}, {options.games} games × {options.simulations} simulations, {where}")
    setting = {"environment": environment.name, "games": options.games, "simulations": options.simulations}
    rows: list[dict[str, Any]] = [{"what": "setting", **setting, "core": core}]
    with contextlib.ExitStack() as stack:
        peer = None
        if options.against:
            peer = stack.enter_context(mctx_peer(options.peer_python, options.games, options.simulations))
            rows.append(peer.versions_row(say))
        states = openings(environment, options.games)
        for strategy in STRATEGIES:
            run = make_search(environment, states, strategy, UNIFORM, options.simulations)
            rows += _paired_rows(say, strategy, run, peer, options.repeats)
    for strategy in STRATEGIES:
        run = make_search(environment, states, strategy, ROLLOUT, options.simulations)
        rows.append(_rate_row(say, f"{strategy}, random rollouts", [rate(run) for _ in range(options.repeats)]))
    return rows


def _paired_rows(
    say: Callable[[str], None], strategy: str, run: Callable[[], int], peer: Peer | None, repeats: int
) -> list[dict[str, Any]]:
    ours, theirs = in_turn(lambda: rate(run), peer, strategy, repeats)
    rows = [_rate_row(say, f"{strategy}, uniform evaluation", ours)]
    if peer:
        rows.append(_rate_row(say, f"mctx {strategy}, uniform evaluation", theirs))
        ratio = rows[0]["median"] / rows[1]["median"]
        rows.append({"what": f"{strategy} / mctx {strategy}", "median": ratio})
        say(f"  {strategy} is {ratio:.2f} × mctx's")
    return rows


def mctx_peer(python: str, num_games: int, num_simulations: int) -> Peer:
    """Start mctx on the core of this thread: asked for "gumbel" or "puct", it answers simulations/s."""
    arguments = {
        "num_games": num_games, "num_simulations": num_simulations, "max_plies": MAX_PLIES, "seconds": REPEAT_SECONDS,
    }  # fmt: skip
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    environ = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    return Peer("mctx", 'pip install -e ".[peers]"', python, PEER, arguments, environ)


def openings(environment: Any, num_games: int) -> np.ndarray:
    """Return states [N] after 0 to `MAX_PLIES` random plies; where a game ended on the way, another has begun."""
    games_of_two = {"opponent": "self"} if environment.num_players == 2 else {}
    env = make_batch(environment, num_games, autoreset_mode="same_step", **games_of_two)
    policy = RandomPolicy(env.single_observation_space, env.single_action_space)
    obs, info = env.reset(seed=0)
    states = env.states.copy()
    for ply in range(1, MAX_PLIES + 1):
        obs, _, _, _, info = env.step(policy.act(obs, info.get("action_mask")))
        is_late = np.arange(num_games) % (MAX_PLIES + 1) >= ply
        states[is_late] = env.states[is_late]
    env.close()
    return states


def make_search(
    environment: Any, states: np.ndarray, strategy: str, evaluator: int, num_simulations: int
) -> Callable[[], int]:
    """Return a function that searches all of `states` [N] once and returns how many simulations that took."""
    kernels, params = bind(search, environment.rules), environment.params()
    num_actions = int(environment.spaces(params[0])[1].n)
    tree = make_tree(environment.rules.STATE, len(states), num_simulations + 2, num_actions, seed=0)
    settings = make_settings(strategy=STRATEGIES[strategy], max_steps=environment.max_steps or 0, **SETTINGS[strategy])
    schedule = halving_schedule(MAX_CONSIDERED, num_simulations)
    policies = np.zeros((len(states), num_actions), np.float32)
    actions, values = np.zeros(len(states), np.int64), np.zeros(len(states))

    def run() -> int:
        kernels.begin_all(tree, states)
        kernels.search_alone(tree, params, settings, schedule, num_simulations, evaluator)
        kernels.recommend(tree, settings, policies, actions, values)
        return int(tree.games["num_simulations"].sum())

    with compiling(kernels, f"search of {environment.id}", "begin_all"):
        run()
    return run


def rate(run: Callable[[], int]) -> float:
    """Return simulations/s of a function that returns how many it did, over about `REPEAT_SECONDS`."""
    begin, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < REPEAT_SECONDS:
        count += run()
    return count / elapsed


# --- self-play with a network, on all cores ---------------------------------------------------------------------


def _self_play_rows(say: Callable[[str], None], environment: Any, options: argparse.Namespace) -> list[dict[str, Any]]:
    torch.set_num_threads(1)  # the threads are the groups'
    num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    say(f"self-play, {num_cores} threads of {options.games} games, new networks, nothing learned beside")
    is_board = len(environment.spaces(environment.params()[0])[0].shape) == 3
    small = alphazero.Config(network="conv" if is_board else "mlp", size=32, num_blocks=3)
    networks: list[tuple[str, alphazero.Config, torch.dtype | None]] = [("", small, torch.float32)]
    if has_bfloat16():
        networks.insert(0, ("", small, torch.bfloat16))
    else:
        say("  (this processor does not multiply bfloat16)")
    recipe = environment.recipes.get("alphazero")
    if recipe is not None:
        own = {name: getattr(recipe, name) for name in ("network", "size", "num_blocks", "head_size")}
        networks.append(("the recipe's ", dataclasses.replace(small, **own), None))
    return [_self_play_row(say, environment, options, num_cores, *network) for network in networks]


def _self_play_row(
    say: Callable[[str], None], environment: Any, options: argparse.Namespace, num_threads: int, name: str,
    network: alphazero.Config, dtype: torch.dtype | None,
) -> dict[str, Any]:  # fmt: skip
    config = dataclasses.replace(
        network, num_games=options.games, threads=num_threads, learner_plays=1.0,
        iteration_samples=4 * options.games * num_threads, window_size=network.minibatch_size,
    )  # fmt: skip
    learner = alphazero.Learner(environment, config, seed=0)
    evaluator = Evaluator(learner.average.eval(), dtype)

    def play(group: Group) -> np.ndarray:
        """Return (simulations/s, evaluations/s) of one thread's games."""
        begin, counts = time.perf_counter(), np.zeros(2)
        while (elapsed := time.perf_counter() - begin) < options.self_play:
            _, counters = group.collect(evaluator)
            counts += counters[[games.SIMULATIONS, games.EVALUATIONS]]
        return counts / elapsed

    with learner.pool as pool:
        list(pool.map(play, learner.groups))  # warm, and by then the games are out of step
        simulations, evaluations = np.sum(list(pool.map(play, learner.groups)), axis=0)
    kind = f"{config.num_blocks} × {config.size} {config.network}"
    what = f"{name}{kind} network, {str(evaluator.dtype).removeprefix('torch.')}"
    say(f"  {what:<34} {simulations:9,.0f} simulations/s, {evaluations:,.0f} evaluations/s")
    return {"what": f"self-play, {what}", "simulations": float(simulations), "evaluations": float(evaluations)}
