"""Who may import whom, what an import pulls in, and which names are public."""

import ast
from pathlib import Path

import pytest
from tiny_environments import run_python

import rlkit

ROOT = Path(rlkit.__file__).parent.parent
HEAVY = ("torch", "pygame", "stable_baselines3", "tensorboard", "pettingzoo")


def imported_packages(file):
    """Return the top-level packages that a file imports anywhere, relative imports included."""
    own = file.relative_to(ROOT).parts[0]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(own if node.level else (node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            found |= {str(a.value).split(".")[0] for a in node.args if isinstance(a, ast.Constant)}
    return found


def files(package):
    return sorted((ROOT / package).rglob("*.py"))


def test_the_scan_sees_every_package():
    assert all(len(files(package)) > 1 for package in ("rlkit", "envs", "agents"))
    assert "rlkit" in imported_packages(ROOT / "envs/board/connect_four/rules.py")


@pytest.mark.parametrize(
    ("package", "forbidden"), [("rlkit", {"envs", "agents"}), ("envs", {"agents"}), ("agents", {"envs"})]
)
def test_layers(package, forbidden):
    on_top = {"rlkit": lambda file: "cli" in file.parts, "envs": lambda file: file.name == "train.py"}
    for file in files(package):
        if not on_top.get(package, lambda file: False)(file.relative_to(ROOT)):
            assert not imported_packages(file) & forbidden, file.relative_to(ROOT)


def test_rules_stand_on_the_engine_alone():
    for file in ROOT.glob("envs/*/*/rules.py"):
        allowed = {"math", "numpy", "rlkit", "envs", "pathlib"}  # pathlib: where the XML of a robot lies
        assert imported_packages(file) <= allowed, file.relative_to(ROOT)


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import rlkit", (*HEAVY, "numba", "gymnasium", "numpy")),
        ("import rlkit.cli", (*HEAVY, "numba", "gymnasium", "numpy")),
        ("import agents", (*HEAVY, "numba", "gymnasium")),
        ("import envs", HEAVY),
        ("import rlkit; rlkit.find_environment('connect_four').rules; rlkit.BatchEnv", HEAVY),
        ("import rlkit.checking", HEAVY),
    ],
)
def test_imports_are_light(code, forbidden):
    loaded = run_python(f"{code}\nimport sys; print(*sys.modules)").stdout.split()
    assert "rlkit" in loaded or "agents" in loaded
    assert not set(loaded) & set(forbidden)


def test_public_names_are_sorted_and_exist():
    assert list(rlkit.__all__) == sorted(set(rlkit.__all__))
    assert dir(rlkit) == list(rlkit.__all__)
    for name in rlkit.__all__:
        assert getattr(rlkit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        rlkit.nothing  # noqa: B018
