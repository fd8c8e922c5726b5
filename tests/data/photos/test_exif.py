"""Dates and places of cameras, also those that cannot be."""

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos import load_dataset, make_splits
from reid_jax.data.photos.exif import taken
from reid_jax.data.photos.reading import Reading
from reid_jax.errors import UserError

EXIF = Reading(exif=True)


def photo(path, date=None, *, zone=None, place=None, tag=0x9003):
    """A drawn photo with what a camera writes."""
    exif = Image.Exif()
    exif[0x010F] = (
        "drawn"  # the maker: of what has inner tables alone Pillow keeps nothing in a PNG
    )
    inner = exif.get_ifd(0x8769)
    if date is not None and tag == 0x0132:
        exif[tag] = date
    elif date is not None:
        inner[tag] = date
    if zone is not None:
        inner[0x9011] = zone
    if place is not None:
        gps = exif.get_ifd(0x8825)
        gps.update({1: place[0], 2: place[1], 3: place[2], 4: place[3]})
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(abs(hash(path.name)) % 2**32).integers(0, 256, (20, 24, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path, exif=exif)
    return str(path)


def test_a_date_and_a_place_are_read(tmp_path):
    place = ("S", (33.0, 51.0, 36.0), "E", (151.0, 12.0, 40.0))
    found = taken(photo(tmp_path / "a.jpg", "2021:07:31 14:05:09", zone="+10:00", place=place))
    assert found.date == np.datetime64("2021-07-31T14:05:09")
    np.testing.assert_allclose((found.latitude, found.longitude), (-33.86, 151.21111), atol=1e-4)
    assert found.zoned
    assert found.wrong == ""


@pytest.mark.parametrize("tag", [0x9003, 0x9004, 0x0132])
def test_the_first_date_that_there_is(tmp_path, tag):
    found = taken(photo(tmp_path / "a.png", "2020:01:02 03:04:05", tag=tag))
    assert found.date == np.datetime64("2020-01-02T03:04:05")
    assert not found.zoned


@pytest.mark.parametrize(
    ("date", "wrong"),
    [
        ("0000:00:00 00:00:00", "the date 0000:00:00"),
        ("    :  :     :  :  ", ""),
        ("2199:01:01 00:00:00", "a date in the future"),
        ("2021:13:45 00:00:00", "a date that cannot be read"),
        ("yesterday", "a date that cannot be read"),
        (None, ""),
    ],
)
def test_dates_that_cannot_be(tmp_path, date, wrong):
    found = taken(photo(tmp_path / "a.jpg", date))
    assert np.isnat(found.date)
    assert found.wrong == wrong


@pytest.mark.parametrize(
    "place",
    [
        ("N", (0.0, 0.0, 0.0), "E", (0.0, 0.0, 0.0)),
        ("N", (95.0, 0.0, 0.0), "E", (10.0, 0.0, 0.0)),
        ("N", (50.0, 0.0), "E", (10.0, 0.0, 0.0)),
    ],
)
def test_places_that_cannot_be(tmp_path, place):
    found = taken(photo(tmp_path / "a.jpg", place=place))
    assert np.isnan([found.latitude, found.longitude]).all()


def test_damaged_exif_loses_neither_the_photo_nor_the_others(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    (tmp_path / "a").mkdir()
    broken = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\0broken"
    Image.fromarray(pixels).save(tmp_path / "a" / "broken.jpg", exif=broken)
    photo(tmp_path / "a" / "good.jpg", "2021:07:31 14:05:09")
    dataset = load_dataset(f"folder:{tmp_path}", reading=EXIF)
    assert dataset.columns["date"].astype(str).tolist() == ["NaT", "2021-07-31T14:05:09"]
    assert "1 of 2 photos say when they were taken (EXIF), 1 had damaged EXIF" in dataset.notes[-1]


def folder(tmp_path, suffix="jpg"):
    for who in ("ann", "bob", "cid", "dot", "eve"):
        for year in (2019, 2020, 2021):
            photo(tmp_path / who / f"{who}{year}.{suffix}", f"{year}:05:06 07:08:09")
    return tmp_path


def test_a_plain_folder_can_be_divided_by_date(tmp_path):
    source = f"folder:{folder(tmp_path)}"
    with pytest.raises(UserError, match=r"--data\.exif"):
        make_splits(load_dataset(source), "date")
    dataset = load_dataset(source, reading=EXIF)
    assert dataset.notes == (
        "15 of 15 photos say when they were taken (EXIF), 15 name no zone, their clocks are taken "
        "as they stand",
    )
    test = make_splits(dataset, "date", validation_fraction=0).test
    years = dataset.columns["date"].astype("datetime64[Y]").astype(str)
    assert set(years[test.query].tolist()) == {"2021"}
    assert len(make_splits(dataset, "open", validation_fraction=0).test.query) > 0


def test_what_a_table_says_counts(tmp_path):
    folder(tmp_path)
    (tmp_path / "metadata.csv").write_text(
        "path,identity,date\nann/ann2019.jpg,ann,2001-02-03\nann/ann2020.jpg,ann,\n"
    )
    dates = load_dataset(f"csv:{tmp_path}", reading=EXIF).columns["date"].astype(str)
    assert dates.tolist() == ["2001-02-03T00:00:00", "2020-05-06T07:08:09"]


def test_the_parts_of_a_photo_are_of_its_date(tmp_path):
    photo(tmp_path / "a.png", "2021:07:31 14:05:09")
    (tmp_path / "metadata.csv").write_text(
        'path,identity,bbox\na.png,ann,"0,0,10,10"\na.png,bob,"10,0,10,10"\n'
    )
    dataset = load_dataset(f"csv:{tmp_path}", reading=EXIF)
    assert dataset.columns["date"].astype(str).tolist() == ["2021-07-31T14:05:09"] * 2
    assert dataset.notes[-1].startswith("1 of 1 photos")


def test_photos_without_a_word_have_no_column(tmp_path):
    photo(tmp_path / "ann" / "1.png")
    dataset = load_dataset(f"folder:{tmp_path}", reading=EXIF)
    assert set(dataset.columns) == {"digest"}
    assert load_dataset("synthetic:4x2", reading=EXIF).notes == ()
