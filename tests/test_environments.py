"""The contract, over every environment in the table; and that the checker finds what is broken."""

import json

import pytest
from tiny_environments import load_environment, run_python, write_environment

from rlkit.checking import CHECKS, check_environment
from rlkit.registry import environment_names, find_environment

NAMES = list(environment_names())


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_keeps_the_contract(name):
    if hasattr(find_environment(name).rules, "PHYSICS"):
        pytest.importorskip("mujoco.batch")
    verdicts = list(check_environment(find_environment(name)))
    assert [verdict.name for verdict in verdicts] == list(CHECKS)
    assert [verdict for verdict in verdicts if not verdict.ok] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_has_every_room(name):
    environment = find_environment(name)
    assert environment.drawing is not None
    assert environment.yardstick is not None
    assert next(iter(environment.recipes)) in ("ppo", "alphazero")
    assert environment.id == next(id for short, id in environment_names().items() if short == name)


def test_a_healthy_environment_passes_wherever_it_lies(tmp_path):
    verdicts = list(check_environment(load_environment(tmp_path / "healthy")))
    assert [verdict for verdict in verdicts if not verdict.ok] == []
    assert len(verdicts) == len(CHECKS)


MASK = "\n\n@jit\ndef action_mask(state, params, mask):\n    mask[0] = {}\n    mask[1] = {}\n"
DRAWING = """
SIZE = (100, 50)
KEYS = {{"left": {key}}}


def draw(state, params, canvas):
    canvas.fill((0, 0, 0))
    canvas.rect(1, 1, 9, 9, ({red}, 0, 0))
    state.count = {count}
"""
ACTION_POINT = """

def action_point(state, params, action):
    return 100, 51
"""
RECIPES = """
from dataclasses import dataclass


@dataclass
class Config:
    seed: int = 0


RECIPES = {"ppo": Config}
"""
YARDSTICK = """
from rlkit.evaluation import Yardstick


class Silly:
    def act(self, obs, action_mask=None, deterministic=True):
        return [5] * len(obs)


YARDSTICK = Yardstick("a line", {"silly": lambda params: Silly()})
"""
LUCK = "    state.luck = uniform(state)\n    return"
COUNT_CALLS = [
    ("rules", "def plain", "CALLS = [0]\n\n\ndef plain"),
    ("rules", LUCK, "    CALLS[0] += 1\n    state.luck = CALLS[0] % 7\n    return"),
]
METRICS_FIRST = ("__init__", "Metrics\n    none\n\nYardstick", "Yardstick\n    none\n\nMetrics")

# name → (the check that must fail, words of its sentence, edits)
BROKEN = {
    "field": ("reset", "reset() leaves small as it was", [("rules", "    state.small = 0\n", "")]),
    "element": ("reset", "does not write all of obs", [("rules", "    obs[1] = state.luck\n", "")]),
    "mask_element": ("reset", "not write all of action_mask", [("rules", "", MASK.format("mask[0]", 1))]),
    "outside": ("spaces", "outside its space (standard)", [("__init__", "0.0, 10.0", "0.0, 2.0")]),
    "nan": ("spaces", "a reward is not finite", [("rules", "float(action)", "math.inf - math.inf")]),
    "no_mask": ("masks", "in a running episode no action is legal", [("rules", "", MASK.format(0, 0))]),
    "mask_value": ("masks", "values other than 0 and 1", [("rules", "", MASK.format(1, 2))]),
    "heading": ("docstring", "Observation, Action, Termination", [("__init__", "Reward\n", "Gain\n")]),
    "order": ("docstring", "it needs, in this order", [METRICS_FIRST]),
    "param": ("docstring", "does not mention 'goal'", [("__init__", "    goal.\n", "    none\n")]),
    "stream": (
        "seeds",
        "rules must not set rng",
        [("rules", "    state.small = 0\n", "    state.rng = 5\n")],
    ),
    "hidden": ("seeds", "the same seed gave another episode", COUNT_CALLS),
    "copies": ("copies", "a batch and single copies differ", COUNT_CALLS),
    "metrics": ("rules", "has no metrics()", [("__init__", "max_steps=12", "metrics=('x',)")]),
    "player": ("rules", "needs a field `player`", [("__init__", "max_steps=12", "num_players=2")]),
    "draws": ("drawing", "drawing changed", [("drawing", "", DRAWING.format(key=0, red=9, count=9))]),
    "blank": ("drawing", "only one colour", [("drawing", "", DRAWING.format(key=0, red=0, count=0))]),
    "key": (
        "drawing",
        "a key or click gives 2",
        [("drawing", "", DRAWING.format(key=2, red=9, count="state.count"))],
    ),
    "mark": (
        "drawing",
        "action_point of 0 is (100, 51), outside SIZE (100, 50)",
        [("drawing", "", DRAWING.format(key=0, red=9, count="state.count") + ACTION_POINT)],
    ),
    "recipe": ("recipes", "the recipe 'ppo' is not a Config(...)", [("train", "", RECIPES)]),
    "yardstick": ("yardstick", "silly gives actions [5 5 5 5], outside", [("yardstick", "", YARDSTICK)]),
}

FIND_BROKEN = """
import json, sys
from rlkit.checking import CHECKS
from rlkit.registry import environment_from_path
verdicts = {}
for folder, check in json.loads(sys.argv[1]):
    try:
        verdicts[folder] = "passed: " + CHECKS[check](environment_from_path(folder))
    except Exception as error:
        verdicts[folder] = str(error)
print(json.dumps(verdicts))
"""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Sentences of the checks on every broken environment, found in one process without the compiler."""
    root = tmp_path_factory.mktemp("broken")
    todo = []
    for name, (check, _, edits) in BROKEN.items():
        todo.append((str(write_environment(root / f"broken_{name}", *edits)), check))
    said = run_python(FIND_BROKEN, json.dumps(todo), NUMBA_DISABLE_JIT="1").stdout
    return {folder.rpartition("broken_")[2]: sentence for folder, sentence in json.loads(said).items()}


@pytest.mark.parametrize("name", BROKEN)
def test_the_checker_finds(name, verdicts):
    assert BROKEN[name][1] in verdicts[name]


def plain_python_says(environment):
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the words are compared)
        CHECKS["plain python"](environment)
    return str(caught.value)


def test_the_checker_finds_arithmetic_that_only_compiles(tmp_path):
    sum_of_bytes = ("rules", LUCK, "    state.luck = state.small + state.small\n    return")
    edits = (sum_of_bytes, ("rules", "small = 0", "small = 100"))
    said = plain_python_says(load_environment(tmp_path / "only_compiles", *edits))
    assert "the rules fail as plain Python: RuntimeWarning: overflow" in said


def test_the_checker_finds_other_bits_without_the_compiler(tmp_path):
    small_reals = ("rules", "small=np.int8", "small=np.float32")
    product = ("rules", LUCK, "    state.luck = state.small * 0.1 + 0.3\n    return")
    edits = (small_reals, product, ("rules", "small = 0", "small = 0.7"))
    said = plain_python_says(load_environment(tmp_path / "other_bits", *edits))
    assert "compiled and plain Python differ (read fields with int() or float()" in said
    assert "state.luck differs at step 1 of copy 0: 0.3" in said


def test_the_checker_finds_a_variable_without_a_value(tmp_path):
    unset = ("rules", LUCK, "    if action > 5:\n        luck = 1.0\n    state.luck = luck\n    return")
    said = plain_python_says(load_environment(tmp_path / "unset", unset))
    assert "the rules fail as plain Python: UnboundLocalError" in said


def test_rules_that_do_not_compile_end_the_check(tmp_path):
    mistake = ("rules", "int(state.count) + action", "state.cuont")
    verdicts = list(check_environment(load_environment(tmp_path / "does_not_compile", mistake)))
    assert [(verdict.name, verdict.ok) for verdict in verdicts] == [("rules", False)]
    assert "the state has no field 'cuont'; did you mean 'count'?" in verdicts[0].sentence
