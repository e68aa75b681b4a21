"""From a run folder to a policy that acts."""

from pathlib import Path
from typing import Any

from rlkit.learning.policy import Policy
from rlkit.registry import find_agent, resolve
from rlkit.run import Run


def load(run: str | Path | Run, environment: Any = None) -> Policy:
    """Return the best policy that a run kept.

    Args:
        run: the run folder.
        environment: the environment it was trained on, where that is not one of our tables (a run folder may
            not name code to import).

    Raises:
        FileNotFoundError: there is no such folder.
        RunError, CheckpointError: it is no run, has no checkpoint yet, or is damaged.
        UnknownNameError: its environment is not in our tables and was not given.
    """
    if not isinstance(run, Run):
        if not Path(run).is_dir():
            raise FileNotFoundError(f"there is no run folder {run}")
        run = Run.open(run)
    if environment is None:
        environment = resolve(run.environment_name, trusted=False)
    return find_agent(run.agent_name).load(run, environment)
