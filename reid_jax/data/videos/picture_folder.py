"""Frames that are pictures in a folder, in the order of their names."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from reid_jax.data.leftovers import leftover
from reid_jax.data.photos.images import BadImageError, is_photo_name, is_picture, read_upright
from reid_jax.data.videos.features import natural_order
from reid_jax.data.videos.frames import Frame, Size
from reid_jax.errors import UserError


class PictureFolder:
    """A folder of pictures in the order of their names; see `Video`.

    Raises:
      UserError: for a folder without pictures.
    """

    def __init__(self, path: Path, rate: float):
        self.path = path
        self._files = pictures_of(path)
        if not self._files:
            raise UserError(f"{path} holds no pictures.")
        self.times = np.arange(len(self._files)) / rate
        self._bad: set[str] = set()

    @property
    def problem(self) -> str:
        if not self._bad:
            return ""
        return f"{len(self._bad)} of {len(self._files)} pictures cannot be read ({min(self._bad)})"

    def frames(self) -> Iterator[Frame]:
        yield from self.frames_at(np.arange(len(self._files)))
        if len(self._bad) == len(self._files):
            raise UserError(f"{self.path} has {len(self._files)} pictures, none can be read.")

    def frames_at(self, indices: Sequence[int] | np.ndarray) -> Iterator[Frame]:
        last = -1
        for wanted in np.unique(np.asarray(indices, np.int64)).tolist():
            for index in range(wanted, len(self._files) if wanted > last else 0):
                picture = self._read(self._files[index])
                if picture is not None:
                    last = index
                    yield Frame(index, float(self.times[index]), picture)
                    break

    def _read(self, file: Path) -> Callable[[Size | None], np.ndarray] | None:
        from PIL import Image

        try:
            upright = read_upright(str(file))
        except BadImageError:
            self._bad.add(file.name)
            return None

        def draw(size: Size | None) -> np.ndarray:
            shown = upright if size is None else upright.resize(size, Image.Resampling.BILINEAR)
            return np.asarray(shown)

        return draw


def pictures_of(folder: Path) -> list[Path]:
    """The pictures in a folder, img10 after img2; hidden files and what systems leave are none."""
    files = (entry for entry in folder.iterdir() if not leftover(entry.name, False))
    return sorted(filter(is_frame, files), key=lambda entry: natural_order(entry.name))


def is_frame(path: Path) -> bool:
    """Whether a file is a picture by its ending or by its content; it may still be damaged."""
    return path.is_file() and (is_photo_name(path.name) or is_picture(str(path)))
