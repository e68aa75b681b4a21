"""Watching in environments that are not ours: Gymnasium's own window, or its pictures in a recording."""

import itertools
from contextlib import nullcontext
from typing import Any

from rlkit.cli.errors import UsageError


def watch_gymnasium(environment: Any, policy: Any, options: Any) -> None:
    """Show `policy` (None: random) for `options.episodes` episodes; else until Ctrl-C, or record one.

    Raises:
        UsageError: there is no display, or options are given that only our own window has.
    """
    import gymnasium

    from rlkit.viewing.viewer import has_display

    if options.opponent or options.level or options.speed != 1.0:
        raise UsageError(f"{environment.name} is shown by Gymnasium: leave --opponent, --level and --speed out")
    if options.record is None and not has_display():
        raise UsageError("no display was found; use --record FILE.mp4 (or .gif) to get a video instead")
    env = gymnasium.make(environment.id, render_mode="rgb_array" if options.record else "human")
    try:
        _play(env, policy, options)
    finally:
        env.close()


def _play(env: Any, policy: Any, options: Any) -> None:
    from rlkit.viewing.recorder import Recorder

    fps = float(env.metadata.get("render_fps", 30))
    env.action_space.seed(options.seed)
    with Recorder(options.record, fps) if options.record else nullcontext() as recorder:
        ends_itself = options.episodes or options.record
        for episode in range(options.episodes or 1) if ends_itself else itertools.count():
            obs, _ = env.reset(seed=options.seed + episode)
            is_over = False
            while not is_over:
                action = policy.act(obs, None, not options.sample) if policy else env.action_space.sample()
                obs, _, terminated, truncated, _ = env.step(action)
                is_over = terminated or truncated
                if recorder is not None:
                    recorder.add(env.render())
