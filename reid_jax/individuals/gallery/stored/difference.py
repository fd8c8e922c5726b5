"""What a change of a gallery is: facts that change, photos that come, or all of it written anew."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from reid_jax.individuals.gallery.journal.entries import INDIVIDUAL, PATH, Change, Fact, photo
from reid_jax.individuals.gallery.stored.roots import resolved, rooted, roots_of
from reid_jax.individuals.gallery.value import KEPT, Gallery
from reid_jax.ops.ranking.eight import alike


@dataclass(frozen=True)
class Difference:
    """Attributes:
    changes: facts about photos that were there.
    rows: ``(K,)`` of the changed gallery, those of photos that were there and stay.
    fresh: ``(F,)`` of the changed gallery, those of new photos.
    rewritten: whether what is kept of photos that stay has become another one.
    """

    changes: tuple[Change, ...]
    rows: np.ndarray
    fresh: np.ndarray
    rewritten: bool


def difference(stored: Gallery, changed: Gallery, facts: Mapping[Fact, str]) -> Difference:
    """Compares two galleries, the second of which was made of the first.

    Args:
      stored: with ids; changed: with ids for its photos that are of it.
      facts: of the journal when `stored` was read.
    """
    ids, place = changed.known_ids, {one: row for row, one in enumerate(stored.known_ids)}
    at = np.array([place.get(one, -1) for one in ids], np.int64)
    _, first = np.unique(at, return_index=True)
    stays = np.zeros(len(changed), bool)
    stays[first] = True
    stays &= at >= 0
    rows = np.flatnonzero(stays)
    old, new = stored.take(at[rows]), changed.take(rows)
    left = set(old.known_ids.tolist())
    gone = [row for row, one in enumerate(stored.known_ids) if one not in left]
    roots = roots_of(facts)
    changes = [
        Change(photo(stored.known_ids[row]), INDIVIDUAL, stored.identities[row], None)
        for row in gone
    ]
    for row in np.flatnonzero(old.identities != new.identities):
        names = old.identities[row], new.identities[row]
        changes.append(Change(photo(old.known_ids[row]), INDIVIDUAL, *names))
    for attribute, before, after in (
        (PATH, old.paths, new.paths),
        *((name, old.column(name), new.column(name)) for name in KEPT),
    ):
        dates = attribute == "date"
        other = before != after
        if dates:
            other &= ~(np.isnat(before) & np.isnat(after))
        for row in np.flatnonzero(other):
            subject = photo(old.known_ids[row])
            value = "" if dates and np.isnat(after[row]) else str(after[row])
            value = rooted(value, roots) if attribute == PATH else value
            changes.append(Change(subject, attribute, facts.get((subject, attribute)), value))
    fresh = np.flatnonzero(~stays)
    return Difference(tuple(changes), rows, fresh, _rewritten(old, new, stored, changed))


def _rewritten(old: Gallery, new: Gallery, stored: Gallery, changed: Gallery) -> bool:
    if (stored.local is None) != (changed.local is None):
        return True
    if stored.local is not None and changed.local is not None:
        backgrounds = [each.local.background for each in (stored, changed) if each.local]
        if not all(
            np.array_equal(getattr(backgrounds[0], name), getattr(backgrounds[1], name))
            for name in ("descriptors", "owners")
        ):
            return True
    if stored.reference is not changed.reference and not (
        stored.reference.keys() == changed.reference.keys()
        and all(
            np.array_equal(stored.reference[name], changed.reference[name])
            for name in stored.reference
        )
    ):
        return True
    return not (
        alike(old.embeddings, new.embeddings) and np.array_equal(old.thumbnails, new.thumbnails)  # type: ignore[arg-type]
    )


def with_facts(photos: Gallery, facts: Mapping[Fact, str]) -> Gallery:
    """Photos as decisions say that they are, where these say it: paths and columns.

    Args:
      facts: of the journal.
    """
    said: dict[str, dict[str, str]] = {}
    roots = roots_of(facts)
    for (subject, attribute), value in facts.items():
        if attribute in (PATH, *KEPT):
            said.setdefault(attribute, {})[subject.removeprefix("photo/")] = value
    place = {one: row for row, one in enumerate(photos.known_ids)}
    for attribute, values in said.items():
        rows = [(place[one], value) for one, value in values.items() if one in place]
        if not rows:
            continue
        if attribute == PATH:
            paths = photos.paths.copy()
            for row, value in rows:
                paths[row] = value
            photos = replace(photos, paths=paths)
            continue
        column = photos.column(attribute).copy()
        if attribute == "date":
            for row, value in rows:
                column[row] = np.datetime64(value or "NaT", "s")
        else:  # through objects, as an array of text cuts off what is longer than it has
            texts = column.astype(object)
            for row, value in rows:
                texts[row] = value
            column = texts.astype(np.str_)
        photos = replace(photos, columns={**photos.columns, attribute: column})
    paths = np.array([*(resolved(path, roots) for path in photos.paths), None], object)[:-1]
    return replace(photos, paths=paths)
