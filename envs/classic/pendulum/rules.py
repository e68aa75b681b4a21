"""Pendulum's rules: Gymnasium Pendulum-v1's semi-implicit Euler dynamics."""

import math

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import uniform_between
from rlkit.engine.state import params_dtype, state_dtype

STATE = state_dtype(
    theta=np.float64,  # rad; 0 is up, not wrapped
    theta_dot=np.float64,  # rad/s
    torque=np.float64,  # N·m, applied at the last step
)
PARAMS = params_dtype(
    gravity=10.0,  # m/s²
    mass=1.0,  # kg
    length=1.0,  # m
    max_speed=8.0,  # rad/s
    max_torque=2.0,  # N·m
    step_seconds=0.05,  # s
)


@jit
def wrap(angle):
    """Return the angle in [−π, π)."""
    return ((angle + math.pi) % (2.0 * math.pi)) - math.pi


@jit
def reset(state, params):
    state.theta = uniform_between(state, -math.pi, math.pi)
    state.theta_dot = uniform_between(state, -1.0, 1.0)
    state.torque = 0.0


@jit
def step(state, params, action):
    theta, theta_dot = float(state.theta), float(state.theta_dot)
    length, dt = float(params.length), float(params.step_seconds)
    max_torque, max_speed = float(params.max_torque), float(params.max_speed)
    torque = min(max(float(action[0]), -max_torque), max_torque)
    angle = wrap(theta)
    cost = angle * angle + 0.1 * theta_dot * theta_dot + 0.001 * torque * torque

    gravity_part = 3.0 * float(params.gravity) / (2.0 * length) * math.sin(theta)
    torque_part = 3.0 / (float(params.mass) * length * length) * torque
    theta_dot += (gravity_part + torque_part) * dt
    theta_dot = min(max(theta_dot, -max_speed), max_speed)
    state.theta = theta + theta_dot * dt
    state.theta_dot = theta_dot
    state.torque = torque
    return -cost, False


@jit
def observe(state, params, obs):
    theta = float(state.theta)
    obs[0] = math.cos(theta)
    obs[1] = math.sin(theta)
    obs[2] = state.theta_dot
