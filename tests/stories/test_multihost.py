"""Two processes of two devices train as one process of four does."""

import contextlib
import dataclasses
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import jax
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.individuals import split_file
from reid_jax.individuals.config import DataConfig
from reid_jax.individuals.experiment import build, load_data
from reid_jax.individuals.split_file import load_run_data
from reid_jax.keyframes import experiment as keyframe_experiment
from reid_jax.training import lock
from reid_jax.training.config_file import claim_workdir, saved_steps
from reid_jax.training.hosts import join as multihost
from reid_jax.training.hosts.coordinator import Meeting
from reid_jax.training.lock import only_trainer
from reid_jax.training.logging import read_metrics
from reid_jax.training.loop import fit
from reid_jax.training.parallel import make_layout
from tests.devices import xla_flags
from tests.keyframe_videos import of_images, write_videos
from tests.paths import REPOSITORY
from tests.tiny_run import read_run_config

OPTIONS = {
    "data.source": "synthetic:28x6",
    "data.image-size": "16",
    "data.batch-size": "16",
    "data.photos-per-identity": "2",
    "data.validation-fraction": "0.4",
    "model.backbone": "two_conv",
    "model.embedding-dim": "8",
    "optimizer.warmup-steps": "2",
    "train.steps": "6",
    "train.log-every": "1",
    "train.evaluate-every": "3",
    "train.checkpoint-every": "3",
}
PATIENCE = 900  # seconds; a process needs 20 of a core's, and the machine may have other work


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(index: int, home: Path | None = None) -> dict[str, str]:
    """Of one of two processes, with two devices each, and a cache of its own if so asked."""
    return {
        **os.environ,
        **({} if home is None else {"XDG_CACHE_HOME": str(home)}),
        "XLA_FLAGS": xla_flags(2),
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_PROCESSES": "2",
        "JAX_PROCESS_ID": str(index),
        "PYTHONFAULTHANDLER": "1",
    }


def start(
    workdir,
    *own: dict[str, str],
    config="configs/demo.py",
    homes: Sequence[Path | None] = (None,) * 2,
) -> list[subprocess.Popen]:
    """Two processes of two devices, each with options of its own."""
    port, common = free_port(), OPTIONS if config == "configs/demo.py" else {}
    return [
        subprocess.Popen(
            [
                *(sys.executable, "scripts/train.py", config, f"--workdir={workdir}"),
                *(f"--{name}={value}" for name, value in (common | options).items()),
                f"--train.coordinator=127.0.0.1:{port}",
            ],
            cwd=REPOSITORY,
            env=environment(index, homes[index]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index, options in enumerate(own or ({}, {}))
    ]


def outputs_of(processes: list[subprocess.Popen], seconds: float = PATIENCE) -> list[str]:
    """What each printed until its end; of one that does not end, where its threads are."""
    end, outputs = time.monotonic() + seconds, []
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            outputs.append(process.communicate(timeout=max(0.1, end - time.monotonic()))[0])
            continue
        for each in processes:
            each.send_signal(signal.SIGABRT)
        raise AssertionError([each.communicate()[0] for each in processes])
    return outputs


def finish(processes: list[subprocess.Popen], *codes: int) -> list[str]:
    outputs = outputs_of(processes)
    assert tuple(process.returncode for process in processes) == codes, outputs
    return outputs


def wait_for(processes: list[subprocess.Popen], condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert all(process.poll() is None for process in processes), outputs_of(processes, 60)
        assert time.monotonic() < end, outputs_of(processes, 0)
        time.sleep(0.05)


@pytest.mark.exhaustive
def test_they_train_as_one_process_and_end_together(tmp_path):
    """One dies, the others end, the same command goes on, one is told to end, all save.

    The first one's death is the hard one: JAX would end the others by a native abort. Losses are
    those of one process with as many devices.
    """
    both, endless = tmp_path / "both", {"train.steps": "100000"}
    processes = start(both, endless, endless)
    wait_for(processes, lambda: bool(saved_steps(both)))
    processes[0].kill()
    _, second = finish(processes, -signal.SIGKILL, 1)
    step = saved_steps(both)[-1]
    assert second == (
        f"error: process 0 on {socket.gethostname()} ended without a word (killed, out of memory, "
        f"or its machine is gone); the last whole checkpoint is that of step {step}.\n"
    )

    profiled = endless | {"train.profile": "1"}
    logged = max(step + 2, read_metrics(both)[-1]["step"])  # the dead may have logged more
    processes = start(both, profiled, profiled)
    wait_for(processes, lambda: read_metrics(both)[-1]["step"] > logged)
    processes[1].send_signal(signal.SIGTERM)
    first, second = finish(processes, 0, 0)
    assert "the same command goes on from there" in first
    assert "4 x cpu (mesh)" in first
    assert "Gloo" not in first
    assert second == ""
    assert saved_steps(both)[-1] > step
    for index in range(2):
        assert list((both / "profile" / f"process-{index}").rglob("*.xplane.pb"))

    config = read_run_config(both)
    dataset, splits = load_run_data(tmp_path, config.data, config.train.seed, training=True)
    train = dataclasses.replace(config.train, coordinator="", steps=step + 3)
    one = tmp_path / "one"
    fit(
        build(config, dataset, splits),  # its learning rate is that of the endless run
        train,
        make_layout("mesh", jax.devices()[:4]),
        one,
        ema_decay=config.optimizer.ema_decay,
    )
    last, rows = step + 3, {}
    for name in ("both", "one"):
        rows[name] = [row for row in read_metrics(tmp_path / name) if row["step"] <= last]
    assert [row["step"] for row in rows["both"]] == [row["step"] for row in rows["one"]]
    for ours, theirs in zip(rows["both"], rows["one"], strict=True):
        for name in {"loss", "grad_norm", "validation/mAP"} & theirs.keys():
            np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-3, err_msg=str(ours))


@pytest.mark.exhaustive
def test_a_keyframe_network_from_images_trains_as_by_one_process(tmp_path):
    """The batch, its clips and BatchNorm's statistics are those of all devices."""
    path = write_videos(tmp_path / "videos.h5", frames=tmp_path / "frames")
    config = of_images(path, data={"batch_size": 4}, train={"parallel": "auto", "steps": 3})
    train = dataclasses.replace(config.train, evaluate_every=3, checkpoint_every=3)
    config = dataclasses.replace(config, train=train)
    own = tmp_path / "own.py"
    own.write_text(
        "from pathlib import Path\n\n"
        "from reid_jax.keyframes.config import KeyframeConfig\n"
        "from reid_jax.training.config_file import read_config\n\n\n"
        "def get_config() -> KeyframeConfig:\n"
        f"    return read_config(Path({str(tmp_path / 'kept')!r}), KeyframeConfig)\n"
    )
    claim_workdir(tmp_path / "kept", config)
    first, _ = finish(start(tmp_path / "both", config=str(own)), 0, 0)
    assert "4 x cpu (mesh)" in first
    experiment = keyframe_experiment.build(config, keyframe_experiment.load_videos(config.data, 0))
    layout = make_layout("mesh", jax.devices()[:4])
    decay = config.optimizer.ema_decay
    fit(experiment, config.train, layout, tmp_path / "one", ema_decay=decay)
    both, one = (read_metrics(tmp_path / name) for name in ("both", "one"))
    assert [row["step"] for row in both] == [row["step"] for row in one]
    for ours, theirs in zip(both, one, strict=True):
        for name in {"loss", "grad_norm", "validation/spearman"} & theirs.keys():
            np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-3, err_msg=str(ours))


def test_the_first_ones_verdict_and_a_difference_reach_all(tmp_path):
    """Nothing is written but by the first process, once it holds the folder and all agree."""
    with only_trainer(tmp_path / "held"):
        outputs = finish(start(tmp_path / "held"), 1, 1)
        held = f"process 0 on {socket.gethostname()}: {tmp_path / 'held'} is being trained into by"
        assert all(output.startswith(f"error: {held}") for output in outputs)
        assert [path.name for path in (tmp_path / "held").iterdir()] == ["lock"]
    outputs = finish(start(tmp_path / "other", {}, {"train.seed": "1"}), 1, 1)
    for output in outputs:
        assert "configuration is not the same in all processes: train.seed is 1 in pro" in output
        assert len(output.splitlines()) == 1
    assert not (tmp_path / "other").exists()


SUM_OVER_ALL = """
import jax, numpy as np, pathlib, sys
from reid_jax.training.hosts import join as multihost
from reid_jax.training.parallel import make_layout

def total(state, shared, batch, *, axis_name=None):
    return state + batch.sum()

with multihost.together("auto", pathlib.Path("run")):
    layout = make_layout("auto")
    rows = layout.divide(np.arange(8, dtype=np.float32), 0)
    compiled = layout.compile(total, batch_axis=0, donate=False)
    found = float(compiled(layout.everywhere(np.float32(0)), {}, rows))
    own = jax.process_count(), jax.process_index()
    print(layout.mode, *own, layout.size, found, file=sys.stderr)
"""


RESTORE_TOGETHER = """
import os, shutil, sys
from pathlib import Path
import jax, jax.numpy as jnp, numpy as np, optax
from reid_jax.training.hosts import join as multihost
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.parallel import make_layout
from reid_jax.training.state import create_state

folder, url = Path(sys.argv[1]), sys.argv[3]
with multihost.together(sys.argv[2], url or folder):
    index = jax.process_index()
    own = folder / str(index) if url else folder
    layout = make_layout("mesh")
    state = create_state({"centers": jnp.arange(32.0).reshape(8, 4)}, {}, optax.adam(0.1), ema=True)
    state = layout.everywhere(state)
    checkpoints = Checkpoints(own)
    for step in (1, 2):
        checkpoints.save_latest(state.replace(step=state.step + step), {"best_step": step})
        checkpoints.wait()
    multihost.gathered("saved", None)
    if url and index:
        assert not list(own.rglob("*/1"))
        shutil.copytree(folder / "0", own, dirs_exist_ok=True)
        checkpoints = Checkpoints(own)
    multihost.gathered("copied", None)
    if index != bool(url):
        for path in (own / "latest" / "2" / "state").rglob("*"):
            if path.is_file():
                os.truncate(path, 0)
    multihost.gathered("damage", None)
    restored, progress = checkpoints.restore_latest(state)
    total = float(jax.jit(jnp.sum)(restored.params["centers"]))
    found = multihost.gathered("all", index)
    print(progress, int(restored.step), total, found, file=sys.stderr)
    checkpoints.close()
"""


@pytest.mark.parametrize("url", ["", "s3://animals/run"], ids=["one folder", "a copy each"])
def test_two_processes_set_a_damaged_checkpoint_aside_once(tmp_path, url):
    """Both go on from the one before; class centres are divided over their devices."""
    coordinator = f"127.0.0.1:{free_port()}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RESTORE_TOGETHER, str(tmp_path), coordinator, url],
            cwd=REPOSITORY,
            env=environment(index),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(2)
    ]
    outputs = outputs_of(processes)
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output
        assert output.splitlines()[-1] == "{'best_step': 1} 1 496.0 [0, 1]", output
    assert ["moved to" in output for output in outputs] == [True, False]
    own = tmp_path / "0" if url else tmp_path
    assert sorted(path.name for path in (own / "latest").iterdir()) == ["1", "damaged-2"]
    if url:  # what is not its own to change
        assert sorted(path.name for path in (tmp_path / "1/latest").iterdir()) == ["1", "2"]


def test_slurm_says_who_takes_part():
    """What srun sets for two tasks on a machine is all that they need to be one mesh."""
    others = ("SLURM_", "OMPI_", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
    environment = {name: os.environ[name] for name in os.environ if not name.startswith(others)}
    environment |= {
        "XLA_FLAGS": xla_flags(2),
        "JAX_PLATFORMS": "cpu",
        "SLURM_JOB_ID": str(random.randrange(2**20)),
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_NODES": "1",
        "SLURM_NTASKS": "2",
    }
    tasks = [
        subprocess.Popen(
            [sys.executable, "-c", SUM_OVER_ALL],
            cwd=REPOSITORY,
            env=environment | {"SLURM_PROCID": str(task), "SLURM_LOCALID": str(task)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for task in range(2)
    ]
    outputs = outputs_of(tasks)
    for number, (task, output) in enumerate(zip(tasks, outputs, strict=True)):
        assert task.returncode == 0, output
        assert output.splitlines()[-1] == f"mesh 2 {number} 4 28.0"


def test_where_only_jax_knows_who_takes_part_it_is_asked(monkeypatch):
    """As on Cloud TPU, which only JAX can recognise; one that it does not know is refused."""
    asked = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *given, **_: asked.append(given))
    place = Meeting("127.0.0.1", free_port(), 1, 0)
    monkeypatch.setattr(multihost, "_agreed_meeting", lambda: place)
    monkeypatch.setattr(multihost, "_company", None)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    multihost.join("auto", Path("run"))
    with multihost.together("", Path("run")):
        assert asked == [(None, None, None)]

    def unknown(*given, **_):
        raise ValueError("coordinator_address should be defined.\nMore")

    monkeypatch.setattr(jax.distributed, "initialize", unknown)
    with pytest.raises(UserError, match=r"is 'auto', .* find each other: .*srun .* or give HOST:P"):
        multihost.join("auto", Path("run"))


def test_sigterm_outside_the_loop_is_an_error_in_words():
    with pytest.raises(UserError, match="told to end"), multihost._told_to_end():
        signal.raise_signal(signal.SIGTERM)


def test_processes_are_asked_at_the_same_steps_whatever_their_clocks(monkeypatch):
    """By the first one's: here a step takes it a tenth of a second, the other one ten seconds."""

    class Two:
        asked: ClassVar[list[str]] = []

        def gather(self, topic, value):
            self.asked.append(topic)
            return [[False, 0.1 * clock["steps"]], [clock["stop"], 10.0]]

    clock = {"steps": 1, "stop": False}
    monkeypatch.setattr(multihost, "_company", Two())
    poll, stopped = multihost.Poll(), []
    for step in range(1, 25):
        clock["steps"], clock["stop"] = (1 if step == 1 else 10), step > 15
        if poll.any(step, False, None, due=False):
            stopped.append(step)
    assert Two.asked == ["step 1", "step 11", "step 21"]
    assert stopped == [21]


def test_processes_are_asked_before_whatever_takes_longer_than_a_step(monkeypatch):
    """Of steps of a millisecond a thousand come to a second, but not a thousand checkpoints."""
    asked = []

    class Two:
        def gather(self, topic, value):
            asked.append(topic)
            return [[False, 0.001], [True, 0.001]]

    monkeypatch.setattr(multihost, "_company", Two())
    poll = multihost.Poll()
    stopped = [step for step in range(1, 8) if poll.any(step, False, None, due=step % 3 == 0)]
    assert asked == ["step 1", "step 3", "step 6"]
    assert stopped == [1, 3, 6]


def test_a_step_counts_as_done_when_the_device_has_done_it(monkeypatch):
    """Handing one out takes a thousandth of it: all would be asked a thousand steps later."""
    seen = []

    class Two:
        def gather(self, topic, value):
            seen.append(topic)
            return [value, value]

    class Result:
        def block_until_ready(self):
            seen.append("done")

    monkeypatch.setattr(multihost, "_company", Two())
    multihost.Poll().any(1, False, {"loss": Result()}, due=False)
    assert seen == ["done", "step 1"]


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ("a photo less", {"the number of photos", "their paths", "whom they show", "their pixels"}),
        ("another name", {"whom they show"}),
        ("another content", {"their pixels"}),
        ("another division", {"training"}),
    ],
)
def test_what_differs_between_two_sets_of_photos_is_named(monkeypatch, change, facts):
    told: list[dict] = [{}, {}]
    dataset, splits = load_data(DataConfig(source="synthetic:12x4"), 0)
    monkeypatch.setattr(split_file, "agree", lambda topic, found: told[0].update(found))
    split_file.agree_on_photos(dataset, splits)
    if change == "a photo less":
        dataset = dataset.subset(np.arange(len(dataset) - 1))
    elif change == "another name":
        dataset = dataclasses.replace(dataset, identities=("z", *dataset.identities[1:]))
    elif change == "another content":
        dataset = dataclasses.replace(dataset, pixels=dataset.pixels ^ 1)
    else:
        splits = splits._replace(train=splits.train[::-1])
    monkeypatch.setattr(split_file, "agree", lambda topic, found: told[1].update(found))
    split_file.agree_on_photos(dataset, splits)
    assert {name for name in told[0] if told[0][name] != told[1][name]} == facts


def test_a_folder_that_is_not_shared_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(lock, "_PATIENCE", 0.0)
    monkeypatch.setattr(lock, "is_first", lambda: False)
    monkeypatch.setattr(lock, "gathered", lambda topic, value: ["process 5 on a\nf00\n"])
    with (
        pytest.raises(UserError, match=r"not the folder .* process 5 on a; .* all processes see"),
        only_trainer(tmp_path),
    ):
        pass
    (tmp_path / "lock").write_text("process 5 on a\nf00\n")
    with only_trainer(tmp_path):
        pass


def test_a_process_takes_its_own_rows(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    monkeypatch.setattr(jax, "process_index", lambda: 2)
    own = multihost.own_rows(lambda step: np.arange(16) + 100 * step)
    np.testing.assert_array_equal(own(3), [308, 309, 310, 311])


def test_numbers_that_are_not_set_are_asked_for(monkeypatch):
    monkeypatch.delenv("JAX_NUM_PROCESSES", raising=False)
    with pytest.raises(UserError, match="set JAX_NUM_PROCESSES"):
        multihost.join("127.0.0.1:1", Path("run"))


def test_several_processes_need_a_mesh(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(UserError, match="several processes need mesh"):
        make_layout("pmap")
    assert make_layout("auto").mode == "mesh"
