"""Whether a gallery is whole, and could be made again from its photos and its journal."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_jax.console import counted
from reid_jax.data.digests import file_digest
from reid_jax.data.parallel import parallel_map
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.journal.entries import INDIVIDUAL, photo, replayed
from reid_jax.individuals.gallery.stored import journals
from reid_jax.individuals.gallery.stored.layout import FIRST
from reid_jax.individuals.gallery.stored.reading import form_of, read_gallery
from reid_jax.individuals.gallery.value import DIGEST, Gallery

_MOST = 10  # photos that are named


@dataclass(frozen=True)
class Checked:
    """Attributes:
    photos: how many there are.
    decisions: how many are in the journal.
    found: of how many photos the file is where it was, with the content that it had.
    wrong: sentences about the gallery itself.
    lost: sentences about files of photos; without them it answers, but cannot be made again.
    """

    photos: int
    decisions: int
    found: int
    wrong: tuple[str, ...]
    lost: tuple[str, ...]


def check(folder: Path) -> Checked:
    """Reads all of a gallery, its decisions from the first on, and the file of each photo.

    Raises:
      UserError: there is no gallery, or it is so damaged that it cannot be read.
    """
    form = form_of(folder)
    gallery = read_gallery(folder, marked=True)
    wrong, decisions = _of_arrays(gallery), 0
    if form.version != FIRST:
        journal = journals.reading(form)
        wrong += journal.check()
        entries = [each for each in journal.since() if each.number <= gallery.position]
        decisions = len(entries)
        facts, _ = replayed(entries)
        names = {s: v for (s, what), (v, _) in facts.items() if what == INDIVIDUAL and v}
        stored = {
            photo(one): str(name)
            for one, name in zip(gallery.known_ids, gallery.identities, strict=True)
        }
        wrong += [
            f"{subject} is {stored.get(subject, 'nobody')}, but {names.get(subject, 'nobody')} "
            "follows from the decisions"
            for subject in sorted(names.keys() | stored.keys())
            if names.get(subject) != stored.get(subject)
        ]
    found, lost = _of_files(gallery)
    return Checked(len(gallery), decisions, found, tuple(wrong), tuple(lost))


def _of_arrays(gallery: Gallery) -> list[str]:
    wrong = []
    bad = ~np.isfinite(np.asarray(gallery.embeddings)).all(axis=1)
    if bad.any():
        wrong.append(f"{counted(int(bad.sum()), 'embedding')} hold what is no number")
    assert gallery.thumbnails is not None
    blank = sum(not picture for picture in gallery.thumbnails.tolist())
    if blank:
        wrong.append(f"{counted(blank, 'photo')} have no thumbnail")
    twice = len(gallery) - len(set(gallery.paths.tolist()))
    if twice:
        wrong.append(f"{counted(twice, 'path')} are those of several photos")
    return wrong


def _of_files(gallery: Gallery) -> tuple[int, list[str]]:
    """How many photos are where they were, and sentences about the others."""
    said = not_as_they_were(gallery)
    lost = [(gallery.paths[row], why) for row, why in enumerate(said) if why]
    unknown = sum(not digest for digest in gallery.column(DIGEST).tolist())
    lines = [f"{path} {why}" for path, why in lost[:_MOST]]
    if len(lost) > _MOST:
        lines.append(f"{len(lost) - _MOST:,} more photos are not as they were")
    if unknown:
        lines.append(f"of {counted(unknown, 'photo')} nobody knows what content they had")
    return len(gallery) - len(lost), lines


def not_as_they_were(photos: Gallery) -> list[str]:
    """For each photo what is the matter with its file; "" where it is as it was."""
    digests = photos.column(DIGEST).tolist()

    def look(row: int) -> str:
        try:
            now = file_digest(photos.paths[row]).decode()
        except (OSError, UserError, ValueError):
            return "is not there"
        return "" if digests[row] in ("", now) else "has another content now"

    return parallel_map(look, list(range(len(photos))), "Reading photos")
