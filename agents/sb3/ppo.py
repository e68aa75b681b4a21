"""Proximal policy optimisation (Schulman et al. 2017) by Stable-Baselines3; see `agents.sb3`."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gymnasium import spaces
from stable_baselines3 import PPO

from agents.sb3 import learner, parts
from agents.sb3.policy import SB3Policy
from rlkit.learning import training


@dataclass(frozen=True)
class Config:
    """A recipe. Budgets are in steps, never in seconds."""

    total_steps: int = 1_000_000  # environment transitions to train for
    num_envs: int = 64  # copies stepped together
    num_steps: int = 64  # steps of every copy in a rollout
    num_epochs: int = 4  # passes over each rollout
    minibatch_size: int = 1024  # transitions a gradient step
    learning_rate: float = 1e-3  # Adam's
    learning_rate_schedule: Literal["constant", "linear"] = "linear"  # linear: falls to 0 at total_steps
    clip_range: float = 0.2  # of the probability ratio
    clip_range_schedule: Literal["constant", "linear"] = "constant"  # linear: falls to 0 at total_steps
    target_kl: float | None = None  # end a rollout's epochs when the approximate KL passes 1.5 × this
    gamma: float = 0.99  # discount a step
    gae_lambda: float = 0.95  # λ of the advantage estimates
    normalize_advantages: bool = True  # per minibatch
    entropy_coef: float = 0.0  # weight of the entropy bonus
    value_coef: float = 0.5  # weight of the value loss
    max_grad_norm: float = 0.5  # gradients are scaled down to this norm
    hidden_sizes: tuple[int, ...] = (64, 64)  # of the perceptrons
    activation: Literal["tanh", "relu", "silu"] = "tanh"  # of the perceptrons
    level: str = "standard"  # preset of the environment's params
    params: dict[str, float] = field(default_factory=dict)  # changes to single params
    log_interval: int = 1_000  # steps between rows of figures, at least
    eval_interval: int = 100_000  # steps between evaluations; 0: never, and the last policy is kept
    eval_episodes: int = 100  # episodes of an evaluation
    checkpoint_interval: int = 500_000  # steps between checkpoints
    picture_interval: int = 0  # steps between animated episodes in TensorBoard; 0: none
    threads: int = 1  # that step the environment
    torch_threads: int = 1  # that multiply matrices; more is slower beside any other work
    device: str = "cpu"  # or cuda, mps

    def __post_init__(self) -> None:
        training.check_at_least_one(
            self, "total_steps", "num_envs", "num_steps", "num_epochs", "minibatch_size",
            "log_interval", "checkpoint_interval",
        )  # fmt: skip


def make_model(environment: Any, config: Config, env: Any, seed: int) -> PPO:
    """Return SB3's PPO as a config describes it."""
    parts.check_actions("sb3-ppo", env.action_space, spaces.Discrete, spaces.MultiDiscrete, spaces.Box)
    return PPO(
        parts.policy_class(PPO, env.observation_space), env, seed=seed, device=config.device,
        n_steps=config.num_steps, batch_size=config.minibatch_size, n_epochs=config.num_epochs,
        learning_rate=parts.schedule(config.learning_rate, config.learning_rate_schedule),
        clip_range=parts.schedule(config.clip_range, config.clip_range_schedule), target_kl=config.target_kl,
        gamma=config.gamma, gae_lambda=config.gae_lambda, normalize_advantage=config.normalize_advantages,
        ent_coef=config.entropy_coef, vf_coef=config.value_coef, max_grad_norm=config.max_grad_norm,
        policy_kwargs=parts.network(config),
    )  # fmt: skip


def train(environment: Any, config: Config, run: Any, checkpoint: Any = None) -> SB3Policy:
    """Train until the budget is spent or `run.stop_requested`; the arguments are those of `agents.ppo.train`."""
    return learner.train(environment, config, run, checkpoint, make_model)


def load(run: Any, environment: Any, params: Any = None) -> SB3Policy:
    """Return the best policy of the newest checkpoint of `run`, or the last; see `agents.ppo.load`."""
    return learner.load(run, environment, params, Config, PPO)
