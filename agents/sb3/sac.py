"""Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905) by Stable-Baselines3; see `agents.sb3`."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gymnasium import spaces
from stable_baselines3 import SAC

from agents.sb3 import learner, parts
from agents.sb3.policy import SB3Policy
from rlkit.learning import training


@dataclass(frozen=True)
class Config:
    """A recipe. Budgets are in steps, never in seconds."""

    total_steps: int = 100_000  # environment transitions to train for
    num_envs: int = 4  # copies stepped together
    train_frequency: int = 1  # steps of every copy between updates
    gradient_steps: int = -1  # of an update; -1: one for each transition collected
    minibatch_size: int = 256  # transitions a gradient step
    buffer_size: int = 200_000  # transitions that replay holds
    learning_starts: int = 1_000  # transitions of random play before the first update
    hindsight_goals: int = 4  # goal environments: hindsight for each real goal (HER); 0: none, flat obs
    learning_rate: float = 1e-3  # Adam's
    learning_rate_schedule: Literal["constant", "linear"] = "constant"  # linear: falls to 0 at total_steps
    gamma: float = 0.99  # discount a step
    target_update_rate: float = 0.005  # share of the way that the target network moves at an update
    entropy_coef: float | None = None  # weight of the entropy; None: learned, so that the entropy is that of SAC's rule
    hidden_sizes: tuple[int, ...] = (256, 256)  # of the perceptrons
    activation: Literal["tanh", "relu", "silu"] = "relu"  # of the perceptrons
    level: str = "standard"  # preset of the environment's params
    params: dict[str, float] = field(default_factory=dict)  # changes to single params
    log_interval: int = 500  # steps between rows of figures, at least
    eval_interval: int = 5_000  # steps between evaluations; 0: never, and the last policy is kept
    eval_episodes: int = 100  # episodes of an evaluation
    checkpoint_interval: int = 25_000  # steps between checkpoints
    picture_interval: int = 0  # steps between animated episodes in TensorBoard; 0: none
    threads: int = 1  # that step the environment
    torch_threads: int = 1  # that multiply matrices; more is slower beside any other work
    device: str = "cpu"  # or cuda, mps

    def __post_init__(self) -> None:
        training.check_at_least_one(
            self, "total_steps", "num_envs", "train_frequency", "minibatch_size",
            "log_interval", "checkpoint_interval",
        )  # fmt: skip


def make_model(environment: Any, config: Config, env: Any, seed: int) -> SAC:
    """Return SB3's SAC as a config describes it."""
    parts.check_actions("sb3-sac", env.action_space, spaces.Box)
    return SAC(
        parts.policy_class(SAC, env.observation_space), env, seed=seed, device=config.device,
        gradient_steps=config.gradient_steps, train_freq=config.train_frequency, batch_size=config.minibatch_size,
        learning_rate=parts.schedule(config.learning_rate, config.learning_rate_schedule),
        gamma=config.gamma, tau=config.target_update_rate, policy_kwargs=parts.network(config),
        ent_coef="auto" if config.entropy_coef is None else config.entropy_coef,
        **parts.replay(environment, config, env),
    )  # fmt: skip


def train(environment: Any, config: Config, run: Any, checkpoint: Any = None) -> SB3Policy:
    """Train until the budget is spent or `run.stop_requested`; the arguments are those of `agents.ppo.train`."""
    return learner.train(environment, config, run, checkpoint, make_model)


def load(run: Any, environment: Any, params: Any = None) -> SB3Policy:
    """Return the best policy of the newest checkpoint of `run`, or the last; see `agents.ppo.load`."""
    return learner.load(run, environment, params, Config, SAC)
