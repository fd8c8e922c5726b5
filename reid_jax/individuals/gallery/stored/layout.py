"""The names of a gallery's files, which of them count, and what is left over.

    GALLERY/CURRENT                   the name of the generation that counts
    GALLERY/journal.db                who each photo is, and every decision about it
    GALLERY/settings-N.json           what the similarities are worth; follows from the rest
    GALLERY/generation-N/             gallery.json, reference.npz, local_background.npz, and
    GALLERY/generation-N/segment-K/   photos that were written at once, see `segments`

A generation with other embeddings names the one before it, to which one can go back until photos
come. In the first form a generation was all of the gallery, and written anew at each change.
"""

import contextlib
import json
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_jax.errors import UserError
from reid_jax.files import PROBE, check_form
from reid_jax.platforms import patiently

VERSION = 2
FIRST = 1  # the form without a journal
CURRENT = "CURRENT"
LOCK = ".lock"
REFERENCE = "reference.npz"
JOURNAL = "journal"
_GENERATION, _SEGMENT, _SETTINGS = "generation-", "segment-", "settings-"
_FORM = "gallery.json"
_ASIDE = "kept-"


@dataclass(frozen=True)
class Form:
    """What a generation says of itself.

    Attributes:
      generation: its folder.
      version: of its form.
      gallery: by what a journal knows the gallery.
      journal: the name of the SQLite file beside the generation, or the URL of a database.
      base: the segment that holds what is left of all up to it.
      embedding_size: how many numbers a photo has.
      kept: the name of the generation of the first form that it was made of; "" for none.
      former: that of the one with other embeddings whose place it took, and which stays; "" for
        none.
      facts: all that stands there.
    """

    generation: Path
    version: int
    gallery: str
    journal: str
    base: int
    embedding_size: int
    kept: str
    facts: dict[str, Any]
    former: str = ""

    @property
    def settings(self) -> Path:
        """The file with the settings of the generation."""
        return self.generation.parent / _settings_of(self.generation.name)

    def segments(self, named: Sequence[int]) -> list[Path]:
        """The folders of the segments that count, of those that decisions named."""
        numbers = [self.base, *(number for number in named if number > self.base)]
        return [self.segment(number) for number in numbers]

    def segment(self, number: int) -> Path:
        """The folder of a segment."""
        return self.generation / f"{_SEGMENT}{number:06d}"

    def as_json(self) -> str:
        """As it is written."""
        facts = {
            "version": self.version,
            "gallery": self.gallery,
            "journal": self.journal,
            "base": self.base,
            "embedding_size": self.embedding_size,
            "kept": self.kept,
            "former": self.former,
        }
        return json.dumps(facts, indent=2) + "\n"

    def write(self, opened: Any) -> None:
        """Writes it into its generation."""
        with opened(self.generation / _FORM) as file:
            file.write(self.as_json().encode())


def _settings_of(generation: str) -> str:
    return f"{_SETTINGS}{generation.removeprefix(_GENERATION)}.json"


def read_form(generation: Path) -> Form:
    """What a generation says of itself.

    Raises:
      FileNotFoundError: it is not there.
      UserError: a newer version wrote it.
      ValueError, LookupError: it is damaged.
    """
    facts = json.loads((generation / _FORM).read_text())
    check_form(generation.parent, facts["version"], VERSION)
    first = facts["version"] == FIRST
    return Form(
        generation=generation,
        version=facts["version"],
        gallery="" if first else facts["gallery"],
        journal="" if first else facts["journal"],
        base=0 if first else facts["base"],
        embedding_size=facts["embedding_size"],
        kept="" if first else facts["kept"],
        facts=facts,
        former=facts.get("former", ""),
    )


def is_gallery(folder: Path) -> bool:
    """Whether there is a gallery."""
    return (folder / CURRENT).is_file()


def current(folder: Path) -> str:
    """The name of the generation that counts.

    Raises:
      UserError: the folder is not that of a gallery.
    """
    if not folder.is_dir():
        raise UserError(f"There is no gallery {folder}; make one with reid-jax gallery build.")
    try:
        name = patiently((folder / CURRENT).read_text).strip()
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} is not a gallery: it has no file {CURRENT}; make one with "
            "reid-jax gallery build."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{folder / CURRENT} cannot be read ({error}).") from error
    if not name.startswith(_GENERATION) or "/" in name:
        raise UserError(f"The gallery {folder} is damaged (its file {CURRENT} names none).")
    return name


def next_generation(folder: Path) -> Path:
    """A folder for the next generation, which is not there."""
    numbers = [0]
    for path in folder.glob(f"{_GENERATION}*"):
        with contextlib.suppress(ValueError):
            numbers.append(int(path.name.removeprefix(_GENERATION)))
    return folder / f"{_GENERATION}{max(numbers) + 1:06d}"


def is_foreign(folder: Path) -> bool:
    """Whether something lies there that is not of a gallery."""
    if not folder.is_dir():
        return True
    return any(not _ours(path.name) for path in folder.iterdir())


def _ours(name: str) -> bool:
    starts = (LOCK, PROBE, f".{CURRENT}.", _GENERATION, _SETTINGS, f".{_SETTINGS}", JOURNAL, _ASIDE)
    return name == CURRENT or name.startswith((*starts, f".{JOURNAL}"))


def keep_journals(folder: Path) -> None:
    """Sets journals aside which may hold decisions, where nothing says whether they count."""
    for path in folder.glob(f"{JOURNAL}*.db") if is_gallery(folder) else ():
        path.rename(path.with_name(f"{_ASIDE}{secrets.token_hex(4)}-{path.name}"))


def remove_others(folder: Path, form: Form | None, *, former: bool = True) -> None:
    """Removes what killed writers left, and what another generation took the place of.

    Args:
      former: whether the one with other embeddings stays, if there is one.
    """
    counts = [] if form is None else [form.generation.name, form.settings.name]
    if form is not None:
        counts += [form.kept, *(form.journal + end for end in ("", "-wal", "-shm", "-journal"))]
        if form.former and former:
            counts += [form.former, _settings_of(form.former)]
    for path in folder.iterdir():
        if path.name in counts or not _ours(path.name):
            continue
        if path.name.startswith((_GENERATION, PROBE)):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith((f".{CURRENT}.", _SETTINGS, JOURNAL, ".settings", ".journal")):
            path.unlink(missing_ok=True)
