"""Two-player games as PettingZoo AEC environments; needs the extra `[pettingzoo]`."""

from copy import deepcopy
from typing import Any

import numpy as np

from rlkit.engine.batch import Snapshot
from rlkit.engine.scalar import ScalarEnv
from rlkit.environment import Environment
from rlkit.extras import import_extra
from rlkit.registry import find_environment

import_extra("pettingzoo", "pettingzoo", "this interface needs PettingZoo")
from pettingzoo import AECEnv  # noqa: E402

AGENTS = {1: "player_0", -1: "player_1"}  # the player who moves first, and the other


def aec_env(environment: str | Environment, **options: Any) -> "TurnsEnv":
    """Return a two-player game as a PettingZoo AEC environment.

    Args:
        environment: a declaration or the name of one.
        options: those of `ScalarEnv` but `opponent`: params, `level`, `illegal_actions`, `render_mode`.

    Raises:
        ValueError: the environment is for one player.
        UnknownNameError: there is no environment of that name.
    """
    return TurnsEnv(find_environment(environment) if isinstance(environment, str) else environment, **options)


class TurnsEnv(AECEnv):
    """A game of `player_0` (who begins) and `player_1`; each sees the board from its own side.

    `infos[agent]["action_mask"]` is int8 [A]; it is all zeros for who is not to move. A masked action ends
    the game: its player loses, with `infos[agent]["illegal_action"]`.
    """

    def __init__(self, environment: Environment, *, render_mode: str | None = None, **options: Any):
        super().__init__()
        if environment.num_players != 2:
            raise ValueError(f"{environment.name} has one player: use rlkit.make({environment.name!r})")
        self._env = ScalarEnv(environment, opponent="self", render_mode=render_mode, **options)
        self._other = ScalarEnv(environment, opponent="self", **options)  # to see the board from any side
        self.metadata = {**self._env.metadata, "name": environment.id, "is_parallelizable": False}
        self.render_mode = render_mode
        self.possible_agents = list(AGENTS.values())
        self.agents: list[str] = []
        self.observation_spaces = {agent: deepcopy(self._env.observation_space) for agent in self.possible_agents}
        self.action_spaces = {agent: deepcopy(self._env.action_space) for agent in self.possible_agents}

    def observation_space(self, agent: str) -> Any:
        """The observation space of an agent, the same object at every call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        """The action space of an agent, the same object at every call."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict | None = None) -> None:
        """Begin a game; `seed` as in `ScalarEnv.reset`."""
        _, info = self._env.reset(seed=seed)
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.agent_selection = AGENTS[int(info["player"])]
        self.infos = self._infos(info)

    def step(self, action: Any) -> None:
        """Play `action` for `agent_selection`; None for an agent whose game is over.

        Raises:
            ValueError: the action is outside the space, or masked under `illegal_actions="raise"`.
        """
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        _, reward, terminated, truncated, info = self._env.step(action)
        self._cumulative_rewards[agent] = 0.0
        self.rewards = {name: reward if name == agent else 0.0 - reward for name in self.agents}
        self.terminations = dict.fromkeys(self.agents, terminated)
        self.truncations = dict.fromkeys(self.agents, truncated)
        self.agent_selection = AGENTS[int(info["player"])]
        self.infos = self._infos(info)
        if "illegal_action" in info:
            self.infos[agent]["illegal_action"] = True
        self._accumulate_rewards()

    def observe(self, agent: str) -> Any:
        """Return what `agent` sees, also while the other is to move."""
        now = self._env.snapshot()
        states = now.states.copy()
        states["player"] = next(player for player, name in AGENTS.items() if name == agent)
        return self._other.restore(Snapshot(states, now.episodes))[0]

    def render(self) -> np.ndarray | None:
        """Return the picture, uint8 [H, W, 3], under `render_mode="rgb_array"`."""
        return self._env.render()

    def close(self) -> None:
        """Let go of the environment."""
        self._env.close()
        self._other.close()

    def _infos(self, info: dict[str, Any]) -> dict[str, dict[str, Any]]:
        infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        for agent in self.agents if "action_mask" in info else ():
            mask = info["action_mask"]
            infos[agent]["action_mask"] = mask.copy() if agent == self.agent_selection else np.zeros_like(mask)
        return infos
