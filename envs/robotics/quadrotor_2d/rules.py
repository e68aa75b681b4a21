"""Quadrotor2D's rules: the cost of the state and the action, the motion, gusts, and a reference to follow."""

import math

import numpy as np

from envs.robotics.quadrotor_2d.dynamics import STEP_SECONDS, integrate
from rlkit.engine.jit import jit
from rlkit.engine.rng import normal, uniform_between
from rlkit.engine.state import params_dtype, state_dtype

# The cost of a step: weights of x, z, θ, ẋ, ż, θ̇ (errors against the reference, m, rad, seconds) and of an action.
STATE_WEIGHTS = (1.0, 1.0, 0.2, 0.2, 0.2, 0.002)
ACTION_WEIGHT = 1.0
REWARD_SCALE = 0.1

RATE_SCALE = 0.2  # of θ̇ in observations, which reaches 9 rad/s
PREVIEW_STEPS = 5  # between points of the preview: 0.1 s
TRAIL_POINTS = 50
TRAIL_STEPS = 10  # between points of the trail

STATE = state_dtype(
    x=np.float64,  # m, to the right
    z=np.float64,  # m, up
    theta=np.float64,  # rad, clockwise; 0 is level
    x_dot=np.float64,  # m/s
    z_dot=np.float64,  # m/s
    theta_dot=np.float64,  # rad/s
    wind_x=np.float64,  # N, the gust of this step
    wind_z=np.float64,  # N
    rates=(np.float64, (2,)),  # rad/s, of the reference along x and z
    phases=(np.float64, (2,)),  # rad, of the reference along x and z
    thrusts=(np.float64, (2,)),  # N, left and right, of the last step
    cost=np.float64,  # so far, in units of the reward
    fell=np.int8,  # 1: left the box or turned over
    trail=(np.float32, (TRAIL_POINTS, 2)),  # m, where the craft was, for the drawing
)
PARAMS = params_dtype(
    mass=0.027,  # kg
    inertia=1.4e-5,  # kg·m²
    arm=0.0281,  # m, from the middle to each pair of rotors: 0.0397 / √2
    gravity=9.81,  # m/s²
    hover_thrust=0.1324,  # N, of each side at action 0: what keeps 27 g in the air
    thrust_range=0.5,  # share of hover_thrust that an action of 1 adds
    start_position=1.0,  # m, starts are within ± so much of the reference
    start_angle=0.3,  # rad
    start_speed=0.5,  # m/s
    box=2.0,  # m, half its side
    max_angle=1.5,  # rad
    max_cost=1.0,  # the most that a step costs, in units of the reward
    episode_steps=500,  # steps that a fall is charged for; equal to max_steps
    gust=0.0,  # N, standard deviation of each component
    gust_seconds=1.0,  # s, in which a gust fades to 1/e
    track_size=0.0,  # m, amplitude of the reference; 0: it stays at the origin
    preview=0,  # points of the reference that are observed in advance
)


@jit
def reference(state, params, axis, num_steps):
    """Return (position, speed) of the reference along an axis, 0 or 1, at a step."""
    size = float(params.track_size)
    if size == 0.0:
        return 0.0, 0.0
    rate = float(state.rates[axis])
    angle = rate * STEP_SECONDS * num_steps + float(state.phases[axis])
    return size * math.sin(angle), size * rate * math.cos(angle)


@jit
def reset(state, params):
    for axis in range(2):
        state.rates[axis] = uniform_between(state, 0.5, 1.5)
        state.phases[axis] = uniform_between(state, 0.0, 2.0 * math.pi)
        state.thrusts[axis] = float(params.hover_thrust)
    centre_x, speed_x = reference(state, params, 0, 0)
    centre_z, speed_z = reference(state, params, 1, 0)
    distance, speed = float(params.start_position), float(params.start_speed)
    state.x = centre_x + uniform_between(state, -distance, distance)
    state.z = centre_z + uniform_between(state, -distance, distance)
    state.theta = uniform_between(state, -float(params.start_angle), float(params.start_angle))
    state.x_dot = speed_x + uniform_between(state, -speed, speed)
    state.z_dot = speed_z + uniform_between(state, -speed, speed)
    state.theta_dot = 0.0
    state.wind_x, state.wind_z = 0.0, 0.0
    if float(params.gust) > 0.0:
        state.wind_x = float(params.gust) * normal(state)
        state.wind_z = float(params.gust) * normal(state)
    state.cost, state.fell = 0.0, 0
    for k in range(TRAIL_POINTS):
        state.trail[k, 0], state.trail[k, 1] = state.x, state.z


@jit
def step_cost(state, params, left, right):
    """Return the cost of the state as it is and of the actions `left` and `right`, in units of the reward."""
    num_steps = int(state.num_steps)
    centre_x, speed_x = reference(state, params, 0, num_steps)
    centre_z, speed_z = reference(state, params, 1, num_steps)
    x, z, theta = float(state.x) - centre_x, float(state.z) - centre_z, float(state.theta)
    x_dot, z_dot, theta_dot = float(state.x_dot) - speed_x, float(state.z_dot) - speed_z, float(state.theta_dot)
    w = STATE_WEIGHTS
    cost = w[0] * x * x + w[1] * z * z + w[2] * theta * theta
    cost += w[3] * x_dot * x_dot + w[4] * z_dot * z_dot + w[5] * theta_dot * theta_dot
    cost += ACTION_WEIGHT * (left * left + right * right)
    return min(REWARD_SCALE * cost, float(params.max_cost))


@jit
def blow(state, params):
    """Let the gust fade and change: an Ornstein–Uhlenbeck process, exact over a step."""
    kept = math.exp(-STEP_SECONDS / float(params.gust_seconds))
    spread = float(params.gust) * math.sqrt(1.0 - kept * kept)
    state.wind_x = kept * float(state.wind_x) + spread * normal(state)
    state.wind_z = kept * float(state.wind_z) + spread * normal(state)


@jit
def step(state, params, action):
    left = min(max(float(action[0]), -1.0), 1.0)
    right = min(max(float(action[1]), -1.0), 1.0)
    cost = step_cost(state, params, left, right)
    hover, share = float(params.hover_thrust), float(params.thrust_range)
    state.thrusts[0], state.thrusts[1] = hover * (1.0 + share * left), hover * (1.0 + share * right)
    motion = (
        float(state.x), float(state.z), float(state.theta),
        float(state.x_dot), float(state.z_dot), float(state.theta_dot),
    )  # fmt: skip
    wind_x, wind_z = float(state.wind_x), float(state.wind_z)
    x, z, theta, x_dot, z_dot, theta_dot = integrate(
        motion, float(state.thrusts[0]), float(state.thrusts[1]), wind_x, wind_z, params
    )
    state.x, state.z, state.theta = x, z, theta
    state.x_dot, state.z_dot, state.theta_dot = x_dot, z_dot, theta_dot
    if float(params.gust) > 0.0:
        blow(state, params)
    num_steps = int(state.num_steps)
    if num_steps % TRAIL_STEPS == TRAIL_STEPS - 1:
        place = num_steps // TRAIL_STEPS % TRAIL_POINTS
        state.trail[place, 0], state.trail[place, 1] = x, z
    box = float(params.box)
    fell = abs(x) > box or abs(z) > box or abs(theta) > float(params.max_angle)
    if fell:
        state.fell = 1
        cost += float(params.max_cost) * max(0, int(params.episode_steps) - num_steps - 1)
    state.cost = float(state.cost) + cost
    return -cost, fell


@jit
def observe(state, params, obs):
    num_steps = int(state.num_steps)
    centre_x, speed_x = reference(state, params, 0, num_steps)
    centre_z, speed_z = reference(state, params, 1, num_steps)
    obs[0] = float(state.x) - centre_x
    obs[1] = float(state.z) - centre_z
    obs[2] = state.theta
    obs[3] = float(state.x_dot) - speed_x
    obs[4] = float(state.z_dot) - speed_z
    obs[5] = RATE_SCALE * float(state.theta_dot)
    for k in range(int(params.preview)):
        later = num_steps + PREVIEW_STEPS * (k + 1)
        obs[6 + 2 * k] = reference(state, params, 0, later)[0] - centre_x
        obs[7 + 2 * k] = reference(state, params, 1, later)[0] - centre_z


@jit
def metrics(state, params, out):
    num_steps = int(state.num_steps)
    out[0] = float(state.cost) / (REWARD_SCALE * float(params.episode_steps))
    x = float(state.x) - reference(state, params, 0, num_steps)[0]
    z = float(state.z) - reference(state, params, 1, num_steps)[0]
    out[1] = math.sqrt(x * x + z * z)
    out[2] = state.fell
