"""What is said of photos: what a gallery says, and what a table or a folder says."""

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reid_jax.data.crops import Box, whole_and_box
from reid_jax.errors import UserError
from reid_jax.files import below, common_folder
from reid_jax.individuals.gallery.journal.entries import (
    CONFIRMED,
    INDIVIDUAL,
    LINK,
    MARK,
    NOTE,
    State,
    individual,
    photo,
)
from reid_jax.individuals.gallery.store import converted
from reid_jax.individuals.gallery.stored import journals
from reid_jax.individuals.gallery.stored.reading import TURNS, form_of, of_current, read_gallery
from reid_jax.individuals.gallery.value import COLUMNS, Gallery
from reid_jax.remote.storage import is_url

_DRIVE = re.compile(r"^([A-Za-z]):(?=/)")


@dataclass(frozen=True)
class Said:
    """What is said of a photo, or of a part of one.

    Attributes:
      path: of the whole photo: in a gallery all of it, in a source as it stands there.
      box: the part; None for all of it.
      id: by which a gallery knows it, "" where that is not said.
      facts: values by attributes of the journal (INDIVIDUAL, CONFIRMED, NOTE, MARK, and those of
        COLUMNS); of what is not there nothing is said.
      where: the place in a source, for a sentence.
    """

    path: str
    box: Box | None = None
    id: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    def of(self, attribute: str) -> str:
        """A value, "" where nothing is said."""
        return self.facts.get(attribute, "")

    @property
    def date(self) -> np.datetime64:
        """When it was taken, datetime64[s]; NaT where nobody says."""
        return np.datetime64(self.of("date") or "NaT", "s")


@dataclass(frozen=True)
class Content:
    """All that is said in one place.

    Attributes:
      photos: in their order.
      notes: about individuals, by name.
      links: what is said of two photos, by their ids.
      root: the folder that holds all photos of a gallery, "" where there is none; of a source, that
        from which its paths are.
      gallery: by what a journal knows the gallery; "" for a source.
      remarks: sentences about how a source was read.
      skipped: what of a source could not be read, and why.
    """

    photos: Sequence[Said]
    notes: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[tuple[str, str], str] = field(default_factory=dict)
    root: str = ""
    gallery: str = ""
    remarks: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> list[str]:
        """How each photo is called in what is written: below the root, never from the first folder
        of a disk on."""
        return [relative_name(each.path, self.root) for each in self.photos]

    @property
    def individuals(self) -> list[str]:
        """The names, sorted, each once."""
        return sorted({each.of(INDIVIDUAL) for each in self.photos} - {""})


def read_content(folder: Path, who: str = "") -> Content:
    """What a gallery says, also of the photos that take no part.

    Raises:
      UserError: there is no gallery, or it is damaged.
    """
    gallery, state = consistent(folder, who)
    notes, photos = state.of(NOTE), said_by(gallery, state)
    there = {each.id for each in photos}
    pairs = {tuple(subject.split("/")[1:]): what for subject, what in state.of(LINK).items()}
    named = {each.of(INDIVIDUAL) for each in photos}
    return Content(
        photos,
        {name: notes[individual(name)] for name in sorted(named) if individual(name) in notes},
        {(ids[0], ids[1]): what for ids, what in pairs.items() if there.issuperset(ids)},
        root_of(each.path for each in photos),
        form_of(folder).gallery,
    )


def said_by(gallery: Gallery, state: State) -> list[Said]:
    """What a gallery says of each of its photos.

    Args:
      state: of its journal.
    """
    photos = []
    columns = {name: _texts(gallery.column(name)) for name in COLUMNS}
    for row, one in enumerate(gallery.known_ids.tolist()):
        path, box = whole_and_box(str(gallery.paths[row]))
        said = {
            INDIVIDUAL: str(gallery.identities[row]),
            **{name: state.facts.get((photo(one), name), "") for name in (CONFIRMED, NOTE, MARK)},
            **{name: texts[row] for name, texts in columns.items()},
        }
        photos.append(Said(path, box, one, {what: text for what, text in said.items() if text}))
    return photos


def consistent(folder: Path, who: str = "") -> tuple[Gallery, State]:
    """A gallery without thumbnails, and the state of its journal at the very same decision.

    Args:
      who: reads; a gallery of an earlier form is converted.

    Raises:
      UserError: there is no gallery, or it is changed all the time.
    """
    converted(folder, who)
    for _ in range(TURNS):
        gallery = read_gallery(folder, thumbnails=False, marked=True)
        state = of_current(folder, lambda form: journals.reading(form).state())
        if state.position == gallery.position:
            return gallery, state
    raise UserError(f"The gallery {folder} is changed all the time; try again later.")


def _texts(column: np.ndarray) -> list[str]:
    """The values of a column as texts, "" where nobody knows one."""
    if column.dtype.kind != "M":
        return [str(value) for value in column.tolist()]
    texts = np.datetime_as_string(column.astype("datetime64[s]"))
    found: list[str] = np.where(np.isnat(column), "", texts).tolist()
    return found


def root_of(paths: Iterable[str]) -> str:
    """The innermost folder that holds all of these files; "" where that is all of a disk."""
    folder = common_folder(list(dict.fromkeys(map(posixpath.dirname, paths))) or [""])
    return folder if is_url(folder) or folder.strip("/").count("/") else ""


def relative_name(path: str, root: str) -> str:
    """A path below a root; of one elsewhere, all of it without what makes it absolute."""
    if is_url(path) and not path.startswith(root.rstrip("/") + "/"):
        return path
    found = _DRIVE.sub(r"\1", below(root, path)).lstrip("/")
    return found or posixpath.basename(path)
