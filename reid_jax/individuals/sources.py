"""Sources of photos of individuals: those of files, and galleries with the names decided there."""

from collections.abc import Collection

from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.reading import Reading
from reid_jax.data.photos.sources import Source
from reid_jax.data.photos.sources import load_dataset as load_files

_PLAIN = Reading()


def load_dataset(
    source: str,
    *,
    seed: int = 0,
    unnamed: bool = False,
    keep: Collection[str] = (),
    reading: Reading = _PLAIN,
) -> Dataset:
    """Loads the photos that `source` names.

    What it may be says :func:`reid_jax.data.photos.sources.load_dataset`; besides it may be
    gallery:PATH, the photos of a gallery with the names that people decided, but for those that
    take no part.

    Args:
      source: see there, as the other arguments.

    Raises:
      UserError: the source is not one of these, does not exist or holds no usable photo.

    Example:
      >>> photos = rj.load_dataset("folder:photos", seed=0)
      >>> len(photos), photos.identities[:2]
      (18, ('animal 0', 'animal 1'))
      >>> photos.load(np.arange(4), size=32).shape
      (4, 32, 32, 3)
    """
    return load_files(
        source, seed=seed, unnamed=unnamed, keep=keep, reading=reading, also={"gallery": _GALLERY}
    )


def _gallery(where: str, unnamed: bool, keep: Collection[str]) -> Dataset:
    from reid_jax.individuals.gallery.stored.source import gallery_dataset

    return gallery_dataset(where, unnamed=unnamed, keep=keep)


_GALLERY = Source(_gallery, "write gallery:PATH, the folder of a gallery")
