"""A gallery as a value: photos of known individuals, and how they were embedded."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reid_jax.data.photos.reading import SIDE
from reid_jax.files import as_text
from reid_jax.ops.ranking.eight import Embeddings, joined, taken

if TYPE_CHECKING:
    from reid_jax.individuals.evidence.local import Local

PLACE, SEX = "place", "sex"
POSITION = ("latitude", "longitude")
"""Degrees, as text."""

COLUMNS = ("date", "camera", "orientation", SIDE, PLACE, SEX, *POSITION)
"""Facts about a photo that are kept, where they are known."""

TRAINED = "trained"
"""The column that says whether the network was trained on a photo or its individual."""

DIGEST = "digest"
"""The column that names the content of a photo; see :mod:`reid_jax.data.photos.content`."""

KEPT = (*COLUMNS, TRAINED, DIGEST)
"""All columns that a gallery may have."""


@dataclass(frozen=True)
class Gallery:
    """N photos of known individuals, and how they were embedded.

    Attributes:
      paths, identities: ``(N,)`` str, no path twice.
      columns: some of :data:`COLUMNS`, :data:`TRAINED` and :data:`DIGEST`, ``(N,)`` each; "date"
        as datetime64[s].
      embeddings: ``(N, D)`` float32, or what stands for it in 8 bits.
      thumbnails: ``(N,)`` objects: a JPEG as bytes. None where they were not asked for.
      settings: whose embeddings they are and what their scores are worth; JSON values.
      folder: the generation that it was read from.
      reference: arrays about the network's training, see
        :mod:`reid_jax.individuals.gallery.reference`; none in galleries of earlier versions.
      local: local features of the photos; None where the gallery has none.
      ids: ``(N,)`` str by which the journal knows the photos, "" for one that is not stored; None
        where none is.
      position: of the journal when it was read.
      marks: ``(N,)`` str, why a photo takes no part in answers; "" for one that does. None where
        all do.
      confirmed: ``(N,)`` bool, whether somebody said surely who that is. None where nobody did.
    """

    paths: np.ndarray
    identities: np.ndarray
    columns: Mapping[str, np.ndarray]
    embeddings: Embeddings
    thumbnails: np.ndarray | None
    settings: Mapping[str, Any]
    folder: Path | None = None
    reference: Mapping[str, np.ndarray] = field(default_factory=dict)
    local: "Local | None" = None
    ids: np.ndarray | None = None
    position: int = 0
    marks: np.ndarray | None = None
    confirmed: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def known_ids(self) -> np.ndarray:
        """``(N,)`` the ids, "" for a photo that has none yet."""
        return np.full(len(self), "", object) if self.ids is None else self.ids

    @property
    def taking_part(self) -> "Gallery":
        """The photos without a mark."""
        if self.marks is None or not (self.marks != "").any():
            return self
        return self.take(np.flatnonzero(self.marks == ""))

    def column(self, name: str) -> np.ndarray:
        """A column, also where it is not known: "" or no date for each photo."""
        if name in self.columns:
            return self.columns[name]
        if name == "date":
            return np.full(len(self), np.datetime64("NaT", "s"))
        return np.full(len(self), "")

    def take(self, rows: np.ndarray) -> "Gallery":
        """The photos at ``rows``."""
        return replace(
            self,
            paths=self.paths[rows],
            identities=self.identities[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
            embeddings=taken(self.embeddings, rows),
            thumbnails=None if self.thumbnails is None else self.thumbnails[rows],
            local=None if self.local is None else self.local.take(rows),
            ids=None if self.ids is None else self.ids[rows],
            marks=None if self.marks is None else self.marks[rows],
            confirmed=None if self.confirmed is None else self.confirmed[rows],
        )


def join(first: Gallery, second: Gallery) -> Gallery:
    """Both, with the settings of the first. A fact that one of them lacks is missing there.

    Local features are there where both have them. A photo that the first has already is another
    one, without an id.
    """
    both = [(getattr(first, name), getattr(second, name)) for name in _ARRAYS]
    paths, identities, thumbnails = (np.concatenate(two) for two in both)
    embeddings = joined((first.embeddings, second.embeddings))
    there = [name for name in KEPT if name in first.columns or name in second.columns]
    columns = {name: np.concatenate([first.column(name), second.column(name)]) for name in there}
    local = (
        None if first.local is None or second.local is None else first.local.joined(second.local)
    )
    marks = confirmed = None
    if first.marks is not None:
        marks = np.concatenate([first.marks, np.full(len(second), "")])
    if first.confirmed is not None:
        confirmed = np.concatenate([first.confirmed, np.zeros(len(second), bool)])
    taken = set(first.known_ids.tolist())
    others = ["" if one in taken else one for one in second.known_ids.tolist()]
    return replace(
        first,
        paths=paths,
        identities=identities,
        columns=columns,
        embeddings=embeddings,
        thumbnails=thumbnails,
        folder=None,
        local=local,
        ids=np.concatenate([first.known_ids, np.array(others, object)]),
        marks=marks,
        confirmed=confirmed,
    )


def as_column(name: str, values: np.ndarray) -> np.ndarray:
    """A column of a source, ``(N,)``, as a gallery keeps it: all but dates as text."""
    if name == "date":
        return values
    if name in POSITION:
        return np.array(["" if np.isnan(each) else f"{each:.6f}" for each in values], np.str_)
    return np.array([as_text(each) for each in values], np.str_)


_ARRAYS = ("paths", "identities", "thumbnails")
