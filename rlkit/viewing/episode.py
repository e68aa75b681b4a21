"""One episode as an animation, for TensorBoard."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlkit.environment import Environment
    from rlkit.learning.policy import Policy

MAX_FRAMES = 120
FRAMES_PER_SECOND = 20.0


def episode_gif(environment: "Environment", policy: "Policy", seed: int, options: Mapping[str, Any]) -> bytes:
    """Return the GIF file of one greedy episode, at half size and at most `MAX_FRAMES` frames.

    Frames are left out evenly where steps are shorter than a frame; games are played by the policy on both sides.

    Args:
        options: of `ScalarEnv`, without `opponent`.
    """
    from rlkit.engine.scalar import ScalarEnv
    from rlkit.viewing.canvas import draw_frame
    from rlkit.viewing.recorder import gif_bytes

    games = {"opponent": "self"} if environment.num_players == 2 else {}
    env = ScalarEnv(environment, flat_obs=True, **options, **games)
    fps = min(FRAMES_PER_SECOND, 1 / environment.frame_seconds)
    every = max(1, round(1 / (fps * environment.frame_seconds)))
    obs, info = env.reset(seed=seed)
    frames = [draw_frame(environment, env.state, env.params, scale=0.5)]
    step, done = 0, False
    while not done and len(frames) < MAX_FRAMES:
        obs, _, terminated, truncated, info = env.step(policy.act(obs, info.get("action_mask")))
        step, done = step + 1, terminated or truncated
        if done or step % every == 0:
            frames.append(draw_frame(environment, env.state, env.params, scale=0.5))
    env.close()
    return gif_bytes(frames, fps=fps)
