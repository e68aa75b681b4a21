"""The two sides of `rlkit bench train cartpole --agent dqn`: settings, ours, Stable-Baselines3's.

rl-baselines3-zoo's settings for CartPole-v1: 128 gradient steps for every 256 transitions, of one copy as there,
and of eight. What SB3 lacks (double, dueling, n-step, priorities) is off on our side, too.
"""

from typing import Any

EVAL_INTERVAL = 2_560  # steps
WARM_UP = 2_560  # steps before the clock runs: both have begun to learn
SB3_STEPS = 50_000  # its budget to solve the task

SETTINGS: dict[str, dict[str, Any]] = {
    "zoo 1 × 256": {"num_envs": 1, "train_frequency": 256},
    "zoo 8 × 32": {"num_envs": 8, "train_frequency": 32},
}
SOLVED_WITH = "zoo 1 × 256"
SHARED: dict[str, Any] = {
    "gradient_steps": 128, "learning_rate": 2.3e-3, "buffer_size": 100_000, "learning_starts": 1_000, "gamma": 0.99,
    "target_update_interval": 10, "exploration_fraction": 0.16,
}  # fmt: skip


def our_config(setting: dict[str, Any]) -> Any:
    """Return our Config of one of the settings."""
    from agents import dqn

    return dqn.Config(
        **setting, **SHARED, total_steps=50_000, minibatch_size=64, final_epsilon=0.04, hidden_sizes=(256, 256),
        n_step=1, double=False, dueling=False, prioritized=False, max_grad_norm=10.0, eval_interval=0,
    )  # fmt: skip


def iterate(learner: Any) -> None:
    """Collect and learn once."""
    from agents import dqn

    dqn.collect(learner)
    if dqn.is_learning(learner):
        dqn.update(learner)


def sb3_model(setting: dict[str, Any], seed: int) -> Any:
    """Return SB3's DQN on Gymnasium's CartPole-v1 with the same settings."""
    import torch
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_vec_env

    torch.set_num_threads(1)
    shared = {name: value for name, value in SHARED.items() if name != "gradient_steps"}
    return DQN(
        "MlpPolicy", make_vec_env("CartPole-v1", n_envs=setting["num_envs"], seed=seed), seed=seed, device="cpu",
        train_freq=setting["train_frequency"], gradient_steps=SHARED["gradient_steps"], batch_size=64,
        exploration_final_eps=0.04, policy_kwargs={"net_arch": [256, 256]}, max_grad_norm=10.0, **shared,
    )  # fmt: skip
