"""One string names a data source: `kind:where`."""

import difflib
import os
import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.reading import SIDE, Reading, with_sides, without_ignored
from reid_jax.errors import UserError
from reid_jax.remote.storage import is_url

_PLAIN = Reading()


class _Options(NamedTuple):
    seed: int
    unnamed: bool
    keep: Collection[str]
    reading: Reading


class Source(NamedTuple):
    """A kind of source that a room above this one knows.

    Attributes:
      load: of where, unnamed and keep as :func:`load_dataset` has them.
      usage: how it is written.
    """

    load: Callable[[str, bool, Collection[str]], Dataset]
    usage: str


def load_dataset(
    source: str,
    *,
    seed: int = 0,
    unnamed: bool = False,
    keep: Collection[str] = (),
    reading: Reading = _PLAIN,
    also: Mapping[str, Source] = MappingProxyType({}),
) -> Dataset:
    """Loads the photos that `source` names.

    folder:PATH        a folder for each individual, photos at any depth below it
    csv:PATH           a metadata.csv of wildlife-datasets, or its folder
    tar:PATH           tars such as shards/{000..099}.tar, a folder of them or one; names of members
                       are as paths below a folder
    coco:FILE.json     annotations as COCO writes them: a box is a row
    megadetector:FILE.json  what MegaDetector found: a box is a row
    tfds:NAME          an image classification set of TensorFlow Datasets
    omniglot:PATH,...  the official zips, or unpacked folders
    market:PATH        the folder of Market-1501, or of a set with its layout
    synthetic:NxM      N drawn individuals, M photos each (20 when only N is given)

    The first three also by URL, as s3://bucket/photos; what is read there is fetched each time.

    A row of a box is named `photo.jpg#xywh=x,y,w,h`, see `data.crops`, and is loaded as that part.

    Unusable photos are in `Dataset.skipped`, with reasons, and so are those of nobody in particular
    (in no individual's folder, or under a name such as "unknown").

    Args:
      source: see above.
      seed: matters only for what is drawn.
      unnamed: whether photos of nobody are taken too, as of one individual "unknown"; for what does
        not ask who it is.
      keep: paths of photos that a run has used already; they are taken as they were then.
      reading: how: margins of boxes, dates from the photos, names that are ignored, sides.
      also: kinds of sources besides these.

    Raises:
      UserError: the source is not one of these, does not exist or holds no usable photo.

    """
    kind, separator, where = source.partition(":")
    usage = _USAGE | {name: each.usage for name, each in also.items()}
    options = _Options(seed, unnamed, keep, reading)
    if separator and kind in usage:
        if not where.strip():
            raise UserError(f'The data source "{source}" ends after the colon: {usage[kind]}.')
        if kind in also:
            return _as_asked(also[kind].load(where.strip(), unnamed, keep), options)
        return _as_asked(_LOADERS[kind](where.strip(), options), options)
    guess = _suggestion(source, kind, separator, usage)
    raise UserError(f'"{source}" is not a data source: {guess}.')


def _as_asked(dataset: Dataset, options: _Options) -> Dataset:
    reading = options.reading
    dataset = without_ignored(dataset, reading.ignored, unnamed=options.unnamed, keep=options.keep)
    if reading.exif:
        from reid_jax.data.photos.exif import with_exif

        dataset = with_exif(dataset)
    column = reading.side_column or (SIDE if SIDE in dataset.columns else "")
    return with_sides(dataset, column) if column else dataset


def _suggestion(source: str, kind: str, separator: str, usage: Mapping[str, str]) -> str:
    path = os.path.expanduser(source)
    if is_url(source):
        guess = {".csv": "csv", ".tar": "tar"}.get(os.path.splitext(source)[1].lower(), "folder")
        return f'write "{guess}:{source}"'
    if os.path.exists(path):
        if os.path.isdir(path):
            table, gallery = (os.path.join(path, name) for name in ("metadata.csv", "CURRENT"))
            guess = "csv" if os.path.exists(table) else "folder"
            guess = "gallery" if "gallery" in usage and os.path.exists(gallery) else guess
        else:
            guess = "omniglot" if path.lower().endswith(".zip") else "csv"
        return f'write "{guess}:{source}"'
    close = difflib.get_close_matches(kind.lower(), usage, 1, 0.5)
    if close:
        rest = source[len(kind) :] if separator else ""
        return f'did you mean "{close[0]}{rest}"? ({usage[close[0]]})'
    return f"it begins with one of {', '.join(f'{kind}:' for kind in usage)}"


def _folder(where: str, options: _Options) -> Dataset:
    from reid_jax.data.photos.folder import folder_dataset

    return folder_dataset(where, unnamed=options.unnamed, keep=options.keep)


def _csv(where: str, options: _Options) -> Dataset:
    from reid_jax.data.photos.metadata_csv import csv_dataset

    return csv_dataset(where, unnamed=options.unnamed, keep=options.keep, reading=options.reading)


def _coco(where: str, options: _Options) -> Dataset:
    from reid_jax.data.photos.annotated import coco_dataset

    return coco_dataset(where, options.reading, unnamed=options.unnamed, keep=options.keep)


def _megadetector(where: str, options: _Options) -> Dataset:
    from reid_jax.data.photos.annotated import megadetector_dataset

    return megadetector_dataset(where, options.reading, unnamed=options.unnamed, keep=options.keep)


def _tar(where: str, options: _Options) -> Dataset:
    from reid_jax.data.photos.tar import tar_dataset

    return tar_dataset(where, unnamed=options.unnamed, keep=options.keep)


def _tfds(where: str, options: _Options) -> Dataset:
    from reid_jax.data.photos.tfds import tfds_dataset

    return tfds_dataset(where)


def _omniglot(where: str, options: _Options) -> Dataset:
    from reid_jax.data.photos.omniglot import omniglot_dataset

    return omniglot_dataset(where.split(","))


def _market(where: str, options: _Options) -> Dataset:
    from reid_jax.data.photos.market import market_dataset

    return market_dataset(where, keep=options.keep)


def _synthetic(where: str, options: _Options) -> Dataset:
    from reid_jax.data.photos.synthetic import synthetic_dataset

    match = re.fullmatch(r"(\d+)(?:x(\d+))?", where)
    if not match or not int(match[1]) or (match[2] and not int(match[2])):
        raise UserError(f'"synthetic:{where}" does not say how many: {_USAGE["synthetic"]}.')
    return synthetic_dataset(int(match[1]), int(match[2] or 20), seed=options.seed)


_LOADERS: dict[str, Callable[[str, _Options], Dataset]] = {
    "folder": _folder,
    "csv": _csv,
    "coco": _coco,
    "megadetector": _megadetector,
    "tar": _tar,
    "tfds": _tfds,
    "omniglot": _omniglot,
    "market": _market,
    "synthetic": _synthetic,
}
_USAGE = {
    "folder": "write folder:PATH, a folder with a folder of photos for each individual",
    "csv": "write csv:PATH, a metadata.csv or the folder it is in",
    "coco": "write coco:FILE.json, annotations with boxes",
    "megadetector": "write megadetector:FILE.json, as MegaDetector writes it",
    "tar": "write tar:PATH, one of photos in folders, PATH/{000..099}.tar, or a folder of .tar",
    "tfds": "write tfds:NAME, such as tfds:fashion_mnist",
    "omniglot": "write omniglot:PATH, or PATH,PATH for several of the official zips",
    "market": "write market:PATH, a folder with bounding_box_train, query and bounding_box_test",
    "synthetic": "write synthetic:N or synthetic:NxM for N drawn individuals with M photos each",
}
