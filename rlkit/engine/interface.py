"""The rules' names: what an environment's `rules.py` defines, and the defaults of what it may leave out.

Modules that are to run over any environment's rules (the engine's loops, a tree search, a planner) import
these names from here and are then bound to one environment by `rlkit.engine.bind.bind`.

Rules allocate nothing and raise nothing: they read `state`, `params` and `action` and write `state` and the
output array they are given. Read scalar fields into locals with `int(...)` or `float(...)` before arithmetic,
so that NumPy's and the compiler's rules for small types cannot differ.
"""

from rlkit.engine.jit import jit

REQUIRED = ("reset", "step", "observe")
OPTIONAL = ("action_mask", "metrics", "goal_reward", "control", "complete")


def reset(state, params):
    """Begin an episode: set every field of `state` but `rng` and `num_steps`, drawing from `state` (see rng)."""
    raise NotImplementedError("unbound rules: use rlkit.engine.bind.bind(module, environment)")


def step(state, params, action):
    """Apply one action and return `(reward of the mover, terminated)`."""
    raise NotImplementedError("unbound rules: use rlkit.engine.bind.bind(module, environment)")


def observe(state, params, obs):
    """Write the observation, of the side to move, into `obs` (every element of it)."""
    raise NotImplementedError("unbound rules: use rlkit.engine.bind.bind(module, environment)")


@jit
def action_mask(state, params, mask):
    """Write 1 for a legal and 0 for an illegal action into `mask` [A]; without it every action is legal."""


@jit
def metrics(state, params, out):
    """Write the episode's named figures into `out` [K], in the order of `Environment.metrics`."""


@jit
def goal_reward(achieved, desired, params):
    """Return the reward for having reached the goal `achieved` [K] where `desired` [K] was wanted; see `goal_size`."""
    return 0.0


@jit
def control(state, params, action):
    """Write the inputs of the physics, where the rules have PHYSICS: called before it moves, `step` after it."""


@jit
def complete(state, params):
    """Finish what `reset` began, where the rules have PHYSICS: called once it has computed its part of the state."""


@jit
def player(state):
    """Return the player to move, +1 or −1; 0 in one-player environments."""
    return 0


@jit
def player_field(state):
    """What `player` is bound to when STATE has a field `player`."""
    return state.player
