"""Reach2Link's yardstick: inverse kinematics and computed torque, with the aim and pace that cost least.

Candidates are both bends of the elbow, either way round each joint, and four paces for each joint; computed_torque.py
predicts them all at every step. Mean return of the 500 episodes from seed 0 on, with its 95 % interval
(`run_episodes(ENVIRONMENT, controller(params), …)`, 2026-11-28, before anything was trained):

    standard   −13.68 [−14.41, −12.94], all 500 reached, first within 5 cm after 0.433 s [0.421, 0.446] in the mean

What the choice is worth, on the first 200 episodes: one pace of 8/s and the shorter way round −18.86, four paces for
each joint and the shorter way −15.89, four paces and either way −13.18. It is not the optimum, which is not known here.
"""

import itertools
from functools import partial
from typing import Any

import numpy as np

from envs.robotics.reach_2link import ENVIRONMENT, computed_torque
from envs.robotics.reach_2link.dynamics import inverse_kinematics
from envs.robotics.reach_2link.rules import SPEED_SCALE
from rlkit.engine.bind import bind
from rlkit.environment import Environment
from rlkit.evaluation import Yardstick, mean_interval, random_policy, refuse_moves, run_episodes
from rlkit.learning.policy import FunctionPolicy

RATES = (4.0, 8.0, 14.0, 28.0)  # 1/s, of either joint
EXPLAIN_EPISODES = 200


def ways(angles: np.ndarray, aims: np.ndarray) -> np.ndarray:
    """Return the turns [B, 8, 2] from `angles` [B, 2] to `aims` [2 elbows, 2 joints, B], either way round."""
    shorter = (aims.transpose(2, 0, 1) - angles[:, None] + np.pi) % (2 * np.pi) - np.pi  # [B, 2, 2]
    longer = shorter - 2 * np.pi * np.where(shorter < 0, -1, 1)
    shoulders, elbows = ([turns[..., joint] for turns in (shorter, longer)] for joint in (0, 1))
    choices = [np.stack([shoulder, elbow], axis=-1) for shoulder in shoulders for elbow in elbows]
    return np.concatenate(choices, axis=1)


def controller(params: np.record, rates: tuple[float, ...] = RATES) -> FunctionPolicy:
    """Return the controller for `params`, whose joints choose among the paces `rates` (1/s)."""
    kernel = bind(computed_torque).choose
    record = np.array([params]).view(np.recarray)
    paces = np.array(list(itertools.product(rates, repeat=2)))

    def control(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        x = obs.astype(np.float64)
        angles = np.stack([np.arctan2(x[:, 1], x[:, 0]), np.arctan2(x[:, 3], x[:, 2])], axis=1)
        aims = angles[:, None] + ways(angles, inverse_kinematics(x[:, 8], x[:, 9], params))
        motions = np.hstack([angles, x[:, 4:6] / SPEED_SCALE])
        actions = np.zeros((len(x), 2), np.float32)
        kernel(motions, np.ascontiguousarray(x[:, 8:10]), aims, paces, record, actions)
        return actions

    return FunctionPolicy(control, ENVIRONMENT.spaces(params)[0])


def explain(environment: Environment, moves: str) -> dict[str, Any]:
    """Return mean returns, success and time to reach of the controller and of random play on equal seeds.

    Args:
        environment: with this arm and task.
        moves: none.

    Raises:
        ValueError: `moves` is not empty.
    """
    refuse_moves(environment, moves)
    params = environment.params()[0]
    facts: dict[str, Any] = {"num_episodes": EXPLAIN_EPISODES, "paces": list(RATES)}
    for name, policy in (("computed_torque", controller(params)), ("random", random_policy(environment))):
        played = run_episodes(environment, policy, EXPLAIN_EPISODES, seed=0)
        facts[f"{name}_mean_return"] = mean_interval(played.returns).mean
        facts[f"{name}_success"] = float(played.metrics["is_success"].mean())
        facts[f"{name}_time_to_reach"] = float(played.metrics["time_to_reach"].mean())
    return facts


YARDSTICK = Yardstick(
    reference="inverse kinematics and computed torque, by the cheapest of 128 predicted motions; not the optimum",
    policies={"computed_torque": controller},
    explain=partial(explain, ENVIRONMENT),
)
