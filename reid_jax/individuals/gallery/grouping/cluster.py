"""`reid-jax gallery cluster`: from a source of photos to a gallery of groups and their page."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reid_jax.console import counted, say
from reid_jax.data.photos import Dataset, load_dataset
from reid_jax.data.photos.reading import SIDE
from reid_jax.errors import UserError
from reid_jax.files import check_destinations, write_text
from reid_jax.individuals.calibration import STRANGERS
from reid_jax.individuals.evidence.features import Evidence, chosen_evidence
from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.calibrating import check_strangers, recalibrated
from reid_jax.individuals.gallery.grouping import words
from reid_jax.individuals.gallery.grouping.constraints import (
    NOBODY,
    copies,
    in_a_burst,
    named,
    of_one_photo,
)
from reid_jax.individuals.gallery.grouping.grouped import Grouped, group
from reid_jax.individuals.gallery.grouping.near import nearest, with_agreement
from reid_jax.individuals.gallery.grouping.page import as_html
from reid_jax.individuals.gallery.store import check_place, check_replaced, write_gallery
from reid_jax.individuals.gallery.value import DIGEST, Gallery
from reid_jax.individuals.published import open_model
from reid_jax.individuals.sides import has_sides, side_codes

PAGE = "groups.html"


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a person may say beside the photos.

    Attributes:
      evidence: by what photos are compared; None for the best that can be had here.
      threshold: the link from which on groups are one; None chooses it.
      burst_seconds: photos that are so close in time are together; 0 does not look.
      names: whether names of the source are believed.
      strangers: see :func:`reid_jax.individuals.gallery.members.build`.
      html: where the page is written; None for the gallery's folder.
      side_column: the column that says which side of an animal is seen; "" for that of the run.
    """

    evidence: Evidence | None = None
    threshold: float | None = None
    burst_seconds: float = 0.0
    names: bool = True
    strangers: float = STRANGERS
    html: Path | None = None
    side_column: str = ""

    def check(self) -> None:
        """Raises a UserError where something cannot be."""
        check_strangers(self.strangers)
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise UserError(
                f"--threshold is {self.threshold:g}; it must be above 0 and below 1, as the links "
                "of groups are."
            )
        if not 0 <= self.burst_seconds < np.inf:
            raise UserError(
                f"--burst-seconds is {self.burst_seconds:g}; it must be a number of seconds, 0 or "
                "more."
            )


@dataclasses.dataclass(frozen=True)
class Clustered:
    """Attributes:
    gallery: as it was written, named by groups.
    dataset: the photos as they were read, with those that were skipped.
    found: the groups of the gallery's photos.
    page: where they are shown.
    spent: seconds of each part.
    """

    gallery: Gallery
    dataset: Dataset
    found: Grouped
    page: Path
    spent: dict[str, float]


def cluster(workdir: Path, source: str, out: Path, asked: Asked) -> Clustered:
    """Groups the photos of a source, and writes a gallery whose individuals are the groups.

    Args:
      workdir: of the run, or a word for a published network, see `training.network_words`.
      source: as data.source names it; photos of nobody are wanted.
      out: folder of the gallery.

    Raises:
      UserError: the network, the source or a place cannot be used.
    """
    asked.check()
    kind = chosen_evidence(asked.evidence)
    page = asked.html or out / PAGE
    check_place(out)
    check_replaced(out)
    check_destinations(asked.html)
    spent: dict[str, float] = {}
    with _timed("reading photos", spent):
        model = open_model(workdir)
        reading = members.reading_of(model, asked.side_column)
        if asked.burst_seconds:
            reading = dataclasses.replace(reading, exif=True)
        seed = model.config.train.seed
        dataset = load_dataset(source, seed=seed, reading=reading, unnamed=True)
    with _timed("embeddings", spent):
        gallery, empty = members.embedded_gallery(model, dataset, source, out)
        gallery = members.with_side_column(gallery, reading.side_column)
    if kind != "none":
        with _timed("local features", spent):
            gallery = members.with_evidence(gallery, dataset, kind)
    found = _grouped(gallery, kind, asked, spent)
    given = _given(gallery, asked)
    settings = {
        **gallery.settings,
        "grouped": {"threshold": found.threshold, "evidence": kind, "notes": list(found.notes)},
    }
    gallery = dataclasses.replace(gallery, identities=words.names(found, given), settings=settings)
    with _timed("calibration", spent):
        gallery = recalibrated(gallery, asked.strangers)
    write_gallery(out, gallery)
    write_text(page, as_html(out, gallery, found))
    dataset = dataclasses.replace(dataset, skipped=(*dataset.skipped, *empty))
    return Clustered(gallery, dataset, found, page, spent)


def _given(gallery: Gallery, asked: Asked) -> np.ndarray:
    """``(N,)`` objects: the names that count, "" for nobody."""
    whose = named(gallery.identities.tolist())
    return np.where((whose == NOBODY) | (not asked.names), "", gallery.identities)


def _grouped(gallery: Gallery, kind: Evidence, asked: Asked, spent: dict[str, float]) -> Grouped:
    paths = gallery.paths.tolist()
    whose = named(_given(gallery, asked).tolist())
    if (whose != NOBODY).any():
        individuals = counted(int(whose.max()) + 1, "individual")
        say(
            f"{counted(int((whose != NOBODY).sum()), 'photo')} of {individuals} have a name, which "
            "is believed (--no-names: they are not)"
        )
    together = copies(gallery.column(DIGEST), paths)
    if asked.burst_seconds:
        dates, cameras = gallery.column("date"), gallery.column("camera")
        bursts = in_a_burst(dates, cameras, paths, asked.burst_seconds)
        say(f"bursts: {counted(len(np.unique(bursts)), 'photo')} are joined where they can be")
        together = np.concatenate([together, bursts])
    sides = gallery.column(SIDE)
    if has_sides(sides):
        say("sides: photos of two sides are not compared; a group is of one, unless names join it")
    with _timed("nearest", spent):
        near = nearest(gallery.embeddings, gallery.settings["metric"], sides=sides)
    if kind != "none" and gallery.local is not None:
        with _timed("comparing local features", spent):
            near = with_agreement(near, gallery.local)
    with _timed("groups", spent):
        return group(
            near,
            kind,
            metric=gallery.settings["metric"],
            whose=whose,
            apart=of_one_photo(paths),
            together=together,
            threshold=asked.threshold,
            sides=side_codes(sides),
        )


@contextlib.contextmanager
def _timed(what: str, spent: dict[str, float]) -> Iterator[None]:
    started = time.monotonic()
    yield
    spent[what] = time.monotonic() - started
