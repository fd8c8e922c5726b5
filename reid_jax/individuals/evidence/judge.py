"""How well photos are found by their local features, and by these and the network together."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from reid_jax.console import say
from reid_jax.data.photos import Dataset, QueryGallery
from reid_jax.data.photos.content import content_digests
from reid_jax.individuals.evidence.features import Evidence, dataset_rows
from reid_jax.individuals.evidence.fusion import Fusion
from reid_jax.individuals.evidence.local import Background, Local
from reid_jax.individuals.evidence.pairs import Pairs
from reid_jax.individuals.evidence.search import Reach, compare_photos
from reid_jax.individuals.measures import PER_QUERY
from reid_jax.ops.batching import blocks
from reid_jax.ops.ranking.individuals import similarities
from reid_jax.ops.ranking.matching import encounters, retrieval_rules
from reid_jax.ops.ranking.retrieval import evaluate_distances
from reid_jax.ops.significance import mean_interval

NAMES: Mapping[Evidence, str] = {"local": "local features", "fused": "network and local features"}

_PAIRS = 400_000  # that are compared, at most
_FEWEST = 200  # photos that are searched for, at least
_CALIBRATED_BY = 150  # photos, of as few individuals as that takes
_BLOCK = 256  # photos that are searched for at a time


@dataclass(frozen=True)
class Known:
    """Photos whose individuals may be known.

    Attributes:
      photos: T photos.
      seen: ``(T,)`` bool: those that the network was trained on. Pairs of two such say nothing
        where there are others.
      embed: gives the embeddings of some photos.
    """

    photos: Dataset
    seen: np.ndarray
    embed: Callable[[Dataset], np.ndarray]


def evaluate_evidence(
    embeddings: np.ndarray,
    photos: Dataset,
    test: QueryGallery,
    *,
    evidence: Evidence,
    metric: str,
    known: Known | None,
    reach: Reach | None = None,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Measures of a search by local features, and of one by both, by name.

    The background is a sample of the gallery's features. Both scores are fused by what pairs of
    known photos say, without such by ranks. Photos that are too far from the network's nearest
    to be compared come last, as the network ranks them.

    Args:
      embeddings: ``(N, D)`` of the photos, by the network.
      test: rows of the photos.
      evidence: "local" for the first alone.
      known: photos whose individuals may be known, to learn from how both scores are fused.
      reach: with how many photos of the gallery features are compared.
      seed: of what is drawn.

    Returns:
      For each name in :data:`NAMES`: ``rank1, rank5, rank10, mAP`` and so on, see
      :func:`reid_jax.ops.ranking.retrieval.evaluate_distances`, with intervals over individuals,
      ``num_queries``, and ``ms_per_query``, the time in which a photo is compared.
    """
    reach = reach or Reach()
    labels, rng = photos.labels, np.random.default_rng(seed)
    size = len(test.gallery)
    compared = size if size <= reach.whole else min(reach.nearest, size)
    most = max(_FEWEST, _PAIRS // compared)
    query = np.sort(rng.permutation(test.query)[:most])
    say(f"local features are compared {reach}")
    local = _features(photos.subset(test.gallery), None)
    alone = np.array_equal(query, test.gallery)
    asked = local if alone else _features(photos.subset(query), local.background)
    rules = retrieval_rules(labels, query, test.gallery, photos.columns)
    started = time.monotonic()
    pairs = Pairs.of(
        embeddings[query],
        asked,
        embeddings[test.gallery],
        local,
        metric=metric,
        reach=reach,
        apart=[(rules["query_index"], rules["gallery_index"])],
    )
    spent = 1e3 * (time.monotonic() - started) / len(query)
    fusion = None if known is None else _fusion(known, local.background, metric, rng)
    kinds: tuple[Evidence, ...] = ("local", "fused") if evidence == "fused" else ("local",)
    found = {}
    for kind in kinds:
        scores = pairs.scores(kind, fusion)
        distances = _distances(pairs, scores, embeddings[query], embeddings[test.gallery], metric)
        values = evaluate_distances(distances, **rules, return_per_query=True)
        per_query = values.pop("per_query")
        for key, name in PER_QUERY.items():
            low, high = mean_interval(per_query[key], labels[query])
            values |= {f"{name}_low": low, f"{name}_high": high}
        found[NAMES[kind]] = {**values, "ms_per_query": spent}
    return found


def _features(photos: Dataset, background: Background | None) -> Local:
    rows, digests = dataset_rows(photos), content_digests(photos)
    return Local.of(rows, digests, background or Background.of(rows, digests))


def _distances(
    pairs: Pairs, scores: np.ndarray, queries: np.ndarray, gallery: np.ndarray, metric: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of all photos of the gallery, by which they rank as said above."""
    farthest = 4.0 + np.abs(scores).max(initial=0.0)
    for block in blocks(len(queries), _BLOCK):
        alike = similarities(jnp.asarray(queries[block]), jnp.asarray(gallery), metric)
        distances = farthest - np.array(alike)
        np.put_along_axis(distances, pairs.photos[block], -scores[block], axis=1)
        yield np.arange(block.start, block.stop), distances


def _fusion(
    known: Known, background: Background, metric: str, rng: np.random.Generator
) -> Fusion | None:
    labels = known.photos.labels
    rows = np.concatenate(
        [np.flatnonzero(labels == who) for who in rng.permutation(np.unique(labels))]
    )
    rows = np.sort(rows[:_CALIBRATED_BY])
    photos = known.photos.subset(rows)
    local = _features(photos, background)
    met = encounters(photos.labels, photos.columns.get("date"))
    first, second = np.triu_indices(len(photos), 1)
    apart = met[first] != met[second]
    if not known.seen.all():
        apart &= ~(known.seen[rows][first] & known.seen[rows][second])
    first, second = first[apart], second[apart]
    z = jnp.asarray(known.embed(photos))
    network = np.asarray(similarities(z, z, metric))[first, second]
    agreement = compare_photos(local, local)[first, second]
    return Fusion.fitted(network, agreement, photos.labels[first] == photos.labels[second])
