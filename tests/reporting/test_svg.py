"""Drawings hold what they say, and maps are true in their middle."""

import math
import re
from xml.etree import ElementTree

import pytest

from reid_jax.reporting.svg import bars, chart, line, map_of, metres_text


def test_bars_are_as_high_as_their_values():
    drawn = ElementTree.fromstring(chart(bars([1, 0, 4], 4, "front"), 'a < "b"'))
    assert drawn.get("aria-label") == 'a < "b"'
    rects = drawn.findall("rect")
    assert [float(each.get("height")) for each in rects] == [40, 160]
    assert all(float(each.get("y")) + float(each.get("height")) == 160 for each in rects)
    assert line([(0, 0), (1, 1)], "x") == '<polyline class="x" points="0.0,160.0 1000.0,0.0"/>'


@pytest.mark.parametrize(("latitude", "across"), [(0, 1.0), (60, 0.5)])
def test_a_map_is_as_far_as_its_bar_says(latitude, across):
    """Two places a tenth of a degree apart to the east, and one to the north."""
    places = [(latitude, 10.0), (latitude, 10.1), (latitude + 0.1, 10.0)]
    text, bar = map_of(places, "x")
    drawn = ElementTree.fromstring(text)
    (x, y), (east, _), (_, north) = (
        (float(each.get("cx")), float(each.get("cy"))) for each in drawn.findall("circle")
    )
    start, end = re.search(r'class="bar" d="M([\d.]+) [\d.]+H([\d.]+)"', text).groups()
    metre = (float(end) - float(start)) / bar
    degree = math.pi / 180 * 6_371_008.8
    assert (east - x) / metre == pytest.approx(0.1 * degree * across, rel=0.01)
    assert (y - north) / metre == pytest.approx(0.1 * degree, rel=0.01)
    assert bar in (1000, 2000, 5000)
    assert metres_text(bar) == f"{bar / 1000:g} km"


def test_one_place_and_places_beside_the_date_line():
    text, bar = map_of([(47.0, 8.0)] * 3, "x")
    assert text.count("<circle") == 1
    assert bar <= 100
    _, close = map_of([(0.0, 179.99), (0.0, -179.99)], "x")
    assert close < 2000
    pole, _ = map_of([(90.0, 0.0), (90.0, 180.0)], "x")
    assert "nan" not in pole
