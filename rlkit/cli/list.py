"""`rlkit list`: what there is. Nothing is compiled and no agent is imported."""

import ast
import importlib.util
import json
from pathlib import Path
from typing import Any

from rlkit.cli.arguments import Parser
from rlkit.cli.output import columns

DESCRIPTION = "List the environments with their players, recipes and yardsticks, and the agents."


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    parser = Parser("list", DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse(args)

    from rlkit.registry import agent_names, environment_names, planner_names

    found = [_about(name) for name in environment_names()]
    if options.json:
        print(json.dumps({"environments": found, "agents": agent_names(), "planners": planner_names()}, indent=1))
        return 0
    rows = [("environment", "id", "players", "recipes", "yardstick")]
    for about in found:
        recipes = ", ".join(about["recipes"]) or "–"
        rows.append((about["name"], about["id"], about["players"], recipes, about["yardstick"] or "–"))
    print(columns(rows))
    print(f"\nagents: {', '.join(agent_names())}; without training: {', '.join(planner_names())}")
    return 0


def _about(name: str) -> dict[str, Any]:
    from rlkit.registry import find_environment

    environment = find_environment(name)
    yardstick = environment.yardstick
    return {
        "name": name,
        "id": environment.id,
        "players": environment.num_players,
        "recipes": _recipe_names(environment.package),
        "yardstick": yardstick.reference if yardstick else None,
    }


def _recipe_names(package: str) -> list[str]:
    """Return the keys of RECIPES in train.py, read and not imported: that would import agents, so torch."""
    spec = importlib.util.find_spec(f"{package}.train")
    if spec is None or spec.origin is None:
        return []
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if names == ["RECIPES"]:
                return [str(key.value) for key in node.value.keys if isinstance(key, ast.Constant)]
    return []
