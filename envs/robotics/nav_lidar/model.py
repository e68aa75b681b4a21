"""The robot's motion as control people want it: `dynamics` and `linearize`, in continuous time.

The state vector is (x m, y m, heading rad, speed m/s, turn rate rad/s), the control (wanted speed m/s, wanted turn
rate rad/s). `step` of the rules integrates the same equations over a step.
"""

import numpy as np


def dynamics(state: np.ndarray, control: np.ndarray, params: np.record) -> np.ndarray:
    """Return the derivative [5] of a state vector [5] under a control [2]: a unicycle with first-order motors."""
    _, _, heading, speed, turn_rate = state
    lag = float(params.motor_lag)
    pull = (float(params.speed_gain) * control[0] - speed) / lag
    twist = (float(params.turn_gain) * control[1] - turn_rate) / lag
    return np.array([speed * np.cos(heading), speed * np.sin(heading), turn_rate, pull, twist])


def linearize(state: np.ndarray, params: np.record) -> tuple[np.ndarray, np.ndarray]:
    """Return (a [5, 5], b [5, 2]), the derivatives of `dynamics` by the state and by the control."""
    _, _, heading, speed, _ = state
    per_lag = 1.0 / float(params.motor_lag)
    a, b = np.zeros((5, 5)), np.zeros((5, 2))
    a[0, 2], a[0, 3] = -speed * np.sin(heading), np.cos(heading)
    a[1, 2], a[1, 3] = speed * np.cos(heading), np.sin(heading)
    a[2, 4] = 1.0
    a[3, 3] = a[4, 4] = -per_lag
    b[3, 0], b[4, 1] = float(params.speed_gain) * per_lag, float(params.turn_gain) * per_lag
    return a, b
