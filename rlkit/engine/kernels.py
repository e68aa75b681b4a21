"""The loops over copies: an ordinary module, bound to each environment's rules by `bind`.

Every loop is serial and releases the GIL; threads run it over slices of the batch. The per-copy arrays:

    states      [N] record   the rules' states
    episodes    [N] record   the engine's own notes (`EPISODE` in batch.py)
    obs         [N, …]       observations, of the side to move
    masks       [N, A] int8  1 = legal; [N, 0] where the rules have no masks
    final_obs, final_masks   the last observation of episodes that ended, under SAME_STEP
    stats       [N, 2 + K]   return, length and metrics of the episode that ended at this step
"""

from rlkit.engine.interface import action_mask, complete, control, metrics, observe, player, reset, step
from rlkit.engine.jit import jit, jit_inline
from rlkit.engine.rng import random_bits, seed, uniform

NEXT_STEP, SAME_STEP, DISABLED = 0, 1, 2


@jit
def _begin(state, params, episode):
    state.num_steps = 0
    reset(state, params)
    episode.episode_return = 0.0
    episode.episode_length = 0
    episode.is_done = 0
    episode.seat = -episode.seat  # seats alternate; 0 stays 0
    if episode.seat != 0:
        episode.draw = random_bits(state)  # which opponent of a pool; drawn once, so it never changes mid-episode


@jit
def _observe(state, params, obs, mask):
    observe(state, params, obs)
    if mask.shape[0] > 0:
        action_mask(state, params, mask)


@jit_inline
def _advance(state, params, action, is_illegal, illegal_reward, max_steps):
    """Apply one action of the side to move: (reward of the mover, terminated, truncated)."""
    if is_illegal:
        reward, terminated = illegal_reward, True
    else:
        reward, terminated = step(state, params, action)
    num_steps = int(state.num_steps) + 1
    state.num_steps = num_steps
    return float(reward), bool(terminated), max_steps > 0 and num_steps >= max_steps


@jit
def _end(state, params, episode, mode, final_obs, final_mask, stats):
    """Note a finished episode; under SAME_STEP keep its last observation and begin the next."""
    stats[0] = episode.episode_return
    stats[1] = episode.episode_length
    if stats.shape[0] > 2:
        metrics(state, params, stats[2:])
    if mode == SAME_STEP:
        _observe(state, params, final_obs, final_mask)
        episode.final_player = player(state)
        _begin(state, params, episode)
    else:
        episode.is_done = 1


@jit
def seed_copies(states, episodes, where, seeds, versus):
    """Start the streams of the chosen copies from `seeds` [N] uint64; draw who begins where there is an opponent."""
    for i in range(states.shape[0]):
        if where[i]:
            seed(states[i], seeds[i])
            episodes[i].seat = 0
            if versus:
                episodes[i].seat = 1 if random_bits(states[i]) >> 63 else -1


@jit
def reset_copies(states, params, stride, episodes, where, obs, masks):
    """Begin a new episode in the chosen copies and observe all."""
    for i in range(states.shape[0]):
        if where[i]:
            _begin(states[i], params[i * stride], episodes[i])
        _observe(states[i], params[i * stride], obs[i], masks[i])


@jit
def observe_copies(states, params, stride, obs, masks):
    """Observe all copies."""
    for i in range(states.shape[0]):
        _observe(states[i], params[i * stride], obs[i], masks[i])


@jit
def check_discrete(actions, num_actions, masks, episodes, illegal):
    """Mark masked actions; return (index of the first action outside the space or −1, number of masked ones)."""
    has_mask = masks.shape[1] > 0
    num_illegal = 0
    for i in range(actions.shape[0]):
        action = actions[i]
        if action < 0 or action >= num_actions:
            return i, 0
        illegal[i] = has_mask and not masks[i, action] and not episodes[i].is_done
        num_illegal += illegal[i]
    return -1, num_illegal


@jit
def check_box(actions, low, high):
    """Return the index of the first row of `actions` [N, D] outside [low, high] (NaN included), or −1."""
    for i in range(actions.shape[0]):
        for j in range(actions.shape[1]):
            if not (low[j] <= actions[i, j] <= high[j]):
                return i
    return -1


@jit
def control_copies(states, params, stride, episodes, actions):
    """Before the physics: let the actions of the running copies set its inputs."""
    for i in range(states.shape[0]):
        if not episodes[i].is_done:
            control(states[i], params[i * stride], actions[i])


@jit
def complete_copies(states, params, stride, fresh, obs, masks):
    """After the physics has completed them: let the rules finish the copies that begin anew, and observe these."""
    for i in range(states.shape[0]):
        if fresh[i]:
            complete(states[i], params[i * stride])
            _observe(states[i], params[i * stride], obs[i], masks[i])


@jit
def step_copies(
    states, params, stride, episodes, actions, illegal, mode, illegal_reward, max_steps,
    obs, masks, rewards, terminated, truncated, final_obs, final_masks, stats,
):  # fmt: skip
    """Step every copy once (or begin its next episode, under NEXT_STEP); return the number of episodes ended."""
    num_done = 0
    for i in range(states.shape[0]):
        state, episode, param = states[i], episodes[i], params[i * stride]
        if episode.is_done:
            _begin(state, param, episode)
            rewards[i], terminated[i], truncated[i] = 0.0, False, False
        else:
            reward, is_terminated, is_truncated = _advance(
                state, param, actions[i], illegal[i], illegal_reward, max_steps
            )
            rewards[i], terminated[i], truncated[i] = reward, is_terminated, is_truncated
            episode.episode_return += reward
            episode.episode_length += 1
            if is_terminated or is_truncated:
                num_done += 1
                _end(state, param, episode, mode, final_obs[i], final_masks[i], stats[i])
        _observe(state, param, obs[i], masks[i])
    return num_done


# --- the same step in parts, for games against an opponent ------------------------------------------------------


@jit
def our_ply(
    states, params, stride, episodes, actions, illegal, illegal_reward, max_steps,
    rewards, terminated, truncated, waiting, fresh,
):  # fmt: skip
    """Apply our actions; `waiting` marks copies where the opponent is to move, `fresh` those that begin anew."""
    num_waiting = 0
    for i in range(states.shape[0]):
        state, episode, param = states[i], episodes[i], params[i * stride]
        rewards[i], terminated[i], truncated[i] = 0.0, False, False
        fresh[i] = episode.is_done
        if episode.is_done:
            _begin(state, param, episode)
        else:
            rewards[i], terminated[i], truncated[i] = _advance(
                state, param, actions[i], illegal[i], illegal_reward, max_steps
            )
        # a game truncated by our ply still gets its reply, so that the last observation is from our side
        waiting[i] = not terminated[i] and player(state) != episode.seat
        num_waiting += waiting[i]
    return num_waiting


@jit
def ask_opponent(states, params, stride, waiting, obs, masks, uniforms):
    """Observe the waiting copies for the opponent and draw it a number in [0, 1) from each copy's own stream."""
    for i in range(states.shape[0]):
        if waiting[i]:
            _observe(states[i], params[i * stride], obs[i], masks[i])
            uniforms[i] = uniform(states[i])


@jit
def opponent_ply(
    states, params, stride, episodes, actions, illegal_reward, max_steps,
    rewards, terminated, truncated, waiting, fresh,
):  # fmt: skip
    """Apply the opponent's actions, which are legal, where it is to move; return the copies still waiting."""
    num_waiting = 0
    for i in range(states.shape[0]):
        if not waiting[i]:
            continue
        state, episode, param = states[i], episodes[i], params[i * stride]
        reward, is_terminated, is_truncated = _advance(state, param, actions[i], False, illegal_reward, max_steps)
        if not fresh[i]:
            rewards[i] -= reward
            terminated[i], truncated[i] = is_terminated, is_truncated
        waiting[i] = not is_terminated and player(state) != episode.seat
        num_waiting += waiting[i]
    return num_waiting


@jit
def end_plies(
    states, params, stride, episodes, mode, rewards, terminated, truncated, final_obs, final_masks, stats,
    waiting, fresh,
):  # fmt: skip
    """Add up the step, end episodes; return (episodes ended, copies where the opponent makes the first move)."""
    num_done, num_waiting = 0, 0
    for i in range(states.shape[0]):
        state, episode, param = states[i], episodes[i], params[i * stride]
        waiting[i] = False
        if not fresh[i]:
            episode.episode_return += rewards[i]
            episode.episode_length += 1
            if terminated[i] or truncated[i]:
                num_done += 1
                _end(state, param, episode, mode, final_obs[i], final_masks[i], stats[i])
                if mode == SAME_STEP:
                    fresh[i] = True
                    waiting[i] = player(state) != episode.seat
                    num_waiting += waiting[i]
    return num_done, num_waiting


@jit
def awaiting_opponent(states, episodes, where, waiting):
    """Mark the chosen copies in which the opponent is to move; return how many."""
    num_waiting = 0
    for i in range(states.shape[0]):
        waiting[i] = where[i] and episodes[i].seat != 0 and player(states[i]) != episodes[i].seat
        num_waiting += waiting[i]
    return num_waiting
