"""Photos of a source: what is known of them, which a gallery has already, and what differs."""

import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from reid_jax.data.crops import whole_and_box
from reid_jax.data.names import composed
from reid_jax.data.photos import Dataset
from reid_jax.data.photos.content import content_digests
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.gallery.reference import TrainedOn, stored_paths
from reid_jax.individuals.gallery.value import COLUMNS, DIGEST, TRAINED, Gallery, as_column

INDIVIDUAL = "individual"


@dataclass(frozen=True)
class Comparison:
    """Attributes:
    rows: ``(N,)`` int64, the row of the gallery in which each photo is, -1 for a new one.
    moved: ``(N,)`` bool, there under a path at which it is no more.
    stale: ``(G,)`` bool, rows of the gallery whose file has another content now.
    differ: what is said otherwise there, INDIVIDUAL or one of COLUMNS: ``(N,)`` bool.
    """

    rows: np.ndarray
    moved: np.ndarray
    stale: np.ndarray
    differ: Mapping[str, np.ndarray]


def described(dataset: Dataset, trained_on: TrainedOn) -> Gallery:
    """What is known of photos before they are embedded: a gallery without embeddings."""
    columns = {
        name: as_column(name, dataset.columns[name]) for name in COLUMNS if name in dataset.columns
    }
    names = np.array([as_text(name) for name in dataset.identities], object)[dataset.labels]
    digests = content_digests(dataset)
    return Gallery(
        paths=stored_paths(dataset),
        identities=names,
        columns={
            **columns,
            TRAINED: trained_on.marks(digests, names),
            DIGEST: digests.astype(np.str_),
        },
        embeddings=np.zeros((len(dataset), 0), np.float32),
        thumbnails=None,
        settings={},
    )


def compare(gallery: Gallery, photos: Gallery) -> Comparison:
    """Looks each photo up.

    A photo is there if its file is, with the same content, or if its content is under another path,
    as after a folder was renamed. One content that is there twice is found twice. A copy of a photo
    that is looked up, too, is a new photo, unless the individual has it already.

    Args:
      gallery: G photos; those without a digest, of an earlier version, are known by path alone.
      photos: N photos with digests; neither embeddings nor thumbnails are looked at.
    """
    rows, copy = _rows(gallery, photos)
    there = np.flatnonzero((rows >= 0) & ~copy)
    given = {composed(path) for path in photos.paths}
    claimed = np.zeros(len(gallery), bool)
    claimed[rows[there]] = True
    stale = np.array([composed(path) in given for path in gallery.paths], bool) & ~claimed
    moved = np.zeros(len(photos), bool)
    for photo in there:
        path = gallery.paths[rows[photo]]
        if composed(path) != composed(photos.paths[photo]):
            moved[photo] = composed(path) in given or not os.path.lexists(whole_and_box(path)[0])
    differ = {INDIVIDUAL: np.zeros(len(photos), bool)}
    differ[INDIVIDUAL][there] = photos.identities[there] != gallery.identities[rows[there]]
    for name in COLUMNS:
        if name in photos.columns:
            differ[name] = np.zeros(len(photos), bool)
            differ[name][there] = _differs(gallery, photos, name, there, rows[there])
    return Comparison(rows, moved, stale, differ)


def _rows(gallery: Gallery, photos: Gallery) -> tuple[np.ndarray, np.ndarray]:
    """The row of each photo, -1 for a new one; and which are copies of one that has the row."""
    contents = photos.columns[DIGEST].tolist()
    stored = gallery.columns.get(DIGEST, np.full(len(gallery), "")).tolist()
    rows, taken = np.full(len(photos), -1), np.zeros(len(gallery), bool)
    by_path = {composed(path): row for row, path in enumerate(gallery.paths)}
    for photo, path in enumerate(photos.paths):
        row = by_path.get(composed(path), -1)
        # What is in memory has names, which say enough.
        if row >= 0 and (stored[row] in ("", contents[photo]) or not os.path.isabs(path)):
            rows[photo] = row
            taken[row] = True
    theirs = list(zip(contents, photos.identities, strict=True))
    stored_theirs = list(zip(stored, gallery.identities, strict=True))
    for wanted, offered in ((theirs, stored_theirs), (contents, stored)):
        searched = {wanted[photo] for photo in np.flatnonzero(rows < 0).tolist()}
        free = defaultdict(list)
        for row in np.flatnonzero(~taken)[::-1].tolist():
            if offered[row] in searched:
                free[offered[row]].append(row)
        for photo in np.flatnonzero(rows < 0).tolist():
            if free.get(wanted[photo]):
                rows[photo] = free[wanted[photo]].pop()
                taken[rows[photo]] = True
    known = {theirs[photo]: rows[photo] for photo in np.flatnonzero(rows >= 0)}
    copy = np.zeros(len(photos), bool)
    for photo in np.flatnonzero(rows < 0).tolist():
        rows[photo] = known.get(theirs[photo], -1)
        copy[photo] = rows[photo] >= 0
    return rows, copy


def _differs(
    gallery: Gallery, photos: Gallery, name: str, there: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Whether a fact that the photos have is another one in the gallery, or none."""
    new = photos.columns[name][there]
    said = ~np.isnat(new) if name == "date" else new != ""
    if name not in gallery.columns:
        return said
    return said & (new != gallery.columns[name][rows])


def brought_up_to_date(
    gallery: Gallery, photos: Gallery, found: Comparison, *, correct: bool
) -> Gallery:
    """The gallery with the paths of today, and without the photos whose file has other content.

    Args:
      correct: whether what differs is taken from the photos.

    Returns:
      The very gallery that was given where nothing changes.
    """
    if found.moved.any():
        paths = gallery.paths.copy()
        paths[found.rows[found.moved]] = photos.paths[found.moved]
        gallery = replace(gallery, paths=paths)
    for name, which in found.differ.items() if correct else ():
        rows = found.rows[which]
        if not len(rows):
            continue
        if name == INDIVIDUAL:
            identities = gallery.identities.copy()
            identities[rows] = photos.identities[which]
            gallery = replace(gallery, identities=identities)
            gallery = _with(gallery, TRAINED, rows, photos.columns[TRAINED][which])
        else:
            gallery = _with(gallery, name, rows, photos.columns[name][which])
    return gallery.take(np.flatnonzero(~found.stale)) if found.stale.any() else gallery


def _with(gallery: Gallery, name: str, rows: np.ndarray, values: np.ndarray) -> Gallery:
    if name == "date":
        column = gallery.columns.get(name, np.full(len(gallery), np.datetime64("NaT", "s"))).copy()
        column[rows] = values
    else:  # through objects, as an array of text cuts off what is longer than it has
        texts = gallery.columns.get(name, np.full(len(gallery), "")).astype(object)
        texts[rows] = values
        column = texts.astype(np.str_)
    return replace(gallery, columns={**gallery.columns, name: column})


def renamed(gallery: Gallery, photos: Gallery, found: Comparison) -> dict[tuple[str, str], int]:
    """How many photos are of another individual there: (there, here), the most frequent first."""
    which = found.differ[INDIVIDUAL]
    there = gallery.identities[found.rows[which]]
    pairs = Counter(zip(there.tolist(), photos.identities[which].tolist(), strict=True))
    return dict(pairs.most_common())


def with_found_out(gallery: Gallery, known: Gallery) -> Gallery:
    """What was found out about the photos of a gallery of an earlier version, by their paths."""
    missing = [n for n in (TRAINED, DIGEST) if n in known.columns and n not in gallery.columns]
    if not missing and (gallery.reference or not known.reference):
        return gallery
    place = {path: row for row, path in enumerate(known.paths)}
    at = np.array([place.get(path, -1) for path in gallery.paths], np.int64)
    facts = {name: np.where(at >= 0, known.columns[name][at], "") for name in missing}
    return replace(
        gallery,
        columns={**gallery.columns, **facts},
        reference=gallery.reference or known.reference,
    )


def answering(gallery: Gallery, known: Gallery, kind: Evidence) -> Gallery:
    """The gallery answering by this evidence, with the features that were found by their paths.

    Raises:
      UserError: photos came to it meanwhile, whose features are not known.
    """
    if kind == "none" and gallery.local is None:
        return gallery
    if kind == "none":
        settings = {name: v for name, v in gallery.settings.items() if name != "evidence"}
        return replace(gallery, local=None, settings=settings)
    said = {**gallery.settings.get("evidence", {}), "kind": kind}
    gallery = replace(gallery, settings={**gallery.settings, "evidence": said})
    if gallery.local is not None:
        return gallery
    assert known.local is not None
    place = {path: row for row, path in enumerate(known.paths)}
    if any(path not in place for path in gallery.paths):
        raise UserError("Photos were added meanwhile; give the same command again.")
    rows = np.array([place[path] for path in gallery.paths], np.int64)
    return replace(gallery, local=known.local.take(rows))
