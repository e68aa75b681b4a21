"""Self-play of N games at once, each at its own pace: compiled, and bound to the rules like the search.

`advance` takes the network's evaluations of all games' leaves and goes on in each game until its next leaf
waits: ends of games, proven values, moves and leaves that the cache knows cost no evaluation on the way, so every
row of every network batch is of use. Finished games become samples to learn from.

Shapes: N games, T plies of a game kept, S samples, A actions.
"""

from agents.alphazero.cache import key_of, recall, remember
from agents.alphazero.search import backward, begin, disturb_root, expand, next_leaf
from agents.alphazero.selection import best_action, root_policy
from agents.alphazero.tree import UNKNOWN
from rlkit.engine.interface import action_mask, observe, player, reset, step
from rlkit.engine.jit import jit
from rlkit.engine.rng import seed, uniform

# What `counters` [9] add up.
EPISODES, PLIES, SIMULATIONS, EVALUATIONS, FIRST_WINS, DRAWS, PROVEN, SAMPLES, RECALLED = range(9)


@jit
def start(tree, live, plays, history, params, settings, choices, seeds):
    """Begin a game in every place, from `seeds` [N] uint64."""
    for i in range(live.shape[0]):
        seed(live[i], seeds[i])
        _reset(tree, live, plays, history, i, params[0], settings[0], choices[0])


@jit
def advance(
    tree, live, plays, history, samples, cache, counters, params, settings, choices, schedules, logits, values, obs,
):  # fmt: skip
    """Take the evaluations, `logits` [N, A] and `values` [N], of the leaves in `obs`; go on to the next leaves."""
    for i in range(live.shape[0]):
        nodes, states, game, play = tree.nodes[i], tree.states[i], tree.games[i], plays[i]
        if play.is_waiting:
            remember(cache, play.key, logits[i], values[i])
            expand(nodes, game, logits[i], values[i], settings[0])
            backward(nodes, game, settings[0])
            counters[EVALUATIONS] += 1
        play.is_waiting = 1
        while True:
            while not next_leaf(
                nodes, states, game, tree.playouts[i : i + 1], params[0], settings[0], schedules[play.is_full],
                play.num_simulations, obs[i],
            ):  # fmt: skip
                _move(tree, live, plays, history, samples, counters, i, params[0], settings[0], choices[0])
            play.key = key_of(cache, obs[i])
            known = recall(cache, play.key)
            if known < 0 or (game.leaf == 0 and play.num_plies == 0):  # new games wait: at most one ends in a call
                break
            expand(nodes, game, cache.logits[known], cache.values[known], settings[0])
            backward(nodes, game, settings[0])
            counters[RECALLED] += 1


@jit
def _move(tree, live, plays, history, samples, counters, i, params, settings, choices):
    """Record the finished search of game i, take its action, and begin the next search or game."""
    nodes, game, play, state = tree.nodes[i], tree.games[i], plays[i], live[i]
    root, t = nodes[0], play.num_plies
    counters[SIMULATIONS] += game.num_simulations
    counters[PLIES] += 1
    counters[PROVEN] += root.outcome != UNKNOWN
    root_policy(root, game, settings, history.policies[i, t])
    history.values[i, t] = root.mean
    history.outcomes[i, t] = root.outcome
    history.weights[i, t] = play.is_full
    action = best_action(root, game, settings)
    if state.num_steps < choices.num_sampled_plies:
        action = _sample(history.policies[i, t], uniform(game))
    if root.outcome != UNKNOWN and choices.adjudicate:
        _finish(history, samples, counters, play, i, t, settings, choices, 0.0)  # `outcomes` has the result
        _count_result(counters, root.outcome * player(state))
        _reset(tree, live, plays, history, i, params, settings, choices)
        return
    mover = player(state)
    reward, terminated = step(state, params, action)
    num_steps = int(state.num_steps) + 1
    state.num_steps = num_steps
    history.rewards[i, t] = reward
    history.signs[i, t] = 1 if player(state) == mover else -1
    play.num_plies = t + 1
    is_cut = t + 1 >= history.values.shape[1] or (settings.max_steps > 0 and num_steps >= settings.max_steps)
    if terminated or is_cut:
        child = root.children[action]
        rest = nodes[child].mean if not terminated and child >= 0 else 0.0
        _finish(history, samples, counters, play, i, t, settings, choices, rest)
        _count_result(counters, reward * mover)
        _reset(tree, live, plays, history, i, params, settings, choices)
        return
    _begin_search(tree, live, plays, history, i, params, settings, choices, root.children[action])


@jit
def _sample(policy, draw):
    """Return an action drawn from `policy` [A] by inverting `draw` in [0, 1)."""
    left, last = draw, 0
    for action in range(policy.shape[0]):
        if policy[action] > 0:
            last = action
            left -= policy[action]
            if left < 0:
                break
    return last


@jit
def _count_result(counters, result):
    """Count a game by its result for the first player."""
    counters[EPISODES] += 1
    counters[FIRST_WINS] += result > 0
    counters[DRAWS] += result == 0


@jit
def _reset(tree, live, plays, history, i, params, settings, choices):
    live[i].num_steps = 0
    reset(live[i], params)
    plays[i].num_plies = 0
    _begin_search(tree, live, plays, history, i, params, settings, choices, -1)


@jit
def _begin_search(tree, live, plays, history, i, params, settings, choices, child):
    """Begin the search of game i's position; node `child` of the last search, if any, has its evaluation."""
    nodes, states, game, play = tree.nodes[i], tree.states[i], tree.games[i], plays[i]
    t, root = play.num_plies, nodes[0]
    is_known = child >= 0 and nodes[child].visits > 0 and nodes[child].outcome == UNKNOWN
    if is_known:
        value, num_open = nodes[child].value, nodes[child].num_open
        for action in range(root.priors.shape[0]):
            root.priors[action] = nodes[child].priors[action]
            num_open += nodes[child].priors[action] >= 0 and nodes[child].edge_outcomes[action] != UNKNOWN
    begin(nodes, states, game, live[i])
    observe(live[i], params, history.obs[i, t])
    history.masks[i, t] = 1
    action_mask(live[i], params, history.masks[i, t])
    if is_known:
        root.value, root.mean, root.visits, root.num_open = value, value, 1, num_open
        disturb_root(root, game, settings)
    play.is_full = uniform(game) < choices.full_share
    play.num_simulations = choices.num_simulations if play.is_full else choices.num_fast_simulations


@jit
def _finish(history, samples, counters, play, i, last, settings, choices, rest):
    """Turn plies 0 to `last` of game i into samples; `rest` is the value of what would follow, for who moves then.

    The value to learn is the result from there, mixed with the search's own value; a proven value is exact,
    and is what earlier plies lead to.
    """
    result = rest
    first = int(counters[SAMPLES])
    counters[SAMPLES] += last + 1
    for t in range(last, -1, -1):
        if history.outcomes[i, t] < UNKNOWN:
            result = float(history.outcomes[i, t])
            target = result
        else:
            result = history.rewards[i, t] + settings.gamma * history.signs[i, t] * result
            target = (1 - choices.search_value_share) * result + choices.search_value_share * history.values[i, t]
        k = first + t
        samples.obs[k] = history.obs[i, t]
        samples.masks[k] = history.masks[i, t]
        samples.policies[k] = history.policies[i, t]
        samples.weights[k] = history.weights[i, t]
        samples.values[k] = target
