"""Tree search over any environment's rules: one compiled module, bound to them by `rlkit.engine.bind`.

N games at once, one leaf each: `simulate` descends in one game and grows a leaf, an evaluator gives the leaf a
value and its actions priors (`expand`), `backward` carries the value to the root. `search_alone` runs all of it
without a network; `wait_for_leaves` and `take_evaluations` are the two halves of a step with one.

- PUCT and Gumbel, see selection.py.
- Ends are exact. In games of two, proven wins and losses climb the tree (MCTS-Solver, Winands et al. 2008): a
  node with a winning action is won, one whose actions are all proven has the best of their values. What is
  proven is not visited again, and a node is worth at least the best that is proven of its actions.
  With `find_wins` a new leaf that has a winning action is proven before anything is evaluated.
- One player: values may have any scale, so they are scaled by the least and greatest seen (MuZero,
  Schrittwieser et al. 2020). Rewards on the way and a discount count. A leaf at the time limit is evaluated
  and never expanded.

Source of the form, a search as three verbs over arrays: DeepMind's mctx.
"""

import math

import numpy as np

from agents.alphazero.selection import (
    best_action,
    draw_gumbel,
    mix_dirichlet,
    root_policy,
    select_gumbel,
    select_puct,
    select_root,
)
from agents.alphazero.tree import GUMBEL, HORIZON, ROLLOUT, UNKNOWN
from rlkit.engine.interface import action_mask, observe, player, step
from rlkit.engine.jit import jit, jit_inline
from rlkit.engine.rng import random_bits, uniform

# --- the root ---------------------------------------------------------------------------------------------------


@jit
def begin(nodes, states, game, state):
    """Make `state` the root, with nothing known of it. Its dice are not the game's own: no plan may know those."""
    states[0] = state
    states[0].rng = random_bits(game)
    game.is_two_player = player(state) != 0
    game.low = -1.0 if game.is_two_player else np.inf
    game.high = 1.0 if game.is_two_player else -np.inf
    game.num_nodes = 1
    game.num_simulations = 0
    game.leaf = 0
    _clear(nodes[0])


@jit_inline
def _clear(node):
    node.outcome = UNKNOWN
    node.floor = -1
    node.visits = 0
    node.mean = 0.0
    node.value = 0.0
    for action in range(node.children.shape[0]):
        node.children[action] = -1
        node.visit_counts[action] = 0
        node.edge_outcomes[action] = UNKNOWN


@jit
def reroot(nodes, states, game, settings, action, moved):
    """Make the root's child by `action` the root and keep its subtree; return False where there is no such child.

    Kept nodes move to lower indices in their old order, so none is overwritten before it has moved; `moved` [M]
    int32 is scratch.
    """
    top = nodes[0].children[action]
    if top < 0 or nodes[top].visits == 0 or nodes[top].outcome == HORIZON:
        return False
    count = 0
    for k in range(top, game.num_nodes):
        is_kept = k == top or (nodes[k].parent >= top and moved[nodes[k].parent] >= 0)
        moved[k] = count if is_kept else -1
        if is_kept:
            nodes[count] = nodes[k]
            states[count] = states[k]
            if k != top:
                nodes[count].parent = moved[nodes[k].parent]
                nodes[nodes[count].parent].children[nodes[count].action] = count
            count += 1
    game.num_nodes = count
    game.num_simulations = 0
    game.leaf = 0
    disturb_root(nodes[0], game, settings)
    return True


@jit
def disturb_root(root, game, settings):
    """Draw the noise of a search that begins, if it has any."""
    if root.outcome != UNKNOWN:
        return
    if settings.strategy == GUMBEL and settings.gumbel_scale > 0:
        draw_gumbel(game)
    elif settings.strategy != GUMBEL and settings.dirichlet_share > 0:
        mix_dirichlet(root, game, settings)


# --- simulate, expand, backward ---------------------------------------------------------------------------------


@jit_inline
def simulate(nodes, states, game, params, settings, schedule):
    """Descend to a leaf, new or known; return whether it waits for an evaluation."""
    k = 0
    while nodes[k].outcome == UNKNOWN:
        node = nodes[k]
        if settings.strategy != GUMBEL:
            action = select_puct(node, game, settings)
        elif k == 0:
            action = select_root(node, game, settings, schedule)
        else:
            action = select_gumbel(node, game, settings)
        child = node.children[action]
        if child < 0:
            node.children[action] = _grow(nodes, states, game, k, action, params, settings)
            return nodes[game.leaf].outcome >= UNKNOWN
        k = child
    game.leaf = k
    return False


@jit_inline
def _grow(nodes, states, game, k, action, params, settings):
    """Make the child of node `k` by `action` the leaf and return its index."""
    child = game.num_nodes
    game.num_nodes = child + 1
    game.leaf = child
    states[child] = states[k]
    node, state = nodes[child], states[child]
    _clear(node)
    node.parent = k
    node.action = action
    mover = player(state)
    reward, terminated = step(state, params, action)
    num_steps = int(state.num_steps) + 1
    state.num_steps = num_steps
    node.reward = reward
    node.sign = 1 if player(state) == mover else -1
    if terminated:
        node.outcome = 0  # nothing is to come; the reward says how it ended
    elif settings.max_steps > 0 and num_steps >= settings.max_steps:
        node.outcome = HORIZON
    return child


@jit
def expand(nodes, game, logits, value, settings):
    """Give the leaf its value, and as priors the softmax of `logits` [A] over its legal actions, `game.mask`."""
    node = nodes[game.leaf]
    node.value = value
    if node.outcome == HORIZON:
        return
    greatest, num_legal, total = -np.inf, 0, 0.0
    for action in range(game.mask.shape[0]):
        if game.mask[action]:
            greatest = max(greatest, float(logits[action]))
            num_legal += 1
    for action in range(game.mask.shape[0]):
        if game.mask[action]:
            weight = math.exp(float(logits[action]) - greatest)
            game.weights[action] = weight
            total += weight
    for action in range(game.mask.shape[0]):  # a prior of 0 might leave a choice among nothing
        node.priors[action] = max(game.weights[action] / total, 1e-30) if game.mask[action] else -1.0
    node.num_open = num_legal
    if game.leaf == 0:
        disturb_root(node, game, settings)


@jit_inline
def _expand_uniform(nodes, game, value, settings):
    node = nodes[game.leaf]
    node.value = value
    num_legal = 0
    for action in range(game.mask.shape[0]):
        num_legal += game.mask[action]
    prior = 1.0 / max(1, num_legal)
    for action in range(game.mask.shape[0]):
        node.priors[action] = prior if game.mask[action] else -1.0
    node.num_open = num_legal
    if game.leaf == 0:
        disturb_root(node, game, settings)


@jit
def win_at_once(nodes, states, game, scratch, params, settings):
    """Prove the leaf won if one of its actions, those of `game.mask`, ends the game so; return whether one does.

    `scratch` is one record of the rules. Without this a search may never look at a win that the priors think
    little of, and they do where games of strong players do not go.
    """
    node, state = nodes[game.leaf], states[game.leaf]
    if not game.is_two_player or node.outcome == HORIZON:
        return False
    for action in range(game.mask.shape[0]):
        if game.mask[action]:
            scratch[0] = state
            reward, terminated = step(scratch[0], params, action)
            if terminated and reward >= 1:
                _expand_uniform(nodes, game, 1.0, settings)
                node.edge_outcomes[action] = 1
                _prove(node, 1)
                return True
    return False


@jit_inline
def backward(nodes, game, settings):
    """Carry the leaf's value to the root, and what is proven with it."""
    k = game.leaf
    node = nodes[k]
    value = float(node.value)
    _note(node, value)
    if k == 0:
        return  # the root's own evaluation is no simulation
    game.num_simulations += 1
    while k > 0:
        action, sign = node.action, settings.gamma * node.sign
        q_value, outcome = node.reward + sign * node.mean, node.outcome
        value = node.reward + sign * value
        proven = int(node.reward + node.sign * outcome)
        k = node.parent
        node = nodes[k]
        node.visit_counts[action] += 1
        node.q_values[action] = q_value
        if not game.is_two_player:
            game.low, game.high = min(game.low, q_value), max(game.high, q_value)
        elif outcome < UNKNOWN and node.edge_outcomes[action] == UNKNOWN:
            node.edge_outcomes[action] = proven
            _prove(node, proven)
        if game.is_two_player:
            value = max(value, float(node.floor)) if node.outcome == UNKNOWN else float(node.value)
        _note(node, value)


@jit_inline
def _note(node, value):
    """Take a value into a node's mean."""
    node.visits += 1
    if node.outcome < UNKNOWN:
        node.mean = node.outcome
    else:
        node.mean += (value - node.mean) / node.visits


@jit
def _prove(node, outcome):
    """Note that one more action's outcome is proven, and the node's own if that settles it."""
    node.num_open -= 1
    node.floor = max(node.floor, outcome)
    if outcome == 1 or node.num_open == 0:
        node.outcome = node.floor
        node.value = node.floor


# --- whole searches ---------------------------------------------------------------------------------------------


@jit_inline
def is_done(nodes, game, num_simulations):
    """Return whether a search is over: its simulations are done, its root is proven, or its memory is full."""
    return game.num_simulations >= num_simulations or nodes[0].outcome != UNKNOWN or game.num_nodes >= nodes.shape[0]


@jit
def next_leaf(nodes, states, game, scratch, params, settings, schedule, num_simulations, obs):
    """Simulate until a leaf waits for an evaluation, and observe it into `obs`; return False at the search's end."""
    while nodes[0].visits == 0 or not is_done(nodes, game, num_simulations):
        if nodes[0].visits == 0 or simulate(nodes, states, game, params, settings, schedule):
            action_mask(states[game.leaf], params, game.mask)
            if not (settings.find_wins and win_at_once(nodes, states, game, scratch, params, settings)):
                observe(states[game.leaf], params, obs)
                return True
        backward(nodes, game, settings)
    return False


@jit
def wait_for_leaves(tree, params, settings, schedule, num_simulations, obs, waiting):
    """Bring every game to its next leaf, observed in `obs` [N, …]; mark those in `waiting` [N], return how many."""
    num_waiting = 0
    for i in range(waiting.shape[0]):
        waiting[i] = next_leaf(
            tree.nodes[i], tree.states[i], tree.games[i], tree.playouts[i : i + 1], params[0], settings[0], schedule,
            num_simulations, obs[i],
        )  # fmt: skip
        num_waiting += waiting[i]
    return num_waiting


@jit
def take_evaluations(tree, settings, logits, values, waiting):
    """Expand the waiting leaves by `logits` [N, A] and `values` [N], and back the values up."""
    for i in range(waiting.shape[0]):
        if waiting[i]:
            expand(tree.nodes[i], tree.games[i], logits[i], values[i], settings[0])
            backward(tree.nodes[i], tree.games[i], settings[0])


@jit
def search_alone(tree, params, settings, schedule, num_simulations, evaluator):
    """Search all games without a network: leaves are worth 0 (UNIFORM) or one game of random play (ROLLOUT)."""
    param, setting = params[0], settings[0]
    for i in range(tree.games.shape[0]):
        nodes, states, game, scratch = tree.nodes[i], tree.states[i], tree.games[i], tree.playouts[i : i + 1]
        # As `next_leaf`, written out: a function that both call, inlined or not, costs a quarter of the speed.
        while nodes[0].visits == 0 or not is_done(nodes, game, num_simulations):
            if nodes[0].visits == 0 or simulate(nodes, states, game, param, setting, schedule):
                action_mask(states[game.leaf], param, game.mask)
                if not (setting.find_wins and win_at_once(nodes, states, game, scratch, param, setting)):
                    value = _rollout(states[game.leaf], scratch, game, param, setting) if evaluator == ROLLOUT else 0.0
                    _expand_uniform(nodes, game, value, setting)
            backward(nodes, game, setting)


@jit
def _rollout(leaf, playouts, game, params, settings):
    """Play random legal actions from the leaf to the end; return the result for the side to move there."""
    playouts[0] = leaf
    playout = playouts[0]
    mover, value, discount, terminated = player(leaf), 0.0, 1.0, False
    while not terminated and (settings.max_steps == 0 or playout.num_steps < settings.max_steps):
        game.weights[:] = 1
        action_mask(playout, params, game.weights)
        num_legal = 0
        for action in range(game.weights.shape[0]):
            num_legal += game.weights[action] != 0
        left = int(uniform(game) * num_legal)
        chosen = 0
        while left > 0 or game.weights[chosen] == 0:
            left -= game.weights[chosen] != 0
            chosen += 1
        sign = 1 if player(playout) == mover else -1
        reward, terminated = step(playout, params, chosen)
        playout.num_steps += 1
        value += discount * sign * reward
        discount *= settings.gamma
    return value


@jit
def begin_all(tree, states):
    """Begin a search in every game from `states` [N]."""
    for i in range(states.shape[0]):
        begin(tree.nodes[i], tree.states[i], tree.games[i], states[i])


@jit
def recommend(tree, settings, policies, actions, values):
    """Write every game's `root_policy` [N, A], `best_action` [N] and value for the side to move [N]."""
    for i in range(actions.shape[0]):
        root, game = tree.nodes[i, 0], tree.games[i]
        root_policy(root, game, settings[0], policies[i])
        actions[i] = best_action(root, game, settings[0])
        values[i] = root.mean


@jit
def best_line(nodes, game, settings, min_visits, line):
    """Write into `line` the actions that both sides' `best_action` lead to, while visited so often; return how many."""
    k, length = 0, 0
    while k >= 0 and length < line.shape[0]:
        most = 0
        for action in range(game.mask.shape[0]):
            most = max(most, nodes[k].visit_counts[action])
        if length > 0 and most < min_visits:
            break
        action = best_action(nodes[k], game, settings)
        line[length] = action
        length += 1
        k = nodes[k].children[action]
    return length
