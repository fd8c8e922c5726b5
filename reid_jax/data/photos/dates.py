"""Dates as people and programs write them."""

import contextlib
import datetime
import re
from collections.abc import Sequence

import numpy as np

from reid_jax.data.names import MISSING, UNKNOWN

NO_DATE = np.datetime64("NaT", "s")
_NONE = (*MISSING, UNKNOWN, "0000:00:00 00:00:00", "0000-00-00 00:00:00", "0000-00-00")
_YEAR_FIRST = re.compile(r"(\d{4})([:/.-])(\d{1,2})(?:\2(\d{1,2}))?(?:[T ,]+(.+))?")
_YEAR_LAST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[T ,]+(.+))?")
_ZONE = re.compile(r"(?<=\d) ?(?:UTC|GMT)$", re.IGNORECASE)  # as R and people write it
_TIMES = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p")
_WRITTEN = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # digits alone
_SINCE_1970 = {9: 1, 10: 1, 13: 1000}  # digits alone, by how many make a second


def read_dates(texts: Sequence[str]) -> tuple[np.ndarray, dict[int, str]]:
    """Reads a column of dates.

    2021-07-31, 2021/7/31, 2021:07:31 14:05:00 (as cameras write it), 20210731, 2021-07, 2021,
    seconds or milliseconds since 1970, with or without a time of day; and 31.07.2021 or 7/31/2021
    where the column leaves no doubt which number is the month: some number there is above 12 in one
    place and none is in the other. Zones of time are ignored, except that seconds since 1970 are
    UTC. What says that there is no date ("", "nan", "unknown", ...) is none.

    Returns:
      datetime64[s] (N,), NaT where there is none; and for each place that cannot be read, why not.
    """
    texts = [_ZONE.sub("", text.strip()) for text in texts]
    days, months = _places(texts)
    dates = np.full(len(texts), NO_DATE)
    unread: dict[int, str] = {}
    for place, text in enumerate(texts):
        if text.lower() in _NONE:
            continue
        found = _one(text) or _year_last(text, days, months)
        if found is not None:
            dates[place] = np.datetime64(found.replace(tzinfo=None), "s")
        elif (match := _YEAR_LAST.fullmatch(text)) and int(match[1]) <= 12 >= int(match[3]):
            unread[place] = "which number is the month?"
        else:
            unread[place] = "not a date"
    return dates, unread


def _places(texts: Sequence[str]) -> tuple[set[str], set[str]]:
    """By their separator: dates that begin with the day for certain, and those with the month."""
    days, months = set(), set()
    for match in filter(None, (_YEAR_LAST.fullmatch(text) for text in texts)):
        if 12 < int(match[1]) <= 31:
            days.add(match[2])
        if 12 < int(match[3]) <= 31:
            months.add(match[2])
    return days, months


def _one(text: str) -> datetime.datetime | None:
    """What can be read without looking at the rest of the column."""
    digits = re.sub(r"\.0+$", "", text)  # pandas makes a column of years with gaps into 2021.0
    if digits.isdecimal() and digits.isascii():
        return _of_digits(digits)
    with contextlib.suppress(ValueError):
        return datetime.datetime.fromisoformat(text)
    if match := _YEAR_FIRST.fullmatch(text):
        year, separator, month, day, time = match.groups()
        if day is None and separator == ".":  # 2021.5 is the middle of a year
            return None
        return _of_parts(int(year), int(month), int(day or 1), time)
    return None


def _of_digits(digits: str) -> datetime.datetime | None:
    with contextlib.suppress(ValueError, OverflowError):
        if len(digits) == 4:
            return datetime.datetime(int(digits), 1, 1)
        if len(digits) in _WRITTEN:
            return datetime.datetime.strptime(digits, _WRITTEN[len(digits)])
        if len(digits) in _SINCE_1970:
            seconds = int(digits) / _SINCE_1970[len(digits)]
            return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return None


def _year_last(text: str, days: set[str], months: set[str]) -> datetime.datetime | None:
    match = _YEAR_LAST.fullmatch(text)
    if match is None:
        return None
    first, separator, second, year, time = match.groups()
    day_first, month_first = separator in days, separator in months
    if day_first and month_first:  # a mixture: only what is certain by itself
        day_first, month_first = int(first) > 12, int(second) > 12
    if not day_first and not month_first and int(first) != int(second):
        return None
    day, month = (int(second), int(first)) if month_first else (int(first), int(second))
    return _of_parts(int(year), month, day, time)


def _of_parts(year: int, month: int, day: int, time: str | None) -> datetime.datetime | None:
    with contextlib.suppress(ValueError):
        date = datetime.date(year, month, day)
        if time is None:
            return datetime.datetime.combine(date, datetime.time())
        with contextlib.suppress(ValueError):
            return datetime.datetime.combine(date, datetime.time.fromisoformat(time))
        for form in _TIMES:
            with contextlib.suppress(ValueError):
                return datetime.datetime.strptime(f"{date} {time}", f"%Y-%m-%d {form}")
    return None
