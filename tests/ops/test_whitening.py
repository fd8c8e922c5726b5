"""Whitening by how the photos of one individual vary."""

from dataclasses import replace

import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.individuals import experiment, validation
from reid_jax.individuals.measures import evaluate_embeddings
from reid_jax.individuals.model import TrainedModel, load_run
from reid_jax.ops.whitening import some_of_each, within_class_whitening
from reid_jax.training.parallel import make_layout
from reid_jax.training.predictor import make_predictor
from tests.tiny_run import make_tiny_run


def photos(seed, individuals=6, each=5, dimension=4):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(individuals, dimension))
    spread = np.diag([3.0, 1.0, 0.3, 0.1])[:dimension, :dimension]
    noise = rng.normal(size=(individuals * each, dimension)) @ spread
    labels = np.repeat(np.arange(individuals), each)
    return (centres[labels] + noise).astype(np.float32), labels


def test_it_is_the_inverse_root_of_the_covariance_within_individuals():
    embeddings, labels = photos(0)
    embeddings = np.concatenate([embeddings, [[9.0, 9.0, 9.0, 9.0]]]).astype(np.float32)
    labels = np.append(labels, 77)  # a single photo
    covariance, freedom = np.zeros((4, 4)), 0
    for individual in range(6):
        own = embeddings[labels == individual].astype(np.float64)
        for photo in own:
            difference = photo - own.mean(axis=0)
            covariance += np.outer(difference, difference)
        freedom += len(own) - 1
    covariance /= freedom
    floored = covariance + 0.5 * np.trace(covariance) / 4 * np.eye(4)
    mean, matrix = within_class_whitening(embeddings, labels, 0.5)
    np.testing.assert_allclose(mean, embeddings.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(matrix @ floored @ matrix, np.eye(4), atol=1e-4)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    assert mean.dtype == matrix.dtype == np.float32


def test_photos_of_one_individual_vary_alike_afterwards():
    embeddings, labels = photos(1, individuals=40, each=20)
    mean, matrix = within_class_whitening(embeddings, labels, 1e-6)
    white = (embeddings - mean) @ matrix
    within = np.concatenate([white[labels == k] - white[labels == k].mean(0) for k in range(40)])
    np.testing.assert_allclose(within.T @ within / (len(within) - 40), np.eye(4), atol=1e-2)


def test_a_high_floor_leaves_directions_as_they_are():
    embeddings, labels = photos(2)
    _, matrix = within_class_whitening(embeddings, labels, 1e6)
    np.testing.assert_allclose(matrix / matrix[0, 0], np.eye(4), atol=1e-4)


def test_identical_photos_of_an_individual_give_finite_numbers():
    embeddings = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    mean, matrix = within_class_whitening(embeddings, np.repeat(np.arange(3), 2), 0.5)
    assert np.isfinite(mean).all()
    assert np.isfinite(matrix).all()


def test_what_says_nothing_is_refused():
    embeddings, labels = photos(3)
    with pytest.raises(UserError, match="No individual has two photos"):
        within_class_whitening(embeddings[:2], np.array([0, 1]), 0.5)
    with pytest.raises(UserError, match="must be above 0"):
        within_class_whitening(embeddings, labels, 0.0)


@pytest.mark.parametrize("most", [6, 40, 1000])
def test_photos_are_taken_evenly_and_never_alone(most):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(12), np.arange(1, 13)))
    rows = some_of_each(labels, most, seed=0)
    assert (np.diff(rows) > 0).all()
    taken = np.bincount(labels[rows], minlength=12)
    assert taken[0] == 0
    expected = {
        6: lambda: (np.sort(taken)[-3:] == 2).all() and taken.sum() == 6,
        40: lambda: (taken[1:] == np.minimum(np.arange(2, 13), 40 // 11)).all(),
        1000: lambda: (taken[1:] == np.arange(2, 13)).all(),
    }
    assert expected[most]()
    assert len(some_of_each(np.arange(5), most, seed=0)) == 0


def test_a_run_whitens_by_its_training_photos_and_keeps_what_it_found(tmp_path, monkeypatch):
    plain = load_run(make_tiny_run(tmp_path / "run", steps=3))
    model = replace(plain.config.model, whiten=0.5)
    whitened = replace(plain, config=replace(plain.config, model=model))
    dataset, splits = plain.load_data()
    found = whitened.embed(dataset)
    raw = plain.embed(dataset)
    mean, matrix = within_class_whitening(raw[splits.train], dataset.labels[splits.train], 0.5)
    expected = (raw - mean) @ matrix
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert whitened.fingerprint != plain.fingerprint

    def gone(self):
        raise UserError("The photos are gone.")

    monkeypatch.setattr(TrainedModel, "load_data", gone)
    again = replace(whitened)
    np.testing.assert_array_equal(again.embed(dataset), found)
    other = replace(plain, config=replace(plain.config, model=replace(model, whiten=0.25)))
    with pytest.raises(UserError, match="gone"):
        other.embed(dataset)


def test_a_checkpoint_is_chosen_by_what_the_report_will_say(tmp_path, monkeypatch):
    """With cameras and whitening, validation and report once told different stories."""
    plain = load_run(make_tiny_run(tmp_path / "run", steps=3))
    model = replace(plain.config.model, whiten=0.5, views=2)
    run = replace(plain, config=replace(plain.config, model=model))
    dataset, splits = run.load_data()
    cameras = np.tile(["north", "south", ""], len(dataset))[: len(dataset)]
    dataset = replace(dataset, columns={**dataset.columns, "camera": cameras})
    built = experiment.build(run.config, dataset, splits)
    predict = make_predictor(built.task, make_layout("single"))
    predictions = predict(run.params, run.model_state, built.validation.inputs())
    found = built.task.evaluate(predictions, built.validation.examples)
    embeddings = run.embed(dataset)
    expected = evaluate_embeddings(
        embeddings, dataset.labels, *splits.validation, columns=dataset.columns
    )
    for name, value in found.items():
        assert value == pytest.approx(expected[name], abs=1e-6), name
    without = evaluate_embeddings(plain.embed(dataset), dataset.labels, *splits.validation)
    assert found["mAP"] != pytest.approx(without["mAP"], abs=1e-5)
    assert "whitened" not in built.summary
    assert "no match" not in built.summary
    names = np.where(np.arange(len(dataset)) % 2 == 0, dataset.labels.astype(str), "south")
    split = replace(dataset, columns={**dataset.columns, "camera": names})
    split.columns["camera"][dataset.labels == dataset.labels[splits.validation.query[0]]] = "x"
    words = experiment.build(run.config, split, splits).summary
    assert "validation photos have no match" in words

    monkeypatch.setattr(validation, "_AFFORDABLE", 4)
    built = experiment.build(run.config, dataset, splits)
    number = len(built.validation.examples["whitening"])
    assert 4 <= number <= len(built.validation.examples["label"]) < len(splits.train)
    assert f"validations are whitened by {number} of the {len(splits.train)}" in built.summary
