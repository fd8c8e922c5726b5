"""Photos embedded larger than they were trained on, and mirror images that were trained on."""

from dataclasses import replace

import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig, check
from reid_jax.individuals.experiment import load_data, training_set, whitening_set
from reid_jax.individuals.model import load_run
from tests.tiny_run import make_tiny_run


def test_a_run_embeds_at_the_size_that_it_says(tmp_path):
    model = load_run(make_tiny_run(tmp_path, embed_size=32, symmetries=2))
    photos, _ = model.load_data()
    pixels = photos.load(np.arange(4), 32)
    expected = model.task.predict(model.params, model.model_state, {"image": pixels})
    np.testing.assert_allclose(model.embed(photos, np.arange(4)), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(model.embed(list(pixels)), expected, rtol=1e-3, atol=1e-4)
    data = replace(model.config.data, embed_size=0)
    smaller = replace(model, config=replace(model.config, data=data))
    assert smaller.fingerprint != model.fingerprint


def test_mirror_images_are_trained_on_and_do_not_whiten():
    data = DataConfig(source="synthetic:8x4", symmetries=2)
    photos, splits = load_data(data, 0)
    trained, whitened = (f(photos, splits, symmetries=2) for f in (training_set, whitening_set))
    assert len(trained) == 2 * len(whitened)
    assert len(np.unique(trained.labels)) == 2 * len(np.unique(whitened.labels))


def test_features_of_each_position_have_one_size():
    data = DataConfig(image_size=32, embed_size=48)
    with pytest.raises(UserError, match="embed_size"):
        check(EmbeddingConfig(data=data, model=ModelConfig(pooling="flatten")))
