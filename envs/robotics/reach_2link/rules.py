"""Reach2Link's rules: torques move the arm, and the tip's distance from the goal is what counts."""

import math

import numpy as np

from envs.robotics.reach_2link.dynamics import STEP_SECONDS, integrate
from rlkit.engine.jit import jit
from rlkit.engine.rng import uniform, uniform_between
from rlkit.engine.state import params_dtype, state_dtype

SPEED_SCALE = 0.2  # of joint speeds in observations
SUCCESS_DISTANCE = 0.05  # m
ACTION_COST = 0.05  # of |action|², beside a metre of distance

TASK_FIELDS = {  # of the state, whoever moves the arm; qpos and qvel are called as in MuJoCo, which may be who does
    "goal": (np.float64, (2,)),  # m
    "torques": (np.float64, (2,)),  # N·m, of the last step
    "accelerations": (np.float64, (2,)),  # rad/s², mean of the last step
    "first_reach": np.float64,  # s, when the tip first came within 5 cm; the time so far before that
    "reached": np.int8,  # 1: it has been there
    "work": np.float64,  # J, the motors' work so far, braking included: Σ |torque × speed|
    "peak_jerk": np.float64,  # rad/s³, of either joint so far
}
STATE = state_dtype(
    qpos=(np.float64, (2,)),  # rad, shoulder and elbow, not wrapped
    qvel=(np.float64, (2,)),  # rad/s
    **TASK_FIELDS,
)
PARAMS = params_dtype(
    length_1=0.5,  # m
    length_2=0.5,  # m
    mass_1=1.0,  # kg
    mass_2=1.0,  # kg
    payload=0.0,  # kg, at the tip
    damping=0.1,  # N·m·s/rad, of each joint
    max_torque=5.0,  # N·m, of each motor at action ±1
    gain=1.0,  # of the motors: torque given / torque asked for
    sparse=0,  # 1: the reward is −1 away from the goal and 0 at it
)


@jit
def tip_place(state, params):
    """Return (x, y) of the tip in m."""
    q1, both = float(state.qpos[0]), float(state.qpos[0]) + float(state.qpos[1])
    length_1, length_2 = float(params.length_1), float(params.length_2)
    return length_1 * math.cos(q1) + length_2 * math.cos(both), length_1 * math.sin(q1) + length_2 * math.sin(both)


@jit
def distance_to_goal(state, params):
    """Return the tip's distance from the goal in m, as observations show it: in single precision."""
    x, y = tip_place(state, params)
    return distance_of(x, y, float(state.goal[0]), float(state.goal[1]))


@jit
def distance_of(x, y, goal_x, goal_y):
    dx = np.float64(np.float32(x)) - np.float64(np.float32(goal_x))
    dy = np.float64(np.float32(y)) - np.float64(np.float32(goal_y))
    return math.sqrt(dx * dx + dy * dy)


@jit
def reward_of_distance(distance, params):
    if int(params.sparse):
        return 0.0 if distance <= SUCCESS_DISTANCE else -1.0
    return -distance


@jit
def goal_reward(achieved, desired, params):
    distance = distance_of(float(achieved[0]), float(achieved[1]), float(desired[0]), float(desired[1]))
    return reward_of_distance(distance, params)


@jit
def reset(state, params):
    begin(state, params)


@jit
def begin(state, params):
    """Draw where an episode begins and its goal, and set all that is noted of it back."""
    for joint in range(2):
        state.qpos[joint] = uniform_between(state, -math.pi, math.pi)
        state.qvel[joint], state.torques[joint], state.accelerations[joint] = 0.0, 0.0, 0.0
    # uniform over a ring within reach
    length_1, length_2 = float(params.length_1), float(params.length_2)
    inner, outer = abs(length_1 - length_2) + 0.1, length_1 + length_2 - 0.05
    radius = math.sqrt(inner * inner + (outer * outer - inner * inner) * uniform(state))
    angle = uniform_between(state, -math.pi, math.pi)
    state.goal[0], state.goal[1] = radius * math.cos(angle), radius * math.sin(angle)
    state.first_reach, state.reached = 0.0, 0
    state.work, state.peak_jerk = 0.0, 0.0


@jit
def step(state, params, action):
    set_torques(state, params, action)
    w1, w2 = float(state.qvel[0]), float(state.qvel[1])
    q1, q2, next_w1, next_w2 = integrate(
        float(state.qpos[0]), float(state.qpos[1]), w1, w2, float(state.torques[0]), float(state.torques[1]), params
    )
    state.qpos[0], state.qpos[1], state.qvel[0], state.qvel[1] = q1, q2, next_w1, next_w2
    return end_step(state, params, action, w1, w2), False


@jit
def set_torques(state, params, action):
    """Note the torques that the motors give in this step."""
    strength = float(params.max_torque) * float(params.gain)
    for joint in range(2):
        state.torques[joint] = strength * min(max(float(action[joint]), -1.0), 1.0)


@jit
def end_step(state, params, action, w1, w2):
    """Return the reward of a step that began at speeds w1 and w2, and whose motion is over."""
    note_motion(state, w1, w2)
    distance = distance_to_goal(state, params)
    if not int(state.reached):
        state.first_reach = float(state.first_reach) + STEP_SECONDS
        if distance <= SUCCESS_DISTANCE:
            state.reached = 1
    reward = reward_of_distance(distance, params)
    if not int(params.sparse):
        action_1 = min(max(float(action[0]), -1.0), 1.0)
        action_2 = min(max(float(action[1]), -1.0), 1.0)
        reward -= ACTION_COST * (action_1 * action_1 + action_2 * action_2)
    return reward


@jit
def note_motion(state, w1, w2):
    """Add the step that began at speeds w1 and w2 to the work, and to the peak of jerk."""
    peak, work = float(state.peak_jerk), float(state.work)
    for joint in range(2):
        before = w1 if joint == 0 else w2
        after = float(state.qvel[joint])
        work += abs(float(state.torques[joint]) * 0.5 * (before + after)) * STEP_SECONDS
        acceleration = (after - before) / STEP_SECONDS
        peak = max(peak, abs(acceleration - float(state.accelerations[joint])) / STEP_SECONDS)
        state.accelerations[joint] = acceleration
    state.work, state.peak_jerk = work, peak


@jit
def observe(state, params, obs):
    q1, q2 = float(state.qpos[0]), float(state.qpos[1])
    obs[0], obs[1], obs[2], obs[3] = math.cos(q1), math.sin(q1), math.cos(q2), math.sin(q2)
    obs[4], obs[5] = SPEED_SCALE * float(state.qvel[0]), SPEED_SCALE * float(state.qvel[1])
    obs[6], obs[7] = tip_place(state, params)
    obs[8], obs[9] = state.goal[0], state.goal[1]


@jit
def metrics(state, params, out):
    distance = distance_to_goal(state, params)
    out[0] = 1.0 if distance <= SUCCESS_DISTANCE else 0.0
    out[1] = distance
    out[2] = state.first_reach
    out[3] = state.work
    out[4] = state.peak_jerk
