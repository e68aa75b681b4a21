"""Pictures to a file: .mp4 (H.264 through the encoder that imageio-ffmpeg brings), .gif or .png.

Frames stream to a temporary file beside the target, which takes the target's name when the recording is
closed. So a recording of any length needs little memory, and one that fails leaves an older file alone.
"""

import functools
import io
import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from PIL import GifImagePlugin, Image, ImageChops


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
        self.path, self.fps = Path(path), fps
        suffix = self.path.suffix.lower()
        if suffix not in _ENCODERS:
            endings = ", ".join(_ENCODERS)
            raise RecordError(f"cannot record to {str(path)!r}: the name must end in one of {endings}")
        if self.path.is_dir():
            raise RecordError(f"cannot record to {str(path)!r}: a folder has that name; choose another")
        self._temporary = self.path.with_name(f".{self.path.stem}-{secrets.token_hex(4)}{suffix}")
        try:
            self._temporary.touch(exist_ok=False)
        except OSError as error:
            hint = "name a folder that exists and that you may write to"
            raise RecordError(f"cannot record to {str(path)!r} ({error.strerror}); {hint}") from None
        self._encoder: _Encoder | None = None
        self._shape: tuple[int, ...] = ()
        self._is_closed = False

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def add(self, frame: np.ndarray) -> None:
        """Add one frame, uint8 [H, W, 3], of the same shape as those before.

        Raises:
            ValueError: the frame has another shape or dtype.
            RecordError: the disk is full, the encoder failed (nothing is left behind), or the file is closed.
        """
        if self._is_closed:
            raise RecordError(f"the recording {str(self.path)!r} is closed already")
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame must be uint8 [H, W, 3], not {frame.dtype} {list(frame.shape)}")
        if self._encoder is None:
            self._shape = frame.shape
            with self._cleanly():
                self._encoder = _ENCODERS[self.path.suffix.lower()](self._temporary, self.fps, *frame.shape[:2])
        if frame.shape != self._shape:
            raise ValueError(f"all frames of a recording must be {list(self._shape)}, not {list(frame.shape)}")
        with self._cleanly():
            self._encoder.add(np.ascontiguousarray(frame))

    def close(self) -> None:
        """Finish the file and give it its name; closing twice is fine.

        Raises:
            RecordError: the disk is full or the encoder failed.
        """
        if self._is_closed:
            return
        with self._cleanly():
            if self._encoder is None:
                self._temporary.unlink(missing_ok=True)
            else:
                self._encoder.close()
                os.replace(self._temporary, self.path)
        self._is_closed = True

    @contextmanager
    def _cleanly(self) -> Iterator[None]:
        """Turn a failure of the file system into one sentence, and leave nothing behind."""
        try:
            yield
        except OSError as error:
            self._is_closed = True
            with suppress(OSError):
                if self._encoder is not None:
                    self._encoder.abort()
            with suppress(OSError):
                self._temporary.unlink(missing_ok=True)
            raise RecordError(f"the recording {str(self.path)!r} failed: {error.strerror or error}") from None


def gif_bytes(frames: Iterable[np.ndarray], fps: float = 20.0, hold: float = 0.0) -> bytes:
    """Return an endlessly looping GIF of `frames`, each uint8 [H, W, 3] of one shape.

    The last frame stays for `hold` more seconds.

    Raises:
        ValueError: there are no frames.
    """
    file = io.BytesIO()
    gif = _Gif(file, fps)
    for frame in frames:
        gif.add(np.ascontiguousarray(frame))
    if gif.count == 0:
        raise ValueError("a GIF needs at least one frame")
    gif.finish(hold)
    return file.getvalue()


class _Encoder(Protocol):
    def add(self, frame: np.ndarray) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class _Png:
    def __init__(self, path: Path, fps: float, height: int, width: int):
        self.path = path

    def add(self, frame: np.ndarray) -> None:
        self.frame = frame

    def close(self) -> None:
        Image.fromarray(self.frame).save(self.path, "PNG")

    def abort(self) -> None:
        pass


class _Mp4:
    """Pipes raw frames to ffmpeg.

    `imageio_ffmpeg.write_frames` would do, but kills the encoder when Ctrl-C falls into a write, which leaves
    an unplayable file; here ffmpeg has its own session, out of reach of the terminal's Ctrl-C, and drops a
    half-written last frame.
    """

    def __init__(self, path: Path, fps: float, height: int, width: int):
        import imageio_ffmpeg

        # H.264's yuv420p has one colour per 2×2 pixels: odd sides grow by a pixel.
        self.padding = ((0, height % 2), (0, width % 2), (0, 0))
        size = f"{width + width % 2}x{height + height % 2}"
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{fps:.6g}", "-i", "-"]
        target = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-pix_fmt", "yuv420p"]
        # Said aloud, because players guess the colours of untagged video by its size.
        target += ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709"]
        target += ["-color_primaries", "bt709", "-color_trc", "bt709"]
        # The prefix `file:` keeps a colon in the name from meaning a protocol.
        target += ["-movflags", "+faststart", "-f", "mp4", f"file:{path}"]
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *source, *target]
        # What ffmpeg says goes to a file, for nobody reads a pipe while frames flow.
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self.log,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )
        assert self.process.stdin is not None
        self.pipe = self.process.stdin

    def add(self, frame: np.ndarray) -> None:
        if any(more for _, more in self.padding):
            frame = np.pad(frame, self.padding, mode="edge")
        with self._complaining():
            self.pipe.write(frame.data)

    def close(self) -> None:
        with self._complaining():
            self.pipe.close()
            if self.process.wait() != 0:
                raise BrokenPipeError
        self.log.close()

    def abort(self) -> None:
        self.process.kill()
        self.process.wait()
        with suppress(OSError):  # what was still buffered has nowhere to go
            self.pipe.close()
        self.log.close()

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        """Say in ffmpeg's own words why it went away."""
        try:
            yield
        except BrokenPipeError:
            code = self.process.wait()
            self.log.seek(0)
            lines = self.log.read().decode(errors="replace").strip().splitlines()
            raise OSError(lines[-1] if lines else f"the video encoder ended with code {code}") from None


class _Gif:
    """Streams a GIF: each frame is written as its changed rectangle, once it is known how long it lasts."""

    def __init__(self, target: Path | IO[bytes], fps: float, height: int = 0, width: int = 0):
        self.file: IO[bytes] = open(target, "wb") if isinstance(target, Path) else target  # noqa: SIM115
        self.fps = fps
        self.count = 0  # frames given so far
        self.shown: Image.Image | None = None  # the picture a player has after everything written
        self.waiting: Image.Image | None = None  # the next picture; how long it lasts is not known yet
        self.since = 0  # when it begins, in GIF's unit of 1/100 s

    def add(self, frame: np.ndarray) -> None:
        now = round(100 * self.count / self.fps)
        self.count += 1
        image = Image.fromarray(frame)
        if self.waiting is None:
            self.waiting = image
        elif ImageChops.difference(image, self.waiting).getbbox():
            if now - self.since >= 2:  # browsers slow shorter frames to 10 a second: such a frame is dropped
                self._write(now)
            self.waiting = image

    def finish(self, hold: float = 0.0) -> None:
        """Write the last frame, which stays for `hold` more seconds, and GIF's trailer."""
        self._write(max(round(100 * (self.count / self.fps + hold)), self.since + 2))
        self.file.write(b";")
        self.file.flush()

    def close(self) -> None:
        self.finish()
        self.file.close()

    def abort(self) -> None:
        self.file.close()

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
    """Return the image in at most 256 colours: of a drawing the commonest exactly, edges as the nearest."""
    counts = image.getcolors(_DRAWING_COLORS)
    if counts is None:  # a photograph
        return image.quantize(256, dither=Image.Dither.NONE)
    # Pillow's own `quantize(palette=…)` is a little off even for colours in the palette, which would flicker.
    colors = np.array([color for _, color in sorted(counts, reverse=True)])  # [C, 3], the commonest first
    palette, rest = colors[:256], colors[256:]
    nearest = ((rest[:, None] - palette) ** 2).sum(axis=2).argmin(axis=1) if len(rest) else []
    table = _color_table()
    table[colors @ _PACK] = [*range(len(palette)), *nearest]
    pixels = np.asarray(image).astype(np.int32)
    indexed = Image.fromarray(table[pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]])
    indexed.putpalette(palette.astype(np.uint8).tobytes())  # makes a greyscale image a palette one
    return indexed


_DRAWING_COLORS = 4096  # more, and a picture counts as a photograph
_PACK = np.array([1 << 16, 1 << 8, 1])


@functools.cache
def _color_table() -> np.ndarray:
    """Return scratch memory with an entry for every colour: a search would take ten times as long."""
    return np.zeros(1 << 24, np.uint8)


_ENCODERS: dict[str, Callable[[Path, float, int, int], _Encoder]] = {".mp4": _Mp4, ".gif": _Gif, ".png": _Png}
