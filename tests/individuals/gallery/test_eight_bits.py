"""A gallery that keeps its embeddings in 8 bits, from building it to answers."""

import re

import numpy as np
import pytest

import reid_jax as rj
from reid_jax.individuals.gallery.stored.eight_bits import recall
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.ops.ranking.eight import EightBit
from tests.tiny_run import make_tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_tiny_run(tmp_path_factory.mktemp("run"))


def test_a_gallery_in_8_bits_answers_and_stays_so(run, tmp_path, capsys):
    place = tmp_path / "gallery"
    gallery = rj.Gallery.build(place, "synthetic:8x4", run=run, evidence="none", store="int8")
    said = capsys.readouterr().out
    assert re.search(r"int8: of 32 photos searched for, \d+\.\d% find the same photo first", said)
    wide = rj.Gallery.build(tmp_path / "wide", "synthetic:8x4", run=run, evidence="none")
    z, codes = wide.embeddings, gallery.embeddings
    assert np.abs(z - codes).max() <= np.abs(z).max() / 127
    [segment] = place.glob("generation-*/segment-*")
    assert {path.name for path in segment.iterdir()} == {
        "photos.parquet",
        "eight.npy",
        "scales.npy",
    }
    assert np.load(segment / "eight.npy").dtype == np.int8
    photos = [np.asarray(image) for image in rj.load_dataset("synthetic:8x4").load(range(32), 24)]
    names = [answer.text for answer in wide.identify(photos)]
    same = np.mean([a == b.text for a, b in zip(names, gallery.identify(photos), strict=True)])
    assert same > 0.9
    gallery.add("synthetic:10x4")
    assert isinstance(read_gallery(place).embeddings, EightBit)  # two segments, joined
    assert len(list(place.glob("generation-*/segment-*/eight.npy"))) == 2
    gallery.remove(gallery.individuals[:1])
    assert isinstance(read_gallery(place).embeddings, EightBit)
    assert gallery.exported().embeddings.dtype == np.float32


def test_recall_is_what_a_plain_search_finds():
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(40, 4)).astype(np.float32)
    eight = EightBit.of(np.round(wide, 1))  # so that something is lost
    found = recall(wide, eight, "euclidean")

    def near(rows: np.ndarray) -> np.ndarray:
        order = []
        for n, query in enumerate(wide):
            away = np.linalg.norm(rows - query, axis=1)
            away[n] = np.inf
            order.append(np.argsort(away)[:10])
        return np.array(order)

    before, after = near(wide), near(np.asarray(eight))
    stay = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(before, after, strict=True)])
    assert found.nearest == pytest.approx(stay)
    assert found.first == pytest.approx(np.mean(before[:, 0] == after[:, 0]))
    assert found.nearest < 1
