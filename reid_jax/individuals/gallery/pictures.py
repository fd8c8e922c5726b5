"""Small pictures of photos, in their true proportions, as JPEGs."""

import io
from collections.abc import Iterator, Sequence

import numpy as np

from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos import Dataset
from reid_jax.data.photos.blank import without_content
from reid_jax.data.photos.content import content_digests
from reid_jax.data.photos.images import BadImageError, proportions, read_image
from reid_jax.training.hosts.agreement import digest
from reid_jax.training.hosts.shares import Piece, Shares, share_size

SIDE = 192  # of the longer side, in pixels
LARGE_SIDE = 400
_SHORTEST = 48
_QUALITY = 80


def thumbnails(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """``(N,)`` objects, a JPEG as bytes for each photo; and why there is nothing to see on it, or
    None (:func:`reid_jax.data.photos.blank.without_content`).

    Raises:
      UserError: a photo can no longer be read.
    """
    found, blank = np.empty(len(dataset), object), np.empty(len(dataset), object)

    def make(row: int) -> None:
        square = dataset.load(np.array([row]), SIDE, 3)[0]
        if dataset.pixels is not None:
            height, width = dataset.pixels.shape[1:3]
        else:
            width, height = proportions(str(dataset.paths[row]))
        found[row], blank[row] = jpeg(square, width / height), without_content(square)

    parallel_map(make, range(len(dataset)), "Making thumbnails")
    return found, blank


def shared_thumbnails(dataset: Dataset, shares: Shares | None) -> tuple[np.ndarray, np.ndarray]:
    """:func:`thumbnails`, each made by one of several processes; every one of them gets all."""
    if shares is None or not len(dataset):
        return thumbnails(dataset)
    each = share_size(len(dataset))

    def work(own: Sequence[int]) -> Iterator[Piece]:
        for number in own:
            rows = np.arange(len(dataset))[number * each :][:each]
            found, blank = thumbnails(dataset.subset(rows))
            yield {
                "bytes": np.frombuffer(b"".join(found), np.uint8),
                "lengths": np.array([len(picture) for picture in found]),
                "blank": np.array([why or "" for why in blank], np.str_),
            }

    pieces = shares.collect(
        {"the photos": digest(content_digests(dataset)), "their paths": digest(dataset.paths)},
        *(-(-len(dataset) // each), work),
        each=each,
        total=len(dataset),
        description="Making thumbnails",
        unit="photos",
        last=False,
    )
    made, empty = np.empty(len(dataset), object), np.empty(len(dataset), object)
    for number, piece in enumerate(pieces):
        ends = np.cumsum(piece["lengths"])
        pictures = np.split(piece["bytes"], ends[:-1])
        made[number * each :][:each] = [picture.tobytes() for picture in pictures]
        empty[number * each :][:each] = [str(why) or None for why in piece["blank"]]
    return made, empty


def thumbnail_of_file(path: str) -> bytes | None:
    """A JPEG of one photo, larger, or None when it cannot be read."""
    try:
        width, height = proportions(path)
        return jpeg(read_image(path, LARGE_SIDE), width / height)
    except BadImageError:
        return None


def jpeg(square: np.ndarray, aspect: float) -> bytes:
    """A photo that was squashed to ``(S, S, 3)`` uint8, with its width / height given back."""
    from PIL import Image

    side = square.shape[0]
    across = side if aspect >= 1 else max(_SHORTEST, round(side * aspect))
    down = side if aspect <= 1 else max(_SHORTEST, round(side / aspect))
    stream = io.BytesIO()
    image = Image.fromarray(square).resize((across, down), Image.Resampling.BILINEAR)
    image.save(stream, format="jpeg", quality=_QUALITY)
    return stream.getvalue()


def grey(picture: bytes, side: int = 24) -> np.ndarray:
    """A thumbnail as ``(side * side,)`` float32 of mean 0 and length 1, to be compared."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("L").resize((side, side))
    return centred(np.asarray(image))


def centred(pixels: np.ndarray) -> np.ndarray:
    """Pixels of one channel, any shape, as ``(P,)`` float32 of mean 0 and length 1."""
    values = np.asarray(pixels, np.float32).reshape(-1)
    values = values - values.mean()
    return values / max(float(np.linalg.norm(values)), 1e-6)
