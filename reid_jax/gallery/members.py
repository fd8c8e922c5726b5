"""Who is in a gallery: building it with a run, adding, removing, and what is known about it."""

import dataclasses
import datetime
import difflib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reid_jax.data import Dataset, load_dataset
from reid_jax.data.content import content_digests
from reid_jax.data.names import composed
from reid_jax.errors import UserError
from reid_jax.evaluation.calibration import STRANGERS
from reid_jax.evaluation.trained_model import TrainedModel, load_run
from reid_jax.files import as_text
from reid_jax.gallery.calibrating import check_strangers, recalibrated
from reid_jax.gallery.pictures import thumbnails
from reid_jax.gallery.reference import RunPhotos, TrainedOn, stored_path, stored_paths
from reid_jax.gallery.store import (
    COLUMNS,
    TRAINED,
    Gallery,
    check_place,
    join,
    read_gallery,
    update_gallery,
    write_gallery,
)


def build(
    workdir: Path, source: str, out: Path, strangers: float = STRANGERS
) -> tuple[Gallery, Dataset]:
    """Embeds all photos of a source with a run, calibrates, and writes the gallery.

    Args:
      workdir: of the run.
      source: as data.source names it.
      out: folder of the gallery.
      strangers: the share of photos of individuals that are not in it, which is assumed.

    Returns:
      The gallery, and the photos as they were read (with those that were skipped).

    Raises:
      UserError: the run, the source or the folder cannot be used.
    """
    check_strangers(strangers)
    check_place(out)
    model = load_run(workdir)
    dataset = load_dataset(source, seed=model.config.train.seed)
    run = RunPhotos.of(model)
    gallery, dataset = _embedded(model, dataset, run.trained_on)
    settings = {
        "fingerprint": model.fingerprint,
        "run": str(workdir.resolve()),
        "run_relative": os.path.relpath(workdir.resolve(), out.resolve()),
        "metric": model.task.metric,
        "sources": [source],
        "built": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    gallery = dataclasses.replace(gallery, settings=settings, reference=run.embedded(model))
    gallery = recalibrated(gallery, strangers)
    write_gallery(out, gallery)
    return gallery, dataset


def add(folder: Path, source: str, workdir: Path | None) -> tuple[int, int, Dataset]:
    """Embeds the photos of a source and adds those whose path is not in the gallery yet.

    Returns:
      How many were added, how many were there already, and the photos as they were read.

    Raises:
      UserError: the run is another one than the gallery was built with, or see :func:`build`.
    """
    stored = read_gallery(folder, thumbnails=False)
    check_place(folder)
    model = model_of(folder, stored, workdir)
    dataset = load_dataset(source, seed=model.config.train.seed)
    run = RunPhotos.of(model)
    new, dataset = _embedded(model, dataset, run.trained_on)
    added = 0

    def change(gallery: Gallery) -> Gallery:
        nonlocal added
        check_fingerprint(folder, gallery, model)
        there = {composed(path) for path in gallery.paths}
        rows = np.flatnonzero([composed(path) not in there for path in new.paths])
        added = len(rows)
        sources = list(dict.fromkeys([*gallery.settings["sources"], source]))
        changed = join(run.known_to(gallery, model), new.take(rows))
        settings = {**gallery.settings, "sources": sources}
        return recalibrated(dataclasses.replace(changed, settings=settings))

    update_gallery(folder, change)
    return added, len(new) - added, dataset


def remove(folder: Path, identities: Sequence[str], paths: Sequence[str]) -> int:
    """Takes individuals or single photos out; returns how many photos.

    Raises:
      UserError: one of them is not in the gallery, or nothing would be left.
    """
    if not identities and not paths:
        raise UserError("Say what to remove: --identity NAME ... or --path PHOTO ...")
    removed = 0

    def change(gallery: Gallery) -> Gallery:
        nonlocal removed
        out = np.zeros(len(gallery), bool)
        for name in map(composed, map(as_text, identities)):
            out |= _found(gallery.identities == name, name, gallery.identities, "individual")
        for path in paths:
            places = {composed(as_text(path)), composed(stored_path(path))}
            there = np.array([composed(stored) in places for stored in gallery.paths], bool)
            out |= _found(there, path, gallery.paths, "photo")
        removed = int(out.sum())
        if removed == len(gallery):
            raise UserError(
                f"These are all {removed} photos of the gallery; delete {folder} instead."
            )
        return recalibrated(gallery.take(np.flatnonzero(~out)))

    update_gallery(folder, change)
    return removed


def _found(rows: np.ndarray, name: str, names: np.ndarray, kind: str) -> np.ndarray:
    if not rows.any():
        close = difflib.get_close_matches(name, np.unique(names).tolist(), 1)
        hint = f"; did you mean {close[0]}?" if close else "."
        raise UserError(f"There is no {kind} {name} in the gallery{hint}")
    return rows


def model_of(folder: Path, gallery: Gallery, workdir: Path | None) -> TrainedModel:
    """The run that a gallery was built with, where it is now.

    Raises:
      UserError: it is not there, or it is another one.
    """
    settings = gallery.settings
    places = [Path(settings["run"]), folder.resolve() / settings["run_relative"]]
    places = [workdir] if workdir is not None else [p for p in places if p.is_dir()]
    if not places:
        raise UserError(
            f"The run that the gallery {folder} was built with is no longer at {settings['run']}; "
            "say where it is with --workdir."
        )
    model = load_run(places[0])
    check_fingerprint(folder, gallery, model, places[0])
    return model


def check_fingerprint(
    folder: Path, gallery: Gallery, model: TrainedModel, workdir: Path | None = None
) -> None:
    """Embeddings of two networks never mix.

    Raises:
      UserError: they would.
    """
    if model.fingerprint != gallery.settings["fingerprint"]:
        raise UserError(
            f"The gallery {folder} was built with another network "
            f"({gallery.settings['fingerprint']}) than that of {workdir or 'the run'} "
            f"({model.fingerprint}); build the gallery again with this run, or give the run that "
            "it was built with."
        )


def _embedded(
    model: TrainedModel, dataset: Dataset, trained_on: TrainedOn
) -> tuple[Gallery, Dataset]:
    """The photos as a gallery without settings; those that show nothing are among the skipped."""
    pictures, blank = thumbnails(dataset)
    shows = np.array([why is None for why in blank], bool)
    rows = np.flatnonzero(shows)
    empty = [(str(dataset.paths[row]), blank[row]) for row in np.flatnonzero(~shows)]
    if not len(rows):
        path, why = empty[0]
        raise UserError(
            f"No photo can be used ({as_text(path)}: {why}); give photos that show something."
        )
    dataset = dataclasses.replace(dataset.subset(rows), skipped=(*dataset.skipped, *empty))
    columns = {name: dataset.columns[name] for name in COLUMNS if name in dataset.columns}
    columns |= {
        name: np.array([as_text(value) for value in column], np.str_)
        for name, column in columns.items()
        if name != "date"
    }
    names = np.array([as_text(name) for name in dataset.identities], object)[dataset.labels]
    paths = stored_paths(dataset)
    gallery = Gallery(
        paths=paths,
        identities=names,
        columns={**columns, TRAINED: trained_on.marks(content_digests(dataset), names)},
        embeddings=model.embed(dataset),
        thumbnails=pictures[rows],
        settings={},
    )
    return gallery, dataset
