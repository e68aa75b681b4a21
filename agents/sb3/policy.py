"""A policy of Stable-Baselines3 that acts as ours do."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy

from rlkit.engine.goals import split
from rlkit.learning.actor_critic import flat_obs
from rlkit.learning.policy import add_axis, is_single


class SB3Policy:
    """Acts with a policy of SB3's; see `rlkit.learning.policy.Policy`. Discrete or continuous actions, no masks.

    Args:
        policy: SB3's, whose weights are those to act with.
        seed: of the draws of `act(..., deterministic=False)`; DQN's and TD3's policies have no chance to draw on.
    """

    def __init__(self, policy: BasePolicy, seed: int = 0):
        self.policy = policy
        self._generator = torch.Generator().manual_seed(seed).get_state()

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Return the most likely action(s), or draws from the policy."""
        given = self._in_parts(obs)
        if deterministic:
            return self.policy.predict(given, deterministic=True)[0]
        with torch.random.fork_rng(devices=[]):  # SB3 draws from torch's only generator: leave that as it was
            torch.set_rng_state(self._generator)
            actions = self.policy.predict(given, deterministic=False)[0]
            self._generator = torch.get_rng_state()
        return actions

    @torch.no_grad()
    def inspect(self, obs: Any, action_mask: np.ndarray | None = None) -> dict[str, Any]:
        """Return {"value": float, "probabilities" [A] (PPO, Discrete) or "q_values" [A] (DQN)} of one observation."""
        policy: Any = self.policy
        policy.set_training_mode(False)
        inputs, _ = policy.obs_to_tensor(add_axis(self._in_parts(obs)))
        if hasattr(policy, "q_net"):
            q = policy.q_net(inputs)[0].cpu().numpy()
            return {"value": float(q.max()), "q_values": q}
        if hasattr(policy, "critic"):
            scaled = policy._predict(inputs, deterministic=True)  # in −1 to 1, as the critics take them
            return {"value": float(torch.cat(policy.critic(inputs, scaled), dim=1).min())}
        seen: dict[str, Any] = {"value": float(policy.predict_values(inputs))}
        if isinstance(policy.action_space, spaces.Discrete):
            seen["probabilities"] = policy.get_distribution(inputs).distribution.probs[0].cpu().numpy()
        return seen

    def _in_parts(self, obs: Any) -> Any:
        """Return observations as the policy has learned from them: flat, or in the parts of a goal environment."""
        space = self.policy.observation_space
        if isinstance(space, spaces.Dict):
            return obs if isinstance(obs, dict) else split(np.asarray(obs), space["desired_goal"].shape[0])  # type: ignore[index]
        if not isinstance(obs, dict):
            return obs
        return flat_obs(add_axis(obs))[0] if is_single(obs, space) else flat_obs(obs)
