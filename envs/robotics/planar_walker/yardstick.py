"""PlanarWalker's yardstick: standing still by joint springs, and what a published learning curve says.

No simple controller walks this body fast, so the reference is not an optimum: `stand` holds every joint at 0 by a
spring and a damper (a torque within the motors' limits) and collects healthy_reward for the whole episode. `limp`, a
constant action of zero, falls. A learner earns forward_weight × speed on top of what standing gives: a score of 1 is
standing, and each m/s is about one more.

Level standard, seeds 0 to 499, `run_episodes(ENVIRONMENT, policy, 500, seed=0)` on 28 November 2026 (95 % intervals):

    stand    return 999.7 [999.6, 999.7]    speed −0.0003 m/s    0 % fell [0, 0.8]
    limp     return 129.4 [127.2, 131.7]    speed −0.15 m/s      100 % fell [99.2, 100], after 154 steps
    random   return 25.5 [23.9, 27.1]       speed −0.31 m/s      100 % fell [99.2, 100], after 41 steps

Learners on Gymnasium's own body (Walker2d-v3, the same reward), which has other sizes: Stable-Baselines3's PPO
3,572 ± 808 after a million steps, in 10 episodes (huggingface.co/sb3/ppo-Walker2d-v3), and DI-engine's TD3 4,332 ± 12
(huggingface.co/OpenDILabCommunity/Walker2d-v3-TD3).
"""

import numpy as np

from envs.robotics.planar_walker import ENVIRONMENT
from envs.robotics.planar_walker.rules import GEAR, NUM_MOTORS
from rlkit.evaluation import Yardstick
from rlkit.learning.policy import FunctionPolicy

STIFFNESS, DAMPING = 200.0, 5.0  # N·m/rad, N·m·s/rad


def stand(params: np.record) -> FunctionPolicy:
    """Return the controller that holds every joint where it is when the walker stands."""

    def control(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        angles, speeds = obs[:, 2:8].astype(np.float64), obs[:, 11:17].astype(np.float64)
        torques = -STIFFNESS * angles - DAMPING * speeds
        return np.clip(torques / (GEAR * float(params.motor_scale)), -1.0, 1.0).astype(np.float32)

    return FunctionPolicy(control, ENVIRONMENT.spaces(params)[0])


def limp(params: np.record) -> FunctionPolicy:
    """Return the constant action 0."""
    return FunctionPolicy(
        lambda obs, action_mask: np.zeros((len(obs), NUM_MOTORS), np.float32), ENVIRONMENT.spaces(params)[0]
    )


YARDSTICK = Yardstick(
    reference="standing still by joint springs, the return that a walker's speed adds to: not an optimum",
    policies={"stand": stand, "limp": limp},
)
