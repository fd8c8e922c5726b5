"""A batch in blocks is the batch at once: losses, gradients, and memory that grows linearly."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.compilations import compiling_for
from reid_jax.ops.losses import triplet
from reid_jax.ops.losses.triplet import triplet_loss
from reid_jax.ops.mining import blockwise as blockwise_mining
from reid_jax.ops.mining.in_batch import gather_rows, pair_masks

VARIANTS = {
    "all": {"mining": "all", "margin": 0.3},
    "all_valid": {"mining": "all", "margin": 0.3, "mean_over": "valid"},
    "all_soft": {"mining": "all", "margin": None},
    "hard": {"mining": "hard", "margin": 0.3},
    "hard_soft": {"mining": "hard", "margin": None},
    "semi_hard": {"mining": "semi_hard", "margin": 0.3},
}


def _batch(size=37, dimension=5, classes=6):
    """A size that blocks do not divide, classes of every size, padding, and a duplicate."""
    rng = np.random.default_rng(3)
    embeddings = rng.normal(size=(size, dimension)).astype(np.float32)
    labels = np.minimum(rng.geometric(0.35, size), classes).astype(np.int32)
    labels[5] = np.iinfo(np.int32).max  # a label that stands beside the padding in any order
    mask = rng.random(size) > 0.15
    labels[~mask] = labels[5]
    embeddings[7] = embeddings[3]
    return embeddings, labels, mask


def _run(name):
    variant = VARIANTS[name]

    def both(x, y, m):
        return jax.value_and_grad(lambda x: triplet_loss(x, y, mask=m, **variant), has_aux=True)(x)

    return jax.jit(both)(*_batch())


_at_once = functools.cache(_run)


@pytest.mark.parametrize("name", VARIANTS)
def test_blocks_change_nothing(name, monkeypatch):
    (total, count), gradient = _at_once(name)
    assert total > 0
    monkeypatch.setattr(blockwise_mining, "_ENTRIES", {"cpu": 5 * 37})
    (in_blocks, same_count), same_gradient = _run(name)
    np.testing.assert_allclose(in_blocks, total, rtol=1e-5)
    assert same_count == count
    np.testing.assert_allclose(same_gradient, gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["all", "semi_hard"])
def test_sorting_is_looking_at_each_positive(name, monkeypatch):
    (total, count), gradient = _at_once(name)
    monkeypatch.setattr(triplet, "_MANY_POSITIVES", 0)
    (sorted_total, same_count), same_gradient = _run(name)
    np.testing.assert_allclose(sorted_total, total, rtol=1e-5)
    assert same_count == count
    np.testing.assert_allclose(same_gradient, gradient, rtol=1e-5, atol=1e-5)


def test_positives_are_counted_off_as_the_mask_says():
    rows = gather_rows(*map(jnp.asarray, _batch()))
    positives, negatives = map(np.asarray, pair_masks(rows))
    block = blockwise_mining._block(rows, blockwise_mining._ranks(rows))
    assert block.most_positives == positives.sum(axis=1).max()
    for anchor, ranks in enumerate(np.asarray(block.ranks)):
        (references,) = np.nonzero(positives[anchor])
        np.testing.assert_array_equal(ranks[references], np.arange(len(references)))
        assert (np.delete(ranks, references) == -1).all()
    triplets = (positives.sum(axis=1) * negatives.sum(axis=1)).sum()
    assert float(blockwise_mining.num_triplets(rows)) == triplets


@pytest.mark.parametrize("bound", [15, 200], ids=["each", "sorted"])
@pytest.mark.parametrize("name", VARIANTS)
def test_a_bound_that_holds_changes_nothing(name, bound):
    """`positives` as a number known when compiling; nothing then depends on the batch."""
    embeddings, labels, mask = _batch()
    most = (labels[mask][:, None] == labels[mask][None]).sum(axis=1).max() - 1
    assert 8 < most <= bound  # more than two turns
    loss = functools.partial(triplet_loss, mask=mask, **VARIANTS[name])

    def both(x, **bound):
        return jax.value_and_grad(lambda x: loss(x, labels, **bound), has_aux=True)(x)

    (total, count), gradient = jax.jit(functools.partial(both, positives=bound))(embeddings)
    expected, expected_gradient = _at_once(name)
    np.testing.assert_allclose(total, expected[0], rtol=1e-5)
    assert count == expected[1]
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-5)
    text = str(jax.make_jaxpr(functools.partial(both, positives=bound))(embeddings))
    assert " cond[" not in text
    assert " while[" not in text or bound > 100  # searches in sorted rows


def test_a_bound_of_one_is_one_positive_of_each_anchor():
    embeddings, _, _ = _batch(size=12)
    labels = jnp.repeat(jnp.arange(6), 2)
    for variant in ({"mining": "all"}, {"mining": "semi_hard"}, {"margin": None}):
        got = triplet_loss(embeddings, labels, positives=1, **variant)
        np.testing.assert_allclose(got, triplet_loss(embeddings, labels, **variant), rtol=1e-6)
        assert triplet_loss(embeddings, labels, positives=0, **variant)[0] == 0


@pytest.mark.parametrize("name", VARIANTS)
def test_accelerators_mine_the_same(name):
    with compiling_for("gpu"):
        (total, count), gradient = _run(name)
    expected, expected_gradient = _at_once(name)
    np.testing.assert_allclose(total, expected[0], rtol=1e-6)
    assert count == expected[1]
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("labels", [[1, 1, 1, 1], [0, 1, 2, 3]], ids=["one class", "no positives"])
@pytest.mark.parametrize("name", ["all", "all_soft", "hard", "semi_hard"])
def test_no_triplets_are_zero(name, labels, monkeypatch):
    monkeypatch.setattr(blockwise_mining, "_ENTRIES", {"cpu": 4})
    x = jnp.asarray(_batch()[0][:4])
    (total, count), gradient = jax.value_and_grad(
        lambda x: triplet_loss(x, jnp.asarray(labels), **VARIANTS[name]), has_aux=True
    )(x)
    if name != "semi_hard":  # counts pairs whose anchor has a negative
        assert count == 0
    assert total == 0
    assert not gradient.any()


@pytest.mark.parametrize("name", ["all", "hard", "semi_hard"])
def test_memory_is_linear_in_the_batch(name, monkeypatch):
    """As XLA plans it, forward and backward: twice the batch, twice the memory, no (B, B)."""
    entries = 2**12
    monkeypatch.setattr(blockwise_mining, "_ENTRIES", {"cpu": entries})
    held = []
    for size in (512, 1024):
        shapes = jax.ShapeDtypeStruct((size, 8), jnp.float32), jnp.zeros(size, jnp.int32)
        loss = functools.partial(triplet_loss, **VARIANTS[name])
        compiled = jax.jit(jax.grad(lambda x, y, f=loss: f(x, y)[0])).lower(*shapes).compile()
        held.append(compiled.memory_analysis().temp_size_in_bytes)
    assert held[1] < 4 * 1024**2
    assert held[1] - held[0] < 64 * 4 * 512 * 8


@pytest.mark.parametrize("name", ["all", "hard", "semi_hard"])
def test_a_mesh_of_eight_devices_shares_every_block(name, monkeypatch):
    """Under jit over a mesh: the values of one device, and no device does all of a block."""
    monkeypatch.setattr(blockwise_mining, "_ENTRIES", {"cpu": 16 * 64})
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 4)).astype(np.float32), np.repeat(np.arange(16, dtype=np.int32), 4)
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:8]), ("batch",))
    divided = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))

    def run(x, y):
        return jax.value_and_grad(lambda x: triplet_loss(x, y, **VARIANTS[name])[0])(x)

    total, gradient = jax.jit(run)(x, y)
    shared = jax.jit(run, in_shardings=(divided, divided))
    got, same = shared(x, y)
    np.testing.assert_allclose(got, total, rtol=1e-5)
    np.testing.assert_allclose(same, gradient, rtol=1e-5, atol=1e-6 * np.abs(gradient).max())
    lines = shared.lower(x, y).compile().as_text().splitlines()
    products = [line.split(" dot(")[0] for line in lines if " dot(" in line]
    assert any("f32[16,8]" in line or "f32[2,64]" in line for line in products)
    assert not any("f32[16,64]" in line for line in products)
