"""Rules under params drawn anew for each episode, with delays and noise between them and whoever acts.

An ordinary module that `rlkit.engine.variation` binds to an environment's rules: rules around rules. Their state has
these fields more:

    drawn         record   the params of this episode, and its `action_delay`, `obs_delay` and `obs_noise`;
    drawn_words, drawn_reals, drawn_whole   the same bytes, as numbers of 8 bytes each
    past_actions  [K, …]   chosen in the last K steps, step t in slot t mod K
    past_obs      [K, …]   seen in them, with noise
    legal         [A]      room for an action mask

and their params: the nominal ones as `words` of 8 bytes, for each word how it is drawn (`kinds`, `lows`, `highs`), and
the action that is `idle`.
"""

import math

from rlkit.engine.interface import action_mask as base_mask
from rlkit.engine.interface import control as base_control
from rlkit.engine.interface import metrics as base_metrics
from rlkit.engine.interface import observe as base_observe
from rlkit.engine.interface import reset as base_reset
from rlkit.engine.interface import step as base_step
from rlkit.engine.jit import jit
from rlkit.engine.rng import normal, uniform
from rlkit.engine.variation import LOG_UNIFORM, UNIFORM, WHOLE


@jit
def reset(state, params):
    for k in range(params.words.shape[0]):
        state.drawn_words[k] = params.words[k]
        kind, low, high = int(params.kinds[k]), float(params.lows[k]), float(params.highs[k])
        if kind == UNIFORM:
            state.drawn_reals[k] = low + (high - low) * uniform(state)
        elif kind == LOG_UNIFORM:
            state.drawn_reals[k] = low * math.exp(math.log(high / low) * uniform(state))
        elif kind == WHOLE:
            state.drawn_whole[k] = int(low) + int((high - low + 1.0) * uniform(state))
    base_reset(state, state.drawn)
    actions = state.past_actions.reshape(-1)
    for k in range(actions.shape[0]):
        actions[k] = params.idle[k % params.idle.shape[0]]  # nothing was chosen before
    for k in range(state.legal.shape[0]):
        state.legal[k] = 0
    complete(state, params)


@jit
def complete(state, params):
    """Note what there is to be seen when an episode begins; once more where physics has its part in the state."""
    _see(state, 0)
    for slot in range(1, state.past_obs.shape[0]):
        state.past_obs[slot] = state.past_obs[0]


@jit
def _see(state, slot):
    """Note what there is to be seen now, with noise."""
    base_observe(state, state.drawn, state.past_obs[slot])
    deviation = float(state.drawn.obs_noise)
    if deviation > 0.0:
        seen = state.past_obs[slot].reshape(-1)
        for k in range(seen.shape[0]):
            seen[k] += deviation * normal(state)


@jit
def _choose(state, action):
    """Note the action of this step, and return the slot of the one that acts now."""
    slots, now = state.past_actions.shape[0], int(state.num_steps)
    state.past_actions[now % slots] = action
    return (now - int(state.drawn.action_delay)) % slots


@jit
def _see_next(state):
    """Note what there is to be seen after this step."""
    _see(state, (int(state.num_steps) + 1) % state.past_obs.shape[0])


@jit
def control(state, params, action):
    """Let the action chosen `action_delay` steps ago set the inputs of the physics; `step_…` follows."""
    base_control(state, state.drawn, state.past_actions[_choose(state, action)])


@jit
def step_discrete(state, params, action):
    """Apply the action chosen `action_delay` steps ago, or the idle one where it is no longer legal."""
    chosen = int(state.past_actions[_choose(state, action)])
    if int(state.drawn.action_delay) > 0 and state.legal.shape[0] > 0:
        base_mask(state, state.drawn, state.legal)
        if not state.legal[chosen]:
            chosen = int(params.idle[0])
    reward, terminated = base_step(state, state.drawn, chosen)
    _see_next(state)
    return reward, terminated


@jit
def step_box(state, params, action):
    """Apply the action chosen `action_delay` steps ago."""
    reward, terminated = base_step(state, state.drawn, state.past_actions[_choose(state, action)])
    _see_next(state)
    return reward, terminated


@jit
def observe(state, params, obs):
    seen = max(0, int(state.num_steps) - int(state.drawn.obs_delay))
    obs[:] = state.past_obs[seen % state.past_obs.shape[0]]


@jit
def action_mask(state, params, mask):
    base_mask(state, state.drawn, mask)


@jit
def metrics(state, params, out):
    base_metrics(state, state.drawn, out)
