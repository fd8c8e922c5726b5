"""Which photos may be matched with which: one statement of the rules, whoever asks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from reid_jax.errors import UserError

Codes = tuple[np.ndarray, np.ndarray]


def retrieval_rules(
    labels: np.ndarray,
    query: np.ndarray,
    gallery: np.ndarray,
    columns: Mapping[str, np.ndarray],
    *,
    other_day: bool = False,
) -> dict[str, Any]:
    """Who is who and what is left out, as arguments of ``evaluate_retrieval`` and ``choose_pairs``.

    A photo is never its own match. Where the photos come from more than one known camera, the same
    individual by the same camera is no match either (Market-1501's protocol). A photo whose camera
    or date is not known is excluded by none.

    Args:
      labels: ``(N,)`` individuals.
      query, gallery: indices into the N photos; they may overlap.
      columns: facts about the photos, ``(N,)`` each; "camera" and "date" are used.
      other_day: also leave out an individual's photos of the same day, where there are dates.
    """
    labels = np.asarray(labels)
    rules: dict[str, np.ndarray] = {"ids": labels, "index": np.arange(len(labels))}
    cameras = columns.get("camera")
    if cameras is not None and len(np.unique(np.asarray(cameras)[is_known(cameras)])) > 1:
        rules["cameras"] = np.asarray(cameras)
    if other_day and columns.get("date") is not None:
        rules["groups"] = encounters(labels, columns["date"])
    return {
        f"{side}_{name}": values[rows]
        for name, values in rules.items()
        for side, rows in (("query", np.asarray(query)), ("gallery", np.asarray(gallery)))
    }


def is_known(values: Any) -> np.ndarray:
    """``(N,)`` bool: False where a column has no value: an empty text, a date or number that is
    none."""
    values = np.asarray(values)
    if values.dtype.kind == "O":
        values = np.array(["" if value is None else str(value) for value in values.tolist()])
    if values.dtype.kind in "US":
        return np.char.str_len(np.char.strip(values)) > 0
    if values.dtype.kind in "Mm":
        return ~np.isnat(values)
    return ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), bool)


def codes_of(values: Any) -> np.ndarray:
    """``(N,)`` int64, equal where two values are known and equal; each unknown one stands alone."""
    values = np.asarray(values)
    codes = np.unique(values, return_inverse=True)[1].reshape(-1)
    return np.where(is_known(values), codes, -1 - np.arange(len(values)))


def encounters(labels: np.ndarray, dates: np.ndarray | None) -> np.ndarray:
    """``(N,)`` int64, equal for photos of one individual on one day; without a date each photo is
    an encounter of its own."""
    if dates is None:
        return np.arange(len(labels))
    day = codes_of(np.asarray(dates).astype("datetime64[D]"))
    facts = np.stack([np.unique(labels, return_inverse=True)[1].reshape(-1), day])
    return np.unique(facts, axis=1, return_inverse=True)[1].reshape(-1)


def has_match(
    labels: np.ndarray, encounter: np.ndarray, query: np.ndarray, gallery: np.ndarray
) -> np.ndarray:
    """``(Q,)`` bool: whether the gallery has the query's individual from another encounter, which
    are of one individual each."""
    individual = np.unique(labels, return_inverse=True)[1].reshape(-1)
    group = np.unique(encounter, return_inverse=True)[1].reshape(-1)
    photos = np.bincount(individual[gallery], minlength=individual.max() + 1)[individual[query]]
    same = np.bincount(group[gallery], minlength=group.max() + 1)[group[query]]
    return photos > same


def matched(
    labels: np.ndarray, query: np.ndarray, gallery: np.ndarray, columns: Mapping[str, np.ndarray]
) -> np.ndarray:
    """``(Q,)`` bool: whether a query has a match left by :func:`retrieval_rules`."""
    query, gallery, labels = np.asarray(query), np.asarray(gallery), np.asarray(labels)
    taken = np.arange(len(labels))
    if "query_cameras" in retrieval_rules(labels, query, gallery, columns):
        pairs = np.stack([labels, codes_of(columns["camera"])], axis=1)
        taken = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
    return has_match(labels, taken, query, gallery) if len(query) else np.zeros(0, bool)


def check_matches(
    labels: np.ndarray,
    query: np.ndarray,
    gallery: np.ndarray,
    columns: Mapping[str, np.ndarray],
    where: str = "",
) -> None:
    """Refuses photos none of which has a match, by :func:`retrieval_rules`.

    Raises:
      UserError: saying what is missing, in which photos (``where``).
    """
    if not matched(labels, query, gallery, columns).any():
        several = "query_cameras" in retrieval_rules(labels, query, gallery, columns)
        by = " by another camera" if several else ""
        raise UserError(
            f"Nothing can be searched for{where}: no photo has another one of its individual{by}; "
            f"give two photos or more of some individuals{by and ', by two cameras'}."
        )


def exclusions(
    query_ids: Any, gallery_ids: Any, cameras: tuple, index: tuple, groups: tuple
) -> list[tuple[Codes, ...]]:
    """Rules as tuples of (query codes, gallery codes): a pair is out where all codes of one agree.

    A value that is not known agrees with none.

    Args:
      query_ids, gallery_ids: ``(Q,)`` and ``(G,)``; cameras exclude only with the same identity.
      cameras, index, groups: of queries and gallery, both or neither.

    Raises:
      UserError: one side lacks what the other has, or they are of different forms.
    """
    rules: list[tuple[Codes, ...]] = []
    for name, (query, gallery) in {"cameras": cameras, "index": index, "groups": groups}.items():
        if (query is None) != (gallery is None):
            missing = "query" if query is None else "gallery"
            raise UserError(f"The {name} of the {missing} are missing: give both or neither.")
        if query is not None:
            codes, there = shared_codes(query, gallery, name), (is_known(query), is_known(gallery))
            rule: tuple[Codes, ...] = (
                (np.where(there[0], codes[0], -1), np.where(there[1], codes[1], -2)),
            )
            if name == "cameras":
                rule = (shared_codes(query_ids, gallery_ids, "ids"), *rule)
            rules.append(rule)
    return rules


def shared_codes(query: Any, gallery: Any, name: str) -> Codes:
    """Both as int32 codes, equal where the values are equal.

    Raises:
      UserError: they are not one value a photo, or one is text and the other numbers.
    """
    query, gallery = np.asarray(query), np.asarray(gallery)
    if query.ndim != 1 or gallery.ndim != 1:
        raise UserError(
            f"The {name} have the shapes {query.shape} and {gallery.shape}: "
            "they must be one value per photo."
        )
    if (query.dtype.kind in "US") != (gallery.dtype.kind in "US"):
        raise UserError(
            f"The {name} are text for one of query and gallery and numbers for the other: "
            "give both in the same form."
        )
    codes = np.unique(np.concatenate([query, gallery]), return_inverse=True)[1].astype(np.int32)
    return codes[: len(query)], codes[len(query) :]
