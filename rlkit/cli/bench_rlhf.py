"""Speed of reward models: an epoch over choices between clips of random play, beside imitation's over the same ones.

Seconds are those of the CPU, one thread. An epoch is one in which every network learns from as many choices as there
are; ours hold a third of them out from each of an ensemble, so that its time is taken times three halves.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.rlhf.clips import Clip, ClipRecorder
from agents.rlhf.labels import About
from agents.rlhf.reward_model import RewardModel
from agents.rlhf.selection import draw_pairs
from rlkit.cli.bench import _printer
from rlkit.cli.bench_process import Peer, in_turn
from rlkit.learning.policy import RandomPolicy
from rlkit.registry import find_environment, make_batch

ENVIRONMENT, CLIP_LENGTH, HIDDEN_SIZE = "pendulum", 25, 64
NUM_ENVS, NUM_CLIPS = 64, 1024
NUM_EPOCHS = 20  # of one measurement
KINDS = {1: "one network", 3: "ensemble of 3"}
PEER = Path(__file__).with_name("bench_imitation.py")

Pairs = list[tuple[Clip, Clip]]


def bench_rlhf(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure an epoch for one network and for an ensemble, printing a line a figure as it comes.

    Raises:
        UsageError: imitation does not run in the Python named.
    """
    say = _printer(options.json)
    torch.set_num_threads(1)
    pairs = random_pairs(options.labels)
    say(f"{ENVIRONMENT}, {options.labels} choices between clips of {CLIP_LENGTH} steps, 2 × {HIDDEN_SIZE} units")
    rows: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        peer = None
        if options.against:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            np.savez(folder / "pairs.npz", **as_arrays(pairs))  # type: ignore[arg-type]
            arguments = {"pairs": str(folder / "pairs.npz"), "hidden_size": HIDDEN_SIZE, "folder": str(folder)}
            peer = stack.enter_context(Peer("imitation", "pip install imitation", options.peer_python, PEER, arguments))
            rows.append(peer.versions_row(say))
        for count, kind in KINDS.items():
            rows += _rows(say, kind, epoch_of(pairs, count), peer, count, options.repeats)
    return rows


def _rows(
    say: Callable[[str], None], kind: str, epoch: Callable[[], float], peer: Peer | None, count: int, repeats: int
) -> list[dict[str, Any]]:
    ours, theirs = in_turn(epoch, peer, str(count), repeats)
    rows = [_row(say, f"epoch, {kind}", ours)]
    if peer:
        rows.append(_row(say, f"imitation, {kind}", theirs))
        ratio = rows[1]["median"] / rows[0]["median"]
        rows.append({"what": f"imitation / ours, {kind}", "median": ratio})
        say(f"  imitation takes {ratio:.1f} × as long")
    return rows


def _row(say: Callable[[str], None], what: str, seconds: list[float]) -> dict[str, Any]:
    median, best = statistics.median(seconds), min(seconds)
    say(f"  {what:<34} {1e3 * median:9.1f} ms   (best {1e3 * best:.1f} ms)")
    return {"what": f"{what} (s)", "median": median, "best": best}


def random_pairs(count: int) -> Pairs:
    """Return pairs of clips of random play."""
    env = make_batch(find_environment(ENVIRONMENT), NUM_ENVS, autoreset_mode="same_step")
    obs, _ = env.reset(seed=0)
    actions = env.single_action_space.shape or ()
    about = About(ENVIRONMENT, "standard", {}, env.states.dtype.itemsize, obs[0].size, actions, CLIP_LENGTH)
    recorder = ClipRecorder(NUM_ENVS, NUM_CLIPS, about, 0)
    policy = RandomPolicy(env.single_observation_space, env.single_action_space)
    while len(recorder) < NUM_CLIPS:
        recorder.begin(env.states)
        before, chosen = np.array(obs), policy.act(obs)
        obs, rewards, terminated, truncated, _ = env.step(chosen)
        recorder.note(before, chosen, rewards, terminated, truncated)
    env.close()
    return draw_pairs(recorder.newest(NUM_CLIPS), count, np.random.default_rng(1))


def _left_is_better(pairs: Pairs) -> np.ndarray:
    return np.array([left.rewards.sum() > right.rewards.sum() for left, right in pairs], np.float32)


def as_arrays(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return "obs", "actions" and "rewards" [P, 2, L, …] and "left_is_better" [P]."""
    arrays = {
        name: np.array([[getattr(clip, name) for clip in pair] for pair in pairs])
        for name in ("obs", "actions", "rewards")
    }
    return arrays | {"left_is_better": _left_is_better(pairs)}


def epoch_of(pairs: Pairs, num_members: int) -> Callable[[], float]:
    """Return what fits a model anew and tells the CPU seconds of an epoch, all that belongs to a fit included."""
    left = pairs[0][0]
    env = find_environment(ENVIRONMENT)
    _, action_space = env.spaces(env.params()[0])
    model = RewardModel(left.obs[0].size, action_space, num_members, HIDDEN_SIZE)
    targets, experience = list(_left_is_better(pairs)), [pair[0] for pair in pairs]
    share = 1.0 if num_members == 1 else 1 - 1 / num_members  # of the choices that a member learns from

    def epoch() -> float:
        begin = time.process_time()
        model.fit(pairs, targets, experience, num_epochs=NUM_EPOCHS)
        return (time.process_time() - begin) / NUM_EPOCHS / share

    epoch()  # warm
    return epoch
