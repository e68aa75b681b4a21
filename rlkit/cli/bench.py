"""`rlkit bench env|train|search|rlhf`: our speed as ratios against peers, all measured in the same run.

Every figure is a median over repeats, with the best beside it; ratios are of medians. Other work on the machine
slows both sides, which is why peers run in the same call and turn by turn.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rlkit.cli.arguments import Parser, positive, whole
from rlkit.cli.bench_peers import record_random_play, seconds_a_call, timings
from rlkit.cli.errors import UsageError, nearest

ENV_HELP = """\
Steps a second of environments, with random actions, resets and observations: the bare kernel (of a robot that MuJoCo
moves: its physics alone, from the same states) and BatchEnv.step.
`--against` measures what others have that is like them, in the same run: Gymnasium's versions, highway-env's, EnvPool's
(`pip install -e ".[peers]"`), and `mujoco`, the bare physics of a robot that MuJoCo moves, which is never reset.
"""
TRAIN_HELP = """\
Training steps a second, counting collection and update only, and the time from process start to solved.
`--against sb3` measures Stable-Baselines3's PPO or DQN in the same run, turn by turn, one thread each.
"""
SEARCH_HELP = """\
Simulations a second of tree searches on one core, without a network, from positions of random play; and of self-play
on all cores with new networks of 3 blocks of 32 units and, if there is one, of the recipe's size, nothing learned
beside. `--against mctx` measures mctx on Pgx's Connect Four in the same call, turn by turn on the same core.
"""
RLHF_HELP = """\
An epoch of the models that learn a reward from choices between clips, one network and an ensemble of three, in CPU
seconds. `--against imitation` measures imitation's in the same call, turn by turn on the same choices; it needs older
packages than ours, so give it an environment of its own and name that one's Python with `--peer-python`.
"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    kinds = {"env": _env, "train": _train, "search": _search, "rlhf": _rlhf}
    if not args or args[0] in ("-h", "--help"):
        helps = f"env:    {ENV_HELP}\ntrain:  {TRAIN_HELP}\nsearch: {SEARCH_HELP}\nrlhf:   {RLHF_HELP}"
        print(f"usage: rlkit bench env|train|search|rlhf ...\n\n{__doc__}\n{helps}", end="")
        return 0
    if args[0] not in kinds:
        raise UsageError(
            f"there is nothing to bench called {args[0]!r}{nearest(args[0], list(kinds))}; see rlkit bench -h"
        )
    return kinds[args[0]](args[1:])


def _env(args: list[str]) -> int:
    parser = Parser("bench env", ENV_HELP)
    parser.add_argument("environments", nargs="+", metavar="ENV")
    peers = ["gymnasium", "highway-env", "envpool", "mujoco"]
    parser.add_argument("--against", choices=peers, nargs="+", default=[], help="measure these in the same run, too")
    parser.add_argument("--level", default="standard", help="of ours (default standard)")
    parser.add_argument("--num-envs", type=positive, default=1024, help="copies (default 1024)")
    parser.add_argument("--threads", type=positive, default=1, help="threads of ours (default 1)")
    parser.add_argument("--repeats", type=positive, default=30, help="repeats of each timing (default 30)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    return _print(bench_envs, parser.parse(args))


def _train(args: list[str]) -> int:
    from rlkit.cli.bench_train import bench_training

    parser = Parser("bench train", TRAIN_HELP)
    parser.add_argument("environment", metavar="ENV", choices=["cartpole"], help="cartpole: the task both know")
    parser.add_argument("--agent", choices=["ppo", "dqn"], default="ppo", help="the algorithm (default ppo)")
    parser.add_argument("--against", choices=["sb3"], help="measure this peer in the same run")
    parser.add_argument("--repeats", type=positive, default=5, help="repeats of each speed (default 5)")
    parser.add_argument(
        "--seeds", type=whole, default=5, help="seeds of the time to solve (default 5; 0: leave it out)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    return _print(bench_training, parser.parse(args))


def _search(args: list[str]) -> int:
    parser = Parser("bench search", SEARCH_HELP)
    parser.add_argument("environment", metavar="ENV", nargs="?", default="connect_four", help="(connect_four)")
    parser.add_argument("--against", choices=["mctx"], help="measure this peer in the same call")
    parser.add_argument("--games", type=positive, default=256, help="searched at once, by each thread (default 256)")
    parser.add_argument("--simulations", type=positive, default=32, help="of a search without a network (default 32)")
    parser.add_argument("--repeats", type=positive, default=5, help="repeats of each search's speed (default 5)")
    parser.add_argument(
        "--self-play", type=whole, default=5, metavar="SECONDS", help="of each self-play (default 5; 0: leave it out)"
    )
    parser.add_argument(
        "--peer-python", default=sys.executable, metavar="PATH", help="the Python that has mctx and pgx (this one)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    options = parser.parse(args)
    from rlkit.cli.bench_search import bench_search  # imports torch, which --help needs not

    return _print(bench_search, options)


def _rlhf(args: list[str]) -> int:
    parser = Parser("bench rlhf", RLHF_HELP)
    parser.add_argument("--against", choices=["imitation"], help="measure this peer in the same call")
    parser.add_argument("--labels", type=positive, default=200, help="choices in an epoch (default 200)")
    parser.add_argument("--repeats", type=positive, default=5, help="repeats of each timing (default 5)")
    parser.add_argument(
        "--peer-python", default=sys.executable, metavar="PATH", help="the Python that has imitation (this one)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    options = parser.parse(args)
    from rlkit.cli.bench_rlhf import bench_rlhf  # imports torch, which --help needs not

    return _print(bench_rlhf, options)


def _print(measure: Callable, options: argparse.Namespace) -> int:
    rows = measure(options)
    if options.json:
        print(json.dumps(rows, indent=1))
    return 0


def bench_envs(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure every environment and print a line a figure as it comes."""
    say = _printer(options.json)
    rows: list[dict[str, Any]] = []
    for name in options.environments:
        say(f"{name}, {options.num_envs} copies, {options.threads} thread{'s' * (options.threads > 1)}")
        kernel, step = _engine_seconds(name, options)
        rows.append(_rate_row(say, name, "kernel", kernel, options.num_envs))
        rows.append(_rate_row(say, name, "BatchEnv.step", step, options.num_envs))
        added = 1e6 * (statistics.median(step) - statistics.median(kernel))
        say(f"  BatchEnv.step adds {added:.1f} µs a call to the kernel")
        rows.append({"environment": name, "what": "step adds (µs)", "median": added})
        for peer in options.against:
            ours = options.num_envs / statistics.median(step)
            found = timings(peer, name, options.num_envs, options.threads, options.repeats)
            if not found:
                print(f"  ({peer} has no {name})", file=sys.stderr)
            for what, seconds, copies in found:
                row = _rate_row(say, name, what, seconds, copies)
                ratio = ours / row["median"]
                rows += [row, {"environment": name, "what": f"BatchEnv.step / {what}", "median": ratio}]
                say(f"  BatchEnv.step is {ratio:.3g} × {what}")
    rows += _startup_rows(say, options.environments[0])
    return rows


def _printer(silent: bool) -> Callable[[str], None]:
    return (lambda text: None) if silent else (lambda text: print(text, flush=True))


def _rate_row(say: Callable, name: str, what: str, seconds: list[float], copies: int) -> dict[str, Any]:
    median, best = copies / statistics.median(seconds), copies / min(seconds)
    say(f"  {what:<34} {median / 1e6:9.3f} M steps/s   (best {best / 1e6:.3f} M)")
    return {"environment": name, "what": what, "median": median, "best": best}


def _engine_seconds(name: str, options: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Return seconds a call of (the bare kernel, BatchEnv.step), over the same recorded random play."""
    from rlkit.registry import make_batch, resolve

    environment = resolve(name, trusted=True)
    games = {"opponent": "self"} if environment.num_players == 2 else {}
    env = make_batch(
        environment, options.num_envs, autoreset_mode="SameStep", copy=False, threads=options.threads,
        flat_obs=True, level=options.level, **games,
    )  # fmt: skip
    start, trace = record_random_play(env)
    if env.simulation is not None:
        pairs = _physics_seconds(env, start, trace, options.repeats)
        env.close()
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    arguments = list(env.step_arguments())
    place = next(i for i, argument in enumerate(arguments) if argument is env.actions)

    def kernel(actions: np.ndarray) -> None:
        arguments[place] = actions
        env.kernels.step_copies(*arguments)

    def timed(step: Callable[[np.ndarray], Any]) -> float:
        env.restore(start)
        return seconds_a_call(step, trace)

    pairs = [(timed(kernel), timed(env.step)) for _ in range(options.repeats)]
    env.close()
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _physics_seconds(env: Any, start: Any, trace: list[np.ndarray], repeats: int) -> list[tuple[float, float]]:
    """Return pairs of seconds a call: MuJoCo alone from the states that the play comes through, and BatchEnv.step."""
    simulation, rows = env.simulation, []
    move = simulation.move

    def record() -> None:
        rows.append(simulation.batch.state.copy())
        move()

    def timed(step: Callable[[np.ndarray], Any], inputs: list[np.ndarray]) -> float:
        env.restore(start)
        return seconds_a_call(step, inputs)

    def move_from(row: np.ndarray) -> None:
        simulation.batch.state[...] = row
        move()

    simulation.move = record
    timed(env.step, trace)
    simulation.move = move
    return [(timed(move_from, rows), timed(env.step, trace)) for _ in range(repeats)]


def _startup_rows(say: Callable[[str], None], name: str) -> list[dict[str, Any]]:
    """Measure whole processes: a first step from a warm cache, and `rlkit --help`."""
    first_step = f"import rlkit; env = rlkit.make({name!r}); env.reset(seed=0); env.step(env.action_space.sample())"
    commands = {"import, make, first step": ["-c", first_step], "rlkit --help": ["-m", "rlkit", "--help"]}
    rows = []
    for what, command in commands.items():
        seconds = []
        for _ in range(5):
            begin = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            seconds.append(time.perf_counter() - begin)
        rows.append({"environment": name, "what": what, "median": statistics.median(seconds), "best": min(seconds)})
        say(f"{what}, warm cache: {statistics.median(seconds):.2f} s (best {min(seconds):.2f} s)")
    return rows
