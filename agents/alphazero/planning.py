"""Planning for one player over any environment's rules: compiled, and bound to them like the search of games.

N copies at once, each at its own pace: `advance` takes the network's evaluations of what waits and goes on in every
copy until the next observation waits. Arrays and their meaning: planner.py.

- Open loop. A node is a sequence of actions, not a state: each simulation steps the rules again from the root, on
  dice of its own (`begin_simulation`), so what a node is worth is a mean over chance, and no plan knows tomorrow's
  dice. (Trees of states that hold one sampled outcome each plan as if that were going to happen.)
- Returns have any scale: the differences of q-values are taken over the range of the returns that this search has
  seen (MuZero, Schrittwieser et al. 2020, appendix B, with returns from the root in place of q-values).
- Leaves are worth the network's value, or, where `uses_playouts`, the return of the episode that the policy goes on
  to play: a rollout algorithm (Tesauro and Galperin 1996) over a tree. The root's greedy playout decides: it must
  end within `playout_steps` without drawing a random number.
- The best complete line is remembered (Schadd et al. 2008, single-player MCTS). Only lines along which no random
  number was drawn count: what they return is certain. So where the greedy playout is such a line, a plan is never
  worse than the policy.
- Edges below which all lines have been played without chance are closed, and not tried again.
- The time limit ends an episode; what would follow is worth the network's value of the last observation.
"""

import math

import numpy as np

from agents.alphazero.cache import key_of, recall, remember
from rlkit.engine.interface import action_mask, observe, step
from rlkit.engine.jit import jit, jit_inline
from rlkit.engine.rng import random_bits, uniform

IDLE, AT_LEAF, IN_PLAYOUT, AT_CUT = 0, 1, 2, 3  # phases: what the evaluation that a copy waits for is of
GOING_ON, TERMINATED, TRUNCATED = 0, 1, 2  # how the simulation's episode stands
UNEXPECTED = 1e-3  # prior of an action that was illegal when its node was evaluated: another outcome of chance


@jit
def begin_all(plans, states, seeds):
    """Begin a search in every copy from `states` [N], with dice from `seeds` [N] uint64."""
    for i in range(states.shape[0]):
        game = plans.games[i]
        plans.roots[i] = states[i]
        game.rng = seeds[i]
        game.num_nodes, game.num_simulations, game.phase = 1, 0, IDLE
        game.uses_playouts, game.is_solved = 0, 0
        game.low, game.high = np.inf, -np.inf
        game.best_length = 0
        _clear(plans.nodes[i, 0])


@jit
def remember_line(plans, i, actions, rewards, rest, gamma):
    """Give copy i a line that is known to be complete and certain: `actions` and `rewards` [T], then `rest`."""
    game, value = plans.games[i], rest
    for t in range(actions.shape[0] - 1, -1, -1):
        plans.best_actions[i, t] = actions[t]
        plans.best_rewards[i, t] = rewards[t]
        value = rewards[t] + gamma * value
    game.best_length, game.best_return, game.best_rest = actions.shape[0], value, rest
    game.low, game.high = value, value
    game.uses_playouts = 1


@jit_inline
def _clear(node):
    node.visits = 0
    node.average = 0.0
    for action in range(node.children.shape[0]):
        node.children[action] = -1
        node.visit_counts[action] = 0
        node.q_values[action] = 0.0
        node.is_closed[action] = 0


# --- a simulation: down the tree, on by the policy, back up -----------------------------------------------------


@jit_inline
def begin_simulation(state, game, root):
    """Return to the root with fresh dice: those of the copy itself are tomorrow's."""
    state[0] = root
    state[0].rng = random_bits(game)
    game.dice = state[0].rng
    game.length, game.depth, game.leaf, game.status = 0, 0, -1, GOING_ON


@jit_inline
def _play(state, game, actions, rewards, params, settings, action):
    """Take an action in the simulation's state, and note it in its line."""
    t = game.length
    reward, terminated = step(state, params, action)
    num_steps = int(state.num_steps) + 1
    state.num_steps = num_steps
    actions[t] = action
    rewards[t] = reward
    game.length = t + 1
    if terminated:
        game.status = TERMINATED
    elif settings.max_steps > 0 and num_steps >= settings.max_steps:
        game.status = TRUNCATED


@jit_inline
def _select(node, game, settings):
    """Return the action of greatest value and exploration bonus (Silver et al. 2018) among the legal open ones."""
    scale = 1.0 / (game.high - game.low) if game.high > game.low else 0.0
    weight = settings.c_puct * math.sqrt(node.visits)
    best, best_score, fallback = -1, -np.inf, 0
    for action in range(game.mask.shape[0]):
        if game.mask[action]:
            fallback = action
            if not node.is_closed[action]:
                count, prior = node.visit_counts[action], float(node.priors[action])
                value = -settings.fpu_reduction
                if count > 0:
                    value = (node.q_values[action] - node.average) * scale
                score = value + weight * (prior if prior >= 0 else UNEXPECTED) / (1 + count)
                if score > best_score:
                    best, best_score = action, score
    return best if best >= 0 else fallback


@jit_inline
def _descend(nodes, state, game, path, actions, rewards, params, settings):
    """Walk down to a node that is not known yet, growing it, or to the end of the episode or of the line."""
    k = 0
    while nodes[k].visits > 0:
        game.mask[:] = 1
        action_mask(state, params, game.mask)
        action = _select(nodes[k], game, settings)
        path[game.length] = k
        _play(state, game, actions, rewards, params, settings, action)
        game.depth = game.length
        if game.status != GOING_ON or game.length >= actions.shape[0]:
            return
        child = nodes[k].children[action]
        if child < 0:
            child = game.num_nodes
            game.num_nodes = child + 1
            nodes[k].children[action] = child
            _clear(nodes[child])
        k = child
    game.leaf = k


@jit_inline
def _expand(node, game, logits, value):
    """Give the leaf its value, and as priors the softmax of `logits` [A] over its legal actions, `game.mask`."""
    node.value = value
    greatest, total = -np.inf, 0.0
    for action in range(game.mask.shape[0]):
        if game.mask[action]:
            greatest = max(greatest, float(logits[action]))
    for action in range(game.mask.shape[0]):
        if game.mask[action]:
            total += math.exp(float(logits[action]) - greatest)
    for action in range(game.mask.shape[0]):
        node.priors[action] = math.exp(float(logits[action]) - greatest) / total if game.mask[action] else -1.0


@jit_inline
def _drawn(logits, game, temperature):
    """Return a legal action drawn from the policy at `temperature` (0: its most likely one)."""
    best, best_score = -1, -np.inf
    for action in range(game.mask.shape[0]):
        if game.mask[action]:
            score = float(logits[action])
            if temperature > 0:  # the Gumbel-max trick: a draw from the softmax
                score -= temperature * math.log(-math.log(uniform(game) + 1e-20) + 1e-20)
            if best < 0 or score > best_score:
                best, best_score = action, score
    return best


@jit_inline
def _back_up(nodes, state, game, path, actions, rewards, best_actions, best_rewards, settings, rest):
    """End the simulation: carry its return, with `rest` for what follows its line, to the root."""
    value = rest
    for t in range(game.length - 1, game.depth - 1, -1):
        value = rewards[t] + settings.gamma * value
    if game.leaf >= 0:
        _note(nodes[game.leaf], value)
    for t in range(game.depth - 1, -1, -1):
        value = rewards[t] + settings.gamma * value
        node, action = nodes[path[t]], actions[t]
        count = node.visit_counts[action] + 1
        node.visit_counts[action] = count
        node.q_values[action] += (value - node.q_values[action]) / count
        _note(node, value)
    game.low, game.high = min(game.low, value), max(game.high, value)
    game.num_simulations += game.leaf != 0  # the root's own evaluation is none
    game.phase = IDLE
    if game.status == GOING_ON or state.rng != game.dice:
        return
    if game.best_length == 0 or value > game.best_return:
        game.best_length, game.best_return, game.best_rest = game.length, value, rest
        best_actions[: game.length] = actions[: game.length]
        best_rewards[: game.length] = rewards[: game.length]
    if game.leaf < 0:
        _close(nodes, game, path, actions)


@jit_inline
def _note(node, value):
    node.visits += 1
    node.average += (value - node.average) / node.visits


@jit_inline
def _close(nodes, game, path, actions):
    """Close the edge that ended the episode, and those above that have nothing open left."""
    for t in range(game.depth - 1, -1, -1):
        node = nodes[path[t]]
        node.is_closed[actions[t]] = 1
        for action in range(game.mask.shape[0]):
            if node.priors[action] >= 0 and not node.is_closed[action]:
                return
    game.is_solved = 1


# --- many at once -----------------------------------------------------------------------------------------------


@jit
def advance(plans, params, settings, num_simulations, cache, logits, values, obs, waiting):
    """Take the evaluations, `logits` [N, A] and `values` [N], of the copies `waiting`; bring all to their next one.

    What is to be evaluated then is in `obs` [N, …], `waiting` [N] says where; returns in how many copies.
    """
    num_waiting = 0
    for i in range(waiting.shape[0]):
        key = plans.games[i].key
        if waiting[i]:
            remember(cache, key, logits[i], values[i])
            _take(plans, i, params[0], settings[0], logits[i], values[i])
        waiting[i] = False
        while _next(plans, i, params[0], settings[0], num_simulations):
            observe(plans.states[i], params[0], obs[i])
            key = _key(cache, obs[i], plans.games[i])
            known = recall(cache, key)
            if known < 0:
                waiting[i] = True
                num_waiting += 1
                break
            _take(plans, i, params[0], settings[0], cache.logits[known], cache.values[known])
    return num_waiting


@jit_inline
def _key(cache, obs, game):
    """Return the key of an observation with its mask, which q-values depend on."""
    game.key = key_of(cache, obs)
    for action in range(game.mask.shape[0]):
        game.key = (int(game.key) * 6_364_136_223_846_793_005 + int(game.mask[action])) & 0x7FFFFFFFFFFFFFFF
    return game.key


@jit
def _next(plans, i, params, settings, num_simulations):
    """Bring copy i to a state that waits for an evaluation; return False where its search is over."""
    game, nodes, state = plans.games[i], plans.nodes[i], plans.states[i : i + 1]
    while game.phase == IDLE:
        is_over = game.num_simulations >= num_simulations or game.num_nodes >= nodes.shape[0] or game.is_solved
        if nodes[0].visits > 0 and is_over:
            return False
        begin_simulation(state, game, plans.roots[i])
        _descend(nodes, state[0], game, plans.paths[i], plans.actions[i], plans.rewards[i], params, settings)
        game.phase = AT_LEAF if game.leaf >= 0 else AT_CUT
        _end_if_terminated(plans, i, settings)
    game.mask[:] = 1
    action_mask(state[0], params, game.mask)
    return True


@jit
def _end_if_terminated(plans, i, settings):
    """End copy i's simulation where nothing follows."""
    if plans.games[i].status == TERMINATED:
        _end(plans, i, settings, 0.0)


@jit
def _end(plans, i, settings, rest):
    _back_up(
        plans.nodes[i], plans.states[i], plans.games[i], plans.paths[i], plans.actions[i], plans.rewards[i],
        plans.best_actions[i], plans.best_rewards[i], settings, rest,
    )  # fmt: skip


@jit
def _take(plans, i, params, settings, logits, evaluation):
    """Take the evaluation that copy i waited for: go on with its playout, or end the simulation."""
    game, value = plans.games[i], settings.value_scale * evaluation
    is_probe = game.leaf == 0 and game.best_length == 0  # the greedy playout from the root
    if game.phase == AT_LEAF:
        _expand(plans.nodes[i, game.leaf], game, logits, value)
        goes_on = is_probe or (game.leaf != 0 and game.uses_playouts != 0)
        if game.leaf == 0 and not is_probe:
            value = game.best_return  # of the line that is remembered
    else:
        has_drawn = plans.states[i].rng != game.dice
        goes_on = game.phase == IN_PLAYOUT and not (is_probe and has_drawn)
    num_played = game.length - game.depth
    if not goes_on or num_played >= settings.playout_steps or game.length >= plans.actions.shape[1]:
        if is_probe and game.status == TRUNCATED:
            game.uses_playouts = plans.states[i].rng == game.dice
        _end(plans, i, settings, value)
        return
    action = _drawn(logits, game, 0.0 if is_probe else settings.temperature)
    _play(plans.states[i], game, plans.actions[i], plans.rewards[i], params, settings, action)
    game.phase = AT_CUT if game.status == TRUNCATED else IN_PLAYOUT
    if game.status == TERMINATED and is_probe:
        game.uses_playouts = plans.states[i].rng == game.dice
    _end_if_terminated(plans, i, settings)


# --- what a search recommends -----------------------------------------------------------------------------------


@jit
def recommend(plans, policies, actions, values):
    """Write every copy's shares of visits [N, A], the action to take [N] and the root's value [N].

    That is the next action of the best certain line, where there is one; else the most visited action, of equally
    visited ones that of the greatest q-value.
    """
    for i in range(actions.shape[0]):
        root, game = plans.nodes[i, 0], plans.games[i]
        best, total = -1, 0.0
        for action in range(game.mask.shape[0]):
            count = root.visit_counts[action]
            total += count
            if root.priors[action] >= 0 and (best < 0 or _is_better(root, action, best)):
                best = action
        for action in range(game.mask.shape[0]):
            policies[i, action] = root.visit_counts[action] / total if total > 0 else max(0.0, root.priors[action])
        actions[i], values[i] = best, root.average
        if game.best_length > 0:
            actions[i], values[i] = plans.best_actions[i, 0], game.best_return


@jit_inline
def _is_better(root, action, other):
    count, most = root.visit_counts[action], root.visit_counts[other]
    if count == 0 and most == 0:
        return root.priors[action] > root.priors[other]
    return count > most or (count == most and root.q_values[action] > root.q_values[other])


@jit
def likely_line(nodes, num_actions, line):
    """Write into `line` the most visited actions from the root on; return how many."""
    k, length = 0, 0
    while k >= 0 and length < line.shape[0]:
        best = -1
        for action in range(num_actions):
            if nodes[k].visit_counts[action] > 0 and (best < 0 or _is_better(nodes[k], action, best)):
                best = action
        if best < 0:
            break
        line[length] = best
        length += 1
        k = nodes[k].children[best]
    return length


@jit
def step_all(states, params, actions):
    """Take `actions` [N] in `states` [N] without looking at what they bring."""
    for i in range(states.shape[0]):
        step(states[i], params[0], actions[i])
        states[i].num_steps = int(states[i].num_steps) + 1
