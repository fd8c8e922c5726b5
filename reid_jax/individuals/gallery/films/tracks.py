"""Boxes of following frames that show one animal, by how they overlap and by what they show."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

LEAST_OVERLAP, LEAST = 0.1, 0.5
"""Two boxes are one animal's that overlap so much, and whose mean of overlap and similarity is so
high; both are from 0 to 1."""

PATIENCE = 1.0
"""Seconds that an animal may be hidden, or three times the usual gap between frames with boxes."""


@dataclass
class _Open:
    """A track that goes on: its rows, and the sum of its embeddings."""

    rows: list[int]
    total: np.ndarray


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union (Jaccard 1901) of each of some boxes with each of others.

    Args:
      one, other: ``(A, 4)`` and ``(B, 4)`` float, left, top, width, height, in one unit.

    Returns:
      ``(A, B)`` float64, 0 for boxes that do not meet.
    """
    a, b = np.asarray(one, np.float64)[:, None], np.asarray(other, np.float64)[None]
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=-1)
    whole = np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - both
    return both / np.maximum(whole, 1e-12)


def linked(
    frames: np.ndarray,
    times: np.ndarray,
    boxes: np.ndarray,
    embeddings: np.ndarray,
    cuts: np.ndarray,
) -> list[np.ndarray]:
    """The rows of each track, in the order in which tracks begin.

    From frame to frame boxes are given to tracks so that the sum of their likeness is greatest (the
    assignment problem, Kuhn 1955). Likeness is the mean of the overlap with the last box and of the
    cosine with the mean of all embeddings so far. No track goes over a cut.

    Args:
      frames: ``(N,)`` int, the frame of each box, rising.
      times: ``(N,)`` seconds.
      boxes: ``(N, 4)`` see :func:`overlaps`.
      embeddings: ``(N, D)`` float.
      cuts: ``(C,)`` int, frames that begin a new scene.
    """
    if not len(frames):
        return []
    lengths = np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    z = np.asarray(embeddings, np.float64) / lengths
    firsts = np.unique(frames, return_index=True)[1]
    gaps = np.diff(times[firsts])
    patience = max(PATIENCE, 3 * float(np.median(gaps))) if len(gaps) else PATIENCE
    going: list[_Open] = []
    found: list[_Open] = []
    before = -1
    for rows in np.split(np.arange(len(frames)), firsts[1:]):
        number = int(frames[rows[0]])
        cut = bool(((cuts > before) & (cuts <= number)).any())
        before = number
        going = [t for t in going if not cut and times[rows[0]] - times[t.rows[-1]] <= patience]
        for track, row in _assigned(going, rows, boxes, z):
            track.rows.append(row)
            track.total += z[row]
        taken = {track.rows[-1] for track in going}
        for row in (row for row in rows.tolist() if row not in taken):
            going.append(_Open([row], z[row].copy()))
            found.append(going[-1])
    return [np.array(track.rows, np.int64) for track in found]


def _assigned(
    going: list[_Open], rows: np.ndarray, boxes: np.ndarray, z: np.ndarray
) -> list[tuple[_Open, int]]:
    """Which boxes of a frame go on which tracks."""
    if not going:
        return []
    overlap = overlaps(boxes[[track.rows[-1] for track in going]], boxes[rows])
    means = np.stack([track.total for track in going])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    likeness = (overlap + np.clip(means @ z[rows].T, 0, 1)) / 2
    allowed = (overlap >= LEAST_OVERLAP) & (likeness >= LEAST)
    first, second = linear_sum_assignment(np.where(allowed, likeness, 0.0), maximize=True)
    return [
        (going[one], int(rows[two]))
        for one, two in zip(first, second, strict=True)
        if allowed[one, two]
    ]
