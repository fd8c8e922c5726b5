"""Parts of photos, named as though they were photos: `herd.jpg#xywh=120,40,300,220&margin=0.1`.

The name is that of W3C's Media Fragments URI 1.0, section 4.2.2, with the margin added. Whatever
reads photos by their names reads parts by theirs, so that a gallery, a division or a cache needs
to know nothing of boxes.
"""

import json
import math
import os
import re
from dataclasses import dataclass

_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_PART = re.compile(
    rf"(?P<file>.+)#xywh=(?P<percent>percent:)?(?P<box>{_NUMBER}(?:,{_NUMBER}){{3}})"
    rf"(?:&margin=(?P<margin>{_NUMBER}))?",
    re.DOTALL,
)
_HALF_A_PIXEL = 0.5


class BadBoxError(ValueError):
    """A box that is none; its text is a reason which does not name the photo."""


@dataclass(frozen=True)
class Box:
    """A part of a photo that stands upright.

    Attributes:
      x, y: of its upper left corner.
      width, height: above 0.
      percent: whether these are parts of a hundred of the photo's width and height, or pixels.
      margin: what is seen around it on each side, as a part of its width and of its height.
    """

    x: float
    y: float
    width: float
    height: float
    percent: bool = False
    margin: float = 0.0

    def __str__(self) -> str:
        """What stands behind the name of the photo."""
        numbers = ",".join(map(_short, (self.x, self.y, self.width, self.height)))
        margin = f"&margin={_short(self.margin)}" if self.margin else ""
        return f"#xywh={'percent:' if self.percent else ''}{numbers}{margin}"

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in a photo of that size, with the margin.

        What of it lies outside the photo is cut off. Corners are rounded as Pillow's `crop` does.

        Raises:
          BadBoxError: nothing of it lies in the photo.
        """
        across, down = (width / 100, height / 100) if self.percent else (1.0, 1.0)
        left, top = self.x * across, self.y * down
        wide, high = self.width * across, self.height * down
        inside = (
            min(left + wide, width) - max(left, 0.0) > _HALF_A_PIXEL,
            min(top + high, height) - max(top, 0.0) > _HALF_A_PIXEL,
        )
        if not all(inside):
            raise BadBoxError(f"its box lies outside the photo, which is {width} x {height} pixels")
        more_x, more_y = self.margin * wide, self.margin * high
        return (
            max(0, round(left - more_x)),
            max(0, round(top - more_y)),
            min(width, round(left + wide + more_x)),
            min(height, round(top + high + more_y)),
        )


def whole_and_box(name: str) -> tuple[str, Box | None]:
    """The photo of which a name names a part, and the part; None for a whole photo.

    A file that is really called like a part is itself.
    """
    if "#xywh=" not in name or (match := _PART.fullmatch(name)) is None or os.path.lexists(name):
        return name, None
    x, y, width, height = map(float, match["box"].split(","))
    if width <= 0 or height <= 0:
        return name, None
    margin = float(match["margin"] or 0)
    return match["file"], Box(x, y, width, height, bool(match["percent"]), margin)


def read_box(text: str, margin: float) -> Box:
    """A box from a table: `[x, y, width, height]` in pixels, commas or spaces between.

    Raises:
      BadBoxError: it is none.
    """
    inside = text.strip().strip("[]()").strip()
    words = re.split(r"\s*[,;]\s*|\s+", inside) if inside else []
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise BadBoxError(f"its box {text} is not four numbers x, y, width, height") from None
    return box_of(numbers, margin)


def box_of(numbers: object, margin: float, *, percent: bool = False) -> Box:
    """A box from four numbers x, y, width, height; with `percent` they are parts of one.

    Raises:
      BadBoxError: they are none.
    """
    if not isinstance(numbers, list | tuple) or not all(map(_is_number, numbers)):
        raise BadBoxError(f"its box {json.dumps(numbers)} is not four numbers x, y, width, height")
    said = f"[{', '.join(f'{number:g}' for number in numbers)}]"
    if not numbers:
        raise BadBoxError("its box is empty")
    if not all(map(math.isfinite, numbers)):
        raise BadBoxError(f"its box {said} has a number that is none")
    if len(numbers) != 4:
        raise BadBoxError(f"its box {said} is not four numbers x, y, width, height")
    x, y, width, height = (100.0 * float(n) if percent else float(n) for n in numbers)
    if width < 0 or height < 0:
        raise BadBoxError(f"its box {said} has swapped corners: width or height is below 0")
    if width == 0 or height == 0:
        raise BadBoxError(f"its box {said} is empty")
    return Box(x, y, width, height, percent, margin)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(number: float) -> str:
    """As few digits as say it to a hundred millionth of a percent, or of a pixel."""
    return f"{round(number, 6):.6f}".rstrip("0").rstrip(".")
