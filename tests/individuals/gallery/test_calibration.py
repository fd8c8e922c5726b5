"""Strangers get a name as rarely as is said, whatever the size of the gallery."""

import dataclasses

import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.individuals.calibration import CANDIDATES, FALSE_NAMES
from reid_jax.individuals.gallery.calibrating import calibrated, calibration_of, recalibrated
from reid_jax.individuals.gallery.identify import Answer, Candidate
from reid_jax.individuals.gallery.value import TRAINED, Gallery, join
from reid_jax.ops.ranking.individuals import GallerySearch


def animals(count, photos, seed, size=24):
    """Embeddings of animals that are photographed unequally well, some of them alike."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count, 1, size)) / np.sqrt(size)
    blur = 0.9 * np.exp(0.35 * rng.normal(size=(count, 1, 1)))
    blur = blur * np.exp(0.25 * rng.normal(size=(count, photos, 1))) / np.sqrt(size)
    found = centres + blur * rng.normal(size=(count, photos, size))
    found /= np.linalg.norm(found, axis=2, keepdims=True)
    return found.reshape(-1, size).astype(np.float32), np.repeat(np.arange(count), photos)


def gallery_of(embeddings, labels, **columns):
    return Gallery(
        paths=np.array([f"{i}.jpg" for i in range(len(labels))], object),
        identities=np.array([f"animal {i:04d}" for i in labels], object),
        columns=columns,
        embeddings=embeddings,
        thumbnails=None,
        settings={"metric": "cosine"},
    )


def asked(gallery, embeddings):
    calibration = calibration_of(gallery, "max")
    individuals = np.unique(gallery.identities, return_inverse=True)[1]
    search = GallerySearch(gallery.embeddings, individuals, "cosine")
    scores, found = search.individuals_like(embeddings, CANDIDATES)
    probability = calibration.choice(scores)
    return probability, np.array(calibration.verdicts(probability)), found


@pytest.mark.parametrize(("size", "draws"), [(20, 8), (100, 3), (800, 1)])
def test_false_names_stay_rare_while_a_gallery_grows(size, draws):
    false, believed, correct = [], [], []
    for seed in range(draws):
        embeddings, labels = animals(size + 200, 7, 100 * size + seed)
        later = np.arange(len(labels)) % 7 >= 5
        inside = (labels < size) & ~later
        gallery = recalibrated(gallery_of(embeddings[inside], labels[inside]))
        probability, verdicts, found = asked(gallery, embeddings[later])
        known = labels[later] < size
        false.append(np.mean(verdicts[~known] == "named"))
        share = np.where(known, 1 / known.sum(), 1 / (~known).sum()) / 2
        believed.append(share @ probability[:, 0])
        correct.append(share @ (found[:, 0] == labels[later]))
        assert np.mean(verdicts[known] == "named") > 0.3
    assert 0.25 * FALSE_NAMES < np.mean(false) < 1.8 * FALSE_NAMES
    assert np.mean(believed) == pytest.approx(np.mean(correct), abs=0.05)


def test_a_fixed_threshold_would_not_do():
    """What the test above holds for the right reason: scores of strangers rise with the size."""
    embeddings, labels = animals(900, 5, 0)
    small, large = (
        recalibrated(gallery_of(embeddings[labels < size], labels[labels < size]))
        for size in (20, 800)
    )
    by_small, by_large = (calibration_of(gallery, "max") for gallery in (small, large))
    assert by_large.threshold > by_small.threshold + 0.05
    scores, _ = GallerySearch(
        large.embeddings, np.unique(large.identities, return_inverse=True)[1], "cosine"
    ).individuals_like(embeddings[labels >= 800], 1)
    assert np.mean(scores[:, 0] >= by_small.threshold) > 0.25


def test_photos_and_individuals_that_were_trained_on_do_not_calibrate():
    """The network has pulled these together; it will pull nobody else's together like that."""
    embeddings, labels = animals(60, 5, 1)
    trained = labels < 40
    centre = np.eye(40, 24, dtype=np.float32)[labels[trained]]
    embeddings[trained] = centre + 0.02 * embeddings[trained]
    unseen = gallery_of(embeddings, labels, **{TRAINED: np.where(trained, "photo", "no")})
    alone = calibration_of(recalibrated(gallery_of(embeddings, labels)), "max")
    honest = calibration_of(recalibrated(unseen), "max")
    assert honest.num_known == honest.num_unknown == 100
    assert alone.num_known == 300
    assert alone.geometric_mean > honest.geometric_mean + 0.05
    flattered = gallery_of(embeddings, labels, **{TRAINED: np.full(300, "photo")})
    assert "flatters" in recalibrated(flattered).settings["calibrated_with"]


def test_one_picture_under_two_names_is_one_encounter():
    embeddings, labels = animals(30, 3, 2)
    twice = np.repeat(np.arange(90), 2)
    copied = recalibrated(gallery_of(embeddings[twice], labels[twice]))
    once = recalibrated(gallery_of(embeddings, labels))
    for gallery in (copied, once):
        gallery.settings["calibration"]["max"].pop("num_known")
        gallery.settings["calibration"]["max"].pop("num_unknown")
    assert copied.settings["calibration"]["max"]["right"] == pytest.approx(
        once.settings["calibration"]["max"]["right"], abs=0.03
    )


def test_photos_that_the_run_held_out_stand_in_for_what_a_gallery_lacks():
    embeddings, labels = animals(40, 4, 3)
    first = labels < 12
    inside = first & (np.arange(160) % 4 == 0)  # one photo each: nothing says how they vary
    rest = ~first
    reference = {
        "training": embeddings[:1].astype(np.float16),
        "trained_identities": np.array(["someone"]),
        "held_out": embeddings[rest].astype(np.float16),
        "identities": np.array([f"animal {i:04d}" for i in labels[rest]]),
        "paths": np.array([f"other {i}.jpg" for i in range(rest.sum())]),
        "dates": np.full(rest.sum(), np.datetime64("NaT", "s")),
        "marks": np.full(rest.sum(), "no"),
    }
    gallery = gallery_of(embeddings[inside], labels[inside])
    assert recalibrated(gallery).settings["calibrated_with"].startswith("nothing")
    helped = recalibrated(dataclasses.replace(gallery, reference=reference))
    assert "held-out photos of 28 individuals, for a gallery of 12" in str(
        helped.settings["calibrated_with"]
    )
    assert calibration_of(helped, "max").individuals == 12


def test_a_gallery_is_calibrated_anew_for_another_share_or_an_older_kind_only():
    embeddings, labels = animals(20, 4, 4)
    gallery = recalibrated(gallery_of(embeddings, labels))
    assert calibrated(gallery) is gallery
    assert calibrated(gallery, 0.5) is gallery
    rare = calibration_of(calibrated(gallery, 0.05), "max")
    assert rare.strangers == 0.05
    assert rare.right > calibration_of(gallery, "max").right
    with pytest.raises(UserError, match=r"share of strangers is 1\.5"):
        calibrated(gallery, 1.5)
    older = {"threshold": 0.4, "first": {"slope": 1.0}, "num_known": 3}
    settings = {"metric": "cosine", "calibration": {"max": older}, "calibrated_with": "photos"}
    opened = calibrated(dataclasses.replace(gallery, settings=settings))
    assert opened.settings["calibration"] == gallery.settings["calibration"]


def test_every_change_of_a_gallery_changes_what_its_scores_are_worth():
    embeddings, labels = animals(300, 4, 5)
    few = recalibrated(gallery_of(embeddings[labels < 30], labels[labels < 30]))
    others = gallery_of(embeddings[labels >= 30], labels[labels >= 30])
    without = np.zeros(len(others), object)
    both = join(
        dataclasses.replace(few, thumbnails=np.zeros(len(few), object)),
        dataclasses.replace(others, thumbnails=without),
    )
    many = recalibrated(both)
    sizes = [calibration_of(gallery, "max").individuals for gallery in (few, many)]
    assert sizes == [30, 300]
    again = recalibrated(many.take(np.flatnonzero(labels < 30)))
    assert again.settings == few.settings


def answer(verdict, *chances):
    names = "ABCDE"[: len(chances)]
    listed = (Candidate(n, 0.5, p, 0) for n, p in zip(names, chances, strict=True))
    return Answer("x.jpg", verdict, tuple(listed))


def test_a_near_tie_is_called_one():
    assert answer("close", 0.33, 0.32, 0.25, 0.01).text == "too close to call: A, B, C"
    assert answer("close", 0.4, 0.05, 0.05).text == "too close to call: A, unknown"
    assert answer("close", 0.36, 0.33, 0.01).text == "too close to call: A, B, unknown"
    assert answer("close", 0.85, 0.13, 0.01).text == "too close to call: A, B"
    assert answer("close", 0.9).text == "too close to call: A, unknown"
    assert answer("named", 0.9, 0.05).text == "A"
    assert answer("unknown", 0.2, 0.1).text == "unknown"
    assert answer(None, 0.2, 0.1).text == "A"
    assert [answer(v, 0.3, 0.3).known for v in ("named", "unknown", "close", None)] == [
        *(True, False, None, None)
    ]


def test_three_that_are_equally_alike_are_equally_probable():
    """0.579, 0.576 and 0.554 were 64%, 10% and 10%, and the first was wrong."""
    embeddings, labels = animals(100, 5, 6)
    calibration = calibration_of(recalibrated(gallery_of(embeddings, labels)), "max")
    score = calibration.threshold
    probability = calibration.choice(score + np.array([[0.0, -0.003, -0.025, -0.3, -0.4]]))
    assert probability[0, 1] > 0.9 * probability[0, 0]
    assert calibration.verdicts(probability) == ["close"]
    alone = calibration.choice(score + np.array([[1e-9, -0.3, -0.3, -0.4, -0.4]]))
    assert calibration.verdicts(alone) in (["named"], ["close"])
    assert alone[0, 0] > 1.4 * probability[0, 0]
