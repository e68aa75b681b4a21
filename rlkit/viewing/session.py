"""Watching or playing one copy of an environment, as a state machine: time, keys and actions go in.

Nothing here knows a window: the viewer passes its events on and draws what the session is at, so the whole
behaviour also runs, and is tested, without a display.
"""

import copy
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from rlkit.learning.policy import Policy, Situation, consider, decide, with_simulations
from rlkit.viewing.moment import Moment

if TYPE_CHECKING:
    from rlkit.environment import Environment

HUMAN = "human"  # in a seat: a person at the window

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
COMMANDS = {
    "space": "pause", "right": "step_once", "return": "step_once", "left": "rewind", "backspace": "rewind",
    "r": "restart", "n": "next_copy", "tab": "next_copy", "+": "faster", "=": "faster", "-": "slower",
    "h": "hint", "s": "swap_seats", "[": "weaker", "]": "stronger", "q": "close", "escape": "close",
}  # fmt: skip

_REPEATED = ("step_once", "rewind")  # commands that go on while their key is held
_REPEAT_AFTER = 0.4  # s
_LINGER = 1.5  # s that the end of an episode stays on show
_HISTORY_BYTES = 64 << 20
_MAX_SIMULATIONS = 65_536  # keys do not go beyond

Seat = Policy | str | None  # a policy, HUMAN, or None: a random legal action


class Session:
    """What is on show, the way back from there, and the controls.

    Copy i is seeded with `seed` + i and its episodes follow each other as in a batch, so `next_copy` walks
    through the copies of a `BatchEnv` seeded alike. Given the seed everything repeats exactly: chance in the
    seats depends on seed, copy, episode and step only.

    Policies that plan (`act_in`) take their time. So they are asked in `tick` and not when a moment begins:
    whoever draws before every tick shows a person's move before the reply is thought about.

    Args:
        environment: the declaration, for its drawing, keys and names.
        env: a `ScalarEnv` of it; games of two in `opponent="self"` mode.
        seats: player → policy, HUMAN or None (random legal actions); one-player environments have only +1.
        seed: of copy 0.
        deterministic: policies take their best action; False draws from the probabilities they `inspect`.
        speed: times the environment's normal speed.
        episodes: the session closes after so many; None goes on.

    Raises:
        ValueError: the speed is out of range.
    """

    def __init__(
        self,
        environment: "Environment",
        env: Any,
        seats: Mapping[int, Seat],
        *,
        seed: int = 0,
        deterministic: bool = True,
        speed: float = 1.0,
        episodes: int | None = None,
    ):
        if not SPEEDS[0] <= speed <= SPEEDS[-1]:
            raise ValueError(f"speed={speed} must be between {SPEEDS[0]:g} and {SPEEDS[-1]:g}")
        self.environment, self.env, self.seats = environment, env, dict(seats)
        self.seed, self.deterministic, self.speed, self.episodes = seed, deterministic, speed, episodes
        self.copy, self.episode = 0, 0
        self.paused, self.closed, self.hints = False, False, False
        self._space = copy.deepcopy(env.action_space)  # seeded anew for every random action
        self._held: dict[str, float] = {}  # key → seconds it has been down
        self._tapped: set[str] = set()  # keys that came up before a step could see them
        self._due = 0.0  # steps
        self._shown_end = 0.0  # s that the end of the episode has been on show
        self._begin(*env.reset(seed=seed))

    # --- what is on show --------------------------------------------------------------------------------

    @property
    def moment(self) -> Moment:
        """The present moment."""
        return self.history[-1]

    @property
    def is_played(self) -> bool:
        """Whether a person plays."""
        return HUMAN in self.seats.values()

    @property
    def is_real_time(self) -> bool:
        """Whether a person plays against the clock: time goes on while no key is held."""
        return self.is_played and hasattr(self.environment.drawing, "IDLE_ACTION")

    @property
    def awaits_person(self) -> bool:
        """Whether a person is to act."""
        return not self.moment.is_over and self.seats[self.moment.player] == HUMAN

    @property
    def opponent(self) -> Any:
        """The policy a person plays against; None against random play, and while nobody plays."""
        return next((seat for seat in self.seats.values() if seat != HUMAN), None) if self.is_played else None

    @property
    def strength(self) -> int | None:
        """How many simulations a move the opponent takes, if it searches."""
        return getattr(self.opponent, "num_simulations", None) if hasattr(self.opponent, "with_simulations") else None

    @property
    def has_hints(self) -> bool:
        """Whether the opponent can say what it thinks of a person's position."""
        return hasattr(self.opponent, "inspect_in") or hasattr(self.opponent, "inspect")

    @property
    def speaker(self) -> Any:
        """The policy that says what it thinks now: the one to move or, on a person's move with hints, the opponent."""
        if self.awaits_person:
            return self.opponent if self.hints else None
        return None if self.moment.is_over else self.seats[self.moment.player]

    @property
    def is_thinking(self) -> bool:
        """Whether a policy that takes its time is at work: it has yet to say what it thinks, or only acts."""
        asked = self.moment.thought is not None
        return hasattr(self.speaker, "act_in") and not (self.moment.thought or (asked and self.paused))

    @property
    def keys(self) -> Mapping[str, Any]:
        """Key → action, while a person plays."""
        keys = getattr(self.environment.drawing, "KEYS", {}) if self.is_played else {}
        state, params = self.env.state, self.env.params
        return {key: action(state, params) if callable(action) else action for key, action in keys.items()}

    # --- time -------------------------------------------------------------------------------------------

    def tick(self, seconds: float) -> None:
        """Let time pass: take the steps that are due, or go on to the next episode."""
        self._repeat_held(seconds)
        self.think()
        if self.paused:
            return
        if self.moment.is_over:
            self._linger(seconds)
            return
        self._due += seconds * self.speed / self.environment.frame_seconds
        while self._due > 1 - 1e-9:
            self._due -= 1
            if not self.step() or self.is_thinking:
                self._due = 0.0  # it waits for the person, for a policy that takes its time, or has ended
                break

    def think(self) -> None:
        """Ask the speaker what it thinks of the present moment, once."""
        if self.speaker is not None and self.moment.thought is None:
            thought = consider(self.speaker, self._situation())
            thought = {name: part for name, part in thought.items() if part is not None}
            self.history[-1] = replace(self.moment, thought=thought)

    def step(self, action: Any = None) -> bool:
        """Take `action`, or else what the seat to move does.

        Returns:
            False if nothing was done: the episode is over, or a person has yet to choose.

        Raises:
            ValueError: the action is outside the space.
        """
        before = self.moment
        if before.is_over:
            return False
        if action is None:
            action = self._choose()
            if action is None:
                return False
        action = self._as_action(action)
        obs, reward, terminated, truncated, info = self.env.step(action)
        self._remember(
            obs,
            info,
            num_steps=before.num_steps + 1,
            action=action,
            reward=float(reward),
            learned_reward=before.learned_reward_of(self.seats[before.player], action),
            episode_return=before.episode_return + before.player * float(reward),
            terminated=bool(terminated),
            truncated=bool(truncated),
        )
        for key in self._tapped:
            self._held.pop(key, None)
        self._tapped.clear()
        return True

    # --- controls ---------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Pause or go on; after the end of an episode, on to the next."""
        if self.moment.is_over:
            self.paused = False
            self.next_episode()
        else:
            self.paused = not self.paused

    def step_once(self) -> None:
        """Take one step and pause."""
        self.paused = self.paused or not self.is_played or self.is_real_time
        self.step()

    def rewind(self) -> None:
        """Go back one step and pause; in a game with a person, back to their previous move."""
        undo = self.is_played and not self.is_real_time
        self.paused = not undo
        while len(self.history) > 1:
            self.history.pop()
            if not undo or self.awaits_person:
                break
        self._due = self._shown_end = 0.0
        self.env.restore(self.moment.snapshot)

    def restart(self) -> None:
        """Begin the same episode again."""
        self._begin(*self.env.restore(self._start))

    def next_episode(self) -> None:
        """Go on to this copy's next episode; after the last of `episodes` close."""
        if self.episodes is not None and self.episode + 1 >= self.episodes:
            self.closed = True
            return
        self.episode += 1
        self._begin(*self.env.reset())

    def next_copy(self) -> None:
        """Go on to the first episode of the next copy."""
        self.copy, self.episode = self.copy + 1, 0
        self._begin(*self.env.reset(seed=self.seed + self.copy))

    def faster(self) -> None:
        """Go to the next higher speed."""
        self.speed = next((speed for speed in SPEEDS if speed > self.speed), self.speed)

    def slower(self) -> None:
        """Go to the next lower speed."""
        self.speed = next((speed for speed in reversed(SPEEDS) if speed < self.speed), self.speed)

    def hint(self) -> None:
        """Show on a person's moves what the opponent thinks of them, or stop."""
        self.hints = not self.hints and self.has_hints

    def weaker(self) -> None:
        """Halve the opponent's simulations, down to one."""
        if self.strength:
            self._search_with(max(1, self.strength // 2))

    def stronger(self) -> None:
        """Double the opponent's simulations."""
        if self.strength is not None and self.strength < _MAX_SIMULATIONS:
            self._search_with(max(1, 2 * self.strength))

    def swap_seats(self) -> None:
        """Let the players of a game change seats, and begin it again."""
        if len(self.seats) == 2:
            self.seats = {1: self.seats[-1], -1: self.seats[1]}
            self.restart()

    def close(self) -> None:
        """End the session."""
        self.closed = True

    def press(self, key: str) -> None:
        """A key goes down (pygame's names: "left", "space", "r"): a person's action, or a command."""
        self._held.pop(key, None)
        self._held[key] = 0.0  # the latest last
        self._tapped.discard(key)
        if key in self.keys:
            if self.is_real_time:
                self.paused = False
            else:
                self.act(self.keys[key])
        elif key in COMMANDS:
            getattr(self, COMMANDS[key])()

    def release(self, key: str) -> None:
        """A key comes up."""
        if self.is_real_time and key in self.keys and self._held.get(key) == 0.0:
            self._tapped.add(key)
        else:
            self._held.pop(key, None)

    def release_all(self) -> None:
        """All keys come up: the window has lost the keyboard."""
        self._held.clear()

    def act(self, action: Any) -> None:
        """A person chooses an action; None and what is illegal now are ignored."""
        mask = self.moment.action_mask
        if action is None or not self.awaits_person or (mask is not None and not mask[action]):
            return
        self._due = 0.0  # the reply takes its time
        self.step(action)

    def click(self, x: float, y: float) -> None:
        """A click at a point of the environment's picture: a person's action, or on to the next episode."""
        find_action = getattr(self.environment.drawing, "action_from_click", None)
        if self.is_played and self.moment.is_over:
            self.next_episode()
        elif find_action is not None and self.awaits_person:
            self.act(find_action(self.env.state, self.env.params, x, y))

    # --- inside -----------------------------------------------------------------------------------------

    def _begin(self, obs: Any, info: Mapping[str, Any]) -> None:
        parts = obs.values() if isinstance(obs, Mapping) else [obs]
        size = 2048 + self.env.state.nbytes + sum(np.asarray(part).nbytes for part in parts)  # bytes a moment
        self.history: deque[Moment] = deque(maxlen=int(np.clip(_HISTORY_BYTES // size, 100, 20_000)))
        self._due = self._shown_end = 0.0
        self._remember(obs, info)
        self._start = self.moment.snapshot
        self.paused = self.paused or self.is_real_time  # against the clock, the person says when

    def _remember(self, obs: Any, info: Mapping[str, Any], **facts: Any) -> None:
        mask = info.get("action_mask")
        player = int(self.env.state.player) if len(self.seats) == 2 else 1
        episode = info.get("episode", {})
        metrics = {name: float(episode[name]) for name in self.environment.metrics if name in episode}
        self.history.append(Moment(self.env.snapshot(), obs, mask, player, metrics=metrics, **facts))
        if not hasattr(self.speaker, "act_in"):
            self.think()

    def _situation(self) -> Situation:
        """Return the present moment as a batch of one."""
        is_whole = self.history[0].num_steps == 0  # nothing has been forgotten
        actions = [moment.action for moment in self.history][1:] if is_whole else None
        return self.moment.situation(self.env, actions)

    def _choose(self) -> Any:
        """Return what the seat to move does, or None while a person thinks."""
        seat: Any = self.seats[self.moment.player]
        if seat == HUMAN:
            return self._held_action() if self.is_real_time else None
        self.think()
        moment, thought = self.moment, self.moment.thought or {}
        chance = np.random.default_rng([self.seed + self.copy, self.episode, moment.num_steps])
        if seat is None:
            self._space.seed(int(chance.integers(2**31)))
            is_masked = moment.action_mask is not None and isinstance(self._space, spaces.Discrete)
            return self._space.sample(moment.action_mask) if is_masked else self._space.sample()
        if not self.deterministic and "probabilities" in thought:
            weights = np.asarray(thought["probabilities"], np.float64).ravel()
            return chance.choice(len(weights), p=weights / weights.sum())
        if self.deterministic and len(thought.get("line", ())):
            return thought["line"][0]  # asked to act, it would search a second time
        return decide(seat, self._situation(), self.deterministic)[0]

    def _search_with(self, num_simulations: int) -> None:
        opponent = with_simulations(self.opponent, num_simulations)
        self.seats = {player: HUMAN if seat == HUMAN else opponent for player, seat in self.seats.items()}
        self.history[-1] = replace(self.moment, thought=None)  # it thinks anew

    def _held_action(self) -> Any:
        """Return what the held keys do: the latest legal one, in a Box all of them; or else the idle one."""
        mask = self.moment.action_mask
        actions = [self.keys[key] for key in self._held if key in self.keys]
        actions = [action for action in actions if mask is None or mask[action]]
        if not actions:
            idle = self.environment.drawing.IDLE_ACTION  # type: ignore[union-attr]
            return idle(self.env.state, self.env.params) if callable(idle) else idle
        return np.sum(actions, axis=0) if isinstance(self._space, spaces.Box) else actions[-1]

    def _as_action(self, action: Any) -> Any:
        space = self._space
        if isinstance(space, spaces.Discrete):
            return int(np.asarray(action).item())
        values = np.asarray(action).reshape(space.shape)
        if isinstance(space, spaces.Box):
            values = np.clip(values, space.low, space.high)
        return values.astype(space.dtype)

    def _repeat_held(self, seconds: float) -> None:
        for key in list(self._held):
            self._held[key] += seconds
            command = COMMANDS.get(key)
            if command in _REPEATED and key not in self.keys and self._held[key] > _REPEAT_AFTER:
                getattr(self, command)()

    def _linger(self, seconds: float) -> None:
        self._shown_end += seconds
        if self._shown_end >= _LINGER and not self.is_played:
            self.next_episode()
