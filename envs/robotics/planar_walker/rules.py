"""PlanarWalker's rules: Gymnasium Walker2d's task (v5) for a biped of our own, moved by MuJoCo."""

from pathlib import Path

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.physics import Physics, physics_fields
from rlkit.engine.rng import uniform_between
from rlkit.engine.state import params_dtype, state_dtype

NUM_POSITIONS, NUM_MOTORS = 9, 6
NUM_SUBSTEPS = 4
STEP_SECONDS = 0.008
STANDING_HEIGHT = 1.22  # m, of the torso's joint
MAX_SEEN_SPEED = 10.0  # m/s and rad/s
MASS = 23.4921  # kg, of the model in the file
GRAVITY = 9.81  # m/s²
MAX_COST = 100.0  # what cost_of_transport says of a walker that goes nowhere, or back

STATE = state_dtype(
    **physics_fields(NUM_POSITIONS, NUM_POSITIONS, NUM_MOTORS),
    last_x=np.float64,  # m, before the step
    distance=np.float64,  # m, since the episode began
    work=np.float64,  # J, of the motors, both signs counted as spent
    has_fallen=np.int8,
)
PARAMS = params_dtype(
    forward_weight=1.0,  # reward a m/s
    healthy_reward=1.0,  # a step on its feet
    control_cost=0.001,  # of the sum of squared actions
    min_height=0.8,  # m; below it the walker has fallen
    max_height=2.0,  # m
    max_pitch=1.0,  # rad
    reset_noise=0.005,  # m, rad, m/s, rad/s: half-width of the uniform start
    mass_scale=1.0,  # of every body
    friction_scale=1.0,  # of every contact
    motor_scale=1.0,  # of every motor's torque
    damping_scale=1.0,  # of every joint
)
GEAR = np.array([90.0, 90.0, 60.0, 90.0, 90.0, 60.0])  # N·m at action 1, as in walker.xml


def configure(model, params):
    """Write the params of the body into an MjModel."""
    model.body_mass[:] *= float(params.mass_scale)
    model.body_inertia[:] *= float(params.mass_scale)
    model.geom_friction[:, 0] *= float(params.friction_scale)
    model.actuator_gear[:, 0] *= float(params.motor_scale)
    model.dof_damping[:] *= float(params.damping_scale)


PHYSICS = Physics(
    path=Path(__file__).with_name("walker.xml"),
    num_substeps=NUM_SUBSTEPS,
    configure=configure,
    configured=("body_mass", "body_inertia", "geom_friction", "actuator_gear", "dof_damping"),
)


@jit
def reset(state, params):
    noise = float(params.reset_noise)
    for i in range(NUM_POSITIONS):
        state.qpos[i] = uniform_between(state, -noise, noise)
    state.qpos[1] += STANDING_HEIGHT
    for i in range(NUM_POSITIONS):
        state.qvel[i] = uniform_between(state, -noise, noise)
    state.last_x = float(state.qpos[0])
    state.distance = 0.0
    state.work = 0.0
    state.has_fallen = 0


@jit
def control(state, params, action):
    state.last_x = float(state.qpos[0])
    for i in range(NUM_MOTORS):
        state.ctrl[i] = min(max(float(action[i]), -1.0), 1.0)


@jit
def step(state, params, action):
    cost, power = 0.0, 0.0
    for i in range(NUM_MOTORS):
        push = float(state.ctrl[i])
        cost += push * push
        power += abs(push * GEAR[i] * float(state.qvel[3 + i]))
    forward = float(state.qpos[0]) - float(state.last_x)
    state.distance = float(state.distance) + forward
    state.work = float(state.work) + power * float(params.motor_scale) * STEP_SECONDS
    height, pitch = float(state.qpos[1]), float(state.qpos[2])
    is_upright = float(params.min_height) < height < float(params.max_height) and abs(pitch) < float(params.max_pitch)
    state.has_fallen = 0 if is_upright else 1
    reward = float(params.forward_weight) * forward / STEP_SECONDS - float(params.control_cost) * cost
    if is_upright:
        reward += float(params.healthy_reward)
    return reward, not is_upright


@jit
def observe(state, params, obs):
    for i in range(NUM_POSITIONS - 1):
        obs[i] = state.qpos[i + 1]
    for i in range(NUM_POSITIONS):
        obs[NUM_POSITIONS - 1 + i] = min(max(float(state.qvel[i]), -MAX_SEEN_SPEED), MAX_SEEN_SPEED)


@jit
def metrics(state, params, out):
    seconds = int(state.num_steps) * STEP_SECONDS
    distance = float(state.distance)
    out[0] = distance / seconds
    out[1] = state.has_fallen
    weight = MASS * float(params.mass_scale) * GRAVITY
    out[2] = min(MAX_COST, float(state.work) / (weight * distance)) if distance > 0.0 else MAX_COST
