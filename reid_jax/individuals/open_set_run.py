"""Does a run know whom it does not know? The open-set table, beside what can be had for nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.compilations import keep_compilations
from reid_jax.data.photos import Dataset, QueryGallery, Splits
from reid_jax.errors import UserError
from reid_jax.files import check_destinations, write_text
from reid_jax.individuals.calibration import best_threshold
from reid_jax.individuals.glossary import CONSOLE, OPEN_SET, SPLITS
from reid_jax.individuals.model import embed_beside_baselines, load_run
from reid_jax.individuals.open_set import evaluate_open_set
from reid_jax.ops.ranking.matching import encounters, has_match
from reid_jax.ops.significance import FEWEST_FOR_VERDICT
from reid_jax.reporting.measure import columns
from reid_jax.reporting.plain_json import plain_json
from reid_jax.reporting.table import results_table

_CALIBRATING = 1 / 3  # of the known individuals, where the run kept no photos for validation


@dataclass(frozen=True)
class OpenSet:
    """Rows of a dataset, and who they are to the gallery.

    Attributes:
      test: queries of known and of unknown individuals; the gallery has the known ones only.
      calibration: other queries, and what they are compared with, for the threshold.
      calibrated_with: these, in words.
      unknown_were_trained_on: whether the network saw other photos of unknown individuals, which
        flatters it.
      encounter: ``(N,)``: photos of the query's own encounter are never a match.
      left_out: photos of individuals of the gallery that it has by no other encounter.
    """

    test: QueryGallery
    calibration: QueryGallery
    calibrated_with: str
    unknown_were_trained_on: bool
    encounter: np.ndarray
    left_out: int = 0


def arrange(dataset: Dataset, splits: Splits, unknown_fraction: float, seed: int) -> OpenSet:
    """Known and unknown queries out of what a run held out.

    Individuals that the split keeps out of the test gallery (split "open") are the unknown ones.
    Where there are none, ``unknown_fraction`` of the individuals searched for are taken out of it.

    Raises:
      UserError: too few individuals are left.
    """
    if not 0 < unknown_fraction < 1:
        raise UserError(f"unknown_fraction is {unknown_fraction}; it must be between 0 and 1.")
    labels = dataset.labels
    rng = np.random.default_rng(seed)
    encounter = encounters(labels, dataset.columns.get("date"))
    query, gallery = splits.test
    strangers = np.setdiff1d(labels[query], labels[gallery])
    if not len(strangers):
        individuals = rng.permutation(np.unique(labels[query]))
        strangers = individuals[: max(1, round(unknown_fraction * len(individuals)))]
        gallery = gallery[~np.isin(labels[gallery], strangers)]
    unknown = np.isin(labels[query], strangers)
    matched = has_match(labels, encounter, query, gallery)
    known = query[matched & ~unknown]
    if splits.validation is not None:
        # Nothing of those who are to be unknown may have set the threshold.
        others = (rows[~np.isin(labels[rows], strangers)] for rows in splits.validation)
        calibration, calibrated_with = QueryGallery(*others), "the run's validation photos"
    else:
        individuals = rng.permutation(np.unique(labels[known]))
        chosen = individuals[: max(1, round(_CALIBRATING * len(individuals)))]
        held = np.isin(labels[known], chosen)
        calibration, known = QueryGallery(known[held], gallery), known[~held]
        calibrated_with = f"test photos of {len(chosen)} known individuals, which are not measured"
    if not len(known):
        raise UserError(
            "Too few individuals are held out to measure known and unknown ones: hold out more "
            "(data.test_fraction), or train with data.split open."
        )
    return OpenSet(
        test=QueryGallery(np.sort(np.concatenate([known, query[unknown]])), gallery),
        calibration=calibration,
        calibrated_with=calibrated_with,
        unknown_were_trained_on=bool(np.isin(strangers, labels[splits.train]).any()),
        encounter=encounter,
        left_out=int(np.sum(~matched & ~unknown)),
    )


def evaluate_open_set_run(
    workdir: Path, *, unknown_fraction: float = 0.2, json_path: Path | None = None
) -> dict[str, Any]:
    """Prints the open-set table of a run and its baselines; returns it.

    Every row has its own threshold, calibrated on the same photos.

    Raises:
      UserError: the folder is not that of a run, or see :func:`arrange`.
    """
    keep_compilations()
    check_destinations(json_path)
    model = load_run(workdir)
    dataset, splits = model.load_data()
    photos = arrange(dataset, splits, unknown_fraction, model.config.train.seed)
    rows = np.unique(np.concatenate([*photos.test, *photos.calibration]))
    taken = dataset.subset(rows)
    candidates = embed_beside_baselines(model, taken)
    table = {
        name: measure(embeddings, taken.labels, rows, photos, model.task.metric)
        for name, embeddings in candidates.items()
    }
    result = {
        "calibrated_with": photos.calibrated_with,
        "unknown_were_trained_on": photos.unknown_were_trained_on,
        "split": model.config.data.split,
        "left_out": photos.left_out,
        "rows": table,
    }
    print(as_text(result))
    if json_path is not None:
        write_text(json_path, plain_json(result))
    return result


def measure(
    embeddings: np.ndarray, labels: np.ndarray, rows: np.ndarray, photos: OpenSet, metric: str
) -> dict[str, Any]:
    """Measures of embeddings ``(M, D)`` of the photos at ``rows`` with these ``(M,)`` labels."""
    encounter = photos.encounter[rows]
    test, calibration = (
        QueryGallery(*(np.searchsorted(rows, side) for side in part))
        for part in (photos.test, photos.calibration)
    )
    threshold = best_threshold(
        embeddings,
        labels,
        *calibration,
        encounter=encounter,
        metric=metric,
        individuals=len(np.unique(labels[test.gallery])),
    )
    return evaluate_open_set(
        embeddings[test.query],
        embeddings[test.gallery],
        labels[test.query],
        labels[test.gallery],
        metric,
        threshold=threshold,
        query_index=encounter[test.query],
        gallery_index=encounter[test.gallery],
    )


def as_text(result: dict[str, Any]) -> str:
    """The table, and what it was measured on."""
    rows = result["rows"]
    one = next(iter(rows.values()))
    shown = columns(OPEN_SET, [one], CONSOLE)
    lines = [
        results_table(rows, shown, short=True).as_text(),
        "",
        *(f"{each.head}: {each.explanation}" for each in shown),
        "",
        SPLITS[result["split"]],
        f"{one['num_known']:,} photos of {one['num_known_individuals']:,} known individuals, "
        f"{one['num_unknown']:,} of {one['num_unknown_individuals']:,} unknown ones; photos of the "
        "same day are never matched",
        f"thresholds from {result['calibrated_with']}, for a gallery of this size",
    ]
    if result["left_out"]:
        lines.append(
            f"{result['left_out']:,} photos are left out: the gallery has their individual by no "
            "other day"
        )
    strangers = one["num_unknown_individuals"]
    if strangers < FEWEST_FOR_VERDICT:
        lines.append(
            f"Few unknown individuals ({strangers}): the looks of each decide what is said about "
            f"strangers; hold out {FEWEST_FOR_VERDICT} or more."
        )
    if result["unknown_were_trained_on"]:
        lines.append(
            "The network was trained on other photos of the unknown individuals, which flatters "
            "it; train with --data.split open to measure individuals it has never seen."
        )
    return "\n".join(lines)
