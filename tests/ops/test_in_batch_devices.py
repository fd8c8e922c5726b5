"""A batch split over eight devices gives the loss and the gradient of one device."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.ops.losses.batch import (
    angular_loss,
    circle_loss,
    multi_similarity_loss,
    n_pair_loss,
    supervised_contrastive_loss,
)
from reid_jax.ops.losses.contrastive import pair_contrastive_loss
from reid_jax.ops.losses.distillation import (
    relational_angle_loss,
    relational_distance_loss,
    similarity_preserving_loss,
)
from reid_jax.ops.losses.proxy_anchor import proxy_anchor_loss
from reid_jax.ops.losses.triplet import triplet_loss
from reid_jax.ops.mining.in_batch import in_batch

DEVICES = 8
PROXIES = np.random.default_rng(1).normal(size=(11, 4)).astype(np.float32)
LOSSES = {
    "contrastive": pair_contrastive_loss,
    "all": functools.partial(triplet_loss, mining="all"),
    "all_soft": functools.partial(triplet_loss, mining="all", margin=None),
    "hard": functools.partial(triplet_loss, mining="hard"),
    "hard_soft": functools.partial(triplet_loss, mining="hard", margin=None),
    "semi_hard": functools.partial(triplet_loss, mining="semi_hard"),
    "n_pair": functools.partial(n_pair_loss, l2=0.01),
    "angular": angular_loss,
    "multi_similarity": multi_similarity_loss,
    "circle": functools.partial(circle_loss, scale=16.0),
    "proxy_anchor": lambda z, y, **others: proxy_anchor_loss(z, PROXIES, y, **others),
    "supervised_contrastive": supervised_contrastive_loss,
    "similarity": lambda z, y, **others: similarity_preserving_loss(
        z, jnp.asarray(PROXIES)[y], **others
    ),
    "distance": lambda z, y, **others: relational_distance_loss(
        z, jnp.asarray(PROXIES)[y], **others
    ),
    "angle": lambda z, y, **others: relational_angle_loss(z, jnp.asarray(PROXIES)[y], **others),
}


def _batch():
    """32 rows whose individuals lie across devices, padding that is uneven over devices."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(32, 5)).astype(np.float32)
    labels = rng.permutation(np.repeat(np.arange(8), 4)).astype(np.int32)
    labels[0:4] = labels[0]
    mask = np.ones(32, bool)
    mask[[3, 17, 28, 29, 30, 31]] = False
    weights = rng.normal(size=(5, 4)).astype(np.float32)
    return weights, inputs, labels, mask


def _one_device(loss, weights, inputs, labels, mask):
    def mean(w):
        total, count = loss(inputs @ w, labels, mask=mask)
        return total / jnp.maximum(count, 1.0)

    return jax.value_and_grad(mean)(weights)


def _one_of_many(loss, weights, inputs, labels, mask):
    def local(w):
        total, count = loss(inputs @ w, labels, mask=mask, axis_name="batch")
        return total / jnp.maximum(jax.lax.psum(count, "batch"), 1.0)

    return jax.lax.psum(jax.value_and_grad(local)(weights), "batch")


def _split(x):
    return x.reshape(DEVICES, -1, *x.shape[1:])


@pytest.mark.parametrize("name", LOSSES)
def test_eight_devices_are_one(name):
    weights, inputs, labels, mask = _batch()
    loss = LOSSES[name]
    value, gradient = jax.jit(functools.partial(_one_device, loss))(weights, inputs, labels, mask)
    values, gradients = jax.pmap(
        functools.partial(_one_of_many, loss), axis_name="batch", in_axes=(None, 0, 0, 0)
    )(weights, *map(_split, (inputs, labels, mask)))
    assert value > 0
    assert np.abs(gradient).max() > 1e-3
    for device in range(DEVICES):
        np.testing.assert_allclose(values[device], value, rtol=1e-5)
        np.testing.assert_allclose(gradients[device], gradient, rtol=1e-5, atol=1e-5)


def test_shard_map_is_one_device_too():
    weights, inputs, labels, mask = _batch()
    loss = LOSSES["hard"]
    value, gradient = jax.jit(functools.partial(_one_device, loss))(weights, inputs, labels, mask)
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:DEVICES]), ("batch",))
    rows = jax.sharding.PartitionSpec("batch")
    everywhere = jax.sharding.PartitionSpec()
    step = jax.shard_map(
        functools.partial(_one_of_many, loss),
        mesh=mesh,
        in_specs=(everywhere, rows, rows, rows),
        out_specs=everywhere,
        check_vma=False,
    )
    got_value, got_gradient = jax.jit(step)(weights, inputs, labels, mask)
    np.testing.assert_allclose(got_value, value, rtol=1e-5)
    np.testing.assert_allclose(got_gradient, gradient, rtol=1e-5, atol=1e-5)


def _loop_masks(labels, mask):
    size = len(labels)
    positives, negatives = np.zeros((2, size, size), bool)
    for i in range(size):
        for j in range(size):
            real = mask[i] and mask[j]
            positives[i, j] = real and i != j and labels[i] == labels[j]
            negatives[i, j] = real and labels[i] != labels[j]
    return positives, negatives


def test_masks_are_those_of_the_loop_on_one_and_eight_devices():
    _, inputs, labels, mask = _batch()
    positives, negatives = _loop_masks(labels, mask)
    one = in_batch(jnp.asarray(inputs), jnp.asarray(labels), jnp.asarray(mask))
    np.testing.assert_array_equal(one.positives, positives)
    np.testing.assert_array_equal(one.negatives, negatives)
    eight = jax.pmap(functools.partial(in_batch, axis_name="batch"), axis_name="batch")(
        *map(_split, (inputs, labels, mask))
    )
    np.testing.assert_array_equal(eight.positives.reshape(32, 32), positives)
    np.testing.assert_array_equal(eight.negatives.reshape(32, 32), negatives)
    np.testing.assert_array_equal(eight.references[5], inputs)
    np.testing.assert_array_equal(eight.reference_labels[5], labels)
    np.testing.assert_array_equal(eight.anchors[5], inputs[20:24])


def test_mask_of_in_batch_may_be_left_out():
    labels = jnp.asarray([3, 3, 4])
    batch = in_batch(jnp.zeros((3, 2), jnp.bfloat16), labels)
    positives, negatives = _loop_masks(np.asarray(labels), np.ones(3, bool))
    np.testing.assert_array_equal(batch.positives, positives)
    np.testing.assert_array_equal(batch.negatives, negatives)
    assert batch.anchors.dtype == batch.references.dtype == jnp.float32


def test_wrong_shapes_are_refused():
    x, y = jnp.zeros((4, 2)), jnp.zeros(4, jnp.int32)
    for bad in [(x[0], y), (x, y[:3]), (x, x[:, 0]), (x, y, y), (x, y, jnp.ones(3, bool))]:
        with pytest.raises(AssertionError):
            in_batch(*bad)
