"""An ordinary module to bind: it calls `step` once."""

from rlkit.engine.interface import step
from rlkit.engine.jit import jit


@jit
def run(states, params, action):
    """Step the first state and return the reward."""
    reward, _terminated = step(states[0], params[0], action)
    return reward
