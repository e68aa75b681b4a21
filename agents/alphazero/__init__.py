"""AlphaZero on an ordinary processor: self-play by tree search, a network that learns from it, and so on.

Silver et al. 2018, "A general reinforcement learning algorithm that masters chess, shogi, and Go through
self-play". What differs from the paper:

1. The search is Gumbel AlphaZero's (Danihelka et al. 2022), which learns from few simulations; PUCT is a setting.
2. Proven wins and losses are exact in the search, in what is learned, and may end a game (`adjudicate`).
3. Only a share of the searches is full; the others are cheap, move the game on and teach only the value
   (playout cap randomisation, Wu 2019).
4. Games may begin from random openings (`level`, `params`): a wider range of positions than strong play meets.
5. Self-play and the result use a running average of the weights (Izmailov et al. 2018). There is no gating.

Budgets are in steps, a step is a ply of self-play; nothing depends on a clock, so a resumed run is the same run.
"""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from agents.alphazero import games
from agents.alphazero.network import BoardNetwork, Evaluator, has_bfloat16
from agents.alphazero.players import NetworkPlayer, SearchPlayer
from agents.alphazero.selfplay import Group, Samples, Window, search_settings, self_play_choices
from rlkit.environment import Symmetries
from rlkit.evaluation import EVALUATION_SEED, run_episodes
from rlkit.learning import saving, training
from rlkit.learning.networks import NormalizedLinear
from rlkit.registry import make_batch
from rlkit.viewing.episode import episode_gif


@dataclass(frozen=True)
class Config:
    """A recipe. Budgets are in steps (plies of self-play), never in seconds."""

    total_steps: int = 1_000_000  # plies of self-play to train for
    num_games: int = 256  # played at once by each thread: the size of a network batch
    threads: int = 2  # that play, of which the first also learns; with another number the same seed plays other games
    learner_plays: float = 0.5  # games of the thread that learns, as a share of another thread's
    level: str = "standard"  # preset of the environment's params
    params: dict[str, float] = field(default_factory=dict)  # changes to single params
    # the search
    strategy: Literal["gumbel", "puct"] = "gumbel"  # at the root and inside the tree
    num_simulations: int = 32  # of a full search
    num_fast_simulations: int = 8  # of the others
    full_share: float = 0.5  # of searches that are full; the policy is learned from these
    max_considered: int = 16  # gumbel: root actions that sequential halving begins with
    c_visit: float = 50.0  # gumbel: σ = (c_visit + most visits) × c_scale × value
    c_scale: float = 0.5  # gumbel: see c_visit; greater trusts values more, and priors less
    c_puct: float = 1.25  # puct: weight of the prior
    fpu_reduction: float = 0.1  # puct: an unvisited action is worth the node's value less this
    dirichlet_alpha: float = 1.0  # puct: of the noise at the root
    dirichlet_share: float = 0.25  # puct: share of the noise in the root's priors
    num_sampled_plies: int = 0  # an action is drawn from the search's policy for so many plies of a game
    gamma: float = 1.0  # discount a step
    find_wins: bool = False  # each new leaf is searched for an action that wins at once
    # what is learned
    adjudicate: bool = True  # a game whose value is proven ends there
    search_value_share: float = 0.25  # of the search's own value in the value to learn; the rest is the result
    history_size: int = 128  # plies of a game that are kept; longer games are cut there
    augment: bool = True  # learn each position under a random symmetry
    cache_size: int = 65_536  # evaluations that a thread remembers while the network stays the same; 0: none
    iteration_samples: int = 8192  # positions played between two rounds of learning, at least
    window_size: int = 200_000  # latest positions that are learned from
    learn_ratio: float = 4.0  # times that each position is learned, on average
    minibatch_size: int = 512  # positions a gradient step
    learning_rate: float = 2e-3  # Adam's, at the start
    final_learning_rate: float = 1e-4  # at total_steps; a half cosine between
    weight_decay: float = 1e-4  # decoupled (AdamW)
    value_coef: float = 1.0  # weight of the value loss
    average_decay: float = 0.995  # a gradient step, of the running average of weights
    # the network
    network: Literal["board", "mlp", "conv", "rows"] = "mlp"  # board: linear behind a convolution; conv: residual;
    # rows: the same for each of a list
    size: int = 256  # units of a layer; conv: channels
    num_blocks: int = 2  # residual blocks of two layers; rows: exchanges between the rows
    kernel_size: int = 4  # board: rows and columns of the convolution's windows
    channels: int = 64  # board: of the convolution
    head_size: int = 64  # units before the value
    # the rest
    eval_interval: int = 100_000  # steps between evaluations; 0: never
    eval_episodes: int = 100  # games of an evaluation where there are no labelled positions
    play_simulations: int = 64  # of the search that reports are about
    checkpoint_interval: int = 500_000  # steps between checkpoints
    picture_interval: int = 0  # steps between animated games in TensorBoard; 0: none
    device: Literal["cpu"] = "cpu"  # self-play alternates with the search on the processor

    def __post_init__(self) -> None:
        training.check_at_least_one(
            self, "total_steps", "num_games", "threads", "num_simulations", "num_fast_simulations", "max_considered",
            "history_size", "iteration_samples", "minibatch_size", "checkpoint_interval", "size", "head_size",
            "play_simulations",
        )  # fmt: skip
        for name in ("full_share", "search_value_share", "average_decay", "dirichlet_share", "learner_plays"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)} must be between 0 and 1")
        if self.cache_size < 0:
            raise ValueError(f"cache_size={self.cache_size} must be at least 0 (no cache)")
        if self.window_size < self.minibatch_size:
            raise ValueError(f"window_size={self.window_size} must be at least minibatch_size={self.minibatch_size}")


class Learner:
    """Everything that decides the future of a training: what a checkpoint holds."""

    def __init__(self, environment: Any, config: Config, seed: int):
        _check(environment)
        training.check_unvaried(environment, config)
        self.environment, self.config = environment, config
        self.options = {"level": config.level, **config.params}
        games_of_two = {"opponent": "self"} if environment.num_players == 2 else {}
        env = make_batch(environment, 1, flat_obs=True, **self.options, **games_of_two)
        self.params = env.params[0]
        self.spaces = (env.single_observation_space, env.single_action_space)
        obs_shape, num_actions = self.spaces[0].shape, int(self.spaces[1].n)
        self.symmetries: Symmetries | None = None
        if config.augment and environment.symmetries is not None:
            self.symmetries = environment.symmetries(self.params)
        torch.manual_seed(seed)  # for the initial weights
        self.network = make_network(environment, self.spaces, config)
        self.average = make_network(environment, self.spaces, config)
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.rng = np.random.default_rng(seed)
        self.total_steps = 0
        self.owed_samples = 0.0  # still to be learned
        self.window = Window(config.window_size, obs_shape, num_actions)
        weights = [config.learner_plays if config.threads > 1 else 1.0] + [1.0] * (config.threads - 1)
        self.groups = [
            Group(
                environment, env, config.num_games if weight > 0 else 1,  # one that is never played
                search_settings(environment, config), self_play_choices(config), config.max_considered,
                config.history_size, round(config.iteration_samples * weight / sum(weights)),
                config.cache_size, seed * 1009 + i,
            )
            for i, weight in enumerate(weights)
        ]  # fmt: skip
        self.pool = ThreadPoolExecutor(config.threads)

    @property
    def player(self) -> NetworkPlayer:
        """The network as it stands, averaged, without a search."""
        return NetworkPlayer(
            self.environment, self.params, self.average, self.spaces, find_wins=self.config.find_wins,
            gamma=self.config.gamma,
        )  # fmt: skip

    def checkpoint(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (tensors, facts)."""
        tensors: dict[str, Any] = saving.prefixed("network", self.network.state_dict())
        tensors |= saving.prefixed("average", self.average.state_dict())
        tensors |= saving.prefixed("optimizer", saving.optimizer_tensors(self.optimizer, self.network))
        count = min(self.window.num_added, self.config.window_size)
        tensors |= saving.prefixed("window", {n: p[:count] for n, p in self.window.rows._asdict().items()})
        for i, group in enumerate(self.groups):
            tensors |= saving.prefixed(f"group.{i}", group.arrays())
        facts = {"total_steps": self.total_steps, "num_added": self.window.num_added}
        return tensors, facts | {"owed_samples": self.owed_samples, "rng": self.rng.bit_generator.state}

    def restore(self, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take back what `checkpoint` gave."""
        self.total_steps, self.owed_samples = facts["total_steps"], facts["owed_samples"]
        self.window.num_added = facts["num_added"]
        self.rng.bit_generator.state = facts["rng"]
        self.network.load_state_dict(saving.part(tensors, "network"))
        self.average.load_state_dict(saving.part(tensors, "average"))
        saving.restore_optimizer(self.optimizer, self.network, saving.part(tensors, "optimizer"))
        for name, rows in saving.part(tensors, "window").items():
            getattr(self.window.rows, name)[: len(rows)] = rows
        for i, group in enumerate(self.groups):
            group.restore(saving.part(tensors, f"group.{i}"))


def _check(environment: Any) -> None:
    """Refuse environments that cannot be searched.

    Raises:
        ValueError: it is not one of ours, or its actions are not Discrete.
    """
    if not hasattr(environment, "rules"):
        raise ValueError(f"alphazero searches states, which {environment.name} cannot save; use --agent ppo")
    if not hasattr(environment.spaces(environment.params()[0])[1], "n"):
        raise ValueError(f"alphazero needs a Discrete action space, which {environment.name} has not; use --agent ppo")


def make_network(environment: Any, spaces: Any, config: Config) -> BoardNetwork:
    """Return a new network for (observation space, action space)."""
    return BoardNetwork(
        spaces[0].shape, int(spaces[1].n), config.network, config.size, config.num_blocks, config.head_size,
        config.kernel_size, config.channels, environment.num_players == 2,
    )  # fmt: skip


# --- the algorithm ----------------------------------------------------------------------------------------------


def play_and_learn(learner: Learner) -> dict[str, float]:
    """Go on with all games until there are enough new positions, while the network learns from earlier ones.

    One thread learns and then plays, the others play; the network that plays is the average before. So nothing
    depends on which thread is faster, and no core waits. Returns figures for the log.
    """
    evaluator = Evaluator(learner.average.eval())
    start = time.perf_counter()
    others = [learner.pool.submit(group.collect, evaluator) for group in learner.groups[1:]]
    figures = learn(learner)
    learned = time.perf_counter()
    results = [learner.groups[0].collect(evaluator), *(other.result() for other in others)]
    counters = np.sum([counters for _, counters in results], axis=0)
    for samples, _ in results:
        learner.window.add(samples)
    if learner.environment.num_players == 1:
        mean, deviation = learner.window.moments()
        for network in (learner.network, learner.average):
            assert isinstance(network.value_head, NormalizedLinear)
            network.value_head.rescale(mean, deviation)
    learner.total_steps += int(counters[games.PLIES])
    learner.owed_samples += learner.config.learn_ratio * float(counters[games.SAMPLES])
    episodes = max(1.0, counters[games.EPISODES])
    if learner.environment.num_players == 2:
        figures["rollout/first_wins"] = counters[games.FIRST_WINS] / episodes
        figures["rollout/draws"] = counters[games.DRAWS] / episodes
    return figures | {
        "rollout/episode_length": counters[games.PLIES] / episodes,
        "rollout/proven": counters[games.PROVEN] / counters[games.PLIES],
        "rollout/recalled": counters[games.RECALLED] / (counters[games.RECALLED] + counters[games.EVALUATIONS]),
        "simulations": counters[games.SIMULATIONS],
        "evaluations": counters[games.EVALUATIONS],
        "learn_share": (learned - start) / (time.perf_counter() - start),
    }


def loss(network: BoardNetwork, batch: Samples, value_coef: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return (total, policy loss, value loss) of a minibatch: cross-entropy over legal actions, squared error."""
    obs, masks, policies, weights, values = (torch.from_numpy(part) for part in batch)
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):  # twice as fast with AMX
        logits, predicted = network(obs)
    log_probs = logits.float().masked_fill(masks == 0, -1e9).log_softmax(dim=1)
    policy_loss = -(weights * (policies * log_probs).sum(dim=1)).sum() / weights.sum().clamp(min=1.0)
    errors = predicted.float() - values
    value_loss = (errors if network.is_bounded else errors / network.value_head.deviation).square().mean()
    return policy_loss + value_coef * value_loss, policy_loss.detach(), value_loss.detach()


def learn(learner: Learner) -> dict[str, float]:
    """Take the gradient steps that are due; return figures for the log."""
    config, network = learner.config, learner.network
    progress = min(1.0, learner.total_steps / config.total_steps)
    rate = config.final_learning_rate
    rate += (config.learning_rate - rate) * (1 + np.cos(np.pi * progress)) / 2
    learner.optimizer.param_groups[0]["lr"] = rate
    network.train()
    losses = []
    while learner.owed_samples >= config.minibatch_size:
        learner.owed_samples -= config.minibatch_size
        total, *parts = loss(network, _minibatch(learner), config.value_coef)
        learner.optimizer.zero_grad()
        total.backward()
        learner.optimizer.step()
        _average(learner)
        losses.append(parts)
    if not losses:
        return {}
    policy_loss, value_loss = (float(torch.stack(part).mean()) for part in zip(*losses, strict=True))
    if not np.isfinite(policy_loss + value_loss):
        raise FloatingPointError(
            f"the losses are no numbers any more at step {learner.total_steps}: lower learning_rate"
        )
    return {"train/policy_loss": policy_loss, "train/value_loss": value_loss, "train/learning_rate": rate}


def _minibatch(learner: Learner) -> Samples:
    """Return positions of the window, each under a random symmetry."""
    batch = learner.window.draw(learner.config.minibatch_size, learner.rng)
    obs = batch.obs.astype(np.float32)
    found = learner.symmetries
    if found is None:
        return batch._replace(obs=obs)
    which = learner.rng.integers(len(found.obs_orders), size=len(obs))
    obs_orders, action_orders = found.obs_orders[which], found.action_orders[which]
    return batch._replace(
        obs=np.take_along_axis(obs.reshape(len(obs), -1), obs_orders, axis=1).reshape(obs.shape),
        masks=np.take_along_axis(batch.masks, action_orders, axis=1),
        policies=np.take_along_axis(batch.policies, action_orders, axis=1),
    )


@torch.no_grad()
def _average(learner: Learner) -> None:
    """Move the running average towards the network; batch norm's statistics are averages already."""
    decay = learner.config.average_decay
    means: list[Tensor] = list(learner.average.parameters())
    parameters: list[Tensor] = list(learner.network.parameters())
    torch._foreach_lerp_(means, parameters, 1 - decay)
    for mean, buffer in zip(learner.average.buffers(), learner.network.buffers(), strict=True):
        mean.copy_(buffer)


# --- training ---------------------------------------------------------------------------------------------------


def train(environment: Any, config: Config, run: Any, checkpoint: Any = None) -> SearchPlayer:
    """Train until the budget is spent or `run.stop_requested`; return a search with the averaged network.

    Args:
        environment: an `Environment` with discrete actions.
        config: the recipe.
        run: an open `rlkit.run.Run`; its seed decides everything.
        checkpoint: one of the same run to go on from, or None to begin.
    """
    torch.set_num_threads(1)  # two of ours evaluate twice as much; two of torch's in one product mostly wait
    learner = Learner(environment, config, run.seed)
    if checkpoint is not None:
        learner.restore(checkpoint.tensors, checkpoint.facts)
    with learner.pool:
        _iterate(learner, run)
    return learner.player.with_simulations(config.play_simulations)


def _iterate(learner: Learner, run: Any) -> None:
    """Play, learn, evaluate, log and save until the end."""
    environment, config = learner.environment, learner.config
    while learner.total_steps < config.total_steps and not run.stop_requested:
        start, before = time.perf_counter(), learner.total_steps
        figures = play_and_learn(learner)
        seconds = time.perf_counter() - start
        is_end = learner.total_steps >= config.total_steps

        def is_due(interval: int, before: int = before, is_end: bool = is_end) -> bool:
            return interval > 0 and (is_end or learner.total_steps // interval > before // interval)

        if is_due(config.eval_interval):
            figures |= evaluate(learner)
        if is_due(config.picture_interval) and environment.drawing:
            run.log_gif(
                learner.total_steps, "rollout", episode_gif(environment, learner.player, run.seed, learner.options)
            )
        timing = {
            "time/steps_per_second": (learner.total_steps - before) / seconds,
            "time/simulations_per_second": figures.pop("simulations") / seconds,
            "time/evaluations_per_second": figures.pop("evaluations") / seconds,
            "time/learn_share": figures.pop("learn_share"),
        }
        run.log(learner.total_steps, figures, timing=timing)
        if run.progress is not None:
            run.progress.update(learner.total_steps, config.total_steps, figures)
        if is_due(config.checkpoint_interval) or is_end or run.stop_requested:
            run.save(learner.total_steps, *learner.checkpoint())


def evaluate(learner: Learner) -> dict[str, float]:
    """Return figures for the log: the network alone on the yardstick's positions, or else against its policy."""
    yardstick = learner.environment.yardstick
    if yardstick is not None and yardstick.score is not None:
        return {f"eval/{name}": value for name, value in yardstick.score(learner.player, False).items()}
    options: dict[str, Any] = dict(learner.options)
    if learner.environment.num_players == 2:
        reference = next(iter(yardstick.policies.values()), None) if yardstick else None
        options["opponent"] = reference(learner.params) if reference else "random"
    episodes = run_episodes(
        learner.environment, learner.player, learner.config.eval_episodes, EVALUATION_SEED,
        deterministic=learner.environment.num_players == 1, **options,
    )  # fmt: skip
    return {
        "eval/episode_return": float(episodes.returns.mean()),
        "eval/episode_length": float(episodes.lengths.mean()),
    }


def load(run: Any, environment: Any, params: np.record | None = None) -> SearchPlayer:
    """Return a search with the averaged network of the newest checkpoint of `run`; see `agents.ppo.load`."""
    checkpoint, config = run.load(), training.config_of(Config, run.config)
    return player_of(environment, config, saving.part(checkpoint.tensors, "average"), params)


def player_of(
    environment: Any, config: Config, weights: Mapping[str, Tensor], params: np.record | None = None
) -> SearchPlayer:
    """Return a search of `play_simulations` with the network of these weights, under `params` or the recipe's own."""
    params = environment.params(config.level, **config.params)[0] if params is None else params
    spaces = environment.spaces(params)
    network = make_network(environment, spaces, config)
    saving.load_weights(network, weights)
    player = NetworkPlayer(
        environment, params, network.eval(), spaces, find_wins=config.find_wins, gamma=config.gamma
    )  # fmt: skip
    return player.with_simulations(config.play_simulations)
