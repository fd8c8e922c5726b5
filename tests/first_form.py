"""Writes galleries in the form of the first versions, which had no journal."""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet

from reid_jax.individuals.gallery.stored.local_store import write_background, write_local
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import Gallery


def write_first_form(folder: Path, gallery: Gallery) -> None:
    """Writes a gallery as it was before there were segments."""
    generation = folder / "generation-000007"
    generation.mkdir(parents=True)
    columns = {"path": gallery.paths, "identity": gallery.identities, **gallery.columns}
    table = {name: pyarrow.array(values.tolist()) for name, values in columns.items()}
    if "date" in gallery.columns:
        table["date"] = pyarrow.array(gallery.columns["date"], pyarrow.timestamp("s"))
    table["thumbnail"] = pyarrow.array(gallery.thumbnails.tolist(), pyarrow.binary())
    parquet.write_table(pyarrow.table(table), generation / "photos.parquet")
    np.save(generation / "embeddings.npy", np.asarray(gallery.embeddings, np.float32))
    if gallery.reference:
        np.savez(generation / "reference.npz", **gallery.reference)
    if gallery.local is not None:
        write_local(generation, gallery.local, _opened)
        write_background(generation, gallery.local.background, _opened)
    facts = {"version": 1, "embedding_size": gallery.embeddings.shape[1]}
    facts |= {"num_photos": len(gallery), "num_individuals": len(set(gallery.identities))}
    (generation / "gallery.json").write_text(json.dumps({**gallery.settings, **facts}))
    (folder / "CURRENT").write_text("generation-000007\n")


def into_first_form(folder: Path, change: Callable[[Gallery], Gallery] = lambda g: g) -> None:
    """Puts a gallery of the first form, perhaps a changed one, in the place of today's."""
    gallery = change(read_gallery(folder))
    shutil.rmtree(folder)
    write_first_form(folder, gallery)


@contextlib.contextmanager
def _opened(path: Path):
    with open(path, "wb") as file:
        yield file
