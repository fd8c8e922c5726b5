"""Conditions that photos meet, against a loop over the photos."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.reports.where import Facts, Where, described, ids_where
from reid_jax.individuals.gallery.value import Gallery
from tests.doors import call
from tests.seen_gallery import name_of, seen

DATES = ("2019-12-31T23:59:59", "2020-01-01", "2020-05-31T12:00", "2021-06-01", "NaT")


def small() -> Gallery:
    number = len(DATES)
    return Gallery(
        paths=np.array([f"{n}.jpg" for n in range(number)], object),
        identities=np.array(["A", "A", "B", "B", "C"], object),
        columns={
            "date": np.array(DATES, "datetime64[s]"),
            "orientation": np.array(["left", "Right", "", "left", "left"]),
            "sex": np.array(["f", "f", "m", "", ""]),
        },
        embeddings=np.zeros((number, 1), np.float32),
        thumbnails=None,
        settings={},
        confirmed=np.array([True, False, False, False, True]),
    )


@pytest.mark.parametrize(
    ("conditions", "since", "until", "rows"),
    [
        ((), "", "", [0, 1, 2, 3, 4]),
        (("side=left",), "", "", [0, 3, 4]),
        (("ORIENTATION = RIGHT",), "", "", [1]),
        (("side=left", "side=right"), "", "", [0, 1, 3, 4]),
        (("side=left", "sex=f"), "", "", [0]),
        (("sex=",), "", "", [3, 4]),
        (("place=",), "", "", [0, 1, 2, 3, 4]),
        (("name=B", "confirmed=no"), "", "", [2, 3]),
        (("confirmed=yes",), "", "", [0, 4]),
        ((), "2020", "", [1, 2, 3]),
        ((), "", "2020", [0, 1, 2]),
        ((), "2020-01", "2020-05", [1, 2]),
        ((), "2020-05-31", "2020-05-31", [2]),
        (("side=left",), "2020-01-01", "", [3]),
    ],
)
def test_photos_that_are_so(conditions, since, until, rows):
    mask = Facts.of(small()).mask(Where.of(conditions, since, until))
    assert np.flatnonzero(mask).tolist() == rows


@given(
    st.lists(st.sampled_from(["side=left", "side=", "sex=f", "sex=m", "name=a", "confirmed=no"])),
    st.sampled_from(["", "2019", "2020-05", "2020-05-31"]),
    st.sampled_from(["", "2020", "2020-05", "2021-06-01"]),
)
def test_as_a_loop_has_it(conditions, since, until):
    gallery = small()
    first = {"": None, "2019": "2019-01-01", "2020-05": "2020-05-01"}.get(since, since)
    last = {"": None, "2020": "2020-12-31", "2020-05": "2020-05-31"}.get(until, until)
    expected = []
    for row in range(len(gallery)):
        facts = {
            "side": gallery.columns["orientation"][row].lower(),
            "sex": gallery.columns["sex"][row],
            "name": gallery.identities[row].lower(),
            "confirmed": "yes" if gallery.confirmed[row] else "no",
        }
        wanted: dict[str, list[str]] = {}
        for text in conditions:
            column, value = text.split("=")
            wanted.setdefault(column, []).append(value)
        fits = all(facts[column] in values for column, values in wanted.items())
        day = str(gallery.columns["date"][row])[:10]
        if first or last:
            fits = fits and day != "NaT" and (first or "0") <= day <= (last or "9")
        if fits:
            expected.append(row)
    mask = Facts.of(gallery).mask(Where.of(conditions, since, until))
    assert np.flatnonzero(mask).tolist() == expected


@pytest.mark.parametrize(
    ("conditions", "since", "until", "sentence"),
    [
        (("left",), "", "", '"left" is no condition; write COLUMN=VALUE'),
        (("=x",), "", "", "is no condition"),
        (("sied=left",), "", "", "no column sied; did you mean side"),
        (("qq=left",), "", "", "no column qq; there are individual, camera"),
        (("side=lefft",), "", "", "No photo has orientation=lefft; did you mean left"),
        (("place=x",), "", "", "there is none of it at all"),
        ((), "yesterday", "", '--since "yesterday" is no date'),
        ((), "2020-02-30", "", "is no date"),
        ((), "", "20200", "--until"),
        ((), "2021", "2020", "No day is both since 2021 and until 2020"),
    ],
)
def test_what_means_nothing_is_a_sentence(conditions, since, until, sentence):
    with pytest.raises(UserError, match=sentence):
        Facts.of(small()).mask(Where.of(conditions, since, until))


@pytest.mark.parametrize(
    ("column", "value", "kept"),
    [
        ("Side", " Left ", ("side", "left")),
        ("sex", "", ("sex", "")),
        ("date", "31.12.2020 14:05", ("date", "2020-12-31T14:05:00")),
        ("latitude", "-47,25", ("latitude", "-47.250000")),
    ],
)
def test_what_is_said_is_kept_as_columns_are(column, value, kept):
    assert described(column, value) == kept


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("digest", "x", "no column digest"),
        ("date", "last year", '"last year" is not a date'),
        ("latitude", "91", "is no latitude"),
        ("longitude", "nan", "is no longitude"),
    ],
)
def test_what_cannot_be_said_is_a_sentence(column, value, sentence):
    with pytest.raises(UserError, match=sentence):
        described(column, value)


def test_the_command_lists_those_photos_alone(seen_folder, capsys):
    gallery = seen()
    call("gallery", "list", seen_folder, "--where", "side=left", "sex=female", "--since", "2020")
    told = capsys.readouterr().out
    dates = gallery.columns["date"]
    fits = (gallery.columns["orientation"] == "left") & (gallery.columns["sex"] == "female")
    fits &= dates >= np.datetime64("2020-01-01")
    expected = {}
    for name in gallery.identities[fits]:
        expected[name] = expected.get(name, 0) + 1
    assert len(told.splitlines()) == len(expected)
    for name, number in expected.items():
        [line] = [each for each in told.splitlines() if each.startswith(f"{name} ")]
        assert f" {number} photo" in line
    with pytest.raises(SystemExit):
        call("gallery", "list", seen_folder, "--where", "sex=femal")
    assert "did you mean female?" in capsys.readouterr().err
    assert len(ids_where(seen_folder, Where.of([f"name={name_of(2)}"]))) == 7
