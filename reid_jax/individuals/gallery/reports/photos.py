"""The photos that a report is about, and which of them count as somebody's."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_jax.individuals.gallery.reports.where import Facts, Where
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.stored.source import of_nobody
from reid_jax.individuals.gallery.value import Gallery

UNCONFIRMED, NUMBERED = "not confirmed", "of a group that nobody has named"


@dataclass(frozen=True)
class Photos:
    """N photos of a gallery.

    Attributes:
      paths, names: ``(N,)`` str, where each lies and whom it shows.
      dates: ``(N,)`` datetime64[s], NaT where nobody knows.
      reasons: ``(N,)`` texts, why nobody should count it as that individual; "" where it counts.
      facts: about them.
    """

    paths: np.ndarray
    names: np.ndarray
    dates: np.ndarray
    reasons: np.ndarray
    facts: Facts

    def __len__(self) -> int:
        return len(self.paths)

    def column(self, name: str) -> np.ndarray:
        """``(N,)`` str, a column by any of its names.

        Raises:
          UserError: there is none.
        """
        return self.facts.column(self.facts.known(name))

    @property
    def counting(self) -> np.ndarray:
        """``(N,)`` bool."""
        return self.reasons == ""


def photos_of(
    gallery: Gallery,
    where: Where | None = None,
    *,
    only_confirmed: bool = False,
    facts: Facts | None = None,
) -> Photos:
    """The photos of a gallery that a report is about.

    A photo does not count where it is marked as none of an animal, or where nobody said whose it
    is: its name is that of a numbered group, and nobody confirmed it.

    Args:
      gallery: with its marked photos.
      where: None for all of them.
      only_confirmed: whether those alone count of which somebody said surely who it is.
      facts: about all photos of the gallery, where they are there already.

    Raises:
      UserError: `where` names what is not there.
    """
    facts = facts or Facts.of(gallery)
    rows = np.arange(len(gallery)) if where is None else np.flatnonzero(facts.mask(where))
    part = gallery.take(rows)
    names = part.identities.astype(np.str_)
    sure = np.zeros(len(part), bool) if part.confirmed is None else part.confirmed
    marks = np.full(len(part), "") if part.marks is None else part.marks
    reasons = np.full(len(part), "", object)
    if only_confirmed:
        reasons[~sure] = UNCONFIRMED
    reasons[of_nobody(part)] = NUMBERED
    for row in np.flatnonzero(marks != ""):
        reasons[row] = f'marked "{marks[row]}"'
    return Photos(part.paths, names, part.column("date"), reasons, facts.take(rows))


def read_photos(
    folder: Path, where: Where | None = None, *, only_confirmed: bool = False
) -> Photos:
    """As :func:`photos_of`, of the gallery in a folder.

    Raises:
      UserError: there is no gallery, or it is damaged.
    """
    gallery = read_gallery(folder, thumbnails=False, marked=True)
    return photos_of(gallery, where, only_confirmed=only_confirmed)
