"""A policy as a GTP engine: what other programs ask, line by line, and what it answers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import rlkit
from rlkit.engine.scalar import ScalarEnv
from rlkit.environment import Environment
from rlkit.gtp import COLOURS, find_action, vertices_of
from rlkit.learning.policy import Policy, Situation, add_axis, decide
from rlkit.matches import without_random_plies

_PLAYERS = {"b": 1, "black": 1, "w": -1, "white": -1}


class Refusal(Exception):
    """Why a command is not carried out; the answer behind the "?"."""


class GtpServer:
    """Plays one game at a time as GTP (version 2) asks it to.

    The board keeps the size that the policy was made for. The colour to move must be the one whose turn it is in
    the game. `final_score` is "B+1", "W+1" or "0": the game's reward, not a margin.

    Args:
        environment: a game of two that declares `gtp`.
        policy: who answers `genmove`.
        options: `level` and params, as for `BatchEnv`; a level's random plies are left out.

    Raises:
        ValueError: the game has no names for its actions.
    """

    def __init__(self, environment: Environment, policy: Policy, **options: Any):
        options = without_random_plies(environment, options)
        self._vertices = vertices_of(environment, environment.params(**options)[0])
        self.is_closed = False  # whether `quit` was said
        self._policy = policy
        self._env = ScalarEnv(environment, opponent="self", **options)
        self._names = self._vertices.names
        self._commands: dict[str, Callable[..., str]] = {
            name.removeprefix("_do_"): getattr(self, name) for name in dir(self) if name.startswith("_do_")
        }
        self._do_clear_board()

    def answer(self, line: str) -> str:
        """Return the answer to a line, with the empty line that ends it; "" to an empty line or a comment."""
        line = line.partition("#")[0]
        words = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in line).split()
        id = words.pop(0) if words and words[0].isdecimal() else ""
        if not words:
            return ""
        try:
            return f"={id} {self._run(words[0], words[1:])}".rstrip() + "\n\n"
        except Refusal as refusal:
            return f"?{id} {refusal}\n\n"
        except Exception as error:  # whatever went wrong, the other program hears of it and may go on
            return f"?{id} {' '.join(str(error).split()) or type(error).__name__}\n\n"

    def _run(self, name: str, words: list[str]) -> str:
        if name not in self._commands:
            raise Refusal("unknown command")
        return self._commands[name](*words)

    # --- the commands; words that nobody asked for are ignored -------------------------------------------------

    def _do_protocol_version(self, *_: str) -> str:
        return "2"

    def _do_name(self, *_: str) -> str:
        return f"rlkit {getattr(self._policy, 'name', type(self._policy).__name__)}"

    def _do_version(self, *_: str) -> str:
        return rlkit.__version__

    def _do_known_command(self, name: str = "", *_: str) -> str:
        return "true" if name in self._commands else "false"

    def _do_list_commands(self, *_: str) -> str:
        return "\n".join(sorted(self._commands))

    def _do_quit(self, *_: str) -> str:
        self.is_closed = True
        return ""

    def _do_boardsize(self, size: str = "", *_: str) -> str:
        if _number(size, "boardsize") != self._vertices.size:
            raise Refusal("unacceptable size")
        return self._do_clear_board()

    def _do_clear_board(self, *_: str) -> str:
        self._obs, self._info = self._env.reset(seed=0)
        self._actions: list[int] = []
        self._before: list[Any] = []  # a snapshot before each action
        self._result: float | None = None  # black's reward, once the game is over
        return ""

    def _do_komi(self, komi: str = "", *_: str) -> str:
        number = _number(komi, "komi")
        if "komi" in (self._env.params.dtype.names or ()):
            self._env.params["komi"] = number
            self._obs, self._info = self._env.restore(self._env.snapshot())  # it may be part of what one sees
        return ""

    def _do_time_settings(self, *_: str) -> str:
        return ""  # a policy takes the time it takes

    def _do_time_left(self, *_: str) -> str:
        return ""

    def _do_play(self, colour: str = "", vertex: str = "", *_: str) -> str:
        self._must_move(colour)
        action = find_action(self._names, vertex)
        if action is None or not self._legal[action]:
            raise Refusal("illegal move")
        self._step(action)
        return ""

    def _do_genmove(self, colour: str = "", *_: str) -> str:
        self._must_move(colour)
        masks = self._info["action_mask"][None] if "action_mask" in self._info else None
        states, played = self._env.snapshot().states, [tuple(self._actions)]
        situation = Situation(add_axis(self._obs), masks, states, self._env.params, played)
        action = int(decide(self._policy, situation)[0])
        if np.any(getattr(self._policy, "resigned", False)):
            return "resign"
        if not (0 <= action < len(self._legal) and self._legal[action]):
            raise RuntimeError(f"the policy chose action {action}, which is illegal here")
        self._step(action)
        return self._names[action]

    def _do_undo(self, *_: str) -> str:
        if not self._actions:
            raise Refusal("cannot undo")
        self._actions.pop()
        self._obs, self._info = self._env.restore(self._before.pop())
        self._result = None
        return ""

    def _do_showboard(self, *_: str) -> str:
        own, other = np.asarray(self._obs)[:2]
        black, white = (own, other) if self._mover == 1 else (other, own)
        letters = self._vertices.letters[: self._vertices.columns]
        lines = []
        for row in range(self._vertices.rows):
            cells = ["X" if x else "O" if o else "." for x, o in zip(black[row], white[row], strict=True)]
            lines.append(f"{self._vertices.row_number(row):2} {' '.join(cells)}")
        if self._vertices.by_column:
            lines.reverse()
        state = f"{COLOURS[self._mover]} to move" if self._result is None else f"over: {self._do_final_score()}"
        return "\n".join(["", f"   {' '.join(letters)}", *lines, state])

    def _do_final_score(self, *_: str) -> str:
        if self._result is None:
            raise Refusal("the game is not over")
        return "0" if self._result == 0 else f"{'B' if self._result > 0 else 'W'}+{abs(self._result):g}"

    # --- the game ------------------------------------------------------------------------------------------------

    @property
    def _mover(self) -> int:
        return int(self._env.state["player"])

    @property
    def _legal(self) -> np.ndarray:
        """The legal actions [A]."""
        return self._info.get("action_mask", np.ones(len(self._names)))

    def _must_move(self, colour: str) -> None:
        """Refuse a colour that is none, or not to move."""
        if colour.lower() not in _PLAYERS:
            raise Refusal("syntax error: the colour must be b or w")
        if self._result is not None:
            raise Refusal("illegal move: the game is over")
        if _PLAYERS[colour.lower()] != self._mover:
            raise Refusal(f"illegal move: {COLOURS[self._mover]} is to move")

    def _step(self, action: int) -> None:
        mover = self._mover
        self._before.append(self._env.snapshot())
        self._actions.append(action)
        self._obs, reward, terminated, truncated, self._info = self._env.step(action)
        if terminated or truncated:
            self._result = mover * reward if terminated else 0.0


def _number(text: str, command: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Refusal(f"syntax error: {command} takes a number")
    return number
