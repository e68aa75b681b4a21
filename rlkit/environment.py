"""What one environment folder declares."""

import importlib
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium import spaces

from rlkit.engine.state import make_params
from rlkit.engine.variation import nominal

GTP_LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"  # of the columns; the Go Text Protocol has no I

SpaceOf = spaces.Space | Callable[[np.record], spaces.Space]


@dataclass(frozen=True)
class Symmetries:
    """What may be done to an observation and its actions without changing the game; the first is the identity.

    Args:
        obs_orders: [K, size of an observation]: `obs.ravel()[obs_orders[k]]` is the observation after symmetry k.
        action_orders: [K, A]: `values[action_orders[k]]` are the values of the actions there.
    """

    obs_orders: np.ndarray
    action_orders: np.ndarray


@dataclass(frozen=True)
class Vertices:
    """How the Go Text Protocol calls the actions of a board game: cell D4 is column 4 of row 4.

    The observation is a Box [C, rows, columns] whose planes 0 and 1 are the mover's stones and the other's.

    Args:
        rows, columns: of the board.
        others: names of the actions behind those of the cells, such as "pass".
        by_column: an action is a column, A to G, whose row 0 is the bottom; else a cell, row × columns + column,
            whose row 0 is the top.
        from_top: rows are numbered from the top, as Othello's and Hex's are; Go's are from the bottom.
        letters: of the columns; those of Hex have an I.
    """

    rows: int
    columns: int
    others: tuple[str, ...] = ()
    by_column: bool = False
    from_top: bool = False
    letters: str = GTP_LETTERS

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each action [A]."""
        columns = self.letters[: self.columns]
        if self.by_column:
            return (*columns, *self.others)
        return (*(f"{letter}{self.row_number(row)}" for row in range(self.rows) for letter in columns), *self.others)

    @property
    def size(self) -> int:
        """The board size that GTP, which knows square boards only, hears of."""
        return max(self.rows, self.columns)

    def row_number(self, row: int) -> int:
        """Return the number that people give to a row of cells."""
        return row + 1 if self.from_top or self.by_column else self.rows - row


@dataclass(frozen=True)
class Environment:
    """One environment: its rules, its spaces and the engine's settings. Rooms beside the rules load on use.

    Args:
        package: import name of the environment's folder (`__name__` in its `__init__.py`).
        id: the Gymnasium id, `rlkit/Name-v0`. A change of rules that alters results raises the number.
        observation_space, action_space: the spaces, or functions of the params record that return them.
        max_steps: an episode is truncated after so many steps (plies in a game); None: never.
        num_players: 1, or 2 for a zero-sum game of turns whose state has a field `player` (+1/−1).
        symmetries: a function of the params record that returns the `Symmetries`; None: only the identity.
        gtp: a function of the params record that returns the `Vertices`; None: there are no names for its actions,
            so that no engine can play it.
        goal_size: K of a goal environment: observations are [observation …, achieved_goal (K), desired_goal (K)] in
            one flat Box, and the rules have `goal_reward(achieved, desired, params)`; 0: it is none. `rlkit.make` gives
            the parts as a Dict; whatever acts or learns inside rlkit gets the flat array (`flat_obs=True`).
        metrics: names of the figures that `metrics` of the rules writes at the end of an episode; `is_success` is also
            told as info["is_success"] then.
        levels: named presets of params: numbers, or a `rlkit.engine.variation.Range` for what is drawn each episode.
        instance: a function that returns the params of a level that is not in `levels`, by the id of a published
            instance or the path of a file; it raises ValueError, in a sentence, where there is none. None: levels
            are all there is.
        counterpart: name of the environment that is the same task in another simulator, with the same spaces and
            metrics: what was trained in one acts in the other, and `rlkit transfer` plays both.
        illegal_reward: reward of a masked action, which ends the episode.
        solved_return: mean return at which people call the task solved, if there is such a convention.
        frame_seconds: seconds between frames when watched at normal speed.
        idle_action: the Discrete action that does nothing: what is done before the first delayed one arrives.
        varied_rules: set by `rlkit.engine.variation`: rules around those of rules.py.
    """

    package: str
    id: str
    observation_space: SpaceOf
    action_space: SpaceOf
    max_steps: int | None = None
    num_players: int = 1
    symmetries: Callable[[np.record], Symmetries] | None = None
    gtp: Callable[[np.record], Vertices] | None = None
    goal_size: int = 0
    metrics: tuple[str, ...] = ()
    levels: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"standard": {}})
    instance: Callable[[str], Mapping[str, Any]] | None = None
    counterpart: str | None = None
    illegal_reward: float = -1.0
    solved_return: float | None = None
    frame_seconds: float = 0.5
    idle_action: int = 0
    varied_rules: types.ModuleType | None = None

    @property
    def name(self) -> str:
        """The short name: the folder's."""
        return self.package.rsplit(".", 1)[-1]

    @property
    def rules(self) -> types.ModuleType:
        """The module rules.py, or what varies it."""
        return self.varied_rules or self.base_rules

    @property
    def base_rules(self) -> types.ModuleType:
        """The module rules.py."""
        return self._room("rules", required=True)  # type: ignore[return-value]

    @property
    def drawing(self) -> types.ModuleType | None:
        """The module drawing.py, or None where there is none."""
        return self._room("drawing")

    @property
    def yardstick(self) -> Any | None:
        """YARDSTICK of yardstick.py (a `rlkit.evaluation.Yardstick`), or None where there is none."""
        room = self._room("yardstick")
        return room and room.YARDSTICK

    @property
    def recipes(self) -> Mapping[str, Any]:
        """RECIPES of train.py: agent name → config; the first is the default."""
        room = self._room("train")
        return room.RECIPES if room else {}

    @property
    def has_action_mask(self) -> bool:
        """Whether the rules say which actions are legal."""
        return hasattr(self.rules, "action_mask")

    def params(self, level: str = "standard", **changes: float) -> np.recarray:
        """Return the params record [1] of a level, or of an instance, with `changes` applied.

        What the level draws has its nominal value in it, and delays and noise are not in it.

        Raises:
            ValueError: unknown level or param, or a value that is not a number of its kind.
        """
        return make_params(self.base_rules.PARAMS, nominal(self.preset(level, **changes)))

    def preset(self, level: str = "standard", **changes: float) -> dict[str, Any]:
        """Return what a level, or an instance, and `changes` set: numbers, tables and `Range`s by param.

        Raises:
            ValueError: unknown level.
        """
        if level in self.levels:
            return {**self.levels[level], **changes}
        if self.instance is not None:
            return {**self.instance(level), **changes}
        raise ValueError(f"{self.name} has no level {level!r}; there are: {', '.join(self.levels)}")

    def spaces(self, params: np.record) -> tuple[spaces.Space, spaces.Space]:
        """Return (observation space, action space) of one copy under `params`; of a goal environment the flat one."""
        observation, action = (
            space if isinstance(space, spaces.Space) else space(params)
            for space in (self.observation_space, self.action_space)
        )
        return observation, action

    def _room(self, name: str, required: bool = False) -> types.ModuleType | None:
        full_name = f"{self.package}.{name}"
        try:
            return importlib.import_module(full_name)
        except ModuleNotFoundError as error:
            if error.name != full_name or required:
                raise
            return None
