"""Photos that a person names to ask about: files, parts of them, folders, tables of boxes."""

import os
from collections.abc import Sequence

from reid_jax.data.crops import whole_and_box
from reid_jax.data.listing import Look, look, looking_at
from reid_jax.data.photos.folder import Found, find_photos
from reid_jax.data.photos.reading import Reading
from reid_jax.data.photos.sources import load_dataset
from reid_jax.platforms import with_slashes
from reid_jax.remote.storage import is_url, list_url

_TABLES = ("csv", "coco", "megadetector")
_PLAIN = Reading()


def where_of(word: str) -> str:
    """The file or folder that a word names: what stands behind the colon of `csv:FILE`."""
    kind, _, where = word.partition(":")
    return where if where and kind in _TABLES and not os.path.lexists(word) else word


def list_photos(photos: Sequence[str], reading: Reading = _PLAIN) -> Found:
    """Files, those in folders and the parts in tables included, each once; and what is neither,
    with a reason.

    Args:
      photos: files, parts of photos (see `data.crops`), folders, also by URL; and `csv:FILE`,
        `coco:FILE`, `megadetector:FILE`, whoever they name.
      reading: how such a table is read.

    Raises:
      UserError: there is no such table, or no photo of it can be used.
    """
    found = Found()
    files, skipped = found.files, found.skipped
    for path in photos:
        if where_of(path) != path:
            dataset = load_dataset(path, unnamed=True, reading=reading)
            files += dataset.paths.tolist()
            skipped += dataset.skipped
            continue
        path = with_slashes(os.path.expanduser(path))
        into: Look = look
        if is_url(path):
            path, below = path.rstrip("/"), list_url(path)
            if not below or "" in below:
                files.append(path)
                continue
            into = looking_at(below, path)
        if is_url(path) or os.path.isdir(path):
            before = len(files)
            files += find_photos(path, found, into)
            if len(files) == before:
                skipped.append((path, "there is no photo in this folder"))
        elif os.path.isfile(whole_and_box(path)[0]):
            files.append(path)
        else:
            exists = os.path.lexists(path)
            skipped.append((path, "it is not a file" if exists else "the file is missing"))
    found.files = list(dict.fromkeys(files))
    return found
