"""Quadrotor2D's yardstick: the discrete linear-quadratic regulator, and the Riccati bound.

The craft is linearised at hovering, discretised exactly for actions that are held during a step (zero-order hold),
and the discrete algebraic Riccati equation gives the gain of least cost. Where the reference moves, its preview is
used as well as it can be: least cost for the points that are known, and constant speed behind the last.

The regulator knows the params that it is built for and nothing else: at levels that draw them it has the nominal
ones, and under delay or wind it is the same regulator.

The bound x' P x is the least cost of the linear craft whose actions have no limits, over endless time.

Mean returns of 500 episodes from seed 0 on, with 95 % intervals (`run_episodes(ENVIRONMENT, lqr(params), 500, 0,
level=…)`, 2026-11-28, before anything was trained); the regulator falls where it is said, and nowhere else:

    standard   −2.885 [−3.046, −2.723], 1.024 × the bound of 2.817; random play −481.1
    easy       −0.265 [−0.280, −0.250], 1.002 × the bound
    track      −4.426 [−4.630, −4.223]; without the use of the preview −7.011
    wind       −12.69 [−13.10, −12.28]
    hard       −46.62 [−52.47, −40.78], 2.4 % [1.4, 4.1] fall
    randomized −46.90 [−52.83, −40.98], 2.4 % [1.4, 4.1] fall
    hidden     −18.06 [−18.42, −17.69], by the regulator of the nominal craft
"""

from typing import Any

import numpy as np

from envs.robotics.quadrotor_2d import ENVIRONMENT
from envs.robotics.quadrotor_2d.dynamics import STEP_SECONDS, hover, linearize
from envs.robotics.quadrotor_2d.rules import ACTION_WEIGHT, PREVIEW_STEPS, RATE_SCALE, REWARD_SCALE, STATE_WEIGHTS
from rlkit.evaluation import Yardstick, mean_interval, random_policy, refuse_moves, run_episodes
from rlkit.learning.policy import FunctionPolicy
from rlkit.registry import make_batch

EXPLAIN_EPISODES = 500


def thrust_per_action(params: np.record) -> float:
    """Return the thrust in N that an action of 1 adds."""
    return float(params.hover_thrust * params.thrust_range)


def discretize(params: np.record) -> tuple[np.ndarray, np.ndarray]:
    """Return (a [6, 6], b [6, 2]) of `next_x ≈ a @ x + b @ (action − hover_action)`, exact for the linear craft."""
    from scipy.linalg import expm  # here, because start-up must not wait for SciPy

    a, b = linearize(params)
    both = np.zeros((8, 8))
    both[:6, :6], both[:6, 6:] = a, b * thrust_per_action(params)
    flow = expm(both * STEP_SECONDS)
    return flow[:6, :6], flow[:6, 6:]


def hover_action(params: np.record) -> np.ndarray:
    """Return the action [2] that keeps the craft where it is: 0 if hover_thrust suits its mass."""
    return (hover(params) - float(params.hover_thrust)) / thrust_per_action(params)


def regulator(params: np.record) -> tuple[np.ndarray, np.ndarray]:
    """Return (gain [2, 6], p [6, 6]): `action = hover_action − gain @ x` costs `x @ p @ x` in units of x²."""
    from scipy.linalg import solve_discrete_are

    a, b = discretize(params)
    q, r = np.diag(STATE_WEIGHTS), ACTION_WEIGHT * np.eye(2)
    p = solve_discrete_are(a, b, q, r)
    return np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a), p


def preview_gain(params: np.record) -> np.ndarray:
    """Return the gain [2, 2 preview] of the previewed points: `action = hover_action − gain @ x + this @ preview`.

    In axes that move with the reference's present velocity its state k steps on is a vector r[k], a linear function
    of the points by a cubic spline, and least cost asks for Σ g (a_c')^(k−1) q r[k] with a_c = a − b @ gain,
    g = (r + b' p b)⁻¹ b', and p in place of q for the last (as in Bitmead, Gevers and Wertz, Adaptive Optimal
    Control, 1990, for the regulator that tracks).
    """
    from scipy.interpolate import CubicSpline

    count = int(params.preview)
    if count < 3:  # too few for a spline
        return np.zeros((2, 2 * count))
    a, b = discretize(params)
    gain, p = regulator(params)
    first = np.linalg.solve(ACTION_WEIGHT * np.eye(2) + b.T @ p @ b, b.T)
    spline = CubicSpline(np.arange(count + 1) * PREVIEW_STEPS * STEP_SECONDS, np.eye(count + 1))
    speed_now = spline(0.0, 1)
    total, power = np.zeros((2, 2, count)), np.eye(6)  # of the action, of x or z, of the point
    for k in range(1, PREVIEW_STEPS * count + 1):
        weights = first @ power @ (p if k == PREVIEW_STEPS * count else np.diag(STATE_WEIGHTS))
        seconds = k * STEP_SECONDS
        position, speed = spline(seconds) - seconds * speed_now, spline(seconds, 1) - speed_now
        for axis in range(2):
            total[:, axis] += np.outer(weights[:, axis], position[1:]) + np.outer(weights[:, 3 + axis], speed[1:])
        power = power @ (a - b @ gain).T
    return total.transpose(0, 2, 1).reshape(2, 2 * count)


def lqr(params: np.record) -> FunctionPolicy:
    """Return the regulator for `params`."""
    gain, middle = regulator(params)[0].copy(), hover_action(params)
    gain[:, 5] /= RATE_SCALE
    feedback = np.hstack([-gain, preview_gain(params)])

    def control(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        return np.clip(middle + obs.astype(np.float64) @ feedback.T, -1, 1).astype(np.float32)

    return FunctionPolicy(control, ENVIRONMENT.spaces(params)[0])


def bounds(num_episodes: int, seed: int, **options: Any) -> np.ndarray:
    """Return the Riccati bound of the cost of the episodes from `seed` on [E], in units of the reward.

    It holds where the reference stays and nothing blows, and up to what the linear craft leaves out.
    """
    env = make_batch(ENVIRONMENT, num_episodes, **options)
    obs, _ = env.reset(seed=seed)
    x = obs[:, :6].astype(np.float64)
    x[:, 5] /= RATE_SCALE
    return REWARD_SCALE * np.einsum("ni,ij,nj->n", x, regulator(env.nominal_params[0])[1], x)


def explain(moves: str) -> dict[str, Any]:
    """Return the gain, and on equal seeds the costs of the regulator, of the bound and of random play.

    Raises:
        ValueError: `moves` is not empty.
    """
    refuse_moves(ENVIRONMENT, moves)
    params = ENVIRONMENT.params()[0]
    played = run_episodes(ENVIRONMENT, lqr(params), EXPLAIN_EPISODES, seed=0)
    chance = run_episodes(ENVIRONMENT, random_policy(ENVIRONMENT), EXPLAIN_EPISODES, seed=0)
    bound = float(bounds(EXPLAIN_EPISODES, seed=0).mean())
    return {
        "feedback": "action = −gain · (x, z, theta, x_dot, z_dot, theta_dot)",
        "gain": regulator(params)[0].tolist(),
        "num_episodes": EXPLAIN_EPISODES,
        "lqr_mean_cost": -mean_interval(played.returns).mean,
        "riccati_bound": bound,
        "lqr_over_bound": -float(played.returns.mean()) / bound,
        "lqr_fell": float(played.metrics["fell"].mean()),
        "random_mean_cost": -mean_interval(chance.returns).mean,
    }


YARDSTICK = Yardstick(
    reference="discrete linear-quadratic regulator of the nominal craft: within 3 % of the Riccati bound",
    policies={"lqr": lqr},
    explain=explain,
)
