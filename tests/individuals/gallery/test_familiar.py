"""Photos of another kind are told from those of the training; photos that attract all others."""

import dataclasses

import numpy as np
import pytest

from reid_jax.individuals.gallery.calibrating import recalibrated
from reid_jax.individuals.gallery.familiar import REFUSED, Familiar, familiar_from, hubs
from tests.individuals.gallery.test_calibration import gallery_of

SIZE = 32


def photos(individuals, each, seed, directions):
    """Embeddings that all point one way, as networks give them, and differ in some directions."""
    rng = np.random.default_rng(seed)
    varying = np.zeros(SIZE)
    varying[directions] = 1.0
    centres = rng.normal(size=(individuals, 1, SIZE)) * varying
    found = centres + 0.5 * rng.normal(size=(individuals, each, SIZE)) * varying
    found = found + 0.05 * rng.normal(size=found.shape)
    found[..., 0] += 8.0
    found /= np.linalg.norm(found, axis=2, keepdims=True)
    return found.reshape(-1, SIZE).astype(np.float32), np.repeat(np.arange(individuals), each)


OWN, OTHER = slice(1, 12), slice(12, 24)


@pytest.fixture(scope="module")
def gallery():
    training, trained = photos(100, 5, 0, OWN)
    held_out, apart = photos(60, 3, 1, OWN)
    embeddings, labels = photos(40, 4, 2, OWN)
    reference = {
        "training": training.astype(np.float16),
        "trained_identities": np.array([f"trained {i}" for i in trained]),
        "held_out": held_out.astype(np.float16),
        "identities": np.array([f"other {i}" for i in apart]),
        "paths": np.array([f"held {i}.jpg" for i in range(len(apart))]),
        "dates": np.full(len(apart), np.datetime64("NaT", "s")),
        "marks": np.full(len(apart), "no"),
    }
    return dataclasses.replace(gallery_of(embeddings, labels), reference=reference)


def test_photos_of_another_kind_are_refused_and_others_are_not(gallery):
    level = familiar_from(gallery)
    familiar = Familiar(gallery)
    new, _ = photos(200, 2, 3, OWN)
    foreign, _ = photos(200, 2, 4, OTHER)
    assert np.mean(familiar.of(new) < level) < 3 * REFUSED
    assert np.mean(familiar.of(foreign) < level) > 0.95


def test_a_gallery_of_another_kind_than_the_training_is_familiar_with_its_own(gallery):
    embeddings, labels = photos(40, 4, 5, OTHER)
    moved = dataclasses.replace(gallery_of(embeddings, labels), reference=gallery.reference)
    new, _ = photos(100, 2, 6, OTHER)
    assert np.mean(Familiar(moved).of(new) < familiar_from(moved)) < 4 * REFUSED


def test_nothing_is_refused_where_the_training_is_not_known(gallery):
    assert familiar_from(dataclasses.replace(gallery, reference={})) is None
    few = {**gallery.reference, "held_out": gallery.reference["held_out"][:3]}
    few["identities"] = few["identities"][:3]
    one = gallery.take(np.arange(4))
    assert familiar_from(dataclasses.replace(one, reference=few)) is None


def test_a_photo_that_attracts_everything_is_named(gallery):
    embeddings, labels = photos(60, 4, 7, slice(1, SIZE))
    plain = dataclasses.replace(gallery_of(embeddings, labels), reference=gallery.reference)
    assert hubs(plain) == []
    embeddings[5] = embeddings.mean(axis=0)  # a murky photo: like all of them, like none
    murky = dataclasses.replace(plain, embeddings=embeddings)
    ((path, share),) = hubs(murky)
    assert path == "5.jpg"
    assert share > 0.5
    assert recalibrated(murky).settings["hubs"] == [(path, share)]
    alone = dataclasses.replace(murky, reference={})
    assert [path for path, _ in hubs(alone)] == ["5.jpg"]
