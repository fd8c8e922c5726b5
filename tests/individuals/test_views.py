"""Embeddings that are means over a photo and augmented copies of it."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from reid_jax.individuals.task import EmbeddingTask
from reid_jax.models import EmbeddingNet, create_backbone
from reid_jax.ops.images.augment import Augmentation, augment
from reid_jax.ops.losses.objectives import Triplet

VIEWS = 3


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def trained(photos):
    net = EmbeddingNet(create_backbone("small_cnn"), embedding_dim=4)
    changes = Augmentation(rotation=20.0, brightness=0.3, erasing=0.5)
    task = EmbeddingTask(net, Triplet(), changes, 2, (0.5,) * 3, (0.5,) * 3)
    return task, *task.init(jax.random.key(1), {"image": photos})


@pytest.mark.parametrize(
    "metric", [pytest.param("cosine", marks=pytest.mark.exhaustive), "euclidean"]
)
def test_an_embedding_is_the_mean_over_views(photos, trained, metric):
    task, params, state = trained
    task = replace(task, metric=metric, net=task.net.clone(normalize=metric == "cosine"))

    def embed(pixels):
        inputs = (np.asarray(pixels, np.float32) - 0.5) / 0.5
        return np.array(task.net.apply({"params": params["net"], **state}, inputs)["embedding"])

    expected = embed(photos / np.float32(255))
    for key in jax.random.split(jax.random.key(0), VIEWS):
        for row, photo in enumerate(photos):
            expected[row] += embed(augment(key[None], photo[None], task.augmentation))[0]
    expected /= VIEWS + 1
    if metric == "cosine":
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = replace(task, views=VIEWS).predict(params, state, {"image": photos})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert not np.allclose(found, task.predict(params, state, {"image": photos}), atol=1e-3)


def test_a_photo_has_the_same_views_wherever_it_stands(photos, trained):
    task, params, state = trained
    task = replace(task, views=VIEWS)
    together = task.predict(params, state, {"image": photos})
    turned = task.predict(params, state, {"image": photos[::-1]})
    np.testing.assert_allclose(together, turned[::-1], rtol=1e-5, atol=1e-6)
