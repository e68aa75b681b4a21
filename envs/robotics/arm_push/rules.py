"""ArmPush's rules: an arm of seven joints, moved by MuJoCo, pushes a cube over a table to a goal."""

from pathlib import Path

import numpy as np

from envs.robotics.arm_task import control as control
from envs.robotics.arm_task import distance_of, write_metrics
from envs.robotics.arm_task import goal_reward as goal_reward
from envs.robotics.seven_joint_arm import CONFIGURED, HOME, NUM_JOINTS
from envs.robotics.seven_joint_arm import configure as configure_arm
from rlkit.engine.jit import jit
from rlkit.engine.physics import Physics, physics_fields
from rlkit.engine.rng import uniform_between
from rlkit.engine.state import params_dtype, state_dtype

CUBE = NUM_JOINTS  # where the cube's position begins in qpos, and its velocity in qvel
CUBE_HALF = 0.025  # m
TABLE_CENTRE = np.array([0.45, 0.0])  # m, of cubes and goals
CUBE_SPREAD = 0.12  # m, half side of the square that cubes are put in
START_NOISE = 0.05  # rad

STATE = state_dtype(
    **physics_fields(NUM_JOINTS + 7, NUM_JOINTS + 6, NUM_JOINTS),
    site_xpos=(np.float64, (1, 3)),  # m, the tip
    goal=(np.float64, (3,)),  # m
)
PARAMS = params_dtype(
    is_dense=1,  # 1: −distance; 0: −1 away from the goal
    success_distance=0.05,  # m
    goal_spread=0.15,  # m, half side of the square that goals are drawn from
    approach_weight=0.0,  # of the distance of tip and cube, as a cost of each step
    mass_scale=1.0,  # of every link
    damping_scale=1.0,  # of every joint
    servo_scale=1.0,  # of the gain of every servo
    cube_mass=0.15,  # kg
    friction=0.4,  # of cube and table
)


def configure(model, params):
    """Write the params of arm and cube into an MjModel."""
    configure_arm(model, params)
    share = float(params.cube_mass) / model.body_mass[-1]
    model.body_mass[-1] *= share
    model.body_inertia[-1] *= share
    for name in ("table", "cube"):
        model.geom(name).friction[0] = float(params.friction)


PHYSICS = Physics(Path(__file__).with_name("arm.xml"), 8, configure, (*CONFIGURED, "geom_friction"))


@jit
def reset(state, params):
    for i in range(NUM_JOINTS + 6):
        state.qvel[i] = 0.0
    for i in range(NUM_JOINTS):
        state.qpos[i] = HOME[i] + uniform_between(state, -START_NOISE, START_NOISE)
    for i in range(2):
        state.qpos[CUBE + i] = TABLE_CENTRE[i] + uniform_between(state, -CUBE_SPREAD, CUBE_SPREAD)
    state.qpos[CUBE + 2] = CUBE_HALF
    state.qpos[CUBE + 3] = 1.0
    for i in range(4, 7):
        state.qpos[CUBE + i] = 0.0
    spread = float(params.goal_spread)
    for i in range(2):
        state.goal[i] = TABLE_CENTRE[i] + uniform_between(state, -spread, spread)
    state.goal[2] = CUBE_HALF


@jit
def step(state, params, action):
    cube = state.qpos[CUBE : CUBE + 3]
    reward = goal_reward(cube, state.goal, params)
    return reward - float(params.approach_weight) * distance_of(state.site_xpos[0], cube), False


@jit
def observe(state, params, obs):
    for i in range(NUM_JOINTS):
        obs[i] = state.qpos[i]
        obs[NUM_JOINTS + i] = state.qvel[i]
    w, x = float(state.qpos[CUBE + 3]), float(state.qpos[CUBE + 4])
    y, z = float(state.qpos[CUBE + 5]), float(state.qpos[CUBE + 6])
    k = 2 * NUM_JOINTS
    for i in range(3):
        obs[k + i] = state.site_xpos[0, i]
        obs[k + 3 + i] = float(state.qpos[CUBE + i]) - float(state.site_xpos[0, i])
        obs[k + 6 + i] = state.qvel[CUBE + i]
        obs[k + 12 + i] = state.qpos[CUBE + i]
        obs[k + 15 + i] = state.goal[i]
    obs[k + 9] = 1.0 - 2.0 * (y * y + z * z)
    obs[k + 10] = 2.0 * (x * y + w * z)
    obs[k + 11] = state.qvel[CUBE + 5]


@jit
def metrics(state, params, out):
    write_metrics(state.qpos[CUBE : CUBE + 3], state.goal, params, out)
