"""A point of an episode: what the viewer shows, and where it can go back to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rlkit.engine.variation import base_states
from rlkit.learning.policy import Situation, add_axis


@dataclass(frozen=True, eq=False)
class Moment:
    """A point of an episode to which a session can go back."""

    snapshot: Any
    obs: Any
    action_mask: np.ndarray | None
    player: int  # who moves next; +1 in one-player environments
    thought: Mapping[str, Any] | None = None  # what a policy says of it (see `consider`); None: not asked yet
    num_steps: int = 0
    action: Any = None  # the action that led here
    reward: float = 0.0  # of whoever took it
    learned_reward: float | None = None  # for the same, by the reward that its policy was taught; None: taught none
    episode_return: float = 0.0  # the first player's
    terminated: bool = False
    truncated: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether the episode has ended here."""
        return self.terminated or self.truncated

    def situation(self, env: Any, actions: Sequence[Any] | None) -> Situation:
        """Return it, a moment of `env`, as a batch of one; `actions` led here from the beginning, None: not known."""
        mask = None if self.action_mask is None else self.action_mask[None]
        actions = None if actions is None else [actions]
        states = base_states(env.environment, self.snapshot.states)
        return Situation(add_axis(self.obs), mask, states, env.nominal_params, actions)

    def learned_reward_of(self, seat: Any, action: Any) -> float | None:
        """Return what the learned reward of a seat's policy says of `action` here; None where it has none."""
        rewards = getattr(seat, "learned_reward", None)
        return None if rewards is None else float(rewards(add_axis(self.obs), add_axis(action))[0])
