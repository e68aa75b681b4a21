"""The compiled part of mpc.py, bound to an environment's rules: draws sequences of actions and plays them.

N copies at once, S sequences of H actions in each, R streams of dice. All sequences of a copy are played on the same
streams (common random numbers), which are not those of the copy: a plan does not know tomorrow's dice. Where a
sequence draws no random number on the first stream there is no chance in it, and the other streams are not played.
"""

import math

from rlkit.engine.interface import action_mask, observe, step
from rlkit.engine.jit import jit, jit_inline
from rlkit.engine.rng import random_bits, uniform


@jit
def draw_dice(samplers, dice):
    """Draw fresh streams `dice` [N, R] uint64 from the copies' generators `samplers` [N]."""
    for i in range(dice.shape[0]):
        for r in range(dice.shape[1]):
            dice[i, r] = random_bits(samplers[i])


@jit
def draw_box(samplers, means, deviations, low, high, colour, noise, num_kept, actions):
    """Draw `actions` [N, S, H, D] within [`low`, `high`] around `means` [N, H, D], but the first `num_kept` [N].

    The noise of a component is `colour` [H, H], which is symmetric, @ white noise, times `deviations` [N, H, D].
    `noise` [H] is room for it.
    """
    for i in range(actions.shape[0]):
        for s in range(num_kept[i], actions.shape[1]):
            for d in range(actions.shape[3]):
                _draw_noise(samplers[i], colour, noise)
                for t in range(actions.shape[2]):
                    value = means[i, t, d] + deviations[i, t, d] * noise[t]
                    actions[i, s, t, d] = min(max(value, low[d]), high[d])


@jit
def _draw_noise(sampler, colour, noise):
    """Write coloured noise into `noise` [H]; the white is drawn in pairs (Box–Muller, of which both are kept)."""
    horizon = noise.shape[0]
    noise[:] = 0.0
    for k in range(0, horizon, 2):
        radius = math.sqrt(-2.0 * math.log(1.0 - uniform(sampler)))
        angle = 2.0 * math.pi * uniform(sampler)
        first, second = radius * math.cos(angle), radius * math.sin(angle)
        if k + 1 == horizon:
            second = 0.0
        last = min(k + 1, horizon - 1)
        for t in range(horizon):
            noise[t] += first * colour[k, t] + second * colour[last, t]


@jit
def draw_discrete(samplers, chances, num_kept, actions):
    """Draw `actions` [N, S, H], each from its step's `chances` [N, H, A], but the first `num_kept` [N] ones."""
    for i in range(actions.shape[0]):
        for s in range(num_kept[i], actions.shape[1]):
            for t in range(actions.shape[2]):
                actions[i, s, t] = _drawn(samplers[i], chances[i, t])


@jit
def _drawn(sampler, chances):
    """Return an action drawn from `chances` [A]."""
    left, last = uniform(sampler), 0
    for action in range(chances.shape[0]):
        if chances[action] > 0.0:
            last = action
            left -= chances[action]
            if left < 0.0:
                return action
    return last


@jit
def _legal(sampler, chances, action, mask):
    """Return the action, or where it is illegal a legal one drawn from `chances` [A], evenly where those are 0."""
    if mask[action]:
        return action
    total, num_legal = 0.0, 0
    for other in range(mask.shape[0]):
        if mask[other]:
            total += chances[other]
            num_legal += 1
    left, last = uniform(sampler), action
    for other in range(mask.shape[0]):
        if mask[other]:
            last = other
            left -= chances[other] / total if total > 0.0 else 1.0 / num_legal
            if left < 0.0:
                return other
    return last


@jit_inline
def _begin(state, root, dice):
    state[0] = root
    state[0].rng = dice


@jit_inline
def _play(state, params, action, max_steps):
    """Step once: (reward, terminated, whether the episode is over)."""
    reward, terminated = step(state, params, action)
    num_steps = int(state.num_steps) + 1
    state.num_steps = num_steps
    return float(reward), bool(terminated), bool(terminated) or (max_steps > 0 and num_steps >= max_steps)


@jit_inline
def _share(rests, num_played, total):
    """Return the mean return over the streams played, and make their `rests` [R] shares of the whole."""
    for r in range(num_played):
        rests[r] /= num_played
    return total / num_played


@jit
def play_box(state, roots, params, actions, dice, gamma, max_steps, returns, rests, final_obs):
    """Play `actions` [N, S, H, D] from `roots` [N] and write mean discounted `returns` [N, S].

    `state` [1] is room for the state at work. `rests` [N, S, R] are the weights of the values of `final_obs`
    [N, S, R, …] in the returns: 0 where an episode has terminated or a stream was not played. With `final_obs` of no
    copies nothing is observed.
    """
    for i in range(roots.shape[0]):
        for s in range(actions.shape[1]):
            total, num_played = 0.0, 0
            rests[i, s] = 0.0
            for r in range(dice.shape[1]):
                _begin(state, roots[i], dice[i, r])
                factor = 1.0
                for t in range(actions.shape[2]):
                    reward, terminated, is_over = _play(state[0], params, actions[i, s, t], max_steps)
                    total += factor * reward
                    factor = 0.0 if terminated else factor * gamma
                    if is_over:
                        break
                num_played += 1
                rests[i, s, r] = factor
                if final_obs.shape[0] > 0:
                    observe(state[0], params, final_obs[i, s, r])
                if r == 0 and state[0].rng == dice[i, 0]:
                    break
            returns[i, s] = _share(rests[i, s], num_played, total)


@jit
def play_discrete(
    state, roots, params, actions, dice, gamma, max_steps, returns, rests, final_obs, samplers, chances, mask
):  # fmt: skip
    """Do as `play_box` with `actions` [N, S, H] of `chances` [N, H, A], illegal ones drawn anew among the legal.

    What is drawn on the first stream takes its place in the sequence. `mask` [A] is room for a mask.
    """
    for i in range(roots.shape[0]):
        for s in range(actions.shape[1]):
            total, num_played = 0.0, 0
            rests[i, s] = 0.0
            for r in range(dice.shape[1]):
                _begin(state, roots[i], dice[i, r])
                factor = 1.0
                for t in range(actions.shape[2]):
                    mask[:] = 1
                    action_mask(state[0], params, mask)
                    action = _legal(samplers[i], chances[i, t], actions[i, s, t], mask)
                    if r == 0:
                        actions[i, s, t] = action
                    reward, terminated, is_over = _play(state[0], params, action, max_steps)
                    total += factor * reward
                    factor = 0.0 if terminated else factor * gamma
                    if is_over:
                        break
                num_played += 1
                rests[i, s, r] = factor
                if final_obs.shape[0] > 0:
                    observe(state[0], params, final_obs[i, s, r])
                if r == 0 and state[0].rng == dice[i, 0]:
                    break
            returns[i, s] = _share(rests[i, s], num_played, total)
