"""Deep Q-learning (Mnih et al. 2015, doi:10.1038/nature14236) with the parts of Rainbow that pay on small machines.

What differs from the paper, or is not in it:

1. Double (van Hasselt et al. 2016), dueling (Wang et al. 2016), n-step (Hessel et al. 2018) and prioritised replay
   (Schaul et al. 2016), each a setting. n-step targets are not corrected for the exploring actions in between.
2. Illegal actions are never taken, neither when exploring nor when greedy, and never are the best of a target.
3. A truncated episode bootstraps from its last observation, a terminated one does not. They are never merged.
4. Many copies are stepped together between updates. The network to learn from stays as it is during an update, so
   the next values of all its gradient steps come from few large batches; the results are the same.
5. The best policy by evaluation is kept beside the last. All that decides the future, replay included, is in a
   checkpoint, so a resumed run is the same run.
"""

import math
import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from torch import Tensor

from rlkit.engine.turns import sample
from rlkit.evaluation import Judge
from rlkit.learning import hand_gradient, saving, training
from rlkit.learning.actor_critic import ActorCritic, flat_obs, flat_obs_shape
from rlkit.learning.networks import flat_parameters
from rlkit.learning.q_batches import Batch, batch_of
from rlkit.learning.q_policy import QPolicy, legal_q_values, q_values, trained_parameters
from rlkit.learning.replay import Replay, Windows, remembered_dtype
from rlkit.registry import make_batch
from rlkit.viewing.episode import episode_gif

MAX_DRAW = 1 << 14  # transitions drawn at once


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
    learning_rate: float = 5e-4  # Adam's
    learning_rate_schedule: Literal["constant", "linear"] = "constant"  # linear: falls to 0 at total_steps
    gamma: float = 0.99  # discount a step
    n_step: int = 3  # rewards in a target before the bootstrapped value
    double: bool = True  # the network learning picks the next action, the target network values it
    dueling: bool = False  # q = value + advantage − mean advantage
    prioritized: bool = False  # replay draws by error, not evenly
    priority_exponent: float = 0.6  # prioritized: 0 draws evenly, 1 in proportion to the error
    importance_exponent: float = 0.4  # prioritized: of the weights that correct for it; rises to 1 at total_steps
    target_update_interval: int = 1_000  # transitions between updates of the target network
    target_update_rate: float = 1.0  # 1: it becomes a copy; less: it moves this share of the way (Polyak)
    initial_epsilon: float = 1.0  # share of random actions at the start
    final_epsilon: float = 0.05  # … and from exploration_fraction on
    exploration_fraction: float = 0.2  # of total_steps over which epsilon falls linearly
    max_grad_norm: float = 10.0  # gradients are scaled down to this norm
    temperature: float = 0.1  # reward; a policy that draws does so from softmax(q / temperature)
    network: Literal["mlp", "board", "rows"] = "mlp"  # board: a convolution first; rows: the same for each of a list
    hidden_sizes: tuple[int, ...] = (128, 128)  # of the perceptrons; board, rows: the first is the width of layers
    activation: Literal["tanh", "relu", "silu"] = "relu"  # of the perceptrons
    channels: int = 64  # board: of the convolution
    kernel_size: int = 4  # board: rows and columns of the convolution's windows
    num_layers: int = 1  # board, rows: layers with skip connections after the first of hidden_sizes
    opponent: str = "random"  # games of two: random, a yardstick's policy, a run
    level: str = "standard"  # preset of the environment's params
    params: dict[str, float] = field(default_factory=dict)  # changes to single params
    log_interval: int = 1_000  # steps between rows of figures, at least
    eval_interval: int = 25_000  # steps between evaluations; 0: never, and the last policy is kept
    eval_episodes: int = 100  # episodes of an evaluation
    checkpoint_interval: int = 250_000  # steps between checkpoints
    picture_interval: int = 1_000_000  # steps between animated episodes in TensorBoard; 0: none
    threads: int = 1  # that step the environment
    torch_threads: int = 1  # that multiply matrices; more is slower beside any other work
    device: str = "cpu"  # or cuda, mps

    def __post_init__(self) -> None:
        training.check_at_least_one(
            self, "total_steps", "num_envs", "train_frequency", "minibatch_size", "n_step", "target_update_interval",
            "log_interval", "checkpoint_interval",
        )  # fmt: skip
        if self.gradient_steps < 1 and self.gradient_steps != -1:
            raise ValueError(f"gradient_steps={self.gradient_steps} must be at least 1, or -1 for one a transition")
        if self.buffer_size < self.num_envs:
            raise ValueError(f"buffer_size={self.buffer_size} must be at least num_envs={self.num_envs}")
        for name in ("target_update_rate", "temperature"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0")
        if self.opponent in ("self", "pool"):
            raise ValueError(
                f"opponent={self.opponent}: dqn has no self-play; choose random, a policy of the yardstick or a run, "
                "or use --agent ppo or --agent alphazero"
            )

    @property
    def round_size(self) -> int:
        """Transitions between updates."""
        return self.num_envs * self.train_frequency

    @property
    def iteration_size(self) -> int:
        """Transitions between rows of figures: whole rounds."""
        return self.round_size * -(-self.log_interval // self.round_size)

    @property
    def gradient_steps_a_round(self) -> int:
        """Gradient steps of an update."""
        return self.round_size if self.gradient_steps == -1 else self.gradient_steps


class Learner:
    """Everything that decides the future of a training: what a checkpoint holds."""

    def __init__(self, environment: Any, config: Config, seed: int):
        training.check_device(config.device)
        self.environment, self.config, self.seed = environment, config, seed
        self.total_steps, self.best_score = 0, -math.inf
        self.env = make_batch(
            environment, config.num_envs, autoreset_mode=AutoresetMode.SAME_STEP, episode_stats=True,
            copy=False, threads=config.threads, **training.env_options(environment, config, config.opponent),
        )  # fmt: skip
        self.spaces = (self.env.single_observation_space, _discrete(self.env.single_action_space))
        torch.manual_seed(seed)  # for the initial weights; all later draws are from `generator`
        self.network = training.actor_critic(*self.spaces, config)
        self.target_network = deepcopy(self.network)
        self.best = deepcopy(self.network)
        self.generator = torch.Generator().manual_seed(seed)
        self.weights, self.target_weights = (
            flat_parameters(trained_parameters(n, config.dueling)) for n in (self.network, self.target_network)
        )
        is_plain = config.network == "mlp" and not config.dueling and config.activation in hand_gradient.ACTIVATIONS
        parameters = trained_parameters(self.network, config.dueling)
        self.by_hand = hand_gradient.HandGradient(parameters, config.activation) if is_plain else None
        self.optimizer = torch.optim.Adam([self.weights], config.learning_rate, fused=True)
        self.policy = self.policy_of(self.network)
        self.obs, self.info = self.env.reset(seed=seed)
        self.replay = Replay(
            config.buffer_size // config.num_envs * config.num_envs, config.num_envs,
            flat_obs_shape(self.spaces[0]), remembered_dtype(self.spaces[0]), int(self.spaces[1].n),
            has_masks="action_mask" in self.info, n_step=config.n_step, gamma=config.gamma,
            priority_exponent=config.priority_exponent if config.prioritized else None,
        )  # fmt: skip
        self.replay.begin(flat_obs(self.obs), self.info.get("action_mask"))

    def policy_of(self, network: ActorCritic) -> QPolicy:
        """Return a policy that acts with `network`."""
        config = self.config
        return QPolicy(network, config.dueling, config.temperature, *self.spaces, self.seed, config.gamma)

    def crosses(self, interval: int) -> bool:
        """Return whether the iteration just done passed a multiple of `interval` steps (0: never)."""
        return training.crosses(self.total_steps, self.config.iteration_size, interval)

    def uniforms(self, *shape: int) -> np.ndarray:
        """Return numbers in [0, 1), float64."""
        return torch.rand(shape, generator=self.generator, dtype=torch.float64).numpy()

    def checkpoint(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (tensors, facts)."""
        tensors: dict[str, Any] = {"generator": self.generator.get_state()}
        tensors |= saving.prefixed("network", self.network.state_dict())
        tensors |= saving.prefixed("target", self.target_network.state_dict())
        tensors |= saving.prefixed("best", self.best.state_dict())
        tensors |= saving.prefixed("optimizer", self.optimizer.state[self.weights])
        tensors |= saving.prefixed("env", saving.env_tensors(self.env))
        tensors |= saving.prefixed("replay", self.replay.tensors())
        best_score = self.best_score if math.isfinite(self.best_score) else None
        return tensors, {"total_steps": self.total_steps, "best_score": best_score}

    def restore(self, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take back what `checkpoint` gave."""
        self.total_steps = facts["total_steps"]
        self.best_score = -math.inf if facts["best_score"] is None else facts["best_score"]
        self.generator.set_state(tensors["generator"])
        self.network.load_state_dict(saving.part(tensors, "network"))
        self.target_network.load_state_dict(saving.part(tensors, "target"))
        self.best.load_state_dict(saving.part(tensors, "best"))
        for name, value in saving.part(tensors, "optimizer").items():
            self.optimizer.state[self.weights][name] = value.to(self.weights.device)
        self.replay.restore(saving.part(tensors, "replay"))
        states = saving.part(tensors, "env")
        self.obs, self.info = saving.restore_env(self.env, states, self.seed + self.total_steps)
        if not states:
            self.replay.begin(flat_obs(self.obs), self.info.get("action_mask"))


# --- the algorithm ----------------------------------------------------------------------------------------------


def collect(learner: Learner) -> dict[str, list[np.ndarray]]:
    """Take `train_frequency` steps of every copy into replay; return the figures of the episodes that ended."""
    config, env, replay = learner.config, learner.env, learner.replay
    episodes: dict[str, list[np.ndarray]] = {}
    chance = learner.uniforms(2, config.train_frequency, config.num_envs)
    for t in range(config.train_frequency):
        actions = explore(learner, chance[0, t] < epsilon(learner), chance[1, t])
        learner.obs, rewards, terminated, truncated, learner.info = env.step(actions)
        finals = training.last_of_episodes(learner.obs, learner.info) if truncated.any() else None
        masks = learner.info.get("action_mask")
        replay.add(actions, rewards, terminated, truncated, flat_obs(learner.obs), masks, finals)
        learner.total_steps += config.num_envs
        training.note_episodes(episodes, learner.info)
    return episodes


def explore(learner: Learner, is_random: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Return actions [N]: any legal one, by `uniforms` [N], where `is_random` [N], the greedy one elsewhere."""
    masks = learner.info.get("action_mask")
    actions = (uniforms * learner.spaces[1].n).astype(np.int64) if masks is None else sample(masks, uniforms)
    if is_random.all():
        return actions
    if masks is None and learner.by_hand is not None:
        greedy = learner.by_hand.outputs(learner.policy.tensor(learner.obs)).cpu().numpy().argmax(axis=1)
    else:
        greedy = learner.policy.q_values(learner.obs, masks).argmax(axis=1)
    return np.where(is_random, actions, greedy)


def epsilon(learner: Learner) -> float:
    """Return the chance of a random action now."""
    config = learner.config
    if learner.total_steps < config.learning_starts:
        return 1.0
    done = min(1.0, learner.total_steps / max(1.0, config.exploration_fraction * config.total_steps))
    return config.initial_epsilon + done * (config.final_epsilon - config.initial_epsilon)


@torch.no_grad()
def targets(network: ActorCritic, batch: Batch, config: Config) -> Tensor:
    """Return what the q-values of the actions taken are to be [B, 1]."""
    by = q_values(network, batch.next_obs, config.dueling) if config.double else batch.next_q
    best = legal_q_values(by, batch.next_masks).argmax(dim=1, keepdim=True)
    return torch.addcmul(batch.returns, batch.discounts, batch.next_q.gather(1, best))


def gradient(learner: Learner, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradient of a minibatch's Huber loss as one vector, and the actions' errors and q-values [B, 1]."""
    network, config = learner.network, learner.config
    wanted = targets(network, batch, config) if batch.targets is None else batch.targets
    if learner.by_hand is not None:
        q = learner.by_hand(batch.obs, batch.actions, wanted, batch.weights)
        return learner.by_hand.gradient, wanted - q, q
    q = q_values(network, batch.obs, config.dueling).gather(1, batch.actions)
    loss = F.smooth_l1_loss(q, wanted, reduction="none")
    total = (loss if batch.weights is None else batch.weights * loss).mean()
    parts = torch.autograd.grad(total, trained_parameters(network, config.dueling))
    seen = q.detach()
    return torch.cat([part.flatten() for part in parts]), wanted - seen, seen


def is_learning(learner: Learner) -> bool:
    """Return whether there is enough to learn from."""
    return learner.total_steps > learner.config.learning_starts and learner.replay.num_ready > 0


def update(learner: Learner) -> dict[str, Tensor]:
    """Renew the target network if that is due, take the gradient steps of a round, and return figures for the log."""
    config, network, size = learner.config, learner.network, learner.config.minibatch_size
    update_target(learner)
    learner.optimizer.param_groups[0]["lr"] = config.learning_rate * _remaining(learner, config.learning_rate_schedule)
    seen: list[Tensor] = []
    for windows in draws(learner):
        drawn = batch_of(windows, learner.target_network, config.dueling, config.device)
        if not config.double:  # then the targets stay the same through the round, too
            drawn = drawn._replace(targets=targets(network, drawn, config))
        for batch in drawn.minibatches(size):
            step, errors, q = gradient(learner, batch)
            descend(learner, step)
            seen.append(errors)
        if config.prioritized:
            learner.replay.set_errors(windows.where, errors.squeeze(1).cpu().numpy())
    all_errors = torch.cat(seen)
    loss = F.smooth_l1_loss(all_errors, torch.zeros_like(all_errors))
    return {"loss": loss, "td_error": all_errors.abs().mean(), "q_value": q.mean()}


@torch.no_grad()
def descend(learner: Learner, step: Tensor) -> None:
    """Take one step of Adam against the gradient `step`, scaled down to `max_grad_norm`."""
    norm = torch.linalg.vector_norm(step)
    learner.weights.grad = step.mul_((learner.config.max_grad_norm / (norm + 1e-6)).clamp_(max=1.0))
    learner.optimizer.step()


def draws(learner: Learner) -> Iterator[Windows]:
    """Give the windows of a round: many minibatches together, or one by one where errors change priorities."""
    config, left = learner.config, learner.config.gradient_steps_a_round
    at_once = 1 if config.prioritized else max(1, MAX_DRAW // config.minibatch_size)
    progress = min(1.0, learner.total_steps / config.total_steps)
    exponent = config.importance_exponent + progress * (1.0 - config.importance_exponent)
    while left:
        count = min(left, at_once)
        yield learner.replay.draw(learner.uniforms(count * config.minibatch_size), exponent)
        left -= count


@torch.no_grad()
def update_target(learner: Learner) -> None:
    """Move the target network for every multiple of `target_update_interval` that the last round passed."""
    config = learner.config
    interval, before = config.target_update_interval, learner.total_steps - config.round_size
    times = learner.total_steps // interval - before // interval
    if times:
        share = 1.0 - (1.0 - config.target_update_rate) ** times  # the network was the same all the while
        learner.target_weights.lerp_(learner.weights, share)


def _remaining(learner: Learner, schedule: str) -> float:
    """Return the factor of a schedule: what remains of the budget, or 1."""
    return max(0.0, 1.0 - learner.total_steps / learner.config.total_steps) if schedule == "linear" else 1.0


# --- training ---------------------------------------------------------------------------------------------------


def iterate(learner: Learner) -> tuple[dict[str, float], float]:
    """Collect and learn for `iteration_size` transitions; return (figures for the log, seconds of collecting)."""
    config = learner.config
    episodes: dict[str, list[np.ndarray]] = {}
    updates: list[dict[str, Tensor]] = []
    collecting = 0.0
    for _ in range(config.iteration_size // config.round_size):
        start = time.perf_counter()
        for name, figures in collect(learner).items():
            episodes.setdefault(name, []).extend(figures)
        collecting += time.perf_counter() - start
        if is_learning(learner):
            updates.append(update(learner))
    found = training.episode_figures(episodes)
    found["rollout/epsilon"] = epsilon(learner)
    if updates:
        found |= {f"train/{name}": float(torch.stack([u[name] for u in updates]).mean()) for name in updates[0]}
        found["train/learning_rate"] = learner.optimizer.param_groups[0]["lr"]
    return found, collecting


def train(environment: Any, config: Config, run: Any, checkpoint: Any = None) -> QPolicy:
    """Train until the budget is spent or `run.stop_requested`; return the best policy (the last, if none was judged).

    The arguments are those of `agents.ppo.train`.
    """
    torch.set_num_threads(config.torch_threads)
    learner = Learner(environment, config, run.seed)
    if checkpoint is not None:
        learner.restore(checkpoint.tensors, checkpoint.facts)
    if run.progress is not None:
        run.progress.say(str(learner.replay))
    options = {"level": config.level, **config.params}
    judge = Judge(environment, config.eval_episodes, options) if config.eval_interval else None
    size = config.iteration_size
    while learner.total_steps < config.total_steps and not run.stop_requested:
        start = time.perf_counter()
        figures, collecting = iterate(learner)
        seconds = time.perf_counter() - start
        is_end = learner.total_steps >= config.total_steps
        if judge is not None and (learner.crosses(config.eval_interval) or is_end):
            figures |= evaluate(learner, judge)
        is_pictured = learner.crosses(config.picture_interval) or is_end
        if config.picture_interval and environment.drawing and is_pictured:
            run.log_gif(learner.total_steps, "rollout", episode_gif(environment, learner.policy, run.seed, options))
        timing = {"time/steps_per_second": size / seconds, "time/collect_share": collecting / seconds}
        run.log(learner.total_steps, figures, timing=timing)
        if run.progress is not None:
            run.progress.update(learner.total_steps, config.total_steps, figures)
        if learner.crosses(config.checkpoint_interval) or is_end or run.stop_requested:
            run.save(learner.total_steps, *learner.checkpoint())
    learner.env.close()
    return learner.policy_of(learner.best) if math.isfinite(learner.best_score) else learner.policy


def evaluate(learner: Learner, judge: Judge) -> dict[str, float]:
    """Score the present policy, keep it if it is the best so far, and return figures for the log."""
    candidate, best = learner.policy_of(learner.network), learner.policy_of(learner.best)
    figures, score, is_best = judge(candidate, best, learner.best_score)
    if is_best:
        learner.best_score = score
        learner.best.load_state_dict(learner.network.state_dict())
    return figures


def load(run: Any, environment: Any, params: np.record | None = None) -> QPolicy:
    """Return the best policy of the newest checkpoint of `run`, or the last; see `agents.ppo.load`."""
    checkpoint = run.load()
    config = replace(training.config_of(Config, run.config), device="cpu")  # wherever it was trained
    found = training.spaces_under(environment, config, params)
    network = training.actor_critic(found[0], _discrete(found[1]), config)
    kept = "network" if checkpoint.facts["best_score"] is None else "best"  # None: never evaluated yet
    saving.load_weights(network, saving.part(checkpoint.tensors, kept))
    return QPolicy(network, config.dueling, config.temperature, found[0], found[1], run.seed, config.gamma)


def _discrete(space: spaces.Space) -> spaces.Discrete:
    if not isinstance(space, spaces.Discrete):
        raise ValueError(f"dqn chooses among single actions, not from {space}: use --agent ppo")
    return space
