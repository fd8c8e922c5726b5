"""A folder for each individual."""

import collections
import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reid_jax.console import Bar
from reid_jax.data.elsewhere import is_elsewhere
from reid_jax.data.leftovers import ending_of, leftover, made_here
from reid_jax.data.listing import Look, look, looking_at
from reid_jax.data.names import UNKNOWN, composed, file_key, is_nobody, look_alikes, merged
from reid_jax.data.photos.checks import check_images
from reid_jax.data.photos.content import COLUMN, shared_by_individuals
from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.images import is_photo_name, is_picture
from reid_jax.data.videos.keyframe_folders import KEYFRAME, MARK, read_mark
from reid_jax.errors import UserError
from reid_jax.platforms import with_slashes
from reid_jax.remote.storage import is_url, list_url

NOWHERE = "not in the folder of an individual"
_NAMED = 3  # individuals, in a note


@dataclass
class Found:
    """What became of the files of a source.

    Attributes:
      files, names: photos, and whose they are.
      skipped, passed_over, notes: see `Dataset`.
      keep: files that are taken whatever speaks against it, as a run has used them already.
    """

    files: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    passed_over: collections.Counter[str] = field(default_factory=collections.Counter)
    notes: list[str] = field(default_factory=list)
    keep: Collection[str] = ()

    def __post_init__(self) -> None:
        self.keep = frozenset(self.keep)
        self._rows: dict[object, int] = {}

    def add(self, file: str, name: str, where: str = "") -> bool:
        """Takes a photo of an individual, unless it is there already; `where` is for the reason."""
        row = len(self.files)
        with contextlib.suppress(OSError):  # the check names what is wrong with it
            row = self._rows.setdefault(file_key(file), row)
        if row < len(self.files) and file not in self.keep:
            owner = composed(self.names[row])
            who = "" if owner == composed(name) else f", which is of {owner}"
            self.skipped.append((file, f"the same file as {self.files[row]}{who}{where}"))
            return False
        self.files.append(file)
        self.names.append(name)
        return True


def folder_dataset(path: str, *, unnamed: bool = False, keep: Collection[str] = ()) -> Dataset:
    """The photos below `path`: each folder directly in it is an individual.

    Folders may be nested and linked to any depth. What is a photo is decided by `find_photos`.
    Photos in `path` itself and in a folder that names nobody ("unknown", see `names.is_nobody`) are
    skipped, and so is a file that is linked to once more.

    Args:
      path: the folder, also by URL.
      unnamed: whether photos of nobody are taken too, as those of one individual "unknown": enough
        to embed them.
      keep: files that are taken whatever speaks against it, as a run has used them already.

    Raises:
      UserError: `path` is not a folder, or there is no usable photo in it.
    """
    if is_url(path):
        root = path.rstrip("/")
        files = [file for file in list_url(root) if file]
        what = None if files else "holds no files"
        looks: Mapping[str, Look] = {root: looking_at(files, root)}
    else:
        root = with_slashes(os.path.expanduser(path))
        what = "is not a folder" if os.path.exists(root) else "does not exist"
        what = None if os.path.isdir(root) else what
        looks = {root: look}
    if what:
        raise UserError(f"{path} {what}: folder: needs a folder with one folder per individual.")
    return dataset_below(looks, path, unnamed=unnamed, keep=keep)


def dataset_below(
    looks: Mapping[str, Look], source: str, *, unnamed: bool, keep: Collection[str]
) -> Dataset:
    """The photos below roots, in each of which a folder is an individual; see `folder_dataset`.

    Args:
      looks: by the path of each root, how it is looked into.
      source: what is named when there is no photo.
    """
    found = Found(keep=keep)
    nested: dict[str, None] = {}
    for root, into in looks.items():
        for file in find_photos(root, found, into):
            individual, separator, rest = _below(root, file).partition("/")
            nobody = not separator or is_nobody(individual)
            if nobody and not unnamed and file not in keep:
                why = f'nobody is called "{individual}"' if separator else NOWHERE
                found.skipped.append((file, why))
            elif found.add(file, individual if separator else UNKNOWN) and "/" in rest:
                nested[composed(individual)] = None
    if nested:
        which = "1 individual has" if len(nested) == 1 else f"{len(nested):,} individuals have"
        others = ", ..." if len(nested) > _NAMED else ""
        found.notes.append(
            f"{which} sub-folders ({', '.join(list(nested)[:_NAMED])}{others}); were the inner "
            "ones meant?"
        )
    return checked_dataset(found, {}, source)


def _below(root: str, file: str) -> str:
    """The path of a file from a root, with `/`."""
    if is_elsewhere(file):
        return file.removeprefix(root + "/")
    return with_slashes(os.path.relpath(file, root))


def find_photos(folder: str, found: Found, into: Look = look) -> Iterator[str]:
    """The photos below `folder`, in order of their names; `into` is how it is looked into.

    A file is one when it has the extension of an image, or when it is a picture by its content.
    What systems and programs leave, this one included (see `leftovers`), raw files of cameras and
    all that is no picture are counted in `found.passed_over`; folders that cannot be read are in
    `found.skipped`.
    """
    kept_folders: set[str] = set()
    for file in found.keep:
        while (file := os.path.dirname(file)) and file not in kept_folders and file != folder:
            kept_folders.add(file)
    bar = Bar("Looking for photos", None)
    files = _walk(folder, found, kept_folders, (os.path.realpath(folder),), into)
    try:
        for number, photo in enumerate(files):
            bar.update(number)
            yield photo
    finally:
        bar.close()


def _walk(
    folder: str, found: Found, kept_folders: set[str], ancestors: tuple[str, ...], into: Look
) -> Iterator[str]:
    try:
        entries = into(folder)
    except OSError as error:
        found.skipped.append((folder, f"the folder cannot be read ({error.strerror})"))
        return
    names = {entry.name for entry in entries}
    ours = made_here(names)
    if ours and len(ancestors) > 1 and folder not in kept_folders:
        found.passed_over[ours] += 1
        return
    of_a_film = MARK in names and (into is not look or read_mark(Path(folder)) is not None)
    for entry in entries:
        path = entry.path
        kept = path in (kept_folders if entry.is_folder else found.keep)
        if (left := leftover(entry.name, entry.is_folder)) and not kept:
            found.passed_over[left] += 1
        elif entry.is_folder:
            if entry.real not in ancestors:  # a link back up would never end
                yield from _walk(path, found, kept_folders, (*ancestors, entry.real), into)
        elif of_a_film and not entry.name.startswith(KEYFRAME) and not kept:
            found.passed_over["beside keyframes"] += 1  # the contact sheet, the timeline
        elif entry.odd:
            found.passed_over["no file"] += 1  # a pipe would keep its reader waiting
        elif kept or is_photo_name(entry.name) or is_picture(path):
            yield path
        else:
            found.passed_over[ending_of(entry.name)] += 1


def checked_dataset(
    found: Found,
    columns: Mapping[str, np.ndarray],
    source: str,
    unread: Mapping[str, str] | None = None,
) -> Dataset:
    """A dataset of those files that can be decoded; the others are skipped.

    Args:
      found: N files and what became of the others.
      columns: facts about the files, (N,) each.
      source: what is named when there is no photo.
      unread: see `Dataset`.

    Raises:
      UserError: none is left.
    """
    reasons, digests = check_images(found.files)
    columns = {**columns, COLUMN: digests}
    bad = [(f, reason) for f, reason in zip(found.files, reasons, strict=True) if reason]
    skipped = found.skipped + bad
    usable = np.array([reason is None for reason in reasons], bool)
    if not usable.any():
        count = f"{len(skipped)} were skipped, {': '.join(skipped[0])}" if skipped else ""
        over = sum(found.passed_over.values())
        count += f"{count and '; '}{over} files or folders were passed over" if over else ""
        raise UserError(
            f"There is no usable photo in {source}{count and f' ({count})'}: it needs images such "
            "as .jpg or .png, in a folder or under a name for each individual."
        )
    identities, owners = merged(
        [name for name, use in zip(found.names, usable, strict=True) if use]
    )
    if alike := look_alikes(identities):
        one, other = alike[0]
        more = f", and {len(alike) - 1:,} more" if len(alike) > 1 else ""
        found.notes.append(
            f'"{one}" and "{other}"{more} differ only in case or spaces; are they one individual?'
        )
    paths, labels = np.array(found.files)[usable], np.array(owners, np.int32)
    twice = shared_by_individuals(digests[usable], labels)
    if len(twice):
        found.notes.append(
            f"{len(twice):,} photos are exact copies of one of another individual, such as "
            f"{paths[twice[0]]} and {paths[twice[1]]}"
        )
    return Dataset(
        paths=paths,
        labels=labels,
        identities=identities,
        columns={name: column[usable] for name, column in columns.items()},
        skipped=tuple(skipped),
        passed_over=dict(found.passed_over),
        notes=tuple(found.notes),
        unread=unread or {},
    )
