"""The loop behind `rlkit.engine.goals.goal_rewards`: an ordinary module, bound to the rules of a goal environment."""

from rlkit.engine.interface import goal_reward
from rlkit.engine.jit import jit


@jit
def rewards_of_goals(achieved, desired, params, rewards):
    """Write the rewards [N], under params [1], of goals `achieved` [N, K] where those `desired` [N, K] were wanted."""
    for i in range(achieved.shape[0]):
        rewards[i] = goal_reward(achieved[i], desired[i], params[0])
