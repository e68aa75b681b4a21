"""How people follow each other: the intelligent driver model (IDM).

Source: M. Treiber, A. Hennecke, D. Helbing, "Congested traffic states in empirical observations and microscopic
simulations", Physical Review E 62, 2000, equations 2 and 3.
"""

import math

from rlkit.engine.jit import jit, jit_inline

LEAST_GAP = 0.1  # m; a gap below it counts as it, so that braking stays finite


@jit
def closing_weight(max_accel, comfort_brake):
    """Return 1 / (2 √(a b)), the weight of closing speed in the gap that a driver wants (s²/m)."""
    return 0.5 / math.sqrt(max_accel * comfort_brake)


@jit_inline
def idm_acceleration(speed, inverse_desired, gap, lead_speed, min_gap, time_gap, max_accel, weight, max_brake):
    """Return the acceleration of the intelligent driver model (m/s²), with δ = 4, and never below −max_brake.

    Args:
        speed, lead_speed: of the car and of the one ahead (m/s).
        inverse_desired: 1 / the speed that the driver wants (s/m).
        gap: from bumper to bumper (m).
        min_gap, time_gap: s₀ (m) and T (s).
        max_accel: a (m/s²).
        weight: `closing_weight` of a and b.
        max_brake: the strongest braking (m/s²).
    """
    wanted = min_gap + max(0.0, speed * (time_gap + weight * (speed - lead_speed)))
    crowding = wanted / max(gap, LEAST_GAP)
    share = speed * inverse_desired
    share *= share
    return max(-max_brake, max_accel * (1.0 - share * share - crowding * crowding))
