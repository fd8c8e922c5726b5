"""A gallery on disk. A reader sees the old one or the new one, whenever a writer is killed.

    GALLERY/CURRENT                  the name of the generation that counts
    GALLERY/generation-N/            photos.parquet, embeddings.npy, gallery.json, reference.npz,
                                     and local features, see `local_store`

Every change writes a whole new generation and syncs it to the disk before the file CURRENT is
replaced, which is one atomic rename. Older generations and what a killed writer left are removed
afterwards, or by the next change.
"""

import contextlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow
from pyarrow import parquet

from reid_jax.data.names import composed
from reid_jax.errors import UserError
from reid_jax.files import PROBE, check_destinations, check_form, make_folder, share, write_text
from reid_jax.locks import locked
from reid_jax.platforms import patiently, sync, sync_folder

if TYPE_CHECKING:
    from reid_jax.individuals.evidence.local import Local

VERSION = 1
COLUMNS = ("date", "camera", "orientation")
"""Facts about a photo that are kept, where they are known."""

TRAINED = "trained"
"""The column that says whether the network was trained on a photo or its individual."""

DIGEST = "digest"
"""The column that names the content of a photo; see :mod:`reid_jax.data.photos.content`."""

_KEPT = (*COLUMNS, TRAINED, DIGEST)

_CURRENT = "CURRENT"
_LOCK = ".lock"
_REFERENCE = "reference.npz"


@dataclass(frozen=True)
class Gallery:
    """N photos of known individuals, and how they were embedded.

    Attributes:
      paths, identities: ``(N,)`` str, no path twice.
      columns: some of :data:`COLUMNS`, :data:`TRAINED` and :data:`DIGEST`, ``(N,)`` each; "date"
        as datetime64[s].
      embeddings: ``(N, D)`` float32.
      thumbnails: ``(N,)`` objects: a JPEG as bytes. None where they were not asked for.
      settings: whose embeddings they are and what their scores are worth; JSON values.
      folder: the generation that it was read from.
      reference: arrays about the network's training, see
        :mod:`reid_jax.individuals.gallery.reference`; none in galleries of earlier versions.
      local: local features of the photos; None where the gallery has none.
    """

    paths: np.ndarray
    identities: np.ndarray
    columns: Mapping[str, np.ndarray]
    embeddings: np.ndarray
    thumbnails: np.ndarray | None
    settings: Mapping[str, Any]
    folder: Path | None = None
    reference: Mapping[str, np.ndarray] = field(default_factory=dict)
    local: "Local | None" = None

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, rows: np.ndarray) -> "Gallery":
        """The photos at ``rows``."""
        return replace(
            self,
            paths=self.paths[rows],
            identities=self.identities[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
            embeddings=np.asarray(self.embeddings)[rows],
            thumbnails=None if self.thumbnails is None else self.thumbnails[rows],
            local=None if self.local is None else self.local.take(rows),
        )


def join(first: Gallery, second: Gallery) -> Gallery:
    """Both, with the settings of the first. A fact that one of them lacks is missing there.

    Local features are there where both have them.
    """

    def column(gallery: Gallery, name: str) -> np.ndarray:
        if name in gallery.columns:
            return gallery.columns[name]
        if name == "date":
            return np.full(len(gallery), np.datetime64("NaT", "s"))
        return np.full(len(gallery), "")

    both = [(getattr(first, name), getattr(second, name)) for name in _ARRAYS]
    paths, identities, embeddings, thumbnails = (np.concatenate(two) for two in both)
    there = [name for name in _KEPT if name in first.columns or name in second.columns]
    columns = {name: np.concatenate([column(first, name), column(second, name)]) for name in there}
    local = (
        None if first.local is None or second.local is None else first.local.joined(second.local)
    )
    return replace(
        first,
        paths=paths,
        identities=identities,
        columns=columns,
        embeddings=embeddings,
        thumbnails=thumbnails,
        folder=None,
        local=local,
    )


_ARRAYS = ("paths", "identities", "embeddings", "thumbnails")


def is_gallery(folder: Path) -> bool:
    """Whether there is a gallery."""
    return (folder / _CURRENT).is_file()


def read_gallery(folder: Path, *, thumbnails: bool = True) -> Gallery:
    """Reads the generation that counts. Embeddings are mapped, not read.

    Args:
      thumbnails: whether they are needed: they are most of the gallery.

    Raises:
      UserError: there is no gallery, a newer version wrote it, or its files are damaged.
    """
    for _ in range(100):
        name = current(folder)
        try:
            return _read(folder / name, thumbnails)
        except FileNotFoundError as error:
            if current(folder) == name:  # else a writer was quicker: read what it wrote
                raise UserError(
                    f"The gallery {folder} is damaged ({Path(error.filename or name).name} is "
                    "missing); build it again."
                ) from error
        except PermissionError as error:  # on Windows also while a writer removes what it replaced
            if current(folder) == name:
                raise UserError(f"{error.filename} cannot be read ({error.strerror}).") from error
    raise UserError(f"The gallery {folder} is changed all the time; try again later.")


def current(folder: Path) -> str:
    """The name of the generation that counts.

    Raises:
      UserError: the folder is not that of a gallery.
    """
    if not folder.is_dir():
        raise UserError(f"There is no gallery {folder}; make one with reid-jax gallery build.")
    try:
        name = patiently((folder / _CURRENT).read_text).strip()
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} is not a gallery: it has no file {_CURRENT}; make one with "
            "reid-jax gallery build."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{folder / _CURRENT} cannot be read ({error}).") from error
    if not name.startswith("generation-") or "/" in name:
        raise UserError(f"The gallery {folder} is damaged (its file {_CURRENT} names none).")
    return name


def _read(generation: Path, thumbnails: bool) -> Gallery:
    from reid_jax.individuals.gallery.local_store import read_local  # needs JAX

    try:
        settings = json.loads((generation / "gallery.json").read_text())
        check_form(generation.parent, settings["version"], VERSION)
        file = parquet.ParquetFile(generation / "photos.parquet")
        wanted = [name for name in file.schema_arrow.names if thumbnails or name != "thumbnail"]
        table = file.read(columns=wanted)
        values = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
        embeddings = np.load(generation / "embeddings.npy", mmap_mode="r")
        if embeddings.shape != (table.num_rows, settings["embedding_size"]):
            raise ValueError(f"{table.num_rows} photos, embeddings {embeddings.shape}")
        columns = {name: values[name] for name in _KEPT if name in values}
        for name, column in columns.items():
            columns[name] = column.astype("datetime64[s]" if name == "date" else np.str_)
        return Gallery(
            paths=values["path"].astype(object),
            identities=np.array([composed(name) for name in values["identity"]], object),
            columns=columns,
            embeddings=embeddings,
            thumbnails=values["thumbnail"] if thumbnails else None,
            settings=settings,
            folder=generation,
            reference=_read_reference(generation / _REFERENCE),
            local=read_local(generation, table.num_rows),
        )
    except (FileNotFoundError, PermissionError, UserError):
        raise
    except (
        *(OSError, EOFError, ValueError, LookupError, TypeError),
        *(zipfile.BadZipFile, pyarrow.ArrowException),
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"The gallery {generation.parent} is damaged ({reason}); build it again."
        ) from error


def _read_reference(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def check_place(folder: Path) -> None:
    """Makes sure that a gallery can be written there, before the work that fills it.

    Raises:
      UserError: the folder holds something else, or cannot be written to.
    """
    if folder.exists() and not is_gallery(folder) and _foreign(folder):
        raise UserError(
            f"{folder} is there already and is not a gallery; give the name of a new folder."
        )
    check_destinations(folder=folder)


def write_gallery(folder: Path, gallery: Gallery) -> None:
    """Makes a gallery, or puts this one in the place of the one that is there.

    Raises:
      UserError: the folder holds something else, another process writes, or the disk is full.
    """
    check_place(folder)
    with _writing(folder):
        _write(folder, gallery)


def update_gallery(folder: Path, change: Callable[[Gallery], Gallery]) -> Gallery:
    """Reads, changes and writes, so that no other writer comes between; returns the new one.

    Others wait while it writes, not while it changes; where another one was quicker, the change is
    made anew while they wait.

    Args:
      folder: of the gallery.
      change: returns what is to be there, from what is there; the very same where nothing changes.

    Raises:
      UserError: as :func:`read_gallery` and :func:`write_gallery`.
    """
    stored = read_gallery(folder)
    changed = change(stored)
    with _writing(folder):
        assert stored.folder is not None
        if stored.folder.name != current(folder):
            stored = read_gallery(folder)
            changed = change(stored)
        if changed is not stored:
            _write(folder, changed)
    return changed


def _foreign(folder: Path) -> bool:
    if not folder.is_dir():
        return True
    return any(not _ours(path.name) for path in folder.iterdir())


def _ours(name: str) -> bool:
    return name == _CURRENT or name.startswith((_LOCK, PROBE, f".{_CURRENT}.", "generation-"))


def _write(folder: Path, gallery: Gallery) -> None:
    counts = current(folder) if is_gallery(folder) else None
    _remove_others(folder, counts)
    number = 1 + (int(counts.removeprefix("generation-")) if counts else 0)
    name = f"generation-{number:06d}"
    try:
        _write_files(folder / name, gallery)
        sync_folder(folder)
        write_text(folder / _CURRENT, name + "\n")
    except OSError as error:
        shutil.rmtree(folder / name, ignore_errors=True)
        raise UserError(
            f"The gallery {folder} could not be written ({error.strerror or error}); what was "
            "there before is intact."
        ) from error
    with contextlib.suppress(OSError):  # it is written; only a power cut could still undo it
        sync_folder(folder)
    _remove_others(folder, name)


def _write_files(generation: Path, gallery: Gallery) -> None:
    assert gallery.thumbnails is not None, "a gallery that was read in part is not written"
    generation.mkdir()
    share(generation)
    columns: dict[str, Any] = {
        "path": pyarrow.array(gallery.paths.tolist(), pyarrow.string()),
        "identity": pyarrow.array(gallery.identities.tolist(), pyarrow.string()),
    }
    for name, values in gallery.columns.items():
        if name == "date":
            columns[name] = pyarrow.array(values.astype("datetime64[s]"), pyarrow.timestamp("s"))
        else:
            columns[name] = pyarrow.array(values.tolist(), pyarrow.string())
    columns["thumbnail"] = pyarrow.array(gallery.thumbnails.tolist(), pyarrow.binary())
    with _synced(generation / "photos.parquet") as file:
        parquet.write_table(pyarrow.table(columns), file)
    with _synced(generation / "embeddings.npy") as file:
        np.save(file, np.asarray(gallery.embeddings, np.float32))
    if gallery.reference:
        with _synced(generation / _REFERENCE) as file:
            arrays: dict[str, Any] = dict(gallery.reference)
            np.savez(file, **arrays)
    if gallery.local is not None:
        from reid_jax.individuals.gallery.local_store import write_local

        write_local(generation, gallery.local, _synced)
    settings = {
        **gallery.settings,
        "version": VERSION,
        "embedding_size": gallery.embeddings.shape[1],
        "num_photos": len(gallery),
        "num_individuals": len(np.unique(gallery.identities)),
    }
    with _synced(generation / "gallery.json") as file:
        file.write((json.dumps(settings, indent=2) + "\n").encode())
    sync_folder(generation)


@contextlib.contextmanager
def _synced(path: Path) -> Iterator[Any]:
    with open(path, "wb") as file:
        yield file
        sync(file)
    share(path)


def _remove_others(folder: Path, counts: str | None) -> None:
    for path in folder.iterdir():
        if path.name.startswith(("generation-", PROBE)) and path.name != counts:
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(f".{_CURRENT}."):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """One writer at a time; another one waits for it, as long as it takes."""
    with contextlib.ExitStack() as held:
        try:
            make_folder(folder)
            waiting = f"waiting for another process that writes to the gallery {folder}"
            held.enter_context(locked(folder / _LOCK, waiting))
        except OSError as error:
            raise UserError(f"{folder} cannot be written to ({error.strerror}).") from error
        yield
