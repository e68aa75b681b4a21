"""What the verbs' arguments have in common: parsing, and what ENV and RUN stand for."""

import argparse
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlkit.cli.errors import UsageError, nearest

if TYPE_CHECKING:
    from rlkit.run import Run


class Parser(argparse.ArgumentParser):
    """argparse that tells an error in one sentence, with the nearest valid flag."""

    def __init__(self, verb: str, description: str, **options: Any):
        super().__init__(
            prog=f"rlkit {verb}",
            description=description,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=100),
            **options,
        )

    def parse(self, args: Sequence[str]) -> argparse.Namespace:
        """Return the arguments.

        Raises:
            UsageError: something is missing, unknown or of the wrong kind.
        """
        found, unknown = self.parse_known_args(list(args))
        if unknown:
            raise UsageError(unknown_argument(unknown[0], self.flags, self.prog))
        return found

    @property
    def flags(self) -> list[str]:
        """All flags, as help shows them."""
        return re.findall(r"--[a-z][a-z-]*", self.format_help())

    def error(self, message: str) -> Any:
        raise UsageError(f"{message.replace('argument ', '', 1)}; see {self.prog} --help")


def unknown_argument(argument: str, flags: Sequence[str], prog: str) -> str:
    """Return the sentence for an argument that nothing takes."""
    name = argument.split("=", 1)[0]
    if name.startswith("-"):
        return f"there is no flag {name!r}{nearest(name.replace('_', '-'), flags)}; see {prog} --help"
    return f"unexpected argument {argument!r}; see {prog} --help"


def whole(text: str) -> int:
    """A whole number from 0, for `type=`; `1e6` and `1_000_000` are fine."""
    try:
        number = float(text.replace("_", ""))
    except ValueError:
        number = math.nan
    if not (0 <= number < 2**63 and number == int(number)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text) if text.isdecimal() else int(number)


def positive(text: str) -> int:
    """A whole number from 1, for `type=`."""
    number = whole(text)
    if number == 0:
        raise argparse.ArgumentTypeError("0 is too few, use at least 1")
    return number


def duration(text: str) -> float:
    """Seconds (s) of "90s", "5m", "1.5h", or of minutes without a unit; for `type=`."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smh]?)", text)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90s, 5m, 2h or 5 (minutes)")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "": 60}[match[2]]


# What ENV and RUN stand for --------------------------------------------------------------------------------


ENV_OF_RUN = "its environment's folder or module, if not one of rlkit's; or the counterpart, as reach_2link_mujoco"


def is_run(name: str) -> bool:
    """Whether `name` is a run folder."""
    return os.path.lexists(Path(name) / "config.json")


def environment_of(name: str) -> Any:
    """Return the environment that a person means by `name`.

    Raises:
        UnknownNameError: there is none.
        UsageError: a folder's environment has the name of another one of ours.
    """
    from rlkit.registry import UnknownNameError, environment_names, find_environment, resolve

    is_path = os.sep in name and ":" not in name and not name.startswith("rlkit/")
    if is_path and not (Path(name) / "__init__.py").exists():
        if not Path(name).exists():
            raise UsageError(f"there is no folder {name}")
        kind = "a run, not an environment" if is_run(name) else "no environment's folder: it has no __init__.py"
        raise UsageError(f"{name} is {kind}")
    try:
        environment = resolve(name, trusted=True)
    except UnknownNameError as error:
        if not is_path and (Path(name) / "__init__.py").exists():
            raise UsageError(f"there is no environment {name!r}; for the folder write ./{name}") from None
        raise UnknownNameError(str(error)) from None
    own = environment.name
    if own in environment_names() and environment is not find_environment(own):
        raise UsageError(
            f"{name} has the name of rlkit's own {own!r}: write {own} if that is meant, or rename the folder"
        )
    return environment


def environment_of_run(
    run: "Run", given: str | None, how_to_give: str = "add --env PATH", counterpart_too: bool = False
) -> Any:
    """Return the environment `run` was trained on; `given` is what a person says it is.

    With `counterpart_too` the same task in another simulator may be given, too.

    Raises:
        UsageError: it is not in rlkit's tables and not given, or another one was given.
    """
    from rlkit.registry import UnknownNameError, resolve

    name = run.environment_name
    if given is None:
        try:
            return resolve(name, trusted=False)
        except UnknownNameError:
            raise UsageError(
                f"the run was trained on {name!r}, which is not one of rlkit's: {how_to_give}, its folder"
            ) from None
    environment = environment_of(given)
    if environment.name != name and not (counterpart_too and fits(name, environment)):
        raise UsageError(f"the run was trained on {name!r}, not on {environment.name!r}")
    return environment


def fits(name: str, environment: Any) -> bool:
    """Whether what was trained on the environment of that name acts in `environment`: itself or its counterpart."""
    return name in (environment.name, getattr(environment, "counterpart", None))


def environment_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the level and params in an agent's settings, as options of `BatchEnv`."""
    return {"level": settings.get("level", "standard"), **(settings.get("params") or {})}


def run_options(run: "Run", level: str | None) -> dict[str, Any]:
    """Return the options of `BatchEnv` that a run was trained under; another `level` takes the place of them all."""
    return environment_options(run.config) if level is None else {"level": level}


def policy_and_options(run: "Run", environment: Any, level: str | None) -> tuple[Any, dict[str, Any]]:
    """Return what a run's policy is on `level` (None: as it was trained), and the options of `BatchEnv` for that."""
    options = run_options(run, level)
    params = environment.params(**options)[0] if level and hasattr(environment, "rules") else None
    return load_policy(run, environment, params), options


def load_policy(run: "Run", environment: Any, params: Any = None) -> Any:
    """Return the policy that a run kept, to act under `params` (None: those it was trained under)."""
    import rlkit

    return _named(rlkit.load(run, environment, params), run.agent_name)


PLAYERS = """\
A player is: random, a policy of the yardstick (solver, rule, …), a RUN folder, pretrained:NAME,
rollouts:N (search with random rollouts, N simulations a move), or the command of a program that speaks
GTP, in quotes: "gnugo --mode gtp --level 5". Behind a player that searches, @N sets the simulations a
move, as in RUN@64; @0 is its network alone. With one player and Discrete actions every network can plan so.
With one player also: mpc, which plans by sampling; mpc:horizon=80,value=RUN changes its settings (agents/README.md),
value=RUN asks a run's policy what follows the horizon is worth.
"""


def policy_named(environment: Any, name: str, params: Any, seed: int = 0) -> Any:
    """Return a policy for `environment` under `params` by what a person calls it (see `PLAYERS`); None for "random".

    A name may start a program, so it must come from a person, never from a file.

    Raises:
        UsageError: it is none of these.
        GtpError: the program does not start or does not speak GTP.
    """
    if name == "random":
        return None
    policies = environment.yardstick.policies if environment.yardstick else {}
    base, at, simulations = name.rpartition("@")
    if name in policies:
        return _named(policies[name](params), name)
    if is_run(name):
        return _policy_of_run(environment, name, params)
    if at and base != "random" and simulations.isdecimal():
        return _searching(policy_named(environment, base, params, seed), base, int(simulations), environment, params)
    if name.startswith("rollouts:"):
        return _rollout_search(environment, name, params, seed)
    if name == "mpc" or name.startswith("mpc:"):
        return _controller(environment, name, params, seed)
    if name.startswith("pretrained:"):
        import rlkit

        return _named(rlkit.load(name, environment, params), name)
    engine = _engine(environment, name, params)
    if engine is not None:
        return engine
    names = ["random", *policies]
    raise UsageError(f"{name!r} is neither a run folder nor one of {', '.join(names)}{nearest(name, names)}")


def player_named(environment: Any, name: str, params: Any, seed: int = 0) -> Any:
    """Return what `policy_named` does, and for "random" a policy that draws from `seed`."""
    from rlkit.learning.policy import RandomPolicy

    policy = policy_named(environment, name, params, seed)
    if policy is None:
        observation_space, action_space = environment.spaces(params)
        policy = _named(RandomPolicy(observation_space, action_space, seed), name)
    return policy


def _policy_of_run(environment: Any, name: str, params: Any) -> Any:
    from rlkit.run import Run

    run = Run.open(name)
    if not fits(run.environment_name, environment):
        raise UsageError(f"{name} was trained on {run.environment_name!r}, not on {environment.name!r}")
    try:
        return load_policy(run, environment, params)
    except ValueError as error:
        if params is None:
            raise
        level = environment_options(run.config)["level"]
        raise UsageError(f"{name} does not fit: {error}; add --level {level}, on which it was trained") from None


def _searching(policy: Any, name: str, num_simulations: int, environment: Any, params: Any) -> Any:
    if not can_look_ahead(policy, environment):
        raise UsageError(f"{name!r} does not search: leave @{num_simulations} out")
    return _named(look_ahead(policy, num_simulations, environment, params), f"{name}@{num_simulations}")


def can_look_ahead(policy: Any, environment: Any) -> bool:
    """Whether `policy` searches, or is a network that can plan in `environment`: one player, Discrete actions."""
    is_one_player = environment.num_players == 1 and hasattr(environment, "rules")
    return hasattr(policy, "with_simulations") or (is_one_player and hasattr(policy, "evaluate"))


def look_ahead(policy: Any, num_simulations: int, environment: Any, params: Any) -> Any:
    """Return `policy` with so many simulations a move (0: alone), to act under `params`; it `can_look_ahead`.

    Raises:
        ValueError: the environment has no Discrete actions, or no single array as observation.
    """
    from importlib import import_module

    if hasattr(policy, "with_simulations"):
        return policy.with_simulations(num_simulations)
    if num_simulations == 0:
        return policy
    return import_module("agents.alphazero.planner").Planner(environment, params, num_simulations, policy)


def _rollout_search(environment: Any, name: str, params: Any, seed: int) -> Any:
    from importlib import import_module

    count = name.removeprefix("rollouts:")
    if not count.isdecimal() or int(count) == 0:
        raise UsageError(f"{name!r} must be rollouts:N, with N simulations a move from 1 on, as rollouts:400")
    if not hasattr(environment, "rules"):
        raise UsageError(f"{name!r} searches states, which {environment.name} cannot save")
    module, function = ("planner", "rollout_planner") if environment.num_players == 1 else ("players", "rollout_search")
    search = getattr(import_module(f"agents.alphazero.{module}"), function)
    return _named(search(environment, params, int(count), seed), name)


def _controller(environment: Any, name: str, params: Any, seed: int) -> Any:
    """Return the sampling controller that `name`, such as "mpc:horizon=80,value=RUN", describes."""
    from importlib import import_module

    from rlkit.cli.settings import parse_pairs

    module = import_module("agents.mpc")
    config, others = parse_pairs(module.Config(), name.partition(":")[2], ("value",))
    value = policy_named(environment, others["value"], params) if "value" in others else None
    if "value" in others and not hasattr(value, "evaluate"):
        raise UsageError(f"value={others['value']} has no values to plan with: give a run of PPO, such as value=RUN")
    return _named(module.Controller(environment, params, config, seed, value), name)


def _engine(environment: Any, name: str, params: Any) -> Any:
    """Return the GTP engine that the command `name` starts, without a shell; None if there is no such program."""
    import shlex
    import shutil

    try:
        command = shlex.split(name)
    except ValueError as error:
        raise UsageError(f"{name!r} cannot be split into a command's words: {str(error).lower()}") from None
    if not command or shutil.which(command[0]) is None:
        return None
    if environment.num_players == 1:
        raise UsageError(f"{command[0]} is a program, and programs play games of two; {environment.name} is none")
    from rlkit.gtp import GtpEngine

    return GtpEngine(environment, params, command)


def _named(policy: Any, name: str) -> Any:
    policy.name = name  # what the viewer calls it
    return policy
