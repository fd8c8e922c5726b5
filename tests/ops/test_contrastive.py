import functools

import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.ops.losses.contrastive import pair_contrastive_loss
from tests.loss_cases import distance, numeric_gradient, value_and_gradient


def _reference(embeddings, labels, mask, margin=1.0, halved=False):
    total, count = 0.0, 0
    for i in range(0, len(labels), 2):
        if not (mask[i] and mask[i + 1]):
            continue
        d = distance(embeddings[i], embeddings[i + 1])
        cost = d**2 if labels[i] == labels[i + 1] else max(0.0, margin - d) ** 2
        total += cost / 2 if halved else cost
        count += 1
    return total, count


def _pairs():
    rng = np.random.default_rng(0)
    embeddings = (0.4 * rng.normal(size=(12, 3))).astype(np.float32).astype(np.float64)
    labels = np.array([0, 0, 1, 2, 3, 3, 4, 5, 0, 0, 1, 3], np.int32)
    mask = np.array([1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1], bool)
    return embeddings, labels, mask


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("halved", [False, True])
def test_value_and_gradient_are_those_of_the_loop(margin, halved):
    embeddings, labels, mask = _pairs()
    loss = functools.partial(pair_contrastive_loss, margin=margin, halved=halved)
    total, count, gradient = value_and_gradient(loss)(embeddings, labels, mask)
    expected = _reference(embeddings, labels, mask, margin, halved)
    np.testing.assert_allclose((total, count), expected, rtol=1e-5)
    numeric = numeric_gradient(lambda x: _reference(x, labels, mask, margin, halved)[0], embeddings)
    np.testing.assert_allclose(gradient, numeric, atol=1e-4)


def test_coincident_pairs_have_gradient_zero():
    embeddings = np.ones((4, 2))
    total, count, gradient = value_and_gradient(pair_contrastive_loss)(
        embeddings, np.array([0, 0, 1, 2], np.int32), np.ones(4, bool)
    )
    assert (total, count) == (1.0, 2.0)
    assert not gradient.any()


def test_padding_alone_is_zero():
    embeddings, labels, mask = _pairs()
    total, count, gradient = value_and_gradient(pair_contrastive_loss)(
        embeddings, labels, mask & False
    )
    assert (total, count) == (0.0, 0.0)
    assert not gradient.any()


def test_mask_may_be_left_out():
    embeddings, labels, mask = _pairs()
    expected = _reference(embeddings, labels, mask | True)
    got = pair_contrastive_loss(jnp.float32(embeddings), jnp.asarray(labels))
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_order_within_a_pair_and_of_pairs_does_not_matter():
    embeddings, labels, mask = _pairs()
    expected = _reference(embeddings, labels, mask)
    order = np.arange(12).reshape(6, 2)[::-1, ::-1].reshape(-1)
    got = pair_contrastive_loss(
        jnp.float32(embeddings[order]), jnp.asarray(labels[order]), mask=jnp.asarray(mask[order])
    )
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("embeddings", "labels"),
    [((3, 2), (3,)), ((4, 2), (2,)), ((4,), (4,)), ((4, 2), (4, 1))],
)
def test_wrong_shapes_are_refused(embeddings, labels):
    with pytest.raises(AssertionError):
        pair_contrastive_loss(jnp.zeros(embeddings), jnp.zeros(labels, jnp.int32))
