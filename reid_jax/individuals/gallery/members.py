"""Who is in a gallery: building it with a run, adding, removing, and what is known about it."""

import collections
import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import say
from reid_jax.data.names import composed
from reid_jax.data.photos import Dataset
from reid_jax.data.photos.reading import Reading
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.individuals.calibration import STRANGERS
from reid_jax.individuals.evidence.features import Evidence, chosen_evidence
from reid_jax.individuals.gallery import arrivals
from reid_jax.individuals.gallery.calibrating import check_strangers, recalibrated
from reid_jax.individuals.gallery.decided import not_there
from reid_jax.individuals.gallery.evidence import with_features, with_features_of_files
from reid_jax.individuals.gallery.pictures import shared_thumbnails
from reid_jax.individuals.gallery.reference import RunPhotos, stored_path, stored_paths
from reid_jax.individuals.gallery.store import (
    check_place,
    check_replaced,
    update_gallery,
    write_gallery,
)
from reid_jax.individuals.gallery.stored.eight_bits import Store, stored_as
from reid_jax.individuals.gallery.stored.journals import check_url
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import Gallery, join
from reid_jax.individuals.model import TrainedModel
from reid_jax.individuals.published import PublishedModel, open_model
from reid_jax.individuals.sources import load_dataset
from reid_jax.platforms import relative
from reid_jax.remote.folders import brought, url_of
from reid_jax.remote.storage import is_url
from reid_jax.training.hosts.shares import Shares


def build(
    workdir: Path,
    source: str,
    out: Path,
    strangers: float = STRANGERS,
    shares: Shares | None = None,
    evidence: Evidence | None = None,
    journal: str = "",
    side_column: str = "",
    store: Store = "float32",
) -> tuple[Gallery, Dataset]:
    """Embeds all photos of a source with a run, calibrates, and writes the gallery.

    Args:
      workdir: of the run, or a word for a published network, see `training.network_words`.
      source: as data.source names it.
      out: folder of the gallery.
      strangers: the share of photos of individuals that are not in it, which is assumed.
      shares: divides the photos over processes, of which the first one alone returns.
      evidence: by what it will answer; None for the best that can be had here.
      journal: the URL of a PostgreSQL database that keeps its decisions; "" for a file in `out`.
      side_column: the column that says which side of an animal is seen, of this source and of
        those that are added; "" for that of the run.
      store: how embeddings are kept, from now on; "int8" says what is found otherwise.

    Returns:
      The gallery, and the photos as they were read (with those that were skipped).

    Raises:
      UserError: the run, the source or the folder cannot be used.
    """
    check_strangers(strangers)
    kind = chosen_evidence(evidence)
    check_place(out)
    check_replaced(out)
    check_url(journal)
    model = open_model(workdir)
    dataset = _photos(model, source, side_column)
    gallery, empty = embedded_gallery(model, dataset, source, out, shares)
    gallery = with_side_column(gallery, reading_of(model, side_column).side_column)
    gallery = stored_as(gallery, store, model.task.metric)
    gallery = recalibrated(with_evidence(gallery, dataset, kind), strangers)
    write_gallery(out, gallery, journal)
    return gallery, dataclasses.replace(dataset, skipped=(*dataset.skipped, *empty))


def _photos(model: TrainedModel, source: str, side_column: str, *, needed: bool = True) -> Dataset:
    reading = dataclasses.replace(reading_of(model, side_column), side_needed=needed)
    return load_dataset(source, seed=model.config.train.seed, reading=reading)


def reading_of(model: TrainedModel, side_column: str) -> Reading:
    """How a source is read for a gallery.

    Args:
      side_column: which says the side that is seen; "" for that of the run.
    """
    reading = model.config.data.reading
    return dataclasses.replace(reading, side_column=side_column or reading.side_column)


def with_side_column(gallery: Gallery, side_column: str) -> Gallery:
    """The gallery knowing which column says the side of photos that are added; "" for none."""
    if not side_column:
        return gallery
    settings = {**gallery.settings, "side_column": side_column}
    return dataclasses.replace(gallery, settings=settings)


def embedded_gallery(
    model: TrainedModel, dataset: Dataset, source: str, out: Path, shares: Shares | None = None
) -> tuple[Gallery, list[tuple[str, str]]]:
    """A gallery to be written to `out`, not calibrated; and (path, reason) of those left out.

    Raises:
      UserError: no photo shows anything.
    """
    run = RunPhotos.of(model)
    gallery, empty = _embedded(model, dataset, arrivals.described(dataset, run.trained_on), shares)
    _check_usable(len(gallery), empty)
    settings: dict[str, Any] = {
        "fingerprint": model.fingerprint,
        **place_of(model, out),
        "metric": model.task.metric,
        "sources": [source],
        "built": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    return dataclasses.replace(gallery, settings=settings, reference=run.embedded(model)), empty


def with_evidence(gallery: Gallery, dataset: Dataset, kind: Evidence) -> Gallery:
    """A new gallery of photos of a source, with local features unless the kind is "none"."""
    if kind == "none":
        return gallery
    say(f"evidence {kind}: local features of each photo are kept (--evidence none: without)")
    settings = {**gallery.settings, "evidence": {"kind": kind}}
    gallery = with_features(gallery, _taken(dataset, gallery), None)
    return dataclasses.replace(gallery, settings=settings)


def place_of(model: TrainedModel, out: Path) -> dict[str, str]:
    """Where a gallery finds its network again."""
    if isinstance(model, PublishedModel):
        return {"run": model.workdir.as_posix(), "run_relative": ""}
    workdir = model.workdir.resolve()
    return {
        "run": url_of(model.workdir) or workdir.as_posix(),
        "run_relative": relative(workdir, out.resolve()),
    }


@dataclasses.dataclass(frozen=True)
class Added:
    """Attributes:
    added: how many photos.
    there: how many the gallery had already.
    moved: how many of these have another path now.
    replaced: how many of its photos were dropped, as their files have another content now.
    differ: of how many that are there something else is said, by what.
    renamed: how many photos have another individual there, by (there, here).
    corrected: whether that was taken over.
    dataset: the photos as they were read, with those that were skipped.
    """

    added: int
    there: int
    moved: int
    replaced: int
    differ: Mapping[str, int]
    renamed: Mapping[tuple[str, str], int]
    corrected: bool
    dataset: Dataset


def add(
    folder: Path,
    source: str,
    workdir: Path | None,
    *,
    correct: bool = False,
    shares: Shares | None = None,
    evidence: Evidence | None = None,
    who: str = "",
) -> Added:
    """Embeds those photos of a source that are not in the gallery, and adds them.

    Nothing is embedded while others wait for the gallery. What they removed meanwhile stays out.

    Args:
      folder: of the gallery.
      source: as data.source names it.
      workdir: of the run, should it have moved.
      correct: whether photos that are there get the individual and the facts of the source.
      shares: divides the photos over processes, of which the first one alone returns.
      evidence: by what the gallery will answer; where that is new to it, local features of all of
        its photos are found. None leaves it as it is.
      who: adds them; by default see :func:`reid_jax.individuals.gallery.journal.person.person`.

    Raises:
      UserError: the run is another one than the gallery was built with, or see :func:`build`.
    """
    stored = read_gallery(folder, thumbnails=False, marked=True)
    kind = chosen_evidence(evidence or stored.settings.get("evidence", {}).get("kind", "none"))
    check_place(folder)
    model = model_of(folder, stored, workdir)
    dataset = _photos(model, source, stored.settings.get("side_column", ""), needed=False)
    run = RunPhotos.of(model)
    photos = arrivals.described(dataset, run.trained_on)
    known = run.known_to(stored, model)
    new = np.flatnonzero(arrivals.compare(known, photos).rows < 0)
    embedded, empty = _embedded(model, dataset.subset(new), photos.take(new), shares)
    if kind != "none":
        if known.local is None:
            known = with_features_of_files(known)
        assert known.local is not None
        fresh = _taken(dataset.subset(new), embedded)
        embedded = with_features(embedded, fresh, known.local.background)
    place = {path: row for row, path in enumerate(embedded.paths)}
    shows = np.ones(len(photos), bool)
    shows[new] = [path in place for path in photos.paths[new]]
    _check_usable(int(shows.sum()), empty)
    photos = photos.take(np.flatnonzero(shows))
    dataset = dataclasses.replace(dataset, skipped=(*dataset.skipped, *empty))
    result: Added | None = None

    def change(gallery: Gallery) -> Gallery:
        nonlocal result
        check_fingerprint(folder, gallery, model)
        stored, gallery = (
            gallery,
            arrivals.answering(arrivals.with_found_out(gallery, known), known, kind),
        )
        found = arrivals.compare(gallery, photos)
        come = [place[path] for path in photos.paths[found.rows < 0] if path in place]
        differ = {name: int(which.sum()) for name, which in found.differ.items() if which.any()}
        result = Added(
            added=len(come),
            there=int((found.rows >= 0).sum()),
            moved=int(found.moved.sum()),
            replaced=int(found.stale.sum()),
            differ=differ,
            renamed=arrivals.renamed(gallery, photos, found),
            corrected=correct,
            dataset=dataset,
        )
        sources = list(dict.fromkeys([*gallery.settings["sources"], source]))
        settings = {**gallery.settings, "sources": sources}
        changed = arrivals.brought_up_to_date(gallery, photos, found, correct=correct)
        if come:
            changed = join(changed, embedded.take(np.array(come, np.int64)))
        if changed is stored and settings == stored.settings:
            return stored
        return recalibrated(dataclasses.replace(changed, settings=settings))

    update_gallery(folder, change, who=who)
    assert result is not None
    return result


def _check_usable(photos: int, empty: Sequence[tuple[str, str]]) -> None:
    if not photos:
        path, why = empty[0]
        raise UserError(
            f"No photo can be used ({as_text(path)}: {why}); give photos that show something."
        )


def remove(folder: Path, identities: Sequence[str], paths: Sequence[str], who: str = "") -> int:
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
            theirs = gallery.identities == name
            if not theirs.any():
                raise not_there("individual", name, np.unique(gallery.identities).tolist())
            out |= theirs
        at = collections.defaultdict(list)
        for row, path in enumerate(gallery.paths):
            at[composed(path)].append(row)
        for path in paths:
            places = {composed(as_text(path)), composed(stored_path(path))}
            rows = [row for place in places for row in at.get(place, [])]
            if not rows:
                raise not_there("photo", path, np.unique(gallery.paths).tolist())
            out[rows] = True
        removed = int(out.sum())
        if removed == len(gallery):
            raise UserError(
                f"These are all {removed} photos of the gallery; delete {folder} instead."
            )
        return recalibrated(gallery.take(np.flatnonzero(~out)))

    update_gallery(folder, change, "remove", who)
    return removed


def model_of(folder: Path, gallery: Gallery, workdir: Path | None) -> TrainedModel:
    """The run that a gallery was built with, where it is now.

    Raises:
      UserError: it is not there, or it is another one.
    """
    settings = gallery.settings
    if workdir is None and is_url(settings["run"]):
        workdir = brought(settings["run"])
    if workdir is None and not settings["run_relative"]:
        workdir = Path(settings["run"])
    places = [Path(settings["run"]), folder.resolve() / settings["run_relative"]]
    places = [workdir] if workdir is not None else [p for p in places if p.is_dir()]
    if not places:
        raise UserError(
            f"The run that the gallery {folder} was built with is no longer at {settings['run']}; "
            "say where it is with --workdir."
        )
    model = open_model(places[0])
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


def _taken(dataset: Dataset, gallery: Gallery) -> Dataset:
    """Those photos of a source that are in a gallery, in its order."""
    place = {path: row for row, path in enumerate(stored_paths(dataset))}
    return dataset.subset(np.array([place[path] for path in gallery.paths], np.int64))


def _embedded(
    model: TrainedModel, dataset: Dataset, photos: Gallery, shares: Shares | None
) -> tuple[Gallery, list[tuple[str, str]]]:
    """The described photos with embeddings, but for those that show nothing: (path, reason)."""
    pictures, blank = shared_thumbnails(dataset, shares)
    rows = np.flatnonzero([why is None for why in blank])
    empty = [(str(path), why) for path, why in zip(dataset.paths, blank, strict=True) if why]
    if len(rows):
        embeddings = model.embed(dataset, rows, shares=shares)
    else:
        embeddings = np.asarray(photos.embeddings)
        if shares is not None:
            shares.end()
    found = dataclasses.replace(photos.take(rows), embeddings=embeddings, thumbnails=pictures[rows])
    return found, empty
