"""Binding: what recompiles and what does not, two processes at once, and how wrong rules are explained."""

import json
import os
import re
import stat
import time
from dataclasses import replace
from pathlib import Path

import bound_step
import numpy as np
import pytest
from tiny_environments import RULES, load_environment, run_python, start_python

from rlkit import find_environment
from rlkit.engine import interface, jit, kernels, rng
from rlkit.engine.batch import BatchEnv
from rlkit.engine.bind import CacheError, RulesError, bind, compiling

# --- the key: what is compiled decides it -------------------------------------------------------------------

KEYED = {
    "__init__": "",
    "loop": """
from rlkit.engine.interface import step
from rlkit.engine.jit import jit


@jit
def run(x):
    return step(x, 0, 1)[0]
""",
    "rules": """
from rlkit.engine.jit import jit
from keyed import more
from keyed.constants import TABLE, RATE
from keyed.helper import gain

@jit
def reset(state, params): pass

@jit
def observe(state, params, obs): pass

@jit
def step(state, params, action):
    return gain(state) + more.deep.bonus(action) + RATE + TABLE[1], False
""",
    "helper": """
from rlkit.engine.jit import jit
LARGE = 1000
@jit
def gain(x, factor=LARGE):
    return x * factor
""",
    "more": "from keyed import deep\n",
    "deep": """
from rlkit.engine.jit import jit
@jit
def bonus(action):
    return action * 10
""",
    "constants": "import numpy as np\nRATE = 5\nTABLE = np.array([0, 200])\n",
}

RUN_KEYED = """
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True  # edits come faster than the seconds by which Python tells old byte code
from keyed import loop, rules
from rlkit.engine.bind import bind, compiling
bound = bind(loop, rules)
with compiling(bound, "keyed"):
    print(bound.run(1), bound.__name__)
"""

# Edits one after the other, in one process: each line is the result and the key.
RUN_EDITS = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
for file, old, new in json.loads(sys.argv[2]):
    path = Path(sys.argv[1], "keyed", file + ".py")
    source = path.read_text()
    path.write_text(source.replace(old, new))
    for name in [name for name in sys.modules if name.startswith("keyed")]:
        del sys.modules[name]
    from keyed import loop, rules
    from rlkit.engine.bind import bind
    bound = bind(loop, rules)
    print(bound.run(1), bound.__name__)
    path.write_text(source)
"""


def write_keyed(folder):
    (folder / "keyed").mkdir()
    for name, source in KEYED.items():
        (folder / "keyed" / f"{name}.py").write_text(source)


def run_keyed(folder, code=RUN_KEYED, **variables):
    """Return (result, key, standard error) of a fresh process."""
    done = run_python(code, folder, RLKIT_CACHE=str(folder / "cache"), **variables)
    result, name = done.stdout.split()
    return int(result), name, done.stderr


def test_the_next_process_notices_an_edit_and_else_compiles_nothing(tmp_path):
    write_keyed(tmp_path)
    others = tmp_path / "others"  # where Numba users keep other code; ours stays in its own folder
    result, name, said = run_keyed(tmp_path, NUMBA_CACHE_DIR=str(others))
    assert result == 1215
    assert "rlkit: compiling keyed" in said
    assert run_keyed(tmp_path) == (1215, name, "")
    assert not others.exists()
    helper = tmp_path / "keyed" / "helper.py"
    helper.write_text(KEYED["helper"].replace("x * factor", "x * factor * 2"))
    result, other, said = run_keyed(tmp_path)
    assert (result, other != name) == (2215, True)
    assert "rlkit: compiling keyed" in said


def test_an_edit_anywhere_below_the_rules_changes_the_key(tmp_path):
    write_keyed(tmp_path)
    edits = {
        ("loop", "x, 0, 1", "x, 0, 1"): 1215,
        ("rules", "+ RATE", "- RATE"): 1205,
        ("deep", "action * 10", "action * 20"): 1225,  # a helper reached as module.module.name
        ("constants", "RATE = 5", "RATE = 6"): 1216,  # a constant in another file
        ("constants", "200", "300"): 1315,  # in an array
        ("constants", "[0, 200]", "[0., 200]"): 1215,  # only its type
        ("helper", "LARGE = 1000", "LARGE = 2000"): 2215,  # a default argument
        ("loop", "[0]", "[0] + 1"): 1216,  # the bound module itself
    }
    done = run_python(RUN_EDITS, tmp_path, json.dumps(list(edits)), RLKIT_CACHE=str(tmp_path / "cache"))
    results, names = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert [float(result) for result in results] == list(edits.values())
    assert len(set(names)) == len(edits)
    comment = [("helper", "@jit", "# a comment\n@jit")]
    done = run_python(RUN_EDITS, tmp_path, json.dumps(comment), RLKIT_CACHE=str(tmp_path / "cache"))
    assert done.stdout.split() == ["1215", names[0]]


def test_rules_edited_after_their_import_do_not_poison_the_cache(tmp_path):
    write_keyed(tmp_path)
    edit = """
from pathlib import Path
helper = Path(sys.argv[1], "keyed", "helper.py")
helper.write_text(helper.read_text().replace("1000", "3000"))
from rlkit"""
    assert run_keyed(tmp_path, RUN_KEYED.replace("from rlkit", edit, 1))[0] == 1215
    assert run_keyed(tmp_path)[0] == 3215


def key(module, rules):
    return bind(module, rules).__name__


def test_the_key_covers_the_engine(monkeypatch):
    rules = find_environment("cartpole").rules
    before = key(kernels, rules)
    assert key(kernels, rules) == before
    for module, name, value in [
        (rng, "mix64", jit.jit(lambda bits: bits)),  # a function the rules' helpers call
        (rng, "_GAMMA", 3),  # a constant of the engine
        (jit, "_FLAGS", {**jit._FLAGS, "fastmath": True}),  # how we compile
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            assert key(kernels, rules) != before, name
    assert key(kernels, rules) == before
    assert key(kernels, find_environment("pendulum").rules) != before


# --- the bound module ---------------------------------------------------------------------------------------


def test_a_bound_module_is_an_ordinary_file_with_the_same_lines():
    bound = bind(kernels, find_environment("connect_four").rules)
    copy = Path(bound.__file__).read_text().splitlines()
    original = Path(kernels.__file__).read_text().splitlines()
    assert len(copy) == len(original)
    changed = [line for line, other in zip(copy, original, strict=True) if line != other]
    assert len(changed) == 2
    assert "from envs.board.connect_four.rules import action_mask" in changed[0]
    assert "import player_field as player" in changed[0]
    assert "jit_cached as jit" in changed[1]


def test_a_module_without_rules_is_only_cached():
    bound = bind(rng)
    assert bound.__name__.startswith("rlkit_bound_rng_plain_")
    assert int(bound.mix64(-5)) % 2**64 == rng.mix64.py_func(-5)


def test_rules_without_a_required_function_are_refused(tmp_path):
    environment = load_environment(tmp_path / "bind_no_observe", ("rules", "def observe", "def look"))
    with pytest.raises(RulesError, match=r"rules\.py: rules must define observe\(\)"):
        BatchEnv(environment, 1)


def test_unbound_names_say_what_to_do():
    for name in interface.REQUIRED:
        with pytest.raises(NotImplementedError, match=r"use rlkit\.engine\.bind\.bind"):
            getattr(interface, name)(*[None] * (3 if name != "reset" else 2))


# --- the folder ---------------------------------------------------------------------------------------------


def test_two_processes_at_once_on_an_empty_cache(tmp_path):
    write_keyed(tmp_path)
    cache = tmp_path / "made" / "here"
    both = [start_python(RUN_KEYED, tmp_path, RLKIT_CACHE=str(cache)) for _ in range(2)]
    ends = [(*process.communicate(), process.returncode) for process in both]
    assert [(out.split()[0], code) for out, _, code in ends] == [("1215", 0), ("1215", 0)], ends
    third = run_python(RUN_KEYED, tmp_path, RLKIT_CACHE=str(cache))
    assert (third.stdout, third.stderr) == (ends[0][0], "")
    made = [cache, *cache.iterdir()]
    assert len(made) == 2  # one folder, and no temporary one left over
    assert [stat.S_IMODE(entry.stat().st_mode) for entry in made] == [0o700, 0o700]


def test_an_environment_compiled_before_starts_silently():
    make = "import rlkit; env = rlkit.make('tic_tac_toe'); print(env.reset(seed=1)[0].shape)"
    run_python(make)
    again = run_python(make)
    assert (again.stdout, again.stderr) == ("(2, 3, 3)\n", "")


def test_compiled_code_of_others_is_refused(tmp_path, monkeypatch):
    def use(folder):
        monkeypatch.setenv("RLKIT_CACHE", str(folder))
        return jit.cache_folder()

    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert stat.S_IMODE(use(open_to_all).stat().st_mode) == 0o700  # empty: simply closed
    (open_to_all / "planted").mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(CacheError, match=r"others may write to the cache folder .*/open; set RLKIT_CACHE"):
        use(open_to_all)
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match=r"cannot use the cache folder .*set RLKIT_CACHE to a folder you own"):
        use(tmp_path / "file")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(CacheError, match="belongs to another user"):
        use(tmp_path / "mine")


def test_only_our_own_unused_folders_are_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("RLKIT_CACHE", str(tmp_path))
    old, unrelated, young = (tmp_path / n for n in ("loop-x-0123456789abcdef", "thesis", "loop-y-0123456789abcdef"))
    for folder in (old, unrelated, young):
        folder.mkdir()
        (folder / "file").touch()
    long_ago = time.time() - 100 * 86400
    for folder in (old, unrelated):
        os.utime(folder, (long_ago, long_ago))
    bound = bind(interface)
    assert Path(bound.__file__).parent.parent == tmp_path
    assert (old.exists(), unrelated.exists(), young.exists()) == (False, True, True)


def test_a_full_disk_is_one_sentence():
    words = r"cannot write compiled code \(No space left on device\); set RLKIT_CACHE"
    with pytest.raises(CacheError, match=words), compiling(bind(rng), "x"):
        raise OSError(28, "No space left on device")


# --- mistakes in rules --------------------------------------------------------------------------------------

# (what is written in step, the line below `def step` that is blamed, the words of the sentence)
MISTAKES = {
    "write_field": ("state.cuont = 1", "the state has no field 'cuont'; did you mean 'count'?"),
    "read_field": (
        "x = int(state.nothing)",
        "the state has no field 'nothing' (there are: count, luck, small",
    ),
    "param": ("x = float(params.gaol)", "the params record has no field 'gaol'; did you mean 'goal'?"),
    "types": ("x = 'a' + action", "`+` cannot be compiled for (str a, int64)"),
    "index": ("x = action[0]", "`x[…]` cannot be compiled for (int64, int 0)"),
    "not_jit": ("x = plain(action)", "plain() is not compiled: decorate it with @jit"),
    "undefined": ("x = undefind(action)", "name 'undefind' is not defined"),
    "attribute": ("x = math.sqroot(2.0)", "module 'math' has no attribute 'sqroot'"),
    "numpy": (
        "x = np.einsum('i,i->', state.board, state.board)",
        "unsupported NumPy function 'numpy.einsum'",
    ),
    "method": ("x = state.board.foo()", "there is no 'foo' in compiled code on nestedarray(int8, (3,))"),
    "arguments": (
        "x = helper(state, 3)",
        "helper(state) is called with other arguments: too many positional",
    ),
    "branches": (
        "x = 1\n    if action:\n        x = 'a'\n    state.count = x",
        "the variable 'x' is int 1 in one branch and str a in another",
    ),
    "import": ("import os", "an import inside a function cannot be compiled"),
    "global": ("global z; z = 1", "assigning to a global cannot be compiled"),
    "exception": (
        "try: x = 1\n    except ValueError as e: pass",
        "Exception object cannot be stored into variable (e)",
    ),
    "array": (
        "state.board = state.board + 1",
        "an array field is written with `state.board[:] = …`, not replaced",
    ),
    "tuple": ("state.board = (1, 2, 3)", "Tuple(int 1, int 2, int 3) does not fit where nestedarray(int8"),
}


def run_step(environment, what):
    bound = bind(bound_step, environment.rules)
    with compiling(bound, what):
        bound.run(np.zeros(1, environment.rules.STATE), environment.params(), 1)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_explained_with_its_file_and_line(name, tmp_path, capsys):
    line, words = MISTAKES[name]
    edit = ("rules", "    state.count = int(state.count) + action", f"    {line}")
    environment = load_environment(tmp_path / f"mistake_{name}", edit)
    lines = Path(environment.rules.__file__).read_text().splitlines()
    first = line.splitlines()[0]
    number = 1 + next(i for i, text in enumerate(lines) if text.strip() == first)
    with pytest.raises(RulesError) as caught:
        run_step(environment, name)
    said = str(caught.value)
    place = re.match(r"(.+?):(\d+): ", said)
    assert place
    assert place[1] == environment.rules.__file__
    assert number <= int(place[2]) <= number + line.count("\n")
    assert words in said
    assert "\n" not in said
    assert "NUMBA_DISABLE_JIT=1" in said
    assert f"rlkit: compiling {name}" in capsys.readouterr().err


SHAPES = {
    "one_value": (", int(state.count) >= int(params.goal)", "", "step() must return two values"),
    "signature": ("(state, params, action)", "(state, action)", "step(state, action) is called with other"),
    "kinds": (
        "    return ",
        "    if action > 5:\n        return 'a', 1\n    return ",
        "values of different types",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_step_of_another_shape_is_explained(name, tmp_path):
    old, new, words = SHAPES[name]
    start = RULES.index("def step")
    edit = ("rules", RULES[start:], RULES[start:].replace(old, new, 1))
    environment = load_environment(tmp_path / f"shape_{name}", edit)
    with pytest.raises(RulesError, match=rf"shape_{name}/rules\.py:\d+: .*{re.escape(words)}"):
        run_step(environment, "shape")


def test_a_mistake_in_a_helper_file_is_found_there(tmp_path):
    helper = "from rlkit.engine.jit import jit\n\n\n@jit\ndef look(state):\n    return state.missing\n"
    environment = load_environment(
        tmp_path / "far_mistake",
        ("rules", "def plain", "from far_mistake.far import look\n\n\ndef plain"),
        ("rules", "state.luck = uniform(state)\n    return", "state.luck = look(state)\n    return"),
        ("far", "", helper),
    )
    with pytest.raises(RulesError, match=r"far_mistake/far\.py:6: the state has no field 'missing'"):
        BatchEnv(environment, 1)


def test_a_wrong_call_of_the_engine_blames_the_caller(tmp_path):
    edit = ("rules", "state.luck = uniform(state)\n    return", "state.luck = uniform(params)\n    return")
    environment = load_environment(tmp_path / "engine_call", edit)
    with pytest.raises(RulesError, match=r"engine_call/rules\.py:\d+: the params record has no field 'rng'"):
        BatchEnv(environment, 1)


def test_other_errors_stay_what_they_are():
    environment = find_environment("cartpole")
    with pytest.raises(ValueError, match="must be a Box or a Dict of Boxes"):
        BatchEnv(replace(environment, observation_space=environment.action_space), 1)
