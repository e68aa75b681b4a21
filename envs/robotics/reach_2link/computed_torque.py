"""Computed torque with a choice of aim and pace: each candidate's motion is predicted, and the cheapest followed.

An aim is a pair of joint angles that puts the tip on the goal, whole turns told apart; a pace is the rate ω of each
joint at which its error decays. Computed torque asks for accelerations ω² error − 2 ω speed and for the torques that
give them (Spong, Hutchinson and Vidyasagar 2006, section 8.3). Where a motor cannot give that much, both accelerations
are scaled down alike, so that the joints still arrive together.

An ordinary module to bind: rlkit.engine.bind keeps it compiled.
"""

import math

from envs.robotics.reach_2link.dynamics import STEP_SECONDS, accelerations, inertias
from envs.robotics.reach_2link.rules import ACTION_COST
from rlkit.engine.jit import jit

HORIZON = 90  # steps of a prediction: 1.8 s
NEAR = 0.002  # m, where a prediction may end


@jit
def scale_within(force, least, limit):
    """Return the largest share in [0, 1] of `force` that added to `least` stays within ± limit; 0 if none does."""
    total = least + force
    if total > limit:
        return max(0.0, (limit - least) / force) if force > 0.0 else 0.0
    if total < -limit:
        return max(0.0, (-limit - least) / force) if force < 0.0 else 0.0
    return 1.0


@jit
def follow(error_1, error_2, q2, w1, w2, rate_1, rate_2, a, b, d, damping, limit):
    """Return the torques (N·m) that bring the joints towards their aim at a pace."""
    wish_1 = rate_1 * (rate_1 * error_1 - 2.0 * w1)
    wish_2 = rate_2 * (rate_2 * error_2 - 2.0 * w2)
    cos, bend = b * math.cos(q2), b * math.sin(q2)
    force_1 = (a + 2.0 * cos) * wish_1 + (d + cos) * wish_2
    force_2 = (d + cos) * wish_1 + d * wish_2
    least_1 = damping * w1 - bend * w2 * (2.0 * w1 + w2)
    least_2 = damping * w2 + bend * w1 * w1
    share = min(scale_within(force_1, least_1, limit), scale_within(force_2, least_2, limit))
    torque_1 = min(max(least_1 + share * force_1, -limit), limit)
    torque_2 = min(max(least_2 + share * force_2, -limit), limit)
    return torque_1, torque_2


@jit
def predicted_cost(q1, q2, w1, w2, aim_1, aim_2, rate_1, rate_2, goal_x, goal_y, params, most):
    """Return the cost (minus the dense reward) of following one aim at one pace from here on, or more than `most`."""
    a, b, d = inertias(params)
    damping, limit = float(params.damping), float(params.max_torque) * float(params.gain)
    length_1, length_2 = float(params.length_1), float(params.length_2)
    h = STEP_SECONDS
    cost, distance = 0.0, 0.0
    for _ in range(HORIZON):
        torque_1, torque_2 = follow(aim_1 - q1, aim_2 - q2, q2, w1, w2, rate_1, rate_2, a, b, d, damping, limit)
        # the midpoint rule is exact enough to compare
        k1, l1 = accelerations(q2, w1, w2, torque_1, torque_2, a, b, d, damping)
        v1, v2 = w1 + 0.5 * h * k1, w2 + 0.5 * h * l1
        k2, l2 = accelerations(q2 + 0.5 * h * w2, v1, v2, torque_1, torque_2, a, b, d, damping)
        q1, q2 = q1 + h * v1, q2 + h * v2
        w1, w2 = w1 + h * k2, w2 + h * l2
        dx = length_1 * math.cos(q1) + length_2 * math.cos(q1 + q2) - goal_x
        dy = length_1 * math.sin(q1) + length_2 * math.sin(q1 + q2) - goal_y
        distance = math.sqrt(dx * dx + dy * dy)
        cost += distance + ACTION_COST * (torque_1 * torque_1 + torque_2 * torque_2) / (limit * limit)
        if cost > most or (distance < NEAR and abs(w1) + abs(w2) < 0.05):
            break
    return cost + 50.0 * distance  # what is not there by then is slow


@jit
def choose(motions, goals, aims, rates, params, actions):
    """Write the actions [B, 2] of the cheapest candidate in each situation.

    Args:
        motions: [B, 4] joint angles and speeds.
        goals: [B, 2] m.
        aims: [B, K, 2] joint angles that put the tip on the goal.
        rates: [R, 2] paces of shoulder and elbow, 1/s.
        params: record [1].
        actions: [B, 2] float32.
    """
    param = params[0]
    a, b, d = inertias(param)
    limit = float(param.max_torque) * float(param.gain)
    for i in range(motions.shape[0]):
        q1, q2, w1, w2 = motions[i, 0], motions[i, 1], motions[i, 2], motions[i, 3]
        best, best_cost = (0, 0), math.inf
        for k in range(aims.shape[1]):
            for j in range(rates.shape[0]):
                cost = predicted_cost(
                    q1, q2, w1, w2, aims[i, k, 0], aims[i, k, 1], rates[j, 0], rates[j, 1], goals[i, 0], goals[i, 1],
                    param, best_cost,
                )  # fmt: skip
                if cost < best_cost:
                    best, best_cost = (k, j), cost
        torque_1, torque_2 = follow(
            aims[i, best[0], 0] - q1, aims[i, best[0], 1] - q2, q2, w1, w2, rates[best[1], 0], rates[best[1], 1],
            a, b, d, float(param.damping), limit,
        )  # fmt: skip
        actions[i, 0], actions[i, 1] = torque_1 / limit, torque_2 / limit
