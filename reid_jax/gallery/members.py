"""Who is in a gallery: building it with a run, adding, removing, and what is known about it."""

import dataclasses
import datetime
import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.data import Dataset, QueryGallery, load_dataset
from reid_jax.data.names import composed
from reid_jax.errors import UserError
from reid_jax.evaluation.calibration import Calibration, calibrate
from reid_jax.evaluation.trained_model import TrainedModel, load_run
from reid_jax.files import as_text
from reid_jax.gallery.pictures import thumbnails
from reid_jax.gallery.store import (
    COLUMNS,
    Gallery,
    join,
    read_gallery,
    update_gallery,
    write_gallery,
)
from reid_jax.ops.individuals import RULES, Rule
from reid_jax.ops.matching import encounters
from reid_jax.ops.open_set import ProbabilityCalibration

_MOST_QUERIES = 2000  # for the calibration: enough for its two curves, and soon embedded
_MOST_GALLERY = 20_000


def build(workdir: Path, source: str, out: Path) -> tuple[Gallery, Dataset]:
    """Embeds all photos of a source with a run, calibrates, and writes the gallery.

    Returns:
      The gallery, and the photos as they were read (with those that were skipped).

    Raises:
      UserError: the run, the source or the folder cannot be used.
    """
    model = load_run(workdir)
    dataset = load_dataset(source, seed=model.config.train.seed)
    gallery = _embedded(model, dataset)
    calibration, how = calibrate_with_run(model, gallery)
    settings = {
        "fingerprint": model.fingerprint,
        "run": str(workdir.resolve()),
        "run_relative": os.path.relpath(workdir.resolve(), out.resolve()),
        "metric": model.task.metric,
        "sources": [source],
        "built": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "calibration": {rule: dataclasses.asdict(found) for rule, found in calibration.items()},
        "calibrated_with": how,
    }
    gallery = dataclasses.replace(gallery, settings=settings)
    write_gallery(out, gallery)
    return gallery, dataset


def add(folder: Path, source: str, workdir: Path | None) -> tuple[int, int, Dataset]:
    """Embeds the photos of a source and adds those whose path is not in the gallery yet.

    Returns:
      How many were added, how many were there already, and the photos as they were read.

    Raises:
      UserError: the run is another one than the gallery was built with, or see :func:`build`.
    """
    model = model_of(folder, read_gallery(folder, thumbnails=False), workdir)
    dataset = load_dataset(source, seed=model.config.train.seed)
    new = _embedded(model, dataset)
    added = 0

    def change(gallery: Gallery) -> Gallery:
        nonlocal added
        check_fingerprint(folder, gallery, model)
        there = {composed(path) for path in gallery.paths}
        rows = np.flatnonzero([composed(path) not in there for path in new.paths])
        added = len(rows)
        sources = list(dict.fromkeys([*gallery.settings["sources"], source]))
        changed = join(gallery, new.take(rows))
        return dataclasses.replace(changed, settings={**gallery.settings, "sources": sources})

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
            places = {composed(as_text(path)), composed(_stored_path(path))}
            there = np.array([composed(stored) in places for stored in gallery.paths], bool)
            out |= _found(there, path, gallery.paths, "photo")
        removed = int(out.sum())
        if removed == len(gallery):
            raise UserError(
                f"These are all {removed} photos of the gallery; delete {folder} instead."
            )
        return gallery.take(np.flatnonzero(~out))

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


def calibration_of(gallery: Gallery, rule: Rule) -> Calibration | None:
    """What was calibrated when the gallery was built; None if it could not be."""
    stored = gallery.settings["calibration"].get(rule)
    if stored is None:
        return None
    curves = {name: ProbabilityCalibration(**stored[name]) for name in ("first", "rest")}
    return Calibration(**{**stored, **curves})


def calibrate_with_run(
    model: TrainedModel, gallery: Gallery
) -> tuple[dict[Rule, Calibration], str]:
    """A calibration for each way to score, and in words what photos it is from.

    The photos are those that the run kept for validation, else those it kept for its test. Where
    they cannot be read: the gallery's own, each looked up among the others.
    """
    try:
        dataset, splits = model.load_data()
    except UserError as error:
        why = f"the data of the run cannot be read: {error}"
    else:
        which = "test photos" if splits.validation is None else "validation photos"
        held_out = splits.test if splits.validation is None else splits.validation
        try:
            return _calibrate_held_out(model, dataset, held_out), f"the run's {which}"
        except UserError as error:
            why = f"the run's {which} do not allow it: {error}"
    labels = np.unique(gallery.identities, return_inverse=True)[1]
    rows = np.random.default_rng(0).permutation(len(gallery))[:_MOST_QUERIES]
    try:
        found = _all_rules(
            gallery.embeddings,
            labels,
            QueryGallery(np.sort(rows), np.arange(len(gallery))),
            gallery.columns.get("date"),
            model.task.metric,
        )
    except UserError as error:
        return {}, f"nothing: {error} ({why})"
    return found, f"the gallery's own photos, each against the others ({why})"


def _calibrate_held_out(
    model: TrainedModel, dataset: Dataset, held_out: QueryGallery
) -> dict[Rule, Calibration]:
    rng = np.random.default_rng(0)
    query = np.sort(rng.permutation(held_out.query)[:_MOST_QUERIES])
    others = np.sort(rng.permutation(held_out.gallery)[:_MOST_GALLERY])
    rows = np.union1d(query, others)
    places = QueryGallery(np.searchsorted(rows, query), np.searchsorted(rows, others))
    dates = dataset.columns.get("date")
    return _all_rules(
        model.embed(dataset, rows),
        dataset.labels[rows],
        places,
        None if dates is None else dates[rows],
        model.task.metric,
    )


def _all_rules(
    embeddings: Any,
    labels: np.ndarray,
    places: QueryGallery,
    dates: np.ndarray | None,
    metric: str,
) -> dict[Rule, Calibration]:
    encounter = encounters(labels, dates)
    return {
        rule: calibrate(embeddings, labels, *places, encounter=encounter, metric=metric, rule=rule)
        for rule in RULES
    }


def _embedded(model: TrainedModel, dataset: Dataset) -> Gallery:
    columns = {name: dataset.columns[name] for name in COLUMNS if name in dataset.columns}
    columns |= {
        name: np.array([as_text(value) for value in column], np.str_)
        for name, column in columns.items()
        if name != "date"
    }
    stored = _stored_path if dataset.pixels is None else as_text
    names = np.array([as_text(name) for name in dataset.identities], object)
    return Gallery(
        paths=np.array([stored(path) for path in dataset.paths.tolist()], object),
        identities=names[dataset.labels],
        columns=columns,
        embeddings=model.embed(dataset),
        thumbnails=thumbnails(dataset),
        settings={},
    )


def _stored_path(path: str) -> str:
    return as_text(os.path.abspath(path))
