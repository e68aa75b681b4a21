"""Synthetic teachers: B-Pref's six, which choose between clips by the environment's own rewards, and behaviours.

K. Lee et al., "B-Pref: Benchmarking Preference-Based Reinforcement Learning" (2021, arXiv:2111.03026), section 4.
What differs: thresholds are shares of the way from the worst clip seen to the mean one, so that they also work where
all rewards are costs; `noisy` sees returns in units of their deviation over the clips seen: else its β says nothing.

Teachers of behaviours look at what is seen alone. They stand for a person who wants something that nobody wrote a
reward for, and answer as that person would.
"""

import math
from collections.abc import Sequence

import numpy as np

from agents.rlhf.clips import Clip
from agents.rlhf.labels import EQUAL, LEFT, RIGHT, SKIP

BEHAVIOURS = {"spin": "pendulum"}  # the environment of each
MISTAKE_CHANCE = 0.1  # ε of `mistake`: of answering the other way round
RATIONALITY = 1.0  # β of `noisy`: of returns in units of their deviation
MYOPIC_GAMMA = 0.9  # γ of `myopic`: what a step counts beside the next one
SKIP_SHARE, EQUAL_SHARE = 0.1, 0.1  # ε of `skip` and `equal`


def turned(obs: np.ndarray) -> float:
    """Return by how much (rad, counter-clockwise) a pendulum turned over its observations [L, 3]."""
    angles = np.unwrap(np.arctan2(obs[:, 1], obs[:, 0]))
    return float(angles[-1] - angles[0])


def choose(
    teacher: str, pairs: Sequence[tuple[Clip, Clip]], seen: Sequence[Clip], rng: np.random.Generator
) -> list[str]:
    """Return a teacher's answers to pairs of clips.

    Args:
        teacher: B-Pref's six, or one of `BEHAVIOURS`. oracle: the higher return; equal ones are "equal". mistake: the
            oracle, but the other way round with chance 0.1. noisy: draws by the Bradley–Terry chances of the returns.
            myopic: the oracle for returns in which late steps count more. skip: skips a pair in which neither clip is
            worth much. equal: calls equal what differs by little. spin: the pendulum that turned further
            counter-clockwise.
        pairs: the questions.
        seen: clips that say what returns there are.
        rng: what `mistake` and `noisy` draw from.
    """
    returns = np.array([[_worth(teacher, clip) for clip in pair] for pair in pairs])  # [P, 2]
    known = np.array([_worth(teacher, clip) for clip in seen])
    worst, mean, deviation = known.min(), known.mean(), max(float(known.std()), 1e-12)
    uniforms = rng.random(len(pairs))  # drawn by all, so that teachers ask for the same clips
    return [
        _answer(teacher, left, right, worst, mean, deviation, uniform)
        for (left, right), uniform in zip(returns, uniforms, strict=True)
    ]


def _worth(teacher: str, clip: Clip) -> float:
    if teacher == "spin":
        return turned(clip.obs)
    weights = MYOPIC_GAMMA ** np.arange(clip.length)[::-1] if teacher == "myopic" else 1.0
    return float((clip.rewards * weights).sum())


def _answer(
    teacher: str, left: float, right: float, worst: float, mean: float, deviation: float, uniform: float
) -> str:
    if teacher == "noisy":
        chance = 1 / (1 + math.exp(-max(min(RATIONALITY * (left - right) / deviation, 500), -500)))
        return LEFT if uniform < chance else RIGHT
    if teacher == "skip" and max(left, right) < worst + SKIP_SHARE * (mean - worst):
        return SKIP
    if left == right or (teacher == "equal" and abs(left - right) < EQUAL_SHARE * (mean - worst)):
        return EQUAL
    is_left = left > right
    if teacher == "mistake" and uniform < MISTAKE_CHANCE:
        is_left = not is_left
    return LEFT if is_left else RIGHT
