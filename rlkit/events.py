"""TensorBoard's event files, written without torch and without TensorFlow.

An event file is a row of records (length, checksum, protocol buffer, checksum). They are appended whole, so a
killed training leaves at most one cut record at the end, which TensorBoard skips.
Import this module only where events are written: TensorBoard's own modules take a quarter of a second.
"""

import json
import re
import struct
import time
from io import FileIO
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

from rlkit.files import RunError, append, list_folder, open_append

_NAME = r"events\.out\.tfevents\.([0-9]{10})\.([0-9]{4})\.rlkit"


def open_events(folder: Path, purge_step: int | None = None) -> FileIO:
    """A new event file in `folder`, for `write`; with `purge_step`, events from that step on are hidden.

    TensorBoard reads files in the order of their names, so the name sorts after those already there even when
    the clock does not (two runs within a second, a clock set back).
    """
    earlier = [match.groups() for match in map(re.compile(_NAME).fullmatch, list_folder(folder)) if match]
    seconds = max([int(time.time()), *(int(second) for second, _ in earlier)])
    file = open_append(folder / f"events.out.tfevents.{seconds:010d}.{len(earlier):04d}.rlkit")
    try:
        _write_event(file, Event(file_version="brain.Event:2"))
        if purge_step is not None:
            _write_event(file, Event(step=purge_step, session_log=SessionLog(status=SessionLog.START)))
    except RunError:
        file.close()
        raise
    return file


def write(file: FileIO, step: int, values: list[Summary.Value]) -> None:
    """Appends one event that holds `values`.

    Raises:
        RunError: the disk is full.
    """
    _write_event(file, Event(step=step, summary=Summary(value=values)))


def _write_event(file: FileIO, event: Event) -> None:
    event.wall_time = time.time()
    data = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    append(file, length + checksums[0] + data + checksums[1])


def scalar(name: str, value: float) -> Summary.Value:
    return Summary.Value(tag=name, simple_value=value)


def text(name: str, markdown: str) -> Summary.Value:
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype=DT_STRING, string_val=[markdown.encode()], tensor_shape=shape)
    return Summary.Value(tag=name, metadata=_metadata("text"), tensor=tensor)


def gif(name: str, data: bytes) -> Summary.Value:
    """An animation in the IMAGES tab, which hands the bytes to the browser as they are.

    Raises:
        ValueError: `data` is not a GIF.
    """
    if data[:6] not in (b"GIF87a", b"GIF89a") or len(data) < 10:
        raise ValueError(f"the image {name!r} is not a GIF: it begins with {data[:6]!r}")
    width, height = struct.unpack("<HH", data[6:10])
    image = Summary.Image(encoded_image_string=data, width=width, height=height, colorspace=3)  # 3: RGB
    return Summary.Value(tag=name, image=image)


def hparams(values: dict[str, Any]) -> Summary.Value:
    """The run's row in the HPARAMS tab; nested settings get dotted names, lists their JSON text."""
    session = SessionStartInfo(start_time_secs=time.time())
    for name, value in _flat(values):
        if isinstance(value, bool):
            session.hparams[name].bool_value = value
        elif isinstance(value, int | float):
            session.hparams[name].number_value = value
        else:
            session.hparams[name].string_value = value if isinstance(value, str) else json.dumps(value)
    metadata = _metadata("hparams", HParamsPluginData(session_start_info=session).SerializeToString())
    empty = TensorProto(dtype=DT_FLOAT, tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=0)]))
    return Summary.Value(tag="_hparams_/session_start_info", metadata=metadata, tensor=empty)


def _metadata(plugin: str, content: bytes = b"") -> SummaryMetadata:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content))


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((prefix + name, value))
    return pairs
