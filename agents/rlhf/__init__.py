"""Reinforcement learning from choices between clips: Christiano et al. 2017 (arXiv:1706.03741), with PPO.

The agent never sees the environment's reward. It acts, clips of what it did are put before a teacher two at a time, an
ensemble learns a reward that explains the choices, PPO maximises that, and new clips are asked about. What differs from
the paper, or is not in it:

1. Training and teacher meet in a label store on disk alone (labels.py): a person answers whenever they like, several
   may, and either side may stop. Training waits only where it would be more than a session of questions ahead.
2. A fit of the reward begins anew from all labels there are (reward_model.py); they arrive between rollouts, and the
   store notes when. So a run replays from its label file bit for bit (`teacher=none`, `answers=FILE`).
3. Clips may be of different lengths: one that ends with the episode's end is shorter.
4. The environment's own reward, where it has one, is only reported: the last policy is kept, not the best by it.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from agents import ppo
from agents.rlhf import report, teachers
from agents.rlhf.clips import Clip, ClipRecorder, joined
from agents.rlhf.labels import About, Label, LabelStore
from agents.rlhf.reward_model import Fit, RewardModel
from agents.rlhf.selection import select
from rlkit.engine.batch import BatchEnv
from rlkit.evaluation import Judge
from rlkit.learning import saving, training
from rlkit.learning.actor_critic import NetworkPolicy, flat_obs
from rlkit.viewing.episode import episode_gif

LABELS = "labels.sqlite"  # in the run folder
KEPT_CLIPS = 1024  # that questions are drawn from
RECENT_CLIPS = 256  # of these: over which learned rewards get mean 0 and deviation 1
MIN_EARLIER = 20  # labels that the agreement with new ones is compared with, if there are
_POLL_SECONDS = 0.2  # between looks for answers while training waits
_TELL_SECONDS = 2.0  # between what people are told about the training


Teacher = Literal["oracle", "mistake", "noisy", "myopic", "skip", "equal", "spin", "person", "none"]


@dataclass(frozen=True)
class Config(ppo.Config):
    """A recipe: PPO's, and how its reward is learned."""

    teacher: Teacher = "oracle"  # who answers
    labels: int = 200  # answers to learn from in all
    answers: str = ""  # a label file to begin with, such as that of another run; teacher=none: all there is
    clip_length: int = 25  # steps of a clip, unless the episode terminates in it
    num_sessions: int = 10  # in which questions are asked, the first before any learning
    first_share: float = 0.5  # of the labels, which the first session asks for
    ask_share: float = 0.7  # of total_steps, in which the sessions are spread evenly
    selection: Literal["random", "disagreement"] = "disagreement"  # of pairs, among candidates drawn by chance
    candidates: int = 5  # selection=disagreement: pairs drawn for each that is asked
    num_members: int = 3  # of the ensemble of reward models
    reward_hidden_size: int = 64  # units of each of a member's two hidden layers
    reward_epochs: int = 20  # passes over all labels of a fit
    reward_learning_rate: float = 3e-3  # Adam's, of the reward models
    reward_weight_decay: float = 1.0  # of the reward models (AdamW)

    def __post_init__(self) -> None:
        super().__post_init__()
        training.check_at_least_one(
            self, "labels", "clip_length", "num_sessions", "candidates", "num_members", "reward_hidden_size",
            "reward_epochs",
        )  # fmt: skip
        for name in ("first_share", "ask_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0 and at most 1")
        if self.teacher == "none" and not self.answers:
            raise ValueError("teacher=none needs answers=FILE: there is nothing else to learn from")


def recipe(base: ppo.Config, **changes: Any) -> Config:
    """Return a recipe of PPO as one that learns its reward, with `changes`."""
    return Config(**{**vars(base), **changes})


def default_recipe(environment: Any) -> Config:
    """Return the recipe of an environment that has none for choices between clips: its PPO's."""
    return recipe(environment.recipes.get("ppo") or ppo.Config())


class Learner:
    """PPO's learner, the clips that its copies live through, the reward model and the label store."""

    def __init__(self, environment: Any, config: Config, seed: int, store_path: Path):
        self.config, self.seed = config, seed
        self.ppo = ppo.Learner(environment, config, seed)
        self.env: BatchEnv = self.ppo.env
        obs_space, action_space = self.ppo.spaces
        about = About(
            environment.name, config.level, dict(config.params), self.env.states.dtype.itemsize,
            math.prod(obs_space.shape or ()), tuple(action_space.shape or ()), config.clip_length,
        )  # fmt: skip
        self.store = _store(store_path, about, config)
        self.recorder = ClipRecorder(config.num_envs, KEPT_CLIPS, about, seed)
        self.model = RewardModel(about.obs_size, action_space, config.num_members, config.reward_hidden_size, seed)
        self.num_sessions = 0  # in which questions were asked
        self.fit_step = -1  # of the last fit
        self.alarmed = -1  # the session of questions in which an alarm was told last

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.ppo.total_steps

    def checkpoint(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (tensors, facts)."""
        tensors, facts = self.ppo.checkpoint()
        tensors |= saving.prefixed("clips", self.recorder.tensors())
        tensors |= saving.prefixed("reward", self.model.state_dict())
        own = {"num_sessions": self.num_sessions, "num_fits": self.model.num_fits, "fit_step": self.fit_step}
        return tensors, facts | own | {"clips_rng": self.recorder.rng_state}

    def restore(self, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take back what `checkpoint` gave."""
        self.ppo.restore(tensors, facts)
        self.recorder.restore(saving.part(tensors, "clips"), facts["clips_rng"])
        self.model.restore(saving.part(tensors, "reward"), facts["num_fits"])
        self.num_sessions, self.fit_step = facts["num_sessions"], facts["fit_step"]

    def act(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step every copy, and give what they get the rewards of the model; note what they live through."""
        obs = np.array(flat_obs(self.ppo.obs)).reshape(self.env.num_envs, -1)
        self.recorder.begin(self.env.states)
        next_obs, rewards, terminated, truncated, info = self.env.step(actions)
        self.recorder.note(obs, actions, rewards, terminated, truncated)
        return next_obs, self.model.rewards(obs, actions), terminated, truncated, info


def _store(path: Path, about: About, config: Config) -> LabelStore:
    """Open the label store of a run, or make it: empty, or as a copy of the file `config.answers`."""
    if not path.exists() and config.answers:
        with LabelStore.open(config.answers) as given:
            given.check_fits(about)
            given.copy_to(path)
    if not path.exists():
        return LabelStore.create(path, about, config.labels, config.total_steps)
    store = LabelStore.open(path)
    store.check_fits(about)
    store.tell(wanted=config.labels, total_steps=config.total_steps)
    return store


# --- questions and answers --------------------------------------------------------------------------------------


def sessions_due(config: Config, step: int) -> int:
    """Return how many sessions of questions there are to be up to a step."""
    return min(config.num_sessions, 1 + int(step * config.num_sessions / (config.ask_share * config.total_steps)))


def asked_after(config: Config, num_sessions: int) -> int:
    """Return how many questions are asked in so many sessions."""
    if num_sessions >= config.num_sessions:
        return config.labels
    share = config.first_share + (1 - config.first_share) * (num_sessions - 1) / max(config.num_sessions - 1, 1)
    return math.ceil(config.labels * share) if num_sessions else 0


def ask(learner: Learner) -> None:
    """Ask what is due, or what skipped questions left open, and have a synthetic teacher answer."""
    config, store = learner.config, learner.store
    if config.teacher == "none":
        return
    due, progress = sessions_due(config, learner.step), store.progress()
    missing = asked_after(config, due) - progress.answered - progress.open
    is_new = due > learner.num_sessions
    if missing <= 0 or not (is_new or progress.open == 0):
        learner.num_sessions = due
        return
    learner.num_sessions = due
    rng = np.random.default_rng([learner.seed, 1, learner.step])
    clips = learner.recorder.newest(KEPT_CLIPS)
    pairs = select(clips, missing, config.selection, config.candidates, learner.model, rng)
    model = learner.model
    chances = model.chances(pairs).mean(axis=0) if model.num_fits else None
    numbers = store.ask(pairs, learner.step, f"fit {model.num_fits}" if model.num_fits else "", chances)
    if config.teacher != "person":
        given = teachers.choose(config.teacher, pairs, clips, rng)
        store.answer(dict(zip(numbers, given, strict=True)), f"teacher {config.teacher}")


def wait(learner: Learner, run: Any) -> None:
    """While a person is more than a session of questions behind, wait for answers."""
    if learner.config.teacher != "person":
        return
    least = asked_after(learner.config, max(learner.num_sessions - 1, 0)) or math.ceil(
        asked_after(learner.config, 1) / 2
    )
    while not run.stop_requested:
        progress = learner.store.progress()
        if progress.answered >= least or not progress.open:
            return
        if run.progress is not None:
            run.progress.update(
                learner.step, learner.config.total_steps, {"eval/answers awaited": least - progress.answered}
            )
        time.sleep(_POLL_SECONDS)


def learn_reward(learner: Learner) -> dict[str, float]:
    """Fit the reward model if enough labels are new; return figures for the log."""
    labels = learner.store.arrived(learner.step)
    before = learner.store.arrived(learner.fit_step) if learner.fit_step >= 0 else []
    known = {(label.question, label.target) for label in before}
    new = [label for label in labels if (label.question, label.target) not in known]
    figures: dict[str, float] = {"rlhf/labels": len(labels)}
    if not labels or len(new) < max(1, len(labels) // 20):
        return figures
    figures |= _agreement(learner, new, before)
    config = learner.config
    pairs = [(learner.store.clip(label.left), learner.store.clip(label.right)) for label in labels]
    fit = learner.model.fit(
        pairs, [label.target for label in labels], learner.recorder.newest(RECENT_CLIPS),
        num_epochs=config.reward_epochs, learning_rate=config.reward_learning_rate,
        weight_decay=config.reward_weight_decay,
    )  # fmt: skip
    learner.fit_step = learner.step
    return figures | _fit_figures(learner, fit)


def _agreement(learner: Learner, new: Sequence[Label], before: Sequence[Label]) -> dict[str, float]:
    """Return how often the model that asked agrees with new labels, which it has not learned from, and the alarm.

    The alarm is 1 where the learned reward is higher in the newest clips than in the oldest kept, and the agreement
    below that with as many of the labels before, by more than twice its standard error: what is learned to be good
    becomes more, and less of it is what was meant (Gao et al. 2023, arXiv:2210.10760).
    """
    agreed = _agreed(new)
    if not len(agreed):
        return {}
    figures = {"rlhf/agreement": float(agreed.mean())}
    earlier = _agreed(before)[-max(len(agreed), MIN_EARLIER) :]
    if len(earlier):
        clips = learner.recorder.newest(KEPT_CLIPS)
        quarter = max(len(clips) // 4, 1)
        rises = _mean_reward(learner, clips[-quarter:]) > _mean_reward(learner, clips[:quarter])
        error = math.sqrt(sum(max(part.var(), 0.01) / len(part) for part in (agreed, earlier)))
        figures["rlhf/alarm"] = float(rises and agreed.mean() < earlier.mean() - 2 * error)
    return figures


def _agreed(labels: Sequence[Label]) -> np.ndarray:
    """Return for which of the labels that say left or right the model that asked had said the same."""
    clear = [label for label in labels if label.target != 0.5 and label.chance is not None]
    return np.array([(label.target == 1) == (label.chance > 0.5) for label in clear], np.float64)  # type: ignore[operator]


def _mean_reward(learner: Learner, clips: Sequence[Clip]) -> float:
    obs, actions, _ = joined(clips)
    return float(learner.model.rewards(obs, actions).mean())


def _fit_figures(learner: Learner, fit: Fit) -> dict[str, float]:
    obs, actions, rewards = joined(learner.recorder.newest(RECENT_CLIPS))
    members = learner.model.member_rewards(obs, actions)
    figures = {
        "rlhf/reward_loss": fit.loss,
        "rlhf/held_out_accuracy": fit.accuracy,
        "rlhf/calibration_error": fit.calibration_error,
        "rlhf/disagreement": float(members.std(axis=0).mean()),
    }
    for k, (chance, share) in enumerate(fit.calibration):
        if fit.counts[k]:
            parts = {"chance": chance, "share": share, "count": fit.counts[k]}
            figures |= {f"rlhf/calibration/{k}/{name}": float(part) for name, part in parts.items()}
    if rewards.std() > 0:
        figures["rlhf/correlation"] = float(np.corrcoef(members.mean(axis=0), rewards)[0, 1])
    return {name: value for name, value in figures.items() if math.isfinite(value)}


# --- training ---------------------------------------------------------------------------------------------------


def train(environment: Any, config: Config, run: Any, checkpoint: Any = None) -> NetworkPolicy:
    """Train until the budget is spent or `run.stop_requested`; return the last policy.

    Args and checkpoints are as `agents.ppo.train` has them.

    Raises:
        ValueError: the environment is a game of two, or not one of ours.
        LabelError: the label file cannot be read or does not fit.
    """
    _check(environment, config)
    torch.set_num_threads(config.torch_threads)
    learner = Learner(environment, config, run.seed, run.folder / LABELS)
    if checkpoint is not None:
        learner.restore(checkpoint.tensors, checkpoint.facts)
    options = {"level": config.level, **config.params}
    judge = Judge(environment, config.eval_episodes, options) if config.eval_interval else None
    told = 0.0
    while learner.step < config.total_steps and not run.stop_requested:
        start = time.perf_counter()
        figures = teach(learner, run)
        learner.alarmed = report.warn(run, learner.step, figures, learner.num_sessions, learner.alarmed)
        if run.stop_requested:
            break
        taught = time.perf_counter()
        new, last_values = ppo.collect(learner.ppo, learner.act)
        figures |= new | {"rlhf/learned_reward": float(learner.ppo.rollout.rewards.mean())}
        if learner.model.num_fits:
            advantages = learner.ppo.rollout.advantages(last_values, config.gamma, config.gae_lambda)
            figures |= ppo.update(learner.ppo, advantages)
        seconds = time.perf_counter() - start
        is_end = learner.step >= config.total_steps
        if judge is not None and (learner.ppo.crosses(config.eval_interval) or is_end):
            figures |= judge(_policy(learner), _policy(learner), math.inf)[0]
        if config.picture_interval and environment.drawing and (learner.ppo.crosses(config.picture_interval) or is_end):
            run.log_gif(learner.step, "rollout", episode_gif(environment, _policy(learner), run.seed, options))
        timing = {
            "time/steps_per_second": config.rollout_size / seconds,
            "time/teach_share": (taught - start) / seconds,
        }
        run.log(learner.step, figures, timing=timing)
        if run.progress is not None:
            run.progress.update(learner.step, config.total_steps, figures)
        if config.teacher == "person" and time.monotonic() - told > _TELL_SECONDS:
            learner.store.tell(step=learner.step)
            told = time.monotonic()
        if learner.ppo.crosses(config.checkpoint_interval) or is_end or run.stop_requested:
            run.save(learner.step, *learner.checkpoint())
    learner.store.tell(step=learner.step, is_over=learner.step >= config.total_steps)
    learner.store.close()
    learner.env.close()
    report.add(run, learner.step, environment, _policy(learner), learner.model)
    return _policy(learner)


def teach(learner: Learner, run: Any) -> dict[str, float]:
    """Ask, wait and learn the reward, once there are clips enough to ask about; return figures for the log."""
    if len(learner.recorder) < min(KEPT_CLIPS, max(2 * asked_after(learner.config, 1), 8)):
        return {}
    ask(learner)
    wait(learner, run)
    return learn_reward(learner)


def _policy(learner: Learner) -> NetworkPolicy:
    return learner.ppo.policy_of(learner.ppo.network, learner.ppo.moments.get("obs"), learner.ppo.value_scale)


def _check(environment: Any, config: Config) -> None:
    if teachers.BEHAVIOURS.get(config.teacher, environment.name) != environment.name:
        raise ValueError(f"teacher={config.teacher} is one for {teachers.BEHAVIOURS[config.teacher]} alone")
    if not hasattr(environment, "rules"):
        raise ValueError(f"{environment.name}: clips need states, which environments that are not rlkit's do not give")
    if environment.num_players == 2:
        raise ValueError(f"{environment.name} is a game of two: learn it by self-play, not from choices between clips")


def load(run: Any, environment: Any, params: np.record | None = None) -> NetworkPolicy:
    """Return the policy of the newest checkpoint of `run`, with its learned reward; see `agents.ppo.load`."""
    policy = ppo.load(run, environment, params, kind=Config)
    policy.learned_reward = load_reward(run, environment).rewards
    return policy


def load_reward(run: Any, environment: Any) -> RewardModel:
    """Return the reward model of the newest checkpoint of `run`."""
    checkpoint, config = run.load(), training.config_of(Config, run.config)
    obs_space, action_space = training.spaces_under(environment, config, None)
    size = math.prod(obs_space.shape or ())
    model = RewardModel(size, action_space, config.num_members, config.reward_hidden_size, run.seed)
    model.restore(saving.part(checkpoint.tensors, "reward"), checkpoint.facts["num_fits"])
    return model
