"""Environments by name and path."""

from pathlib import Path

import pytest
from tiny_environments import write_environment

from rlkit.registry import UnknownNameError, environment_from_path, find_environment


def test_environments_by_path_and_module(tmp_path, monkeypatch):
    folder = write_environment(tmp_path / "by_path", ("__init__", "test/Count-v0", "test/ByPath-v0"))
    assert environment_from_path(str(folder) + "/").id == "test/ByPath-v0"
    monkeypatch.chdir(tmp_path)
    assert environment_from_path("by_path").rules.STATE.names[0] == "count"
    assert environment_from_path("./by_path").name == "by_path"
    assert environment_from_path("envs.board.connect_four") is find_environment("connect_four")


def test_unknown_names_give_the_nearest():
    for name, words in [
        (
            "conect_four",
            r"there is no environment 'conect_four'; did you mean 'connect_four'\? \(there are: cartpole",
        ),
        ("zzz", r"there is no environment 'zzz' \(there are: cartpole, pendulum"),
        ("rlkit/Nothing-v0", "there is no environment 'rlkit/Nothing-v0'"),
    ]:
        with pytest.raises(UnknownNameError, match=words):
            find_environment(name)
    assert find_environment("envs:rlkit/CartPole-v0") is find_environment("cartpole")


def test_paths_that_are_no_environment(tmp_path):
    with pytest.raises(UnknownNameError, match="nowhere is neither an environment folder nor an importable module"):
        environment_from_path("nowhere")
    (tmp_path / "plain_package").mkdir()
    (tmp_path / "plain_package" / "__init__.py").touch()
    with pytest.raises(UnknownNameError, match=r"plain_package/__init__\.py declares no ENVIRONMENT = Environment"):
        environment_from_path(tmp_path / "plain_package")
    broken = write_environment(
        tmp_path / "needs_more", ("__init__", "import numpy", "import no_such_package\nimport numpy")
    )
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'"):
        environment_from_path(broken)


@pytest.mark.parametrize("name", ["./nowhere", "../nowhere", "no.where.at.all", "rlkit.nothing.here", "", "a b"])
def test_what_cannot_be_imported_is_one_sentence(name):
    with pytest.raises(UnknownNameError, match="is neither an environment folder nor an importable module"):
        environment_from_path(name)


def test_a_folder_made_since_the_last_look_is_found(tmp_path):
    for name in ("made_early", "made_late"):
        assert environment_from_path(write_environment(tmp_path / name)).name == name


def test_a_folder_with_another_modules_name_is_refused(tmp_path):
    for name in ("pytest", "json"):
        with pytest.raises(UnknownNameError, match=rf"{name} has the name of another module, .*; rename the folder"):
            environment_from_path(write_environment(tmp_path / name))
    with pytest.raises(UnknownNameError, match="'my-env' is not a name that Python can import; rename the folder"):
        environment_from_path(write_environment(tmp_path / "my-env"))


def test_a_folder_inside_a_package_is_part_of_it():
    folder = Path(find_environment("connect_four").rules.__file__).parent
    assert environment_from_path(folder) is find_environment("connect_four")
