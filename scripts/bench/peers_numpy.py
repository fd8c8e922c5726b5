"""What one would write instead: Market-1501's protocol in NumPy.

Each returns the average precision ``(Q,)`` float64 of every query by cosine similarity, nan where
no match is left. Dividing after the product keeps the scores of embeddings on a grid free of
rounding that depends on the order of summation, so that all rank alike.
"""

from typing import NamedTuple

import numpy as np


class Photos(NamedTuple):
    """Embeddings ``(Q, D)``, ``(G, D)`` float32; identities and cameras ``(Q,)``, ``(G,)``."""

    queries: np.ndarray
    gallery: np.ndarray
    query_ids: np.ndarray
    gallery_ids: np.ndarray
    query_cameras: np.ndarray
    gallery_cameras: np.ndarray


def plain_loop(photos: Photos) -> np.ndarray:
    """The definition, entry by entry, in Python."""
    norms = np.linalg.norm(photos.gallery, axis=1)
    ids, cameras = photos.gallery_ids.tolist(), photos.gallery_cameras.tolist()
    result = []
    for query, identity, camera in zip(*photos[::2], strict=True):
        scores = (photos.gallery @ query / norms).tolist()
        rank, found, total = 0, 0, 0.0
        for j in sorted(range(len(scores)), key=lambda j: -scores[j]):
            if ids[j] == identity and cameras[j] == camera:
                continue
            rank += 1
            if ids[j] == identity:
                found += 1
                total += found / rank
        result.append(total / found if found else np.nan)
    return np.array(result)


def loop_over_queries(photos: Photos) -> np.ndarray:
    """A Python loop over the queries, NumPy within, as most published evaluations."""
    scores = photos.queries @ photos.gallery.T / np.linalg.norm(photos.gallery, axis=1)
    result = np.full(len(scores), np.nan)
    for i, (row, identity, camera) in enumerate(zip(scores, *photos[2::2], strict=True)):
        order = np.argsort(-row)
        match = photos.gallery_ids[order] == identity
        match = match[~(match & (photos.gallery_cameras[order] == camera))]
        ranks = np.flatnonzero(match) + 1
        if len(ranks):
            result[i] = (np.arange(1, len(ranks) + 1) / ranks).mean()
    return result


def vectorised(photos: Photos) -> np.ndarray:
    """All queries at once: one argsort of the ``(Q, G)`` scores, and cumulative sums."""
    scores = photos.queries @ photos.gallery.T / np.linalg.norm(photos.gallery, axis=1)
    order = np.argsort(-scores, axis=1)
    same = photos.gallery_ids[order] == photos.query_ids[:, None]
    valid = ~(same & (photos.gallery_cameras[order] == photos.query_cameras[:, None]))
    match = same & valid
    rank, found = (np.cumsum(each, axis=1, dtype=np.int32) for each in (valid, match))
    total = np.divide(found, rank, out=np.zeros(match.shape), where=match).sum(axis=1)
    number = found[:, -1]
    return np.divide(total, number, out=np.full(len(total), np.nan), where=number > 0)


def k_reciprocal(
    queries: np.ndarray,
    gallery: np.ndarray,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
) -> np.ndarray:
    """k-reciprocal re-ranking (Zhong et al., CVPR 2017) the common way, ``(Q, G)`` float32.

    Dense ``(N, N)`` distances and encodings of all N photos, and a Python loop over photos.
    """
    photos = np.concatenate([queries, gallery])
    photos = photos / np.linalg.norm(photos, axis=1, keepdims=True)
    squared = np.maximum(2 - 2 * photos @ photos.T, 0)
    squared /= squared.max(axis=1, keepdims=True)
    rank = np.argsort(squared, axis=1)

    def reciprocal(photo: int, k: int) -> np.ndarray:
        near = rank[photo, : k + 1]
        return near[(rank[near, : k + 1] == photo).any(axis=1)]

    encoding = np.zeros_like(squared)
    for photo in range(len(photos)):
        own = reciprocal(photo, k1)
        members = [own]
        for candidate in own:
            theirs = reciprocal(candidate, round(k1 / 2))
            if len(np.intersect1d(theirs, own)) > 2 / 3 * len(theirs):
                members.append(theirs)
        found = np.unique(np.concatenate(members))
        weight = np.exp(-squared[photo, found])
        encoding[photo, found] = weight / weight.sum()
    encoding = np.stack([encoding[near].mean(axis=0) for near in rank[:, :k2]])
    with_member = [np.flatnonzero(column) for column in encoding.T]
    result = np.empty((len(queries), len(photos)), np.float32)
    for query in range(len(queries)):
        overlap = np.zeros(len(photos), np.float32)
        for member in np.flatnonzero(encoding[query]):
            others = with_member[member]
            overlap[others] += np.minimum(encoding[query, member], encoding[others, member])
        result[query] = 1 - overlap / (2 - overlap)
    mixed = (1 - lambda_value) * result + lambda_value * squared[: len(queries)]
    return mixed[:, len(queries) :].astype(np.float32)
