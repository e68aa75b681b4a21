"""What the command line prints and reads: the live line, tables, numbers, durations."""

import argparse
import io
import math
from pathlib import Path

import numpy as np
import pytest

from rlkit.cli import output, progress
from rlkit.cli.arguments import duration, positive, whole
from rlkit.cli.progress import Progress, line
from rlkit.evaluation import Estimate, Report


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _clock(seconds):
    return lambda: seconds[0]


def test_line():
    assert line(0, 1000, None, {}) == "  0% · 0 of 1k steps"
    text = line(250_000, 1_000_000, 12_500.0, {"return": 483.21, "value_kept": 0.5})
    assert text == " 25% · 250k of 1M steps · 12.5k steps/s · return 483.2 · value kept 0.5 · 1 min 00 s left"
    assert line(5, 4, 1.0, {}, bar=True).startswith("━" * 16 + " 100%")
    assert line(1, 2, None, {}, bar=True).startswith("━" * 8 + "╌" * 8 + "  50%")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (949, "949"), (999.7, "1k"), (38_240, "38.2k"), (999_900, "1M"), (4_000_000, "4M")],
)
def test_count(number, text):
    assert progress.count(number) == text


def test_plain_lines_come_every_ten_seconds_and_at_the_end():
    stream, now = io.StringIO(), [0.0]
    with Progress(stream, clock=_clock(now)) as shown:
        for second in range(25):
            now[0] = float(second)
            shown.update(100 * second, 3000, {"return": second} if second % 10 == 0 else {})
    lines = stream.getvalue().splitlines()
    assert [text.split(" · ")[1] for text in lines] == [
        "0 of 3k steps", "1k of 3k steps", "2k of 3k steps", "2.4k of 3k steps",
    ]  # fmt: skip
    assert lines[1] == " 33% · 1k of 3k steps · 100 steps/s · return 10 · 20 s left"
    assert "return 20" in lines[3]  # the latest that was told


def test_the_speed_is_that_of_the_last_half_minute():
    stream, now = io.StringIO(), [0.0]
    with Progress(stream, clock=_clock(now)) as shown:
        for second, step in ((0, 0), (100, 100), (130, 3100), (140, 5100)):
            now[0] = float(second)
            shown.update(step, 10_000, {})
    assert "200 steps/s" in stream.getvalue().splitlines()[-1]  # of seconds 130 to 140


def test_a_terminal_has_one_live_line():
    stream, now = _Terminal(), [0.0]
    with Progress(stream, choose=lambda figures: {"score": figures["x"]}, clock=_clock(now)) as shown:
        for second in range(5):
            now[0] = 0.05 * second  # s; drawn only every 0.2 s
            shown.update(second, 4, {"x": second / 4, "y": 1.0})
    text = stream.getvalue()
    assert [share for share in ("0%", "25%", "50%", "75%", "100%") if f" {share} " in text] == ["0%", "100%"]
    assert "score 1" in text
    assert text.count("\n") == 1
    assert " y " not in text


def test_report_as_table_and_json():
    rows = {
        "agent": {"return": Estimate(10.0, 9.0, 11.0, 100), "value_kept": 0.825},
        "random": {"return": Estimate(1.0, 0.5, 1.5, 100)},
        "lqr": {"return": Estimate(11.0, 11.0, 11.0, 100), "value_kept": 1.0},
    }
    text = output.report_table(Report(rows, 0.9))
    assert text.splitlines() == [
        "        return        value kept",
        "agent   10 [9, 11]    82.5 %",
        "random  1 [0.5, 1.5]  –",
        "lqr     11 [11, 11]   100.0 %",
        "",
        "normalised score 0.900  (0 = random, 1 = lqr)",
    ]
    assert "normalised" not in output.report_table(Report(rows, math.nan))
    found = output.report_json(Report(rows, math.nan))
    assert found["score"] is None
    assert found["rows"]["agent"]["return"] == {"mean": 10.0, "low": 9.0, "high": 11.0, "count": 100}


def test_plain_makes_json_of_numpy():
    assert output.plain({1: np.arange(2), "x": (np.float64(0.5), math.inf)}) == {
        "1": [0, 1],
        "x": [0.5, None],
    }


def test_paths_are_shown_as_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert output.shown_path(tmp_path / "runs" / "a b") == "'runs/a b'"
    assert output.shown_path("/") == "/"
    assert output.shown_path(Path("x")) == "x"


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (7500, "2 h 05 min")])
def test_seconds(seconds, text):
    assert output.seconds_text(seconds) == text


@pytest.mark.parametrize(("text", "seconds"), [("5", 300), ("90s", 90), ("1.5m", 90), ("2h", 7200), (".5s", 0.5)])
def test_duration(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "5d", "1e3", "m", "nan"])
def test_no_duration(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a duration"):
        duration(text)


def test_whole_numbers():
    assert [whole(text) for text in ("0", "1e6", "1_000", "9007199254740993")] == [0, 10**6, 1000, 2**53 + 1]
    for text in ("-1", "0.5", "x", "nan", "inf", "1e30", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number"):
            whole(text)
    with pytest.raises(argparse.ArgumentTypeError, match="too few"):
        positive("0")
