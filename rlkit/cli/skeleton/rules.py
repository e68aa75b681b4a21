"""The corridor's rules: plain functions over one record, which run as Python and compiled alike.

They allocate nothing and raise nothing, and read fields into locals with `int(...)` or `float(...)` before
arithmetic. With NUMBA_DISABLE_JIT=1 they run as plain Python, so a debugger can stop in them.
"""

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import integer, uniform
from rlkit.engine.state import params_dtype, state_dtype

LEFT, RIGHT = 0, 1

STATE = state_dtype(  # adds the random generator `rng` and the step count `num_steps`
    position=np.int64,  # cell of the walker, 0 is the leftmost
    door=np.int64,  # cell of the door
    distance=np.int64,  # cells between them at the start
)
PARAMS = params_dtype(
    length=12,  # cells
    slip=0.1,  # chance that a step leads nowhere
)


@jit
def reset(state, params):
    length = int(params.length)
    door = integer(state, 0, length)
    position = integer(state, 0, length - 1)
    if position >= door:
        position += 1  # anywhere but at the door
    state.position = position
    state.door = door
    state.distance = abs(door - position)


@jit
def step(state, params, action):
    position, last = int(state.position), int(params.length) - 1
    if uniform(state) >= float(params.slip):
        position += 1 if action == RIGHT else -1
    position = min(max(position, 0), last)
    state.position = position
    return -1.0, position == int(state.door)


@jit
def observe(state, params, obs):
    position, length = int(state.position), float(params.length)
    obs[0] = position / length
    obs[1] = (int(state.door) - position) / length


@jit
def metrics(state, params, out):
    out[0] = int(state.num_steps) - int(state.distance)
