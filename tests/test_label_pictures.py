"""Pictures of clips: what is drawn is what was lived through."""

import dataclasses
import io

import numpy as np
import pytest
from label_helpers import record_clips
from viewing_helpers import read_gif

from agents.rlhf import pictures as module
from agents.rlhf.labels import LabelError
from agents.rlhf.pictures import HOLD_SECONDS, Pictures
from rlkit.registry import find_environment
from rlkit.viewing.canvas import RED


def observations(pictures, clip):
    """Return what the copy observes as it lives through a clip, at all frames that could be drawn."""
    seen = []
    draw = pictures._draw
    pictures._draw = lambda *rest: seen.append(np.array(pictures._env._obs[0]).ravel()) or draw(*rest)
    pictures.film(clip)
    return np.array(seen)


@pytest.mark.parametrize(
    ("name", "options"),
    [("pendulum", {}), ("cartpole", {}), ("planar_walker", {}), ("arm_reach", {}), ("quadrotor_2d", {"obs_delay": 2})],
)
def test_a_clip_is_lived_through_again_exactly(name, options, monkeypatch):
    if name in ("planar_walker", "arm_reach"):
        pytest.importorskip("mujoco")
    monkeypatch.setattr(module, "MAX_RATE", 1e9)  # every step is drawn
    about, clips = record_clips(name, 6, length=20, params=options)
    pictures = Pictures(about, width=64)
    assert any(clip.length == 20 for clip in clips) or name == "cartpole"
    for clip in clips:
        seen = observations(pictures, clip)
        assert len(seen) == clip.length + 1
        np.testing.assert_array_equal(seen[:-1].astype(np.float32), clip.obs)
    assert pictures.film(clips[0]).is_end == (clips[0].length < 20)  # after others: nothing stays behind


def test_the_animation_runs_at_normal_speed_and_holds_its_end():
    about, clips = record_clips("pendulum", 2, length=12)
    pictures = Pictures(about, width=200)
    frames, durations = read_gif(io.BytesIO(pictures.animation(1, clips[0])))
    assert frames.shape[1:] == (200, 200, 3)
    assert (pictures.size, len(frames)) == ((200, 200), 13)
    assert durations[:-1] == [50] * 12
    assert durations[-1] == 50 + 1000 * HOLD_SECONDS
    progress = (frames[:, -2] > 100).all(axis=2).sum(axis=1)  # the bright part of the line below
    assert progress[-1] == 200
    assert (np.diff(progress) > 0).all()


def test_fast_and_long_clips_have_fewer_frames():
    about, clips = record_clips("pendulum", 2, length=200)
    film = Pictures(about, width=32).film(clips[0])
    assert len(film.frames) == 101
    assert film.rate == pytest.approx(10)
    about, clips = record_clips("cartpole", 20, length=50)
    film = Pictures(about, width=32).film(max(clips, key=lambda clip: clip.length))
    assert film.rate == pytest.approx(25)  # of 50 steps a second


def test_an_end_is_marked():
    about, clips = record_clips("cartpole", 30, length=10)
    pictures = Pictures(about, width=128)
    for clip in clips:
        film = pictures.film(clip)
        assert film.is_end or clip.length == 10
        assert (film.frames[-1][0, -1] == RED).all() == film.is_end
        assert not (film.frames[0][0, -1] == RED).all()


def test_actions_beyond_the_bounds_are_taken_as_the_bound():
    about, clips = record_clips("pendulum", 2, length=5)
    far = clips[0]._replace(actions=np.full((5, 1), 1e9, np.float32))
    bound = clips[0]._replace(actions=np.full((5, 1), 2.0, np.float32))
    pictures = Pictures(about, width=64)
    for one, other in zip(pictures.film(far).frames, pictures.film(bound).frames, strict=True):
        np.testing.assert_array_equal(one, other)
    pictures.film(clips[0]._replace(actions=np.full((5, 1), np.nan, np.float32)))


def test_the_cache_is_bounded(monkeypatch):
    about, clips = record_clips("pendulum", 6, length=4)
    pictures = Pictures(about, width=64)
    sizes = [len(pictures.animation(number, clip)) for number, clip in enumerate(clips)]
    assert [*pictures._kept] == [0, 1, 2, 3, 4, 5]
    monkeypatch.setattr(pictures, "_film", lambda clip: pytest.fail("it is kept"))
    pictures.animation(0, clips[0])
    monkeypatch.undo()
    monkeypatch.setattr(module, "CACHE_BYTES", 3 * max(sizes))
    pictures.animation(6, clips[5])
    assert sum(map(len, pictures._kept.values())) <= 3 * max(sizes)
    assert [*pictures._kept][-2:] == [0, 6]  # the oldest went first, and 0 was asked for last


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"environment": "no_such_thing"}, "not one of rlkit's: there is no environment 'no_such_thing'"),
        ({"environment": "./envs/classic/pendulum"}, "not one of rlkit's"),
        ({"environment": "connect_four"}, "the other player's moves are not in them"),
        ({"environment": "gymnasium:Acrobot-v1"}, "Gymnasium's environments have no states"),
        ({"level": "no_such_level"}, "pendulum cannot be as it was when the clips were made: .* no level"),
        ({"params": {"opponent": "/etc/passwd"}}, "made under 'opponent', which pendulum does not have"),
        ({"params": {"threads": 10**9}}, "made under 'threads'"),
        ({"params": {"gravity": "much"}}, "pendulum cannot be as it was"),
        ({"params": {"gravity": None}}, "pendulum cannot be as it was"),
        ({"state_size": 8}, "the clips are of another pendulum"),
        ({"action_shape": (2,)}, "the clips are of another pendulum"),
    ],
)
def test_clips_of_something_else_are_refused(change, words):
    about, _ = record_clips("pendulum", 1, length=4)
    with pytest.raises(LabelError, match=words):
        Pictures(dataclasses.replace(about, **change))


def test_an_environment_that_was_given_must_be_that_of_the_clips():
    about, _ = record_clips("pendulum", 1, length=4)
    assert Pictures(about, find_environment("pendulum")).environment.name == "pendulum"
    with pytest.raises(LabelError, match="the clips are of 'pendulum', not of 'cartpole'"):
        Pictures(about, find_environment("cartpole"))


def test_a_discrete_action_that_is_none_is_refused():
    about, clips = record_clips("cartpole", 4, length=10)
    with pytest.raises(LabelError, match="a clip of cartpole cannot be drawn"):
        Pictures(about, width=32).film(clips[0]._replace(actions=np.full(clips[0].length, 7)))
