"""A policy that plans in environments of one player: any network with priors and values, looking ahead."""

from typing import Any, NamedTuple

import numpy as np

from agents.alphazero import planning
from agents.alphazero.cache import make_cache
from rlkit.engine.bind import bind, compiling
from rlkit.engine.state import record_dtype, state_keys
from rlkit.environment import Environment
from rlkit.learning.policy import RandomPolicy, Situation

_MAX_COPIES = 1024  # searched at a time
_MAX_LINE = 1000  # steps of a line at most; the value of what follows is the network's
_CACHE_SIZE = 1 << 17  # evaluations remembered


def node_dtype(num_actions: int) -> np.dtype:
    """Return the record of a node, a sequence of actions from the root; A = `num_actions`."""
    return record_dtype(
        ("children", np.int32, num_actions),  # −1 where there is none yet
        ("visit_counts", np.int32, num_actions),
        ("q_values", np.float64, num_actions),  # mean discounted return of the action and what followed
        ("priors", np.float32, num_actions),  # −1 where illegal when the node was evaluated
        ("is_closed", np.int8, num_actions),  # every line below has been played, and none drew a random number
        ("visits", np.int32),  # its own evaluation included; 0: not evaluated yet
        ("average", np.float64),  # of all returns from here; `mean` would be NumPy's own in plain Python
        ("value", np.float64),  # of the network
    )


def game_dtype(num_actions: int) -> np.dtype:
    """Return the record of a search and of its simulation at work; A = `num_actions`."""
    return record_dtype(
        ("rng", np.uint64),  # the search's own random numbers
        ("dice", np.uint64),  # the state's when the simulation began: equal at its end, nothing was drawn
        ("key", np.int64),  # of the observation that waits, in the cache
        ("low", np.float64),  # least and …
        ("high", np.float64),  # … greatest return from the root
        ("best_return", np.float64),  # of the best certain line …
        ("best_rest", np.float64),  # … the value behind its last step, …
        ("best_length", np.int32),  # … and its steps; 0: there is none
        ("num_nodes", np.int32),
        ("num_simulations", np.int32),  # done in this search
        ("leaf", np.int32),  # −1: the simulation ended within the tree
        ("depth", np.int32),  # steps of the simulation within the tree, and …
        ("length", np.int32),  # … in all
        ("phase", np.int8),
        ("status", np.int8),  # of the simulation's episode
        ("uses_playouts", np.int8),
        ("is_solved", np.int8),  # every line has been played
        ("mask", np.int8, num_actions),  # legal actions where the simulation stands
    )


SETTINGS = record_dtype(
    ("c_puct", np.float64),  # weight of the prior, for returns scaled to [0, 1]
    ("fpu_reduction", np.float64),  # an action not tried yet is worth the node's value less this
    ("temperature", np.float64),  # of the policy in playouts; 0: its most likely actions
    ("gamma", np.float64),  # discount a step
    ("value_scale", np.float64),  # reward units of the network's value 1
    ("playout_steps", np.int64),  # a longer playout is none: leaves are worth the network's value
    ("max_steps", np.int64),  # of an episode; 0: no limit
)
DEFAULTS: dict[str, float] = {
    "c_puct": 0.5, "fpu_reduction": 0.1, "temperature": 2.0, "gamma": 1.0, "value_scale": 1.0, "playout_steps": 128,
    "max_steps": 0,
}  # fmt: skip


class Plans(NamedTuple):
    """Searches in N copies: M nodes, lines of L steps."""

    nodes: np.ndarray  # [N, M] `node_dtype`
    games: np.ndarray  # [N] `game_dtype`
    roots: np.ndarray  # [N] the rules' records
    states: np.ndarray  # [N] the rules' records, where each simulation stands
    paths: np.ndarray  # [N, L] int32: its nodes, …
    actions: np.ndarray  # [N, L] int32: … actions …
    rewards: np.ndarray  # [N, L] … and rewards
    best_actions: np.ndarray  # [N, L] int32, of the best certain line
    best_rewards: np.ndarray  # [N, L]


class Line(NamedTuple):
    """What is left of a certain line."""

    actions: np.ndarray  # [T] int32
    rewards: np.ndarray  # [T]
    rest: float  # value behind the last step; 0 where the episode ends there


class Planner:
    """A network's policy that plans `num_simulations` a move in an environment of one player (planning.py).

    Where the rules draw no random number on the way, the best complete line found is remembered from move to move,
    and followed until a better one is found. A line belongs to the state that it begins in, whichever copy is
    there: a state that chance has made another one has no line, and is planned from anew.

    Args:
        environment, params: what it plans in; it reads the true states.
        num_simulations: a move.
        policy: what it improves. Offers `evaluate(obs [B, …], action_mask [B, A]) -> (logits [B, A], values [B])`
            and may say its `gamma` and `value_scale` (reward units of the value 1); without, both are 1.
        seed: of its dice, which also depend on the state: the same state gets the same plan.
        settings: changes to DEFAULTS.

    Raises:
        ValueError: fewer than 1 simulation; an environment that cannot be planned in; an unknown setting.
    """

    def __init__(
        self, environment: Environment, params: np.record, num_simulations: int, policy: Any, seed: int = 0,
        **settings: float,
    ):  # fmt: skip
        if num_simulations < 1:
            raise ValueError(f"a plan needs at least 1 simulation, not {num_simulations}")
        self.num_simulations = num_simulations
        self._environment, self._policy, self._seed, self._changes = environment, policy, seed, settings
        self._params = np.array(params).reshape(1).view(np.recarray)
        self._settings = _settings_of(environment, policy, settings)
        self._obs_shape, self._num_actions = _sizes_of(environment, self._params[0])
        self._kernels = bind(planning, environment.rules)
        self._cache = make_cache(_CACHE_SIZE, int(np.prod(self._obs_shape)), self._num_actions)
        self._plans: Any = None
        self._lines: dict[bytes, Line] = {}  # by the state that they begin in
        self._latest: tuple[list[bytes], Any] = ([], None)  # the states of the last call, and what it found

    def with_simulations(self, num_simulations: int) -> Any:
        """Return the same with another number of simulations; 0: the policy alone."""
        if num_simulations == 0:
            return self._policy
        return Planner(
            self._environment, self._params[0], num_simulations, self._policy, self._seed, **self._changes
        )  # fmt: skip

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Return the action(s) of the policy alone: observations are not enough to plan."""
        return self._policy.act(obs, action_mask, deterministic)

    def act_in(self, situation: Situation, deterministic: bool = True) -> np.ndarray:
        """Return the actions [B] that the plans begin with."""
        return self._planned(situation.states)[1]

    def inspect_in(self, situation: Situation) -> dict[str, Any]:
        """Return what the plan of one copy is: see `rlkit.learning.policy.consider`."""
        policies, actions, values, lines = self._planned(situation.states)
        return {
            "probabilities": np.eye(self._num_actions)[actions[0]],
            "visits": policies[0],
            "value": float(values[0]),
            "line": lines[0],
            "num_simulations": self.num_simulations,
        }

    def _planned(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[list[int]]]:
        """Plan in all copies; return (shares of visits [B, A], actions [B], values [B], lines [B])."""
        states = np.ascontiguousarray(states)
        keys = state_keys(states)
        if keys and keys == self._latest[0]:
            return self._latest[1]
        policies = np.zeros((len(states), self._num_actions), np.float32)
        actions, values = np.zeros(len(states), np.int64), np.zeros(len(states))
        lines: list[list[int]] = []
        remembered: dict[bytes, Line] = {}
        for first in range(0, len(states), _MAX_COPIES):
            part = slice(first, first + _MAX_COPIES)
            with compiling(self._kernels, f"planning in {self._environment.id}", "advance"):
                self._begin(states[part], keys[part])
                self._search()
                self._kernels.recommend(self._plans, policies[part], actions[part], values[part])
                remembered |= self._lines_left(states[part], actions[part])
            lines += [self._line(i) for i in range(len(states[part]))]
        self._lines = remembered
        found = policies, actions, values, lines
        self._latest = keys, found
        return found

    def _begin(self, states: np.ndarray, keys: list[bytes]) -> None:
        """Make the copies' states the roots, with the lines that are known from there."""
        if self._plans is None or len(self._plans.games) != len(states):
            limit = int(self._settings["max_steps"][0]) or _MAX_LINE
            self._plans = make_plans(
                self._environment.rules.STATE, len(states), self.num_simulations + 2, min(limit, _MAX_LINE),
                self._num_actions,
            )  # fmt: skip
        seeds = np.array([int.from_bytes(key[:8], "little") ^ self._seed for key in keys], np.uint64)
        self._kernels.begin_all(self._plans, states, seeds)
        gamma = float(self._settings["gamma"][0])
        for i, key in enumerate(keys):
            if key in self._lines:
                self._kernels.remember_line(self._plans, i, *self._lines[key], gamma)

    def _search(self) -> None:
        count = len(self._plans.games)
        obs, waiting = np.zeros((count, *self._obs_shape), np.float32), np.zeros(count, np.bool_)
        logits, values = np.zeros((count, self._num_actions), np.float32), np.zeros(count, np.float32)
        steering = (self._params, self._settings, self.num_simulations, self._cache)
        while self._kernels.advance(self._plans, *steering, logits, values, obs, waiting):
            logits[waiting], values[waiting] = self._policy.evaluate(obs[waiting], self._plans.games["mask"][waiting])

    def _lines_left(self, states: np.ndarray, actions: np.ndarray) -> dict[bytes, Line]:
        """Return the certain lines after their first step, by the states that it leads to."""
        games = self._plans.games
        certain = np.flatnonzero(games["best_length"] > 1)
        following = states[certain]
        self._kernels.step_all(following, self._params, actions[certain])
        left = {}
        for i, key in zip(certain, state_keys(following), strict=True):
            steps = slice(1, int(games["best_length"][i]))
            left[key] = Line(
                self._plans.best_actions[i, steps].copy(), self._plans.best_rewards[i, steps].copy(),
                float(games["best_rest"][i]),
            )  # fmt: skip
        return left

    def _line(self, i: int) -> list[int]:
        """Return the actions that copy i is to take from here: its best certain line, or the most visited."""
        length = int(self._plans.games["best_length"][i])
        if length > 0:
            return self._plans.best_actions[i, :length].tolist()
        line = np.zeros(self.num_simulations, np.int64)
        return line[: self._kernels.likely_line(self._plans.nodes[i], self._num_actions, line)].tolist()


class _Nothing:
    """Knows nothing: all actions are as likely, all values 0; acts at random."""

    def __init__(self, environment: Environment, params: np.record, seed: int):
        observation_space, action_space = environment.spaces(params)
        self._random = RandomPolicy(observation_space, action_space, seed)
        self._num_actions = int(action_space.n)  # type: ignore[attr-defined]

    def evaluate(self, obs: np.ndarray, action_mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((len(obs), self._num_actions), np.float32), np.zeros(len(obs), np.float32)

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        return self._random.act(obs, action_mask, deterministic)


def rollout_planner(environment: Environment, params: np.record, num_simulations: int, seed: int = 0) -> Planner:
    """Return a planner whose playouts are random: what looking ahead is worth without any knowledge."""
    _sizes_of(environment, params)
    return Planner(environment, params, num_simulations, _Nothing(environment, params, seed), seed)


def make_plans(
    rules_state: np.dtype, num_copies: int, num_nodes: int, line_size: int, num_actions: int
) -> Plans:  # fmt: skip
    """Return room for searches in `num_copies`."""
    shape = (num_copies, line_size)
    return Plans(
        np.zeros((num_copies, num_nodes), node_dtype(num_actions)),
        np.zeros(num_copies, game_dtype(num_actions)),
        np.zeros(num_copies, rules_state),
        np.zeros(num_copies, rules_state),
        *(np.zeros(shape, dtype) for dtype in (np.int32, np.int32, np.float64, np.int32, np.float64)),
    )


def _settings_of(environment: Environment, policy: Any, changes: dict[str, float]) -> np.ndarray:
    unknown = changes.keys() - DEFAULTS.keys()
    if unknown:
        raise ValueError(f"{min(unknown)!r} is no setting of a planner; there are: {', '.join(DEFAULTS)}")
    own = {name: getattr(policy, name) for name in ("gamma", "value_scale") if hasattr(policy, name)}
    values = DEFAULTS | {"max_steps": environment.max_steps or 0} | own | changes
    return np.array([tuple(values[name] for name in SETTINGS.names or ())], SETTINGS)


def _sizes_of(environment: Any, params: np.record) -> tuple[tuple[int, ...], int]:
    """Return (shape of an observation, number of actions).

    Raises:
        ValueError: there is nothing to plan with.
    """
    if not hasattr(environment, "rules"):
        raise ValueError(f"a planner needs states, which {environment.name} cannot save: leave the simulations out")
    if environment.num_players != 1:
        raise ValueError(f"{environment.name} has two players, and a planner plans for one: use --agent alphazero")
    observation_space, action_space = environment.spaces(params)
    if not hasattr(action_space, "n"):
        raise ValueError(f"a planner needs a Discrete action space, which {environment.name} has not")
    if observation_space.shape is None or hasattr(observation_space, "spaces"):
        raise ValueError(f"a planner needs one array as observation, which {environment.name} has not")
    return observation_space.shape, int(action_space.n)
