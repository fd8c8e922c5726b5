"""A table of boxes is as good as the same crops in files: trained on, judged, embedded, kept."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos import load_dataset
from reid_jax.data.photos.synthetic import synthetic_dataset
from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.identify import identify
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.model import load_run
from reid_jax.individuals.run import embed_to_file, evaluate_run
from tests.tiny_run import train_tiny_run

CORNERS = ((5, 10), (80, 20))
SIDE = 40


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two animals a photo, in a table with boxes; and each alone, in folders."""
    folder = tmp_path_factory.mktemp("photos")
    drawn = synthetic_dataset(8, 6, seed=0)
    animals = drawn.load(np.arange(len(drawn)), SIDE)
    noise, rows = np.random.default_rng(0), []
    detections = []
    for number in range(0, len(drawn), 2):
        scene = noise.integers(0, 256, (70, 130, 3), np.uint8)
        found = []
        for row, (x, y) in enumerate(CORNERS, number):
            scene[y : y + SIDE, x : x + SIDE] = animals[row]
            who = drawn.identities[drawn.labels[row]]
            alone = folder / "crops" / who / f"{number:03}_{x:03}.png"
            alone.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(animals[row]).save(alone)
            rows.append(f'scenes/{number:03}.png,{who},"[{x}, {y}, {SIDE}, {SIDE}]"')
            box = [x / 130, y / 70, SIDE / 130, SIDE / 70]
            found.append({"category": "1", "conf": 0.9, "bbox": box})
        (folder / "scenes").mkdir(exist_ok=True)
        Image.fromarray(scene).save(folder / "scenes" / f"{number:03}.png")
        detections.append({"file": f"scenes/{number:03}.png", "detections": found})
    (folder / "metadata.csv").write_text("path,identity,bbox\n" + "\n".join(rows) + "\n")
    (folder / "found.json").write_text(json.dumps({"images": detections}))
    return folder


@pytest.fixture(scope="module")
def runs(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [
        train_tiny_run(folder / name, steps=2, source=source)
        for name, source in (
            ("boxes", f"csv:{photos}"),
            ("crops", f"folder:{photos}/crops"),
        )
    ]


def embedded(run, source, out):
    embed_to_file(run, source, out)
    with np.load(out) as kept:
        return dict(kept)


def test_training_on_boxes_is_training_on_crops(photos, runs, tmp_path):
    boxes, crops = (load_run(run) for run in runs)
    for model in (boxes, crops):
        assert len(model.load_data()[0]) == 48
    sources = (f"csv:{photos}", f"folder:{photos}/crops", f"megadetector:{photos}/found.json")
    z = [
        embedded(run, source, tmp_path / "z.npz")
        for run, source in zip(runs, sources, strict=False)
    ]
    np.testing.assert_array_equal(z[0]["embeddings"], z[1]["embeddings"])
    np.testing.assert_array_equal(z[0]["identities"], z[1]["identities"])
    assert z[0]["paths"][0].endswith("scenes/000.png#xywh=5,10,40,40")
    found = embedded(runs[0], sources[2], tmp_path / "z.npz")
    np.testing.assert_array_equal(found["embeddings"], z[0]["embeddings"])
    assert set(found["identities"]) == {"scenes"}


@pytest.mark.exhaustive
def test_a_run_of_boxes_is_judged_on_those_that_it_held_out(photos, runs, tmp_path):
    metrics = [evaluate_run(run, out=tmp_path / run.name, evidence="none") for run in runs]
    assert metrics[0]["rank1"] == metrics[1]["rank1"]
    assert metrics[0]["mAP"] == metrics[1]["mAP"]
    assert (tmp_path / "boxes" / "index.html").is_file()


def test_a_gallery_of_boxes_names_each_animal_and_grows_by_others(photos, runs, tmp_path):
    half = (photos / "metadata.csv").read_text().splitlines()
    (photos / "half.csv").write_text("\n".join(half[:25]) + "\n")
    members.build(runs[0], f"csv:{photos}/half.csv", tmp_path / "gallery", evidence="none")
    added = members.add(tmp_path / "gallery", f"csv:{photos}", None)
    assert (added.there, added.added) == (24, 24)
    shutil.copytree(photos, tmp_path / "copy")  # the first ones are still where they were
    again = members.add(tmp_path / "gallery", f"csv:{tmp_path}/copy", None)
    assert (again.there, again.added, again.moved) == (48, 0, 0)
    kept = read_gallery(tmp_path / "gallery")
    assert len(set(kept.paths.tolist())) == 48
    whole, _, box = str(kept.paths[0]).partition("#")
    assert (whole, box) == (f"{photos}/scenes/000.png", "xywh=5,10,40,40")
    embedding = load_run(runs[0]).embed(load_dataset(f"csv:{photos}"))
    np.testing.assert_allclose(kept.embeddings, embedding, atol=2e-3)

    asked = (f"{whole}#xywh=5,10,40,40", f"megadetector:{photos}/found.json")
    found = identify(tmp_path / "gallery", asked, evidence="none")
    assert len(found.answers) == 1 + 48
    assert found.answers[0].path == asked[0]
    for answer in (found.answers[0], found.answers[1]):  # the same box, in pixels and relative
        assert all(each.identity != "scenes" for each in answer.candidates)
        assert answer.candidates[0].score == pytest.approx(1.0, abs=2e-3)


def test_local_features_are_those_of_the_crop(photos, opencv):
    from reid_jax.individuals.evidence.features import dataset_rows

    boxes, crops = load_dataset(f"csv:{photos}"), load_dataset(f"folder:{photos}/crops")
    rows = np.arange(4)
    np.testing.assert_array_equal(
        dataset_rows(boxes.subset(rows)), dataset_rows(crops.subset(rows))
    )


def test_photos_of_a_run_are_found_where_they_moved(photos, runs, tmp_path):
    shutil.copytree(photos, tmp_path / "moved")
    model = load_run(runs[0]).with_photos_at(f"csv:{tmp_path}/moved")
    dataset, splits = model.load_data()
    before, theirs = load_run(runs[0]).load_data()
    moved = [path.replace(str(tmp_path / "moved"), str(photos)) for path in dataset.paths.tolist()]
    assert moved == before.paths.tolist()
    np.testing.assert_array_equal(splits.train, theirs.train)
    np.testing.assert_array_equal(splits.test.query, theirs.test.query)


@pytest.mark.exhaustive
def test_the_margin_belongs_to_the_run(photos, runs, tmp_path):
    run = train_tiny_run(tmp_path / "run", steps=2, source=f"csv:{photos}", margin=0.25)
    z = embedded(run, f"csv:{photos}", tmp_path / "z.npz")
    assert z["paths"][0].endswith("#xywh=5,10,40,40&margin=0.25")
    assert (
        np.abs(z["embeddings"] - load_run(runs[0]).embed(load_dataset(f"csv:{photos}"))).max() > 0
    )
