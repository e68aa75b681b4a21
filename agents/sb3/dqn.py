"""Deep Q-learning (Mnih et al. 2015) by Stable-Baselines3; see `agents.sb3`."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gymnasium import spaces
from stable_baselines3 import DQN

from agents.sb3 import learner, parts
from agents.sb3.policy import SB3Policy
from rlkit.learning import training


@dataclass(frozen=True)
class Config:
    """A recipe. Budgets are in steps, never in seconds."""

    total_steps: int = 500_000  # environment transitions to train for
    num_envs: int = 8  # copies stepped together
    train_frequency: int = 16  # steps of every copy between updates
    gradient_steps: int = 32  # of an update; -1: one for each transition collected
    minibatch_size: int = 128  # transitions a gradient step
    buffer_size: int = 100_000  # transitions that replay holds
    learning_starts: int = 5_000  # transitions of random play before the first update
    hindsight_goals: int = 4  # goal environments: hindsight for each real goal (HER); 0: none, flat obs
    learning_rate: float = 5e-4  # Adam's
    learning_rate_schedule: Literal["constant", "linear"] = "constant"  # linear: falls to 0 at total_steps
    gamma: float = 0.99  # discount a step
    target_update_rate: float = 1.0  # share of the way that the target network moves at an update
    target_update_interval: int = 1_000  # transitions between updates of the target network
    initial_epsilon: float = 1.0  # share of random actions at the start
    final_epsilon: float = 0.05  # … and from exploration_fraction on
    exploration_fraction: float = 0.2  # of total_steps over which epsilon falls linearly
    max_grad_norm: float = 10.0  # gradients are scaled down to this norm
    hidden_sizes: tuple[int, ...] = (128, 128)  # of the perceptrons
    activation: Literal["tanh", "relu", "silu"] = "relu"  # of the perceptrons
    level: str = "standard"  # preset of the environment's params
    params: dict[str, float] = field(default_factory=dict)  # changes to single params
    log_interval: int = 1_000  # steps between rows of figures, at least
    eval_interval: int = 25_000  # steps between evaluations; 0: never, and the last policy is kept
    eval_episodes: int = 100  # episodes of an evaluation
    checkpoint_interval: int = 250_000  # steps between checkpoints
    picture_interval: int = 0  # steps between animated episodes in TensorBoard; 0: none
    threads: int = 1  # that step the environment
    torch_threads: int = 1  # that multiply matrices; more is slower beside any other work
    device: str = "cpu"  # or cuda, mps

    def __post_init__(self) -> None:
        training.check_at_least_one(
            self, "total_steps", "num_envs", "train_frequency", "target_update_interval", "minibatch_size",
            "log_interval", "checkpoint_interval",
        )  # fmt: skip


def make_model(environment: Any, config: Config, env: Any, seed: int) -> DQN:
    """Return SB3's DQN as a config describes it."""
    parts.check_actions("sb3-dqn", env.action_space, spaces.Discrete)
    return DQN(
        parts.policy_class(DQN, env.observation_space), env, seed=seed, device=config.device,
        gradient_steps=config.gradient_steps, train_freq=config.train_frequency, batch_size=config.minibatch_size,
        learning_rate=parts.schedule(config.learning_rate, config.learning_rate_schedule),
        gamma=config.gamma, tau=config.target_update_rate, policy_kwargs=parts.network(config),
        target_update_interval=config.target_update_interval, exploration_initial_eps=config.initial_epsilon,
        exploration_final_eps=config.final_epsilon, exploration_fraction=config.exploration_fraction,
        max_grad_norm=config.max_grad_norm, **parts.replay(environment, config, env),
    )  # fmt: skip


def train(environment: Any, config: Config, run: Any, checkpoint: Any = None) -> SB3Policy:
    """Train until the budget is spent or `run.stop_requested`; the arguments are those of `agents.ppo.train`."""
    return learner.train(environment, config, run, checkpoint, make_model)


def load(run: Any, environment: Any, params: Any = None) -> SB3Policy:
    """Return the best policy of the newest checkpoint of `run`, or the last; see `agents.ppo.load`."""
    return learner.load(run, environment, params, Config, DQN)
