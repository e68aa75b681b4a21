"""What the agents of Stable-Baselines3 have in common: the training around SB3's `learn`, checkpoints and loading."""

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from agents.sb3 import parts
from agents.sb3.policy import SB3Policy
from agents.sb3.vec_env import BatchVecEnv
from rlkit.engine.goals import goal_space
from rlkit.evaluation import Judge
from rlkit.learning import saving, training
from rlkit.viewing.episode import episode_gif

# SB3's names of what it logs → ours; see agents/README.md.
FIGURES = {
    "rollout/exploration_rate": "rollout/epsilon",
    "train/policy_gradient_loss": "train/policy_loss",
    "train/actor_loss": "train/policy_loss",
    "train/value_loss": "train/value_loss",
    "train/loss": "train/loss",
    "train/critic_loss": "train/q_loss",
    "train/ent_coef": "train/entropy_coef",
    "train/approx_kl": "train/approx_kl",
    "train/clip_fraction": "train/clip_fraction",
    "train/explained_variance": "train/explained_variance",
    "train/learning_rate": "train/learning_rate",
}
COUNTERS = ("num_timesteps", "_n_updates", "_n_calls", "_episode_num", "exploration_rate")  # of SB3's algorithms


# --- training ---------------------------------------------------------------------------------------------------


class Learner:
    """SB3's algorithm, and everything of ours that decides the future of a training."""

    def __init__(self, environment: Any, config: Any, seed: int, make_model: Callable[..., Any]):
        training.check_device(config.device)
        self.environment, self.config, self.seed = environment, config, seed
        self.env = parts.vec_env(environment, config)
        self.model = make_model(environment, config, self.env, seed)
        self.model.set_logger(Logger(None, []))  # it collects what SB3 would log, and writes nothing
        self.best = deepcopy(self.model.policy)
        self.best_score = -math.inf

    @property
    def total_steps(self) -> int:
        """Environment transitions so far."""
        return self.model.num_timesteps

    @property
    def policy(self) -> SB3Policy:
        """The present policy."""
        return SB3Policy(self.model.policy, self.seed)

    def figures(self) -> dict[str, float]:
        """Return what SB3 logged since the last call, by our names."""
        seen = self.model.logger.name_to_value
        found = {ours: float(seen[theirs]) for theirs, ours in FIGURES.items() if theirs in seen}
        if "train/entropy_loss" in seen:  # PPO's
            found["train/entropy"] = -float(seen["train/entropy_loss"])
            found.pop("train/loss", None)
        self.model.logger.dump()
        return found

    def checkpoint(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (tensors, facts)."""
        model = self.model
        tensors: dict[str, Any] = saving.prefixed("best", self.best.state_dict())
        for name, state in model.get_parameters().items():
            tensors |= saving.prefixed(
                parts.part_name(name), parts.optimizer_tensors(state) if parts.is_optimizer(name) else state
            )
        if getattr(model, "log_ent_coef", None) is not None:
            tensors["log_ent_coef"] = model.log_ent_coef.detach()
        if isinstance(self.env, BatchVecEnv):
            tensors |= saving.prefixed("env", saving.env_tensors(self.env.env))
        buffer = getattr(model, "replay_buffer", None)
        facts: dict[str, Any] = {name: getattr(model, name) for name in COUNTERS if hasattr(model, name)}
        if buffer is not None:
            tensors |= saving.prefixed("replay", parts.replay_tensors(buffer))
            facts |= {"replay_pos": buffer.pos, "replay_full": buffer.full}
        kind, keys, *rest = np.random.get_state()
        tensors |= {"generator": torch.get_rng_state(), "numpy_generator": np.array(keys)}
        facts |= {"numpy_generator": [kind, *(float(x) if isinstance(x, float) else int(x) for x in rest)]}
        facts["action_generator"] = json.dumps(model.action_space.np_random.bit_generator.state)
        return tensors, facts | {"best_score": self.best_score if math.isfinite(self.best_score) else None}

    def restore(self, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take back what `checkpoint` gave."""
        model = self.model
        self.best_score = -math.inf if facts["best_score"] is None else facts["best_score"]
        self.best.load_state_dict(saving.part(tensors, "best"))
        parameters = model.get_parameters()
        for name, state in parameters.items():
            kept = saving.part(tensors, parts.part_name(name))
            parameters[name] = state | {"state": parts.optimizer_state(kept)} if parts.is_optimizer(name) else kept
        model.set_parameters(parameters, device=self.config.device)
        if "log_ent_coef" in tensors:
            model.log_ent_coef.data.copy_(tensors["log_ent_coef"])
        for name in COUNTERS:
            if name in facts:
                setattr(model, name, facts[name])
        if isinstance(self.env, BatchVecEnv):
            self.env.restore(saving.part(tensors, "env"))
        if "replay_pos" in facts:
            parts.restore_replay(model.replay_buffer, saving.part(tensors, "replay"), facts)
        torch.set_rng_state(tensors["generator"])
        kind, *rest = facts["numpy_generator"]
        np.random.set_state((kind, tensors["numpy_generator"], *rest))
        model.action_space.np_random.bit_generator.state = json.loads(facts["action_generator"])


class _StoppedError(Exception):
    """Ends SB3's `learn` between two of its iterations."""


class _Boundary(BaseCallback):
    """The one hook that SB3's `learn` has: notes ended episodes, and calls `between` before each of its rollouts."""

    def __init__(self, between: Callable[[], None]):
        super().__init__()
        self._between = between
        self.episodes: dict[str, list[np.ndarray]] = {}

    def _on_step(self) -> bool:
        if self.locals["dones"].any():
            for info in self.locals["infos"]:
                for name, figure in info.get("episode", {}).items():
                    self.episodes.setdefault(name, []).append(np.array([figure]))
        return True

    def _on_rollout_start(self) -> None:
        self._between()


def train(environment: Any, config: Any, run: Any, checkpoint: Any, make_model: Callable[..., Any]) -> SB3Policy:
    """Train until the budget is spent or `run.stop_requested`; return the best policy (the last, if none was judged).

    The arguments are those of `agents.ppo.train`; `make_model(environment, config, env, seed)` gives SB3's algorithm.
    """
    torch.set_num_threads(config.torch_threads)
    learner = Learner(environment, config, run.seed, make_model)
    if checkpoint is not None:
        learner.restore(checkpoint.tensors, checkpoint.facts)
        if run.progress is not None:
            run.progress.say("SB3 promises no exact resume: see the docstring of agents/sb3/__init__.py")
    options = {"level": config.level, **config.params}
    judge = Judge(environment, config.eval_episodes, options) if config.eval_interval else None
    logged, start = learner.total_steps, time.perf_counter()

    def between() -> None:
        nonlocal logged, start
        size, is_end = learner.total_steps - logged, learner.total_steps >= config.total_steps
        if size < config.log_interval and not is_end:
            if learner.total_steps == 0 and run.stop_requested:
                raise _StoppedError
            return
        seconds = time.perf_counter() - start
        figures = training.episode_figures(boundary.episodes) | learner.figures()
        boundary.episodes.clear()
        if judge is not None and (_crosses(learner, size, config.eval_interval) or is_end):
            figures |= evaluate(learner, judge)
        is_pictured = _crosses(learner, size, config.picture_interval) or is_end
        if config.picture_interval and environment.drawing and is_pictured:
            run.log_gif(learner.total_steps, "rollout", episode_gif(environment, learner.policy, run.seed, options))
        run.log(learner.total_steps, figures, timing={"time/steps_per_second": size / seconds})
        if run.progress is not None:
            run.progress.update(learner.total_steps, config.total_steps, figures)
        if _crosses(learner, size, config.checkpoint_interval) or is_end or run.stop_requested:
            run.save(learner.total_steps, *learner.checkpoint())
        logged, start = learner.total_steps, time.perf_counter()
        if run.stop_requested:
            raise _StoppedError

    boundary = _Boundary(between)
    with suppress(_StoppedError):
        left = config.total_steps - learner.total_steps
        learner.model.learn(left, callback=boundary, log_interval=None, reset_num_timesteps=False)
        if learner.total_steps > logged:
            between()
    learner.env.close()
    return SB3Policy(learner.best, run.seed) if math.isfinite(learner.best_score) else learner.policy


def _crosses(learner: Learner, size: int, interval: int) -> bool:
    return training.crosses(learner.total_steps, size, interval)


def evaluate(learner: Learner, judge: Judge) -> dict[str, float]:
    """Score the present policy, keep it if it is the best so far, and return figures for the log."""
    figures, score, is_best = judge(learner.policy, SB3Policy(learner.best), learner.best_score)
    if is_best:
        learner.best_score = score
        learner.best.load_state_dict(learner.model.policy.state_dict())
    return figures


def load(run: Any, environment: Any, params: Any, kind: type, algorithm: Any) -> SB3Policy:
    """Return the best policy of the newest checkpoint of `run`, or the last; see `agents.ppo.load`.

    The weights are safetensors, the policy is built anew: nothing is unpickled.

    Args:
        kind: the agent's Config.
        algorithm: SB3's class.
    """
    checkpoint = run.load()
    config: Any = training.config_of(kind, run.config)
    observation_space, action_space = training.spaces_under(environment, config, params)
    goal_size = getattr(environment, "goal_size", 0)
    if goal_size and getattr(config, "hindsight_goals", 0):
        observation_space = goal_space(observation_space, goal_size)
    policy = parts.policy_class(algorithm, observation_space)(
        observation_space, action_space, parts.schedule(0.0, "constant"), **parts.network(config)
    )
    kept = "policy" if checkpoint.facts["best_score"] is None else "best"  # None: never evaluated yet
    saving.load_weights(policy, saving.part(checkpoint.tensors, kept))
    return SB3Policy(policy, run.seed)
