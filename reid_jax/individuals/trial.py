"""Photos that an exported network is calibrated with and judged by, in 8-bit integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from reid_jax.console import counted
from reid_jax.data.photos import Dataset, QueryGallery, Splits
from reid_jax.errors import UserError
from reid_jax.export.program import Answers
from reid_jax.export.trial import Trial, Worth, in_calls
from reid_jax.individuals.config import EmbeddingConfig
from reid_jax.individuals.search import gallery_search
from reid_jax.individuals.sources import load_dataset
from reid_jax.ops.ranking.matching import matched, retrieval_rules
from reid_jax.ops.ranking.retrieval import evaluate_retrieval

_MOST = 1000  # photos that are judged by
_DRAW = 23  # leads from a run's seed to what is drawn


def photo_trial(
    source: str,
    number: int,
    own: Callable[[], tuple[Dataset, Splits]],
    config: EmbeddingConfig,
    shape: tuple[int, int, int],
    metric: str,
) -> Trial:
    """What int8 is calibrated with and judged by.

    Args:
      source: of photos to calibrate with; "" for those of the training.
      number: how many at most.
      own: the run's photos, and how they are divided. Where they are not here, it is judged by the
        source.
      shape: of a photo as the network sees it.

    Raises:
      UserError: there are too few photos to calibrate with, or none.
    """
    (size, _, channels), seed = shape, config.train.seed
    given = None
    if source:
        given = load_dataset(source, seed=seed, unnamed=True, reading=config.data.reading)
    try:
        dataset, splits = own()
    except (UserError, OSError) as error:
        if given is None:
            raise UserError(
                f"{error} Name photos to calibrate with: --calibrate folder:PHOTOS."
            ) from error
        everything = np.arange(len(given))
        dataset, test, judged_on = given, QueryGallery(everything, everything), source
    else:
        test, judged_on = splits.test, "the run's test photos"
    photos, rows = (dataset, splits.train) if given is None else (given, np.arange(len(given)))
    rng = np.random.default_rng([seed, _DRAW])
    drawn = np.sort(rng.permutation(rows)[:number])
    images = photos.load(drawn, size, channels, progress="reading photos to calibrate with")
    about = f"{counted(len(drawn), 'photo')} of {source or 'the training'}"
    query, gallery = _some(dataset, test, rng)
    both = np.union1d(query, gallery)
    tested = dataset.load(both, size, channels, progress="reading photos to judge by")
    query, gallery = np.searchsorted(both, query), np.searchsorted(both, gallery)
    few = dataset.subset(both)

    def worth(answers: Sequence[Answers]) -> Worth:
        z = np.concatenate([each["embedding"] for each in answers])
        return judged(z, few, QueryGallery(query, gallery), metric)

    return Trial(in_calls(images), about, in_calls(tested), judged_on, worth)


def judged(z: np.ndarray, photos: Dataset, test: QueryGallery, metric: str) -> Worth:
    """Rank-1 and mAP, where somebody can be found at all, and which photo each is most alike.

    Args:
      z: (N, D) of the photos.
      test: rows of them.
    """
    query, gallery = test
    measures: dict[str, float] = {}
    several = len(np.unique(photos.labels)) > 1  # photos without names are all of one
    if several and matched(photos.labels, query, gallery, photos.columns).any():
        rules = retrieval_rules(photos.labels, query, gallery, photos.columns)
        found = evaluate_retrieval(z[query], z[gallery], metric=metric, **rules)
        measures = {"Rank-1": float(found["rank1"]), "mAP": float(found["mAP"])}
    search = gallery_search(z[gallery], photos.labels[gallery], metric)
    _, near = search.photos_like(z[query], 1, [(query, gallery)])
    return measures, gallery[near[:, 0]]


def _some(dataset: Dataset, test: QueryGallery, rng: np.random.Generator) -> QueryGallery:
    """The test of so many individuals that it has no more photos than can be judged soon."""
    both = np.union1d(*test)
    if len(both) <= _MOST:
        return test
    labels = dataset.labels
    order = rng.permutation(np.unique(labels[test.query]))
    counts = np.bincount(labels[both], minlength=labels.max() + 1)
    taken = order[: max(2, int(np.searchsorted(np.cumsum(counts[order]), _MOST)))]
    both = rng.permutation(both[np.isin(labels[both], taken)])[: 2 * _MOST]
    return QueryGallery(*(rows[np.isin(rows, both)] for rows in test))
