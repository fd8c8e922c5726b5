"""The streamed and the resident path train the same network."""

import dataclasses

import jax
import numpy as np
import pytest

from reid_jax.individuals.config import EmbeddingConfig
from reid_jax.individuals.experiment import build, load_data
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.training.feed import RESIDENT_BYTES, is_resident
from reid_jax.training.logging import RunLog, read_metrics
from reid_jax.training.loop import Progress, fit
from reid_jax.training.parallel import make_layout


@pytest.mark.parametrize("mode", ["single", pytest.param("mesh", marks=pytest.mark.exhaustive)])
def test_streamed_and_resident_training_agree(tmp_path, mode):
    config = EmbeddingConfig(loss=MarginSoftmax())
    results = {}
    for source in ("stream", "resident"):
        data = dataclasses.replace(
            config.data, source="synthetic:12x4", image_size=16, batch_size=16, input=source
        )
        train = dataclasses.replace(config.train, steps=3, log_every=1)
        optimizer = dataclasses.replace(config.optimizer, name="sgd", warmup_steps=0)
        changed = dataclasses.replace(config, data=data, train=train, optimizer=optimizer)
        experiment = build(changed, *load_data(data, 0))
        workdir = tmp_path / source
        fit(experiment, train, make_layout(mode), workdir, ema_decay=0.0)
        results[source] = [row["loss"] for row in read_metrics(workdir) if "loss" in row]
    assert len(results["stream"]) == 3
    np.testing.assert_allclose(results["stream"], results["resident"], rtol=1e-5)


def test_a_set_is_resident_where_asked_for_or_where_it_is_small():
    most = RESIDENT_BYTES // (1024 * 1024)
    assert is_resident("auto", most, 1024, 1)
    assert not is_resident("auto", most + 1, 1024, 1)
    assert is_resident("resident", most + 1, 1024, 1)
    assert not is_resident("stream", 10, 8, 3)


def test_a_log_forgets_what_will_be_done_again_and_survives_a_cut_row(tmp_path):
    log = RunLog(tmp_path, 0)
    for step in (1, 2, 3):
        log.write(step, {"loss": float(step)})
    log.write(4, {"loss": float("nan")})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')
    assert [row["loss"] for row in read_metrics(tmp_path)] == [1.0, 2.0, 3.0, None]
    RunLog(tmp_path, 2).close()
    assert [row["step"] for row in read_metrics(tmp_path)] == [1, 2]


def test_progress_knows_the_best_and_never_takes_nan_for_it():
    progress = Progress()
    assert not progress.improved(1, float("nan"))
    assert progress.best_value is None
    assert progress.improved(2, 0.5)
    assert not progress.improved(3, 0.5)
    assert not progress.improved(4, float("nan"))
    assert progress.improved(5, 0.6)
    assert (progress.best_step, progress.best_value, progress.without_improvement) == (5, 0.6, 0)


def test_small_improvements_are_kept_and_do_not_count():
    """As Keras's EarlyStopping: small steps count together once they are more than `min_delta`."""
    progress, waited, kept = Progress(), [], []
    for step, value in enumerate([0.5, 0.505, 0.508, 0.511, 0.515, float("nan"), 0.53]):
        kept.append(progress.improved(step, value, min_delta=0.01))
        waited.append(progress.without_improvement)
    assert kept == [True] * 5 + [False, True]
    assert waited == [0, 1, 2, 0, 1, 2, 0]
    earlier = Progress(best_value=0.5, best_step=3)  # of a run that has no mark
    assert earlier.improved(4, 0.505, min_delta=0.01)
    assert earlier.without_improvement == 1


def test_no_state_is_left_on_a_device_axis():
    """What comes back from eight devices has the shapes of one."""
    layout = make_layout("pmap")
    compiled = layout.compile(
        lambda state, shared, batch, *, axis_name=None: (
            state + jax.lax.psum(batch.sum(), axis_name)
        ),
        batch_axis=0,
        donate=False,
    )
    result = compiled(np.float32(1), {}, layout.divide(np.ones((16, 2), np.float32), 0))
    assert result.shape == ()
    assert float(result) == 33.0
