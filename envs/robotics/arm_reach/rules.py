"""ArmReach's rules: an arm of seven joints, moved by MuJoCo, brings its tip to a goal."""

from pathlib import Path

import numpy as np

from envs.robotics.arm_task import control as control
from envs.robotics.arm_task import goal_reward as goal_reward
from envs.robotics.arm_task import write_metrics
from envs.robotics.seven_joint_arm import HOME, NUM_JOINTS, arm_physics
from rlkit.engine.jit import jit
from rlkit.engine.physics import physics_fields
from rlkit.engine.rng import uniform_between
from rlkit.engine.state import params_dtype, state_dtype

GOAL_CENTRE = np.array([0.45, 0.0, 0.3])  # m
GOAL_HALF = np.array([0.17, 0.3, 0.2])  # m, half sides of the box that goals are drawn from
START_NOISE = 0.1  # rad

STATE = state_dtype(
    **physics_fields(NUM_JOINTS, NUM_JOINTS, NUM_JOINTS),
    site_xpos=(np.float64, (1, 3)),  # m, the tip
    goal=(np.float64, (3,)),  # m
)
PARAMS = params_dtype(
    is_dense=1,  # 1: −distance; 0: −1 away from the goal
    success_distance=0.05,  # m
    goal_spread=1.0,  # of the box that goals are drawn from
    mass_scale=1.0,  # of every link
    damping_scale=1.0,  # of every joint
    servo_scale=1.0,  # of the gain of every servo
)
PHYSICS = arm_physics(Path(__file__).parent, num_substeps=4)


@jit
def reset(state, params):
    for i in range(NUM_JOINTS):
        state.qpos[i] = HOME[i] + uniform_between(state, -START_NOISE, START_NOISE)
        state.qvel[i] = 0.0
    for i in range(3):
        half = GOAL_HALF[i] * float(params.goal_spread)
        state.goal[i] = GOAL_CENTRE[i] + uniform_between(state, -half, half)


@jit
def step(state, params, action):
    return goal_reward(state.site_xpos[0], state.goal, params), False


@jit
def observe(state, params, obs):
    for i in range(NUM_JOINTS):
        obs[i] = state.qpos[i]
        obs[NUM_JOINTS + i] = state.qvel[i]
    for i in range(3):
        obs[2 * NUM_JOINTS + i] = state.site_xpos[0, i]
        obs[2 * NUM_JOINTS + 3 + i] = state.goal[i]


@jit
def metrics(state, params, out):
    write_metrics(state.site_xpos[0], state.goal, params, out)
