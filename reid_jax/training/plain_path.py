"""A folder of any name by a name that every library reads alike."""

import os
import re
import tempfile
from pathlib import Path, PurePath

from reid_jax.errors import UserError
from reid_jax.platforms import link_folder

_PLAIN = re.compile(r"[\w./ +=,-]*", re.ASCII)
_LENGTH = 1024  # bytes; a library adds names of its own
_URI = re.compile(r"/(gs|s3|az|hf)(/|$)")  # etils takes such a folder for storage in a cloud


class PlainPath:
    """Gives a folder that exists a plain path, by a symbolic link where its own is not one.

    Orbax looks for files by patterns (`[`, `*`, `?`) below the folder, TensorStore reads `\\` as
    `/`, and both add long names of their own. The link goes with `close`, or with this object.

    Attributes:
      path: of the folder.

    Raises:
      UserError: there is no folder for temporary files with a plain path.
    """

    def __init__(self, folder: Path):
        self.path = folder
        self._link: tempfile.TemporaryDirectory[str] | None = None
        if _is_plain(folder):
            return
        self._link = tempfile.TemporaryDirectory(prefix="reid_jax-")
        self.path = Path(self._link.name).resolve() / "folder"
        if not _is_plain(self.path):
            raise UserError(
                f"{folder} has characters in its path that checkpoints cannot be written under, "
                f"and so has {tempfile.gettempdir()}; set TMPDIR to a folder without them."
            )
        link_folder(self.path, folder)

    def close(self) -> None:
        """Removes the link."""
        if self._link is not None:
            self._link.cleanup()


def _is_plain(folder: PurePath) -> bool:
    text = folder.as_posix().removeprefix(folder.drive)
    short = len(os.fsencode(folder)) <= _LENGTH
    return short and _PLAIN.fullmatch(text) is not None and not _URI.match(text)
