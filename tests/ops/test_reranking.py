"""Re-ranking against a plain dense version written from the paper and the published code."""

import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.ops.ranking import reranking
from reid_jax.ops.ranking.reranking import k_reciprocal_blocks, k_reciprocal_distances


def dense_k_reciprocal(photos, k1, k2, lambda_value):
    """Of all photos to all: sets as Python sets, encodings as one dense matrix."""
    photos, number = photos.astype(np.float64), len(photos)
    squared = np.square(photos[:, None] - photos[None]).sum(-1)
    squared = squared / squared.max(axis=1, keepdims=True)
    rank = np.argsort(squared, axis=1, kind="stable")

    def reciprocal(i, k):
        return {j for j in rank[i, : k + 1] if i in rank[j, : k + 1]}

    encoding = np.zeros((number, number))
    for i in range(number):
        own = reciprocal(i, k1)
        members = set(own)
        for candidate in own:
            theirs = reciprocal(candidate, int(np.around(k1 / 2)))
            if len(theirs & own) > 2 / 3 * len(theirs):
                members |= theirs
        for j in members:
            encoding[i, j] = np.exp(-squared[i, j])
        encoding[i] /= encoding[i].sum()
    encoding = np.stack([encoding[rank[i, :k2]].mean(axis=0) for i in range(number)])
    result = np.empty((number, number))
    for i in range(number):
        for j in range(number):
            overlap = np.minimum(encoding[i], encoding[j]).sum()
            jaccard = 1 - overlap / (2 - overlap)
            result[i, j] = (1 - lambda_value) * jaccard + lambda_value * squared[i, j]
    return result


def photos(seed, number=70):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((9, 6))
    return (centres[rng.integers(0, 9, number)] + 0.5 * rng.standard_normal((number, 6))).astype(
        np.float32
    )


@pytest.mark.parametrize(
    ("k1", "k2", "lambda_value"), [(20, 6, 0.3), (5, 3, 0.3), (7, 1, 0.0), (4, 8, 1.0), (1, 2, 0.5)]
)
def test_distances_match_the_published_ones(k1, k2, lambda_value):
    x = photos(k1)
    ours = k_reciprocal_distances(
        x[:20], x[20:], k1=k1, k2=k2, lambda_value=lambda_value, metric="euclidean"
    )
    reference = dense_k_reciprocal(x, k1, k2, lambda_value)[:20, 20:]
    np.testing.assert_allclose(ours, reference, atol=1e-6)


def test_cosine_is_euclidean_on_the_sphere():
    x = photos(1)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    ours = k_reciprocal_distances(x[:20] * 3, x[20:], k1=6, k2=3)
    reference = dense_k_reciprocal(unit, 6, 3, 0.3)[:20, 20:]
    np.testing.assert_allclose(ours, reference, atol=1e-6)


def test_photos_on_both_sides_are_encoded_once():
    x = photos(6, 50)
    reference = dense_k_reciprocal(x, 6, 3, 0.3)
    every = np.arange(50)
    for query, gallery in ((every, every), (every[:30], every[20:])):
        _, ours = zip(
            *k_reciprocal_blocks(x, query, gallery, k1=6, k2=3, metric="euclidean"), strict=True
        )
        np.testing.assert_allclose(
            np.concatenate(ours), reference[np.ix_(query, gallery)], atol=1e-6
        )


def test_more_neighbours_than_photos():
    x = photos(2, 9)
    ours = k_reciprocal_distances(x[:3], x[3:], metric="euclidean")
    np.testing.assert_allclose(ours, dense_k_reciprocal(x, 20, 6, 0.3)[:3, 3:], atol=1e-6)


def test_blocks_make_no_difference(monkeypatch):
    x = photos(3)
    whole = k_reciprocal_distances(x[:20], x[20:], k1=6, k2=3)
    monkeypatch.setattr(reranking, "_CELLS", 150)
    monkeypatch.setattr(reranking, "_block", lambda k: 7)
    blocks = list(k_reciprocal_blocks(x, np.arange(20), np.arange(20, 70), k1=6, k2=3))
    assert len(blocks) == 7
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in blocks]), np.arange(20))
    np.testing.assert_allclose(np.concatenate([d for _, d in blocks]), whole, atol=1e-6)


def test_refuses():
    x = photos(5, 9)
    for change, message in (
        ({"k1": 0}, "k1"),
        ({"lambda_value": 2.0}, "lambda"),
        ({"metric": "dot"}, "metric"),
    ):
        with pytest.raises(UserError, match=message):
            k_reciprocal_distances(x, x, **change)
    with pytest.raises(UserError, match="same model"):
        k_reciprocal_distances(x, x[:, :2])
