"""Runs side by side on the same held-out photos: is one better, or was it luck?"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.compilations import keep_compilations
from reid_jax.console import say
from reid_jax.data.photos import Dataset, QueryGallery
from reid_jax.errors import UserError
from reid_jax.individuals.figures import roc
from reid_jax.individuals.glossary import COMPARED, MEASURES, SPLITS
from reid_jax.individuals.measures import PER_QUERY, Details, evaluate_in_detail, left_out
from reid_jax.individuals.model import TrainedModel, load_run
from reid_jax.reporting.compare import Comparison, Contender, find_differences
from reid_jax.reporting.cost import number_of_parameters
from reid_jax.reporting.figures import precision_recall_curves
from reid_jax.reporting.measure import columns
from reid_jax.reporting.run_facts import bytes_on_disk, run_names

_TIMED = 256  # photos


@dataclass(frozen=True)
class PhotoContender(Contender):
    """A run and what it makes of the held-out photos.

    Attributes:
      details: see ``evaluate_in_detail``; the pairs of photos are the same in every run.
      individuals: ``(Q,)`` of each query.
      photos_per_second: without decoding.
    """

    details: Details
    individuals: np.ndarray
    photos_per_second: float

    @property
    def examples(self) -> dict[str, np.ndarray]:
        return {name: self.details.per_query[key] for key, name in PER_QUERY.items()}

    @property
    def costs(self) -> dict[str, str]:
        return {"photos/s": f"{self.photos_per_second:,.0f}"}

    @property
    def facts(self) -> dict[str, float]:
        return {"photos_per_second": self.photos_per_second}


def compare_runs(workdirs: Sequence[Path], out: Path | None) -> dict[str, Any]:
    """Prints the comparison, and writes it with figures into a folder; returns what its JSON holds.

    Raises:
      UserError: fewer than two runs, of different kinds, or they hold out different examples.
    """
    keep_compilations()
    return compare(contend(workdirs)).tell(out)


def contend(workdirs: Sequence[Path]) -> list[PhotoContender]:
    """Evaluates every run on what all of them held out.

    Raises:
      UserError: as :func:`compare_runs`.
    """
    names = run_names(workdirs)
    contenders: list[PhotoContender] = []
    reference: dict[str, tuple[str, ...]] | None = None
    for number, (name, workdir) in enumerate(zip(names, workdirs, strict=True), 1):
        say(f"run {number} of {len(names)}: {name}")
        model = load_run(workdir)
        dataset, splits = model.load_data()
        facts = _held_out(dataset, splits.test)
        if reference is not None and facts != reference:
            raise UserError(
                f"{names[0]} and {name} hold out different photos, so their numbers cannot be "
                "compared: train both with the same data, split, fractions and seed."
            )
        reference = facts
        contenders.append(_contend(name, workdir, model, dataset, splits.test))
    return contenders


def _held_out(dataset: Dataset, test: QueryGallery) -> dict[str, tuple[str, ...]]:
    names = np.asarray(dataset.identities)
    return {
        side: tuple(
            f"{path}\0{name}"
            for path, name in zip(dataset.paths[rows], names[dataset.labels[rows]], strict=True)
        )
        for side, rows in (("query", test.query), ("gallery", test.gallery))
    }


def _contend(
    name: str, workdir: Path, model: TrainedModel, dataset: Dataset, test: QueryGallery
) -> PhotoContender:
    rows = np.union1d(test.query, test.gallery)
    query, gallery = np.searchsorted(rows, test.query), np.searchsorted(rows, test.gallery)
    photos = dataset.subset(rows)
    embeddings = model.embed(photos)
    # Pairs and episodes are drawn by one seed, not by that of each run's training: else the runs
    # are measured on different ones.
    metrics, details = evaluate_in_detail(
        *(embeddings, photos.labels, query, gallery),
        columns=photos.columns,
        metric=model.task.metric,
    )
    return PhotoContender(
        name=name,
        metrics={**metrics, "split": model.config.data.split},
        parameters=number_of_parameters(model.params["net"]),
        bytes_on_disk=bytes_on_disk(workdir),
        details=details,
        individuals=photos.labels[query],
        photos_per_second=_speed(model, photos),
    )


def _speed(model: TrainedModel, photos: Dataset) -> float:
    """Photos embedded a second, once compiled; the best of three, as other work only slows down."""
    data = model.config.data
    rows = np.arange(min(_TIMED, len(photos)))
    pixels = photos.load(rows, data.embedded_size, data.channels)
    decoded = Dataset(photos.paths[rows], photos.labels[rows], photos.identities, pixels=pixels)
    model.embed(decoded)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        model.embed(decoded)
        times.append(time.perf_counter() - start)
    return len(rows) / min(times)


def compare(contenders: Sequence[PhotoContender], *, seed: int = 0) -> Comparison:
    """Every pair of runs in Rank-1 and mAP; photos of one individual, which are alike, count as a
    group. See :func:`find_differences`.
    """
    first = contenders[0]
    metrics = first.metrics
    curves = {one.name: (one.details.pair_scores, one.details.pair_same) for one in contenders}
    asked = metrics["num_queries"] - metrics["num_excluded"]
    return Comparison(
        contenders,
        columns(MEASURES, [metrics], COMPARED),
        find_differences(
            [(one.name, one.examples) for one in contenders],
            MEASURES,
            first.individuals,
            of="individuals",
            seed=seed,
        ),
        costs=["Speed without decoding the photos."],
        about=[
            f"{asked:,} photos looked up among {metrics['num_gallery']:,}, "
            f"{metrics['num_individuals']:,} individuals.",
            SPLITS[metrics["split"]],
            *left_out(metrics),
        ],
        figures={
            "roc": lambda: roc(curves),
            "precision_recall": lambda: precision_recall_curves(curves),
        },
    )
