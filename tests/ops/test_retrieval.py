"""Retrieval measures against plain loops written from the definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.ops.ranking import match_ranks as device
from reid_jax.ops.ranking.retrieval import evaluate_distances, evaluate_retrieval, nearest


def similarity(query, entry, metric):
    if metric == "cosine":
        norms = np.linalg.norm(query) * np.linalg.norm(entry)
        return round(float(query @ entry) / norms, 12) if norms else 0.0
    return -float(np.sum((query - entry) ** 2))


def plain(queries, gallery, query_ids, gallery_ids, metric, ignored, ranks=(1, 5, 10)):
    """Market-1501's protocol and the measures of the metric learning literature, one by one."""
    queries, gallery = np.asarray(queries, np.float64), np.asarray(gallery, np.float64)
    sums = {}
    excluded = 0
    for i, query in enumerate(queries):
        left = [j for j in range(len(gallery)) if not ignored(i, j)]
        left.sort(key=lambda j: (-similarity(query, gallery[j], metric), j))
        right = [gallery_ids[j] == query_ids[i] for j in left]
        total = sum(right)
        if total == 0:
            excluded += 1
            continue
        found, average, last, at_r = 0, 0.0, 0, 0.0
        for rank, match in enumerate(right, start=1):
            if match:
                found += 1
                average += found / rank
                last = rank
                if rank <= total:
                    at_r += found / rank
        values = {
            "mAP": average / total,
            "mINP": total / last,
            "map_at_r": at_r / total,
            "r_precision": sum(right[:total]) / total,
        }
        for k in ranks:
            values[f"rank{k}"] = float(any(right[:k]))
            values[f"precision@{k}"] = sum(right[:k]) / k
        for name, value in values.items():
            sums.setdefault(name, []).append(value)
    result = {name: float(np.mean(values)) for name, values in sums.items()}
    return result | {"num_queries": len(queries), "num_excluded": excluded}


def case(seed, queries=23, gallery=61, dimensions=3, ids=7, cameras=3, levels=3):
    """Embeddings on a coarse grid, so that ties are many and exact."""
    rng = np.random.default_rng(seed)
    grid = lambda n: rng.integers(-levels, levels + 1, (n, dimensions)).astype(np.float32)  # noqa: E731
    return {
        "query_embeddings": grid(queries),
        "gallery_embeddings": grid(gallery),
        "query_ids": rng.integers(0, ids + 3, queries),  # some individuals are not in the gallery
        "gallery_ids": rng.integers(0, ids, gallery),
        "query_cameras": rng.integers(0, cameras, queries),
        "gallery_cameras": rng.integers(0, cameras, gallery),
    }


def assert_same(ours, reference):
    for name, value in reference.items():
        assert ours[name] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("by_search", [False, True])
def test_market_protocol_with_ties_and_missing_matches(seed, by_search, monkeypatch):
    if by_search:
        monkeypatch.setattr(device, "COMPARE_UP_TO", 0)
    c = case(seed)
    same = lambda i, j: (  # noqa: E731
        c["query_ids"][i] == c["gallery_ids"][j]
        and c["query_cameras"][i] == c["gallery_cameras"][j]
    )
    ours = evaluate_retrieval(**c, metric="euclidean")
    reference = plain(*list(c.values())[:4], "euclidean", same)
    assert_same(ours, reference)
    assert 0 < ours["num_excluded"] < ours["num_queries"] == 23


@pytest.mark.parametrize("by_search", [False, True])
def test_cosine_with_ties(by_search, monkeypatch):
    if by_search:
        monkeypatch.setattr(device, "COMPARE_UP_TO", 0)
    # Vectors with a norm that is a power of two, all axes and signs: cosines are exact.
    rng = np.random.default_rng(5)
    axes = np.concatenate([np.eye(4), -np.eye(4), np.ones((1, 4)) / 2, 2 * np.eye(4)])
    gallery, queries = axes[rng.integers(0, 13, 80)], axes[rng.integers(0, 13, 30)]
    query_ids, gallery_ids = rng.integers(0, 6, 30), rng.integers(0, 6, 80)
    ours = evaluate_retrieval(queries, gallery, query_ids, gallery_ids)
    reference = plain(queries, gallery, query_ids, gallery_ids, "cosine", lambda i, j: False)
    assert_same(ours, reference)


def test_continuous_embeddings_and_a_single_camera_rule():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 8, 90)
    centres = rng.standard_normal((8, 16))
    embeddings = (centres[ids] + rng.standard_normal((90, 16))).astype(np.float32)
    split = (embeddings[:30], embeddings[30:], ids[:30], ids[30:])
    for metric in ("cosine", "euclidean"):
        reference = plain(*split, metric, lambda i, j: False)
        assert_same(evaluate_retrieval(*split, metric=metric), reference)


def test_leave_one_out_and_encounters():
    rng = np.random.default_rng(2)
    embeddings = rng.integers(-2, 3, (40, 2)).astype(np.float32)
    ids, days, photo = rng.integers(0, 6, 40), rng.integers(0, 9, 40), np.arange(40)
    ours = evaluate_retrieval(
        embeddings, embeddings, ids, ids, metric="euclidean", query_index=photo, gallery_index=photo
    )
    reference = plain(embeddings, embeddings, ids, ids, "euclidean", lambda i, j: i == j)
    assert_same(ours, reference)
    ours = evaluate_retrieval(
        *(embeddings, embeddings, ids, ids),
        metric="euclidean",
        query_index=photo,
        gallery_index=photo,
        query_groups=days,
        gallery_groups=days,
    )
    same_day = lambda i, j: i == j or days[i] == days[j]  # noqa: E731
    assert_same(ours, plain(embeddings, embeddings, ids, ids, "euclidean", same_day))


def test_worked_example():
    """Matches at ranks 1, 3 and 4 of five: computed by hand."""
    gallery = -np.arange(5.0)[:, None]
    ours = evaluate_retrieval(
        np.zeros((1, 1)), gallery, ["a"], ["a", "b", "a", "a", "b"], metric="euclidean"
    )
    assert ours["mAP"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert ours["mINP"] == pytest.approx(3 / 4)
    assert ours["r_precision"] == pytest.approx(2 / 3)
    assert ours["map_at_r"] == pytest.approx((1 + 2 / 3) / 3)
    assert ours["precision@5"] == pytest.approx(3 / 5)


def test_ties_go_to_the_lower_gallery_index():
    queries, gallery = np.ones((1, 4)), np.ones((6, 4))
    for place in range(6):
        ids = ["other"] * 6
        ids[place] = "me"
        assert evaluate_retrieval(queries, gallery, ["me"], ids)["mAP"] == 1 / (place + 1)
    scores, index = nearest(queries, gallery, 6)
    assert index.tolist() == [[0, 1, 2, 3, 4, 5]]
    np.testing.assert_allclose(scores, 1.0, atol=1e-6)


def test_ties_at_zero_and_empty_vectors():
    """A score of zero is where a CPU that flushes denormals would lose a tie."""
    ours = evaluate_retrieval(np.zeros((1, 3)), np.eye(3), [7], [1, 7, 2])
    assert ours["mAP"] == 0.5
    ours = evaluate_retrieval(np.eye(3)[:1], np.eye(3)[[1, 2]], [7], [1, 7])
    assert ours["mAP"] == 0.5


def test_duplicate_photos_tie_in_any_column():
    rng = np.random.default_rng(3)
    row = rng.standard_normal((1, 100)).astype(np.float32)
    gallery = np.repeat(row, 333, axis=0)
    query = rng.standard_normal((5, 100)).astype(np.float32)
    for metric in ("cosine", "euclidean"):
        index = nearest(query, gallery, 333, metric)[1]
        assert (index == np.arange(333)).all()


def test_far_origin_costs_no_digits():
    rng = np.random.default_rng(4)
    queries, gallery = rng.standard_normal((20, 8)), rng.standard_normal((50, 8))
    ids = rng.integers(0, 5, 70)
    near = evaluate_retrieval(queries, gallery, ids[:20], ids[20:], metric="euclidean")
    far = evaluate_retrieval(queries + 5000, gallery + 5000, ids[:20], ids[20:], metric="euclidean")
    assert far["mAP"] == pytest.approx(near["mAP"], abs=0.02)


def test_distances_that_are_there_are_measured_alike():
    data = case(11)
    both = [data[key] for key in ("query_ids", "gallery_ids", "query_cameras", "gallery_cameras")]
    queries, gallery = data["query_embeddings"], data["gallery_embeddings"]
    distances = np.square(queries[:, None] - gallery[None, :]).sum(axis=2)
    order = np.random.default_rng(0).permutation(len(queries))
    blocks = [(rows, distances[rows]) for rows in np.array_split(order, 4)]
    want = evaluate_retrieval(queries, gallery, *both, metric="euclidean")
    assert evaluate_distances(blocks, *both) == pytest.approx(want, nan_ok=True)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_order_of_the_photos_does_not_matter(seed):
    """Of the queries never; of the gallery when there are no ties."""
    c = case(seed)
    rng = np.random.default_rng(seed)
    q = rng.permutation(23)
    shuffled = {k: v[q] if k.startswith("query") else v for k, v in c.items()}
    assert_same(evaluate_retrieval(**shuffled), evaluate_retrieval(**c))
    c["query_embeddings"] = rng.standard_normal((23, 3)).astype(np.float32)
    c["gallery_embeddings"] = rng.standard_normal((61, 3)).astype(np.float32)
    g = rng.permutation(61)
    shuffled = {k: v[g] if k.startswith("gallery") else v for k, v in c.items()}
    assert_same(evaluate_retrieval(**shuffled), evaluate_retrieval(**c))


@pytest.mark.parametrize("block_size", [1, 5, 23, 64])
def test_block_size_does_not_matter(block_size):
    c = case(9)
    whole, blocks = (
        evaluate_retrieval(**c, metric="euclidean", block_size=b, return_per_query=True)
        for b in (None, block_size)
    )
    for name, values in whole.pop("per_query").items():
        np.testing.assert_array_equal(values, blocks["per_query"][name], err_msg=name)
    assert_same(blocks, whole)


def test_per_query_measures_say_which_query():
    result = evaluate_retrieval(
        np.eye(3), np.eye(3), ["a", "b", "x"], ["a", "c", "b"], return_per_query=True
    )
    per_query = result["per_query"]
    np.testing.assert_array_equal(per_query["first_rank"], [1, 3, np.nan])
    np.testing.assert_array_equal(per_query["num_matches"], [1, 1, np.nan])
    assert (result["num_queries"], result["num_excluded"]) == (3, 1)


def test_nearest_matches_a_loop_and_leaves_the_photo_out():
    rng = np.random.default_rng(6)
    embeddings = rng.integers(-2, 3, (30, 2)).astype(np.float32)
    photo = np.arange(30)
    scores, index = nearest(
        embeddings, embeddings, 4, "euclidean", query_index=photo, gallery_index=photo
    )
    for i in range(30):
        others = [j for j in range(30) if j != i]
        distance = np.linalg.norm(embeddings - embeddings[i], axis=1)
        others.sort(key=lambda j: (distance[j], j))
        assert index[i].tolist() == others[:4]
        np.testing.assert_allclose(-scores[i], distance[others[:4]], atol=1e-5)
    scores, index = nearest(np.ones((1, 2)), np.ones((2, 2)), 5)
    assert index.tolist() == [[0, 1, -1, -1, -1]]
    assert np.isneginf(scores[0, 2:]).all()


def test_no_query_has_a_match():
    result = evaluate_retrieval(np.eye(2), np.eye(2), ["a", "b"], ["c", "d"])
    assert np.isnan(result["mAP"])
    assert result["num_excluded"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "manhattan"}, "metric"),
        ({"query_ids": np.zeros(3)}, "23 query embeddings"),
        ({"query_ids": np.full(23, "a")}, "text"),
        ({"gallery_cameras": None}, "both or neither"),
        ({"query_embeddings": np.full((23, 3), np.nan)}, "finite"),
        ({"query_embeddings": np.full((23, 3), 1e30)}, "finite"),
        ({"query_embeddings": np.zeros((23, 4))}, "dimensions"),
        ({"query_embeddings": np.zeros((0, 3)), "query_ids": np.zeros(0)}, "at least one photo"),
        ({"ranks_at": ()}, "rank"),
        ({"block_size": 0}, "block_size"),
    ],
)
def test_refuses(change, message):
    with pytest.raises(UserError, match=message):
        evaluate_retrieval(**(case(0) | change))


@pytest.mark.parametrize("k", [2, 10, 3000])
def test_largest_of_wide_rows_is_top_k_with_ties(k: int, key: jax.Array) -> None:
    width = 64 * 2100
    values = jnp.round(jax.random.normal(key, (3, width)), 1)
    values = values.at[1].set(-jnp.inf).at[1, 77_777].set(0.0).at[2, 100:].set(4.0)
    for ours, expected in zip(device.largest(values, k), jax.lax.top_k(values, k), strict=True):
        np.testing.assert_array_equal(ours, expected)
