"""The photos of a gallery, to be trained on: whose they are is as people decided."""

import re
from collections.abc import Collection

import numpy as np

from reid_jax.data.names import UNKNOWN, is_nobody
from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.folder import Found, checked_dataset
from reid_jax.files import expanded
from reid_jax.individuals.gallery.decided import GROUP
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import COLUMNS, POSITION, Gallery
from reid_jax.remote.folders import brought
from reid_jax.remote.storage import is_url

_NUMBERED = re.compile(rf"{GROUP} \d+")  # by a program; nobody said who that is


def gallery_dataset(where: str, *, unnamed: bool = False, keep: Collection[str] = ()) -> Dataset:
    """The photos of a gallery that take part, with their boxes and dates.

    Photos of a numbered group are nobody's until the group gets a name or they are confirmed.

    Args:
      where: its folder, also by URL.
      unnamed, keep: see :func:`reid_jax.data.photos.folder.folder_dataset`.

    Raises:
      UserError: there is no gallery, or none of its photos is where it was.
    """
    folder = brought(where) if is_url(where) else expanded(where)
    gallery = read_gallery(folder, thumbnails=False)
    found, rows = Found(keep=keep), []
    nobody = of_nobody(gallery)
    for row, (path, name) in enumerate(zip(gallery.paths, gallery.identities, strict=True)):
        if nobody[row] and not unnamed:
            found.skipped.append((path, f'its name is "{name}"'))
        elif found.add(path, UNKNOWN if nobody[row] else name):
            rows.append(row)
    used = np.array(rows, np.int64)
    columns = {name: gallery.columns[name][used] for name in COLUMNS if name in gallery.columns}
    for name in POSITION:
        if name in columns:
            columns[name] = np.array([float(each or "nan") for each in columns[name]], np.float64)
    return checked_dataset(found, columns, f"the gallery {where}")


def of_nobody(gallery: Gallery) -> np.ndarray:
    """``(N,)`` bool, whether nobody has said who a photo shows."""
    names, of = np.unique(gallery.identities.astype(np.str_), return_inverse=True)
    numbered = np.array([bool(_NUMBERED.fullmatch(name)) for name in names], bool)[of]
    if gallery.confirmed is not None:
        numbered &= ~gallery.confirmed
    return numbered | np.array([is_nobody(name) for name in names], bool)[of]
