"""Runs side by side on the same held-out photos: is one better, or was it luck?"""

import itertools
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.cli import keep_compilations
from reid_jax.data import Dataset, QueryGallery
from reid_jax.errors import UserError
from reid_jax.evaluation.compare_plots import precision_recall_curves, roc_curves
from reid_jax.evaluation.embedding import evaluate_embeddings, retrieval_rules
from reid_jax.evaluation.text_table import aligned
from reid_jax.evaluation.trained_model import TrainedModel, load_run
from reid_jax.files import atomic_write, write_text
from reid_jax.ops.retrieval import evaluate_retrieval
from reid_jax.ops.verification import bootstrap_mean, pair_scores

CONFIDENCE = 0.95
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


@dataclass(frozen=True)
class Difference:
    """Run ``first`` minus run ``second`` in one measure.

    Attributes:
      low, high: the bootstrap interval; a difference is one if it leaves out 0.
      confidence: of the interval, higher the more pairs of runs are compared.
    """

    first: str
    second: str
    measure: str
    value: float
    low: float
    high: float
    confidence: float

    @property
    def is_one(self) -> bool:
        return self.low > 0 or self.high < 0


def compare_runs(workdirs: Sequence[Path], out: Path | None) -> None:
    """Prints the comparison, and writes it with figures into a folder.

    Raises:
      UserError: fewer than two runs, or they hold out different photos.
    """
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
    if len(workdirs) < 2:
        raise UserError("A comparison needs two runs or more: name their folders.")
    names = _names(workdirs)
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


def _names(workdirs: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart."""
    parts = [path.resolve().parts for path in workdirs]
    if len(set(parts)) < len(parts):
        raise UserError("The same run is named twice.")
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


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
    metric, seed = model.task.metric, model.config.train.seed
    options: dict[str, Any] = {"columns": photos.columns, "metric": metric, "seed": seed}
    retrieval = evaluate_retrieval(
        embeddings[query],
        embeddings[gallery],
        metric=metric,
        **retrieval_rules(photos.labels, query, gallery, photos.columns),
        return_per_query=True,
    )
    scores, same, _ = pair_scores(embeddings, photos.labels, metric=metric)
    checkpoint = workdir / "checkpoints" / "best"
    return Contender(
        name=name,
        metrics=evaluate_embeddings(embeddings, photos.labels, query, gallery, **options),
        per_query=retrieval["per_query"],
        individuals=photos.labels[query],
        pair_scores=scores,
        pair_same=same,
        parameters=sum(int(np.size(leaf)) for leaf in jax.tree.leaves(model.params["net"])),
        bytes_on_disk=sum(path.stat().st_size for path in checkpoint.rglob("*") if path.is_file()),
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
    """Every pair of runs in Rank-1 and mAP.

    The queries are resampled in pairs, individual by individual: both runs get the same photos, and
    photos of one individual, which are alike, are drawn as one. With several pairs of runs the
    intervals are as much wider that the chance of one false difference stays 5% (Bonferroni).
    """
    pairs = list(itertools.combinations(contenders, 2))
    confidence = 1 - (1 - CONFIDENCE) / (len(pairs) * len(_COMPARED))
    found = []
    for (first, second), (measure, key) in itertools.product(pairs, _COMPARED.items()):
        difference = first.per_query[key] - second.per_query[key]
        low, high = bootstrap_mean(
            difference,
            first.individuals,
            replicates=10_000,
            confidence=confidence,
            seed=seed,
        )
        there = difference[~np.isnan(difference)]
        value = float(there.mean()) if len(there) else float("nan")
        found.append(Difference(first.name, second.name, measure, value, low, high, confidence))
    return found


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
        aligned(head, rows),
        "",
        f"{metrics['num_queries'] - metrics['num_excluded']:,} photos looked up among "
        f"{metrics['num_gallery']:,}, {metrics['num_individuals']:,} individuals; "
        "speed without decoding the photos.",
        "",
    ]
    return "\n".join(lines + [_sentence(one) for one in differences])


def _sentence(one: Difference) -> str:
    interval = f"{100 * one.low:+.1f} to {100 * one.high:+.1f}"
    better, worse = (one.first, one.second) if one.value >= 0 else (one.second, one.first)
    verdict = f"{better} is better than {worse}" if one.is_one else "no difference can be told"
    return (
        f"{one.measure}: {one.first} minus {one.second} = {100 * one.value:+.1f} points "
        f"({100 * one.confidence:g}% interval {interval}): {verdict}"
    )


def as_json(contenders: Sequence[Contender], differences: Sequence[Difference]) -> str:
    """Everything but the values of each query."""

    def number(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    content = {
        "runs": [
            {
                "name": one.name,
                "metrics": {name: number(value) for name, value in one.metrics.items()},
                "parameters": one.parameters,
                "bytes_on_disk": one.bytes_on_disk,
                "photos_per_second": one.photos_per_second,
            }
            for one in contenders
        ],
        "differences": [
            {
                "first": one.first,
                "second": one.second,
                "measure": one.measure,
                "difference": number(one.value),
                "low": number(one.low),
                "high": number(one.high),
                "confidence": one.confidence,
                "is_a_difference": one.is_one,
            }
            for one in differences
        ],
    }
    return json.dumps(content, indent=2) + "\n"
