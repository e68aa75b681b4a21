"""Quadrotor2D: bring a small drone to a point, and hold it there, with two thrusts.

A palm-sized quadrotor (27 g) flies in a vertical plane. Its two pairs of rotors lift it and, where they differ, turn
it; to move sideways it must lean. At `track` the point moves, and is known a little in advance; at `wind` gusts blow.

Observation
    Box float32 [6 + 2 preview]. Position less the reference's (x to the right, z up, m), angle θ (rad, clockwise),
    velocity less the reference's (m/s), 0.2 × θ̇ (rad/s). Then preview times, 0.1 s apart: how far the reference will
    have moved (x, z, m).

Action
    Box float32 [2] in [−1, 1]: thrust of the left and of the right pair, hover_thrust × (1 + thrust_range × action).

Reward
    −0.1 (x² + z² + 0.2 θ² + 0.2 ẋ² + 0.2 ż² + 0.002 θ̇² + left² + right²) of the state before the step and the
    actions, at least −max_cost. A fall is charged max_cost for each step that remained.

Termination
    |x| or |z| > box, or |θ| > max_angle: a fall. Truncated after 500 steps (10 s).

Params
    mass (kg; sensible 0.7 to 1.3 × 0.027), inertia (kg·m²; 0.7 to 1.3 × 1.4e-5), arm (m; ± 10 %), gravity (m/s²),
    hover_thrust (N, of each side at action 0; ± 15 %: a worn battery or propeller), thrust_range (share). Starts:
    start_position (m), start_angle (rad), start_speed (m/s). box (m), max_angle (rad), max_cost, episode_steps (equal
    to max_steps). gust (N, standard deviation of an Ornstein–Uhlenbeck force along each axis; 0 to 0.03),
    gust_seconds (s, in which it fades to 1/e). track_size (m, amplitude of the reference along each axis, a sine of
    0.5 to 1.5 rad/s), preview (points observed in advance; it makes the observation longer, so no level draws it).

    Level `hard` draws mass and inertia (± 30 %) and an action delay of 0 to 2 steps, in gusts of 0.02 N; `randomized`,
    for training, draws the same and gusts from none to 0.03 N. `hidden` is one craft that nobody trains on.

Metrics
    cost (mean a step, in units of x², a fall's charge included), final_distance (m), fell (1: it fell).

Yardstick
    The discrete linear-quadratic regulator of the linearised craft, with the best use of the preview at `track`; and
    the Riccati bound of the linear craft whose thrusts have no limits.

Source
    Equations as in Z. Yuan et al., "Safe-control-gym", RA-L 2022. Figures of the Crazyflie 2.0: arm and inertia from
    C. Luis and J. Le Ny, "Design of a trajectory tracking controller for a nanoquadcopter", 2016 (39.7 mm,
    1.395e-5 kg·m²), mass from its maker (27 g). The weights and levels are ours.
"""

import numpy as np
from gymnasium import spaces

from rlkit.engine.variation import Range
from rlkit.environment import Environment

_DRAWN = {
    "mass": Range(0.0189, 0.0351, unit="kg"),
    "inertia": Range(0.98e-5, 1.82e-5, unit="kg·m²"),
    "action_delay": Range(0, 2, unit="steps"),
}


def _observation_space(params):
    return spaces.Box(-np.inf, np.inf, (6 + 2 * int(params.preview),))


ENVIRONMENT = Environment(
    package=__name__,
    id="rlkit/Quadrotor2D-v0",
    observation_space=_observation_space,
    action_space=spaces.Box(-1.0, 1.0, (2,)),
    max_steps=500,
    metrics=("cost", "final_distance", "fell"),
    levels={
        "standard": {},
        "easy": {"start_position": 0.3, "start_angle": 0.1, "start_speed": 0.2},
        "track": {"track_size": 0.7, "preview": 8},
        "wind": {"gust": 0.03},
        "hard": {**_DRAWN, "gust": 0.02},
        "randomized": {**_DRAWN, "gust": Range(0.0, 0.03, unit="N")},
        "hidden": {"mass": 0.0305, "inertia": 1.2e-5, "gust": 0.01, "action_delay": 1, "obs_noise": 0.01},
    },
    frame_seconds=0.02,
)
