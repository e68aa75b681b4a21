"""What a trained network, or no network at all, plays with: the network alone, or a search of N simulations."""

from typing import Any

import numpy as np

from agents.alphazero import search
from agents.alphazero.network import BoardNetwork, Evaluator
from agents.alphazero.planner import Planner
from agents.alphazero.tree import GUMBEL, PUCT, ROLLOUT, UNIFORM, halving_schedule, make_settings, make_tree
from rlkit.engine.bind import bind, compiling
from rlkit.engine.state import states_equal
from rlkit.engine.turns import sample
from rlkit.environment import Environment, Symmetries
from rlkit.learning.policy import Situation, add_axis, is_single

_MAX_GAMES = 256  # searched at a time
_MAX_NODES = 1 << 17  # of one game's tree
_LINE_VISITS = 4  # the best line ends where fewer simulations went


class NetworkPlayer:
    """The network alone: its most likely action, averaged over the symmetries of the position.

    Args:
        environment: the declaration.
        params: the params record that it plays under.
        network: what was learned.
        spaces: (observation space, action space) of one copy.
        seed: of the draws of `act(..., deterministic=False)`.
        find_wins: of its searches, see `tree.SETTINGS`.
        gamma: the discount a step that its values were learned with, for plans of one player.
    """

    value_scale = 1.0  # its values are in the units of rewards

    def __init__(
        self, environment: Environment, params: np.record, network: BoardNetwork, spaces: Any, seed: int = 0,
        find_wins: bool = False, gamma: float = 1.0,
    ):  # fmt: skip
        self.network, self._find_wins, self.gamma = network, find_wins, gamma
        self._environment, self._params, self._spaces = environment, params, spaces
        symmetries = environment.symmetries(params) if environment.symmetries else None
        self._evaluator = Evaluator(network)
        self._evaluate = Symmetrized(self._evaluator, symmetries) if symmetries else self._evaluator
        self._rng = np.random.default_rng(seed)

    def with_simulations(self, num_simulations: int) -> Any:
        """Return the same network with a search, or a plan, of `num_simulations` a move; 0: without."""
        if num_simulations == 0:
            return self
        if self._environment.num_players == 1:
            return Planner(self._environment, self._params, num_simulations, self)
        return SearchPlayer(
            self._environment, self._params, num_simulations, self._evaluate, self, find_wins=self._find_wins
        )

    def evaluate(self, obs: np.ndarray, action_mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (logits [B, A], values [B]) of observations [B, …]."""
        return self._evaluate(np.ascontiguousarray(obs, np.float32))

    def _chances(self, obs: np.ndarray, action_mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        logits, values = self.evaluate(obs)
        if action_mask is not None:
            logits = np.where(np.asarray(action_mask) != 0, logits, -np.inf)
        weights = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True), values

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Return the most likely action(s), or draws from the policy."""
        if is_single(obs, self._spaces[0]):
            return self.act(add_axis(obs), None if action_mask is None else action_mask[None], deterministic)[0]
        chances, _ = self._chances(obs, action_mask)
        return chances.argmax(axis=1) if deterministic else sample(chances, self._rng.random(len(chances)))

    def probabilities(self, obs: Any, action_mask: np.ndarray | None = None) -> np.ndarray:
        """Return the chances of the actions [B, A], for a batch."""
        return self._chances(obs, action_mask)[0]

    def inspect(self, obs: Any, action_mask: np.ndarray | None = None) -> dict[str, Any]:
        """Return {"value": float, "probabilities": [A]} of one observation."""
        chances, values = self._chances(add_axis(obs), None if action_mask is None else action_mask[None])
        return {"value": float(values[0]), "probabilities": chances[0]}


class Symmetrized:
    """An evaluator averaged over the symmetries of a position: its images are evaluated, and turned back."""

    def __init__(self, evaluator: Evaluator, symmetries: Symmetries):
        self._evaluator = evaluator
        self._obs_orders = symmetries.obs_orders
        self._back = np.argsort(symmetries.action_orders, axis=1)

    def __call__(self, obs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (logits [B, A], values [B]) of observations [B, …]."""
        flat = obs.reshape(len(obs), -1)
        images = [self._evaluator(flat[:, order].reshape(obs.shape)) for order in self._obs_orders]
        logits = np.mean([found[:, back] for (found, _), back in zip(images, self._back, strict=True)], axis=0)
        return logits, np.mean([values for _, values in images], axis=0)


class SearchPlayer:
    """A search of `num_simulations` a move, by PUCT without noise; deterministic.

    In a game that goes on it keeps the part of the tree that the moves led to (`Situation.actions` tells).

    Args:
        environment, params: what it plans in; it reads the true states.
        num_simulations: a move, on top of those that the kept part of the tree has had.
        evaluate: observations [B, …] → (logits [B, A], values [B]); UNIFORM, or ROLLOUT: one random game a leaf.
        network_player: the same network without a search, if there is one.
        seed: of the random games.
        settings: changes to `tree.make_settings`.
    """

    def __init__(
        self, environment: Environment, params: np.record, num_simulations: int, evaluate: Any,
        network_player: NetworkPlayer | None = None, seed: int = 0, **settings: float,
    ):  # fmt: skip
        if num_simulations < 1:
            raise ValueError(f"a search needs at least 1 simulation, not {num_simulations}")
        self.num_simulations = num_simulations
        self._environment, self._evaluate, self._network_player = environment, evaluate, network_player
        self._params = np.array(params).reshape(1).view(np.recarray)
        self._changes, self._seed = settings, seed
        self._settings = make_settings(**({"strategy": PUCT, "max_steps": environment.max_steps or 0} | settings))
        self._schedule = halving_schedule(16, num_simulations)
        self._kernels = bind(search, environment.rules)
        observation_space, action_space = environment.spaces(self._params[0])
        self._obs_shape, self._num_actions = observation_space.shape, int(action_space.n)  # type: ignore[attr-defined]
        self._tree: Any = None  # of the last searches
        self._seen: tuple[np.ndarray, list[int]] | None = None  # (state, actions) of the one game followed

    def with_simulations(self, num_simulations: int) -> Any:
        """Return the same with another number of simulations; 0: the network alone.

        Raises:
            ValueError: 0, where there is no network.
        """
        if num_simulations == 0:
            if self._network_player is None:
                raise ValueError("a search without a network needs at least 1 simulation")
            return self._network_player
        return SearchPlayer(
            self._environment, self._params[0], num_simulations, self._evaluate, self._network_player, self._seed,
            **self._changes,
        )  # fmt: skip

    def act_in(self, situation: Situation, deterministic: bool = True) -> np.ndarray:
        """Return the actions [B] that the searches recommend."""
        return self._searched(situation)[1]

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Return the action(s) of the network alone: observations are not enough to search.

        Raises:
            TypeError: there is no network.
        """
        if self._network_player is None:
            raise TypeError(
                "a search without a network needs the states, not only observations: call act_in(situation)"
            )
        return self._network_player.act(obs, action_mask, deterministic)

    def inspect_in(self, situation: Situation) -> dict[str, Any]:
        """Return what the search thinks of one copy: see `rlkit.learning.policy.consider`."""
        policies, _, values = self._searched(situation)
        visits = self._tree.nodes[0, 0]["visit_counts"].astype(float)
        return {
            "probabilities": policies[0],
            "visits": visits / max(1.0, visits.sum()),
            "value": float(values[0]),
            "line": self._line(),
            "num_simulations": self.num_simulations,
        }

    def _searched(self, situation: Situation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Search all copies; return (policies [B, A], actions [B], values [B])."""
        states = np.ascontiguousarray(situation.states)
        policies = np.zeros((len(states), self._num_actions), np.float32)
        chosen, values = np.zeros(len(states), np.int64), np.zeros(len(states))
        actions = None if situation.actions is None or len(states) > 1 else list(situation.actions[0])
        for first in range(0, len(states), _MAX_GAMES):
            part = slice(first, first + _MAX_GAMES)
            with compiling(self._kernels, f"search of {self._environment.id}", "begin_all"):
                if not self._goes_on(states, actions):
                    self._begin(states[part])
                self._search()
                self._kernels.recommend(self._tree, self._settings, policies[part], chosen[part], values[part])
        self._seen = None if actions is None else (states.copy(), actions)
        return policies, chosen, values

    def _begin(self, states: np.ndarray) -> None:
        num_nodes = min(self.num_simulations * (3 if len(states) == 1 else 1) + 2, _MAX_NODES)
        if self._tree is None or self._tree.nodes.shape != (len(states), num_nodes):
            self._tree = make_tree(self._environment.rules.STATE, len(states), num_nodes, self._num_actions, self._seed)
        self._kernels.begin_all(self._tree, states)

    def _goes_on(self, states: np.ndarray, actions: list[int] | None) -> bool:
        """Make the position of `states` [1] the root of the tree that is there, if it holds it."""
        if self._seen is None or actions is None or self._tree is None:
            return False
        state, past = self._seen
        self._seen = None  # until the search is over: one that fails leaves a tree of neither position
        if actions == past:
            return states_equal(state, states)
        if actions[: len(past)] != past or self._settings["strategy"][0] == GUMBEL:
            return False  # sequential halving counts visits from 0
        tree, moved = self._tree, np.zeros(self._tree.nodes.shape[1], np.int32)
        for action in actions[len(past) :]:
            if not self._kernels.reroot(tree.nodes[0], tree.states[0], tree.games[0], self._settings[0], action, moved):
                return False
        root_state = tree.states[0, :1].copy()
        root_state["rng"] = states["rng"]
        return states_equal(root_state, states)

    def _search(self) -> None:
        if self._evaluate in (UNIFORM, ROLLOUT):
            self._kernels.search_alone(
                self._tree, self._params, self._settings, self._schedule, self.num_simulations, self._evaluate
            )
            return
        count = len(self._tree.games)
        obs, waiting = np.zeros((count, *(self._obs_shape or ())), np.float32), np.zeros(count, np.bool_)
        steering = (self._params, self._settings, self._schedule)
        while self._kernels.wait_for_leaves(self._tree, *steering, self.num_simulations, obs, waiting):
            logits, values = self._evaluate(obs)
            self._kernels.take_evaluations(self._tree, self._settings, logits, values, waiting)

    def _line(self) -> list[int]:
        """Return the moves that the search of game 0 thinks best for both sides, from the one it takes."""
        nodes, game = self._tree.nodes[0], self._tree.games[0]
        line = np.zeros(len(nodes), np.int64)
        length = self._kernels.best_line(nodes, game, self._settings[0], _LINE_VISITS, line)
        return line[:length].tolist()


def rollout_search(
    environment: Environment, params: np.record, num_simulations: int, seed: int = 0, strategy: int = PUCT
) -> SearchPlayer:
    """Return a search whose leaves are worth the result of one random game each: MCTS without any knowledge."""
    return SearchPlayer(environment, params, num_simulations, ROLLOUT, seed=seed, strategy=strategy)
