"""Looks a few seconds ahead on the true rules: every sequence of actions, then doing nothing for a while.

An ordinary module to be bound to the rules by `rlkit.engine.bind`.
"""

import numpy as np

from rlkit.engine.interface import action_mask, step
from rlkit.engine.jit import jit

NUM_ACTIONS = 5
IDLE = 1


@jit
def settle(state, params, num_steps):
    """Return the return of `num_steps` more steps of doing nothing."""
    total = 0.0
    for _ in range(num_steps):
        reward, terminated = step(state, params, IDLE)
        total += reward
        if terminated:
            break
    return total


@jit
def best_action(stack, params, depth, settle_steps, tried, totals, masks):
    """Return (action, its return) of the best sequence from `stack[0]`; `stack` [depth + 2] holds the line tried.

    The first of equals is kept, doing nothing before all others.
    """
    best, best_return = IDLE, -1.0
    level = 0
    tried[0], totals[0] = 0, 0.0
    action_mask(stack[0], params[0], masks[0])
    while level >= 0:
        turn = tried[level]
        if turn == NUM_ACTIONS:
            level -= 1
            continue
        tried[level] = turn + 1
        action = (IDLE + turn) % NUM_ACTIONS
        if not masks[level, action]:
            continue
        stack[level + 1] = stack[level]
        reward, terminated = step(stack[level + 1], params[0], action)
        total = totals[level] + reward
        if not terminated and level + 1 < depth:
            level += 1
            tried[level], totals[level] = 0, total
            action_mask(stack[level], params[0], masks[level])
            continue
        if not terminated:
            total += settle(stack[level + 1], params[0], settle_steps)
        if total > best_return:
            best, best_return = (IDLE + tried[0] - 1) % NUM_ACTIONS, total
    return best, best_return


@jit
def best_actions(roots, params, depth, settle_steps, stack, actions, returns):
    """Search from each of `roots` [B]; write `actions` and `returns` [B]."""
    tried, totals = np.zeros(depth + 1, np.int64), np.zeros(depth + 1)
    masks = np.zeros((depth + 1, NUM_ACTIONS), np.int8)
    for i in range(roots.shape[0]):
        stack[0] = roots[i]
        actions[i], returns[i] = best_action(stack, params, depth, settle_steps, tried, totals, masks)
