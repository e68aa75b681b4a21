"""CartPole's yardstick: a linear-quadratic regulator whose force is rounded to the nearer push.

The dynamics are linearised at the upright pole with the same explicit Euler step as the rules, and the gain
solves the discrete algebraic Riccati equation. Weights follow Bryson's rule: position, angle and force each
count relative to the most that is allowed (Bryson and Ho, Applied Optimal Control, 1975).
"""

from typing import Any

import numpy as np

from envs.classic.cartpole import ENVIRONMENT
from envs.classic.cartpole.rules import LEFT, RIGHT
from envs.classic.linear_quadratic import least_cost_gain
from rlkit.evaluation import Yardstick, mean_interval, random_policy, refuse_moves, run_episodes
from rlkit.learning.policy import FunctionPolicy

EXPLAIN_EPISODES = 100


def linearize(params: np.record) -> tuple[np.ndarray, np.ndarray]:
    """Return (a [4, 4], b [4, 1]) of `next_state ≈ a @ state + b @ [force]` near rest with the pole upright.

    The state is (x in m, x_dot in m/s, theta in rad, theta_dot in rad/s), the force in N.
    """
    pole_share = params.pole_mass / (params.pole_mass + params.cart_mass)
    per_mass = 1.0 / (params.pole_mass + params.cart_mass)  # 1/kg
    inertia = params.half_length * (4.0 / 3.0 - pole_share)  # m
    # both accelerations by state, then by force
    theta_acc = np.array([0.0, 0.0, params.gravity / inertia, 0.0, -per_mass / inertia])
    x_acc = -pole_share * params.half_length * theta_acc
    x_acc[4] += per_mass

    dt = params.step_seconds
    a, b = np.eye(4), np.zeros((4, 1))
    a[0, 1] = a[2, 3] = dt
    a[1] += dt * x_acc[:4]
    a[3] += dt * theta_acc[:4]
    b[1], b[3] = dt * x_acc[4], dt * theta_acc[4]
    return a, b


def cost_weights(params: np.record) -> tuple[np.ndarray, np.ndarray]:
    """Return (q [4, 4], r [1, 1]) of the cost `state @ q @ state + force @ r @ force` a step."""
    return np.diag([params.max_x**-2, 0.0, params.max_theta**-2, 0.0]), np.array([[params.force**-2]])


def feedback_gain(params: np.record) -> np.ndarray:
    """Return the gain k [4] of the least-cost linear feedback `force = −k @ state`."""
    return least_cost_gain(*linearize(params), *cost_weights(params))


def lqr(params: np.record) -> FunctionPolicy:
    """Return the regulator for `params`: the push that is nearer to the force it wants."""
    gain = feedback_gain(params)

    def push(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        force = -obs.astype(np.float64) @ gain  # [B], N
        return np.where(force > 0, RIGHT, LEFT)

    return FunctionPolicy(push, ENVIRONMENT.spaces(params)[0])


def explain(moves: str) -> dict[str, Any]:
    """Return the gain, and the mean returns of the regulator and of random play on equal seeds.

    Raises:
        ValueError: `moves` is not empty.
    """
    refuse_moves(ENVIRONMENT, moves)
    params = ENVIRONMENT.params()[0]
    played = [
        mean_interval(run_episodes(ENVIRONMENT, policy, EXPLAIN_EPISODES, seed=0).returns)
        for policy in (lqr(params), random_policy(ENVIRONMENT))
    ]
    return {
        "feedback": "force = −gain · (x, x_dot, theta, theta_dot)",
        "gain": feedback_gain(params).tolist(),
        "num_episodes": EXPLAIN_EPISODES,
        "mean_return": played[0].mean,
        "random_mean_return": played[1].mean,
    }


YARDSTICK = Yardstick(
    reference="linear-quadratic regulator, force rounded to the nearer push: return 500, the most there is",
    policies={"lqr": lqr},
    explain=explain,
)
