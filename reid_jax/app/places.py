"""Where a server keeps things; no path is ever made from what a request says."""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reid_jax.data.photos.images import EXTENSIONS
from reid_jax.errors import UserError
from reid_jax.files import check_destinations, make_folder, share
from reid_jax.platforms import replace, sync, sync_folder

FILMS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".3gp", ".wmv")
"""Endings of names that are taken for films."""

SIZES = ("large", "small", "whole")
"""Of pictures; the whole photo is another one than the large picture where a box was drawn."""

OFFERED, OFFERED_LIST = "offered", "offered.json"
"""The folder with frames of a film that may be chosen, and the file in it that lists them."""

_ID = re.compile(r"[0-9a-f]{32}")
_LONGEST = 200  # characters of a name


def is_id(text: str) -> bool:
    """Whether a text is a name of content, which is safe as that of a file."""
    return _ID.fullmatch(text) is not None


def ending_of(name: str) -> str:
    """The known ending of a name, of a photo or a film; "" for any other."""
    found = os.path.splitext(name)[1].lower()
    return found if found in (*EXTENSIONS, *FILMS) else ""


def shown_name(name: str) -> str:
    """A name as it is kept and shown: its last part, on one line, not endless."""
    last = re.split(r"[/\\]", name)[-1]
    line = "".join(letter if letter.isprintable() else " " for letter in last).strip()
    return line[:_LONGEST] or "without a name"


def _check(known: bool) -> None:
    if not known:
        raise ValueError("a name that is none of content")


@dataclass(frozen=True)
class Places:
    """The folder of a server.

    Attributes:
      folder: it. In it are `photos/` and `films/` (what was dropped, by content), `pictures/` (to
        be looked at, made again when they are missing), `arrivals.sqlite`, `tokens.json`,
        `users.sqlite`, `log/`.
    """

    folder: Path

    @property
    def arrivals(self) -> Path:
        """The file that says what was dropped."""
        return self.folder / "arrivals.sqlite"

    @property
    def tokens(self) -> Path:
        """The file with digests of tokens."""
        return self.folder / "tokens.json"

    @property
    def users(self) -> Path:
        """The file with who may sign in."""
        return self.folder / "users.sqlite"

    @property
    def thumbnails(self) -> Path:
        """The folder with small pictures of the gallery, which are made again when missing."""
        return self.folder / "thumbnails"

    @property
    def log(self) -> Path:
        """What the server writes of itself, a JSON object a line."""
        return self.folder / "log" / "server.jsonl"

    @property
    def child_log(self) -> Path:
        """What the programs that work for the server print."""
        return self.folder / "log" / "children.txt"

    def dropped(self, kind: str, id: str, ending: str) -> Path:
        """The place of a dropped file."""
        _check(is_id(id) and ending == ending_of(f"a{ending}"))
        return self.folder / f"{kind}s" / f"{id}{ending}"

    def picture(self, id: str, size: str) -> Path:
        """The place of a picture to be looked at, one of `SIZES`."""
        _check(is_id(id) and size in SIZES)
        return self.folder / "pictures" / id[:2] / f"{id}-{size}.jpg"

    def film(self, id: str) -> Path:
        """The folder with the keyframes of a film."""
        _check(is_id(id))
        return self.folder / "keyframes" / id

    def compared(self, first: str, second: str) -> Path:
        """The folder with pictures of frames of two films that are alike."""
        _check(is_id(first) and is_id(second))
        return self.folder / "keyframes" / f"alike-{first}-{second}"

    def prepare(self) -> None:
        """Makes the folders.

        Raises:
          UserError: they cannot be made.
        """
        check_destinations(folder=self.folder)
        try:
            for name in ("photos", "films", "pictures", "keyframes", "log", "incoming"):
                make_folder(self.folder / name)
            for left in (self.folder / "incoming").iterdir():  # by who was killed
                left.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{self.folder} cannot be written to ({error.strerror}).") from error

    @contextlib.contextmanager
    def incoming(self) -> Iterator[tuple[Path, IO[bytes]]]:
        """A file for what comes; it is removed unless `keep` moves it."""
        path = self.folder / "incoming" / secrets.token_hex(16)
        try:
            with open(path, "x+b") as file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)

    def keep(self, file: IO[bytes], path: Path, place: Path) -> None:
        """Puts what came into its place, on the disk when this returns."""
        sync(file)
        share(path)
        replace(path, place)
        sync_folder(place.parent)
