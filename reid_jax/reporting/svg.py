"""Small drawings as SVG, without text: words stand beside them, so that they may be any width.

Shapes have classes; what these look like says the page. What is drawn with `chart` is stretched to
the width that there is, and its lines keep theirs.
"""

from collections.abc import Sequence
from html import escape
from math import cos, floor, log10, radians

WIDTH, HEIGHT = 1000.0, 160.0
_MAP = 1000.0  # of the longer side
_MARGIN, _FOOT = 60.0, 70.0  # around the positions, and below for the bar
_LONGEST_BAR = 0.3  # of the width of a map
_EARTH = 6_371_008.8  # metres, its mean radius
_SMALLEST = 100.0  # metres that a map shows at least


def chart(shapes: str, label: str, kind: str = "") -> str:
    """Shapes within 1000 x 160, which are stretched.

    Args:
      label: what it shows, for who does not see it.
      kind: another class.
    """
    return (
        f'<svg class="chart {kind}" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" '
        f'role="img" aria-label="{escape(label)}">{shapes}</svg>'
    )


def bars(heights: Sequence[float], most: float, kind: str) -> str:
    """A bar for each value, side by side, up to `most`."""
    step = WIDTH / max(len(heights), 1)
    room = min(step * 0.15, 4.0)
    return "".join(
        f'<rect class="{kind}" x="{at * step + room:.1f}" width="{step - 2 * room:.1f}" '
        f'y="{HEIGHT * (1 - value / most):.1f}" height="{HEIGHT * value / most:.1f}"/>'
        for at, value in enumerate(heights)
        if value > 0
    )


def line(points: Sequence[tuple[float, float]], kind: str) -> str:
    """A line through points, whose coordinates go from 0 to 1, upwards."""
    text = " ".join(f"{WIDTH * x:.1f},{HEIGHT * (1 - y):.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{text}"/>'


def dots(points: Sequence[tuple[float, float]], kind: str) -> str:
    """Dots, as :func:`line`; they stay round."""
    return "".join(
        f'<path class="{kind}" d="M{WIDTH * x:.1f} {HEIGHT * (1 - y):.1f}h0"/>' for x, y in points
    )


def map_of(positions: Sequence[tuple[float, float]], label: str) -> tuple[str, float]:
    """Positions as dots, north up, with a bar, and how many metres the bar is long.

    Drawn as in an equirectangular projection that is true at the middle: over the some hundred
    kilometres of a study a straight line is as good as another one.

    Args:
      positions: latitude and longitude in degrees, one or more; a map over the date line is cut
        open elsewhere.
    """
    latitudes = [latitude for latitude, _ in positions]
    longitudes = _unbroken([longitude for _, longitude in positions])
    middle = ((min(latitudes) + max(latitudes)) / 2, (min(longitudes) + max(longitudes)) / 2)
    metres = radians(1) * _EARTH
    across = metres * max(cos(radians(middle[0])), 1e-6)
    xs = [(each - middle[1]) * across for each in longitudes]
    ys = [(each - middle[0]) * metres for each in latitudes]
    width, height = max(max(xs) - min(xs), _SMALLEST), max(max(ys) - min(ys), _SMALLEST)
    width, height = max(width, height / 2), max(height, width / 3)  # no map is a thread
    scale = (_MAP - 2 * _MARGIN) / max(width, height)
    view = (width * scale + 2 * _MARGIN, height * scale + 2 * _MARGIN + _FOOT)
    places: dict[tuple[str, str], int] = {}
    for x, y in zip(xs, ys, strict=True):
        place = f"{view[0] / 2 + x * scale:.1f}", f"{(view[1] - _FOOT) / 2 - y * scale:.1f}"
        places[place] = places.get(place, 0) + 1
    shapes = "".join(
        f'<circle class="place" cx="{x}" cy="{y}" r="{min(12 + 4 * number**0.5, 44):.1f}"/>'
        for (x, y), number in places.items()
    )
    bar = _round(_LONGEST_BAR * view[0] / scale)
    end, at = _MARGIN / 2 + bar * scale, view[1] - _FOOT / 2
    shapes += f'<path class="bar" d="M{_MARGIN / 2:g} {at:.1f}H{end:.1f}"/>'
    north = f"M{view[0] - 40:.1f} {at + 22:.1f}v-44m-12 16 12-16 12 16"
    shapes += f'<path class="north" d="{north}"/>'
    return (
        f'<svg class="map" viewBox="0 0 {view[0]:.1f} {view[1]:.1f}" role="img" '
        f'aria-label="{escape(label)}">{shapes}</svg>',
        bar,
    )


def _unbroken(longitudes: Sequence[float]) -> list[float]:
    """Longitudes of which none is cut off by the date line where that is shorter."""
    if max(longitudes) - min(longitudes) <= 180:
        return list(longitudes)
    return [each + 360 if each < 0 else each for each in longitudes]


def _round(most: float) -> float:
    """The largest of 1, 2, 5, 10, ... that is not more."""
    power = 10 ** floor(log10(most))
    return float(power * max(each for each in (1, 2, 5) if each * power <= most))


def metres_text(metres: float) -> str:
    """``500 m`` or ``2 km``."""
    return f"{metres:g} m" if metres < 1000 else f"{metres / 1000:g} km"
