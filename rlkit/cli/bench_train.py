"""Training speed and time to solve on CartPole, ours beside Stable-Baselines3's PPO, one thread each."""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from typing import Any

EVAL_INTERVAL = 10_000  # steps
SOLVED = 475.0  # mean greedy return over 100 fresh episodes

# rl-baselines3-zoo's tuned CartPole-v1, and a wide setting for machines with fast environments.
SETTINGS: dict[str, dict[str, Any]] = {
    "zoo 8 × 32": {"num_envs": 8, "num_steps": 32, "minibatch_size": 256, "num_epochs": 20},
    "wide 64 × 64": {"num_envs": 64, "num_steps": 64, "minibatch_size": 1024, "num_epochs": 4},
}
SHARED: dict[str, Any] = {"gamma": 0.98, "gae_lambda": 0.8, "learning_rate": 1e-3, "clip_range": 0.2}


def bench_training(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure both parts, printing a line a figure as it comes."""
    from rlkit.cli.bench import _printer

    say = _printer(options.json)
    with_peer = options.against == "sb3"
    rows = []
    for name, setting in SETTINGS.items():
        ours, theirs = [], []
        for _ in range(options.repeats):  # turn by turn, so that other work on the machine meets both
            ours.append(our_rate(setting))
            if with_peer:
                theirs.append(sb3_rate(setting))
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
        rows += _time_to_solve(say, options.seeds, ["ours", "sb3"] if with_peer else ["ours"])
    return rows


def _time_to_solve(say: Any, num_seeds: int, sides: list[str]) -> list[dict[str, Any]]:
    rows = []
    for seed in range(num_seeds):
        for side in sides:
            begin = time.time()
            done = subprocess.run(
                [sys.executable, "-m", "rlkit.cli.bench_train", side, str(seed), repr(begin)],
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


def our_rate(setting: dict[str, Any]) -> float:
    """Return steps/s of our PPO over about four seconds."""
    import torch

    from agents import ppo
    from rlkit.registry import find_environment

    torch.set_num_threads(1)
    config = ppo.Config(**setting, **SHARED, total_steps=10**9, eval_interval=0)
    learner = ppo.Learner(find_environment("cartpole"), config, seed=0)

    def iterate() -> None:
        _, last_values = ppo.collect(learner)
        ppo.update(learner, learner.rollout.advantages(last_values, config.gamma, config.gae_lambda))

    iterate()
    begin, start = time.perf_counter(), learner.total_steps
    while time.perf_counter() - begin < 4:
        iterate()
    return (learner.total_steps - start) / (time.perf_counter() - begin)


def sb3_model(setting: dict[str, Any], seed: int) -> Any:
    """Return SB3's PPO on Gymnasium's CartPole-v1 with the same settings."""
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    torch.set_num_threads(1)
    return PPO(
        "MlpPolicy", make_vec_env("CartPole-v1", n_envs=setting["num_envs"], seed=seed), seed=seed, device="cpu",
        n_steps=setting["num_steps"], batch_size=setting["minibatch_size"], n_epochs=setting["num_epochs"],
        gamma=SHARED["gamma"], gae_lambda=SHARED["gae_lambda"], ent_coef=0.0,
        learning_rate=lambda remaining: 1e-3 * remaining, clip_range=lambda remaining: 0.2 * remaining,
    )  # fmt: skip


def sb3_rate(setting: dict[str, Any]) -> float:
    """Return steps/s of SB3's PPO over about four seconds."""
    from stable_baselines3.common.callbacks import BaseCallback

    class Until(BaseCallback):
        """Ends the learning after four seconds, counted from the second rollout."""

        begin = start = 0.0

        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            if self.num_timesteps and not self.begin:
                self.begin, self.start = time.perf_counter(), self.num_timesteps
            elif self.begin and time.perf_counter() - self.begin > 4:
                self.rate = (self.num_timesteps - self.start) / (time.perf_counter() - self.begin)
                raise StopIteration

    until = Until()
    with contextlib.suppress(StopIteration):
        sb3_model(setting, seed=0).learn(10**9, callback=until)
    return until.rate


# --- process start to solved, each in a process of its own ------------------------------------------------------


def solve(side: str, seed: int, begin: float) -> dict[str, float]:
    """Train until the greedy mean is ≥ 475; return seconds since `begin` less evaluation, and steps."""
    return _solve_ours(seed, begin) if side == "ours" else _solve_sb3(seed, begin)


def _greedy_mean(policy: Any, seed: int) -> float:
    from rlkit.evaluation import run_episodes
    from rlkit.registry import find_environment

    return float(run_episodes(find_environment("cartpole"), policy, 100, 10_000 + seed).returns.mean())


def _solve_ours(seed: int, begin: float) -> dict[str, float]:
    import torch

    from agents import ppo
    from rlkit.registry import find_environment

    torch.set_num_threads(1)
    environment = find_environment("cartpole")
    config = environment.recipes["ppo"]
    learner = ppo.Learner(environment, config, seed)
    evaluating, next_evaluation = 0.0, EVAL_INTERVAL
    while learner.total_steps < config.total_steps:
        _, last_values = ppo.collect(learner)
        ppo.update(learner, learner.rollout.advantages(last_values, config.gamma, config.gae_lambda))
        if learner.total_steps >= next_evaluation:
            next_evaluation += EVAL_INTERVAL
            start = time.time()
            mean = _greedy_mean(learner.policy, learner.total_steps)
            evaluating += time.time() - start
            if mean >= SOLVED:
                return {"seconds": time.time() - begin - evaluating, "steps": learner.total_steps}
    return {"seconds": float("inf"), "steps": config.total_steps}


def _solve_sb3(seed: int, begin: float) -> dict[str, float]:
    from stable_baselines3.common.callbacks import BaseCallback

    class Watch(BaseCallback):
        """Takes the greedy score every `EVAL_INTERVAL` steps, at the end of a rollout."""

        evaluating = 0.0
        next_evaluation = EVAL_INTERVAL

        def _on_step(self) -> bool:
            return not solved

        def _on_rollout_start(self) -> None:
            if self.num_timesteps < self.next_evaluation or solved:
                return
            self.next_evaluation += EVAL_INTERVAL
            start = time.time()
            mean = _greedy_mean(SB3Policy(), self.num_timesteps)
            self.evaluating += time.time() - start
            if mean >= SOLVED:
                solved.update(seconds=time.time() - begin - self.evaluating, steps=self.num_timesteps)

    class SB3Policy:
        """SB3's model under our evaluator."""

        def act(self, obs: Any, action_mask: Any = None, deterministic: bool = True) -> Any:
            return model.predict(obs, deterministic=deterministic)[0]

    solved: dict[str, float] = {}
    model = sb3_model(SETTINGS["zoo 8 × 32"], seed)
    model.learn(100_000, callback=Watch())
    return solved or {"seconds": float("inf"), "steps": 100_000}


if __name__ == "__main__":
    print(json.dumps(solve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
