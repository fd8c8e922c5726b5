"""What is in a gallery now, as pages show it: individuals, their photos, and where each lies."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

import numpy as np

from reid_jax.data.names import composed
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.stored.reading import position_of, read_gallery
from reid_jax.individuals.gallery.value import DIGEST, Gallery

_MOMENT = 1.0  # seconds
ORDERS = ("name", "photos", "last seen")


@dataclass(frozen=True)
class Held:
    """A photo of a gallery.

    Attributes:
      id: 32 hexadecimal digits.
      known: the id by which the gallery knows it.
      path: where it lies.
      individual: whose it is.
      date: when it was taken, None where nobody knows.
      facts: camera, orientation and the like, those that are known.
      row: of the gallery.
    """

    id: str
    known: str
    path: str
    individual: str
    date: datetime | None
    facts: dict[str, str]
    row: int


@dataclass(frozen=True)
class Individual:
    """An individual with its photos, the latest first; those without a date come last."""

    name: str
    photos: Sequence[Held]

    @property
    def dates(self) -> list[datetime]:
        """Those that are known, the latest first."""
        return [photo.date for photo in self.photos if photo.date is not None]


@dataclass(frozen=True)
class Holdings:
    """A gallery as it was when it was read.

    Attributes:
      individuals: by name.
      photos: by id.
      paths: the same by where they lie.
      digests: whose photo has this content.
      position: of the gallery's journal.
    """

    individuals: dict[str, Individual]
    photos: dict[str, Held]
    paths: dict[str, Held]
    digests: dict[str, Held]
    position: int
    _thumbnails: np.ndarray = field(repr=False)

    def thumbnail(self, photo: Held) -> bytes:
        """A small JPEG of a photo."""
        picture: bytes = self._thumbnails[photo.row]
        return picture

    def found(self, words: str, order: str) -> list[Individual]:
        """Individuals whose name holds each of some words, in an order of `ORDERS`."""
        wanted = composed(words).casefold().split()
        some = [
            one
            for name, one in self.individuals.items()
            if all(word in composed(name).casefold() for word in wanted)
        ]
        if order == "photos":
            return sorted(some, key=lambda one: (-len(one.photos), natural(one.name)))
        if order == "last seen":
            some.sort(key=lambda one: natural(one.name))
            return sorted(some, key=lambda one: one.dates[:1] or [datetime.min], reverse=True)
        return sorted(some, key=lambda one: natural(one.name))


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key by which "animal 2" stands before "animal 10"."""
    parts, digits = [], ""
    for letter in composed(name).casefold() + "\0":
        if letter.isdecimal() and letter.isascii():
            digits += letter
            continue
        if digits:
            parts.append((0, int(digits[:18]), digits))
            digits = ""
        parts.append((1, 0, letter))
    return parts


class Shelf:
    """The holdings of a gallery, read again when the gallery has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._alone = threading.Lock()
        self._looked = -math.inf
        self._reading = False
        self._read: tuple[tuple[str, int], Holdings] | None = None

    def holdings(self) -> Holdings:
        """What is there now.

        Raises:
          UserError: there is no gallery, or it is damaged.
        """
        with self._alone:
            position = position_of(self.folder)
            if self._read is None or self._read[0] != position:
                self._read = position, _holdings(read_gallery(self.folder))
            self._looked = time.monotonic()
            return self._read[1]

    def recent(self) -> Holdings:
        """What was there a moment ago; nobody waits while what is new is read.

        Raises:
          UserError: as `holdings`, where nothing was read yet.
        """
        read = self._read
        if read is None:
            return self.holdings()
        if time.monotonic() - self._looked > _MOMENT and not self._reading:
            self._reading = True
            threading.Thread(target=self._read_again, daemon=True).start()
        return read[1]

    def _read_again(self) -> None:
        try:
            self.holdings()
        except UserError:  # said where somebody waits for it
            self._looked = time.monotonic()
        finally:
            self._reading = False


def _holdings(gallery: Gallery) -> Holdings:
    dates = gallery.columns.get("date")
    others = {
        name: column
        for name, column in gallery.columns.items()
        if name in ("camera", "orientation")
    }
    digests = gallery.columns.get(DIGEST, np.full(len(gallery), ""))
    known = gallery.known_ids
    photos: list[Held] = []
    for row, (path, name) in enumerate(zip(gallery.paths, gallery.identities, strict=True)):
        date = None if dates is None or np.isnat(dates[row]) else dates[row].item()
        facts = {fact: str(column[row]) for fact, column in others.items() if column[row]}
        id = blake2b(str(path).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        photos.append(Held(id, str(known[row]), str(path), str(name), date, facts, row))
    of: dict[str, list[Held]] = {}
    for photo in photos:
        of.setdefault(photo.individual, []).append(photo)
    assert gallery.thumbnails is not None
    return Holdings(
        individuals={name: Individual(name, _latest_first(some)) for name, some in of.items()},
        photos={photo.id: photo for photo in photos},
        paths={photo.path: photo for photo in photos},
        digests={
            str(digest): photo for digest, photo in zip(digests, photos, strict=True) if digest
        },
        position=gallery.position,
        _thumbnails=gallery.thumbnails,
    )


def _latest_first(photos: Sequence[Held]) -> list[Held]:
    return sorted(photos, key=lambda photo: photo.date or datetime.min, reverse=True)
