"""Pictures to a file: .mp4 (H.264 through the encoder that imageio-ffmpeg brings), .gif or .png.

Frames stream to a temporary file beside the target, which takes the target's name when the recording is
closed. So a recording of any length needs little memory, and one that fails leaves an older file alone.
"""

import io
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import GifImagePlugin, Image, ImageChops

SUFFIXES = (".mp4", ".gif", ".png")


class RecordError(Exception):
    """A recording cannot be written; the message is one sentence for the user."""


class Recorder:
    """Writes the frames it is given to `path`; use it in a `with` block.

    Leaving the block by an error or Ctrl-C also closes the file, so what was shown until then stays playable.
    A recording without frames leaves no file. A .png keeps the last frame only.

    Args:
        path: where to write; the suffix chooses the format.
        fps: frames per second of playing time.

    Raises:
        RecordError: unknown suffix, or the folder is missing or not writable.
    """

    def __init__(self, path: str | os.PathLike, fps: float = 30.0):
        self.path = Path(path)
        suffix = self.path.suffix.lower()
        if suffix not in SUFFIXES:
            raise RecordError(f"cannot record to {str(path)!r}: the name must end in {', '.join(SUFFIXES)}")
        if self.path.is_dir():
            raise RecordError(f"cannot record to {str(path)!r}: a folder has that name")
        self._temporary = self.path.with_name(f".{self.path.stem}-{secrets.token_hex(4)}{suffix}")
        try:
            self._temporary.touch(exist_ok=False)
        except OSError as error:
            raise RecordError(f"cannot record to {str(path)!r}: {error.strerror}") from None
        self._encoder: Any = {".mp4": _Mp4, ".gif": _Gif, ".png": _Png}[suffix](self._temporary, fps)
        self._shape: tuple[int, ...] | None = None

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def add(self, frame: np.ndarray) -> None:
        """Add one frame, uint8 [H, W, 3], of the same shape as those before.

        Raises:
            ValueError: the frame has another shape or dtype.
            RecordError: the disk is full or the encoder failed; nothing is left behind.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame must be uint8 [H, W, 3], not {frame.dtype} {list(frame.shape)}")
        if self._shape is not None and frame.shape != self._shape:
            raise ValueError(f"all frames of a recording must be {list(self._shape)}, not {list(frame.shape)}")
        self._shape = frame.shape
        self._attempt(self._encoder.add, np.ascontiguousarray(frame))

    def close(self) -> None:
        """Finish the file and give it its name; closing twice is fine.

        Raises:
            RecordError: the disk is full or the encoder failed.
        """
        if self._encoder is None:
            return
        self._attempt(self._encoder.close)
        self._encoder = None
        if self._shape is None:
            self._temporary.unlink(missing_ok=True)
            return
        try:
            os.replace(self._temporary, self.path)
        except OSError as error:
            self._temporary.unlink(missing_ok=True)
            raise RecordError(f"cannot record to {str(self.path)!r}: {error.strerror}") from None

    def _attempt(self, method: Any, *arguments: Any) -> None:
        if self._encoder is None:
            raise RecordError(f"the recording {str(self.path)!r} is closed already")
        try:
            method(*arguments)
        except OSError as error:
            encoder, self._encoder = self._encoder, None
            encoder.abort()
            self._temporary.unlink(missing_ok=True)
            raise RecordError(f"the recording {str(self.path)!r} failed: {error.strerror or error}") from None


def gif_bytes(frames: Iterable[np.ndarray], fps: float = 20.0) -> bytes:
    """Return an endlessly looping GIF of `frames`, each uint8 [H, W, 3] of one shape.

    Raises:
        ValueError: there are no frames.
    """
    file = io.BytesIO()
    encoder = _Gif(file, fps)
    for frame in frames:
        encoder.add(np.ascontiguousarray(frame))
    if encoder.count == 0:
        raise ValueError("a GIF needs at least one frame")
    encoder.finish()
    return file.getvalue()


class _Png:
    def __init__(self, path: Path, fps: float):
        self.path = path
        self.frame: np.ndarray | None = None

    def add(self, frame: np.ndarray) -> None:
        self.frame = frame

    def close(self) -> None:
        if self.frame is not None:
            Image.fromarray(self.frame).save(self.path, "PNG")

    def abort(self) -> None:
        self.frame = None


class _Mp4:
    """Pipes raw frames to ffmpeg.

    `imageio_ffmpeg.write_frames` would do, but kills the encoder when Ctrl-C falls into a write, which leaves
    an unplayable file; here ffmpeg has its own session, out of reach of the terminal's Ctrl-C.
    """

    def __init__(self, path: Path, fps: float):
        self.path, self.fps = path, fps
        self.process: subprocess.Popen | None = None
        self.log: IO[bytes] | None = None

    def add(self, frame: np.ndarray) -> None:
        height, width = frame.shape[:2]
        if height % 2 or width % 2:  # H.264's yuv420p has one colour per 2×2 pixels
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self.process is None:
            self.process = self._start(*frame.shape[:2])
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(frame.data)
        except BrokenPipeError:
            raise OSError(self._complaint()) from None

    def close(self) -> None:
        if self.process is None:
            return
        assert self.process.stdin is not None and self.log is not None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            raise OSError(self._complaint()) from None
        if self.process.wait() != 0:
            raise OSError(self._complaint())
        self.log.close()

    def abort(self) -> None:
        if self.process is None:
            return
        assert self.process.stdin is not None and self.log is not None
        self.process.kill()
        self.process.wait()
        try:
            self.process.stdin.close()
        except OSError:
            pass  # what was still buffered has nowhere to go
        self.log.close()

    def _start(self, height: int, width: int) -> subprocess.Popen:
        import imageio_ffmpeg

        self.log = tempfile.TemporaryFile()  # a file, because nobody reads a pipe while frames flow
        source = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {self.fps:.6g} -i -".split()
        target = "-an -c:v libx264 -preset veryfast -crf 16 -pix_fmt yuv420p -movflags +faststart -f mp4".split()
        name = f"file:{self.path}"  # the prefix keeps a colon in the name from meaning a protocol
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *source, *target, name]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self.log, start_new_session=True)

    def _complaint(self) -> str:
        assert self.process is not None and self.log is not None
        code = self.process.wait()
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"the video encoder ended with code {code}"


class _Gif:
    """Streams a GIF: each frame is written as its changed rectangle, once it is known how long it is shown."""

    def __init__(self, target: Path | IO[bytes], fps: float):
        self.file: IO[bytes] = open(target, "wb") if isinstance(target, Path) else target  # noqa: SIM115
        self.fps = fps
        self.count = 0  # frames given so far
        self.shown: Image.Image | None = None  # the picture a player has after everything written
        self.waiting: Image.Image | None = None  # the next picture; how long it is shown is not known yet
        self.since = 0  # when it begins, in GIF's unit of 1/100 s

    def add(self, frame: np.ndarray) -> None:
        now = round(100 * self.count / self.fps)
        self.count += 1
        image = Image.fromarray(frame)
        if self.waiting is None:
            self.waiting = image
        elif ImageChops.difference(image, self.waiting).getbbox():
            if now - self.since >= 2:  # browsers slow shorter frames down to 10 a second: such a frame is dropped
                self._write(now)
            self.waiting = image

    def finish(self) -> None:
        """Write the last frame and GIF's trailer."""
        if self.waiting is not None:
            self._write(max(round(100 * self.count / self.fps), self.since + 2))
            self.file.write(b";")
        self.file.flush()

    def close(self) -> None:
        self.finish()
        self.file.close()

    def abort(self) -> None:
        try:
            self.file.close()
        except OSError:
            pass  # what was still buffered has nowhere to go

    def _write(self, until: int) -> None:
        image, corner = self.waiting, (0, 0)
        assert image is not None
        blocks: list[bytes] = []
        if self.file.tell() == 0:
            blocks, _ = GifImagePlugin.getheader(_to_palette(image), info={"loop": 0})
        if self.shown is not None:
            # Where a dropped frame lay between two equal pictures, one pixel carries the duration.
            left, top, right, bottom = ImageChops.difference(image, self.shown).getbbox() or (0, 0, 1, 1)
            image, corner = image.crop((left, top, right, bottom)), (left, top)
        duration = 10 * min(until - self.since, 65535)  # ms; GIF holds no longer stand-still
        blocks += GifImagePlugin.getdata(_to_palette(image), corner, duration=duration, include_color_table=True)
        self.file.write(b"".join(blocks))  # in one call: Ctrl-C must not leave half a block
        self.shown, self.since = self.waiting, until


def _to_palette(image: Image.Image) -> Image.Image:
    """Return the image in at most 256 colours: the commonest exactly, the rest (edges) as the nearest of them."""
    counts = image.getcolors(1 << 16)  # the bound sizes a table: generous is slow
    if counts is None:  # a photograph, not a drawing
        return image.quantize(256, dither=Image.Dither.NONE)
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for _, color in sorted(counts, reverse=True)[:256] for channel in color])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)
