"""Search for individuals: against loops, on one device and on eight."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.ops.ranking.individuals import RULES, VOTES, GallerySearch, _best, rounded_up
from reid_jax.training.parallel import make_layout, mesh_for

EIGHT = make_layout("mesh").mesh


def similarity(query, photo, metric):
    if metric == "cosine":
        return query @ photo / np.linalg.norm(query) / np.linalg.norm(photo)
    return -np.linalg.norm(query - photo)


def loop(query, gallery, individuals, rule, metric, counts):
    """Scores by individual, from the definitions."""
    alike = {i: similarity(query, gallery[i], metric) for i in range(len(gallery)) if counts[i]}
    nearest = sorted(alike, key=lambda i: (-alike[i], i))[:VOTES]
    scores = {}
    for who in sorted({int(individuals[i]) for i in alike}):
        own = [i for i in alike if individuals[i] == who]
        if rule == "max":
            scores[who] = max(alike[i] for i in own)
        elif rule == "mean":
            scores[who] = sum(alike[i] for i in own) / len(own)
        else:
            votes = [alike[i] for i in nearest if i in own]
            if votes:
                weights = [(1 + v) / 2 if metric == "cosine" else 1 / (1 - v) for v in votes]
                scores[who] = sum(weights) / min(VOTES, len(own))
    return scores


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("rule", RULES)
def test_scores_of_individuals_against_loops_on_one_device_and_eight(rule, metric):
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(300, 5)).astype(np.float32)
    individuals = rng.integers(0, 20, 300)
    queries = rng.normal(size=(7, 5)).astype(np.float32)
    own = rng.integers(0, 20, 7)
    results = [
        GallerySearch(gallery, individuals, metric, mesh).individuals_like(
            queries, 4, rule, [(own, individuals)]
        )
        for mesh in (None, EIGHT)
    ]
    assert len(jax.devices()) == 8
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(results[0][1], results[1][1])
    for row, (scores, found) in enumerate(zip(*results[1], strict=True)):
        expected = loop(queries[row], gallery, individuals, rule, metric, individuals != own[row])
        ranked = sorted(expected, key=lambda who: -expected[who])[:4]
        number = len(ranked)
        assert found[:number].tolist() == ranked
        assert set(found[number:]) <= {-1}
        np.testing.assert_allclose(scores[:number], [expected[w] for w in ranked], rtol=1e-4)
        assert np.isneginf(scores[number:]).all()


@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 12), st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_photos_over_devices_are_those_on_one_ties_included(photos, queries, k, seed):
    rng = np.random.default_rng(seed)
    gallery = rng.integers(-1, 2, (photos, 3)).astype(np.float32)
    asked = rng.integers(-1, 2, (queries, 3)).astype(np.float32)
    zeros = np.zeros(photos, int)
    one = GallerySearch(gallery, zeros, "euclidean").photos_like(asked, k)
    eight = GallerySearch(gallery, zeros, "euclidean", make_layout("mesh").mesh).photos_like(
        asked, k
    )
    np.testing.assert_array_equal(one[1], eight[1])
    np.testing.assert_array_equal(one[0], eight[0])
    expected = -np.linalg.norm(asked[:, None] - gallery, axis=2)
    order = np.argsort(-np.round(expected, 4), axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(one[1][:, : order.shape[1]], order)
    assert (one[1][:, order.shape[1] :] == -1).all()


def test_wrong_shapes_are_named():
    search = GallerySearch(np.eye(3), np.arange(3))
    with pytest.raises(UserError, match="queries have the shape"):
        search.individuals_like(np.ones((2, 4)), 1)
    with pytest.raises(UserError, match="score 'min' is unknown"):
        search.individuals_like(np.ones((2, 3)), 1, "min")
    with pytest.raises(UserError, match="at least one photo"):
        GallerySearch(np.ones((0, 3)), np.arange(0))
    with pytest.raises(UserError, match="metric"):
        GallerySearch(np.eye(3), np.arange(3), "manhattan")


@given(st.integers(1, 10**7), st.integers(1, 16))
def test_a_growing_gallery_seldom_has_another_size(number, parts):
    size = rounded_up(number, parts)
    assert number <= size <= number + max(128 * parts, number / 7)
    assert size % (128 * parts) == 0


def test_a_gallery_that_grows_a_little_is_not_compiled_for_anew():
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(1100, 7)).astype(np.float32)
    people = np.arange(1100) // 4
    before = _best._cache_size()
    for photos in (1030, 1060, 1100):
        search = GallerySearch(gallery[:photos], people[:photos])
        own = people[:photos]
        search.individuals_like(gallery[:9], 5, "max", [(own[:9], own)])
    assert _best._cache_size() == before + 1


def test_all_devices_are_taken_for_what_half_of_one_does_not_hold(monkeypatch):
    assert mesh_for(2**60) is None  # a CPU does not say what it has
    one = SimpleNamespace(memory_stats=lambda: {"bytes_limit": 1000})
    monkeypatch.setattr(jax, "local_devices", lambda: [one])
    assert mesh_for(500) is None
    assert mesh_for(501) == EIGHT
