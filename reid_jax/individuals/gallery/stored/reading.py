"""Reading a gallery: segments and the journal become photos with names."""

import contextlib
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.journal.entries import (
    CONFIRMED,
    GALLERY,
    INDIVIDUAL,
    MARK,
    NAME_FROM,
    State,
    photo,
)
from reid_jax.individuals.gallery.stored import journals
from reid_jax.individuals.gallery.stored.difference import with_facts
from reid_jax.individuals.gallery.stored.layout import (
    FIRST,
    REFERENCE,
    VERSION,
    Form,
    current,
    read_form,
)
from reid_jax.individuals.gallery.stored.segments import read_paths, read_segment, with_ids
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.ops.ranking.eight import joined as joined_embeddings

Read = TypeVar("Read")

WORTH = ("calibration", "calibrated_with", "judged", "familiar_from", "hubs", "sides")
"""Settings that follow from who is who, and from the embeddings."""

TURNS = 100
"""How often somebody else may have been quicker."""


class DamagedError(UserError):
    """Files of a gallery are missing or hold what they should not."""


def read_gallery(folder: Path, *, thumbnails: bool = True, marked: bool = False) -> Gallery:
    """Reads the photos that are in the gallery, as they were decided.

    Embeddings of one segment are mapped, not read.

    Args:
      thumbnails: whether they are needed: they are most of the gallery.
      marked: whether those come, too, that take no part.

    Raises:
      UserError: there is no gallery, a newer version wrote it, or its files are damaged.
    """
    gallery = of_current(folder, lambda form: _read(form, thumbnails))
    return gallery if marked else gallery.taking_part


def of_current(folder: Path, read: Callable[[Form], Read]) -> Read:
    """What a function reads of the generation that counts, however often it is replaced meanwhile.

    Raises:
      UserError: there is no gallery, a newer version wrote it, or its files are damaged.
    """
    for _ in range(TURNS):
        name = current(folder)
        try:
            with _named_damage(folder):
                return read(read_form(folder / name))
        except FileNotFoundError as error:
            if current(folder) == name:  # else a writer was quicker: read what it wrote
                raise DamagedError(
                    f"The gallery {folder} is damaged ({Path(error.filename or name).name} is "
                    "missing); build it again."
                ) from error
        except UserError:
            if current(folder) == name:
                raise
        except PermissionError as error:  # on Windows also while a writer removes what it replaced
            if current(folder) == name:
                raise UserError(f"{error.filename} cannot be read ({error.strerror}).") from error
    raise UserError(f"The gallery {folder} is changed all the time; try again later.")


@contextlib.contextmanager
def _named_damage(folder: Path) -> Iterator[None]:
    """What files can be wrong with, as a sentence about the gallery.

    Raises:
      UserError: for each of it, but for files that are not there or must not be read.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError, UserError):
        raise
    except (
        *(OSError, EOFError, ValueError, LookupError, TypeError),
        *(zipfile.BadZipFile, pyarrow.ArrowException),
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DamagedError(
            f"The gallery {folder} is damaged ({reason}); build it again."
        ) from error


def form_of(folder: Path) -> Form:
    """What the generation that counts says of itself.

    Raises:
      UserError: there is no gallery, a newer version wrote it, or it is damaged.
    """
    return of_current(folder, lambda form: form)


def position_of(folder: Path) -> tuple[str, int]:
    """The generation that counts and the position of the journal: the same while nothing changes.

    Raises:
      UserError: as :func:`read_gallery`.
    """

    def read(form: Form) -> tuple[str, int]:
        position = 0 if form.version == FIRST else journals.reading(form).position
        return form.generation.name, position

    return of_current(folder, read)


def _read(form: Form, thumbnails: bool) -> Gallery:
    if form.version == FIRST:
        return _read_first(form, thumbnails)
    state = journals.reading(form).state()
    everything = everything_of(form, state, thumbnails)
    names, marks, sure = (state.of(what) for what in (INDIVIDUAL, MARK, CONFIRMED))
    rows = last_rows(everything.known_ids, {s.partition("/")[2] for s in names})
    if len(rows) != len(names):
        raise ValueError(f"{len(names)} photos, of which {len(rows)} are stored")
    if rows != list(range(len(everything))):
        everything = everything.take(np.array(rows, np.int64))
    subjects = [photo(one) for one in everything.known_ids]
    gallery = replace(
        with_facts(everything, state.facts),
        identities=np.array([*(names[each] for each in subjects), None], object)[:-1],
        folder=form.generation,
        reference=read_reference(form.generation / REFERENCE),
        position=state.position,
        marks=np.array([marks.get(each, "") for each in subjects], np.str_),
        confirmed=np.array([each in sure for each in subjects], bool),
    )
    return replace(gallery, settings={**_settings(form, state), **_counts(gallery)})


def _read_first(form: Form, thumbnails: bool) -> Gallery:
    from reid_jax.individuals.gallery.stored.local_store import read_local  # needs JAX

    gallery = read_segment(form.generation, form.embedding_size, thumbnails)
    return replace(
        with_ids(gallery, ()),
        settings=form.facts,
        folder=form.generation,
        reference=read_reference(form.generation / REFERENCE),
        local=read_local(form.generation, [form.generation], [len(gallery)]),
    )


def everything_of(form: Form, state: State, thumbnails: bool) -> Gallery:
    """All photos of all segments, also those that were removed."""
    from reid_jax.individuals.gallery.stored.local_store import read_local  # needs JAX

    folders = form.segments(state.segments)
    found = [read_segment(each, form.embedding_size, thumbnails) for each in folders]
    local = read_local(form.generation, folders, [len(each) for each in found])
    if len(found) == 1:
        return replace(found[0], local=local)

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(each, name) for each in found])

    columns = {
        name: np.concatenate([each.column(name) for each in found])
        for name in dict.fromkeys(name for each in found for name in each.columns)
    }
    return replace(
        found[0],
        paths=joined("paths"),
        identities=joined("identities"),
        columns=columns,
        embeddings=joined_embeddings([each.embeddings for each in found]),
        thumbnails=joined("thumbnails") if thumbnails else None,
        local=local,
        ids=joined("ids"),
    )


def all_photos(form: Form, state: State) -> Gallery:
    """Each photo that is stored once, as it is stored, also those that were removed."""
    photos = everything_of(form, state, thumbnails=True)
    rows = last_rows(photos.known_ids, set(photos.known_ids.tolist()))
    return photos.take(np.array(rows, np.int64))


def paths_of(form: Form, state: State) -> dict[str, str]:
    """How the paths of the photos of all segments were stored when they came, by id."""
    found: dict[str, str] = {}
    for segment in form.segments(state.segments):
        found |= read_paths(segment)
    return found


def last_rows(ids: np.ndarray, there: set[str]) -> list[int]:
    """The rows of these photos: of one that came back after it was removed, the last."""
    last = {one: row for row, one in enumerate(ids.tolist())}
    return sorted(last[one] for one in there if one in last)


def read_reference(path: Path) -> dict[str, np.ndarray]:
    """Arrays about the network's training; none where the file is not there."""
    if not path.exists():
        return {}
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _counts(gallery: Gallery) -> dict[str, Any]:
    return {
        "version": VERSION,
        "embedding_size": gallery.embeddings.shape[1],
        "num_photos": len(gallery),
        "num_individuals": len(np.unique(gallery.identities)),
    }


def _settings(form: Form, state: State) -> dict[str, Any]:
    """The settings, without what no longer follows from who is who."""
    kept = json.loads(form.settings.read_text())
    settings: dict[str, Any] = kept["settings"]
    settings.pop(NAME_FROM, None)
    if (chosen := state.facts.get((GALLERY, NAME_FROM))) is not None:
        settings[NAME_FROM] = json.loads(chosen)
    if kept["names_changed"] == state.names_changed:
        return settings
    settings = {name: value for name, value in settings.items() if name not in WORTH}
    if "evidence" in settings:
        settings["evidence"] = {"kind": settings["evidence"]["kind"]}
    return settings
