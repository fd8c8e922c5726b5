"""What is in a gallery now, as pages show it: individuals, their photos, and where each lies."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache, partial
from hashlib import blake2b

import numpy as np

from reid_jax.data.names import composed
from reid_jax.individuals.gallery.reports.where import CONFIRMED, INDIVIDUAL, Facts, Where
from reid_jax.individuals.gallery.value import COLUMNS, DIGEST, POSITION, Gallery

_NAMES = 2**17  # whose keys are kept, as a list is sorted each time that it is shown
_SAID = tuple(name for name in COLUMNS if name not in ("date", *POSITION))
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
      digest: of its content; "" where nobody knows.
      mark: why it takes no part; "" where it does.
      position: latitude and longitude in degrees; None where nobody knows.
      confirmed: whether somebody said surely who it is.
    """

    id: str
    known: str
    path: str
    individual: str
    date: datetime | None
    facts: dict[str, str]
    digest: str = ""
    mark: str = ""
    position: tuple[float, float] | None = None
    confirmed: bool = False


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
      known: the same by how the gallery knows them.
      aside: those that were removed, or take no part, by how the gallery knows them.
      position: of the gallery's journal.
    """

    individuals: dict[str, Individual]
    photos: dict[str, Held]
    paths: dict[str, Held]
    digests: dict[str, Held]
    known: dict[str, Held]
    aside: dict[str, Held]
    position: int

    @cached_property
    def facts(self) -> Facts:
        """About the photos, in their order."""
        photos = list(self.photos.values())

        def column(name: str) -> list[str]:
            return [photo.facts.get(name, "") for photo in photos]

        def degrees(at: int) -> list[str]:
            return ["" if p.position is None else f"{p.position[at]:.6f}" for p in photos]

        columns: dict[str, Callable[[], list[str]]] = {
            INDIVIDUAL: lambda: [photo.individual for photo in photos],
            **{name: partial(column, name) for name in _SAID},
            **{name: partial(degrees, at) for at, name in enumerate(POSITION)},
            CONFIRMED: lambda: ["yes" if photo.confirmed else "no" for photo in photos],
        }

        def dates() -> np.ndarray:
            return np.array([photo.date or "NaT" for photo in photos], "datetime64[s]")

        return Facts(len(photos), dates, columns)

    @cached_property
    def said(self) -> dict[str, set[str]]:
        """What is said of photos somewhere, by column; "" where something is not known."""
        return _said_of(self.photos.values())

    def found(self, words: str, order: str, where: Where | None = None) -> list[Individual]:
        """Individuals whose name holds each of some words, in an order of `ORDERS`.

        Args:
          where: what photos have to be; others are not shown. None for all.

        Raises:
          UserError: it names what is not there.
        """
        wanted = composed(words).casefold().split()
        some = [
            one
            for name, one in self.individuals.items()
            if all(word in composed(name).casefold() for word in wanted)
        ]
        if where:
            pairs = zip(self.photos, self.facts.mask(where).tolist(), strict=True)
            fit = {id for id, fits in pairs if fits}
            parts = ((one.name, [p for p in one.photos if p.id in fit]) for one in some)
            some = [Individual(name, photos) for name, photos in parts if photos]
        if order == "photos":
            return sorted(some, key=lambda one: (-len(one.photos), natural(one.name)))
        if order == "last seen":
            some.sort(key=lambda one: natural(one.name))
            return sorted(some, key=lambda one: one.dates[:1] or [datetime.min], reverse=True)
        return sorted(some, key=lambda one: natural(one.name))


@lru_cache(_NAMES)
def natural(name: str) -> tuple[tuple[int, int, str], ...]:
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
    return tuple(parts)


def holdings_of(gallery: Gallery) -> Holdings:
    """What a gallery holds that was read with its marked photos."""
    photos = held_photos(gallery)
    shown = [photo for photo in photos if not photo.mark]
    of: dict[str, list[Held]] = {}
    for photo in shown:
        of.setdefault(photo.individual, []).append(photo)
    return Holdings(
        individuals={name: Individual(name, _latest_first(some)) for name, some in of.items()},
        photos={photo.id: photo for photo in shown},
        paths={photo.path: photo for photo in shown},
        digests={photo.digest: photo for photo in shown if photo.digest},
        known={photo.known: photo for photo in shown},
        aside={photo.known: photo for photo in photos if photo.mark},
        position=gallery.position,
    )


def held_photos(gallery: Gallery) -> list[Held]:
    """The photos of a gallery, in its order."""
    dates = gallery.columns.get("date")
    others = {
        name: gallery.columns[name].tolist()
        for name in COLUMNS
        if name in gallery.columns and name in _SAID
    }
    places = _positions(*(gallery.column(name).tolist() for name in POSITION))
    sure = [False] * len(gallery) if gallery.confirmed is None else gallery.confirmed.tolist()
    digests, known = gallery.column(DIGEST).tolist(), gallery.known_ids.tolist()
    marks = [""] * len(gallery) if gallery.marks is None else gallery.marks.tolist()
    photos: list[Held] = []
    for row, (path, name) in enumerate(zip(gallery.paths, gallery.identities, strict=True)):
        date = None if dates is None or np.isnat(dates[row]) else dates[row].item()
        facts = {fact: str(column[row]) for fact, column in others.items() if column[row]}
        id = blake2b(str(path).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        told = str(path), str(name), date, facts, str(digests[row]), str(marks[row])
        photos.append(Held(id, str(known[row]), *told, places[row], sure[row]))
    return photos


def _positions(
    latitudes: Sequence[str], longitudes: Sequence[str]
) -> list[tuple[float, float] | None]:
    pairs = zip(latitudes, longitudes, strict=True)
    return [(float(y), float(x)) if y and x else None for y, x in pairs]


def followed(
    before: Holdings,
    names: Mapping[str, str | None],
    marks: Mapping[str, str | None],
    sure: Mapping[str, str | None],
    fresh: Mapping[str, Held],
    position: int,
) -> Holdings | None:
    """What is held after some photos changed; those that did not are not looked at again.

    Args:
      names: whose photos are now, by how the gallery knows them; None for one that was removed.
      marks: why they take no part; None where they do.
      sure: whether somebody said surely who they are; None where nobody did.
      fresh: photos that came.
      position: of the journal by now.

    Returns:
      None where a photo changed of which nothing is known.
    """
    known, aside, individuals = dict(before.known), dict(before.aside), dict(before.individuals)
    photos, paths, digests = dict(before.photos), dict(before.paths), dict(before.digests)
    changed = {**names, **marks, **sure, **dict.fromkeys(fresh)}
    theirs: dict[str, list[Held]] = {}

    def of(name: str) -> list[Held]:
        if name not in theirs:
            there = before.individuals[name].photos if name in before.individuals else ()
            theirs[name] = [photo for photo in there if photo.known not in changed]
        return theirs[name]

    for one in changed:
        was, other = known.pop(one, None), aside.pop(one, None)
        held = fresh.get(one) or was or other
        if held is None:
            return None
        if was is not None:
            of(was.individual)
            for place, key in ((photos, was.id), (paths, was.path), (digests, was.digest)):
                if place.get(key) is was:
                    del place[key]
        now = replace(
            held,
            individual=names.get(one, held.individual) or "",
            mark=marks.get(one, held.mark) or "",
            confirmed=sure[one] is not None if one in sure else held.confirmed,
        )
        if now.mark or not now.individual:
            aside[one] = now
            continue
        known[one] = photos[now.id] = paths[now.path] = now
        if now.digest:
            digests[now.digest] = now
        of(now.individual).append(now)
    for name, some in theirs.items():
        individuals.pop(name, None)
        if some:
            individuals[name] = Individual(name, _latest_first(some))
    found = Holdings(individuals, photos, paths, digests, known, aside, position)
    if "said" in before.__dict__:  # no value of a photo that stays has changed
        fresh_said = _said_of(fresh.values())
        vars(found)["said"] = {name: before.said[name] | fresh_said[name] for name in _SAID}
    return found


def _said_of(photos: Iterable[Held]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set() for name in _SAID}
    for photo in photos:
        for name, values in found.items():
            values.add(photo.facts.get(name, ""))
    return found


def _latest_first(photos: Sequence[Held]) -> list[Held]:
    return sorted(photos, key=lambda photo: photo.date or datetime.min, reverse=True)
