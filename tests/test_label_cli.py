"""`rlkit label`: what goes wrong is one sentence with the way out."""

import builtins
import signal
import socket
import sqlite3
import sys

import pytest
from label_helpers import Server, make_store

from rlkit.cli import main


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    make_store(folder, 1, length=4)
    return folder


def error_of(capsys, *args):
    """Return the sentence that `rlkit label` ends with."""
    assert main(["label", *map(str, args)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.startswith("rlkit: ")
    assert err.count("\n") == 1
    return err.removeprefix("rlkit: ").strip()


def test_a_run_that_is_none(tmp_path, capsys):
    assert error_of(capsys, tmp_path / "nowhere") == f"there is no run folder {tmp_path / 'nowhere'}"
    words = f"{tmp_path} has no labels.sqlite: a run has clips to label once rlkit train ENV --agent rlhf has begun it"
    assert error_of(capsys, tmp_path, "--web") == words
    assert "there is no run folder" in error_of(capsys, __file__)
    assert "the following arguments are required: RUN" in error_of(capsys)


@pytest.mark.parametrize("flags", [("--web",), ()])
def test_a_file_that_is_no_label_file(tmp_path, capsys, monkeypatch, flags):
    monkeypatch.setattr("rlkit.viewing.viewer.has_display", lambda: True)
    path = tmp_path / "labels.sqlite"
    for content, words in ((b"", "is not a label file of this rlkit"), (b"no SQLite" * 200, "file is not a database")):
        path.write_bytes(content)
        assert words in error_of(capsys, tmp_path, *flags)
    path.unlink()
    path.mkdir()
    assert "labels.sqlite" in error_of(capsys, tmp_path, *flags)


def test_clips_that_cannot_be_drawn(run, capsys):
    def change(key, value):
        connection = sqlite3.connect(run / "labels.sqlite")
        connection.execute("UPDATE about SET value = ? WHERE key = ?", (value, key))
        connection.commit()
        connection.close()

    change("environment", '"mine"')
    assert "add --env PATH, its folder" in error_of(capsys, run, "--web")
    change("environment", '"cartpole"')
    assert "the clips are of another cartpole" in error_of(capsys, run, "--web")


def test_flags_that_do_not_go(run, capsys):
    for flag, value in (("--host", "127.0.0.1"), ("--port", "0"), ("--token", "x" * 20)):
        assert error_of(capsys, run, flag, value) == f"{flag} goes with --web"
    assert "did you mean '--port'?" in error_of(capsys, run, "--prt", "1")
    assert "'x' is not a whole number" in error_of(capsys, run, "--web", "--port", "x")
    assert "a token has 16 to 128 letters" in error_of(capsys, run, "--web", "--token", "short")
    assert "a token has 16 to 128 letters" in error_of(capsys, run, "--web", "--token", "with a space, and long")
    for who in ("", "x" * 61, "a\nb"):
        assert "a name of 1 to 60 printable characters" in error_of(capsys, run, "--who", who)


def test_addresses_that_cannot_be_served(run, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = error_of(capsys, run, "--web", "--port", port)
        assert sentence.startswith(
            f"port {port} is taken, perhaps by another rlkit label: end that one, or add --port "
        )
    assert "there is no port 70000" in error_of(capsys, run, "--web", "--port", 70000)
    assert "there is no address 'no.such.host.invalid'" in error_of(
        capsys, run, "--web", "--host", "no.such.host.invalid"
    )
    assert "cannot listen at 192.0.2.1 port 0" in error_of(capsys, run, "--web", "--host", "192.0.2.1", "--port", 0)


def test_an_extra_that_is_missing(run, capsys, monkeypatch):
    for name in [*sys.modules]:
        if name.split(".")[0] in ("starlette", "uvicorn") or name.startswith("agents.rlhf.page"):
            monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def missing(name, *rest):
        if name.split(".")[0] in ("starlette", "uvicorn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setattr("importlib.import_module", _without("starlette", "uvicorn"))
    monkeypatch.setattr(builtins, "__import__", missing)
    sentence = error_of(capsys, run, "--web")
    assert sentence.endswith("pip install 'rlkit-suite[label]', or in a checkout pip install -e '.[label]'")


def _without(*packages):
    import importlib

    real = importlib.import_module

    def import_module(name, package=None):
        if name.split(".")[0] in packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, package)

    return import_module


def test_a_window_without_a_display(run, capsys, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert "add --web to label in a browser instead" in error_of(capsys, run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_is_clean(run, number):
    with Server(run, "--who", "Anna Lena") as server:
        code, said = server.end(number)
    assert "Traceback" not in said
    if number == signal.SIGINT:
        assert (code, said.strip()) == (0, f"ended; 0 answers are kept in {run / 'labels.sqlite'}")


def test_help_names_the_flags(capsys):
    assert main(["label", "--help"]) == 0
    help_text = capsys.readouterr().out
    for flag in ("--web", "--host", "--port", "--token", "--who", "--env"):
        assert flag in help_text
