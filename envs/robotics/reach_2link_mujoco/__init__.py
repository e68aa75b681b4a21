"""Reach2LinkMujoco: the two-link arm of reach_2link, moved by MuJoCo, for transfer from one simulator to another.

The declaration, rewards, goals, figures and controllers are reach_2link's own; the motion is that of arm.xml. Equal
seeds give equal arms, starts and goals in both (though other noise of encoders), and what was trained in one acts in
the other as it is: `rlkit transfer RUN` plays both. Needs the extra [mujoco].

Observation
    Box float32 [10], as in reach_2link: cos and sin of both joints' angles, 0.2 × their speeds (rad/s), the tip's
    place (achieved_goal) and the goal's (desired_goal; x, y in m).

Action
    Box float32 [2] in [−1, 1]: the torques of shoulder and elbow, max_torque × gain × action.

Reward
    As in reach_2link: −|tip − goal| (m) after the step − 0.05 |action|²; with sparse=1 0 within 5 cm, −1 elsewhere.

Termination
    Never. Truncated after 200 steps (4 s).

Params
    reach_2link's: length_1, length_2, mass_1, mass_2, payload, damping, max_torque, gain, sparse. Beside them what
    reach_2link's equations lack: dry_friction (N·m, of each joint; sensible 0 to 0.3; MuJoCo's is soft and lets a joint
    creep) and rotor_inertia (kg·m², of each motor at its joint; 0 to 0.05), both 0 unless asked for.

    Level `geared` has both, as motors behind a gear do; the others are reach_2link's.

Metrics
    is_success, final_error (m), time_to_reach (s), energy (J), peak_jerk (rad/s³), as in reach_2link.

Yardstick
    reach_2link's: inverse kinematics and computed torque, which plan with the equations of reach_2link.

Source
    The model is our own; what integrates it: E. Todorov, T. Erez, Y. Tassa, "MuJoCo: a physics engine for model-based
    control", IROS 2012.
"""

from dataclasses import replace

from envs.robotics.reach_2link import ENVIRONMENT as REACH

ENVIRONMENT = replace(
    REACH,
    package=__name__,
    id="rlkit/Reach2LinkMujoco-v0",
    levels={**REACH.levels, "geared": {"dry_friction": 0.15, "rotor_inertia": 0.02}},
    counterpart=REACH.name,
)
