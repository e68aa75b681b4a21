"""Pendulum's yardstick: energy swing-up, then a linear-quadratic regulator near the top.

Far from the top the motor adds energy at full torque until the pole has what it needs to stand upright
(Åström and Furuta, "Swinging up a pendulum by energy control", 2000). Two things are chosen here:

1. The torque turns `LEAD` before the pole does. Turning with the pole adds most energy a swing; turning
   earlier adds a little less but sooner: the mean return of episodes 0 to 999 goes from −149.6 to −144.3.
2. The regulator takes over in a strip around the orbit that ends at rest upright. Its half-width is the
   angular acceleration of full torque / the rate at which the pole falls: in the linear model, the states
   that a motor of this strength can still bring to rest.

It is not the optimum: dynamic programming on a grid (tests/test_pendulum.py) gets 6 to 8 more in the mean of
the same episodes, the more the finer the grid.
"""

import math
from typing import Any

import numpy as np

from envs.classic.linear_quadratic import least_cost_gain
from envs.classic.pendulum import ENVIRONMENT
from rlkit.evaluation import Yardstick, mean_interval, random_policy, refuse_moves, run_episodes
from rlkit.learning.policy import FunctionPolicy

LEAD = 0.5  # rad of the small swing's phase
EXPLAIN_EPISODES = 100


def accelerations(params: np.record) -> tuple[float, float]:
    """Return (of gravity at 90°, of 1 N·m of torque), both angular accelerations in rad/s²."""
    return 1.5 * float(params.gravity / params.length), 3.0 / float(params.mass * params.length**2)


def linearize(params: np.record) -> tuple[np.ndarray, np.ndarray]:
    """Return (a [2, 2], b [2, 1]) of `next_state ≈ a @ state + b @ [torque]` near rest at the top.

    The state is (theta in rad, theta_dot in rad/s), the torque in N·m.
    """
    gravity, torque = accelerations(params)
    dt = float(params.step_seconds)
    speed = np.array([gravity * dt, 1.0, torque * dt])  # the next theta_dot, by theta, theta_dot and torque
    angle = np.array([1.0, 0.0, 0.0]) + dt * speed
    both = np.stack([angle, speed])
    return both[:, :2], both[:, 2:]


def cost_weights(params: np.record) -> tuple[np.ndarray, np.ndarray]:
    """Return (q [2, 2], r [1, 1]) of the cost `state @ q @ state + torque @ r @ torque` a step: the reward's.

    The weight of speed is at most 1 / (gravity's acceleration): a larger one would brake a pole that
    swings up just fast enough, and a weak motor would then not get it up at all.
    """
    speed = 0.1 / max(1.0, 0.1 * accelerations(params)[0])
    return np.diag([1.0, speed]), np.array([[0.001]])


def feedback_gain(params: np.record) -> np.ndarray:
    """Return the gain k [2] of the least-cost linear feedback `torque = −k @ state`."""
    return least_cost_gain(*linearize(params), *cost_weights(params))


def swing_up(params: np.record) -> FunctionPolicy:
    """Return the controller for `params`."""
    gravity, torque = accelerations(params)
    growth = math.sqrt(max(gravity, 0.0))  # 1/s, at which a pole left near the top falls
    max_torque = float(params.max_torque)
    gain = feedback_gain(params)

    def control(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        cos, sin, speed = obs.astype(np.float64).T
        angle = np.arctan2(sin, cos)
        energy = 0.5 * speed * speed + gravity * (cos - 1.0)  # 1/s², above that of rest at the top
        turn = np.where(speed + LEAD * growth * sin >= 0, 1.0, -1.0)
        pump = -np.sign(energy) * turn * max_torque
        off_orbit = speed + 2.0 * growth * np.sin(0.5 * angle)  # rad/s
        is_near = growth * np.abs(off_orbit) < torque * max_torque
        wanted = np.where(is_near, -gain[0] * angle - gain[1] * speed, pump)
        return np.clip(wanted, -max_torque, max_torque).astype(np.float32)[:, None]

    return FunctionPolicy(control, ENVIRONMENT.spaces(params)[0])


def explain(moves: str) -> dict[str, Any]:
    """Return the gain, and the mean returns of the controller and of random play on equal seeds.

    Raises:
        ValueError: `moves` is not empty.
    """
    refuse_moves(ENVIRONMENT, moves)
    params = ENVIRONMENT.params()[0]
    played = [
        mean_interval(run_episodes(ENVIRONMENT, policy, EXPLAIN_EPISODES, seed=0).returns)
        for policy in (swing_up(params), random_policy(ENVIRONMENT))
    ]
    return {
        "feedback": "near the top: torque = −gain · (theta, theta_dot)",
        "gain": feedback_gain(params).tolist(),
        "num_episodes": EXPLAIN_EPISODES,
        "mean_return": played[0].mean,
        "random_mean_return": played[1].mean,
    }


YARDSTICK = Yardstick(
    reference="energy swing-up, then a linear-quadratic regulator: 6 to 8 below the optimum in mean return",
    policies={"swing_up": swing_up},
    explain=explain,
)
