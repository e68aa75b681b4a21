"""Slices of a batch stepped at once."""

import os

import pytest
from tiny_environments import run_python

import rlkit
from rlkit.engine.batch import MIN_SLICE
from rlkit.trajectories import first_difference, play


def test_threads_are_used_where_they_pay():
    for num_envs, threads, slices in [
        (2 * MIN_SLICE - 1, 2, 1),
        (2 * MIN_SLICE, 2, 2),
        (5 * MIN_SLICE, 3, 3),
        (9, 8, 1),
    ]:
        env = rlkit.make_batch("cartpole", num_envs, threads=threads)
        assert env.num_slices == slices
        env.close()


@pytest.mark.parametrize("options", [{"opponent": "self"}, {"opponent": "random"}])
@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_threads_change_nothing(mode, options):
    count = 2 * MIN_SLICE + 3  # slices of different sizes
    seen = []
    for threads in (1, 2):
        env = rlkit.make_batch(
            "connect_four", count, threads=threads, autoreset_mode=mode, episode_stats=True, **options
        )
        assert env.num_slices == threads
        seen.append(play(env, 60, seed=1))
        env.close()
    assert first_difference(*seen) is None
    assert seen[0]["terminated"].sum() > count


FORK = """
import os
import rlkit

def run():
    env = rlkit.make_batch("cartpole", 1024, threads=2)
    assert env.num_slices == 2
    env.reset(seed=1)
    return sum(float(env.step([0, 1] * 512)[1].sum()) for _ in range(20))

first = run()
child = os.fork()
if child == 0:
    os._exit(0 if run() == first else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_still_runs_after_threads_did():
    assert run_python("import warnings; warnings.simplefilter('ignore')\n" + FORK).stdout.strip() == "0"
