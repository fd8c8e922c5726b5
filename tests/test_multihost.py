"""Two processes of two devices train as one process of four does."""

import contextlib
import dataclasses
import os
import random
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.training import multihost
from reid_jax.training.config_file import read_run_config
from reid_jax.training.experiment import build
from reid_jax.training.logging import read_metrics
from reid_jax.training.loop import fit
from reid_jax.training.parallel import make_layout
from reid_jax.training.split_file import load_run_data
from tests.paths import REPOSITORY

OPTIONS = {
    "data.source": "synthetic:28x6",
    "data.image-size": "16",
    "data.batch-size": "16",
    "data.photos-per-identity": "2",
    "data.validation-fraction": "0.4",
    "model.embedding-dim": "8",
    "optimizer.warmup-steps": "2",
    "train.steps": "6",
    "train.log-every": "1",
    "train.evaluate-every": "3",
    "train.checkpoint-every": "3",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def train_in_two_processes(workdir, **options):
    arguments = [f"--{name}={value}" for name, value in (OPTIONS | options).items()]
    arguments.append(f"--train.coordinator=127.0.0.1:{free_port()}")
    command = [sys.executable, "scripts/train.py", "configs/demo.py", f"--workdir={workdir}"]
    processes = [
        subprocess.Popen(
            [*command, *arguments],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
                "JAX_PLATFORMS": "cpu",
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": str(index),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output
    return outputs


def test_losses_are_those_of_one_process_with_as_many_devices(tmp_path):
    both = tmp_path / "both"
    first, second = train_in_two_processes(both, **{"train.steps": "3"})
    assert "4 x cpu (mesh)" in first
    assert "step" not in second
    train_in_two_processes(both)  # goes on from step 3

    config = read_run_config(both)
    assert config.train.steps == 6
    dataset, splits = load_run_data(tmp_path, config.data, config.train.seed, training=True)
    train = dataclasses.replace(config.train, coordinator="")
    one = tmp_path / "one"
    fit(
        build(config, dataset, splits),
        train,
        make_layout("mesh", jax.devices()[:4]),
        one,
        ema_decay=config.optimizer.ema_decay,
    )
    rows = {name: read_metrics(tmp_path / name) for name in ("both", "one")}
    assert [row["step"] for row in rows["both"]] == [row["step"] for row in rows["one"]]
    for ours, theirs in zip(rows["both"], rows["one"], strict=True):
        for name in ("loss", "grad_norm", "validation/mAP"):
            if name in theirs:
                np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-3, err_msg=str(ours))


SUM_OVER_ALL = """
import jax, numpy as np
from reid_jax.training import multihost
from reid_jax.training.parallel import make_layout

def total(state, shared, batch, *, axis_name=None):
    return state + batch.sum()

multihost.join("auto")
layout = make_layout("auto")
rows = layout.divide(np.arange(8, dtype=np.float32), 0)
compiled = layout.compile(total, batch_axis=0, donate=False)
found = float(compiled(layout.everywhere(np.float32(0)), {}, rows))
print(layout.mode, jax.process_count(), jax.process_index(), layout.size, found)
"""


RESTORE_TOGETHER = """
import os, sys
from pathlib import Path
import jax, jax.numpy as jnp, numpy as np, optax
from reid_jax.training import multihost
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.parallel import make_layout
from reid_jax.training.state import create_state

multihost.join(sys.argv[2])
layout = make_layout("mesh")
state = create_state({"centers": jnp.arange(32.0).reshape(8, 4)}, {}, optax.adam(0.1), ema=True)
state = layout.everywhere(state)
checkpoints = Checkpoints(Path(sys.argv[1]))
for step in (1, 2):
    checkpoints.save_latest(state.replace(step=state.step + step), {"best_step": step})
    checkpoints.wait()
if jax.process_index() == 1:
    for path in (Path(sys.argv[1]) / "latest" / "2" / "state").rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
multihost.gathered("damage", None)
restored, progress = checkpoints.restore_latest(state)
total = float(jax.jit(jnp.sum)(restored.params["centers"]))
print(progress, int(restored.step), total, multihost.gathered("", jax.process_index()))
checkpoints.close()
"""


def test_two_processes_set_a_damaged_checkpoint_aside_once(tmp_path):
    """Both go on from the one before; class centres are divided over their devices."""
    coordinator = f"127.0.0.1:{free_port()}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RESTORE_TOGETHER, str(tmp_path), coordinator],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
                "JAX_PLATFORMS": "cpu",
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": str(index),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output
        assert output.splitlines()[-1] == "{'best_step': 1} 1 496.0 [0, 1]", output
    assert ["moved to" in output for output in outputs] == [True, False]
    assert sorted(path.name for path in (tmp_path / "latest").iterdir()) == ["1", "damaged-2"]


def free_slurm_job() -> int:
    """The number of a job whose coordinator's port, which JAX takes from it, is free."""
    for job in random.sample(range(2**12), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", 2**16 - 2**12 + job))
            return job
    pytest.skip("no port is free")


def test_slurm_says_who_takes_part():
    """What srun sets for two tasks on a machine is all that they need to be one mesh."""
    others = ("SLURM_", "OMPI_", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
    environment = {name: os.environ[name] for name in os.environ if not name.startswith(others)}
    environment |= {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
        "SLURM_JOB_ID": str(free_slurm_job()),
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
    outputs = [task.communicate(timeout=120)[0] for task in tasks]
    for number, (task, output) in enumerate(zip(tasks, outputs, strict=True)):
        assert task.returncode == 0, output
        assert output.splitlines()[-1] == f"mesh 2 {number} 4 28.0"


def test_where_the_environment_says_who_takes_part_jax_is_told_nothing(monkeypatch):
    """As on Cloud TPU, which only JAX can recognise; one that it does not know is refused."""
    asked = []
    monkeypatch.setattr(jax.distributed, "is_initialized", lambda: False)
    monkeypatch.setattr(jax.distributed, "initialize", lambda *given: asked.append(given))
    multihost.join("auto")
    multihost.join("")
    assert asked == [()]

    def unknown(*given):
        raise ValueError("coordinator_address should be defined.\nMore")

    monkeypatch.setattr(jax.distributed, "initialize", unknown)
    with pytest.raises(UserError, match=r"is 'auto', .* find each other: coordinator_address"):
        multihost.join("auto")


def test_a_process_takes_its_own_rows(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    monkeypatch.setattr(jax, "process_index", lambda: 2)
    own = multihost.own_rows(lambda step: np.arange(16) + 100 * step)
    np.testing.assert_array_equal(own(3), [308, 309, 310, 311])


def test_numbers_that_are_not_set_are_asked_for(monkeypatch):
    monkeypatch.delenv("JAX_NUM_PROCESSES", raising=False)
    with pytest.raises(UserError, match="set JAX_NUM_PROCESSES"):
        multihost.join("127.0.0.1:1")


def test_several_processes_need_a_mesh(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(UserError, match="several processes need mesh"):
        make_layout("pmap")
    assert make_layout("auto").mode == "mesh"
