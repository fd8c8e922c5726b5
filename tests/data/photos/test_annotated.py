"""Boxes in JSON files: COCO's, MegaDetector's, and what is wrong with them."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from reid_jax.data.photos import load_dataset
from reid_jax.data.photos.reading import Reading
from reid_jax.errors import UserError


@pytest.fixture
def folder(tmp_path):
    for name in ("Luna/1.png", "Luna/2.png", "Sol/1.png", "top.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(len(name)).integers(0, 256, (60, 100, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def written(folder, content):
    file = folder / "boxes.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def parts(dataset, folder):
    return [path.removeprefix(f"{folder}/") for path in dataset.paths.tolist()]


def detected(conf, box, category="1"):
    return {"category": category, "conf": conf, "bbox": box}


class TestMegaDetector:
    def read(self, folder, images, **options):
        file = written(folder, {"images": images, "detection_categories": CATEGORIES})
        unnamed = options.pop("unnamed", False)
        return load_dataset(f"megadetector:{file}", reading=Reading(**options), unnamed=unnamed)

    def test_sure_animals_are_rows(self, folder):
        images = [
            {
                "file": "Luna/1.png",
                "detections": [
                    detected(0.9, [0.1, 0.2, 0.5, 0.5]),
                    detected(0.8, [0.0, 0.0, 0.25, 0.25]),
                    detected(0.1, [0.0, 0.0, 0.5, 0.5]),
                    detected(0.9, [0.0, 0.0, 0.5, 0.5], "2"),
                ],
            },
            {"file": "Sol\\1.png", "detections": [detected(0.3, [0.5, 0.5, 0.5, 0.5])]},
            {"file": "Luna/2.png", "detections": []},
        ]
        dataset = self.read(folder, images)
        assert parts(dataset, folder) == [
            "Luna/1.png#xywh=percent:10,20,50,50",
            "Luna/1.png#xywh=percent:0,0,25,25",
            "Sol/1.png#xywh=percent:50,50,50,50",
        ]
        assert dataset.identities == ("Luna", "Sol")
        assert dataset.labels.tolist() == [0, 0, 1]
        assert dataset.notes == (
            "1 box is left out, of a confidence below 0.2",
            "boxes of other categories are left out: 1 person",
            "1 photo has no box, and no part in this",
        )
        whole = np.asarray(Image.open(folder / "Sol" / "1.png"))[30:, 50:]
        alone = folder / "alone.png"
        Image.fromarray(whole).save(alone)
        part = load_dataset(f"folder:{folder}", unnamed=True)
        row = parts(part, folder).index("alone.png")
        np.testing.assert_array_equal(
            dataset.load(np.array([2]), 24), part.load(np.array([row]), 24)
        )

    def test_categories_confidence_and_margin_are_asked_for(self, folder):
        images = [
            {
                "file": "Luna/1.png",
                "detections": [
                    detected(0.05, [0.1, 0.2, 0.5, 0.5], "2"),
                    detected(0.9, [0.1, 0.2, 0.5, 0.5]),
                ],
            }
        ]
        dataset = self.read(folder, images, categories=("person",), confidence=0.01, margin=0.1)
        assert parts(dataset, folder) == ["Luna/1.png#xywh=percent:10,20,50,50&margin=0.1"]
        with pytest.raises(UserError, match=r'no category "bird".*animal, person'):
            self.read(folder, images, categories=("bird",))

    def test_bad_rows_are_named_and_the_others_are_read(self, folder):
        images = [
            {"file": "Luna/1.png", "detections": [detected(0.9, [0.1, 0.2, 0.5, 0.5])]},
            {"file": "Luna/2.png", "detections": [detected(0.9, [0.9, 0.2, -0.5, 0.5])]},
            {"file": "Luna/2.png", "detections": [detected(0.9, [float("nan")] * 4)]},
            {"file": "Luna/2.png", "detections": [detected(0.9, [1.5, 0.1, 0.2, 0.2])]},
            {"file": "Luna/2.png", "detections": [detected(0.9, None)]},
            {"file": "Luna/2.png", "detections": [detected("high", [0, 0, 1, 1])]},
            {"file": "gone.png", "detections": [detected(0.9, [0, 0, 1, 1])]},
            {"file": "Luna/gone.png", "detections": [detected(0.9, [0, 0, 1, 1])]},
            {"file": "top.png", "detections": [detected(0.9, [0, 0, 1, 1])]},
            {"file": "Sol/1.png", "failure": "image access failure"},
            {"detections": []},
        ]
        dataset = self.read(folder, images)
        assert parts(dataset, folder) == ["Luna/1.png#xywh=percent:10,20,50,50"]
        reasons = [reason for _, reason in dataset.skipped]
        for number, reason in enumerate(
            (
                "swapped corners",
                "a number that is none",
                "not four numbers",
                "in the folder of an individual",
                "missing",
                "in the folder of an individual",
                "could not read it (image access failure)",
                "names no file",
                "outside the photo",
            )
        ):
            assert reason in reasons[number]

    def test_a_pile_is_of_nobody(self, folder):
        images = [{"file": "top.png", "detections": [detected(0.9, [0, 0, 1, 1])]}]
        with pytest.raises(UserError, match="no usable photo"):
            self.read(folder, images)
        assert self.read(folder, images, unnamed=True).identities == ("unknown",)


CATEGORIES = {"1": "animal", "2": "person"}


def coco(annotations, images=None, categories=None):
    return {
        "images": images
        or [
            {"id": 1, "file_name": "Luna/1.png", "width": 100, "height": 60},
            {"id": 2, "file_name": "top.png", "date_captured": "2021-05-06 07:08:09"},
        ],
        "annotations": annotations,
        "categories": categories or [{"id": 7, "name": "zebra"}, {"id": 8, "name": "giraffe"}],
    }


def annotation(image, box, category=7, **facts):
    return {"image_id": image, "bbox": box, "category_id": category, **facts}


class TestCoco:
    def read(self, folder, content, **options):
        return load_dataset(f"coco:{written(folder, content)}", reading=Reading(**options))

    def test_annotations_are_rows_with_their_facts(self, folder):
        dataset = self.read(
            folder,
            coco(
                [
                    annotation(1, [10, 20, 30, 40], viewpoint="left"),
                    annotation(2, [10, 20, 30, 40], identity="Sol", attributes={"camera": "c1"}),
                    annotation(2, [0, 0, 30, 40], individual_ids=[41], category=8),
                    annotation(2, [0, 0, 30, 30], attributes={"name": "Luna"}, score=0.1),
                ]
            ),
        )
        assert parts(dataset, folder) == [
            "Luna/1.png#xywh=10,20,30,40",
            "top.png#xywh=10,20,30,40",
            "top.png#xywh=0,0,30,40",
        ]
        names = np.asarray(dataset.identities)[dataset.labels]
        assert names.tolist() == ["Luna", "Sol", "41"]
        assert dataset.columns["orientation"].tolist() == ["left", "", ""]
        assert dataset.columns["camera"].tolist() == ["", "c1", ""]
        dates = dataset.columns["date"].astype(str).tolist()
        assert dates == ["NaT", "2021-05-06T07:08:09", "2021-05-06T07:08:09"]
        assert dataset.notes == ("1 box is left out, of a confidence below 0.2",)

    def test_categories_are_chosen(self, folder):
        content = coco([annotation(1, [0, 0, 30, 40]), annotation(1, [0, 0, 20, 20], 8)])
        dataset = self.read(folder, content, categories=("giraffe",))
        assert parts(dataset, folder) == ["Luna/1.png#xywh=0,0,20,20"]

    def test_boxes_of_a_photo_of_another_size_are_named(self, folder):
        images = [
            {"id": 1, "file_name": "Luna/1.png", "width": 200, "height": 120},
            {"id": 2, "file_name": "Sol/1.png"},
        ]
        content = coco([annotation(1, [0, 0, 30, 40]), annotation(2, [0, 0, 30, 40])], images)
        dataset = self.read(folder, content)
        assert parts(dataset, folder) == ["Sol/1.png#xywh=0,0,30,40"]
        ((_, reason),) = dataset.skipped
        assert reason == "it is 100 x 60 pixels, and its boxes are of a photo of 200 x 120"

    def test_the_same_box_twice_and_an_image_that_is_not_there(self, folder):
        content = coco([annotation(n, [0, 0, 30, 40]) for n in (1, 1, 9)])
        dataset = self.read(folder, content)
        assert len(dataset) == 1
        assert "its image is not in the file" in dataset.skipped[0][1] + dataset.skipped[1][1]


@pytest.mark.parametrize("word", ["coco", "megadetector"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON file"),
        ("[1]", "lists of objects"),
        ('{"images": 3, "annotations": []}', "lists of objects"),
        ('{"images": [3], "annotations": []}', "lists of objects"),
        ('{"images": [], "annotations": []}', "no usable photo"),
    ],
)
def test_other_files_are_refused(tmp_path, word, content, said):
    with pytest.raises(UserError, match=said):
        load_dataset(f"{word}:{written(tmp_path, content)}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.json cannot be read"):
        load_dataset(f"coco:{tmp_path}/gone.json")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.floats() | st.sampled_from(["", "1", "a"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data(), st.sampled_from(["coco", "megadetector"]))
def test_whatever_stands_there_is_read_or_refused(folder, data, word):
    """Each value of a good file is anything else, one after the other."""
    good = annotation(1, [0, 0, 30, 40])
    content = coco([good, dict(good)]) | {"detection_categories": dict(CATEGORIES)}
    content["images"][0] |= {"file": "Luna/1.png", "detections": [detected(0.9, [0, 0, 1, 1])]}
    content["images"][1] |= {"file": "Luna/2.png", "detections": [detected(0.9, [0, 0, 1, 1])]}
    places = [
        content,
        content["images"][0],
        content["annotations"][0],
        content["categories"][0],
        content["images"][0]["detections"][0],
    ]
    place = data.draw(st.sampled_from(places))
    name = data.draw(st.sampled_from([*place, *("identity", "date", "attributes", "score")]))
    place[name] = data.draw(ANYTHING)
    with contextlib.suppress(UserError):
        assert len(load_dataset(f"{word}:{written(folder, content)}")) in (1, 2, 3)
