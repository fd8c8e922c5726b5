"""Which photo of a gallery is meant: by its content, by where it lies, by the end of its path."""

import os
import posixpath
import re
from collections.abc import Sequence

from reid_jax.data.crops import Box
from reid_jax.data.names import composed
from reid_jax.files import as_text
from reid_jax.individuals.gallery.exchange.content import Said
from reid_jax.platforms import with_slashes
from reid_jax.remote.storage import is_url

_COPY = re.compile(r"-\d+$")
_CLOSE = 1e-3  # pixels, or parts of a hundred, that two boxes may differ by


class Photos:
    """The photos of a gallery, to be looked up.

    Args:
      photos: with ids; their paths are all of them.
    """

    def __init__(self, photos: Sequence[Said]):
        self._photos = photos
        self._ids = {each.id: row for row, each in enumerate(photos)}
        self._paths = [composed(as_text(each.path)) for each in photos]
        self._content: dict[str, list[int]] = {}
        self._files: dict[str, list[int]] = {}
        for row, each in enumerate(photos):
            self._content.setdefault(_COPY.sub("", each.id), []).append(row)
            self._files.setdefault(posixpath.basename(self._paths[row]), []).append(row)

    def find(self, said: Said, root: str) -> int | str:
        """The row of the photo that is meant; or why there is none.

        Its id says which content it has. Of several copies, and where no id is given, its path
        counts, of which the end is enough where only one photo has it.

        Args:
          root: the folder from which its path is.
        """
        if said.id:
            same = self._content.get(_COPY.sub("", said.id), [])
            if len(same) == 1:
                return same[0]
            if same:
                ending = [row for row in same if self._ends(row, said.path)]
                exact = self._ids.get(said.id, same[0])
                return ending[0] if len(ending) == 1 else exact
        whole = said.path if is_url(said.path) else os.path.join(root, said.path)
        place = composed(as_text(whole if is_url(whole) else with_slashes(os.path.abspath(whole))))
        rows = self._files.get(posixpath.basename(place), [])
        there = self._of_part([row for row in rows if self._paths[row] == place], said.box)
        if not there:
            there = self._of_part([row for row in rows if self._ends(row, said.path)], said.box)
            if there and said.id and said.box is None:
                return "the photo of this name in the gallery has another content"
        if len(there) == 1:
            return there[0]
        if not there and any(self._ends(row, said.path) for row in rows):
            return "the gallery has this photo without this box, which gallery add brings"
        if not there:
            return "it is not in the gallery"
        return f"{len(there):,} photos of the gallery are called so"

    def _ends(self, row: int, path: str) -> bool:
        """Whether the path of a photo is this one, or ends in it."""
        ending = composed(as_text(path.replace("\\", "/"))).lstrip("./")
        return f"/{self._paths[row]}".endswith(f"/{ending}") and bool(ending)

    def _of_part(self, rows: Sequence[int], box: Box | None) -> list[int]:
        return [row for row in rows if _is_same(self._photos[row].box, box)]


def _is_same(one: Box | None, other: Box | None) -> bool:
    """Whether two boxes are one, whatever margin is seen around it."""
    if one is None or other is None:
        return one is other
    sides = ("x", "y", "width", "height")
    near = all(abs(getattr(one, side) - getattr(other, side)) < _CLOSE for side in sides)
    return one.percent == other.percent and near
