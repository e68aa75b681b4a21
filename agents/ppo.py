"""Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347), the clipped objective.

What differs from the paper, or is not in it:

1. Advantages are GAE (Schulman et al. 2016), normalised per minibatch; Adam's epsilon is 1e-5; orthogonal
   initialisation, with gain 0.01 for the policy's last layer (as in OpenAI's baselines).
2. A truncated episode bootstraps the value of its last observation; a terminated one does not. They are never
   merged.
3. Two-player self-play (`opponent="self"`): both sides learn from every ply; the next value and the accumulated
   advantage are negated where the side to move changes. `opponent="pool"` plays against past selves instead.
4. The best policy by evaluation is kept beside the last. Evaluation draws from its own generators.
5. Schedules, evaluations, checkpoints and the end depend on steps only, so a resumed run is the same run.
"""

import math
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor, nn

from rlkit.evaluation import Judge
from rlkit.learning import saving, training
from rlkit.learning.actor_critic import ActorCritic, NetworkPolicy, flat_obs, flat_obs_shape, in_space
from rlkit.learning.buffers import Batch, Rollout
from rlkit.learning.networks import NormalizedLinear
from rlkit.learning.normalize import ReturnScale, RunningMoments
from rlkit.learning.past_selves import PastSelves
from rlkit.registry import make_batch
from rlkit.viewing.episode import episode_gif


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
    normalize_advantages: bool = True  # per minibatch; not where most are near 0, as between equal players
    entropy_coef: float = 0.0  # weight of the entropy bonus
    entropy_coef_schedule: Literal["constant", "linear"] = "constant"  # linear: falls to 0 at total_steps
    value_coef: float = 0.5  # weight of the value loss
    max_grad_norm: float = 0.5  # gradients are scaled down to this norm
    normalize_obs: bool = False  # by running mean and variance
    normalize_returns: bool = False  # rewards over the running deviation of returns
    normalize_values: bool = False  # learn values less their running mean, over their deviation (PopArt)
    initial_log_std: float = 0.0  # of continuous actions
    learn_std: bool = True  # of continuous actions; False: initial_log_std stays
    network: Literal["mlp", "board", "rows"] = "mlp"  # board: a convolution first; rows: the same for each of a list
    hidden_sizes: tuple[int, ...] = (64, 64)  # of the perceptrons; board, rows: the first is the width of layers
    activation: Literal["tanh", "relu", "silu"] = "tanh"  # of the perceptrons
    channels: int = 64  # board: of the convolution
    kernel_size: int = 4  # board: rows and columns of the convolution's windows
    num_layers: int = 1  # board, rows: layers with skip connections after the first of hidden_sizes
    opponent: str = "self"  # games of two: self, pool (of past selves), random, a yardstick's policy, a run
    pool_size: int = 8  # opponent=pool: past selves in the pool
    pool_interval: int = 200_000  # opponent=pool: steps between additions to it
    level: str = "standard"  # preset of the environment's params
    params: dict[str, float] = field(default_factory=dict)  # changes to single params
    eval_interval: int = 100_000  # steps between evaluations; 0: never, and the last policy is kept
    eval_episodes: int = 100  # episodes of an evaluation
    checkpoint_interval: int = 500_000  # steps between checkpoints
    picture_interval: int = 1_000_000  # steps between animated episodes in TensorBoard; 0: none
    threads: int = 1  # that step the environment
    torch_threads: int = 1  # that multiply matrices; more is slower beside any other work
    device: str = "cpu"  # or cuda, mps

    def __post_init__(self) -> None:
        training.check_at_least_one(
            self, "total_steps", "num_envs", "num_steps", "num_epochs", "minibatch_size", "checkpoint_interval"
        )
        if self.opponent == "pool" and self.normalize_obs:
            raise ValueError("normalize_obs cannot be combined with opponent=pool; leave one of them out")
        if self.network == "rows" and self.normalize_obs:
            raise ValueError("normalize_obs cannot be combined with network=rows; leave one of them out")
        if self.rollout_size % self.minibatch_size:
            raise ValueError(
                f"minibatch_size={self.minibatch_size} must divide num_envs × num_steps = {self.rollout_size}"
            )

    @property
    def rollout_size(self) -> int:
        """Transitions in a rollout."""
        return self.num_envs * self.num_steps


class Learner:
    """Everything that decides the future of a training: what a checkpoint holds."""

    def __init__(self, environment: Any, config: Config, seed: int):
        training.check_device(config.device)
        self.environment, self.config, self.seed = environment, config, seed
        self.total_steps, self.best_score = 0, -math.inf
        self.pool = PastSelves(config.num_envs, config.pool_size) if config.opponent == "pool" else None
        self.env = make_batch(
            environment, config.num_envs, autoreset_mode=AutoresetMode.SAME_STEP, episode_stats=True,
            copy=False, threads=config.threads,
            **training.env_options(environment, config, self.pool or config.opponent),
        )  # fmt: skip
        self.spaces = (self.env.single_observation_space, self.env.single_action_space)
        shape = flat_obs_shape(self.spaces[0])
        torch.manual_seed(seed)  # for the initial weights; all later draws are from `generator`
        self.network = training.actor_critic(*self.spaces, config)
        self.best = deepcopy(self.network)
        self.generator = torch.Generator(config.device).manual_seed(seed)
        self.optimizer = torch.optim.Adam(self.network.parameters(), config.learning_rate, eps=1e-5, fused=True)
        self.moments: dict[str, RunningMoments] = {"obs": RunningMoments(shape)} if config.normalize_obs else {}
        self.return_scale = ReturnScale(config.num_envs, config.gamma) if config.normalize_returns else None
        if self.return_scale is not None:
            self.moments["return"] = self.return_scale.moments
        self.best_moments = deepcopy(self.moments.get("obs"))  # the best policy's own: the others go on changing
        self.best_value_scale = self.value_scale
        self.policy = self.policy_of(self.network, self.moments.get("obs"))
        if self.pool is not None:
            self.pool.add(0, self.frozen())
        self.obs, self.info = self.env.reset(seed=seed)
        self.rollout = Rollout((config.num_steps, config.num_envs), shape, self.spaces[1], config.device)

    @property
    def value_scale(self) -> float:
        """Reward units of the network's value of 1, as it stands."""
        return 1.0 if self.return_scale is None else self.return_scale.deviation

    def policy_of(self, network: ActorCritic, moments: RunningMoments | None, value_scale: float = 1) -> NetworkPolicy:
        """Return a policy that acts with `network` on observations normalised by `moments`."""
        return NetworkPolicy(network, moments, *self.spaces, self.seed, self.config.gamma, value_scale)

    def frozen(self) -> NetworkPolicy:
        """Return the present policy as one that learns no more."""
        return self.policy_of(deepcopy(self.network), None)

    def crosses(self, interval: int) -> bool:
        """Return whether the rollout just collected passed a multiple of `interval` steps (0: never)."""
        return training.crosses(self.total_steps, self.config.rollout_size, interval)

    def checkpoint(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (tensors, facts)."""
        tensors: dict[str, Any] = {"generator": self.generator.get_state()}
        tensors |= saving.prefixed("network", self.network.state_dict())
        tensors |= saving.prefixed("best", self.best.state_dict())
        tensors |= saving.prefixed("optimizer", saving.optimizer_tensors(self.optimizer, self.network))
        tensors |= saving.prefixed("env", saving.env_tensors(self.env))
        for name, moments in self.moments.items():
            tensors |= saving.prefixed(f"moments.{name}", moments.arrays())
        if self.best_moments is not None:
            tensors |= saving.prefixed("best_moments", self.best_moments.arrays())
        if self.return_scale is not None:
            tensors["running_returns"] = self.return_scale.running_returns
        if self.pool is not None:
            tensors |= saving.prefixed("pool", self.pool.tensors())
        best_score = self.best_score if math.isfinite(self.best_score) else None
        facts = {"total_steps": self.total_steps, "best_score": best_score}
        return tensors, facts | {"value_scale": self.value_scale, "best_value_scale": self.best_value_scale}

    def restore(self, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take back what `checkpoint` gave."""
        self.total_steps = facts["total_steps"]
        self.best_score = -math.inf if facts["best_score"] is None else facts["best_score"]
        self.best_value_scale = facts.get("best_value_scale", 1.0)  # runs of earlier versions have none
        self.generator.set_state(tensors["generator"])
        self.network.load_state_dict(saving.part(tensors, "network"))
        self.best.load_state_dict(saving.part(tensors, "best"))
        saving.restore_optimizer(self.optimizer, self.network, saving.part(tensors, "optimizer"))
        for name, moments in self.moments.items():
            moments.restore(saving.part(tensors, f"moments.{name}"))
        if self.best_moments is not None:
            self.best_moments.restore(saving.part(tensors, "best_moments"))
        if self.return_scale is not None:
            self.return_scale.running_returns = np.array(tensors["running_returns"])
        if self.pool is not None:
            self.pool.restore(saving.part(tensors, "pool"), self.frozen)
        self.obs, self.info = saving.restore_env(self.env, saving.part(tensors, "env"), self.seed + self.total_steps)


# --- the algorithm ----------------------------------------------------------------------------------------------


@torch.no_grad()
def collect(learner: Learner, step: Callable[[Any], tuple] | None = None) -> tuple[dict[str, float], Tensor]:
    """Fill the rollout with `num_steps` steps of every copy; return (episode figures, values after it [N]).

    `step` stands for the environment's own where rewards are not its own.
    """
    rollout, network, policy = learner.rollout, learner.network, learner.policy
    step = step or learner.env.step
    episodes: dict[str, list[np.ndarray]] = {}
    for t in range(learner.config.num_steps):
        if "obs" in learner.moments:
            learner.moments["obs"].update(flat_obs(learner.obs))
        obs = policy.tensor(learner.obs)
        rollout.obs[t].copy_(obs)
        masks = rollout.store_masks(t, learner.info.get("action_mask"))
        outputs, values = network(obs)
        chances = network.distribution(outputs, masks)
        actions = chances.sample(learner.generator)
        rollout.actions[t].copy_(actions)
        rollout.log_probs[t].copy_(chances.log_prob(actions))
        rollout.values[t].copy_(values)
        if "player" in learner.info:
            rollout.players[t] = learner.info["player"]
        learner.obs, rewards, terminated, truncated, learner.info = step(
            in_space(actions.cpu().numpy(), learner.spaces[1])
        )
        rollout.terminated[t], rollout.truncated[t] = terminated, truncated
        scale = learner.return_scale
        rollout.rewards[t] = rewards if scale is None else scale(rewards, terminated | truncated)
        if truncated.any():
            _store_finals(rollout, learner, t)
        training.note_episodes(episodes, learner.info)
    if "player" in learner.info:
        rollout.players[-1] = learner.info["player"]
    learner.total_steps += learner.config.rollout_size
    return training.episode_figures(episodes), network.value(policy.tensor(learner.obs))


def _store_finals(rollout: Rollout, learner: Learner, t: int) -> None:
    """Note the value (and mover) of the last observation of each truncated episode, in a batch of fixed shape."""
    finals, _ = training.last_of_episodes(learner.obs, learner.info)
    rollout.final_values[t] = learner.network.value(learner.policy.tensor(finals)).cpu().numpy()
    rollout.final_players[t] = learner.info["final_info"].get("player", 0)


def loss(
    network: ActorCritic, batch: Batch, config: Config, clip_range: float, entropy_coef: float
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the loss of a minibatch and (policy loss, value loss, entropy, log ratio [B]) for the log."""
    outputs, values = network(batch.obs)
    chances = network.distribution(outputs, batch.masks)
    log_ratio = chances.log_prob(batch.actions) - batch.log_probs
    ratio = log_ratio.exp()
    advantages = batch.advantages
    if config.normalize_advantages:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()
    value_loss = ((batch.returns - values) / network.value_deviation).square().mean()
    entropy = chances.entropy().mean()
    total = policy_loss + config.value_coef * value_loss - entropy_coef * entropy
    return total, (policy_loss.detach(), value_loss.detach(), entropy.detach(), log_ratio.detach())


def update(learner: Learner, advantages: np.ndarray) -> dict[str, float]:
    """Take `num_epochs` passes of gradient steps over the rollout; return figures for the log."""
    config, rollout, network = learner.config, learner.rollout, learner.network
    clip_range = config.clip_range * _remaining(learner, config.clip_range_schedule)
    entropy_coef = config.entropy_coef * _remaining(learner, config.entropy_coef_schedule)
    learner.optimizer.param_groups[0]["lr"] = config.learning_rate * _remaining(learner, config.learning_rate_schedule)
    obs, actions = rollout.obs.flatten(0, 1), rollout.actions.flatten(0, 1)
    masks = None if rollout.masks is None else rollout.masks.flatten(0, 1)
    flat_advantages = torch.from_numpy(advantages).to(rollout.obs.device).flatten()
    returns = flat_advantages + rollout.values.flatten()
    if isinstance(network.value_head, NormalizedLinear):
        network.value_head.follow(returns, rollout.values.flatten())
    block = Batch(obs, actions, masks, rollout.log_probs.flatten(), flat_advantages, returns)
    figures: list[tuple[Tensor, ...]] = []
    for _ in range(config.num_epochs):
        order = torch.randperm(config.rollout_size, generator=learner.generator, device=rollout.obs.device)
        shuffled = block.rows(order)
        for start in range(0, config.rollout_size, config.minibatch_size):
            batch = shuffled.rows(slice(start, start + config.minibatch_size))
            total, seen = loss(network, batch, config, clip_range, entropy_coef)
            learner.optimizer.zero_grad()
            total.backward()
            nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
            learner.optimizer.step()
            figures.append(seen)
        if config.target_kl is not None and _approximate_kl(figures[-1][3]) > 1.5 * config.target_kl:
            break
    return _update_figures(learner, figures, returns, clip_range)


def _approximate_kl(log_ratio: Tensor) -> float:
    return float((log_ratio.exp() - 1 - log_ratio).mean())  # Schulman's low-variance estimator


def _update_figures(
    learner: Learner, figures: list[tuple[Tensor, ...]], returns: Tensor, clip_range: float
) -> dict[str, float]:
    policy_loss, value_loss, entropy = (float(torch.stack([f[k] for f in figures]).mean()) for k in range(3))
    log_ratio = figures[-1][3]
    variance = float(returns.var())
    unexplained = float((returns - learner.rollout.values.flatten()).var())
    return {
        "train/policy_loss": policy_loss,
        "train/value_loss": value_loss,
        "train/entropy": entropy,
        "train/approx_kl": _approximate_kl(log_ratio),
        "train/clip_fraction": float(((log_ratio.exp() - 1).abs() > clip_range).float().mean()),
        "train/explained_variance": 1 - unexplained / variance if variance > 0 else math.nan,
        "train/learning_rate": learner.optimizer.param_groups[0]["lr"],
    }


def _remaining(learner: Learner, schedule: str) -> float:
    """Return the factor of a schedule: what remains of the budget before this rollout, or 1."""
    done = (learner.total_steps - learner.config.rollout_size) / learner.config.total_steps
    return max(0.0, 1.0 - done) if schedule == "linear" else 1.0


# --- training ---------------------------------------------------------------------------------------------------


def train(environment: Any, config: Config, run: Any, checkpoint: Any = None) -> NetworkPolicy:
    """Train until the budget is spent or `run.stop_requested`; return the best policy (the last, if none was judged).

    Args:
        environment: an `Environment` or an `ExternalEnvironment`.
        config: the recipe.
        run: an open `rlkit.run.Run`; its seed decides everything.
        checkpoint: one of the same run to go on from, or None to begin.
    """
    torch.set_num_threads(config.torch_threads)
    learner = Learner(environment, config, run.seed)
    if checkpoint is not None:
        learner.restore(checkpoint.tensors, checkpoint.facts)
    options = {"level": config.level, **config.params}
    judge = Judge(environment, config.eval_episodes, options) if config.eval_interval else None
    while learner.total_steps < config.total_steps and not run.stop_requested:
        start = time.perf_counter()
        figures, last_values = collect(learner)
        collected = time.perf_counter()
        advantages = learner.rollout.advantages(last_values, config.gamma, config.gae_lambda)
        figures |= update(learner, advantages)
        seconds = time.perf_counter() - start
        is_end = learner.total_steps >= config.total_steps
        if learner.pool is not None and learner.crosses(config.pool_interval):
            learner.pool.add(learner.total_steps, learner.frozen())
        if judge is not None and (learner.crosses(config.eval_interval) or is_end):
            figures |= evaluate(learner, judge)
        if config.picture_interval and environment.drawing and (learner.crosses(config.picture_interval) or is_end):
            run.log_gif(learner.total_steps, "rollout", episode_gif(environment, learner.policy, run.seed, options))
        timing = {
            "time/steps_per_second": config.rollout_size / seconds,
            "time/collect_share": (collected - start) / seconds,
        }
        run.log(learner.total_steps, figures, timing=timing)
        if run.progress is not None:
            run.progress.update(learner.total_steps, config.total_steps, figures)
        if learner.crosses(config.checkpoint_interval) or is_end or run.stop_requested:
            run.save(learner.total_steps, *learner.checkpoint())
    learner.env.close()
    if math.isfinite(learner.best_score):
        return learner.policy_of(learner.best, learner.best_moments, learner.best_value_scale)
    return learner.policy_of(learner.network, learner.moments.get("obs"), learner.value_scale)


def evaluate(learner: Learner, judge: Judge) -> dict[str, float]:
    """Score the present policy, keep it if it is the best so far, and return figures for the log."""
    candidate = learner.policy_of(learner.network, learner.moments.get("obs"))
    best = learner.policy_of(learner.best, learner.best_moments)
    figures, score, is_best = judge(candidate, best, learner.best_score)
    if is_best:
        learner.best_score = score
        learner.best.load_state_dict(learner.network.state_dict())
        learner.best_moments = deepcopy(learner.moments.get("obs"))
        learner.best_value_scale = learner.value_scale
    return figures


def load(run: Any, environment: Any, params: np.record | None = None, kind: type[Config] = Config) -> NetworkPolicy:
    """Return the best policy of the newest checkpoint of `run` (the last, if none was judged).

    Args:
        run: a `rlkit.run.Run`, or what stands for one.
        environment: what it was trained on.
        params: to act under; None: those it was trained under.
        kind: of the run's settings, for agents whose settings are more than these.

    Raises:
        ValueError: its network does not fit the spaces under `params`.
    """
    checkpoint = run.load()
    config = replace(training.config_of(kind, run.config), device="cpu")  # wherever it was trained
    spaces = training.spaces_under(environment, config, params)
    network = training.actor_critic(*spaces, config)
    kept = "network" if checkpoint.facts["best_score"] is None else "best"  # None: never evaluated yet
    saving.load_weights(network, saving.part(checkpoint.tensors, kept))
    moments = RunningMoments(flat_obs_shape(spaces[0])) if config.normalize_obs else None
    if moments is not None:
        moments.restore(saving.part(checkpoint.tensors, "best_moments" if kept == "best" else "moments.obs"))
    value_scale = checkpoint.facts.get("best_value_scale" if kept == "best" else "value_scale", 1.0)
    return NetworkPolicy(network, moments, spaces[0], spaces[1], run.seed, config.gamma, value_scale)
