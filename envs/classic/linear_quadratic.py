"""The linear-quadratic regulator that the classic environments are graded against."""

import numpy as np


def least_cost_gain(a: np.ndarray, b: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Return the gain k [S] of the least-cost feedback `input = −k @ state` of a system with one input.

    It solves the discrete algebraic Riccati equation of `next_state = a @ state + b @ input`, with the cost
    `state @ q @ state + input @ r @ input` a step.

    Args:
        a, b: [S, S] and [S, 1].
        q, r: [S, S] and [1, 1].
    """
    from scipy.linalg import solve_discrete_are  # here, because start-up must not wait for SciPy

    p = solve_discrete_are(a, b, q, r)
    return np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)[0]
