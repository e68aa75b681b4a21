"""Small environments that tests write into a temporary folder, break, edit and load."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from rlkit.environment import Environment
from rlkit.registry import environment_from_path

DECLARATION = '''"""Count: press 1 to count up; the episode ends at three.

Observation
    Box float32 [2]: the count and the luck of the last step.

Action
    Discrete(2): 0 wait, 1 count.

Reward
    +1 for counting.

Termination
    The count is three. Truncated after 12 steps.

Params
    goal.

Metrics
    none

Yardstick
    none

Source
    This test.
"""

import numpy as np
from gymnasium import spaces

from rlkit.environment import Environment

ENVIRONMENT = Environment(
    package=__name__,
    id="test/Count-v0",
    observation_space=spaces.Box(0.0, 10.0, (2,)),
    action_space=spaces.Discrete(2),
    max_steps=12,
)
'''

RULES = """import math

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import uniform
from rlkit.engine.state import params_dtype, state_dtype

STATE = state_dtype(count=np.int64, luck=np.float64, small=np.int8, board=(np.int8, (3,)))
PARAMS = params_dtype(goal=3)


def plain(x):
    return x + 1


@jit
def helper(state):
    return int(state.count)


@jit
def reset(state, params):
    state.count = 0
    state.luck = uniform(state)
    state.small = 0
    state.board[:] = 0


@jit
def step(state, params, action):
    state.count = int(state.count) + action
    state.luck = uniform(state)
    return float(action), int(state.count) >= int(params.goal)


@jit
def observe(state, params, obs):
    obs[0] = state.count
    obs[1] = state.luck
"""


Edit = tuple[str, str, str]  # (file, old text, new text); old "" appends, to a new file where there is none


def write_environment(folder: Path, *edits: Edit) -> Path:
    """Write the environment Count, edited, as the package `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = {"__init__": DECLARATION, "rules": RULES}
    for file, old, new in edits:
        source = sources.setdefault(file, "")
        assert old in source, f"{old!r} is not in {file}.py"
        sources[file] = source.replace(old, new) if old else source + new
    for file, source in sources.items():
        (folder / f"{file}.py").write_text(source)
    return folder


def load_environment(folder: Path, *edits: Edit) -> Environment:
    """Write such an environment and load it; `folder.name` must be new in this process."""
    assert folder.name not in sys.modules
    return environment_from_path(write_environment(folder, *edits))


def run_python(code: str, *args: object, **variables: str) -> subprocess.CompletedProcess:
    """Run `code` in a fresh process in which warnings are errors; fail with its output where it fails."""
    process = start_python(code, *args, **variables)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    return subprocess.CompletedProcess(process.args, 0, stdout, stderr)


def start_python(code: str, *args: object, **variables: str) -> subprocess.Popen:
    """Start `code` in a fresh process."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, args)],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
