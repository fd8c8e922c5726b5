"""Dates as people and programs write them."""

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax.data.photos.dates import read_dates

JULY = "2021-07-31T00:00:00"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        *((text, JULY) for text in ("2021-07-31", "2021/7/31", "2021.07.31", "20210731")),
        *((text, JULY) for text in ("2021:07:31", "1627689600", "1627689600.0", "1627689600000")),
        *((text, JULY) for text in ("31.07.2021", "7/31/2021", "31/7/2021", "31-07-2021")),
        ("2021", "2021-01-01T00:00:00"),
        ("2021.0", "2021-01-01T00:00:00"),
        ("2021-07", "2021-07-01T00:00:00"),
        ("2021:07:31 14:05:09", "2021-07-31T14:05:09"),
        ("2021-07-31T14:05:09Z", "2021-07-31T14:05:09"),
        ("20210731140509", "2021-07-31T14:05:09"),
        ("31.07.2021 14:05", "2021-07-31T14:05:00"),
        ("7/31/2021, 2:05 PM", "2021-07-31T14:05:00"),
        ("2021-07-31 14:05:09 UTC", "2021-07-31T14:05:09"),
        ("31.07.2021 14:05 GMT", "2021-07-31T14:05:00"),
        ("5.5.2021", "2021-05-05T00:00:00"),
    ],
)
def test_a_date(text, date):
    dates, unread = read_dates([f" {text} "])
    assert dates.dtype == np.dtype("datetime64[s]")
    assert (str(dates[0]), unread) == (date, {})


@pytest.mark.parametrize(
    "text",
    [
        *("May", "2021-13-01", "32.07.2021", "31.02.2021", "1.2.21", "7/4/2021", "0", "12345"),
        *("2021.5", "2021-07-31 25:00", "31.07.2021 x"),
    ],
)
def test_what_is_no_date_or_leaves_a_doubt_is_missing_and_named(text):
    dates, unread = read_dates(["2020", text])
    assert np.isnat(dates).tolist() == [False, True]
    assert list(unread) == [1]


@pytest.mark.parametrize("text", ["", "nan", "NaT", "unknown", "0000:00:00 00:00:00"])
def test_no_date_is_none(text):
    dates, unread = read_dates([text])
    assert np.isnat(dates).all()
    assert unread == {}


def test_the_column_decides_where_a_date_alone_does_not():
    dates, unread = read_dates(["4/5/2021", "7/31/2021"])
    assert dates.astype("datetime64[D]").astype(str).tolist() == ["2021-04-05", "2021-07-31"]
    dates, _ = read_dates(["4.5.2021", "31.7.2021"])
    assert str(dates[0].astype("datetime64[D]")) == "2021-05-04"
    # A mixture: what is certain by itself is read.
    dates, unread = read_dates(["4/5/2021", "31/7/2021", "7/30/2021", "6/6/2021"])
    assert dates[1:].astype("datetime64[D]").astype(str).tolist() == [
        *("2021-07-31", "2021-07-30", "2021-06-06")
    ]
    assert unread == {0: "which number is the month?"}


@given(st.lists(st.dates(datetime.date(1000, 1, 1), datetime.date(9999, 12, 31)), max_size=20))
def test_a_column_of_one_style_is_read_as_it_was_written_or_not_at_all(dates):
    for style in ("%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%d", "%Y/%m/%d"):
        found, unread = read_dates([date.strftime(style) for date in dates])
        for row, date in enumerate(dates):
            assert row in unread or found[row] == np.datetime64(date)
        if any(date.day > 12 for date in dates):
            assert unread == {}
