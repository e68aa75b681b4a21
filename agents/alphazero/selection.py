"""Which action a search tries next, and what it recommends in the end: PUCT and Gumbel, over one game's nodes.

Equations are those of Danihelka et al. 2022, "Policy improvement by planning with Gumbel", unless said otherwise.
`nodes` [M] are one game's, `game` its record (see tree.py). What is proven is not tried again.
"""

import math

import numpy as np

from agents.alphazero.tree import GUMBEL, UNKNOWN
from rlkit.engine.jit import jit, jit_inline
from rlkit.engine.rng import gamma, uniform

LOST = -1  # of edge_outcomes
MARGIN = 0.3  # of a value in [0, 1] that one visit leaves uncertain, for the choice of a move


@jit_inline
def _scale(game):
    """Return the factor from q-values to [0, 1]; 0 as long as none or only one has been seen."""
    return 1.0 / (game.high - game.low) if game.high > game.low else 0.0


@jit_inline
def is_open(node, action):
    """Return whether an action is legal and its outcome not proven: there is something to find out."""
    return node.priors[action] >= 0 and node.edge_outcomes[action] == UNKNOWN


@jit_inline
def is_fit(node, action):
    """Return whether an action is legal and not proven to lose."""
    return node.priors[action] >= 0 and node.edge_outcomes[action] != LOST


# --- PUCT -------------------------------------------------------------------------------------------------------


@jit_inline
def select_puct(node, game, settings):
    """Return the action of greatest value and exploration bonus (Silver et al. 2018)."""
    scale = _scale(game)
    unvisited = (node.mean - game.low) * scale - settings.fpu_reduction if scale > 0 else 0.5
    weight = settings.c_puct * math.sqrt(node.visits)
    best, best_score = -1, -np.inf
    for action in range(game.mask.shape[0]):
        if is_open(node, action):
            count = node.visit_counts[action]
            value = (node.q_values[action] - game.low) * scale if count > 0 else unvisited
            score = value + weight * node.priors[action] / (1 + count)
            if score > best_score:
                best, best_score = action, score
    return best


@jit
def mix_dirichlet(node, game, settings):
    """Mix Dirichlet noise into the root's priors."""
    total = 0.0
    for action in range(game.mask.shape[0]):
        game.weights[action] = gamma(game, settings.dirichlet_alpha) if node.priors[action] >= 0 else 0.0
        total += game.weights[action]
    for action in range(game.mask.shape[0]):
        if node.priors[action] >= 0 and total > 0:
            share = settings.dirichlet_share
            node.priors[action] = (1 - share) * node.priors[action] + share * game.weights[action] / total


# --- Gumbel -----------------------------------------------------------------------------------------------------


@jit_inline
def _mixed_value(node, game):
    """Return what unvisited actions are taken to be worth: evaluation and visited q-values mixed (eq. 33)."""
    visited_prior, weighted, total = 0.0, 0.0, 0
    for action in range(game.mask.shape[0]):
        count = node.visit_counts[action]
        if count > 0:
            visited_prior += node.priors[action]
            weighted += node.priors[action] * node.q_values[action]
            total += count
    if visited_prior <= 0:
        return float(node.value)
    return (node.value + total * weighted / visited_prior) / (1 + total)


@jit_inline
def _sigma(node, game, settings):
    """Return σ's factor for q-values (eq. 8; values in [0, 1])."""
    most = 0
    for action in range(game.mask.shape[0]):
        most = max(most, node.visit_counts[action])
    return (settings.c_visit + most) * settings.c_scale * _scale(game)


@jit_inline
def select_gumbel(node, game, settings):
    """Return the action whose share of visits is furthest behind the improved policy (eq. 14)."""
    mixed, sigma = _mixed_value(node, game), _sigma(node, game, settings)
    sum_weights, total = 0.0, 0
    for action in range(game.mask.shape[0]):
        weight = 0.0
        if is_fit(node, action):
            weight = float(node.priors[action])
            count = node.visit_counts[action]
            if count > 0:  # unvisited actions have the mixed value, so their factor is exp(0)
                total += count
                weight *= math.exp(min(sigma * (node.q_values[action] - mixed), 80.0))
        game.weights[action] = weight
        sum_weights += weight
    best, best_score = -1, -np.inf
    for action in range(game.mask.shape[0]):
        if is_open(node, action):
            score = game.weights[action] / sum_weights - node.visit_counts[action] / (1.0 + total)
            if score > best_score:
                best, best_score = action, score
    return best


@jit
def draw_gumbel(game):
    """Draw the root's Gumbel noise."""
    for action in range(game.mask.shape[0]):
        game.noise[action] = -math.log(-math.log(uniform(game) + 1e-20) + 1e-20)


@jit_inline
def _completed(node, action, mixed):
    return node.q_values[action] if node.visit_counts[action] > 0 else mixed


@jit_inline
def _root_score(node, game, settings, action, mixed, sigma):
    """Return noise + logit + σ(q) of a root action (eq. 7)."""
    logit = math.log(max(node.priors[action], 1e-30))
    return settings.gumbel_scale * game.noise[action] + logit + sigma * (_completed(node, action, mixed) - mixed)


@jit
def select_root(node, game, settings, schedule):
    """Return the root's next action under sequential halving: the best of those with as many visits as are due."""
    num_legal = 0
    for action in range(game.mask.shape[0]):
        num_legal += node.priors[action] >= 0
    considered = min(num_legal, schedule.shape[0] - 1)
    due = schedule[considered, min(game.num_simulations, schedule.shape[1] - 1)]
    mixed, sigma = _mixed_value(node, game), _sigma(node, game, settings)
    best, best_score, best_due, best_due_score = -1, -np.inf, -1, -np.inf
    for action in range(game.mask.shape[0]):
        if is_open(node, action):
            score = _root_score(node, game, settings, action, mixed, sigma)
            if score > best_score:
                best, best_score = action, score
            if node.visit_counts[action] == due and score > best_due_score:
                best_due, best_due_score = action, score
    return best_due if best_due >= 0 else best  # proven losses can leave none that is due


# --- what a search recommends -----------------------------------------------------------------------------------


@jit
def root_policy(node, game, settings, policy):
    """Write into `policy` [A] the probabilities that the root's search recommends to learn.

    PUCT: shares of visits. Gumbel: the improved policy (eq. 11). What is proven is exact: actions of the proven
    outcome share everything, proven losses have none.
    """
    mixed, sigma = _mixed_value(node, game), _sigma(node, game, settings)
    total, greatest = 0.0, -np.inf
    for action in range(policy.shape[0]):
        if is_fit(node, action):
            greatest = max(greatest, _completed(node, action, mixed))
    for action in range(policy.shape[0]):
        weight = 0.0
        if node.priors[action] >= 0:
            if node.outcome != UNKNOWN:
                weight = node.priors[action] + 1e-6 if node.edge_outcomes[action] == node.outcome else 0.0
            elif node.edge_outcomes[action] != LOST and settings.strategy == GUMBEL:
                weight = node.priors[action] * math.exp(sigma * (_completed(node, action, mixed) - greatest))
            elif node.edge_outcomes[action] != LOST:
                weight = float(node.visit_counts[action])
        game.weights[action] = weight
        total += weight
    for action in range(policy.shape[0]):
        policy[action] = game.weights[action] / total if total > 0 else max(0.0, node.priors[action])


@jit
def best_action(node, game, settings):
    """Return the action to play: one of the proven outcome, where there is one.

    PUCT: the greatest q-value less a margin that shrinks with visits, so that neither a habit of the priors nor a
    lucky first visit decides (as Leela Zero and KataGo do it). Gumbel: the best score of the most visited.
    """
    mixed, sigma = _mixed_value(node, game), _sigma(node, game, settings)
    most = 0
    for action in range(game.mask.shape[0]):
        if is_fit(node, action):
            most = max(most, node.visit_counts[action])
    best, best_score = -1, -np.inf
    for action in range(game.mask.shape[0]):
        count, is_proven = node.visit_counts[action], node.edge_outcomes[action] != UNKNOWN
        if node.outcome != UNKNOWN:
            is_candidate = node.priors[action] >= 0 and node.edge_outcomes[action] == node.outcome
        elif settings.strategy == GUMBEL or most == 0:
            is_candidate = is_fit(node, action) and (count == most or is_proven)
        else:
            is_candidate = is_fit(node, action) and count > 0
        if is_candidate:
            if settings.strategy == GUMBEL or most == 0 or node.outcome != UNKNOWN:
                score = _root_score(node, game, settings, action, mixed, sigma)
            else:
                margin = 0.0 if is_proven else MARGIN / math.sqrt(count)
                score = (node.q_values[action] - game.low) * _scale(game) - margin
            if score > best_score:
                best, best_score = action, score
    return best
