"""What the rules of arm_reach and arm_push share: how actions move the joints, and what nearness to a goal is worth."""

import math

import numpy as np

from envs.robotics.seven_joint_arm import MAX_SPEED, NUM_JOINTS
from rlkit.engine.jit import jit


@jit
def control(state, params, action):
    for i in range(NUM_JOINTS):
        state.ctrl[i] = min(max(float(action[i]), -1.0), 1.0) * MAX_SPEED[i]


@jit
def distance_of(achieved, desired):
    """Return the distance of two points as observations show them, in single precision, m."""
    total = 0.0
    for i in range(3):
        # np.float64, because the compiler's float() leaves single precision as it is
        side = np.float64(np.float32(achieved[i])) - np.float64(np.float32(desired[i]))
        total += side * side
    return math.sqrt(total)


@jit
def goal_reward(achieved, desired, params):
    """Return the reward of a step that ends at `achieved` when `desired` is the goal."""
    distance = distance_of(achieved, desired)
    if int(params.is_dense):
        return -distance
    return 0.0 if distance < float(params.success_distance) else -1.0


@jit
def write_metrics(achieved, desired, params, out):
    """Write is_success and final_error of an episode that ends at `achieved` when `desired` is the goal."""
    error = distance_of(achieved, desired)
    out[0] = 1.0 if error < float(params.success_distance) else 0.0
    out[1] = error
