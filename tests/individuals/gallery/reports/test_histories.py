"""Occasions and encounter histories, against loops and MARK's description of its file."""

import csv
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.reports.catches import catches
from reid_jax.individuals.gallery.reports.histories import as_csv, as_inp, histories
from reid_jax.individuals.gallery.reports.occasions import between, by_unit, codes_of, occasion_of
from reid_jax.individuals.gallery.reports.photos import photos_of, read_photos
from reid_jax.individuals.gallery.reports.report import Wanted, left_out_csv, population
from reid_jax.individuals.gallery.reports.where import Where
from reid_jax.individuals.gallery.stored.reading import read_gallery
from tests.seen_gallery import INDIVIDUALS, MARKED, NO_DATES, PHOTOS, name_of, seen


def season_of(day: str) -> str:
    year, month = int(day[:4]), int(day[5:7])
    if month in (1, 2):
        return f"{year - 1:04d}-12 to {year:04d}-02"
    first = {12: 12, 3: 3, 4: 3, 5: 3, 6: 6, 7: 6, 8: 6, 9: 9, 10: 9, 11: 9}[month]
    last = (year + 1, 2) if first == 12 else (year, first + 2)
    return f"{year:04d}-{first:02d} to {last[0]:04d}-{last[1]:02d}"


def name_of_time(day: str, unit: str) -> str:
    return {"day": day[:10], "month": day[:7], "year": day[:4]}.get(unit) or season_of(day)


@given(st.dates(), st.sampled_from(["day", "month", "season", "year"]))
def test_a_date_lies_in_its_occasion(date, unit):
    day = np.datetime64(date)
    [code] = codes_of(np.array([day]), unit).tolist()
    found = occasion_of(code, unit)
    assert found.start <= day < found.end
    assert found.name == name_of_time(str(day), unit)
    assert occasion_of(code + 1, unit).start == found.end


@pytest.mark.parametrize("unit", ["day", "month", "season", "year"])
def test_histories_as_a_loop_has_them(seen_folder, unit):
    gallery = seen()
    photos = read_photos(seen_folder)
    found = population(photos, Wanted(by=unit))
    met: dict[str, set[str]] = {}
    times = set()
    for row, (name, date) in enumerate(
        zip(gallery.identities, gallery.columns["date"], strict=True)
    ):
        if np.isnat(date):
            continue
        time = name_of_time(str(date), unit)
        times.add(time)
        if row != MARKED and name != "group 7":
            met.setdefault(name, set()).add(time)
    assert [each.name for each in found.occasions] == sorted(times)
    assert list(found.individuals) == sorted(met)
    for name, seen_then in zip(found.individuals, found.seen, strict=True):
        there = {o.name for o, yes in zip(found.occasions, seen_then, strict=True) if yes}
        assert there == met[name]
    for t in range(len(found.occasions)):
        earlier = {each.name for each in found.occasions[:t]}
        before = {name for name in met if met[name] & earlier}
        now = {name for name in met if found.occasions[t].name in met[name]}
        assert found.caught[t] == len(now)
        assert found.marked[t] == len(before)
        assert found.recaptured[t] == len(now & before)


def test_what_is_left_out_is_named(seen_folder):
    photos = read_photos(seen_folder)
    found = population(photos, Wanted(by="year"))
    assert found.left_out == {
        "of a group that nobody has named": PHOTOS,
        "without a date": len(NO_DATES),
        'marked "not an animal"': 1,
    }
    rows = list(csv.DictReader(io.StringIO(left_out_csv(photos, found))))
    assert len(rows) == PHOTOS + len(NO_DATES) + 1
    assert {"/photos/3.jpg", "/photos/50.jpg"} <= {row["photo"] for row in rows}
    sure = population(read_photos(seen_folder, only_confirmed=True), Wanted(by="year"))
    assert set(sure.individuals) == {name_of(0), name_of(4)}
    assert sure.left_out["not confirmed"] == INDIVIDUALS * PHOTOS - PHOTOS - 3 - 1
    gallery = read_gallery(seen_folder, thumbnails=False, marked=True)
    only = population(photos_of(gallery, Where.of(["side=left"], "2020")), Wanted(by="year"))
    assert {each.name for each in only.occasions} <= {"2020", "2021"}


def test_occasions_between_dates(seen_folder):
    dates = np.array(["2019-12-31", "2020-01-01", "2020-05-31T23:00", "NaT", "2020-09-01"], "M8[s]")
    found, places = between(dates, ["2020-01-01", "2020-06-01", "2020-09-01"])
    assert [each.name for each in found] == ["2020-01-01 to 2020-05-31", "2020-06-01 to 2020-08-31"]
    assert places.tolist() == [-1, 0, 0, -1, -1]
    wanted = Wanted(dates=("2019-01-01", "2019-07-01", "2020-01-01"))
    some = population(read_photos(seen_folder), wanted)
    assert some.seen.shape[1] == 2
    assert some.left_out["outside of the occasions"] > 0
    for given_dates, sentence in (
        (["2020-01-01"], "two dates or more"),
        (["2020-01-01", "2019-01-01"], "do not rise"),
        (["2020", "2021"], '"2020" is no date of an occasion'),
        (["2020-01-32", "2021-01-01"], "is no date"),
    ):
        with pytest.raises(UserError, match=sentence):
            between(dates, given_dates)
    with pytest.raises(UserError, match="An occasion is a day, month"):
        Wanted(by="week")
    assert by_unit(np.array(["NaT"], "M8[s]"), "month")[0] == ()


def read_inp(text: str) -> list[tuple[str, list[int]]]:
    """Statements of MARK's file, by its description: comments dropped, semicolons between."""
    assert all(len(line) <= 240 for line in text.split("\r\n"))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert "/*" not in text
    assert "*/" not in text
    *statements, rest = text.split(";")
    assert not rest.strip()
    found = []
    for statement in statements:
        history, *numbers = statement.split()
        assert re.fullmatch("[01]+", history)
        found.append((history, [int(each) for each in numbers]))
    return found


@pytest.mark.parametrize("group", ["", "sex", "side"])
def test_both_files_say_the_same(seen_folder, group):
    found = population(read_photos(seen_folder), Wanted(by="season", group=group))
    rows = list(csv.reader(io.StringIO(as_csv(found))))
    at = 2 if group else 1
    assert rows[0][at:] == [each.name for each in found.occasions]
    assert len({row[0] for row in rows[1:]}) == len(found.individuals)
    assert {"'=1+1", "Zoë; */ <b>"} <= {row[0] for row in rows[1:]}
    statements = read_inp(as_inp(found))
    assert len(statements) == len(rows) - 1
    for (history, numbers), row in zip(statements, rows[1:], strict=True):
        assert history == "".join(row[at:])
        assert "1" in history
        assert sum(numbers) == 1
        assert len(numbers) == max(len(found.groups), 1)
        if group:
            assert found.groups[numbers.index(1)] == row[1]
    if group == "sex":
        assert found.groups == ("female", "male", "not known")
    if group == "side":
        assert found.groups[-1] in ("several", "not known")


def test_what_mark_cannot_read_is_refused(seen_folder):
    photos = read_photos(seen_folder)
    days, places = by_unit(photos.dates, "day")
    long = histories(photos, days * 3, places)
    with pytest.raises(UserError, match="more than a line of MARK holds"):
        as_inp(long)
    nobody = histories(photos, days, np.full(len(photos), -1))
    with pytest.raises(UserError, match="Nobody was seen"):
        as_inp(nobody)
    with pytest.raises(UserError, match="no column colour"):
        histories(photos, days, places, "colour")


@pytest.mark.parametrize("unit", ["month", "year"])
def test_catches_as_a_loop_has_them(seen_folder, unit):
    photos = read_photos(seen_folder)
    found = catches(photos, unit)
    known: set[str] = set()
    for each in found.each:
        rows = [
            row
            for row in range(len(photos))
            if not photos.reasons[row]
            and not np.isnat(photos.dates[row])
            and name_of_time(str(photos.dates[row]), unit) == each.name
        ]
        names = {str(photos.names[row]) for row in rows}
        assert (each.photos, each.individuals) == (len(rows), len(names))
        assert each.new == len(names - known)
        known |= names
        assert each.known == len(known)
    assert sum(found.left_out.values()) + sum(each.photos for each in found.each) == len(photos)


def test_a_wrong_date_does_not_fill_a_page(seen_folder):
    photos = read_photos(seen_folder)
    photos.dates[0] = np.datetime64("0001-01-01")
    with pytest.raises(UserError, match="look for a wrong date"):
        catches(photos, "day")
