"""What the tests of `rlkit bench` share: its figures, its one sentence of error, and a stand-in for a peer's Python."""

import json

from rlkit.cli import main


def rows_of(args, capsys):
    """Run the command with --json and return its rows by `what`."""
    assert main([*args, "--json"]) == 0
    return {row["what"]: row for row in json.loads(capsys.readouterr().out)}


def sentence(args, capsys):
    """Run a command that must fail, and return the one sentence it says."""
    assert main(args) == 2
    said = capsys.readouterr().err
    assert said.startswith("rlkit: ")
    assert said.count("\n") == 1
    return said


def stand_in(folder, lines):
    """Write a stand-in for the peer's Python, which runs `lines` of shell; return its path."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return str(path)
