"""Finds environments and agents by name, lazily, and registers the environments with Gymnasium.

Names resolve only in the tables of `envs` and `agents`, or to a path that a person gave on the command line;
never to anything a run folder says.
"""

import difflib
import importlib
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlkit.environment import Environment
from rlkit.external import ExternalEnvironment


class UnknownNameError(ValueError):
    """No environment or agent of that name; the message has the nearest valid one."""


def _ours(package: str) -> types.ModuleType:
    """Import `envs` or `agents`, and make sure that it is the package installed with this one."""
    module = importlib.import_module(package)
    found, here = Path(module.__file__ or "").resolve(), Path(__file__).resolve()
    if found.parent.parent != here.parent.parent:
        raise ImportError(
            f"`import {package}` found {found}, which is not rlkit's; rename that folder or run from another one"
        )
    return module


def environment_names() -> dict[str, str]:
    """Return short name → Gymnasium id of every environment in the table."""
    return {module.rsplit(".", 1)[-1]: id for id, module in _ours("envs").ENVIRONMENTS.items()}


def agent_names() -> list[str]:
    """Return the names of the agents in the table."""
    return list(_ours("agents").AGENTS)


def planner_names() -> list[str]:
    """Return the names of those who act without having been trained."""
    return list(_ours("agents").PLANNERS)


def pretrained_folder() -> Path:
    """Return the folder of the networks that come with rlkit."""
    return Path(_ours("agents").__file__ or "").parent / "pretrained"


def find_environment(name: str) -> Environment:
    """Return the environment with this short name or Gymnasium id.

    Raises:
        UnknownNameError: there is none.
    """
    names, table = environment_names(), _ours("envs").ENVIRONMENTS
    id = names.get(name, name.removeprefix("envs:"))
    if id not in table:
        raise UnknownNameError(_unknown("environment", name, [*names]))
    return importlib.import_module(table[id]).ENVIRONMENT


def environment_from_path(path: str | Path) -> Environment:
    """Import the environment folder at `path`, or the dotted module of that name, and return its ENVIRONMENT.

    This executes code, so only paths and names from a person may come here.

    Raises:
        UnknownNameError: there is no such folder or module, it has another module's name, or it declares no
            ENVIRONMENT.
    """
    folder, name, root = None, str(path), Path.cwd()
    if (Path(path) / "__init__.py").exists():
        folder = top = Path(path).resolve()
        while (top.parent / "__init__.py").exists():  # a folder inside a package is imported as part of it
            top = top.parent
        name, root = ".".join(folder.relative_to(top.parent).parts), top.parent
    if not all(part.isidentifier() for part in name.split(".")):
        raise UnknownNameError(
            f"{folder}: {name!r} is not a name that Python can import; rename the folder"
            if folder
            else f"{path} is neither an environment folder nor an importable module"
        )
    if folder and name in sys.modules and Path(sys.modules[name].__file__ or "").resolve().parent != folder:
        raise UnknownNameError(
            f"{path} has the name of another module, {sys.modules[name].__file__}; rename the folder"
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    importlib.invalidate_caches()  # the folder may be younger than Python's last look
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise
        raise UnknownNameError(f"{path} is neither an environment folder nor an importable module") from None
    if not isinstance(getattr(module, "ENVIRONMENT", None), Environment):
        raise UnknownNameError(f"{module.__file__} declares no ENVIRONMENT = Environment(...)")
    return module.ENVIRONMENT


def resolve(name: str, *, trusted: bool) -> Environment | ExternalEnvironment:
    """Return the environment called `name`: in our table, "gymnasium:ID", or a path or dotted module.

    Args:
        name: what a person typed, or what a run folder says.
        trusted: a person typed it: then, and only then, a path or module may be imported.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name.startswith("gymnasium:"):
        import gymnasium

        id = name.removeprefix("gymnasium:")
        if id not in gymnasium.registry:  # ids with a module part would import it, so they are not taken
            raise UnknownNameError(_unknown("Gymnasium environment", id, list(gymnasium.registry), shown=0))
        return ExternalEnvironment(id)
    looks_like_path = trusted and ("/" in name or "." in name) and not name.startswith(("rlkit/", "envs:"))
    return environment_from_path(name) if looks_like_path else find_environment(name)


def find_agent(name: str) -> types.ModuleType:
    """Return the module of the agent with this name.

    Raises:
        UnknownNameError: there is none, or it has nothing to train.
    """
    table = _ours("agents").AGENTS
    if name in planner_names():
        raise UnknownNameError(
            f"{name} plans with the rules and has nothing to train: rlkit evaluate ENV --agent {name}"
        )
    if name not in table:
        raise UnknownNameError(_unknown("agent", name, [*table]))
    return importlib.import_module(table[name])


def _unknown(kind: str, name: str, names: list[str], shown: int = 40) -> str:
    near = difflib.get_close_matches(name, names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = f" (there are: {', '.join(names[:shown])})" if shown else ""
    return f"there is no {kind} {name!r}{hint}{listed}"


def make(environment: str | Environment, **options: Any) -> Any:
    """Return a `ScalarEnv` of an environment or of the one so named; options as for `BatchEnv`."""
    from rlkit.engine.scalar import ScalarEnv

    return ScalarEnv(find_environment(environment) if isinstance(environment, str) else environment, **options)


def make_batch(environment: str | Environment | ExternalEnvironment, num_envs: int = 1, **options: Any) -> Any:
    """Return a `BatchEnv` of an environment or of the one so named; options as for `BatchEnv`."""
    from rlkit.engine.batch import BatchEnv

    found = find_environment(environment) if isinstance(environment, str) else environment
    return (
        found.batch(num_envs, **options)
        if isinstance(found, ExternalEnvironment)
        else BatchEnv(found, num_envs, **options)
    )


def register_with_gymnasium(table: Mapping[str, str]) -> None:
    """Register each id of `table`, scalar and vector, with Gymnasium.

    `max_episode_steps` is left out: the engine itself truncates.
    """
    import gymnasium

    for id in table:
        if id not in gymnasium.registry:
            gymnasium.register(
                id,
                entry_point="rlkit.registry:make",
                vector_entry_point="rlkit.registry:make_batch",
                kwargs={"environment": id},
            )
