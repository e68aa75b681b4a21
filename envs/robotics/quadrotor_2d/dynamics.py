"""The planar quadrotor's equations of motion, for rules and for people who design controllers.

    m ẍ = (left + right) sin θ + wind_x,   m z̈ = (left + right) cos θ − m g + wind_z,   J θ̈ = arm (left − right)

θ is clockwise: at θ > 0 the craft leans to the right, and thrust pulls it there. A state is (x, z, θ, ẋ, ż, θ̇) in m,
rad and seconds; inputs are the thrusts (left, right) in N. Rules call the compiled functions on single numbers;
`dynamics` and `linearize` are for NumPy.

Source: the equations of the 2-D quadrotor in Z. Yuan et al., "Safe-control-gym", RA-L 2022, with θ clockwise.
"""

import math
from typing import Any

import numpy as np

from rlkit.engine.jit import jit, jit_inline

SUBSTEPS = 4  # of a step of the environment
SUBSTEP_SECONDS = 0.005
STEP_SECONDS = SUBSTEPS * SUBSTEP_SECONDS  # 50 Hz


@jit_inline
def accelerations(theta, push, turn, wind_x, wind_z, gravity):
    """Return (ẍ, z̈, θ̈) of mass-specific thrust `push`, wind and gravity (m/s²), and of `turn` (rad/s²)."""
    return push * math.sin(theta) + wind_x, push * math.cos(theta) + wind_z - gravity, turn


@jit
def integrate(motion, left, right, wind_x, wind_z, params):
    """Return `motion` = (x, z, θ, ẋ, ż, θ̇) one step later, by the classical Runge–Kutta method.

    Thrusts and wind (N) stay as they are during the step. Accelerations depend on θ only, so that the four stages of
    (x, ẋ) and (z, ż) come down to sums of them.
    """
    x, z, theta, x_dot, z_dot, theta_dot = motion
    mass, gravity, h = float(params.mass), float(params.gravity), SUBSTEP_SECONDS
    push = (left + right) / mass
    turn = float(params.arm) * (left - right) / float(params.inertia)
    wind_x, wind_z = wind_x / mass, wind_z / mass
    x_1, z_1, _ = accelerations(theta, push, turn, wind_x, wind_z, gravity)
    for _ in range(SUBSTEPS):
        half = theta + 0.5 * h * theta_dot
        x_2, z_2, _ = accelerations(half, push, turn, wind_x, wind_z, gravity)
        x_3, z_3, _ = accelerations(half + 0.25 * h * h * turn, push, turn, wind_x, wind_z, gravity)
        theta += h * theta_dot + 0.5 * h * h * turn
        theta_dot += h * turn
        x_4, z_4, _ = accelerations(theta, push, turn, wind_x, wind_z, gravity)
        x += h * x_dot + h * h / 6.0 * (x_1 + x_2 + x_3)
        z += h * z_dot + h * h / 6.0 * (z_1 + z_2 + z_3)
        x_dot += h / 6.0 * (x_1 + 2.0 * x_2 + 2.0 * x_3 + x_4)
        z_dot += h / 6.0 * (z_1 + 2.0 * z_2 + 2.0 * z_3 + z_4)
        x_1, z_1 = x_4, z_4  # the next substep begins where this one ends
    return x, z, theta, x_dot, z_dot, theta_dot


def dynamics(x: np.ndarray, u: np.ndarray, params: Any) -> np.ndarray:
    """Return dx/dt [6] of the state `x` [6] under the thrusts `u` [2] in N, without wind."""
    push = float(u[0] + u[1]) / float(params.mass)
    turn = float(params.arm) * float(u[0] - u[1]) / float(params.inertia)
    return np.array([*x[3:], *accelerations(float(x[2]), push, turn, 0.0, 0.0, float(params.gravity))])


def hover(params: Any) -> np.ndarray:
    """Return the thrusts [2] in N that keep the craft where it is."""
    return np.full(2, 0.5 * float(params.mass) * float(params.gravity))


def linearize(params: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return (a [6, 6], b [6, 2]) of `dx/dt ≈ a @ x + b @ (u − hover(params))` near hovering."""
    a, b = np.zeros((6, 6)), np.zeros((6, 2))
    a[:3, 3:] = np.eye(3)
    a[3, 2] = float(params.gravity)
    b[4] = 1.0 / float(params.mass)
    b[5] = np.array([1.0, -1.0]) * float(params.arm) / float(params.inertia)
    return a, b
