"""Features of drawn photos: found again when the photo is turned, and compared block by block."""

import numpy as np
import pytest
from PIL import Image

from reid_jax import UserError
from reid_jax.data import cache as kept
from reid_jax.data.photos import Dataset
from reid_jax.individuals.evidence import features, search
from reid_jax.individuals.evidence.features import (
    MOST,
    WIDTH,
    chosen_evidence,
    dataset_rows,
    packed_count,
    photo_rows,
    unpacked,
)
from reid_jax.individuals.evidence.local import Background, Local
from reid_jax.individuals.evidence.search import compare_photos, matches
from reid_jax.ops.local.matching import Features, compare

pytestmark = pytest.mark.usefixtures("opencv")


def spots(seed, side=160):
    """A photo of blurred spots, uint8 (side, side + 40, 3)."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (side // 8, side // 8 + 5, 3), np.uint8))
    return np.asarray(small.resize((side + 40, side), Image.Resampling.BICUBIC))


def local(photos):
    rows = photo_rows(photos)
    digests = np.array([f"{place:032}" for place in range(len(photos))], "S32")
    return Local.of(rows, digests, Background.of(rows, digests))


@pytest.fixture(scope="module")
def seen(opencv):
    """Photos 0 and 1 show the same spots, the second turned; the others have their own."""
    first = spots(0)
    turned = np.ascontiguousarray(np.rot90(first))
    return local([first, turned, *(spots(seed) for seed in range(1, 6))])


def test_a_photo_however_it_is_held_has_the_same_features(tmp_path):
    pixels = spots(0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    held = [pixels, Image.fromarray(pixels), str(tmp_path / "a.png"), tmp_path / "a.png"]
    rows = photo_rows(held)
    assert rows.shape == (4, WIDTH)
    assert (rows == rows[0]).all()
    found = unpacked(rows[:1])
    number = int(found.number[0])
    assert 20 < number == packed_count(rows[0]) <= MOST
    np.testing.assert_allclose(np.linalg.norm(found.descriptors[0, :number], axis=1), 1, rtol=1e-5)
    assert (found.places[0, :number, 0] <= 1).all()
    assert found.places[0, :number, 1].max() <= 160 / 200


def test_nothing_is_found_where_nothing_is():
    rows = photo_rows([np.full((50, 60, 3), 128, np.uint8)])
    assert packed_count(rows[0]) == 0
    assert photo_rows([]).shape == (0, WIDTH)


def test_large_photos_are_looked_at_smaller():
    large = np.asarray(Image.fromarray(spots(0)).resize((4000, 3200)))
    found = unpacked(photo_rows([large]))
    smallest = found.places[0, : found.number[0], 2].min()
    assert smallest * 4000 > 10  # pixels


def test_features_of_files_are_kept_and_mirrored_ones_are_others(tmp_path, cache, monkeypatch):
    monkeypatch.setenv(kept.LIMIT, "1")
    monkeypatch.setattr(kept, "_without", set())
    paths = np.array([str(tmp_path / f"{seed}.png") for seed in range(3)])
    for seed, path in enumerate(paths):
        Image.fromarray(spots(seed)).save(path)
    mirrored = np.array([False, False, True])
    dataset = Dataset(paths, np.zeros(3, np.int32), ("a",), mirrored=mirrored)
    found = dataset_rows(dataset)
    assert (found == photo_rows([spots(0), spots(1), spots(2)[:, ::-1]])).all()
    assert kept.contents().values >= 3
    monkeypatch.setattr(features, "features_of", None)  # nothing is found anew
    assert (dataset_rows(dataset) == found).all()


def test_photos_in_memory_have_features():
    pixels = np.stack([spots(0), spots(1)])
    dataset = Dataset(np.array(["a", "b"]), np.zeros(2, np.int32), ("a",), pixels=pixels)
    assert (dataset_rows(dataset) == photo_rows(list(pixels))).all()


def test_the_turned_photo_agrees_most_and_its_points_lie_where_they_were(seen):
    agreement = compare_photos(seen.take(np.arange(2)), seen)
    assert agreement[0, 1] > 3 * agreement[0, 2:].max()
    np.testing.assert_allclose(agreement[0, 1], agreement[1, 0], rtol=1e-3)
    drawn = matches(seen.take(np.array([0])), seen.take(np.array([1, 2])))
    assert len(drawn[0]) > 2 * len(drawn[1])
    x, y, across, down = (200 * drawn[0][:, side] for side in range(4))
    turned = np.abs(across - y) + np.abs(down - (200 - x))  # a quarter to the left
    assert np.median(turned) < 3


def test_blocks_and_chosen_photos_change_nothing(seen, monkeypatch):
    agreement = compare_photos(seen.take(np.arange(7)), seen)
    first = seen.features(slice(0, 7), 7)
    for n in range(7):
        found = compare(Features(*(values[n] for values in first)), first)
        np.testing.assert_allclose(agreement[n], np.log1p(10 * found.agreement), rtol=1e-4)
    monkeypatch.setattr(search, "_UNIT", 3)
    monkeypatch.setattr(search, "_BLOCK", 3)
    monkeypatch.setattr(search, "_ASKED", 2)
    for asked in (seen, seen.take(np.arange(7))):  # with itself, and with a copy
        np.testing.assert_allclose(compare_photos(asked, seen), agreement, rtol=1e-4)
    photos = np.array([np.roll(np.arange(7), n)[:5] for n in range(7)])
    some = compare_photos(seen, seen, photos)
    np.testing.assert_allclose(some, np.take_along_axis(agreement, photos, 1), rtol=1e-4)


def test_a_photos_own_features_are_no_background_of_its(seen):
    whose = np.arange(7)
    everything = Background.of(seen.rows, np.array([f"{n:032}" for n in whose], "S32"), 10**6)
    assert len(everything.descriptors) == sum(map(packed_count, seen.rows)) // 10
    assert len(set(everything.owners.tolist())) == 7
    assert seen.floors[:, 0].max() < 0.999
    strange = everything.floors(seen.rows, np.full(7, b"another"))
    assert (strange >= seen.floors).all()
    assert (strange > 0.999).any()


def test_taken_and_joined_photos_keep_their_features(seen):
    again = seen.take(np.arange(3)).joined(seen.take(np.arange(3, 7)))
    assert (again.rows == seen.rows).all()
    assert (again.floors == seen.floors).all()
    assert len(again) == 7


def test_what_is_used_is_what_can_be_had(monkeypatch):
    assert [chosen_evidence(asked) for asked in (None, "none", "local")] == [
        *("fused", "none", "local")
    ]
    with pytest.raises(UserError, match="no evidence 'both'"):
        chosen_evidence("both")  # type: ignore[arg-type]
    monkeypatch.setattr(features, "is_installed", lambda: False)
    assert chosen_evidence(None) == "none"
    with pytest.raises(UserError, match="pip install"):
        chosen_evidence("fused")
