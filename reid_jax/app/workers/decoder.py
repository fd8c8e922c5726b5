"""A child program that reads pictures which nobody has vouched for, within limits.

It makes of each a JPEG to be looked at and a small one, both without the facts that a camera wrote
into the file, such as a position.
"""

import contextlib
from pathlib import Path

from reid_jax.app.workers.answering import Request, Tell, answer_requests
from reid_jax.data.photos.blank import without_content
from reid_jax.data.photos.images import BadImageError, proportions, read_image, read_upright
from reid_jax.errors import UserError
from reid_jax.files import atomic_write
from reid_jax.platforms import limit_this_process

MOST_PIXELS = 120_000_000
LARGE, SMALL = 1600, 360  # pixels of the longer side
_MEMORY = 3 * 2**30  # bytes of address space
_FILE = 64 * 2**20  # bytes of a file that it writes
_LOOKED_AT = 192
_TAKEN = (0x9003, 0x0132)  # EXIF: when it was taken, when it was written
_DETAILS = 0x8769


def _answer(request: Request, tell: Tell) -> Request:
    """Reads the picture at `path`; writes `large` and `small` where these are named.

    Returns:
      `width` and `height` as it is to be seen, and `taken`, the date that the camera wrote or "".

    Raises:
      UserError: a reason, without the name.
    """
    del tell
    path: str = request["path"]
    try:
        width, height = proportions(path)
        if width * height > MOST_PIXELS:
            most = MOST_PIXELS // 10**6
            raise UserError(f"{width} x {height} pixels, more than {most} million")
        if why := without_content(read_image(path, _LOOKED_AT)):
            raise UserError(why)
        picture = read_upright(path)
    except BadImageError as error:
        raise UserError(error.reason) from error
    for name, side in (("large", LARGE), ("small", SMALL)):
        if place := request.get(name):
            picture.thumbnail((side, side))
            with atomic_write(Path(place)) as file:
                picture.save(file, format="jpeg", quality=86, optimize=True, progressive=True)
    return {"width": width, "height": height, "taken": _taken(path)}


def _taken(path: str) -> str:
    from PIL import Image

    with contextlib.suppress(Exception), Image.open(path) as image:
        facts = image.getexif()
        found = facts.get_ifd(_DETAILS).get(_TAKEN[0]) or facts.get(_TAKEN[1])
        text = str(found).strip("\0 ")[:19]
        if len(text) == 19 and text[:4].isdecimal() and text > "1970":
            return f"{text[:10].replace(':', '-')}T{text[11:]}"
    return ""


if __name__ == "__main__":
    limit_this_process(_MEMORY, _FILE)
    answer_requests(_answer)
