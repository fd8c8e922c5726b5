"""Who is trained on and who is searched for: by identity, photo or date, open, or as given."""

from typing import Literal, NamedTuple

import numpy as np

from reid_jax.data.photos.dataset import Dataset
from reid_jax.errors import UserError

Method = Literal["identity", "photo", "date", "open", "given"]


class QueryGallery(NamedTuple):
    """Indices (int64) of the photos to search for and of the photos to search in.

    A photo is never its own match: where an index is in both, it is excluded by index, so that
    query == gallery means leave-one-out.
    """

    query: np.ndarray
    gallery: np.ndarray


class Splits(NamedTuple):
    """Indices of the photos to train on, to choose a model with, and to judge it by."""

    train: np.ndarray
    validation: QueryGallery | None
    test: QueryGallery


class NoValidationError(UserError):
    """What the test leaves is too little for a validation part."""


class _Part(NamedTuple):
    rest: np.ndarray  # what is left to train on
    queries: QueryGallery


def make_splits(
    dataset: Dataset,
    method: Method,
    *,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> Splits:
    """Splits a dataset; test photos (queries, and galleries of held-out individuals) never train.

    identity: individuals are disjoint. Each photo of a test individual is searched among all other
      photos of test individuals; individuals with a single photo are only searched among.
    photo: a random part of each individual's photos are queries, all the others are the gallery and
      are trained on.
    date: the last part of each individual's days (at least one) are queries; the earlier days are
      the gallery and are trained on, as are individuals seen on one day only. A day is never torn
      apart. Photos without a date are used nowhere.
    open: as by date, and beside that a part of the individuals is only searched for: nobody knows
      them, neither the network nor the gallery. The right answer is "unknown".
    given: the column "split": "train" is trained on, "query" and "gallery" or else "test"
      (leave-one-out) are the test, "validation" or "val" (leave-one-out) the validation. Other
      values are used nowhere.

    `test_fraction` is a part of the individuals, photos or days; `validation_fraction` is taken in
    the same way from what is left to train on (0: no validation). With "given" and no validation
    rows, they are whole individuals when train and test share none (leave-one-out), else photos, to
    be found among those that are trained on.

    Raises:
      UserError: the dataset does not allow this split.
    """
    if not 0 < test_fraction < 1 or not 0 <= validation_fraction < 1:
        raise UserError(
            f"test_fraction = {test_fraction} and validation_fraction = {validation_fraction} are "
            "impossible: both must be below 1, and test_fraction above 0."
        )
    if method not in _METHODS:
        raise UserError(f'There is no split "{method}": choose one of {", ".join(_METHODS)}.')
    labels = dataset.labels
    check_several(labels)
    if np.bincount(labels).max() < 2:
        raise UserError(
            "No individual has two photos, so there is no match to find: add photos of the same "
            "individuals."
        )
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 2])))
    everything = np.arange(len(dataset))
    if method == "given":
        return _given(dataset, validation_fraction, generator)
    part = {"identity": _by_identity, "photo": _by_photo, "date": _by_date, "open": _open}[method]
    rest, test = part(dataset, everything, test_fraction, generator)
    if not validation_fraction:
        return Splits(rest, None, test)
    try:
        train, validation = part(dataset, rest, validation_fraction, generator)
    except UserError as error:
        raise NoValidationError(
            "Once the test photos are taken, too few are left for a validation part: set "
            f"validation_fraction to 0, lower test_fraction or add photos ({error})"
        ) from error
    return Splits(train, validation, test)


def split_unnamed(
    number: int, test_fraction: float, validation_fraction: float, seed: int
) -> Splits:
    """Divides photos of nobody, one by one: each part is searched in itself.

    Args:
      number: of photos.
      test_fraction, validation_fraction: as of `make_splits`.

    Raises:
      UserError: a part would have fewer than three photos, too few to compare neighbours.
    """
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 2])))
    order = generator.permutation(number)
    tested = round(test_fraction * number)
    validated = round(validation_fraction * (number - tested))
    parts = np.split(order, [tested, tested + validated])
    test, validation, train = (np.sort(part) for part in parts)
    least = min(len(part) for part in (test, train, *([validation] if validation_fraction else [])))
    if least < _FEWEST_UNNAMED:
        raise UserError(
            f"{number:,} photos of nobody leave {least} for one of the parts, which needs "
            f"{_FEWEST_UNNAMED}: add photos, or change data.test_fraction or "
            "data.validation_fraction."
        )
    judged = QueryGallery(validation, validation) if validation_fraction else None
    return Splits(train, judged, QueryGallery(test, test))


def check_several(labels: np.ndarray) -> None:
    """Refuses photos of a single individual, among which every answer is right.

    Raises:
      UserError: they are.
    """
    if len(np.unique(labels)) < 2:
        raise UserError(
            "Re-identification needs photos of at least two individuals, these show "
            f"{len(np.unique(labels))}: put each individual's photos into a folder of its own."
        )


_SIDES = ("train", "test", "query", "gallery")
_VALIDATION = ("validation", "valid", "val")
_FEWEST_UNNAMED = 3  # photos of a part
_NAMED = 3  # values of a column, in a note
_METHODS = ("identity", "photo", "date", "open", "given")


def _leave_one_out(labels: np.ndarray, indices: np.ndarray) -> QueryGallery:
    """All are searched among; those whose individual has another photo here are searched for."""
    return QueryGallery(indices[np.bincount(labels[indices])[labels[indices]] > 1], indices)


def _by_identity(
    dataset: Dataset, indices: np.ndarray, fraction: float, generator: np.random.Generator
) -> _Part:
    labels = dataset.labels
    counts = np.bincount(labels[indices], minlength=len(dataset.identities))
    several = generator.permutation(np.flatnonzero(counts > 1))
    single = generator.permutation(np.flatnonzero(counts == 1))
    if len(several) < 4:
        raise UserError(
            "A split by identity holds out at least two individuals with two photos or more and "
            f"keeps two to train on; {len(several)} are left here: add individuals, hold out "
            'fewer, or split by "photo".'
        )
    # Of one individual alone every answer is right, so there are at least two on either side.
    held = int(np.clip(round(fraction * len(several)), 2, len(several) - 2))
    chosen = np.concatenate([several[:held], single[: round(fraction * len(single))]])
    out = np.isin(labels[indices], chosen)
    return _Part(indices[~out], _leave_one_out(labels, indices[out]))


def _by_photo(
    dataset: Dataset, indices: np.ndarray, fraction: float, generator: np.random.Generator
) -> _Part:
    labels = dataset.labels[indices]
    counts = np.bincount(labels, minlength=len(dataset.identities))
    if counts.max() < 2:
        raise UserError(
            "Too few photos are left to hold one out and keep another of the same individual: "
            "lower the fractions or add photos."
        )
    # Rounding at random keeps the fraction true when individuals have few photos.
    held = np.floor(fraction * counts + generator.random(len(counts))).astype(np.int64)
    held = np.minimum(held, counts - 1)
    if held.max() < 1:
        held[np.argmax(counts)] = 1
    order = np.lexsort((generator.random(len(indices)), labels))
    first = np.cumsum(counts) - counts
    rank = np.empty(len(indices), np.int64)
    rank[order] = np.arange(len(indices)) - first[labels[order]]
    out = rank < held[labels]
    return _Part(indices[~out], QueryGallery(indices[out], indices[~out]))


def _by_date(
    dataset: Dataset, indices: np.ndarray, fraction: float, generator: np.random.Generator
) -> _Part:
    del generator  # nothing here is random
    if "date" not in dataset.columns:
        raise UserError(
            "A split by date needs the date of each photo, and this source has none: use a CSV "
            'with a column "date", --data.exif where the photos say it, or split by "identity" or '
            '"photo".'
        )
    if "date" in dataset.unread:
        raise UserError(dataset.unread["date"])
    dates = dataset.columns["date"][indices]
    indices = indices[~np.isnat(dates)]
    days = dataset.columns["date"][indices].astype("datetime64[D]").astype(np.int64)
    labels = dataset.labels[indices].astype(np.int64)
    pairs, encounter = np.unique(np.stack([labels, days], 1), axis=0, return_inverse=True)
    num_days = np.bincount(pairs[:, 0], minlength=len(dataset.identities))
    if len(pairs) == 0 or num_days.max() < 2:
        raise UserError(
            "A split by date needs individuals that were seen on two days or more, and none is "
            'left here: lower the fractions, or split by "identity" or "photo".'
        )
    first = np.cumsum(num_days) - num_days
    day_number = np.arange(len(pairs)) - first[pairs[:, 0]]
    held = np.where(num_days > 1, np.clip(np.rint(fraction * num_days), 1, num_days - 1), 0)
    out = (day_number >= (num_days - held)[pairs[:, 0]])[encounter.reshape(-1)]
    return _Part(indices[~out], QueryGallery(indices[out], indices[~out]))


def _open(
    dataset: Dataset, indices: np.ndarray, fraction: float, generator: np.random.Generator
) -> _Part:
    individuals = generator.permutation(np.unique(dataset.labels[indices]))
    if len(individuals) < 3:
        raise UserError(
            f"An open split needs individuals to know and to hold out; {len(individuals)} are left "
            'here: add individuals, or split by "date".'
        )
    held = int(np.clip(round(fraction * len(individuals)), 1, len(individuals) - 2))
    unknown = np.isin(dataset.labels[indices], individuals[:held])
    rest, (query, gallery) = _by_date(dataset, indices[~unknown], fraction, generator)
    strangers = indices[unknown & ~np.isnat(dataset.columns["date"][indices])]
    return _Part(rest, QueryGallery(np.sort(np.concatenate([query, strangers])), gallery))


def in_no_side(split: np.ndarray) -> str | None:
    """A sentence about photos that the split "given" leaves out for the value they have.

    None where there are none, and where the column is about something else, as no value is known.
    """
    column = np.char.lower(split.astype(str))
    other = ~np.isin(column, (*_SIDES, *_VALIDATION))
    if not other.any() or other.all():
        return None
    values = [f'"{value}"' if value else "nothing" for value in np.unique(split[other])[:_NAMED]]
    number = int(other.sum())
    return (
        f"{number:,} {'photo has' if number == 1 else 'photos have'} {', '.join(values)} in the "
        'column "split": the split "given" '
        f"leaves them out; it knows {', '.join(_SIDES)} and {_VALIDATION[0]}"
    )


def query_and_gallery(dataset: Dataset) -> QueryGallery | None:
    """The photos that the column "split" calls "query" and "gallery"; None without either."""
    column = np.char.lower(dataset.columns.get("split", np.zeros(0, str)).astype(str))
    query, gallery = (np.flatnonzero(column == side) for side in ("query", "gallery"))
    return QueryGallery(query, gallery) if len(query) and len(gallery) else None


def _given(dataset: Dataset, fraction: float, generator: np.random.Generator) -> Splits:
    if "split" not in dataset.columns:
        raise UserError(
            'The split "given" needs a column "split", and this source has none: split by '
            '"identity", "photo" or "date".'
        )
    labels, column = dataset.labels, np.char.lower(dataset.columns["split"].astype(str))
    train, test, query, gallery = (np.flatnonzero(column == value) for value in _SIDES)
    validation = np.flatnonzero(np.isin(column, _VALIDATION))
    judged = QueryGallery(query, gallery) if len(query) else _leave_one_out(labels, test)
    if not len(train) or not len(judged.query) or not len(judged.gallery):
        raise UserError(
            'The column "split" must hold "train" and "test" (or "query" and "gallery") with '
            f"photos that have a match; it holds: {', '.join(np.unique(column)) or 'nothing'}."
        )
    if len(validation):
        return Splits(train, _leave_one_out(labels, validation), judged)
    if not fraction:
        return Splits(train, None, judged)
    shared = np.isin(labels[train], labels[judged.query]).any()
    part = _by_photo if shared else _by_identity
    return Splits(*part(dataset, train, fraction, generator), judged)
