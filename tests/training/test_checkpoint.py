"""Checkpoints: there and back, on other devices, damaged ones, a disk that is full."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.config import EmbeddingConfig
from reid_jax.questions import train
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.parallel import make_layout
from reid_jax.training.state import create_state
from tests.devices import xla_flags
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
    assert "step 2 is damaged" in said[0]
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
    with pytest.raises(UserError, match="so is the latest"):
        Checkpoints(tmp_path, say=said.append).restore_best()


def divided_state(mode, step):
    """A state as a layout leaves it after a step; on a mesh its class centres are divided."""
    params = {
        "net": {"kernel": jnp.arange(12.0).reshape(3, 4)},
        "objective": {"centers": jnp.arange(32.0).reshape(8, 4)},
    }
    model_state = {"batch_stats": {"mean": jnp.arange(4.0)}}
    state = create_state(params, model_state, OPTIMIZER, ema=True)
    state = state.replace(step=jnp.asarray(step, jnp.int32))
    layout = make_layout(mode)
    compiled = layout.compile(lambda state, *_, **__: state, batch_axis=0, donate=False)
    rows = layout.divide(np.zeros(8, np.float32), 0)
    return compiled(layout.everywhere(state), layout.everywhere({}), rows)


def save_in_each_mode(folder):
    for mode in ("single", "pmap", "mesh"):
        checkpoints = Checkpoints(folder / mode)
        checkpoints.save_latest(divided_state(mode, 3), {"best_step": 3})
        checkpoints.save_best(divided_state(mode, 3), {"best_step": 3})
        checkpoints.close()


def read_in_each_mode(folder):
    """Whatever wrote them, and whatever reads them, the numbers are the same."""
    for written in ("single", "pmap", "mesh"):
        checkpoints = Checkpoints(folder / written)
        expected = jax.tree.map(np.asarray, divided_state("single", 3))
        params, model_state, progress = checkpoints.restore_best()
        jax.tree.map(np.testing.assert_array_equal, params, expected.params)
        jax.tree.map(np.testing.assert_array_equal, model_state, expected.model_state)
        assert progress == {"best_step": 3}
        assert {len(leaf.devices()) for leaf in jax.tree.leaves(params)} == {1}
        for read in ("single", "pmap", "mesh"):
            template = divided_state(read, 0)
            state, _ = checkpoints.restore_latest(template)
            jax.tree.map(np.testing.assert_array_equal, state, expected)
            for ours, theirs in zip(jax.tree.leaves(state), jax.tree.leaves(template), strict=True):
                assert ours.sharding.is_equivalent_to(theirs.sharding, ours.ndim)


@pytest.mark.parametrize(
    "devices",
    [
        pytest.param(1, marks=pytest.mark.exhaustive),
        2,
        pytest.param(4, marks=pytest.mark.exhaustive),
    ],
)
def test_what_one_number_of_devices_saved_another_reads(tmp_path, devices):
    """Eight devices, these ones, and one, two or four in another process, either way."""
    save_in_each_mode(tmp_path / "eight")
    program = (
        "import sys; from pathlib import Path; from tests.training import test_checkpoint as t\n"
        "t.read_in_each_mode(Path(sys.argv[1]) / 'eight')\n"
        "t.save_in_each_mode(Path(sys.argv[1]) / 'few')"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=REPOSITORY,
        env={**os.environ, "XLA_FLAGS": xla_flags(devices)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    read_in_each_mode(tmp_path / "few")


@pytest.mark.parametrize("device", ["cuda:0", "TPU_0(process=0,(0,0,0,0))"])
def test_what_an_accelerator_saved_is_read_here(tmp_path, device):
    """As far as that can be imitated: the files say that its devices wrote them."""
    save_in_each_mode(tmp_path)
    place = json.dumps({"sharding_type": "SingleDeviceSharding", "device_str": device})
    for file in tmp_path.rglob("_sharding"):
        file.write_text(json.dumps(dict.fromkeys(json.loads(file.read_text()), place)))
    read_in_each_mode(tmp_path)


PRINTABLE = "".join(chr(code) for code in range(32, 127) if chr(code) != "/")


@pytest.mark.parametrize(
    "name",
    [
        PRINTABLE,
        " .. leading",
        "trailing ",
        ".hidden",
        "[ab]*?",
        "back\\slash\n",
        "e\u0301 and \u00e9",
        "\udcff no Unicode",
        "n" * 255,
        "/".join(["d" * 250] * 14),
    ],
    ids=lambda name: name[:5].encode("unicode_escape").decode(),
)
def test_a_run_lies_in_a_folder_of_any_name(tmp_path, name):
    saved_with_bests(tmp_path / name / "checkpoints")
    checkpoints = Checkpoints(tmp_path / name / "checkpoints")
    assert int(checkpoints.restore_latest(make_state(0))[0].step) == 4
    assert checkpoints.restore_best()[2] == {"best_step": 4}
    checkpoints.close()
    assert (tmp_path / name / "checkpoints" / "latest" / "4").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == [name.split("/")[0]]


def test_both_unicode_forms_are_two_folders_and_links_are_taken_away(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name in ("\u00e9", "e\u0301"):
        saved_with_bests(tmp_path / name)
    shutil.rmtree(tmp_path / "\u00e9")
    assert Checkpoints(tmp_path / "e\u0301").latest_step == 4
    assert not list((tmp_path / "temporary").iterdir())


def test_a_path_that_leaves_no_room_is_refused_before_anything_is_made(tmp_path):
    for name, wrong in (("n" * 256, "256 bytes long"), ("/".join(["d" * 250] * 16), "leave room")):
        with pytest.raises(UserError, match=wrong):
            train(EmbeddingConfig(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def saved_with_bests(folder):
    checkpoints = Checkpoints(folder)
    for step in (2, 4):
        checkpoints.save_best(make_state(step), {"best_step": step})
        checkpoints.save_latest(make_state(step), {"best_step": step})
    checkpoints.close()


def truncate(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)


def test_a_changed_network_is_a_sentence_and_changes_nothing(tmp_path):
    saved_with_bests(tmp_path)
    before = listing(tmp_path)
    wider = make_state(0).replace(params={"net": {"kernel": jnp.zeros((3, 5))}, "objective": {}})
    with pytest.raises(UserError, match=r"params.net.kernel is float32 \(3, 4\) there, .*3, 5"):
        Checkpoints(tmp_path).restore_latest(wider)
    with pytest.raises(UserError, match=r"ema.net.kernel is float32 \(3, 4\) there, missing now"):
        Checkpoints(tmp_path).restore_latest(make_state(0, ema=False))
    assert listing(tmp_path) == before


@pytest.mark.parametrize("error", [OSError(errno.ESTALE, "Stale file handle"), MemoryError()])
def test_what_cannot_be_read_for_the_moment_is_not_damaged(tmp_path, monkeypatch, error):
    saved_with_bests(tmp_path)
    before = listing(tmp_path)

    def fails(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "_read", fails)
        for read in (lambda c: c.restore_latest(make_state(0)), lambda c: c.restore_best()):
            with pytest.raises(UserError, match="4 cannot be read at present"):
                read(Checkpoints(tmp_path))
    assert listing(tmp_path) == before
    assert int(Checkpoints(tmp_path).restore_latest(make_state(0))[0].step) == 4


def test_a_disk_that_refuses_to_be_read_is_not_damage(tmp_path):
    """A link that leads to itself is an error of the system's (ELOOP), whoever asks."""
    saved_with_bests(tmp_path)
    for file in (tmp_path / "latest" / "4" / "state" / "d").iterdir():
        file.unlink()
        file.symlink_to(file)
    with pytest.raises(UserError, match=r"cannot be read at present .*nothing was changed"):
        Checkpoints(tmp_path).restore_latest(make_state(0))
    assert (tmp_path / "latest" / "4").is_dir()


def test_an_error_that_does_not_come_again_is_not_damage(tmp_path, monkeypatch):
    saved_with_bests(tmp_path)
    read, failed = Checkpoints._read, []

    def fails_once(self, *arguments):
        if not failed:
            failed.append(True)
            raise ValueError("Topology mismatch detected.")
        return read(self, *arguments)

    monkeypatch.setattr(Checkpoints, "_read", fails_once)
    with pytest.raises(UserError, match=r"cannot be read at present .Topology"):
        Checkpoints(tmp_path).restore_latest(make_state(0))
    assert sorted(path.name for path in (tmp_path / "latest").iterdir()) == ["2", "4"]


def test_best_ones_are_kept_beside_a_damaged_latest_one(tmp_path):
    saved_with_bests(tmp_path)
    truncate(tmp_path / "latest" / "4")
    checkpoints = Checkpoints(tmp_path, say=lambda _: None)
    assert int(checkpoints.restore_latest(make_state(0))[0].step) == 2
    assert sorted(path.name for path in (tmp_path / "latest").iterdir()) == ["2", "damaged-4"]
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == ["2", "set-aside-4"]
    assert checkpoints.restore_best()[2] == {"best_step": 2}


def test_where_no_checkpoint_is_whole_training_does_not_begin_anew(tmp_path):
    saved_with_bests(tmp_path)
    for step in ("2", "4"):
        truncate(tmp_path / "latest" / step)
    before = listing(tmp_path)
    with pytest.raises(UserError, match=r"No checkpoint .* is whole \(4, 2\)"):
        Checkpoints(tmp_path).restore_latest(make_state(0))
    assert listing(tmp_path) == before
    for step in ("2", "4"):
        (tmp_path / "latest" / step).rename(tmp_path / "latest" / f"damaged-{step}")
    with pytest.raises(UserError, match=r"whole .damaged-2, damaged-4"):
        Checkpoints(tmp_path).restore_latest(make_state(0))


def test_a_best_one_without_a_latest_one_is_set_aside(tmp_path):
    """A run that was killed before its first checkpoint begins anew, and loses nothing."""
    saved_with_bests(tmp_path)
    shutil.rmtree(tmp_path / "latest")
    assert Checkpoints(tmp_path).restore_latest(make_state(0)) is None
    assert "set-aside-4" in [path.name for path in (tmp_path / "best").iterdir()]
