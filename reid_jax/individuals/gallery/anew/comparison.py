"""Which network finds the photos of a gallery better whose individual people have said?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_jax.individuals.gallery.value import DIGEST, TRAINED, Gallery
from reid_jax.individuals.glossary import MEASURES
from reid_jax.individuals.measures import PER_QUERY
from reid_jax.ops.ranking.matching import encounters, has_match, retrieval_rules
from reid_jax.ops.ranking.retrieval import evaluate_retrieval
from reid_jax.ops.significance import FEWEST_FOR_VERDICT, mean_interval
from reid_jax.reporting.compare import Difference, find_differences

BEFORE, NEW = "before", "new"
_MOST = 5_000  # photos that are searched for


@dataclass(frozen=True)
class Found:
    """How well one network finds photos.

    Attributes:
      rank1, mean_ap: means over the photos.
      rank1_interval, mean_ap_interval: 95%, were other individuals drawn; nan of too few.
    """

    rank1: float
    mean_ap: float
    rank1_interval: tuple[float, float]
    mean_ap_interval: tuple[float, float]

    @staticmethod
    def of(values: Mapping[str, np.ndarray], individuals: np.ndarray) -> "Found":
        """Means and intervals of values ``(Q,)`` by "rank1" and "mAP"."""
        rank1, mean_ap = values["rank1"], values["mAP"]
        return Found(
            rank1=float(rank1.mean()),
            mean_ap=float(mean_ap.mean()),
            rank1_interval=mean_interval(rank1, individuals),
            mean_ap_interval=mean_interval(mean_ap, individuals),
        )


@dataclass(frozen=True)
class Compared:
    """Both networks on the same photos.

    Attributes:
      before, new: how well each finds them.
      differences: new minus before, in each measure.
      photos, individuals: that were searched for.
      among: photos that were searched.
      confirmed: whether somebody has confirmed each of the photos; else they have a name.
      left_out: photos that would have been searched for, had no network been trained on them.
      trained: whether a network was trained on some of them all the same, as there are no others.
      met: photos of individuals that a network was trained on by other photos.
    """

    before: Found
    new: Found
    differences: tuple[Difference, ...]
    photos: int
    individuals: int
    among: int
    confirmed: bool
    left_out: int
    trained: bool
    met: int

    @property
    def is_better(self) -> bool:
        """Whether the new network finds at least as many as the one before: by mAP."""
        return self.new.mean_ap >= self.before.mean_ap


def compare(before: Gallery, new: Gallery, nobody: np.ndarray, sure: np.ndarray) -> Compared | None:
    """Searches for photos in all others with a name, by each network alone.

    An individual's photos of the same day and copies are no matches, as in the calibration. Photos
    that a network was trained on are not searched for while there are enough others.

    Args:
      before, new: the same N photos, all of which take part, with the embeddings, the marks
        :data:`reid_jax.individuals.gallery.value.TRAINED` and the metric of each.
      nobody: ``(N,)`` bool: nobody has said who they show.
      sure: ``(N,)`` bool: somebody has confirmed this very photo.

    Returns:
      None where no photo has a match.
    """
    rows = np.flatnonzero(~nobody)
    if not len(rows):
        return None
    labels = np.unique(new.identities[rows].astype(np.str_), return_inverse=True)[1]
    dates = new.columns.get("date")
    met = encounters(labels, None if dates is None else dates[rows])
    everyone = np.arange(len(rows))
    found = has_match(labels, met, everyone, everyone)
    marks = [each.column(TRAINED)[rows] for each in (before, new)]
    fresh = ~np.any([each == "photo" for each in marks], axis=0)
    asked, left_out = _asked(labels, found, fresh, sure[rows])
    if not asked.any():
        return None
    query = np.random.default_rng(0).permutation(np.flatnonzero(asked))[:_MOST]
    columns = {} if dates is None else {"date": dates[rows]}
    rules: dict[str, Any] = retrieval_rules(labels, query, everyone, columns, other_day=True)
    content = _contents(new.column(DIGEST)[rows])
    rules |= {"query_index": content[query], "gallery_index": content}
    values = {}
    for name, gallery in ((NEW, new), (BEFORE, before)):
        z = np.asarray(gallery.embeddings)[rows].astype(np.float32)
        per_query = evaluate_retrieval(
            z[query], z, metric=gallery.settings["metric"], **rules, return_per_query=True
        )["per_query"]
        values[name] = {measure: per_query[key] for key, measure in PER_QUERY.items()}
    there = ~np.isnan(values[NEW]["mAP"])
    if not there.any():
        return None
    query = query[there]
    values = {
        name: {key: value[there] for key, value in each.items()} for name, each in values.items()
    }
    whose = labels[query]
    return Compared(
        before=Found.of(values[BEFORE], whose),
        new=Found.of(values[NEW], whose),
        differences=tuple(
            find_differences(list(values.items()), MEASURES, whose, of="individuals")
        ),
        photos=len(query),
        individuals=len(np.unique(whose)),
        among=len(rows),
        confirmed=bool(sure[rows][query].all()),
        left_out=left_out,
        trained=not fresh[query].all(),
        met=int(np.any([each[query] == "individual" for each in marks], axis=0).sum()),
    )


def _asked(
    labels: np.ndarray, found: np.ndarray, fresh: np.ndarray, sure: np.ndarray
) -> tuple[np.ndarray, int]:
    """The photos that say most: of the first kind that has enough individuals, all with a match.

    Returns:
      A mask, and how many of the kind a network was trained on, which are not in it.
    """
    kinds = [
        (found & fresh & sure, int((found & ~fresh & sure).sum())),
        (found & fresh, int((found & ~fresh).sum())),
        (found & sure, 0),
        (found, 0),
    ]
    for kind in kinds:
        if len(np.unique(labels[kind[0]])) >= FEWEST_FOR_VERDICT:
            return kind
    return max(kinds, key=lambda kind: len(np.unique(labels[kind[0]])))


def _contents(digests: np.ndarray) -> np.ndarray:
    """``(N,)`` int, equal for exact copies; of a photo without a digest its own."""
    codes = np.unique(digests, return_inverse=True)[1].reshape(-1)
    return np.where(digests == "", len(digests) + np.arange(len(digests)), codes)
