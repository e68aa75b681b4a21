"""From a run folder, or a pretrained network, to a policy that acts."""

from pathlib import Path
from typing import Any

from rlkit.learning.policy import Policy
from rlkit.pretrained import PREFIX, Pretrained
from rlkit.registry import find_agent, pretrained_folder, resolve
from rlkit.run import Run


def load(run: str | Path | Run, environment: Any = None, params: Any = None) -> Policy:
    """Return the best policy that a run kept.

    Args:
        run: the run folder, or "pretrained:NAME" for a network that comes with rlkit.
        environment: the environment it was trained on, where that is not one of our tables (a run folder may
            not name code to import).
        params: the params record to act under, where it is not the one it was trained under.

    Raises:
        FileNotFoundError: there is no such folder.
        RunError, CheckpointError: it is no run, has no checkpoint yet, or is damaged.
        UnknownNameError: its environment is not in our tables and was not given.
        ValueError: its network does not fit observations and actions under `params`.
    """
    source: Any = run
    if isinstance(run, str) and run.startswith(PREFIX):
        source = Pretrained.open(pretrained_folder(), run.removeprefix(PREFIX))
        if environment is not None and environment.name != source.environment_name:
            raise ValueError(f"{run} plays {source.environment_name!r}, not {environment.name!r}")
    elif not isinstance(run, Run):
        if not Path(run).is_dir():
            raise FileNotFoundError(f"there is no run folder {run}")
        source = Run.open(run)
    if environment is None:
        environment = resolve(source.environment_name, trusted=False)
    return find_agent(source.agent_name).load(source, environment, params)
