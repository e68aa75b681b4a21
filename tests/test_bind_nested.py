"""Binding a module that takes functions from another module written against the rules."""

import json
import sys
from pathlib import Path

from tiny_environments import run_python

import rlkit
from agents.alphazero import games
from rlkit.engine.bind import bind

SOURCES = {
    "__init__": "",
    "inner": """
from rlkit.engine.interface import step
from rlkit.engine.jit import jit


@jit
def twice(x):
    return step(x, 0, 1)[0] + step(x, 0, 2)[0]
""",
    "outer": """
from nested.inner import (
    twice as both,
)
from nested.plain import add
from rlkit.engine.interface import step
from rlkit.engine.jit import jit


@jit
def run(x):
    return add(both(x), step(x, 0, 3)[0])
""",
    "plain": """
from rlkit.engine.jit import jit


@jit
def add(x, y):
    return x + y
""",
    "rules": """
from rlkit.engine.jit import jit


@jit
def reset(state, params): pass


@jit
def observe(state, params, obs): pass


@jit
def step(state, params, action):
    return state * action, False
""",
}

# One edit after the other; each line is the result, the outer module's name and the inner's.
RUN_EDITS = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
for file, old, new in json.loads(sys.argv[2]):
    path = Path(sys.argv[1], "nested", file + ".py")
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))
    for name in [name for name in sys.modules if name.startswith("nested")]:
        del sys.modules[name]
    from nested import inner, outer, rules
    from rlkit.engine.bind import bind
    bound = bind(outer, rules)
    print(bound.run(10), bound.__name__, bind(inner, rules).__name__)
    path.write_text(source)
"""


def test_both_modules_are_bound_and_an_edit_of_either_is_noticed(tmp_path):
    (tmp_path / "nested").mkdir()
    for name, source in SOURCES.items():
        (tmp_path / "nested" / f"{name}.py").write_text(source)
    edits = {
        ("outer", "both(x)", "both(x)"): 60,
        ("inner", "0, 2)[0]", "0, 2)[0] + 5"): 65,
        ("rules", "state * action", "state * action + 1"): 63,
        ("plain", "x + y", "x + y + 7"): 67,
        ("outer", "0, 3", "0, 4"): 70,
    }
    done = run_python(RUN_EDITS, tmp_path, json.dumps(list(edits)), RLKIT_CACHE=str(tmp_path / "cache"))
    results, outer, inner = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert [int(result) for result in results] == list(edits.values())
    assert len(set(outer)) == len(edits)
    assert inner[3] == inner[4] == inner[0]  # edits of what it does not use
    assert len(set(inner)) == 3


def test_self_play_uses_the_search_bound_to_the_same_rules():
    bound = bind(games, rlkit.find_environment("tic_tac_toe").rules)
    lines = Path(bound.__file__).read_text().splitlines()
    assert len(lines) == len(Path(games.__file__).read_text().splitlines())
    (search_line,) = [line for line in lines if "import backward, begin, disturb_root, expand" in line]
    search = sys.modules[search_line.split()[1]]
    assert search.__name__.startswith("rlkit_bound_search_tic_tac_toe_")
    assert bound.next_leaf is search.next_leaf
    assert "from agents.alphazero.selection import" in "\n".join(lines)  # which knows no rules
