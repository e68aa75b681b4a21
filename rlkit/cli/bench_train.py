"""Training speed and time to solve on CartPole, ours beside Stable-Baselines3's, one thread each.

The settings of both sides, and what an iteration is, are in `bench_ppo` and `bench_dqn`.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from typing import Any

SOLVED = 475.0  # mean greedy return over 100 fresh episodes


def bench_training(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure both parts, printing a line a figure as it comes."""
    from rlkit.cli.bench import _printer

    say = _printer(options.json)
    with_peer, task = options.against == "sb3", _task(options.agent)
    rows = []
    for name, setting in task.SETTINGS.items():
        ours, theirs = [], []
        for _ in range(options.repeats):  # turn by turn, so that other work on the machine meets both
            ours.append(our_rate(options.agent, setting))
            if with_peer:
                theirs.append(sb3_rate(options.agent, setting))
        rows.append({"what": name, "ours": statistics.median(ours)})
        line = f"{name}, collection and update: ours {statistics.median(ours):,.0f} steps/s"
        if with_peer:
            rows[-1] |= {
                "sb3": statistics.median(theirs),
                "ratio": statistics.median(ours) / statistics.median(theirs),
            }
            line += f", SB3 {rows[-1]['sb3']:,.0f}: {rows[-1]['ratio']:.2f} ×"
        say(line)
    if options.seeds:
        rows += _time_to_solve(say, options.agent, options.seeds, ["ours", "sb3"] if with_peer else ["ours"])
    return rows


def _task(agent: str) -> Any:
    """Return the module with an agent's settings on both sides."""
    from rlkit.cli import bench_dqn, bench_ppo

    return {"ppo": bench_ppo, "dqn": bench_dqn}[agent]


def _time_to_solve(say: Any, agent: str, num_seeds: int, sides: list[str]) -> list[dict[str, Any]]:
    rows = []
    for seed in range(num_seeds):
        for side in sides:
            begin = time.time()
            done = subprocess.run(
                [sys.executable, "-m", "rlkit.cli.bench_train", agent, side, str(seed), repr(begin)],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            row = json.loads(done.stdout.splitlines()[-1])
            rows.append({"what": "process start to solved", "side": side, "seed": seed, **row})
            say(f"seed {seed} {side}: solved after {row['seconds']:.2f} s ({row['steps']:,} steps)")
    for side in sides:
        seconds = [row["seconds"] for row in rows if row["side"] == side]
        say(f"process start to solved, median of {num_seeds}: {side} {statistics.median(seconds):.2f} s")
        rows.append({"what": "median seconds to solved", "side": side, "seconds": statistics.median(seconds)})
    return rows


# --- steps a second ---------------------------------------------------------------------------------------------


def _our_learner(agent: str, config: Any, seed: int) -> Any:
    """Return our agent's Learner on our CartPole."""
    import torch

    from rlkit.registry import find_agent, find_environment

    torch.set_num_threads(1)
    return find_agent(agent).Learner(find_environment("cartpole"), config, seed)


def our_rate(agent: str, setting: dict[str, Any]) -> float:
    """Return steps/s of our agent over about four seconds."""
    task = _task(agent)
    learner = _our_learner(agent, task.our_config(setting), seed=0)
    while learner.total_steps <= task.WARM_UP:
        task.iterate(learner)
    begin, start = time.perf_counter(), learner.total_steps
    while time.perf_counter() - begin < 4:
        task.iterate(learner)
    return (learner.total_steps - start) / (time.perf_counter() - begin)


def sb3_rate(agent: str, setting: dict[str, Any]) -> float:
    """Return steps/s of SB3's agent over about four seconds."""
    from stable_baselines3.common.callbacks import BaseCallback

    task = _task(agent)

    class Until(BaseCallback):
        """Ends the learning after four seconds, counted from the first rollout after the warm-up."""

        begin = start = 0.0

        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            if self.num_timesteps > task.WARM_UP and not self.begin:
                self.begin, self.start = time.perf_counter(), self.num_timesteps
            elif self.begin and time.perf_counter() - self.begin > 4:
                self.rate = (self.num_timesteps - self.start) / (time.perf_counter() - self.begin)
                raise StopIteration

    until = Until()
    with contextlib.suppress(StopIteration):
        task.sb3_model(setting, seed=0).learn(10**6, callback=until)
    return until.rate


# --- process start to solved, each in a process of its own ------------------------------------------------------


def solve(agent: str, side: str, seed: int, begin: float) -> dict[str, float]:
    """Train until the greedy mean is ≥ 475; return seconds since `begin` less evaluation, and steps."""
    return (_solve_ours if side == "ours" else _solve_sb3)(_task(agent), agent, seed, begin)


def _greedy_mean(policy: Any, seed: int) -> float:
    from rlkit.evaluation import run_episodes
    from rlkit.registry import find_environment

    return float(run_episodes(find_environment("cartpole"), policy, 100, 10_000 + seed).returns.mean())


def _solve_ours(task: Any, agent: str, seed: int, begin: float) -> dict[str, float]:
    from rlkit.registry import find_environment

    config = find_environment("cartpole").recipes[agent]
    learner = _our_learner(agent, config, seed)
    evaluating, next_evaluation = 0.0, task.EVAL_INTERVAL
    while learner.total_steps < config.total_steps:
        task.iterate(learner)
        if learner.total_steps >= next_evaluation:
            next_evaluation += task.EVAL_INTERVAL
            start = time.time()
            mean = _greedy_mean(learner.policy, learner.total_steps)
            evaluating += time.time() - start
            if mean >= SOLVED:
                return {"seconds": time.time() - begin - evaluating, "steps": learner.total_steps}
    return {"seconds": float("inf"), "steps": config.total_steps}


def _solve_sb3(task: Any, agent: str, seed: int, begin: float) -> dict[str, float]:
    from stable_baselines3.common.callbacks import BaseCallback

    from agents.sb3.policy import SB3Policy

    class Watch(BaseCallback):
        """Takes the greedy score every `EVAL_INTERVAL` steps, at the end of a rollout."""

        evaluating = 0.0
        next_evaluation = task.EVAL_INTERVAL

        def _on_step(self) -> bool:
            return not solved

        def _on_rollout_start(self) -> None:
            if self.num_timesteps < self.next_evaluation or solved:
                return
            self.next_evaluation += task.EVAL_INTERVAL
            start = time.time()
            mean = _greedy_mean(SB3Policy(model.policy), self.num_timesteps)
            self.evaluating += time.time() - start
            if mean >= SOLVED:
                solved.update(seconds=time.time() - begin - self.evaluating, steps=self.num_timesteps)

    solved: dict[str, float] = {}
    model = task.sb3_model(task.SETTINGS[task.SOLVED_WITH], seed)
    model.learn(task.SB3_STEPS, callback=Watch())
    return solved or {"seconds": float("inf"), "steps": task.SB3_STEPS}


if __name__ == "__main__":
    print(json.dumps(solve(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
