"""Searches within one side of an animal, and across sides, against plain loops."""

import numpy as np
import pytest

from reid_jax.individuals.measures import evaluate_embeddings
from reid_jax.individuals.sides import by_sides, has_sides, other_sides, side_codes
from reid_jax.ops.ranking.matching import retrieval_rules


def by_loops(z, labels, query, gallery, sides, *, within):
    """Rank-1 and average precision of each query, one photo after the other."""
    first, precision = [], []
    for q in query:
        others = [
            g
            for g in gallery
            if g != q and sides[g] and sides[q] and (sides[g] == sides[q]) == within
        ]
        others.sort(key=lambda g: -float(z[g] @ z[q]))
        right = [labels[g] == labels[q] for g in others]
        if not any(right):
            first.append(np.nan)
            precision.append(np.nan)
            continue
        first.append(float(right[0]))
        hits = [place for place, same in enumerate(right) if same]
        precision.append(np.mean([(n + 1) / (place + 1) for n, place in enumerate(hits)]))
    return np.array(first), np.array(precision)


@pytest.mark.parametrize("apart", [False, True])
def test_measures_are_those_of_plain_loops(apart):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 60)
    z = rng.normal(size=(60, 5)) + np.eye(6, 5)[labels]
    z = (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)
    sides = rng.choice(["left", "right", "top", ""], 60)
    query = np.arange(25) if apart else np.arange(60)
    gallery = np.arange(25, 60) if apart else query
    rules = retrieval_rules(labels, query, gallery, {})
    found = by_sides(z[query], z[gallery], (sides[query], sides[gallery]), rules, "cosine")
    values = evaluate_embeddings(z, labels, query, gallery, columns={"side": sides})
    for name, within in (("within_side", True), ("across_sides", False)):
        first, precision = by_loops(z, labels, query, gallery, sides, within=within)
        np.testing.assert_allclose(found[name]["cmc@1"], first)
        np.testing.assert_allclose(found[name]["ap"], precision, atol=1e-6)
        assert values[f"rank1_{name}"] == pytest.approx(np.nanmean(first))
        assert values[f"mAP_{name}"] == pytest.approx(np.nanmean(precision), abs=1e-6)
        assert values[f"num_excluded_{name}"] == np.isnan(first).sum()


def test_one_side_is_no_side():
    assert not has_sides(None)
    assert not has_sides(np.array(["left", "", "left"]))
    assert has_sides(np.array(["left", "", "right"]))
    labels = np.repeat([0, 1, 2], 4)
    rows, sides = np.arange(12), np.full(12, "left")
    values = evaluate_embeddings(np.eye(3)[labels], labels, rows, rows, columns={"side": sides})
    assert not [name for name in values if "side" in name]


def test_sides_that_are_on_one_hand_alone():
    labels, rows = np.repeat([0, 1, 2], 4), np.arange(12)
    sides = np.where(rows < 6, "left", "right")
    values = evaluate_embeddings(
        np.eye(3)[labels], labels, rows[:6], rows[6:], columns={"side": sides}
    )
    assert "rank1_within_side" not in values or np.isnan(values["rank1_within_side"])
    assert values["rank1_across_sides"] == 1.0


def test_photos_of_two_known_sides_are_other_ones():
    asked, shown = np.array(["left", "", "top"]), np.array(["left", "right", "", "left"])
    apart = np.zeros((3, 4), bool)
    for query, gallery in other_sides(asked, shown):
        apart |= query[:, None] == gallery
    expected = [[a != b and a != "" and b != "" for b in shown] for a in asked]
    np.testing.assert_array_equal(apart, expected)
    assert other_sides(asked, np.full(4, "")) == []
    assert side_codes(np.array(["b", "", "a", "b"])).tolist() == [2, -1, 1, 2]
