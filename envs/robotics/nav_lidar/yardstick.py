"""NavLidar's yardstick: who knows the map, and who sees as little as the agent.

- `grid_path` follows the shortest path with the promised margin (paths.py, found at reset) by pure pursuit (R. C.
  Coulter, 1992): the reference. It reads the state, so it is what a perfect map is worth, not a rival. Its SPL is not
  1 because it leaves gaps alone through which the robot only just fits.
- `dynamic_window` (dynamic_window.py) acts on the observation alone. Its six weights are the best of 12 that were tried
  on 200 other worlds of `standard` (seed 50,000).

Measured on 2026-11-28, before any agent was trained (`run_episodes(ENVIRONMENT, policy, num_episodes, seed=0)`; 1,000
episodes at standard, 500 at easy and hard):

| level | policy | success | collision | SPL | clearance | return |
| --- | --- | --- | --- | --- | --- | --- |
| standard | grid_path | 100 % | 0 % | 0.951 | 0.19 m | 15.67 |
| standard | dynamic_window | 73.6 % | 5.4 % | 0.629 | 0.09 m | 10.96 |
| standard | random | 0.3 % | 99.7 % | 0.003 | −0.02 m | −10.52 |
| easy | dynamic_window | 100 % | 0 % | 0.919 | 0.41 m | 15.73 |
| hard | dynamic_window | 47.4 % | 10.8 % | 0.410 | 0.04 m | 6.10 |

The follower of the path reaches every goal at easy and hard, too (SPL 0.987 and 0.919).
"""

import math
from typing import Any

import numpy as np

from envs.robotics.nav_lidar import ENVIRONMENT, rules
from envs.robotics.nav_lidar.dynamic_window import WEIGHTS, choose_all
from envs.robotics.nav_lidar.geometry import SIZE
from rlkit.engine.jit import jit
from rlkit.evaluation import Yardstick, mean_interval, rate_interval, refuse_moves, run_episodes
from rlkit.learning.policy import FunctionPolicy, Situation

EXPLAIN_EPISODES = 500
PURSUIT = 0.45  # m, how far ahead on the path the robot aims


@jit
def aim(state, ahead):
    """Return the point of the path `ahead` metres beyond the one nearest to the robot."""
    x, y, path, count = float(state.x), float(state.y), state.path, int(state.num_corners)
    nearest, piece, share = math.inf, 0, 0.0
    for i in range(count - 1):
        x0, y0 = float(path[i, 0]), float(path[i, 1])
        side_x, side_y = float(path[i + 1, 0]) - x0, float(path[i + 1, 1]) - y0
        length_squared = max(side_x * side_x + side_y * side_y, 1e-12)
        along = min(max(((x - x0) * side_x + (y - y0) * side_y) / length_squared, 0.0), 1.0)
        gap_x, gap_y = x0 + along * side_x - x, y0 + along * side_y - y
        if gap_x * gap_x + gap_y * gap_y < nearest:
            nearest, piece, share = gap_x * gap_x + gap_y * gap_y, i, along
    left = ahead
    for i in range(piece, count - 1):
        x0, y0 = float(path[i, 0]), float(path[i, 1])
        side_x, side_y = float(path[i + 1, 0]) - x0, float(path[i + 1, 1]) - y0
        length = max(math.sqrt(side_x * side_x + side_y * side_y), 1e-9)
        rest = (1.0 - share) * length
        if left <= rest:
            place = share + left / length
            return x0 + place * side_x, y0 + place * side_y
        left -= rest
        share = 0.0
    return float(path[count - 1, 0]), float(path[count - 1, 1])


@jit
def pursue(states, params, actions):
    """Write the actions [B, 2] of pure pursuit: turn towards the aim, and slow down where it is not ahead."""
    for i in range(len(states)):
        state = states[i]
        to_x, to_y = aim(state, PURSUIT)
        to_x, to_y = to_x - float(state.x), to_y - float(state.y)
        cos, sin = float(state.cos_heading), float(state.sin_heading)
        error = math.atan2(cos * to_y - sin * to_x, cos * to_x + sin * to_y)  # rad, left positive
        actions[i, 0] = 2.0 * max(0.0, 1.0 - 1.5 * abs(error)) - 1.0
        actions[i, 1] = min(max(4.0 * error / float(params.max_turn), -1.0), 1.0)


class GridPath:
    """Follows the shortest path by pure pursuit; it needs the states."""

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Refuse: observations do not show the path."""
        raise ValueError("grid_path follows a path that only the state knows, so it needs act_in(situation)")

    def act_in(self, situation: Situation, deterministic: bool = True) -> np.ndarray:
        """Return the actions [B, 2]."""
        actions = np.zeros((len(situation.states), 2), np.float32)
        pursue(situation.states, situation.params, actions)
        return actions


def grid_path(params: np.record) -> GridPath:
    """Return the follower of the shortest path."""
    return GridPath()


def dynamic_window(params: np.record, weights: tuple[float, ...] = WEIGHTS) -> FunctionPolicy:
    """Return the dynamic window for `params`; it takes the gains of the motors for 1."""
    dt, lag = float(params.step_seconds), max(float(params.motor_lag), 1e-6)
    robot = (
        float(params.max_speed), float(params.max_turn), math.exp(-dt / lag), dt + lag, float(params.lidar_range),
        float(params.robot_radius), float(params.goal_radius),
    )  # fmt: skip

    def control(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        actions = np.zeros((len(obs), 2))
        ranges = np.zeros(rules.NUM_RAYS)
        choose_all(obs.astype(np.float64), robot, weights, SIZE, rules.RAY_COS, rules.RAY_SIN, ranges, actions)
        return actions.astype(np.float32)

    return FunctionPolicy(control, ENVIRONMENT.spaces(params)[0])


def explain(moves: str) -> dict[str, Any]:
    """Return success, collisions, SPL and clearance of both on equal episodes at `standard`.

    Raises:
        ValueError: `moves` is not empty.
    """
    refuse_moves(ENVIRONMENT, moves)
    params = ENVIRONMENT.params()[0]
    facts: dict[str, Any] = {"num_episodes": EXPLAIN_EPISODES}
    for name, build in YARDSTICK.policies.items():
        played = run_episodes(ENVIRONMENT, build(params), EXPLAIN_EPISODES, seed=0)
        success = rate_interval(float(played.metrics["success"].sum()), EXPLAIN_EPISODES)
        facts[f"{name}_success"] = f"{success}"
        facts[f"{name}_collision"] = float(played.metrics["collision"].mean())
        facts[f"{name}_spl"] = mean_interval(played.metrics["spl"]).mean
        facts[f"{name}_clearance"] = mean_interval(played.metrics["clearance"]).mean
    return facts


YARDSTICK = Yardstick(
    reference="the shortest path, known from the map, followed by pure pursuit: near the best SPL there is",
    policies={"grid_path": grid_path, "dynamic_window": dynamic_window},
    explain=explain,
)
