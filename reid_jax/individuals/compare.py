"""Runs side by side on the same held-out photos: is one better, or was it luck?"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.compilations import keep_compilations
from reid_jax.data.photos import Dataset, QueryGallery
from reid_jax.errors import UserError
from reid_jax.files import atomic_write, check_destinations, write_text
from reid_jax.individuals.compare_figures import precision_recall_curves, roc_curves
from reid_jax.individuals.measures import evaluate_embeddings, left_out, scored_pairs
from reid_jax.individuals.model import TrainedModel, load_run
from reid_jax.keyframes.compare import compare_keyframe_runs
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.ops.ranking.matching import retrieval_rules
from reid_jax.ops.ranking.retrieval import evaluate_retrieval
from reid_jax.reporting.compare import Difference, find_differences, how_told
from reid_jax.reporting.plain_json import plain_json
from reid_jax.reporting.run_facts import bytes_on_disk, number_of_parameters, run_names
from reid_jax.reporting.table import Table
from reid_jax.training.config_file import read_run_config

_COMPARED = {"rank1": "cmc@1", "mAP": "ap"}
_SHOWN = ("rank1", "rank5", "mAP", "map_at_r", "roc_auc", "average_precision", "eer")
_TIMED = 256  # photos


@dataclass(frozen=True)
class Contender:
    """A run and what it makes of the held-out photos.

    Attributes:
      name: of the run.
      metrics: see ``evaluate_embeddings``.
      per_query: see ``evaluate_retrieval``.
      individuals: ``(Q,)`` of each query.
      pair_scores, pair_same: of the same pairs of photos in every run.
      parameters, bytes_on_disk, photos_per_second: what it costs; the speed without decoding.
    """

    name: str
    metrics: dict[str, Any]
    per_query: dict[str, np.ndarray]
    individuals: np.ndarray
    pair_scores: np.ndarray
    pair_same: np.ndarray
    parameters: int
    bytes_on_disk: int
    photos_per_second: float


def compare_runs(workdirs: Sequence[Path], out: Path | None) -> None:
    """Prints the comparison, and writes it with figures into a folder.

    Raises:
      UserError: fewer than two runs, of different kinds, or they hold out different examples.
    """
    check_destinations(folder=out)
    if all(isinstance(read_run_config(workdir), KeyframeConfig) for workdir in workdirs):
        compare_keyframe_runs(workdirs, out)
        return
    keep_compilations()
    contenders = contend(workdirs)
    differences = compare(contenders)
    text = as_text(contenders, differences)
    print(text)
    if out is None:
        return
    write_text(out / "comparison.txt", text + "\n")
    write_text(out / "comparison.json", as_json(contenders, differences))
    curves = {one.name: (one.pair_scores, one.pair_same) for one in contenders}
    for name, draw in (("roc", roc_curves), ("precision_recall", precision_recall_curves)):
        with atomic_write(out / f"{name}.png") as file:
            file.write(draw(curves))
    print(f"\nwritten: {out}")


def contend(workdirs: Sequence[Path]) -> list[Contender]:
    """Evaluates every run on what all of them held out.

    Raises:
      UserError: as :func:`compare_runs`.
    """
    names = run_names(workdirs)
    contenders: list[Contender] = []
    reference: dict[str, tuple[str, ...]] | None = None
    for name, workdir in zip(names, workdirs, strict=True):
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
) -> Contender:
    rows = np.union1d(test.query, test.gallery)
    query, gallery = np.searchsorted(rows, test.query), np.searchsorted(rows, test.gallery)
    photos = dataset.subset(rows)
    embeddings = model.embed(photos)
    metric = model.task.metric
    # Pairs and episodes are drawn by one seed, not by that of each run's training: else the runs
    # are measured on different ones.
    options: dict[str, Any] = {"columns": photos.columns, "metric": metric}
    retrieval = evaluate_retrieval(
        embeddings[query],
        embeddings[gallery],
        metric=metric,
        **retrieval_rules(photos.labels, query, gallery, photos.columns),
        return_per_query=True,
    )
    scores, same = scored_pairs(embeddings, photos.labels, query, gallery, **options)
    return Contender(
        name=name,
        metrics=evaluate_embeddings(embeddings, photos.labels, query, gallery, **options),
        per_query=retrieval["per_query"],
        individuals=photos.labels[query],
        pair_scores=scores,
        pair_same=same,
        parameters=number_of_parameters(model.params),
        bytes_on_disk=bytes_on_disk(workdir),
        photos_per_second=_speed(model, photos),
    )


def _speed(model: TrainedModel, photos: Dataset) -> float:
    """Photos embedded a second, once compiled; the best of three, as other work only slows down."""
    data = model.config.data
    rows = np.arange(min(_TIMED, len(photos)))
    pixels = photos.load(rows, data.image_size, data.channels)
    decoded = Dataset(photos.paths[rows], photos.labels[rows], photos.identities, pixels=pixels)
    model.embed(decoded)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        model.embed(decoded)
        times.append(time.perf_counter() - start)
    return len(rows) / min(times)


def compare(contenders: Sequence[Contender], *, seed: int = 0) -> list[Difference]:
    """Every pair of runs in Rank-1 and mAP; photos of one individual, which are alike, count as a
    group. See :func:`find_differences`.
    """
    values = [
        (one.name, {measure: one.per_query[key] for measure, key in _COMPARED.items()})
        for one in contenders
    ]
    return find_differences(values, contenders[0].individuals, of="individuals", seed=seed)


def as_text(contenders: Sequence[Contender], differences: Sequence[Difference]) -> str:
    """An aligned table, and a sentence for each pair of runs and measure."""
    names = [name for name in _SHOWN if name in contenders[0].metrics]
    head = ["", *names, "parameters", "on disk", "photos/s"]
    rows = [
        [
            one.name,
            *(f"{one.metrics[name]:.3f}" for name in names),
            f"{one.parameters:,}",
            f"{one.bytes_on_disk / 2**20:.1f} MiB",
            f"{one.photos_per_second:,.0f}",
        ]
        for one in contenders
    ]
    metrics = contenders[0].metrics
    lines = [
        Table(head, rows).as_text(),
        "",
        f"{metrics['num_queries'] - metrics['num_excluded']:,} photos looked up among "
        f"{metrics['num_gallery']:,}, {metrics['num_individuals']:,} individuals; "
        "speed without decoding the photos.",
        *left_out(metrics),
        how_told(differences),
        "",
    ]
    return "\n".join(lines + [one.sentence for one in differences])


def as_json(contenders: Sequence[Contender], differences: Sequence[Difference]) -> str:
    """Everything but the values of each query."""
    content = {
        "runs": [
            {
                "name": one.name,
                "metrics": one.metrics,
                "parameters": one.parameters,
                "bytes_on_disk": one.bytes_on_disk,
                "photos_per_second": one.photos_per_second,
            }
            for one in contenders
        ],
        "differences": [one.as_json() for one in differences],
    }
    return plain_json(content)
