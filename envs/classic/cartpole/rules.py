"""CartPole's rules: Gymnasium CartPole-v1's explicit Euler dynamics."""

import math

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import uniform_between
from rlkit.engine.state import params_dtype, state_dtype

LEFT, RIGHT = 0, 1

STATE = state_dtype(
    x=np.float64,  # m, of the cart; 0 is the middle of the track
    x_dot=np.float64,  # m/s
    theta=np.float64,  # rad, of the pole; 0 is upright, positive leans right
    theta_dot=np.float64,  # rad/s
)
PARAMS = params_dtype(
    gravity=9.8,  # m/s²
    cart_mass=1.0,  # kg
    pole_mass=0.1,  # kg
    half_length=0.5,  # m, from the hinge to the pole's centre of mass
    force=10.0,  # N, of a push
    step_seconds=0.02,  # s
    max_x=2.4,  # m; further out the episode ends
    max_theta=12 * 2 * math.pi / 360,  # rad; beyond it the episode ends
    start_range=0.05,  # every state variable starts within ± this
)


@jit
def reset(state, params):
    bound = float(params.start_range)
    state.x = uniform_between(state, -bound, bound)
    state.x_dot = uniform_between(state, -bound, bound)
    state.theta = uniform_between(state, -bound, bound)
    state.theta_dot = uniform_between(state, -bound, bound)


@jit
def step(state, params, action):
    x, x_dot = float(state.x), float(state.x_dot)
    theta, theta_dot = float(state.theta), float(state.theta_dot)
    pole_mass, length = float(params.pole_mass), float(params.half_length)
    per_mass, dt = 1.0 / (pole_mass + float(params.cart_mass)), float(params.step_seconds)
    force = float(params.force) if action == RIGHT else -float(params.force)
    cos, sin = math.cos(theta), math.sin(theta)

    push = (force + pole_mass * length * theta_dot * theta_dot * sin) * per_mass
    theta_acc = (float(params.gravity) * sin - cos * push) / (length * (4.0 / 3.0 - pole_mass * cos * cos * per_mass))
    x_acc = push - pole_mass * length * theta_acc * cos * per_mass

    x += dt * x_dot
    x_dot += dt * x_acc
    theta += dt * theta_dot
    theta_dot += dt * theta_acc
    state.x, state.x_dot, state.theta, state.theta_dot = x, x_dot, theta, theta_dot
    return 1.0, abs(x) > float(params.max_x) or abs(theta) > float(params.max_theta)


@jit
def observe(state, params, obs):
    obs[0] = state.x
    obs[1] = state.x_dot
    obs[2] = state.theta
    obs[3] = state.theta_dot
