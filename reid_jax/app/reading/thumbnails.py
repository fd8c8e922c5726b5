"""Small pictures of the photos of a gallery, in files that are mapped and not read.

A segment of a gallery is never written again; its pictures are copied once, one behind the other,
so that any of them can be sent without the others, and none of them stays in memory.

    FOLDER/NAME.jpegs   the pictures of a segment
    FOLDER/NAME.npz     the ids of the photos, and where the picture of each ends; written last
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from reid_jax.console import Bar
from reid_jax.errors import UserError
from reid_jax.files import atomic_write, make_folder
from reid_jax.individuals.gallery.stored.segments import count_photos, read_thumbnails


class Thumbnails:
    """The pictures of those segments that were taken.

    Args:
      folder: of the files; what is missing there is made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, np.ndarray] = {}
        self._places: dict[str, tuple[str, int, int]] = {}

    def take(self, segments: Mapping[str, Path]) -> None:
        """Takes the pictures of segments in; of a photo that is in several, the last one's.

        Args:
          segments: their folders by a name that no other segment of any gallery has.

        Raises:
          UserError: they cannot be written.
        """
        for name, folder in segments.items():
            if name not in self._files:
                index = self._folder / f"{name}.npz"
                try:
                    if not index.is_file():
                        _copy(folder, self._folder / f"{name}.jpegs", index)
                    self._open(name, index)
                except OSError as error:
                    raise UserError(f"{index} cannot be used ({error.strerror}).") from error

    def keep(self, names: set[str]) -> None:
        """Removes the pictures of other segments."""
        self._files = {name: file for name, file in self._files.items() if name in names}
        self._places = {one: at for one, at in self._places.items() if at[0] in names}
        for path in self._folder.glob("*.*"):
            if path.stem not in names:
                path.unlink(missing_ok=True)

    def _open(self, name: str, index: Path) -> None:
        with np.load(index) as arrays:
            ids, ends = arrays["ids"].tolist(), arrays["ends"].tolist()
        mapped = np.memmap(index.with_suffix(".jpegs"), np.uint8, "r") if any(ends) else np.empty(0)
        self._files[name] = mapped
        starts = [0, *ends[:-1]]
        for one, start, end in zip(ids, starts, ends, strict=True):
            self._places[one.decode()] = name, start, end

    def of(self, known: str) -> bytes | None:
        """The picture of a photo, by how the gallery knows it; None where it was not taken in."""
        name, start, end = self._places.get(known, ("", 0, 0))
        return self._files[name][start:end].tobytes() if name in self._files else None


def _copy(segment: Path, pictures: Path, index: Path) -> None:
    make_folder(pictures.parent)
    ids, ends, end = [], [], 0
    bar = Bar("Reading small pictures", count_photos(segment), "photos")
    try:
        with atomic_write(pictures) as file:
            for one, picture in read_thumbnails(segment):
                file.write(picture)
                end += len(picture)
                ids.append(one.encode())
                ends.append(end)
                bar.update(len(ids))
    finally:
        bar.close()
    with atomic_write(index) as file:
        np.savez(file, ids=np.array(ids, np.bytes_), ends=np.array(ends, np.int64))
