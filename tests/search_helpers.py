"""Searches over positions of any environment, for tests; `python tests/search_helpers.py` writes the golden trees."""

from functools import cache
from pathlib import Path

import numpy as np

import rlkit
from agents.alphazero import search
from agents.alphazero.tree import GUMBEL, PUCT, UNIFORM, UNKNOWN, halving_schedule, make_settings, make_tree
from rlkit.engine.bind import bind

# Small boards; one size a game, because a search is compiled for a number of actions.
GAMES = {
    "tic_tac_toe": {},
    "connect_four": {},
    "othello": {},
    "hex": {"board_size": 5},
    "gomoku": {"board_size": 5, "row_length": 4},
    "go": {"board_size": 5, "komi": 0.5},
}
GOLDEN = Path(__file__).parent / "playthroughs"
OUTCOMES = {-1: "lost", 0: "drawn", 1: "won", UNKNOWN: "?"}  # of a node; of an edge, for who takes it


class Search:
    """Compiled searches of N positions side by side, seen by the tree's arrays; those of game 0 have short names."""

    def __init__(self, environment, states, params=None, num_nodes=2000, seed=0, schedule=(16, 32), **settings):
        self.environment = environment
        self.params = environment.params() if params is None else params
        self.settings = make_settings(**({"max_steps": environment.max_steps or 0} | settings))
        self.schedule = halving_schedule(*schedule)
        self.num_actions = int(environment.spaces(self.params[0])[1].n)
        self.kernels = bind(search, environment.rules)
        self.tree = make_tree(environment.rules.STATE, len(states), num_nodes, self.num_actions, seed)
        self.kernels.begin_all(self.tree, states)

    def run(self, num_simulations, evaluator=UNIFORM):
        """Go on until so many simulations are done in all."""
        self.kernels.search_alone(self.tree, self.params, self.settings, self.schedule, num_simulations, evaluator)
        return self

    def run_with(self, num_simulations, evaluate):
        """Go on with `evaluate(obs [N, …]) -> (logits [N, A], values [N])` until so many simulations are done."""
        shape = self.environment.spaces(self.params[0])[0].shape
        obs, waiting = np.zeros((len(self.tree.games), *shape), np.float32), np.zeros(len(self.tree.games), np.bool_)
        steering = (self.params, self.settings, self.schedule, num_simulations)
        while self.kernels.wait_for_leaves(self.tree, *steering, obs, waiting):
            self.kernels.take_evaluations(self.tree, self.settings, *evaluate(obs), waiting)
        return self

    def reroot(self, action):
        """Keep what lies below an action of game 0's root; return whether there is anything."""
        moved = np.zeros(self.tree.nodes.shape[1], np.int32)
        nodes, states, games = (part[0] for part in self.tree[:3])
        return self.kernels.reroot(nodes, states, games, self.settings[0], action, moved)

    def recommended(self):
        """Return (policies [N, A], actions [N], values [N])."""
        count = len(self.tree.games)
        found = np.zeros((count, self.num_actions), np.float32), np.zeros(count, np.int64), np.zeros(count)
        self.kernels.recommend(self.tree, self.settings, *found)
        return found

    def line(self, min_visits=1):
        """Return the best line of game 0."""
        line = np.zeros(100, np.int64)
        length = self.kernels.best_line(self.tree.nodes[0], self.tree.games[0], self.settings[0], min_visits, line)
        return line[:length].tolist()

    @property
    def nodes(self):
        return self.tree.nodes[0, : self.tree.games[0]["num_nodes"]]

    @property
    def states(self):
        return self.tree.states[0, : self.tree.games[0]["num_nodes"]]

    @property
    def root(self):
        return self.tree.nodes[0, 0]

    @property
    def best(self):
        return int(self.recommended()[1][0])


@cache
def _env(name):
    return rlkit.make_batch(rlkit.find_environment(name), 1, opponent="self", **GAMES[name])


def play(name, actions=()):
    """Return (environment, states [1], params [1]) after `actions` from the start."""
    env = _env(name)
    _, info = env.reset(seed=0)
    for action in actions:
        assert info["action_mask"][0, action], action
        _, _, terminated, truncated, info = env.step(np.array([action]))
        assert not terminated[0] | truncated[0]
    return env.environment, env.states.copy(), env.params


def random_position(name, seed, num_plies):
    """Return (environment, states [1], params [1]) after at most `num_plies` random plies, before the game's end."""
    env, chance = _env(name), np.random.default_rng(seed)
    _, info = env.reset(seed=seed)
    for _ in range(num_plies):
        before = env.states.copy()
        action = chance.choice(np.flatnonzero(info["action_mask"][0]))
        _, _, terminated, truncated, info = env.step(np.array([action]))
        if terminated[0] or truncated[0]:
            return env.environment, before, env.params
    return env.environment, env.states.copy(), env.params


# --- golden trees -----------------------------------------------------------------------------------------------


def golden_trees():
    """Return name → text of small searches of tic-tac-toe that can partly be checked by hand."""
    fork = (0, 8, 2, 1)  # X plays the corner 6 and threatens 3 and 4 at once
    return {
        "search_puct": _text("puct", fork, 30, strategy=PUCT),
        "search_proven": _text("puct", fork, 50, strategy=PUCT),
        "search_gumbel": _text("gumbel", fork, 50, strategy=GUMBEL, gumbel_scale=1.0),
        "search_start": _text("puct, noise in the priors", (), 40, strategy=PUCT, dirichlet_share=0.25),
    }


def _text(title, actions, num_simulations, **settings):
    environment, states, _ = play("tic_tac_toe", actions)
    found = Search(environment, states, seed=7, schedule=(16, num_simulations), **settings).run(num_simulations)
    policies, _, values = found.recommended()
    root, done = found.root, found.tree.games[0]["num_simulations"]
    lines = [
        f"{title}: {done} simulations after {' '.join(map(str, actions)) or 'nothing'}",
        f"root {OUTCOMES[int(root['outcome'])]}, visits {root['visits']}, value {values[0]:+.3f}, plays {found.best}",
        f"line {' '.join(map(str, found.line()))}",
        "action  prior  visits       q  proven  policy",
    ]
    for action in np.flatnonzero(root["priors"] >= 0):
        visits, proven = root["visit_counts"][action], OUTCOMES[int(root["edge_outcomes"][action])]
        q_value = f"{root['q_values'][action]:+.3f}" if visits else ""
        line = f"{action:6d}  {root['priors'][action]:.3f}  {visits:6d}  {q_value:>6}  {proven:>6}"
        lines.append(f"{line}  {policies[0, action]:.3f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, text in golden_trees().items():
        (GOLDEN / f"{name}.txt").write_text(text)
