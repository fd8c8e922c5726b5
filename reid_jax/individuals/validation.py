"""Which photos a validation looks at, and how they come to it: block by block."""

import itertools
from dataclasses import replace

import numpy as np

from reid_jax.data.photos import Dataset, QueryGallery, Splits
from reid_jax.data.photos.stream import in_blocks
from reid_jax.errors import UserError
from reid_jax.individuals.config import DataConfig, EmbeddingConfig
from reid_jax.ops.losses.distilled import TAUGHT
from reid_jax.ops.ranking.matching import check_matches, matched
from reid_jax.ops.whitening import some_of_each
from reid_jax.training.experiment import Blocks, Validation

WHITENED_BY = 10_000  # training photos at most
_AFFORDABLE = 2_000  # or as many as the validation has photos: then it takes twice its time
_BLOCK = 512  # photos decoded at a time
_KEPT_BYTES = 2**30
_FEW = 100  # individuals that a part of the photos shows at least, where there are so many
_DRAW = 3  # leads from a run's seed to the part that is drawn


def make_validation(dataset: Dataset, splits: Splits, data: DataConfig, seed: int) -> Validation:
    """The validation photos, at most `data.validation_photos`; query and gallery count within them.

    Raises:
      UserError: there is nothing to search for.
    """
    assert splits.validation is not None
    query, gallery = some_photos(dataset.labels, splits.validation, data.validation_photos, seed)
    try:
        check_matches(
            dataset.labels, query, gallery, dataset.columns, " in the photos of the validation"
        )
    except UserError as error:
        raise UserError(f"{error} Or do without one: data.validation_fraction 0.") from error
    rows = np.union1d(query, gallery)
    facts = {name: dataset.columns[name][rows] for name in ("camera",) if name in dataset.columns}
    return Validation(
        inputs=photo_blocks(dataset, rows, data.embedded_size, data.channels),
        examples={
            "label": dataset.labels[rows],
            "query": np.searchsorted(rows, query),
            "gallery": np.searchsorted(rows, gallery),
            **facts,
        },
    )


def validation_rows(dataset: Dataset, splits: Splits, config: EmbeddingConfig) -> np.ndarray:
    """Rising indices (M,) of the photos that a validation looks at."""
    assert splits.validation is not None
    most, seed = config.data.validation_photos, config.train.seed
    return np.union1d(*some_photos(dataset.labels, splits.validation, most, seed))


def by_teacher(validation: Validation, taught: np.ndarray) -> Validation:
    """A validation that asks how far the network agrees with a teacher, who makes `taught` (M, T)
    of its photos."""
    return replace(validation, examples={**validation.examples, TAUGHT: taught})


def with_whitening(
    validation: Validation, train: Dataset, data: DataConfig, seed: int
) -> Validation:
    """A validation whose embeddings are whitened as the run's will be, by training photos.

    By as many as can be afforded each time; `train` is that of `training_set`.
    """
    most = whitening_photos(len(validation.examples["label"]))
    by = some_of_each(train.labels, most, seed)
    if not len(by):
        return validation
    more = photo_blocks(train, by, data.embedded_size, data.channels)
    return replace(
        validation,
        inputs=lambda: itertools.chain(validation.inputs(), more()),
        examples={**validation.examples, "whitening": train.labels[by]},
    )


def whitening_photos(validated: int) -> int:
    """By about how many training photos a validation of so many photos is whitened, at most."""
    return min(WHITENED_BY, max(_AFFORDABLE, validated))


def about_validation(
    validation: Validation | None, splits: Splits, train: Dataset, seed: int
) -> str:
    """What is to be said where it sees a part, finds no match, or is not whitened as the run is."""
    if validation is None or splits.validation is None:
        return ""
    there, seen = len(np.union1d(*splits.validation)), len(validation.examples["label"])
    words = ""
    if seen < there:
        words += f"; validations look at {seen:,} of {there:,} photos (data.validation_photos)"
    examples = validation.examples
    found = matched(examples["label"], examples["query"], examples["gallery"], examples)
    if not found.all():
        words += f"; {np.sum(~found):,} of {len(found):,} validation photos have no match"
    if "whitening" in validation.examples:
        by = len(validation.examples["whitening"])
        later = len(some_of_each(train.labels, WHITENED_BY, seed))
        if by < later:
            words += f"; validations are whitened by {by:,} of the {later:,} that the run will use"
    return words


def photo_blocks(dataset: Dataset, rows: np.ndarray, size: int, channels: int) -> Blocks:
    """The photos at `rows` (N,) in order, as often as it is called: dicts with image (b, H, W, C).

    Up to 1 GiB of pixels are decoded now and kept. More are decoded each time, a block ahead of
    whoever asks, so that memory does not grow with N.

    Raises:
      UserError: a photo that was readable when the source was loaded no longer is.
    """
    if len(rows) * size * size * channels <= _KEPT_BYTES:
        pixels = dataset.load(rows, size, channels, progress="validation photos")
        return lambda: [{"image": pixels}]
    return lambda: in_blocks(dataset, rows, size=size, channels=channels, block=_BLOCK)


def some_photos(labels: np.ndarray, whole: QueryGallery, most: int, seed: int) -> QueryGallery:
    """A part of a validation with at most so many photos; all of it where it has no more.

    Whole individuals in an order drawn by `seed`, so that a query keeps its matches. Of individuals
    with very many photos a part is drawn: as many as let 100 individuals (or all) be seen, among
    them a query and another photo to find it by, if there are any.

    Args:
      labels: (N,) individuals.
      whole: indices into the N photos.
      most: 0 for all.
    """
    rows = np.union1d(whole.query, whole.gallery)
    if not most or len(rows) <= most:
        return whole
    rng = np.random.default_rng([seed, _DRAW])
    rows = rows[rng.permutation(len(rows))]
    individual = np.unique(labels[rows], return_inverse=True)[1].reshape(-1)
    number = int(individual.max()) + 1
    # A query first, then a photo of the gallery other than it, then the others as they were drawn.
    asked, shown = np.isin(rows, whole.query), np.isin(rows, whole.gallery)
    first = _first_of_each(individual, asked)
    second = _first_of_each(individual, shown & ~first)
    order = np.lexsort((np.where(first, 0, np.where(second, 1, 2)), individual))
    rows, individual = rows[order], individual[order]
    counts = np.bincount(individual, minlength=number)
    place = np.arange(len(rows)) - (np.cumsum(counts) - counts)[individual]
    each = max(2, most // min(number, _FEW))
    taken = np.minimum(counts, each)
    drawn = rng.permutation(number)
    fitting = np.zeros(number, bool)
    fitting[drawn] = np.cumsum(taken[drawn]) <= most
    chosen = rows[fitting[individual] & (place < each)]
    return QueryGallery(*(side[np.isin(side, chosen)] for side in whole))


def _first_of_each(individual: np.ndarray, among: np.ndarray) -> np.ndarray:
    """(N,) bool: the first photo of each individual that is among those."""
    found = np.zeros(len(individual), bool)
    places = np.flatnonzero(among)
    found[places[np.unique(individual[places], return_index=True)[1]]] = True
    return found
