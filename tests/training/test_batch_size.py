"""The largest batch that fits: found in few looks, kept for the next session."""

import dataclasses
import json

import jax
import pytest

from reid_jax.commands.learn import asked
from reid_jax.errors import UserError
from reid_jax.individuals.config import EmbeddingConfig, check
from reid_jax.individuals.experiment import batch_bounds, build, load_data
from reid_jax.individuals.question import Individuals
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.training.batch_size import (
    bytes_of_step,
    choose_batch_size,
    find_batch_size,
    kept_batch_size,
    with_batch_size,
)
from reid_jax.training.config import AUTO
from reid_jax.training.config_file import to_json
from reid_jax.training.parallel import Layout, make_layout
from reid_jax.training.stages import Stage


@pytest.mark.parametrize("memory", [1_200, 5_000, 60_000, 10**9])
@pytest.mark.parametrize("bend", [0.0, 0.01])
def test_the_largest_that_fits_is_found(memory, bend):
    looks = []

    def needed(size):
        looks.append(size)
        return int(1_000 + 3 * size + bend * size**2)

    found = find_batch_size(needed, 8, 4096, memory)
    assert len(looks) <= 9
    fitting = [size for size in range(8, 4097, 8) if needed(size) <= 0.9 * memory]
    assert found in fitting
    assert found > fitting[-1] * 7 / 8


def test_nothing_fits_and_little_data():
    with pytest.raises(UserError, match=r"A batch of 8 needs 1\.0 GB of a device's 1\.0; set"):
        find_batch_size(lambda size: 10**9, 8, 64, 10**9)
    assert find_batch_size(lambda size: size, 8, 12, 10**9) == 8
    assert find_batch_size(lambda size: size, 8, 17, 10**9) == 16
    assert find_batch_size(lambda size: size, 8, 31, 10**9) == 24


@pytest.fixture(scope="module")
def config():
    config = EmbeddingConfig(loss=MarginSoftmax())
    data = dataclasses.replace(
        config.data, source="synthetic:24x6", image_size=16, batch_size=AUTO, test_fraction=0.1
    )
    optimizer = dataclasses.replace(config.optimizer, warmup_steps=0)
    config = dataclasses.replace(config, data=data, optimizer=optimizer)
    check(config)
    return config


@pytest.mark.parametrize(
    "mode",
    [
        "single",
        pytest.param("pmap", marks=pytest.mark.exhaustive),
        pytest.param("mesh", marks=pytest.mark.exhaustive),
    ],
)
def test_memory_grows_with_the_batch_and_is_that_of_a_device(config, mode):
    layout = make_layout(mode)
    data = load_data(config.data, 0)
    assert batch_bounds(config, *data)[0] == 4
    experiment = build(with_batch_size(config, 8), *data)
    needed = bytes_of_step(experiment, config, layout)
    small, large = needed(16), needed(64)
    a_photo = 64 * 16 * 16 * 4  # a feature map in float32
    assert (large - small) / 48 > a_photo / layout.size


def test_a_later_stage_that_trains_more_counts(config):
    head, all_blocks = Stage(start=0, blocks=0), Stage(start=4, blocks=-1)

    def needed(stages):
        staged = dataclasses.replace(with_batch_size(config, 8), stages=stages)
        experiment = build(staged, *load_data(config.data, 0))
        return bytes_of_step(experiment, staged, make_layout("single"))(128)

    assert needed((head, all_blocks)) == needed((all_blocks,)) > needed((head,))


def test_the_choice_is_said_and_bounded_by_the_photos(config, monkeypatch, capsys):
    dataset, splits = load_data(config.data, 0)
    monkeypatch.setattr(Layout, "memory", property(lambda self: 10**10))
    data = dataset, splits
    chosen = choose_batch_size(Individuals(), config, data, make_layout("single"))
    individuals = len(set(dataset.labels[splits.train].tolist()))
    most = batch_bounds(config, *data)[1]
    assert most / 2 < chosen.data.batch_size <= most == 4 * individuals
    assert f"data.batch_size: {chosen.data.batch_size}, which needs" in capsys.readouterr().out


def test_a_run_keeps_what_it_found(config, tmp_path):
    assert kept_batch_size(tmp_path, config) == config
    found = with_batch_size(config, 96)
    (tmp_path / "config.json").write_text(json.dumps(to_json(found)))
    assert kept_batch_size(tmp_path, config) == config, "nothing was saved"
    (tmp_path / "checkpoints" / "latest" / "20").mkdir(parents=True)
    assert kept_batch_size(tmp_path, config) == found
    given = with_batch_size(config, 32)
    assert kept_batch_size(tmp_path, given) == given


@pytest.mark.parametrize("kind", [EmbeddingConfig, KeyframeConfig])
@pytest.mark.parametrize(
    ("words", "size"), [("--batch-size auto", AUTO), ("--data.batch-size=32", 32)]
)
def test_it_is_asked_for_by_name(kind, words, size):
    _, config = asked(kind(), ["--workdir", "x", *words.split()], "train")
    assert config == dataclasses.replace(
        kind(), data=dataclasses.replace(kind().data, batch_size=size)
    )


def test_a_device_has_memory():
    assert make_layout("single").memory > 10**8
    assert make_layout("pmap").memory <= make_layout("single").memory // len(jax.devices()) * 1.2
