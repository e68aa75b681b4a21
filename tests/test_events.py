"""TensorBoard's event files, read back by TensorBoard itself."""

import io
import os

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment

from rlkit.run import Run


def read(run: Run) -> EventAccumulator:
    accumulator = EventAccumulator(str(run.folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    return accumulator.Reload()


def scalars(run: Run, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(run).Scalars(name)]


@pytest.fixture
def run(tmp_path):
    config = {"learning_rate": 0.25, "sizes": [64, 64], "network": {"norm": True}, "target_kl": None}
    with Run.create("cartpole", "ppo", config, 7, root=tmp_path) as run:
        yield run


def test_scalars(run):
    run.log(1, {"loss/value": 0.5, "nan": np.nan}, timing={"speed": 1e300})
    run.log(2, {"loss/value": np.float64(0.25)})
    assert scalars(run, "loss/value") == [(1, 0.5), (2, 0.25)]
    assert np.isnan(scalars(run, "nan")[0][1])
    assert scalars(run, "speed") == [(1, np.inf)]  # beyond float32


def test_events_behind_the_checkpoint_are_purged(run):
    for step in range(1, 6):
        run.log(step, {"loss": step})
        if step == 3:
            run.save(3, {}, {})
    run.close()
    opened = Run.open(run.folder)
    opened.resume()
    assert scalars(opened, "loss") == [(1, 1), (2, 2), (3, 3)]
    opened.log(4, {"loss": 40})
    opened.close()
    assert scalars(opened, "loss") == [(1, 1), (2, 2), (3, 3), (4, 40)]
    assert "config" in read(opened).Tags()["tensors"]  # written before the checkpoint


def test_starting_over_purges_everything(run):
    run.log(0, {"loss": 1})
    run.log(5, {"loss": 2})
    run.close()
    opened = Run.open(run.folder)
    assert opened.resume() is None
    opened.log(5, {"loss": 3})
    opened.close()
    assert scalars(opened, "loss") == [(5, 3)]


def test_event_files_are_read_in_the_order_they_were_written(run):
    for _ in range(3):
        run.close()
        run = Run.open(run.folder)
        run.resume()
    future = "events.out.tfevents.9000000000.0004.rlkit"  # the clock was set back since
    (run.folder / future).touch()
    run.close()
    run = Run.open(run.folder)
    run.resume()
    run.close()
    names = sorted(name for name in os.listdir(run.folder) if "tfevents" in name)
    assert [name.split(".")[4] for name in names] == ["0000", "0001", "0002", "0003", "0004", "0005"]
    assert names[-1] == "events.out.tfevents.9000000000.0005.rlkit"


def test_a_record_cut_by_a_kill_is_skipped(run):
    run.log(1, {"loss": 1})
    run.save(1, {}, {})
    run.log(2, {"loss": 2})
    run.close()
    (path,) = run.folder.glob("events*")
    os.truncate(path, path.stat().st_size - 5)
    opened = Run.open(run.folder)
    opened.resume()
    opened.log(2, {"loss": 20})
    opened.close()
    assert scalars(opened, "loss") == [(1, 1), (2, 20)]


def test_a_gif_comes_back(run):
    frames = [Image.new("RGB", (40, 24), (60 * number, 20, 250)) for number in range(4)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=50, loop=0)
    run.log_gif(3, "rollout", buffer.getvalue())
    (event,) = read(run).Images("rollout")
    assert (event.step, event.width, event.height) == (3, 40, 24)
    with Image.open(io.BytesIO(event.encoded_image_string)) as image:
        assert (image.format, image.n_frames, image.size) == ("GIF", 4, (40, 24))
        for number in range(4):
            image.seek(number)
            assert image.convert("RGB").getpixel((20, 12)) == (60 * number, 20, 250)
    with pytest.raises(ValueError, match="'rollout' is not a GIF"):
        run.log_gif(3, "rollout", b"\x89PNG\r\n\x1a\n" + bytes(20))


def test_config_and_texts(run):
    run.log_text(2, "note", "*π*")
    assert read(run).Tensors("note")[0].tensor_proto.string_val[0].decode() == "*π*"
    text = read(run).Tensors("config")[0].tensor_proto.string_val[0].decode()
    assert '"learning_rate": 0.25' in text
    assert all(line.startswith("    ") for line in text.splitlines())


def test_settings_show_in_the_hparams_tab(run, tmp_path):
    run.log(1, {"return": 2})
    run.close()
    with Run.create("cartpole", "ppo", {"learning_rate": 0.5}, 8, root=tmp_path) as other:
        other.log(1, {"return": 3})
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(tmp_path)).Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(tmp_path))
    backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    request = api_pb2.GetExperimentRequest(experiment_name="")
    experiment = get_experiment.Handler(RequestContext(), backend, "", request).run()
    found = {info.name: info for info in experiment.hparam_infos}
    assert found.keys() == {
        "environment",
        "agent",
        "seed",
        "learning_rate",
        "sizes",
        "network.norm",
        "target_kl",
    }
    assert (
        found["learning_rate"].domain_interval.min_value,
        found["learning_rate"].domain_interval.max_value,
    ) == (
        0.25,
        0.5,
    )
    assert [info.name.tag for info in experiment.metric_infos] == ["return"]
