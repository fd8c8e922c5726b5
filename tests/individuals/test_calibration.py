"""Probabilities of a list and of none of it, where chance ends, and verdicts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from reid_jax import UserError
from reid_jax.individuals.calibration import (
    CANDIDATES,
    Calibration,
    ask,
    best_threshold,
    calibrate,
)
from reid_jax.individuals.choice import ChoiceCalibration, calibrate_choice, evenly, tail_quantile
from reid_jax.individuals.open_set import evaluate_open_set
from reid_jax.ops.ranking.individuals import RULES, GallerySearch
from reid_jax.ops.ranking.matching import encounters, has_match


def lists(rng, number):
    """Lists of three scores, of which one is right or none is."""
    scores = -np.sort(-rng.normal(size=(number, 3)), axis=1)
    scores[rng.random(number) < 0.3, 2] = -np.inf
    known = rng.random(number) < 0.6
    right = np.zeros((number, 3), bool)
    right[np.arange(number), rng.choice(2, number, p=[0.8, 0.2])] = known
    return scores, right, known, rng.integers(0, number // 2, number)


def test_the_fit_is_the_most_likely_one():
    """Against a loop over the definition and a general optimiser."""
    scores, right, known, individuals = lists(np.random.default_rng(0), 60)
    weight = np.where(known, 0.7 / known.sum(), 0)
    for who in np.unique(individuals[~known]):
        same = ~known & (individuals == who)
        weight[same] = 0.3 / len(np.unique(individuals[~known])) / same.sum()

    def loss(weights):
        total = 0.0
        for q in range(60):
            odds = [np.exp(weights[0] * s + weights[1]) if s > -np.inf else 0 for s in scores[q]]
            chances = [odd / (1 + sum(odds)) for odd in odds]
            none = 1 / (1 + sum(odds))
            good = (known.sum() + 1) / (known.sum() + 2)
            bad = 1 / ((~known).sum() + 2)
            if known[q]:
                place = int(np.argmax(right[q]))
                total -= weight[q] * (good * np.log(chances[place]) + (1 - good) * np.log(none))
            else:
                total -= weight[q] * (bad * np.log(chances[0]) + (1 - bad) * np.log(none))
        return total

    best = minimize(loss, [0.1, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12})
    fitted = calibrate_choice(scores, right, known, individuals, 0.3)
    assert best.x[0] > 0
    np.testing.assert_allclose([fitted.slope, fitted.intercept], best.x, atol=1e-4)


@given(
    st.lists(st.lists(st.floats(-3, 3), min_size=3, max_size=3), min_size=1, max_size=5),
    st.floats(0, 50),
    st.floats(-20, 20),
)
@settings(max_examples=50, deadline=None)
def test_probabilities_fall_and_add_up_to_less_than_one(scores, slope, intercept):
    listed = -np.sort(-np.array(scores), axis=1)
    choice = ChoiceCalibration(slope, intercept, -1.0, 1.0)
    probability = choice(listed)
    assert (probability >= 0).all()
    assert (np.diff(probability, axis=1) <= 1e-12).all()
    assert (probability.sum(axis=1) <= 1 + 1e-12).all()
    shorter = choice(np.concatenate([listed, np.full((len(listed), 1), -np.inf)], axis=1))
    np.testing.assert_allclose(shorter[:, :3], probability)
    assert (shorter[:, 3] == 0).all()
    first = np.clip(probability[:, 0], 1e-300, 1)
    odds = np.log(first) - np.log(np.maximum(1 - first, 1e-300))
    inside = np.abs(odds) < 20
    np.testing.assert_allclose(choice.odds(listed)[inside], odds[inside], atol=1e-4)
    # A majority for one name and a majority for "unknown" exclude each other.
    calibration = Calibration(choice, 0.7, 0.5, 9, 1.0, 0.0, 0.0, 1, 1)
    for verdict, row in zip(calibration.verdicts(probability), probability, strict=True):
        assert (verdict == "named") == (row[0] >= 0.7)
        assert verdict != "unknown" or row.max() <= 0.5
        assert verdict != "close" or row[0] < 0.7


def test_a_photo_that_looks_like_everybody_is_not_taken_for_somebody():
    """What all scores of a photo have in common says little: its last one is taken into account."""
    rng = np.random.default_rng(2)
    known = rng.random(3000) < 0.5
    scores = -np.sort(-rng.normal(size=(3000, 5)), axis=1)
    scores[:, 0] += np.where(known, 2.0, 0.0)
    scores += 3 * rng.normal(size=(3000, 1))
    right = np.zeros((3000, 5), bool)
    right[:, 0] = known
    whose = np.arange(3000)
    fitted = calibrate_choice(scores, right, known, whose, 0.5)
    assert -1.2 < fitted.last_slope / fitted.slope < -0.8
    named = fitted(scores)[:, 0] > 0.5
    assert np.mean(named == known) > 0.8
    assert fitted(scores)[:, 0].mean() == pytest.approx(known.mean(), abs=0.03)


def test_scores_beyond_all_that_were_seen_promise_no_more():
    choice = ChoiceCalibration(10.0, -2.0, 0.2, 0.8)
    np.testing.assert_allclose(choice(np.array([[5.0, 4.9]])), choice(np.array([[0.8, 0.7]])))
    np.testing.assert_allclose(choice(np.array([[-5.0, -5.1]])), choice(np.array([[0.2, 0.1]])))


def test_nothing_is_certain_after_a_few_answers():
    first = np.array([True, True, False, False])

    def fitted(scores, known):
        listed = np.array(scores)[:, None]
        return calibrate_choice(listed, known[:, None], known, np.arange(len(scores)), 0.5)

    separated = fitted([0.9, 0.8, 0.2, 0.1], first)
    assert 0.6 < separated(np.array([[9.0]]))[0, 0] < 0.9  # two of two right do not make 99%
    backwards = fitted([0.1, 0.2, 0.8, 0.9], first)
    assert backwards.slope == 0
    assert backwards(np.array([[0.5]]))[0, 0] == pytest.approx(0.5)
    same = fitted([0.5] * 4, first)
    assert same(np.array([[0.5]]))[0, 0] == pytest.approx(0.5)
    with pytest.raises(UserError, match="finite"):
        fitted([np.nan], np.array([True]))
    with pytest.raises(UserError, match="share of strangers is 1"):
        calibrate_choice(np.zeros((1, 1)), np.ones((1, 1), bool), first[:1], np.arange(1), 1)


def test_strangers_that_are_said_to_be_rare_make_names_likelier():
    scores, right, known, individuals = lists(np.random.default_rng(1), 4000)
    rare, frequent = (
        calibrate_choice(scores, right, known, individuals, share) for share in (0.1, 0.9)
    )
    weight = np.where(known, 1 / known.sum(), evenly(known, individuals))
    for fitted, share in ((rare, 0.1), (frequent, 0.9)):
        of_each = weight * np.where(known, 1 - share, share)
        probability = fitted(scores).sum(axis=1)
        assert of_each @ probability == pytest.approx(1 - share, abs=0.01)


def test_the_tail_of_an_exponential_distribution_is_exact():
    values = -np.log((np.arange(4000) + 0.5) / 4000)
    for rate in (0.2, 0.05, 1e-3, 1e-6):
        assert tail_quantile(values, np.arange(4000), rate) == pytest.approx(
            -np.log(rate), rel=0.02
        )
    # Each individual counts as much as another: a thousand photos of one change nothing.
    many = np.append(values, np.full(1000, values[0]))
    whose = np.append(np.arange(4000), np.zeros(1000, int))
    assert tail_quantile(many, whose, 0.05) == pytest.approx(-np.log(0.05), rel=0.02)


def people(count, photos, spread, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(count), photos)
    centres = rng.normal(size=(count, 16))
    return centres[labels] + spread * rng.normal(size=(len(labels), 16)), labels


def asked_about(embeddings, labels, encounter, rule="max"):
    everything = np.arange(len(labels))
    return ask(
        GallerySearch(embeddings, labels, "cosine"),
        embeddings,
        labels,
        has_match(labels, encounter, everything, everything),
        np.ones(len(labels), bool),
        rule=rule,
        apart=[(encounter, encounter)],
    )


def test_everyone_is_asked_about_twice():
    """Against loops: among all but itself, and among all but its individual."""
    embeddings, labels = people(7, 3, 1.0)
    asked = asked_about(embeddings, labels, np.arange(21))
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert (asked.among, asked.beside) == (7, 6)
    for row in range(42):
        photo = row % 21
        left_out = [photo] if row < 21 else np.flatnonzero(labels == labels[photo])
        best = {
            who: max(alike[photo, g] for g in range(21) if labels[g] == who and g not in left_out)
            for who in range(7)
            if set(np.flatnonzero(labels == who)) - set(left_out)
        }
        ranked = sorted(best, key=lambda who: -best[who])[:CANDIDATES]
        np.testing.assert_allclose(asked.scores[row], [best[who] for who in ranked], atol=1e-5)
        assert asked.right[row].tolist() == [row < 21 and who == labels[photo] for who in ranked]
        assert asked.known[row] == (row < 21)


@pytest.mark.parametrize("rule", RULES)
def test_calibrated_answers_about_other_photos_hold(rule):
    embeddings, labels = people(60, 6, 0.35)
    photo = np.arange(360) % 6
    inside = (labels < 30) & (photo > 0)
    gallery, who = embeddings[inside], labels[inside]
    calibration = calibrate(asked_about(gallery, who, np.arange(150), rule), individuals=30)
    assert calibration.num_known == calibration.num_unknown == 150
    assert calibration.geometric_mean > 0.9
    new = photo == 0
    scores, found = GallerySearch(gallery, who).individuals_like(embeddings[new], CANDIDATES, rule)
    verdicts = np.array(calibration.verdicts(calibration.choice(scores)))
    known = labels[new] < 30
    assert (verdicts[known] == "named").mean() > 0.85
    assert (found[known, 0] == labels[new][known]).mean() > 0.95
    assert (verdicts[~known] == "named").mean() < 0.15


def test_a_gallery_of_another_size_is_allowed_for():
    """Calibrated among 25 individuals for 400: strangers are named as rarely as they should."""
    embeddings, labels = people(700, 4, 0.8)
    few, many = labels < 25, (labels >= 25) & (labels < 425)
    scores, _ = GallerySearch(embeddings[many], labels[many] - 25).individuals_like(
        embeddings[labels >= 425], CANDIDATES
    )
    asked = asked_about(embeddings[few], labels[few], np.arange(few.sum()))

    def named(individuals):
        calibration = calibrate(asked, individuals=individuals)
        return np.mean(np.array(calibration.verdicts(calibration.choice(scores))) == "named")

    assert named(25) > 0.1
    assert named(400) < 0.1


def test_the_best_threshold_allows_for_a_larger_gallery():
    """Of 25 individuals for 400: nearly as good as if it had been chosen on what it is for."""
    embeddings, labels = people(700, 4, 0.8)
    few, photo = np.flatnonzero(labels < 25), np.arange(len(labels)) % 4
    query = np.flatnonzero((labels >= 25) & (photo == 0))
    gallery = np.flatnonzero((labels >= 25) & (labels < 425) & (photo > 0))

    def mean(threshold):
        sides = (embeddings[query], embeddings[gallery], labels[query], labels[gallery])
        return evaluate_open_set(*sides, threshold=threshold)["geometric_mean"]

    def chosen(individuals):
        encounter = np.arange(len(labels))
        options = {"encounter": encounter, "metric": "cosine", "individuals": individuals}
        return best_threshold(embeddings, labels, few, few, **options)

    best = max(map(mean, np.linspace(0.5, 1, 26)))
    assert mean(chosen(400)) > 0.9 * best > 2 * mean(chosen(None))
    assert chosen(24) == chosen(None)


def test_the_same_encounter_does_not_calibrate():
    """Two photos of one second are alike whatever the network has learnt."""
    embeddings, labels = people(20, 4, 5.0)
    embeddings[1::2] = embeddings[::2]
    encounter = np.arange(80) // 2
    honest, flattered = (
        calibrate(asked_about(embeddings, labels, codes), individuals=20)
        for codes in (encounter, np.arange(80))
    )
    assert flattered.geometric_mean > honest.geometric_mean + 0.2
    assert has_match(labels, encounter, np.arange(80), np.arange(80)).all()
    assert not has_match(labels, labels, np.arange(80), np.arange(80)).any()


def test_what_cannot_be_calibrated_is_said():
    embeddings, labels = people(4, 2, 0.1)
    everything = np.arange(8)
    alone = labels * 0
    with pytest.raises(UserError, match="more than once"):
        calibrate(asked_about(embeddings, labels, labels), individuals=4)
    with pytest.raises(UserError, match="two individuals"):
        calibrate(asked_about(embeddings, alone, everything), individuals=1)
    for gallery, encounter, words in (
        (everything, labels, "more than once"),
        (everything[:2], everything, "two individuals"),
    ):
        with pytest.raises(UserError, match=words):
            best_threshold(
                embeddings, labels, everything, gallery, encounter=encounter, metric="cosine"
            )


def test_encounters_join_photos_of_one_individual_on_one_day():
    dates = np.array(
        ["2020-01-01T08:00:00", "2020-01-01T17:00:00", "2020-01-01", "NaT", "NaT", "2020-01-02"],
        "datetime64[s]",
    )
    found = encounters(np.array([0, 0, 1, 0, 0, 0]), dates)
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 5
    assert len(set(encounters(np.zeros(4, int), None).tolist())) == 4
