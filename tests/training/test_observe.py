"""What a trainer tells of itself, and what it refuses: compilations, traces, a second trainer."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.config import EmbeddingConfig
from reid_jax.individuals.experiment import build, load_data
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.training.lock import only_trainer
from reid_jax.training.logging import Display, RunLog
from reid_jax.training.loop import fit
from reid_jax.training.parallel import Layout, make_layout
from tests.paths import REPOSITORY


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Eight steps with two validations and a trace of two steps."""
    workdir = tmp_path_factory.mktemp("run")
    config = EmbeddingConfig(loss=MarginSoftmax())
    data = dataclasses.replace(
        config.data, source="synthetic:12x4", image_size=16, batch_size=8, validation_fraction=0.3
    )
    train = dataclasses.replace(config.train, steps=8, log_every=2, evaluate_every=4, profile=2)
    config = dataclasses.replace(
        config,
        data=data,
        train=train,
        optimizer=dataclasses.replace(config.optimizer, warmup_steps=0),
    )
    experiment = build(config, *load_data(data, 0))
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Display, "say", lambda self, text: said.append(text))
        patch.setattr(Layout, "notes", lambda self, state: [f"a note at step {int(state.step)}"])
        fit(experiment, train, make_layout("single"), workdir, ema_decay=0.0)
    (workdir / "said.txt").write_text("\n".join(said))
    return workdir


def test_what_the_layout_notes_is_said_once(run):
    said = (run / "said.txt").read_text().splitlines()
    assert "8 steps on cpu" in said[0]
    assert said[1] == "a note at step 0"
    assert sum("note" in line for line in said) == 1


def test_nothing_is_compiled_after_the_warm_up(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    counts = {row["step"]: row["compilations"] for row in rows if "compilations" in row}
    assert list(counts) == [2, 4, 6, 8]
    assert counts[2] > 0
    assert counts[8] == 0  # 6 has the first validation, at step 4
    assert all(row["input_wait_seconds"] >= 0 for row in rows if "compilations" in row)


def test_a_trace_of_the_steps_is_written(run):
    assert list((run / "profile").rglob("*.xplane.pb"))


def events(path):
    """The events of a TensorBoard file, one after the other."""
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    content = path.read_bytes()
    while content:  # a record: its length, a checksum of 4 bytes, the event, a checksum of 4 bytes
        length = int.from_bytes(content[:8], "little")
        event, content = Event.FromString(content[12 : 12 + length]), content[16 + length :]
        yield event


def test_tensorboard_gets_what_the_log_has(run):
    [path] = (run / "tensorboard").glob("events.out.tfevents.*")
    written = {
        (event.step, value.tag): value.simple_value
        for event in events(path)
        for value in event.summary.value
    }
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    logged = {(row["step"], name): row[name] for row in rows for name in row if name != "step"}
    assert any(name.startswith("validation/") for _, name in logged)
    assert written == pytest.approx(logged, rel=1e-6)


def test_tensorboard_forgets_the_steps_that_are_done_again(tmp_path):
    log = RunLog(tmp_path, 7)
    log.write(8, {"loss": 1.0})
    log.close()
    [path] = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
    starts = [event.step for event in events(path) if event.HasField("session_log")]
    assert starts == [8]  # TensorBoard drops what older files have from there on


def test_the_state_is_donated():
    """Its memory is reused: after a call the old arrays are gone."""
    for mode in ("single", "pmap", "mesh"):
        layout = make_layout(mode)
        compiled = layout.compile(
            lambda state, shared, batch, *, axis_name=None: (
                state + (batch.sum() if axis_name is None else jax.lax.psum(batch.sum(), axis_name))
            ),
            batch_axis=0,
            donate=True,
        )
        state = layout.everywhere(np.ones(4, np.float32))
        new = compiled(state, {}, layout.divide(np.ones(16, np.float32), 0))
        np.testing.assert_array_equal(new, 17)
        assert state.is_deleted(), mode


def test_a_second_trainer_is_refused_while_the_first_lives(tmp_path):
    code = (
        "import sys, pathlib; from reid_jax.training.lock import only_trainer\n"
        "with only_trainer(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout.readline() == "held\n"
    with (
        pytest.raises(UserError, match=f"is being trained into by process {first.pid} on"),
        only_trainer(tmp_path),
    ):
        pass
    first.kill()
    first.wait()
    with only_trainer(tmp_path):
        pass


@pytest.mark.parametrize("name", ["gs:", "s3:"])
def test_a_folder_that_is_called_like_a_store_of_others_is_a_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    log = RunLog(Path(name), 0)
    log.write(1, {"loss": 1.0})
    log.close()
    assert list((tmp_path / name / "tensorboard").iterdir())
