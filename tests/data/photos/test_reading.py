"""Names that are nobody's, and sides."""

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos import load_dataset
from reid_jax.data.photos.reading import Reading, words
from reid_jax.errors import UserError


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(("-1", "Junk", "ann", "bob")):
        for photo in range(2):
            (tmp_path / name).mkdir(exist_ok=True)
            shade = (20 * number, 50 * photo, 9)
            Image.new("RGB", (20, 16), shade).save(tmp_path / name / f"{photo}.png")
    return tmp_path


def test_a_folder_called_minus_one_is_no_individual(folder):
    dataset = load_dataset(f"folder:{folder}")
    assert dataset.identities == ("Junk", "ann", "bob")
    assert dataset.labels.tolist() == [0, 0, 1, 1, 2, 2]
    (note,) = dataset.notes
    assert note == 'left out of training and measures: 2 photos of "-1" (data.ignore_identity)'


def test_names_are_compared_without_case_and_none_may_be_said(folder):
    dataset = load_dataset(f"folder:{folder}", reading=Reading(ignored=("-1", "junk")))
    assert dataset.identities == ("ann", "bob")
    assert len(load_dataset(f"folder:{folder}", reading=Reading(ignored=())).identities) == 4


def test_who_does_not_ask_who_it_is_gets_them_as_unknown(folder):
    dataset = load_dataset(f"folder:{folder}", unnamed=True)
    names = np.asarray(dataset.identities)[dataset.labels].tolist()
    assert names == ["unknown"] * 2 + ["Junk"] * 2 + ["ann"] * 2 + ["bob"] * 2


def test_what_a_run_has_used_stays(folder):
    dataset = load_dataset(f"folder:{folder}", keep=[f"{folder}/-1/0.png"])
    assert dataset.identities == ("-1", "Junk", "ann", "bob")
    assert len(dataset) == 7


def test_nothing_but_junk_is_refused(folder):
    reading = Reading(ignored=("-1", "junk", "ann", "bob"))
    with pytest.raises(UserError, match="All photos are of"):
        load_dataset(f"folder:{folder}", reading=reading)


def test_sides_are_a_column_of_any_name(folder):
    (folder / "metadata.csv").write_text(
        "path,identity,Flank\nann/0.png,ann, LEFT\nbob/0.png,bob,nan\n"
    )
    dataset = load_dataset(f"csv:{folder}", reading=Reading(side_column="Flank"))
    assert dataset.columns["side"].tolist() == ["left", ""]
    with pytest.raises(UserError, match="no column side_of"):
        load_dataset(f"csv:{folder}", reading=Reading(side_column="side_of"))
    noted = load_dataset(f"folder:{folder}", reading=Reading(side_column="flank"))
    assert noted.notes[-1] == 'there is no column "flank", so no photo has a side'


def test_words_between_commas():
    assert words(" -1, unknown ,,x") == ("-1", "unknown", "x")


@pytest.mark.parametrize("wrong", [{"margin": -0.1}, {"margin": float("nan")}, {"confidence": 2}])
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(UserError, match="must be"):
        Reading(**wrong)
