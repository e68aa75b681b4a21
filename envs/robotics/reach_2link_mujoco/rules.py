"""Reach2LinkMujoco's rules: those of reach_2link, but that MuJoCo moves the arm."""

from pathlib import Path

import numpy as np

from envs.robotics.reach_2link.dynamics import SUBSTEPS
from envs.robotics.reach_2link.rules import PARAMS as REACH_PARAMS
from envs.robotics.reach_2link.rules import TASK_FIELDS, begin, end_step, set_torques
from envs.robotics.reach_2link.rules import goal_reward as goal_reward
from envs.robotics.reach_2link.rules import metrics as metrics
from envs.robotics.reach_2link.rules import observe as observe
from rlkit.engine.jit import jit
from rlkit.engine.physics import Physics, physics_fields
from rlkit.engine.state import param_names, params_dtype, state_dtype

STATE = state_dtype(
    **physics_fields(2, 2, 2),
    **TASK_FIELDS,
    last_speeds=(np.float64, (2,)),  # rad/s, before the step
)
PARAMS = params_dtype(  # what is new first: behind the others Numba would take this record for a kind of theirs
    dry_friction=0.0,  # N·m, of each joint, whatever its speed
    rotor_inertia=0.0,  # kg·m², of each motor, as its joint feels it
    **{name: REACH_PARAMS[name][0].item() for name in param_names(REACH_PARAMS)},
)


def configure(model, params):
    """Write the params of arm and motors into an MjModel."""
    payload = model.body("payload").id
    for link in (1, 2):
        length, mass = float(params[f"length_{link}"]), float(params[f"mass_{link}"])
        body, geom = model.body(f"link_{link}").id, model.geom(f"link_{link}").id
        child = model.body("link_2").id if link == 1 else payload
        model.body_mass[body] = mass
        model.body_inertia[body, 1:] = mass * length**2 / 12.0  # a thin rod's, about its middle
        model.body_ipos[body, 0] = 0.5 * length
        model.body_pos[child, 0] = length
        model.geom_pos[geom, 0] = model.geom_size[geom, 1] = 0.5 * length
    model.body_mass[payload] = float(params.payload)
    model.dof_damping[:] = float(params.damping)
    model.dof_frictionloss[:] = float(params.dry_friction)
    model.dof_armature[:] = float(params.rotor_inertia)
    model.actuator_gear[:, 0] = float(params.max_torque) * float(params.gain)


PHYSICS = Physics(
    path=Path(__file__).with_name("arm.xml"),
    num_substeps=SUBSTEPS,
    configure=configure,
    configured=(
        "body_mass", "body_inertia", "body_ipos", "body_pos", "geom_pos", "geom_size", "dof_damping",
        "dof_frictionloss", "dof_armature", "actuator_gear",
    ),
)  # fmt: skip


@jit
def reset(state, params):
    begin(state, params)
    for joint in range(2):
        state.last_speeds[joint] = 0.0


@jit
def control(state, params, action):
    set_torques(state, params, action)
    for joint in range(2):
        state.ctrl[joint] = min(max(float(action[joint]), -1.0), 1.0)
        state.last_speeds[joint] = state.qvel[joint]


@jit
def step(state, params, action):
    return end_step(state, params, action, float(state.last_speeds[0]), float(state.last_speeds[1])), False
