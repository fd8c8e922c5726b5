"""Writing a gallery's files: what counts is always whole, whenever a writer is killed."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.errors import UserError
from reid_jax.files import share, write_text
from reid_jax.individuals.gallery.journal.entries import (
    INDIVIDUAL,
    Change,
    Decision,
    State,
    photo,
)
from reid_jax.individuals.gallery.stored import journals
from reid_jax.individuals.gallery.stored.layout import (
    CURRENT,
    REFERENCE,
    Form,
    next_generation,
    remove_others,
)
from reid_jax.individuals.gallery.stored.reading import everything_of, last_rows, read_reference
from reid_jax.individuals.gallery.stored.roots import changed_root, new_roots, rooted, roots_of
from reid_jax.individuals.gallery.stored.segments import count_photos, synced, write_segment
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.platforms import sync_folder

_COUNTED = ("version", "embedding_size", "num_photos", "num_individuals")
SEGMENTS = 64
"""Segments of a gallery, above which they are made one."""

DEAD = 1000
"""Photos that were removed and are kept whatever their share, so that it can be undone."""


def write_settings(form: Form, settings: Mapping[str, Any], names_changed: int) -> None:
    """Writes the settings of a generation.

    Args:
      names_changed: the position at which what follows from names was found; -1 for none.
    """
    said = {name: value for name, value in settings.items() if name not in _COUNTED}
    text = json.dumps({"names_changed": names_changed, "settings": said}, indent=2)
    write_text(form.settings, text + "\n")


@contextlib.contextmanager
def whole(folder: Path, form: Form) -> Iterator[None]:
    """A generation that counts from the end of the block on; nothing of it stays if it fails."""
    try:
        yield
        sync_folder(folder)
        write_text(folder / CURRENT, form.generation.name + "\n")
    except BaseException as error:
        shutil.rmtree(form.generation, ignore_errors=True)
        if isinstance(error, OSError):
            raise unwritten(folder, error) from error
        raise
    with contextlib.suppress(OSError):  # it is written; only a power cut could still undo it
        sync_folder(folder)
    remove_others(folder, form)


def unwritten(folder: Path, error: OSError) -> UserError:
    """An error of a disk as a sentence."""
    return UserError(
        f"The gallery {folder} could not be written ({error.strerror or error}); what was "
        "there before is intact."
    )


def write_generation(form: Form, gallery: Gallery) -> None:
    """Writes a new generation with one segment, which does not count yet."""
    form.generation.mkdir()
    share(form.generation)
    if gallery.reference:
        with synced(form.generation / REFERENCE) as file:
            arrays: dict[str, Any] = dict(gallery.reference)
            np.savez(file, **arrays)
    if gallery.local is not None:
        from reid_jax.individuals.gallery.stored.local_store import write_background

        write_background(form.generation, gallery.local.background, synced)
    write_segment(form.segment(form.base), gallery)
    form.write(synced)
    sync_folder(form.generation)


def coming(photos: Gallery, roots: dict[str, str]) -> tuple[Gallery, tuple[Change, ...]]:
    """New photos as they are stored, below roots, and the changes by which they come."""
    fresh = new_roots(photos.paths, roots)
    changes = [changed_root(name, None, folder) for name, folder in fresh.items()]
    changes += [
        Change(photo(one), INDIVIDUAL, None, str(name))
        for one, name in zip(photos.known_ids, photos.identities, strict=True)
    ]
    return _below(photos, roots | fresh), tuple(changes)


def also_said(
    paths: np.ndarray, photos: Gallery, said: Mapping[str, Mapping[str, str]], state: State
) -> list[Change]:
    """The changes by which other facts than names are known of new photos.

    Args:
      paths: where they are; photos: the same ones with their ids.
      said: by path and attribute, the value.
    """
    return [
        Change(photo(one), attribute, state.facts.get((photo(one), attribute)), value)
        for path, one in zip(paths, photos.known_ids, strict=True)
        for attribute, value in said.get(path, {}).items()
        if state.facts.get((photo(one), attribute)) != value
    ]


def _below(photos: Gallery, roots: dict[str, str]) -> Gallery:
    paths = [rooted(path, roots) for path in photos.paths]
    return replace(photos, paths=np.array([*paths, None], object)[:-1])


def append(form: Form, decision: Decision, rests_on: int) -> int:
    """Appends a decision that rests on a position; returns its number."""
    with journals.deciding(form) as journal:
        return journal.append(decision, rests_on=rests_on)


def rewritten(folder: Path, form: Form, photos: Gallery, own: list[int], who: str) -> Form:
    """A generation that holds these photos alone, all that are there; what was removed is dropped.

    Args:
      own: positions of the journal, the last of which it rests on; of its decision one is added.

    Raises:
      ChangedError: one that is dropped has come back meanwhile.
    """
    state = journals.reading(form).state()
    known = set(everything_of(form, state, thumbnails=False).known_ids.tolist())
    new = next_form(folder, form, photos, state)
    with whole(folder, new):
        write_generation(new, _below(photos, roots_of(state.facts)))
        _drop(form, known - set(photos.known_ids.tolist()), own, who)
        write_settings(new, photos.settings, -1)
    return new


def compacted(folder: Path, form: Form, own: list[int], who: str) -> Form:
    """The form, after many segments were made one, or what is mostly removed photos was dropped.

    Args:
      own: positions of the journal, see :func:`rewritten`.

    Raises:
      ChangedError: somebody took a removal back meanwhile.
    """
    state = journals.reading(form).state()
    segments = form.segments(state.segments)
    there = {subject.partition("/")[2] for subject in state.of(INDIVIDUAL)}
    most = 2 * len(there) + DEAD
    if len(segments) <= SEGMENTS and sum(map(count_photos, segments)) <= most:
        return form
    photos = everything_of(form, state, thumbnails=True)
    known = set(photos.known_ids.tolist())
    stay = there if len(known) > most else known
    photos = photos.take(np.array(last_rows(photos.known_ids, stay), np.int64))
    photos = replace(photos, reference=read_reference(form.generation / REFERENCE))
    kept = form.settings.read_text()
    new = next_form(folder, form, photos, state)
    with whole(folder, new):
        write_generation(new, photos)
        _drop(form, known - stay, own, who)
        write_text(new.settings, kept)
    return new


def next_form(folder: Path, form: Form, photos: Gallery, state: State) -> Form:
    """That of a generation of these photos, which takes the place of the one that counts."""
    return replace(
        form,
        generation=next_generation(folder),
        base=max((form.base, *state.segments)),
        embedding_size=photos.embeddings.shape[1],
        former="",
    )


def _drop(form: Form, ids: set[str], own: list[int], who: str) -> None:
    """Notes that photos which were removed are no longer stored: that cannot be undone any more."""
    if ids:
        changes = tuple(Change(photo(one), INDIVIDUAL, None, None) for one in sorted(ids))
        own.append(append(form, Decision("compact", changes, who), own[-1]))
