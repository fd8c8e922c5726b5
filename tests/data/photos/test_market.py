"""Market-1501's layout and protocol, on a folder of that shape with drawn photos."""

import os

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos import load_dataset, make_splits
from reid_jax.data.photos.synthetic import synthetic_dataset
from reid_jax.errors import UserError
from reid_jax.individuals.measures import evaluate_embeddings
from reid_jax.individuals.run import evaluate_run
from tests.tiny_run import train_tiny_run


def draw_market(root):
    """Six to train on, four to find; each by three cameras, twice; junk and distractors."""
    drawn = synthetic_dataset(16, 8)
    photos = {label: list(np.flatnonzero(drawn.labels == label)) for label in range(16)}

    def write(part, label, name):
        folder = root / part
        folder.mkdir(parents=True, exist_ok=True)
        pixels = drawn.load(np.array([photos[label].pop()]), 32)[0]
        Image.fromarray(pixels).resize((32, 64)).save(folder / f"{name}.jpg")

    for person in range(10):
        part = "bounding_box_train" if person < 6 else "bounding_box_test"
        for camera in (1, 2, 3):
            for number in (1, 2):
                write(part, person, f"{person + 1:04}_c{camera}s1_{number:06}_00")
        if person >= 6:
            for camera in (1, 2):
                write("query", person, f"{person + 1:04}_c{camera}s1_000009_00")
    for number in range(3):
        write("bounding_box_test", 10, f"0000_c{number + 1}s1_{number:06}_01")
        write("bounding_box_test", 11, f"-1_c{number + 1}s1_{number:06}_02")
    (root / "bounding_box_test" / "Thumbs.db").write_bytes(b"x")
    (root / "readme.txt").write_text("x")
    return root


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return draw_market(tmp_path_factory.mktemp("Market-1501"))


def test_people_cameras_and_sides_are_read_and_junk_is_not(market):
    photos = load_dataset(f"market:{market}")
    assert len(photos) == 36 + 24 + 8 + 3
    assert photos.passed_over == {"junk (-1)": 3, "Thumbs.db": 1}
    assert photos.skipped == ()
    splits = make_splits(photos, "given", validation_fraction=0.0)
    assert len(splits.train) == 36
    assert len(splits.test.query) == 8
    assert len(splits.test.gallery) == 27
    names = np.array(photos.identities)[photos.labels]
    assert set(names[splits.test.query]) == {"0007", "0008", "0009", "0010"}
    assert (names == "distractors").sum() == 3
    cameras = photos.columns["camera"]
    for path, name, camera in zip(photos.paths, names, cameras, strict=True):
        file = os.path.basename(path)
        assert file.startswith((name, "0000"))
        assert f"_{camera}s1_" in file


def test_the_protocol_is_that_of_the_published_loop(market):
    photos = load_dataset(f"market:{market}")
    _, _, (query, gallery) = make_splits(photos, "given", validation_fraction=0.0)
    z = np.random.default_rng(0).normal(size=(len(photos), 4)).astype(np.float32)
    got = evaluate_embeddings(
        z, photos.labels, query, gallery, columns=photos.columns, metric="euclidean"
    )
    first, precisions = [], []
    for q in query:
        order = sorted(gallery, key=lambda g: ((z[q] - z[g]) ** 2).sum())
        matches = [
            photos.labels[g] == photos.labels[q]
            for g in order
            if photos.labels[g] != photos.labels[q]
            or photos.columns["camera"][g] != photos.columns["camera"][q]
        ]
        first.append(matches[0])
        places = np.flatnonzero(matches)
        precisions.append(np.mean([(i + 1) / (place + 1) for i, place in enumerate(places)]))
    np.testing.assert_allclose(got["rank1"], np.mean(first))
    np.testing.assert_allclose(got["mAP"], np.mean(precisions), rtol=1e-6)


def test_it_is_trained_on_and_ranked_anew(market, tmp_path):
    run = train_tiny_run(
        tmp_path / "run",
        steps=20,
        source=f"market:{market}",
        split="given",
        validation_fraction=0.0,
    )
    metrics = evaluate_run(run, rerank=True)
    assert 0 < metrics["mAP_reranked"] <= 1


def test_what_is_no_such_folder_is_refused_and_other_names_are_skipped(market, tmp_path):
    (tmp_path / "bounding_box_train").mkdir()
    with pytest.raises(UserError, match="no folder query and no bounding_box_test"):
        load_dataset(f"market:{tmp_path}")
    with pytest.raises(UserError, match="no folder bounding_box_train"):
        load_dataset("market:nowhere")
    other = draw_market(tmp_path / "other")
    (other / "query" / "0007_c1s1_000009_00.jpg").rename(other / "query" / "somebody.jpg")
    photos = load_dataset(f"market:{other}")
    ((file, reason),) = photos.skipped
    assert file.endswith("somebody.jpg")
    assert reason == "its name is not like 0002_c1s1_000451_03.jpg"
