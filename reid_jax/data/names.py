"""Names of individuals and of files, which come in two Unicode forms and may name nobody."""

import os
import posixpath
import unicodedata
from collections.abc import Sequence

from reid_jax.data.crops import whole_and_box
from reid_jax.data.elsewhere import is_elsewhere
from reid_jax.platforms import with_slashes
from reid_jax.remote.storage import is_url, list_url

MISSING = ("", "nan", "nat", "none", "null", "na", "n/a", "<na>")
"""What tables have where a value is missing, in lower case."""

UNKNOWN = "unknown"
"""What is said of whom nobody knows; no name of an individual."""


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which names are compared.

    macOS writes an accent as a character of its own, others write one character for both.
    """
    return unicodedata.normalize("NFC", name)


def is_nobody(name: str) -> bool:
    """Whether a name says that nobody knows who it is: "unknown", "nan", empty, ...

    One rule for folders, tables and galleries. wildlife-datasets writes "unknown", pandas "nan".
    """
    return composed(name).strip().lower() in (*MISSING, UNKNOWN)


def merged(names: list[str]) -> tuple[tuple[str, ...], list[int]]:
    """The distinct names, composed, and which of them each name is.

    They are in the order of the names as they were given, so that the labels of a run that was
    trained before names were composed stay what they were.
    """
    first: dict[str, str] = {}
    for name in sorted(set(names)):
        first.setdefault(composed(name), name)
    order = sorted(first, key=first.__getitem__)
    place = {name: row for row, name in enumerate(order)}
    return tuple(order), [place[composed(name)] for name in names]


def look_alikes(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ in case, spaces or what cannot be seen alone, with the first."""
    first: dict[str, str] = {}
    pairs = []
    for name in names:
        seen = "".join(
            letter
            for letter in unicodedata.normalize("NFKC", name).casefold()
            if unicodedata.category(letter) != "Cf"  # zero width, marks of direction
        )
        other = first.setdefault(" ".join(seen.split()), name)
        if other is not name:
            pairs.append((other, name))
    return pairs


class FileFinder:
    """Finds files and folders by names whose Unicode form, or slashes, are another system's."""

    def __init__(self, folder: str):
        self._folder = folder
        self._listed: dict[str, dict[str, str]] = {}

    def find(self, name: str) -> str | None:
        """The path of the file, as it is on this disk, or None; a URL is not looked for."""
        if is_url(name):
            return name
        for spelled in dict.fromkeys((name, name.replace("\\", "/"))):  # written on Windows
            if "\0" in spelled:
                continue
            file = with_slashes(os.path.join(self._folder, spelled))
            if os.path.isfile(file):
                return file
            found = None if spelled.isascii() else self._in_another_form(file)
            if found and os.path.isfile(found):
                return found
        return None

    def find_folder(self, name: str) -> str | None:
        """The path of the folder, as it is on this disk, or None."""
        found = self._in_another_form(with_slashes(os.path.join(self._folder, name)))
        return found if found and os.path.isdir(found) else None

    def _in_another_form(self, file: str) -> str | None:
        """`file`, each part of its path in the form that its folder lists."""
        if os.path.lexists(file) or not file:
            return file
        drive, rest = os.path.splitdrive(file)
        place = drive + (os.sep if os.path.isabs(file) else "")
        for part in rest.split("/"):
            if not part or part == ".":
                continue
            there = os.path.join(place, part)
            if not os.path.lexists(there):
                known = self._listing(place or ".").get(composed(part))
                if known is None:
                    return None
                there = os.path.join(place, known)
            place = there
        return with_slashes(place)

    def _listing(self, folder: str) -> dict[str, str]:
        if folder not in self._listed:
            try:
                names = os.listdir(folder)
            except OSError:
                names = []
            self._listed[folder] = {composed(name): name for name in names}
        return self._listed[folder]


class UrlFinder:
    """The same for files below a URL, which are listed once."""

    def __init__(self, folder: str):
        self._folder = folder.rstrip("/")
        self._listed: dict[str, str] | None = None

    def find(self, name: str) -> str | None:
        """The URL of the file as it is spelled there, or None; other URLs are not looked for."""
        if is_url(name):
            return name
        if self._listed is None:
            self._listed = {composed(path): path for path in list_url(self._folder)}
        for spelled in (name, name.replace("\\", "/")):  # written on Windows
            path = self._listed.get(composed(posixpath.normpath(spelled)))
            if path is not None:
                return f"{self._folder}/{path}"
        return None


def finder_in(folder: str) -> FileFinder | UrlFinder:
    """What finds files by their names from a folder, also by URL."""
    return UrlFinder(folder) if is_url(folder) else FileFinder(folder)


def file_key(path: str) -> tuple[object, ...] | str:
    """What two paths of one file have in common: links, `./x.jpg`, another case or Unicode form.

    The same part of one photo (see `crops`) is the same, too.

    Raises:
      OSError: there is no such file.
    """
    whole, box = whole_and_box(path)
    if box is not None:
        return (file_key(whole), str(box))
    if is_elsewhere(path):
        return path
    facts = os.stat(path)
    # Some network disks give every file the number 0.
    return (facts.st_dev, facts.st_ino) if facts.st_ino else os.path.realpath(path)
