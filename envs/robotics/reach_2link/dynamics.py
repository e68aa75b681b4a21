"""The planar two-link arm's equations of motion, for rules and for people who design controllers.

    M(q) q̈ + c(q, q̇) + damping q̇ = torque

The links are uniform rods that lie flat (no gravity), with a payload as a point mass at the tip. q is (shoulder angle
from the x axis, elbow angle from the first link), counter-clockwise in rad. A state is (q1, q2, q̇1, q̇2); inputs are
the joints' torques in N·m. Rules call the compiled functions on single numbers; `dynamics` and `linearize` are for
NumPy.

Source: M. W. Spong, S. Hutchinson, M. Vidyasagar, "Robot Modeling and Control", 2006, section 7.3 (planar elbow
manipulator), whose inertias are here those of rods and a payload.
"""

import math
from typing import Any

import numpy as np

from rlkit.engine.jit import jit, jit_inline

SUBSTEPS = 2  # of a step of the environment
SUBSTEP_SECONDS = 0.01
STEP_SECONDS = SUBSTEPS * SUBSTEP_SECONDS


@jit
def inertias(params):
    """Return (a, b, d) in kg·m²: the mass matrix is [[a + 2 b cos q2, d + b cos q2], [d + b cos q2, d]]."""
    length_1, length_2 = float(params.length_1), float(params.length_2)
    mass_1, mass_2, payload = float(params.mass_1), float(params.mass_2), float(params.payload)
    elbow = length_1 * length_1 * (mass_1 / 3.0 + mass_2 + payload)
    b = length_1 * length_2 * (0.5 * mass_2 + payload)
    d = length_2 * length_2 * (mass_2 / 3.0 + payload)
    return elbow + d, b, d


@jit_inline
def accelerations(q2, w1, w2, torque_1, torque_2, a, b, d, damping):
    """Return (q̈1, q̈2) at speeds w1, w2."""
    cos, bend = b * math.cos(q2), b * math.sin(q2)
    force_1 = torque_1 - damping * w1 + bend * w2 * (2.0 * w1 + w2)
    force_2 = torque_2 - damping * w2 - bend * w1 * w1
    m11, m12 = a + 2.0 * cos, d + cos
    scale = 1.0 / (m11 * d - m12 * m12)
    return scale * (d * force_1 - m12 * force_2), scale * (m11 * force_2 - m12 * force_1)


@jit
def integrate(q1, q2, w1, w2, torque_1, torque_2, params):
    """Return (q1, q2, w1, w2) one step later, by the classical Runge–Kutta method; torques stay as they are."""
    a, b, d = inertias(params)
    damping, h = float(params.damping), SUBSTEP_SECONDS
    half = 0.5 * h
    for _ in range(SUBSTEPS):
        k1, l1 = accelerations(q2, w1, w2, torque_1, torque_2, a, b, d, damping)
        v1, v2 = w1 + half * k1, w2 + half * l1
        k2, l2 = accelerations(q2 + half * w2, v1, v2, torque_1, torque_2, a, b, d, damping)
        u1, u2 = w1 + half * k2, w2 + half * l2
        k3, l3 = accelerations(q2 + half * v2, u1, u2, torque_1, torque_2, a, b, d, damping)
        k4, l4 = accelerations(q2 + h * u2, w1 + h * k3, w2 + h * l3, torque_1, torque_2, a, b, d, damping)
        q1 += h * w1 + h * h / 6.0 * (k1 + k2 + k3)
        q2 += h * w2 + h * h / 6.0 * (l1 + l2 + l3)
        w1 += h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        w2 += h / 6.0 * (l1 + 2.0 * l2 + 2.0 * l3 + l4)
    return q1, q2, w1, w2


def mass_matrix(q2: float, params: Any) -> np.ndarray:
    """Return M [2, 2] in kg·m² at the elbow angle `q2`."""
    a, b, d = inertias(params)
    off = d + b * math.cos(q2)
    return np.array([[a + 2.0 * b * math.cos(q2), off], [off, d]])


def dynamics(x: np.ndarray, u: np.ndarray, params: Any) -> np.ndarray:
    """Return dx/dt [4] of the state `x` [4] under the torques `u` [2] in N·m."""
    _, q2, w1, w2 = (float(value) for value in x)
    a, b, d = inertias(params)
    return np.array([w1, w2, *accelerations(q2, w1, w2, float(u[0]), float(u[1]), a, b, d, float(params.damping))])


def linearize(x: np.ndarray, u: np.ndarray, params: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return (a [4, 4], b [4, 2]) of `dynamics(x + dx, u + du) ≈ dynamics(x, u) + a @ dx + b @ du`."""
    _, q2, w1, w2 = (float(value) for value in x)
    _, b, _ = inertias(params)
    damping, cos, sin = float(params.damping), b * math.cos(q2), b * math.sin(q2)
    inverse = np.linalg.inv(mass_matrix(q2, params))
    by_q2 = cos * np.array([w2 * (2.0 * w1 + w2), -w1 * w1])  # of torque − damping − c
    by_w = np.array([[2.0 * sin * w2 - damping, 2.0 * sin * (w1 + w2)], [-2.0 * sin * w1, -damping]])
    mass_by_q2 = -sin * np.array([[2.0, 1.0], [1.0, 0.0]])
    over_x, over_u = np.zeros((4, 4)), np.zeros((4, 2))
    over_x[:2, 2:] = np.eye(2)
    over_x[2:, 1] = inverse @ (by_q2 - mass_by_q2 @ dynamics(x, u, params)[2:])
    over_x[2:, 2:] = inverse @ by_w
    over_u[2:] = inverse
    return over_x, over_u


def tip(q1: Any, q2: Any, params: Any) -> tuple[Any, Any]:
    """Return the place (x, y) of the tip in m; angles may be arrays."""
    length_1, length_2 = float(params.length_1), float(params.length_2)
    x = length_1 * np.cos(q1) + length_2 * np.cos(q1 + q2)
    return x, length_1 * np.sin(q1) + length_2 * np.sin(q1 + q2)


def inverse_kinematics(x: Any, y: Any, params: Any) -> np.ndarray:
    """Return the joint angles [2 elbows, 2 joints, …] that put the tip at (x, y) m, or nearest to it.

    The first has the elbow bent counter-clockwise (q2 ≥ 0), the second clockwise.
    """
    length_1, length_2 = float(params.length_1), float(params.length_2)
    cos = (x * x + y * y - length_1**2 - length_2**2) / (2.0 * length_1 * length_2)
    bend = np.arccos(np.clip(cos, -1.0, 1.0))
    shoulder = np.arctan2(y, x) - np.arctan2(length_2 * np.sin(bend), length_1 + length_2 * np.cos(bend))
    other = np.arctan2(y, x) + np.arctan2(length_2 * np.sin(bend), length_1 + length_2 * np.cos(bend))
    return np.array([[shoulder, bend], [other, -bend]])
