"""The two sides of `rlkit bench train cartpole --agent ppo`: settings, ours, Stable-Baselines3's."""

from typing import Any

EVAL_INTERVAL = 10_000  # steps
WARM_UP = 0  # steps before the clock runs
SB3_STEPS = 100_000  # its budget to solve the task

# rl-baselines3-zoo's tuned CartPole-v1, and a wide setting for machines with fast environments.
SETTINGS: dict[str, dict[str, Any]] = {
    "zoo 8 × 32": {"num_envs": 8, "num_steps": 32, "minibatch_size": 256, "num_epochs": 20},
    "wide 64 × 64": {"num_envs": 64, "num_steps": 64, "minibatch_size": 1024, "num_epochs": 4},
}
SOLVED_WITH = "zoo 8 × 32"
SHARED: dict[str, Any] = {"gamma": 0.98, "gae_lambda": 0.8, "learning_rate": 1e-3, "clip_range": 0.2}


def our_config(setting: dict[str, Any]) -> Any:
    """Return our Config of one of the settings."""
    from agents import ppo

    return ppo.Config(**setting, **SHARED, total_steps=10**9, eval_interval=0)


def iterate(learner: Any) -> None:
    """Collect and learn once."""
    from agents import ppo

    _, last_values = ppo.collect(learner)
    config = learner.config
    ppo.update(learner, learner.rollout.advantages(last_values, config.gamma, config.gae_lambda))


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
