"""Statistics of parts of a batch: how many there are is chosen once."""

import json
from dataclasses import replace

import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.training.config_file import to_json
from reid_jax.training.norm_parts import check_norm_parts, choose_norm_parts, kept_norm_parts

DEVICE = EmbeddingConfig(model=ModelConfig(batch_norm="device"), data=DataConfig(batch_size=64))


def test_there_is_a_part_a_device_unless_statistics_are_of_all():
    assert choose_norm_parts(DEVICE, 8).model.batch_norm_parts == 8
    assert choose_norm_parts(EmbeddingConfig(), 8) == EmbeddingConfig()


def test_a_run_goes_on_with_its_parts_on_devices_that_divide_them(tmp_path):
    begun = choose_norm_parts(DEVICE, 8)
    (tmp_path / "config.json").write_text(json.dumps(to_json(begun)))
    assert kept_norm_parts(tmp_path, DEVICE) == DEVICE  # nothing was saved yet
    (tmp_path / "checkpoints" / "latest" / "10").mkdir(parents=True)
    assert kept_norm_parts(tmp_path, DEVICE) == begun
    for devices in (1, 2, 4, 8):
        assert choose_norm_parts(begun, devices) == begun
    for devices in (3, 16):
        with pytest.raises(UserError, match=f"8 parts of a batch, which {devices} devices"):
            choose_norm_parts(begun, devices)


def test_a_batch_that_cannot_be_cut_is_refused():
    begun = choose_norm_parts(DEVICE, 8)
    check_norm_parts(begun)
    with pytest.raises(UserError, match=r"is 60, .* 8 equal parts; a multiple of 8 would do"):
        check_norm_parts(replace(begun, data=replace(begun.data, batch_size=60)))
