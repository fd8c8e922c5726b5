"""Search for individuals: against loops, on one device and on eight; calibration."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.evaluation.calibration import calibrate
from reid_jax.ops.individuals import RULES, VOTES, GallerySearch
from reid_jax.ops.matching import encounters, has_match


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
        GallerySearch(gallery, individuals, metric, devices).individuals_like(
            queries, 4, rule, [(own, individuals)]
        )
        for devices in (None, jax.devices())
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
    eight = GallerySearch(gallery, zeros, "euclidean", jax.devices()).photos_like(asked, k)
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


def test_encounters_join_photos_of_one_individual_on_one_day():
    dates = np.array(
        ["2020-01-01T08:00:00", "2020-01-01T17:00:00", "2020-01-01", "NaT", "NaT", "2020-01-02"],
        "datetime64[s]",
    )
    found = encounters(np.array([0, 0, 1, 0, 0, 0]), dates)
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 5
    assert len(set(encounters(np.zeros(4, int), None).tolist())) == 4


def people(count, photos, spread, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(count), photos)
    centres = rng.normal(size=(count, 16))
    return centres[labels] + spread * rng.normal(size=(len(labels), 16)), labels


@pytest.mark.parametrize("rule", RULES)
def test_calibrated_answers_about_other_individuals_hold(rule):
    embeddings, labels = people(60, 6, 0.35)
    half = np.flatnonzero(labels < 30)
    calibration = calibrate(
        embeddings, labels, half, half, encounter=np.arange(360), metric="cosine", rule=rule
    )
    assert calibration.num_known == calibration.num_unknown == 180
    assert calibration.geometric_mean > 0.95

    gallery = np.flatnonzero((labels >= 30) & (labels < 45) & (np.arange(360) % 6 > 0))
    search = GallerySearch(embeddings[gallery], labels[gallery] - 30, "cosine")
    asked = np.flatnonzero((labels >= 30) & (np.arange(360) % 6 == 0))
    scores, found = search.individuals_like(embeddings[asked], 5, rule)
    known = labels[asked] < 45
    believed = scores[:, 0] >= calibration.threshold
    assert (believed == known).mean() > 0.9
    assert (found[known, 0] == labels[asked][known] - 30).all()
    probability = calibration.probabilities(scores)
    assert probability[known, 0].min() > probability[~known, 0].max() - 0.5
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (probability.sum(axis=1) <= 1 + 1e-9).all()
    assert (np.diff(probability, axis=1)[:, 0] <= 1e-12).all()
    # Scores beyond all that were seen promise no more than those.
    assert calibration.first(np.array([50.0])) == calibration.first(
        np.array([calibration.first.high])
    )


def test_the_same_encounter_does_not_calibrate():
    """Two photos of one second are alike whatever the network has learnt."""
    embeddings, labels = people(20, 4, 5.0)
    embeddings[1::2] = embeddings[::2]
    encounter = np.arange(80) // 2
    everything = np.arange(80)
    honest = calibrate(
        embeddings, labels, everything, everything, encounter=encounter, metric="cosine"
    )
    flattered = calibrate(
        embeddings, labels, everything, everything, encounter=everything, metric="cosine"
    )
    assert flattered.geometric_mean > honest.geometric_mean + 0.2
    assert has_match(labels, encounter, everything, everything).all()
    assert not has_match(labels, labels, everything, everything).any()


def test_what_cannot_be_calibrated_is_said():
    embeddings, labels = people(4, 2, 0.1)
    everything = np.arange(8)
    with pytest.raises(UserError, match="more than once"):
        calibrate(embeddings, labels, everything, everything, encounter=labels, metric="cosine")
    with pytest.raises(UserError, match="two individuals"):
        calibrate(
            embeddings, labels, everything, everything[:2], encounter=everything, metric="cosine"
        )


def test_probabilities_hold_when_half_of_the_photos_are_unknown():
    """Of the answers believed with p, a share of p is right, also where many have no match."""
    embeddings, labels = people(200, 4, 1.1)
    first = np.flatnonzero((labels < 100) & ((labels < 60) | (np.arange(800) % 4 == 0)))
    calibration = calibrate(
        embeddings, labels, first, first, encounter=np.arange(800), metric="cosine"
    )
    assert calibration.num_unknown == calibration.num_known + 40
    other = np.flatnonzero(labels >= 100)
    search = GallerySearch(embeddings[other], labels[other] - 100, "cosine")
    own = labels[other] - 100, labels[other] - 100
    photo = np.arange(400), np.arange(400)
    scores, right = [], []
    for exclude in ([photo], [own]):
        found = search.individuals_like(embeddings[other], 5, "max", exclude)
        scores.append(found[0])
        right.append(found[1] == own[0][:, None])
    probability = calibration.probabilities(np.concatenate(scores))[:, 0]
    correct = np.concatenate(right)[:, 0]
    assert abs(probability.mean() - correct.mean()) < 0.06
    sure = probability > np.quantile(probability, 0.7)
    assert abs(probability[sure].mean() - correct[sure].mean()) < 0.1
