"""Segments: photos of a gallery that were written at once and are never written again.

SEGMENT/photos.parquet     id, path, identity when they came, columns, thumbnails
SEGMENT/embeddings.npy     (N, D) float32; or in 8 bits:
SEGMENT/eight.npy          (N, D) int8, and
SEGMENT/scales.npy         (N,) float32, by which these are multiplied
SEGMENT/local*.npy         local features, see `local_store`
"""

import contextlib
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import parquet

from reid_jax.data.names import composed
from reid_jax.files import share
from reid_jax.individuals.gallery.value import DIGEST, KEPT, Gallery
from reid_jax.ops.ranking.eight import EightBit, Embeddings
from reid_jax.platforms import sync, sync_folder

_ID = 16  # digits of the digest that a photo is known by
_AT_ONCE, _BUFFER = 256, 2**20  # photos, bytes


@contextlib.contextmanager
def synced(path: Path) -> Iterator[Any]:
    """A new file, which is on the disk when the block ends."""
    with open(path, "wb") as file:
        yield file
        sync(file)
    share(path)


def write_segment(folder: Path, photos: Gallery) -> None:
    """Writes photos into a new folder.

    Args:
      photos: with ids and thumbnails.
    """
    assert photos.thumbnails is not None, "a gallery that was read in part is not written"
    folder.mkdir()
    share(folder)
    columns: dict[str, Any] = {
        "id": pyarrow.array(photos.known_ids.tolist(), pyarrow.string()),
        "path": pyarrow.array(photos.paths.tolist(), pyarrow.string()),
        "identity": pyarrow.array(photos.identities.tolist(), pyarrow.string()),
    }
    for name, values in photos.columns.items():
        if name == "date":
            columns[name] = pyarrow.array(values.astype("datetime64[s]"), pyarrow.timestamp("s"))
        else:
            columns[name] = pyarrow.array(values.tolist(), pyarrow.string())
    columns["thumbnail"] = pyarrow.array(photos.thumbnails.tolist(), pyarrow.binary())
    with synced(folder / "photos.parquet") as file:
        parquet.write_table(pyarrow.table(columns), file)
    for name, array in _arrays(photos.embeddings).items():
        with synced(folder / name) as file:
            np.save(file, array)
    if photos.local is not None:
        from reid_jax.individuals.gallery.stored.local_store import write_local

        write_local(folder, photos.local, synced)
    sync_folder(folder)


def read_segment(folder: Path, size: int, thumbnails: bool) -> Gallery:
    """The photos of a segment without local features; embeddings are mapped, not read.

    Args:
      size: of an embedding.
      thumbnails: whether they are read.

    Raises:
      FileNotFoundError, ValueError, pyarrow.ArrowException: it is damaged.
    """
    file = parquet.ParquetFile(folder / "photos.parquet")
    wanted = [name for name in file.schema_arrow.names if thumbnails or name != "thumbnail"]
    table = file.read(columns=wanted)
    values = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    embeddings = _read_embeddings(folder)
    if embeddings.shape != (table.num_rows, size):
        raise ValueError(f"{table.num_rows} photos, embeddings {embeddings.shape}")
    columns = {name: values[name] for name in KEPT if name in values}
    for name, column in columns.items():
        columns[name] = column.astype("datetime64[s]" if name == "date" else np.str_)
    return Gallery(
        paths=values["path"].astype(object),
        identities=np.array([composed(name) for name in values["identity"]], object),
        columns=columns,
        embeddings=embeddings,
        thumbnails=values["thumbnail"] if thumbnails else None,
        settings={},
        ids=values["id"].astype(object) if "id" in values else None,
    )


_WIDE, _EIGHT, _SCALES = "embeddings.npy", "eight.npy", "scales.npy"


def _arrays(embeddings: Embeddings) -> dict[str, np.ndarray]:
    if isinstance(embeddings, EightBit):
        return {_EIGHT: embeddings.codes, _SCALES: embeddings.scales}
    return {_WIDE: np.asarray(embeddings, np.float32)}


def _read_embeddings(folder: Path) -> Embeddings:
    """Mapped, not read."""
    if not (folder / _EIGHT).exists():
        wide: np.ndarray = np.load(folder / _WIDE, mmap_mode="r")
        return wide
    codes, scales = np.load(folder / _EIGHT, mmap_mode="r"), np.load(folder / _SCALES)
    if scales.shape != codes.shape[:1]:
        raise ValueError(f"{len(codes)} embeddings, {len(scales)} scales")
    return EightBit(codes, scales)


def count_photos(folder: Path) -> int:
    """How many photos are in a segment."""
    found: int = parquet.ParquetFile(folder / "photos.parquet").metadata.num_rows
    return found


def read_paths(folder: Path) -> dict[str, str]:
    """The paths of the photos of a segment by their ids, alone."""
    table = parquet.ParquetFile(folder / "photos.parquet").read(columns=["id", "path"])
    return dict(zip(table["id"].to_pylist(), table["path"].to_pylist(), strict=True))


def read_thumbnails(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The ids of the photos of a segment and their small pictures, without holding all of them."""
    file = parquet.ParquetFile(folder / "photos.parquet", buffer_size=_BUFFER, pre_buffer=False)
    for some in file.iter_batches(_AT_ONCE, columns=["id", "thumbnail"]):
        yield from zip(some["id"].to_pylist(), some["thumbnail"].to_pylist(), strict=True)


def with_ids(photos: Gallery, taken: Collection[str]) -> Gallery:
    """Photos with ids for those that have none, or one that another one before has.

    An id follows from the content of a photo, so that a journal fits the photos wherever they are;
    of a photo without a digest, from its path. Of several with one content the later ones have a
    number behind it.

    Args:
      taken: ids of others.
    """
    digests, used = photos.column(DIGEST).tolist(), set(taken)
    ids = []
    for number, one in enumerate(photos.known_ids.tolist()):
        if not one or one in used:
            content = content_id(digests[number] or _digest(photos.paths[number]))
            one, copy = content, 1
            while one in used:
                copy += 1
                one = f"{content}-{copy}"
        used.add(one)
        ids.append(one)
    return replace(photos, ids=np.array(ids, object))


def content_id(digest: str) -> str:
    """What the ids of all photos of one content begin with, up to the number of a copy."""
    return digest[:_ID]


def _digest(path: str) -> str:
    return hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=_ID).hexdigest()
