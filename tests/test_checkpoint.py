"""Checkpoints: there and back, damaged ones, a disk that is full."""

import os
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reid_jax.errors import UserError
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.state import create_state
from tests.paths import REPOSITORY

OPTIMIZER = optax.adam(1e-3)


def make_state(step, ema=True):
    params = {"net": {"kernel": jnp.full((3, 4), step, jnp.float32)}, "objective": {}}
    model_state = {"batch_stats": {"mean": jnp.arange(4.0)}}
    state = create_state(params, model_state, OPTIMIZER, ema=ema)
    return state.replace(step=jnp.asarray(step, jnp.int32))


def saved(folder, *steps, ema=True):
    checkpoints = Checkpoints(folder)
    for step in steps:
        checkpoints.save_latest(make_state(step, ema), {"best_value": 0.5, "best_step": step})
        checkpoints.wait()
    checkpoints.close()


@pytest.mark.parametrize("ema", [True, False])
def test_a_state_comes_back_bit_for_bit(tmp_path, ema):
    saved(tmp_path, 1, 2, 3, ema=ema)
    checkpoints = Checkpoints(tmp_path)
    state, progress = checkpoints.restore_latest(make_state(0, ema))
    assert progress == {"best_value": 0.5, "best_step": 3}
    expected = make_state(3, ema)
    assert jax.tree.structure(state) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, state, expected)
    assert sorted(path.name for path in (tmp_path / "latest").iterdir()) == ["2", "3"]


def test_nothing_saved_is_none(tmp_path):
    assert Checkpoints(tmp_path).restore_latest(make_state(0)) is None
    assert Checkpoints(tmp_path).restore_best() is None


def test_the_best_holds_what_is_evaluated(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    state = make_state(7).replace(ema=jax.tree.map(lambda x: x + 1, make_state(7).params))
    checkpoints.save_best(state, {"best_step": 7})
    checkpoints.wait()
    params, model_state, progress = checkpoints.restore_best()
    np.testing.assert_array_equal(params["net"]["kernel"], np.full((3, 4), 8.0))
    np.testing.assert_array_equal(model_state["batch_stats"]["mean"], np.arange(4.0))
    assert progress == {"best_step": 7}


def test_a_best_step_is_kept_for_as_long_as_a_state_remembers_it(tmp_path):
    """Better ones found since go with the steps that will be done again."""
    checkpoints = Checkpoints(tmp_path)
    for step in range(1, 10):
        checkpoints.save_best(make_state(step), {"best_step": step})
        if step % 4 == 2:
            checkpoints.save_latest(make_state(step), {"best_step": step})
    checkpoints.wait()
    best = tmp_path / "best"
    assert {"2", "6", "9"} <= {path.name for path in best.iterdir()} <= {*"2689"}
    checkpoints.close()
    shutil.rmtree(tmp_path / "latest" / "6")  # as if it had been damaged
    again = Checkpoints(tmp_path)
    assert again.restore_latest(make_state(0))[1] == {"best_step": 2}
    assert again.restore_best()[2] == {"best_step": 2}
    assert [path.name for path in best.iterdir()] == ["2"]


@pytest.mark.parametrize("damage", ["truncated", "emptied", "missing"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_is_used(tmp_path, damage):
    saved(tmp_path, 1, 2)
    folder = tmp_path / "latest" / "2" / "state"
    if damage == "missing":
        for path in folder.rglob("*"):
            if path.is_file():
                path.unlink()
    else:
        for path in [p for p in folder.rglob("*") if p.is_file()]:
            os.truncate(path, path.stat().st_size // 2 if damage == "truncated" else 0)
    said = []
    checkpoints = Checkpoints(tmp_path, say=said.append)
    state, _ = checkpoints.restore_latest(make_state(0))
    assert int(state.step) == 1
    assert "step 2 cannot be read" in said[0]
    assert (tmp_path / "latest" / "damaged-2").is_dir()
    checkpoints.save_latest(make_state(2), {"best_step": 2})
    checkpoints.wait()
    assert checkpoints.latest_step == 2


def test_a_step_that_was_being_written_when_the_power_went_is_ignored(tmp_path):
    saved(tmp_path, 1)
    half = tmp_path / "latest" / "2.orbax-checkpoint-tmp-123" / "state"
    half.mkdir(parents=True)
    (half / "manifest").write_text("half")
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest_step == 1
    assert int(checkpoints.restore_latest(make_state(0))[0].step) == 1


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import jax.numpy as jnp, optax
from reid_jax.errors import UserError
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.state import create_state
params = {"kernel": jnp.arange(1 << 18, dtype=jnp.float32)}
state = create_state(params, {}, optax.sgd(0.1), ema=False)
checkpoints = Checkpoints(Path(sys.argv[1]))
checkpoints.save_latest(state.replace(step=jnp.asarray(1)), {})
checkpoints.wait()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
try:
    checkpoints.save_latest(state.replace(step=jnp.asarray(2)), {})
    checkpoints.wait()
except UserError as error:
    print("refused:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
again = Checkpoints(Path(sys.argv[1]))
print("intact:", int(again.restore_latest(state)[0].step))
"""


def test_a_full_disk_is_one_sentence_and_the_checkpoint_before_it_is_intact(tmp_path):
    """Files may not grow beyond 4 kB: what a full disk does to a writer."""
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "refused: " in result.stdout, result.stdout + result.stderr
    assert "that of step 1 is intact" in result.stdout
    assert "intact: 1" in result.stdout


def test_a_damaged_best_checkpoint_gives_way_to_the_latest(tmp_path):
    checkpoints = Checkpoints(tmp_path, say=lambda _: None)
    checkpoints.save_best(make_state(3), {"best_step": 3})
    checkpoints.save_latest(make_state(5), {"best_step": 3})
    checkpoints.wait()
    for path in (tmp_path / "best").rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    said = []
    params, _, progress = Checkpoints(tmp_path, say=said.append).restore_best()
    np.testing.assert_array_equal(params["net"]["kernel"], np.full((3, 4), 5.0))
    assert progress["best_step"] == 5
    assert "step 5 is used" in said[0]
    for path in (tmp_path / "latest").rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    with pytest.raises(UserError, match="nor can the latest"):
        Checkpoints(tmp_path, say=said.append).restore_best()
