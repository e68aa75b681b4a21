"""Recordings: their frames, their faults, and Ctrl-C."""

import io
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image
from viewing_helpers import Chooser, read_gif, read_mp4, session_of

from rlkit.viewing import panel
from rlkit.viewing.canvas import Canvas
from rlkit.viewing.recorder import Recorder, RecordError, gif_bytes


def moving_square(count, height=48, width=64):
    frames = np.zeros((count, height, width, 3), np.uint8)
    for index, frame in enumerate(frames):
        frame[:] = (22, 25, 33)
        frame[10:20, 2 * index : 2 * index + 10] = (247, 200, 83)
    return frames


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63)])
def test_mp4_holds_every_frame_in_even_sizes(tmp_path, height, width):
    frames = moving_square(12, height, width)
    with Recorder(tmp_path / "a:b.mp4", fps=25) as recorder:
        for frame in frames:
            recorder.add(frame)
    facts, size, decoded = read_mp4(tmp_path / "a:b.mp4")
    assert size == (64, 48)
    assert "h264" in facts
    assert "yuv420p(tv, bt709" in facts
    assert " 25 fps" in facts
    assert len(decoded) == 12
    for frame, seen in zip(frames, decoded, strict=True):
        assert np.abs(frame - seen[:height, :width].astype(int)).mean() < 4
    content = (tmp_path / "a:b.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # plays before it is whole


def test_gif_holds_every_frame_exactly(tmp_path):
    frames = moving_square(12)
    with Recorder(tmp_path / "a.GIF", fps=30) as recorder:
        for frame in frames:
            recorder.add(frame)
    decoded, durations = read_gif(tmp_path / "a.GIF")
    assert (decoded == frames).all()
    assert sum(durations) == 400
    assert set(durations) == {30, 40}
    with Image.open(tmp_path / "a.GIF") as image:
        assert image.info["loop"] == 0


def test_gif_merges_pauses_and_keeps_time_beyond_fifty_frames_a_second():
    square = moving_square(4)
    frames, durations = read_gif(io.BytesIO(gif_bytes([square[0]] * 10 + [square[1]] + [square[2]] * 5, fps=10)))
    assert (frames == square[:3]).all()
    assert durations == [1000, 100, 500]
    frames, durations = read_gif(io.BytesIO(gif_bytes([square[k % 2] for k in range(100)], fps=100)))
    assert sum(durations) == 1000
    assert min(durations) >= 20
    assert (frames[-1] == square[1]).all()


def test_gif_of_a_photograph_is_close():
    rng = np.random.default_rng(0)
    photo = np.clip(np.cumsum(rng.normal(0, 3, (300, 300, 3)), axis=1) + 128, 0, 255).astype(np.uint8)
    frames, _ = read_gif(io.BytesIO(gif_bytes([photo])))
    assert np.abs(frames[0] - photo.astype(int)).mean() < 12


def test_gif_keeps_the_palette_of_a_drawing():
    session = session_of("connect_four", Chooser(range(1, 8)))
    canvas = Canvas(panel.window_size(session.environment))
    panel.draw_window(session, canvas)
    frame = canvas.to_array()
    frames, _ = read_gif(io.BytesIO(gif_bytes([frame])))
    assert (frames[0] == frame).all(axis=2).mean() > 0.98  # everything flat
    assert np.abs(frames[0] - frame.astype(int)).mean() < 0.1  # edges


def test_a_gif_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        gif_bytes([])


def test_png_keeps_the_last_frame(tmp_path):
    with Recorder(tmp_path / "a.png") as recorder:
        for frame in moving_square(3):
            recorder.add(frame)
    with Image.open(tmp_path / "a.png") as image:
        assert (np.asarray(image) == moving_square(3)[2]).all()


@pytest.mark.parametrize("name", ["a.avi", "a", "missing/a.mp4", "folder.gif", "file.txt/a.gif"])
def test_what_cannot_be_recorded_is_one_sentence(tmp_path, name):
    (tmp_path / "folder.gif").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(RecordError, match=r"^cannot record to '.*'.*[;:] [^\n]*$") as caught:
        Recorder(tmp_path / name)
    assert name in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"folder.gif", "file.txt"}


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.png"])
def test_a_recording_appears_whole_or_not_at_all(tmp_path, name):
    target = tmp_path / name
    target.write_bytes(b"older")
    Recorder(target).close()  # no frames
    assert target.read_bytes() == b"older"
    with Recorder(target) as recorder:
        for frame in moving_square(5):
            recorder.add(frame)
        assert target.read_bytes() == b"older"
    assert len(target.read_bytes()) > 100
    assert list(tmp_path.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o666 & ~_umask()
    recorder.close()
    with pytest.raises(RecordError, match="closed already"):
        recorder.add(moving_square(1)[0])


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_frames_of_another_shape_are_refused(tmp_path):
    with Recorder(tmp_path / "a.gif") as recorder:
        recorder.add(moving_square(1)[0])
        with pytest.raises(ValueError, match=r"must be \[48, 64, 3\], not \[50, 64, 3\]"):
            recorder.add(moving_square(1, height=50)[0])
        with pytest.raises(ValueError, match="uint8"):
            recorder.add(moving_square(1)[0].astype(float))
    assert len(read_gif(tmp_path / "a.gif")[0]) == 1


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.png"])
def test_a_full_disk_is_one_sentence_and_leaves_the_older_file(tmp_path, name):
    target = tmp_path / name
    target.write_bytes(b"older")
    code = f"""
        import resource
        import numpy as np
        from rlkit.viewing.recorder import Recorder, RecordError
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            with Recorder({str(target)!r}) as recorder:
                for seed in range(60):
                    recorder.add(np.random.default_rng(seed).integers(0, 255, (120, 160, 3), np.uint8))
        except RecordError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)
    assert shown.stderr == ""
    assert shown.stdout.startswith(f"the recording {str(target)!r} failed: ")
    assert shown.stdout.count("\n") == 1
    assert target.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_ctrl_c_leaves_what_was_shown(tmp_path, name):
    code = f"""
        import itertools
        import numpy as np
        from rlkit.viewing.recorder import Recorder
        with Recorder({str(tmp_path / name)!r}, fps=50) as recorder:
            for seed in itertools.count():
                recorder.add(np.random.default_rng(seed).integers(0, 255, (240, 320, 3), np.uint8))
                if seed == 20:
                    print("ready", flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGINT)  # as the terminal does: to the whole group
        assert b"KeyboardInterrupt" in process.stderr.read()
    frames = read_mp4(tmp_path / name)[2] if name == "a.mp4" else read_gif(tmp_path / name)[0]
    assert len(frames) >= 20
    assert [path.name for path in tmp_path.iterdir()] == [name]
