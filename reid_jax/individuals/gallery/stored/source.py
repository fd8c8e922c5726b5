"""The photos of a gallery, to be trained on: whose they are is as people decided."""

from collections.abc import Collection

import numpy as np

from reid_jax.data.names import UNKNOWN, is_nobody
from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.folder import Found, checked_dataset
from reid_jax.files import expanded
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import COLUMNS
from reid_jax.remote.folders import brought
from reid_jax.remote.storage import is_url


def gallery_dataset(where: str, *, unnamed: bool = False, keep: Collection[str] = ()) -> Dataset:
    """The photos of a gallery that take part, with their boxes and dates.

    Args:
      where: its folder, also by URL.
      unnamed, keep: see :func:`reid_jax.data.photos.folder.folder_dataset`.

    Raises:
      UserError: there is no gallery, or none of its photos is where it was.
    """
    folder = brought(where) if is_url(where) else expanded(where)
    gallery = read_gallery(folder, thumbnails=False)
    found, rows = Found(keep=keep), []
    for row, (path, name) in enumerate(zip(gallery.paths, gallery.identities, strict=True)):
        if is_nobody(name) and not unnamed:
            found.skipped.append((path, f'its name is "{name}"'))
        elif found.add(path, UNKNOWN if is_nobody(name) else name):
            rows.append(row)
    used = np.array(rows, np.int64)
    columns = {name: gallery.columns[name][used] for name in COLUMNS if name in gallery.columns}
    return checked_dataset(found, columns, f"the gallery {where}")
