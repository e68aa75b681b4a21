"""Any registered Gymnasium environment where ours are expected: `gymnasium:Acrobot-v1`."""

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gymnasium.vector import AutoresetMode, VectorEnv


@dataclass(frozen=True)
class ExternalEnvironment:
    """A Gymnasium environment by id: it has no states to save, no yardstick and no rules of ours.

    Args:
        gymnasium_id: a registered id, such as "Acrobot-v1".
    """

    gymnasium_id: str

    num_players = 1
    metrics: tuple[str, ...] = ()
    yardstick = None
    drawing: types.ModuleType | None = None
    has_action_mask = False

    @property
    def name(self) -> str:
        """The name that a run folder carries."""
        return f"gymnasium:{self.gymnasium_id}"

    @property
    def id(self) -> str:
        """The Gymnasium id."""
        return self.gymnasium_id

    @property
    def recipes(self) -> Mapping[str, Any]:
        """None: agents use their defaults."""
        return {}

    @property
    def solved_return(self) -> float | None:
        """The return at which Gymnasium calls the task solved, if it says."""
        import gymnasium

        return gymnasium.spec(self.gymnasium_id).reward_threshold

    def batch(
        self,
        num_envs: int,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        episode_stats: bool = False,
        **options: Any,
    ) -> VectorEnv:
        """Return a vector of `num_envs` copies; of our options only those of the signature apply."""
        import gymnasium
        from gymnasium.wrappers.vector import RecordEpisodeStatistics

        ignored = {"threads", "copy", "illegal_actions", "flat_obs", "level", "opponent"}
        kwargs = {name: value for name, value in options.items() if name not in ignored}
        spec = gymnasium.spec(self.gymnasium_id)
        env = gymnasium.make_vec(
            spec,
            num_envs,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": autoreset_mode},
            **kwargs,
        )
        return RecordEpisodeStatistics(env) if episode_stats else env
