"""Where a part of an upright photo lies in the pixels as a file stores them, also scaled down."""

import math

from PIL import Image

Corners = tuple[int, int, int, int]  # left, top, right, bottom


def as_stored(corners: Corners, size: tuple[int, int], turned: Image.Transpose | None) -> Corners:
    """Corners in the stored photo of those in the photo that stands upright.

    Args:
      corners: in the upright photo.
      size: width and height as stored.
      turned: what makes the stored photo stand upright; None where it does.
    """
    left, top, right, bottom = corners
    width, height = size
    transpose = Image.Transpose
    return {
        None: corners,
        transpose.FLIP_LEFT_RIGHT: (width - right, top, width - left, bottom),
        transpose.ROTATE_180: (width - right, height - bottom, width - left, height - top),
        transpose.FLIP_TOP_BOTTOM: (left, height - bottom, right, height - top),
        transpose.TRANSPOSE: (top, left, bottom, right),
        transpose.ROTATE_270: (top, height - right, bottom, height - left),
        transpose.TRANSVERSE: (width - bottom, height - right, width - top, height - left),
        transpose.ROTATE_90: (width - bottom, left, width - top, right),
    }[turned]


def draft(image: Image.Image, corners: Corners, least: int) -> int:
    """Has a JPEG decoded so much smaller that the part keeps `least` pixels a side, if it has them.

    Returns:
      By how much it is smaller: 1, 2, 4 or 8.
    """
    left, top, right, bottom = corners
    width, height = image.size
    wanted = (
        math.ceil(width * least / (right - left)),
        math.ceil(height * least / (bottom - top)),
    )
    image.draft(None, wanted)
    return round(width / image.size[0])


def scaled(
    corners: Corners, scale: int, size: tuple[int, int]
) -> tuple[tuple[float, float, float, float], Corners]:
    """The part in a photo that is `scale` times smaller, of that size: in the pixels that it
    touches, and the corners of these."""
    left, top, right, bottom = (corner / scale for corner in corners)
    right, bottom = min(right, size[0]), min(bottom, size[1])
    x, y = math.floor(left), math.floor(top)
    around = (x, y, math.ceil(right), math.ceil(bottom))
    return (left - x, top - y, right - x, bottom - y), around
