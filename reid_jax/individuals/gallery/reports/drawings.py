"""What reports draw: the same on the page of a server and on that of the command."""

import numpy as np

from reid_jax.individuals.gallery.reports.catches import Catches
from reid_jax.individuals.gallery.reports.occasions import Unit, codes_of
from reid_jax.individuals.gallery.reports.sureness import Class
from reid_jax.reporting.svg import HEIGHT, WIDTH, bars, chart, dots, line

_DAYS, _YEARS = 120, 20  # up to which bars are of days, of months


def catches_chart(found: Catches, unit: str) -> str:
    """Bars of photos, and before them bars of individuals, over time."""
    photos = [each.photos for each in found.each]
    seen = [each.individuals for each in found.each]
    most = max([*photos, 1])
    label = f"Photos and individuals of each {unit}; the highest bar is {most:,} photos"
    return chart(bars(photos, most, "back") + bars(seen, most, "front"), label)


def discovery_chart(found: Catches) -> str:
    """Individuals that are known, over time: where the line is flat nobody new comes."""
    most = max([each.known for each in found.each], default=1)
    last = max(len(found.each) - 1, 1)
    points = [(0.0, 0.0)] if found.each else []
    points += [(at / last, each.known / most) for at, each in enumerate(found.each)]
    label = f"Individuals that were seen up to each time; {most:,} at the end"
    return chart(line(points, "line"), label)


def timeline(dates: np.ndarray, first: np.datetime64, last: np.datetime64) -> tuple[str, Unit]:
    """Photos over the time from `first` to `last`, and of what time each bar is.

    Args:
      dates: ``(N,)`` datetime64, known and within.
    """
    days = (last - first) / np.timedelta64(1, "D")
    unit: Unit = "day" if days <= _DAYS else "month" if days <= _YEARS * 366 else "year"
    start, end = codes_of(np.array([first, last]), unit).tolist()
    counts = np.bincount(codes_of(dates, unit) - start, minlength=end - start + 1).tolist()
    label = f"Photos of each {unit}; the highest bar is {max(counts):,}"
    return chart(bars(counts, max(counts), "front"), label, "low"), unit


def curve_chart(classes: tuple[Class, ...]) -> str:
    """How often answers are right, over what was promised; on the diagonal both are the same."""
    shapes = line([(0, 0), (1, 1)], "rule")
    for each in classes:
        x, low, high = WIDTH * each.promised, each.least, each.most
        ends = HEIGHT * (1 - high), HEIGHT * (1 - low)
        shapes += f'<path class="span" d="M{x:.1f} {ends[0]:.1f}V{ends[1]:.1f}"/>'
    points = [(each.promised, each.kept) for each in classes]
    label = "How often answers are right over their probability: " + ", ".join(
        f"{100 * each.promised:.0f}% promised, {100 * each.kept:.0f}% right" for each in classes
    )
    return chart(shapes + line(points, "line") + dots(points, "dot"), label, "square")
