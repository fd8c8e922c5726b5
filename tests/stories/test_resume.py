"""A run that is killed, stopped or moved to other devices ends where an undisturbed one does."""

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from reid_jax import configurations
from reid_jax.individuals.experiment import build, load_data
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.loop import fit
from reid_jax.training.parallel import make_layout
from tests.devices import xla_flags
from tests.paths import REPOSITORY

STEPS = 40
OPTIONS = {
    "data.source": "synthetic:16x6",
    "data.image-size": "24",
    "data.batch-size": "16",
    "data.photos-per-identity": "2",
    "model.embedding-dim": "8",
    "optimizer.warmup-steps": "5",
    "train.steps": str(STEPS),
    "train.log-every": "5",
    "train.evaluate-every": "20",
    "train.checkpoint-every": "10",
}


def start(workdir: Path, devices: int, **options: str) -> subprocess.Popen:
    arguments = [f"--{k}={v}" for k, v in (OPTIONS | options).items()]
    return subprocess.Popen(
        [sys.executable, "scripts/train.py", "configs/demo.py", f"--workdir={workdir}", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "XLA_FLAGS": xla_flags(devices)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen, code: int = 0) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    return output


def wait_for_step(process: subprocess.Popen, workdir: Path, step: int) -> None:
    log = workdir / "metrics.jsonl"
    while process.poll() is None:
        rows = log.read_text().splitlines() if log.exists() else []
        if rows and json.loads(rows[-1])["step"] >= step:
            return
        time.sleep(0.01)
    raise AssertionError(f"ended before step {step}:\n{process.communicate()[0]}")


def final(workdir: Path) -> tuple[int, list[np.ndarray]]:
    """The last checkpoint, read without knowing what made it."""
    checkpoints = Checkpoints(workdir / "checkpoints")
    step = checkpoints.latest_step
    tree, _ = checkpoints.read_raw(step)
    checkpoints.close()
    return step, jax.tree.leaves(jax.device_get(tree))


def best(workdir: Path):
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    params, model_state, progress = checkpoints.restore_best()
    checkpoints.close()
    return progress["best_step"], jax.tree.leaves(jax.device_get((params, model_state)))


def assert_same(expected, found):
    assert found[0] == expected[0]
    for a, b in zip(expected[1], found[1], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module", params=[1, pytest.param(8, marks=pytest.mark.exhaustive)])
def undisturbed(request, tmp_path_factory):
    workdir = tmp_path_factory.mktemp(f"undisturbed{request.param}")
    finish(start(workdir, request.param))
    return request.param, workdir


# Where CI is set one kill on one device and one on eight; fifty where `make acceptance` runs.
KILLS = [0, *(pytest.param(kill, marks=pytest.mark.acceptance) for kill in range(1, 25))]


@pytest.mark.exhaustive
@pytest.mark.parametrize("kill", KILLS)
def test_kill_minus_9_at_a_random_step_leaves_no_trace(undisturbed, tmp_path, kill):
    devices, reference = undisturbed
    process = start(tmp_path, devices)
    wait_for_step(process, tmp_path, random.randint(1, STEPS - 10))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    output = finish(start(tmp_path, devices))
    assert_same(final(reference), final(tmp_path))
    assert_same(best(reference), best(tmp_path))
    assert "report" in output
    assert final(tmp_path)[0] == STEPS
    steps = [
        row["step"]
        for row in map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    ]
    assert steps == sorted(steps)
    assert steps.count(STEPS) == 2  # one row of training, one of validation


@pytest.mark.exhaustive
def test_a_signal_saves_and_ends_cleanly(undisturbed, tmp_path):
    devices, reference = undisturbed
    sent, code = (signal.SIGTERM, 0) if devices == 1 else (signal.SIGINT, 130)
    process = start(tmp_path, devices)
    wait_for_step(process, tmp_path, 15)
    process.send_signal(sent)
    output = finish(process, code)
    assert "the same command goes on from there. The run can be used as it is: " in output
    stopped, _ = final(tmp_path)
    assert 15 <= stopped < STEPS
    finish(start(tmp_path, devices))
    assert_same(final(reference), final(tmp_path))
    assert_same(best(reference), best(tmp_path))


def test_eight_devices_go_on_where_one_stopped(tmp_path):
    """The state is the same to the bit, and so is the next step but for rounding.

    Longer runs drift apart, as any two orders of summation do: of two values in a window of the
    pooling that are equal but for rounding, another one takes the gradient.
    """
    config = configurations.get("demo")
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(
            config.data,
            source="synthetic:16x6",
            image_size=16,
            batch_size=16,
            photos_per_identity=2,
        ),
        optimizer=dataclasses.replace(
            config.optimizer, name="sgd", warmup_steps=0, schedule="constant"
        ),
    )
    dataset, splits = load_data(config.data, 0)

    def go_on(workdir, mode, steps):
        train = dataclasses.replace(config.train, steps=steps, checkpoint_every=10)
        experiment = build(dataclasses.replace(config, train=train), dataset, splits)
        outcome = fit(experiment, train, make_layout(mode), workdir, ema_decay=0.9)
        return jax.tree.leaves(jax.device_get(outcome.state))

    saved = go_on(tmp_path / "one", "single", 10)
    shutil.copytree(tmp_path / "one", tmp_path / "eight")
    for a, b in zip(saved, go_on(tmp_path / "eight", "pmap", 10), strict=True):
        np.testing.assert_array_equal(a, b)
    one, eight = go_on(tmp_path / "one", "single", 11), go_on(tmp_path / "eight", "pmap", 11)
    for a, b in zip(one, eight, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    assert max(np.abs(a - b).max() for a, b in zip(one, saved, strict=True)) > 1e-4
