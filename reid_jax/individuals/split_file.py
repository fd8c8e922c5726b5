"""Which photos a run trained on and which it held out, kept with the run.

A split is drawn from what is there, so that a photo more would make another one, and photos that
were trained on would come back as held-out ones. A run therefore keeps its own: paths, and digests
of the content, by which photos are found that were moved or renamed.
"""

import posixpath
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import counted, say
from reid_jax.data.names import composed
from reid_jax.data.photos import Dataset, QueryGallery, Splits
from reid_jax.data.photos.content import content_digests
from reid_jax.errors import UserError
from reid_jax.files import atomic_write, write_arrays
from reid_jax.individuals.config import DataConfig
from reid_jax.individuals.experiment import load_data
from reid_jax.individuals.sources import load_dataset
from reid_jax.platforms import with_slashes
from reid_jax.training.config_file import NAME, has_begun, keep_values, read_values
from reid_jax.training.hosts.agreement import agree, digest

_NAME = "split.npz"
_NAMES = "train_identities"
_DIGESTS = "digests_of_"  # what a part's digests are called; runs of earlier versions have none

Stored = dict[str, np.ndarray]


def load_run_data(
    workdir: Path, config: DataConfig, seed: int, *, training: bool
) -> tuple[Dataset, Splits]:
    """The photos of a run's source, divided as the run divided them; newly so for a new run.

    Photos that were added since belong to neither side. Photos that are elsewhere now than when the
    run began are found by their content. A run that died before it saved anything is a new one: it
    may go on as another experiment, whose division that one is not.

    Args:
      config: its source is where the photos are now.
      training: whether to train on them; then none may be missing.

    Raises:
      UserError: the source cannot be read or divided, or photos to train on, or all to test on,
        are gone.
    """
    file = workdir / _NAME
    if training and not has_begun(workdir):
        return load_data(config, seed)
    before = kept_source(workdir) or config.source
    stored = _read(file) if file.is_file() else {}
    if before != config.source and not (_content(stored) or (stored and _root(config.source))):
        raise UserError(
            f"{workdir} was made from {before} and did not keep what its photos look like, so that "
            "they cannot be found elsewhere; bring them back there."
        )
    if not stored:
        return load_data(config, seed)
    moved = _moved(_paths(stored), before, config.source)
    # What is read of a folder has changed with this program: what the run used stays its own.
    keep = {*_paths(stored), *(moved or {}).values()}
    try:
        found: dict[str, Any] = {"keep": keep, "reading": config.reading, "unnamed": config.unnamed}
        dataset = load_dataset(config.source, seed=seed, **found)
    except UserError as error:
        now = "--data.source" if training else f"reid-jax evaluate --workdir {workdir} --photos"
        raise UserError(
            f"{error} Should the photos of the run have moved, say where they are: {now} "
            f"{config.source.partition(':')[0]}:PATH."
        ) from error
    return dataset, _divided(stored, dataset, moved, training=training)


def keep_split(workdir: Path, dataset: Dataset, splits: Splits) -> None:
    """Writes the division beside the run's configuration; a run that has begun keeps its own."""
    if (workdir / _NAME).is_file() and has_begun(workdir):
        return
    parts = {"train": splits.train, **_parts(splits)}
    names = np.asarray(dataset.identities)[dataset.labels]
    digests = content_digests(dataset)
    with atomic_write(workdir / _NAME) as file:
        np.savez_compressed(
            file,
            **{_NAMES: names[splits.train]},
            **{part: dataset.paths[rows].astype(str) for part, rows in parts.items()},
            **{_DIGESTS + part: digests[rows] for part, rows in parts.items()},
        )


def keep_moved(workdir: Path, dataset: Dataset, source: str) -> None:
    """Notes that the photos of a run are at `source` now, where every command then finds them.

    Args:
      dataset: what `load_run_data` found there.

    Raises:
      OSError: the run's folder cannot be written to.
    """
    before, file = kept_source(workdir), workdir / _NAME
    if before in (None, source) or not file.is_file() or not has_begun(workdir):
        return
    stored = _read(file)
    moved = _moved(_paths(stored), str(before), source) or {}
    places = _places(stored, dataset, moved)
    digests = content_digests(dataset)
    now = {path: str(dataset.paths[row]) for path, row in places.items()}
    # What is missing keeps its name, under the new folder: it may still come.
    arrays = {_NAMES: stored[_NAMES]}
    for part, paths in _parts_of(stored).items():
        known = stored.get(_DIGESTS + part, np.zeros(len(paths), digests.dtype)).tolist()
        pairs = list(zip(paths.tolist(), known, strict=True))
        arrays[part] = np.array([now.get(path, moved.get(path, path)) for path, _ in pairs], str)
        arrays[_DIGESTS + part] = np.array(
            [digests[places[path]] if path in places else digest for path, digest in pairs],
            digests.dtype,
        )
    write_arrays(file, arrays)
    keep_values(workdir, "data", {"source": source})


def kept_source(workdir: Path) -> str | None:
    """Where a run's folder says that its photos are; None where it says nothing."""
    return read_values(workdir)["data"]["source"] if (workdir / NAME).is_file() else None


def agree_on_photos(dataset: Dataset, splits: Splits) -> None:
    """Compares photos, whom they show, and how they are divided."""
    names = np.asarray(dataset.identities)[dataset.labels]
    facts = {
        "the number of photos": len(dataset),
        "the number of individuals": len(np.unique(dataset.labels)),
        "their paths": digest(dataset.paths),
        "whom they show": digest(names, dataset.labels),
    }
    if "digest" in dataset.columns:
        facts["their content"] = digest(dataset.columns["digest"])
    if dataset.pixels is not None:
        facts["their pixels"] = digest(dataset.pixels)
    agree("The set of photos", facts)
    parts: dict[str, Any] = {"training": (splits.train,), "test": tuple(splits.test)}
    if splits.validation is not None:
        parts["validation"] = tuple(splits.validation)
    agree("The division of the photos", {name: digest(*rows) for name, rows in parts.items()})


def kept_digests(workdir: Path) -> np.ndarray | None:
    """Digests (N,) of the photos that a run was trained on, wherever they are now.

    None for a run of an earlier version, or one that has lost its division.
    """
    file = workdir / _NAME
    if not file.is_file():
        return None
    digests = _read(file).get(_DIGESTS + "train")
    return None if digests is None else digests[digests != b""]


def _parts(splits: Splits) -> dict[str, np.ndarray]:
    parts = {"test_query": splits.test.query, "test_gallery": splits.test.gallery}
    if splits.validation is not None:
        parts["validation_query"] = splits.validation.query
        parts["validation_gallery"] = splits.validation.gallery
    return parts


def _read(file: Path) -> Stored:
    with np.load(file) as kept:
        return {name: kept[name] for name in kept.files}


def _parts_of(stored: Stored) -> Stored:
    """Paths by the name of their part."""
    return {
        name: paths
        for name, paths in stored.items()
        if name != _NAMES and not name.startswith(_DIGESTS)
    }


def _paths(stored: Stored) -> set[str]:
    return {path for paths in _parts_of(stored).values() for path in paths.tolist()}


def _moved(paths: set[str], before: str, now: str) -> dict[str, str] | None:
    """What the paths would be, were the photos' folder another one and as it was otherwise; None
    where it is the same."""
    if before == now:
        return None
    old, new = _root(before), _root(now)
    if not old or not new:
        return {}
    below = old.rstrip("/") + "/"
    inside = [path for path in paths if path.startswith(below)]
    return {path: posixpath.join(new, path.removeprefix(below)) for path in inside}


def _root(source: str) -> str:
    """The folder of a source of files; empty for one of another kind."""
    kind, _, where = with_slashes(source).partition(":")
    if kind in ("coco", "megadetector") or (kind == "csv" and posixpath.splitext(where)[1]):
        return posixpath.dirname(where)
    return where if kind in ("csv", "folder") else ""


def _places(stored: Stored, dataset: Dataset, moved: dict[str, str] | None) -> dict[str, int]:
    """The row of each stored path whose photo is there: by its path, else by its content.

    Where the source is another one the content counts alone; of exact copies the one under the same
    name, else any that is not taken. A run that kept no digests is found by its names alone.
    """
    place = {path: row for row, path in enumerate(dataset.paths.tolist())}
    paths, content = sorted(_paths(stored)), _content(stored)
    digests = content_digests(dataset).tolist() if content else []
    found: dict[str, int] = {}
    for path in paths:
        row = place.get(path if moved is None else moved.get(path, path), -1)
        if row >= 0 and (moved is None or not content or digests[row] == content.get(path)):
            found[path] = row
    missing = [path for path in paths if path not in found]
    if not missing or not content:
        return found
    taken = set(found.values())
    free: dict[bytes, list[int]] = {}
    for row in reversed(range(len(digests))):
        if row not in taken:
            free.setdefault(digests[row], []).append(row)
    for path in missing:
        if rows := free.get(content.get(path, b"")):
            found[path] = rows.pop()
    return found


def _content(stored: Stored) -> dict[str, bytes]:
    """The digest of each path's photo; empty of a run that kept none."""
    return {
        path: digest
        for part, values in _parts_of(stored).items()
        if _DIGESTS + part in stored
        for path, digest in zip(values.tolist(), stored[_DIGESTS + part].tolist(), strict=True)
    }


def _divided(
    stored: Stored, dataset: Dataset, moved: dict[str, str] | None, *, training: bool
) -> Splits:
    names = np.asarray(dataset.identities)[dataset.labels]
    identities = np.array([composed(name) for name in stored[_NAMES].tolist()], np.str_)
    places, paths = _places(stored, dataset, moved), _paths(stored)
    gone = paths - places.keys()
    rows = {
        part: np.asarray([places[path] for path in values.tolist() if path in places], np.int64)
        for part, values in _parts_of(stored).items()
    }
    complete = len(rows["train"]) == len(identities)
    if training and not (complete and np.array_equal(names[rows["train"]], identities)):
        example = f", such as {min(gone)}" if gone else ""
        raise UserError(
            f"Photos that this run trained on are gone or show somebody else now{example}; bring "
            "them back, or train into another --workdir."
        )
    if not len(rows["test_query"]) or not len(rows["test_gallery"]):
        raise UserError(
            f"The photos that this run held out are gone, such as {min(gone)}; bring them back, or "
            "say where they are now."
        )
    if gone:
        what = counted(len(gone), "photo of the run is", "photos of the run are")
        print(f"{what} no longer in its source, such as {min(gone)}")
    elsewhere = len(places.keys() - set(dataset.paths.tolist()))
    if elsewhere:
        by = "content" if any(name.startswith(_DIGESTS) for name in stored) else "names alone"
        what = counted(elsewhere, "photo of the run was", "photos of the run were")
        say(f"{what} found elsewhere, by their {by}")
    validation = None
    if "validation_query" in rows:
        validation = QueryGallery(rows["validation_query"], rows["validation_gallery"])
    return Splits(rows["train"], validation, QueryGallery(rows["test_query"], rows["test_gallery"]))
