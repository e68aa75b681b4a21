"""What a training from choices between clips reports: its picture, its alarm, and the curves of rlkit watch."""

import dataclasses
import json
import sys
import types

import numpy as np
import pytest
from PIL import Image
from viewing_helpers import session_of, words_of

from agents import rlhf
from agents.rlhf import report
from agents.rlhf.clips import Clip
from agents.rlhf.labels import Label
from rlkit.cli import main
from rlkit.cli.output import shown_path
from rlkit.evaluation import normalized_score
from rlkit.registry import find_environment
from rlkit.run import Run
from rlkit.viewing.curves import standardised

TINY = {"num_envs": 16, "num_steps": 8, "minibatch_size": 64, "num_epochs": 1, "hidden_sizes": (8,)}
TINY |= {"picture_interval": 0, "clip_length": 4, "eval_episodes": 2, "reward_epochs": 2}


class Listener:
    """Stands for the progress display."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)

    def update(self, step, total_steps, figures):
        pass


def train(name, folder, **settings):
    """Train for a few rollouts; return (run, what was said)."""
    settings = TINY | {"total_steps": 2048, "labels": 16, "num_sessions": 4, "eval_interval": 512} | settings
    config = rlhf.Config(**settings)
    with Run.create(name, "rlhf", dataclasses.asdict(config), 0, root=folder) as run, run.training():
        run.progress = Listener()
        rlhf.train(find_environment(name), config, run)
    return run, run.progress.said


@pytest.fixture(scope="module")
def pendulum(tmp_path_factory):
    return train("pendulum", tmp_path_factory.mktemp("runs"))[0]


@pytest.fixture
def panels(monkeypatch):
    """The axes of every figure that is saved."""
    from matplotlib.figure import Figure

    seen = []
    save = Figure.savefig

    def note(figure, *args, **kwargs):
        seen.append(figure.axes)
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", note)
    return seen


def draw(run, path):
    environment = find_environment(run.environment_name)
    return report.draw(run, environment, rlhf.load(run, environment), rlhf.load_reward(run, environment), path)


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines}


# The picture ------------------------------------------------------------------------------------------------


def test_a_training_ends_with_a_picture_of_five_panels(pendulum, panels, tmp_path):
    with Image.open(pendulum.folder / report.PICTURE) as image:
        assert image.format == "PNG"
        assert min(image.size) > 600
    assert draw(pendulum, tmp_path / "again.png") == tmp_path / "again.png"
    (axes,) = panels
    assert len(axes) == 5
    for panel in axes:
        assert panel.get_title()
        assert panel.get_xlabel()
        assert panel.get_ylabel()
    assert {"true", "learned"} <= {*lines_of(axes[4])}
    assert "correlation" in axes[4].get_title()
    events = b"".join(path.read_bytes() for path in pendulum.folder.glob("events.out.*"))
    assert b"GIF89a" in events


def test_the_train_command_names_the_picture(tmp_path, capsys):
    settings = ["--total-steps", "256", "--num-envs", "16", "--num-steps", "8", "--labels", "4", "--clip-length", "4"]
    flags = [*settings, "--minibatch-size", "64", "--picture-interval", "0", "--runs", str(tmp_path)]
    assert main(["train", "pendulum", "--agent", "rlhf", *flags]) == 0
    (path,) = tmp_path.rglob(report.PICTURE)
    assert f"picture  {shown_path(path)}" in capsys.readouterr().out


def test_the_panels_show_the_figures_of_the_log(pendulum, panels, tmp_path):
    draw(pendulum, tmp_path / "again.png")
    returns, agreement, calibration, disagreement, _ = panels[0]
    rows = [json.loads(line) for line in (pendulum.folder / "metrics.jsonl").read_text().splitlines()]

    def figures(name):
        return [row[name] for row in rows if name in row]

    shown = lines_of(agreement)["held out from a fit"]
    np.testing.assert_allclose(shown.get_ydata(), 100 * np.array(figures("rlhf/held_out_accuracy")))
    assert shown.get_xdata()[-1] == 16
    np.testing.assert_allclose(disagreement.lines[0].get_ydata(), figures("rlhf/disagreement"))
    evaluated = [line for name, line in lines_of(returns).items() if name.startswith(("policy", "the same"))]
    assert sum(len(line.get_ydata()) for line in evaluated) == len(figures("eval/episode_return"))
    counts = [value for name, value in rows[-1].items() if name.endswith("/count")]
    if counts:
        assert len(calibration.collections[0].get_offsets()) == len(counts)


def test_the_yardstick_is_read_out_of_scores():
    rows = [
        {"eval/episode_return": value, "eval/score": normalized_score(value, -1200.0, -150.0)}
        for value in (-1100.0, -400.0, -900.0)
    ]
    np.testing.assert_allclose(report.anchors(rows), (-1200, -150))
    assert report.anchors(rows[:1]) is None  # one score does not tell
    assert report.anchors([{"eval/episode_return": 1.0}]) is None


def test_a_true_reward_that_is_always_the_same_is_left_out(panels, tmp_path):
    run, _ = train("cartpole", tmp_path)
    assert (run.folder / report.PICTURE).exists()
    (axes,) = panels
    assert {*lines_of(axes[4])} == {"learned"}
    assert "always 1" in axes[4].get_title()


@pytest.mark.parametrize("settings", [{"labels": 1, "num_sessions": 1}, {"labels": 2, "eval_interval": 0}])
def test_few_labels_are_enough_for_a_picture(settings, panels, tmp_path):
    run, said = train("pendulum", tmp_path, total_steps=512, **settings)
    assert (run.folder / report.PICTURE).exists()
    assert len(panels[0]) == 5
    assert not any("no picture" in text for text in said)


def test_choices_between_equals_alone_make_no_curve(panels, tmp_path):
    run, _ = train("cartpole", tmp_path, teacher="oracle", total_steps=512)  # whose rewards are all equal
    draw(run, tmp_path / "again.png")
    assert len(panels) == 2


def test_a_training_without_labels_has_no_picture(tmp_path):
    run, said = train("pendulum", tmp_path, total_steps=128)
    assert not (run.folder / report.PICTURE).exists()
    assert said == []


def test_without_matplotlib_training_says_so_and_ends_well(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    run, said = train("pendulum", tmp_path, total_steps=512)
    assert run.steps()[-1] >= 512
    assert not (run.folder / report.PICTURE).exists()
    (sentence,) = (text for text in said if "no picture" in text)
    assert "pip install 'rlkit-suite[plots]'" in sentence


# The alarm --------------------------------------------------------------------------------------------------


def clips_of(value, count=4):
    obs, rewards = np.full((5, 1), value, np.float32), np.zeros(5, np.float32)
    return [Clip(b"", obs, np.zeros(5, np.int64), rewards)] * count


def labels_of(share, count=40):
    """Labels of left, a share of which the model that asked had said."""
    return [Label(k, 0, 1, 1.0, 0.9 if k < share * count else 0.1) for k in range(count)]


@pytest.mark.parametrize(
    ("before", "now", "share", "alarm"),
    [(0.0, 1.0, 0.3, 1.0), (0.0, 1.0, 0.9, 0.0), (1.0, 0.0, 0.3, 0.0), (0.0, 1.0, 0.85, 0.0)],
)
def test_the_alarm_is_that_reward_rises_and_agreement_falls(before, now, share, alarm):
    clips = clips_of(before) + clips_of(now)  # from the oldest to the newest
    learner = types.SimpleNamespace(
        recorder=types.SimpleNamespace(newest=lambda count: clips),
        model=types.SimpleNamespace(rewards=lambda obs, actions: obs[:, 0]),
    )
    assert "rlhf/alarm" not in rlhf._agreement(learner, labels_of(0.9), [])  # there is nothing to compare with yet
    figures = rlhf._agreement(learner, labels_of(share), labels_of(0.9))
    assert figures == {"rlhf/agreement": pytest.approx(share), "rlhf/alarm": alarm}


def test_the_alarm_is_told_once_a_session():
    texts = []
    run = types.SimpleNamespace(progress=Listener(), log_text=lambda *text: texts.append(text))
    figures = {"rlhf/alarm": 1.0, "rlhf/agreement": 0.4, "rlhf/labels": 50.0}
    assert report.warn(run, 1000, {}, 1, -1) == -1
    assert report.warn(run, 1000, figures | {"rlhf/alarm": 0.0}, 1, -1) == -1
    assert not texts
    assert report.warn(run, 1000, figures, 1, -1) == 1
    assert report.warn(run, 2000, figures, 1, 1) == 1
    assert len(texts) == 1
    assert report.warn(run, 3000, figures, 2, 1) == 2
    assert [text[:2] for text in texts] == [(1000, "rlhf/alarm"), (3000, "rlhf/alarm")]
    assert run.progress.said == [text[2] for text in texts]
    assert "40%" in texts[0][2]
    run.progress = None  # nobody looks on
    assert report.warn(run, 4000, figures, 3, 2) == 3


# rlkit watch ------------------------------------------------------------------------------------------------


class Taught:
    """A policy that was taught to like positive torque."""

    def inspect(self, obs, action_mask=None):
        return {"value": float(obs[0])}

    def act(self, obs, action_mask=None, deterministic=True):
        return np.full((len(obs), 1), 1.5, np.float32)

    def learned_reward(self, obs, actions):
        return actions[:, 0] + obs[:, 0]


def test_the_panel_shows_the_learned_reward_beside_the_true_one():
    session = session_of("pendulum", Taught())
    assert not any(word.startswith("learned") for word in words_of(session))
    for _ in range(5):
        obs = session.moment.obs
        session.step()
        assert session.moment.learned_reward == pytest.approx(1.5 + obs[0])
    words = words_of(session)
    assert f"learned {session.moment.learned_reward:+.2f}" in words
    assert f"true {session.moment.reward:+.2f}".replace("-", "−") in words
    assert "value so far" in words
    while session.step():
        pass
    assert any(word.startswith("learned") for word in words_of(session))  # also at the end
    session.rewind()
    assert len(session.history) == 200


def test_other_policies_have_no_learned_reward():
    session = session_of("pendulum")
    session.step()
    assert session.moment.learned_reward is None
    assert not any(word.startswith(("learned", "rewards of")) for word in words_of(session))


def test_standardised_values():
    np.testing.assert_allclose(standardised([1.0, 3.0]), [-1, 1])
    assert not standardised([0.1] * 7).any()


@pytest.mark.parametrize("name", ["watched.gif", "watched.png"])
def test_watch_records_it(monkeypatch, tmp_path, pendulum, name):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    environment = find_environment("pendulum")
    policy = rlhf.load(pendulum, environment)
    session = session_of("pendulum", policy)
    session.step()
    learned = rlhf.load_reward(pendulum, environment).rewards(session.history[0].obs[None], session.moment.action[None])
    assert session.moment.learned_reward == pytest.approx(float(learned[0]))
    assert main(["watch", str(pendulum.folder), "--speed", "64", "--record", str(tmp_path / name)]) == 0
    assert (tmp_path / name).stat().st_size > 5000
