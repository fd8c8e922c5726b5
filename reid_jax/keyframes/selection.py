"""From a score for each frame to keyframes and to the shots of a summary."""

import math
from collections.abc import Sequence

import numpy as np

from reid_jax.errors import UserError

SHARE = 0.15
"""Of a video, what the community's protocol allows a summary to take (Gygli et al., ECCV 2014)."""


def number_of_top(length: int, share: float = SHARE) -> int:
    """How many of `length` frames are the top share: rounded, and one at least."""
    return max(1, round(share * length))


def top_share(
    scores: np.ndarray, share: float = SHARE, weights: np.ndarray | None = None
) -> np.ndarray:
    """The indices, rising, of the best `share` of scores (T,); of equal ones the earlier.

    Args:
      weights: (T,) what each counts, such as the time that it stands for; the best are taken while
        that brings their sum nearer to the share of the whole, one at least. By default 1.

    Raises:
      UserError: there is no score, a score is not finite, or the share is not in (0, 1].
    """
    scores = _checked(scores)
    if not 0 < share <= 1:
        raise UserError(f"The share of frames to keep is {share:g}; it must be in (0, 1].")
    order = np.argsort(-scores, kind="stable")
    number = number_of_top(len(scores), share)
    if weights is not None:
        off = np.abs(np.cumsum(weights[order]) - share * weights.sum())
        number = 1 + int(np.argmin(off))
    return np.sort(order[:number])


def knapsack(values: np.ndarray, lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Exact 0/1 knapsack: the items of greatest total value that fit, by dynamic programming.

    The table is over the capacity, one row of it at a time; time is S x capacity and memory a bit
    for each, for each of the problems that are solved side by side. An item of no value is not
    taken, and of equally good choices the one without the later items is.

    Args:
      values: (..., S) of the items.
      lengths: (S,) whole and positive.
      capacity: greatest sum of the lengths.

    Returns:
      (..., S) bool, what to take.
    """
    values, lengths = np.asarray(values, np.float64), np.asarray(lengths)
    *batch, items = values.shape
    if lengths.shape != (items,) or not np.issubdtype(lengths.dtype, np.integer):
        raise ValueError(f"{items} items need as many whole lengths, not {lengths.shape}.")
    if np.any(lengths < 1) or not np.all(np.isfinite(values)):
        raise ValueError("Lengths must be positive and values finite.")
    flat = values.reshape(math.prod(batch), items)
    problems, size = len(flat), max(int(capacity), 0) + 1
    best = np.zeros((problems, size))
    better = np.zeros((problems, size), bool)
    bits = np.zeros((items, problems, (size + 7) // 8), np.uint8)
    for item, length in enumerate(lengths.tolist()):
        better[:] = False
        if length < size:
            with_item = best[:, : size - length] + flat[:, item, None]
            better[:, length:] = with_item > best[:, length:]
            np.maximum(best[:, length:], with_item, out=best[:, length:])
        bits[item] = np.packbits(better, axis=1)
    taken = np.zeros((problems, items), bool)
    room = np.full(problems, size - 1)
    each = np.arange(problems)
    for item in range(items - 1, -1, -1):
        taken[:, item] = bits[item, each, room // 8] >> (7 - room % 8) & 1
        room -= lengths[item] * taken[:, item]
    return taken.reshape(*batch, items)


def to_frames(scores: np.ndarray, picks: np.ndarray, n_frames: int) -> np.ndarray:
    """Scores (P,) at `picks` as scores (n_frames,), as the community's evaluation spreads them.

    A score holds from its pick up to the next one, the last to the end; before the first it is 0
    (Zhou et al., AAAI 2018).
    """
    spread = np.zeros(n_frames)
    ends = np.append(picks[1:], n_frames)
    spread[picks[0] :] = np.repeat(np.asarray(scores, np.float64), ends - picks)
    return spread


def select_shots(frame_scores: np.ndarray, shots: np.ndarray, share: float = SHARE) -> np.ndarray:
    """The summary (..., n_frames) bool of greatest total score within a share of the length.

    The value of a shot is the mean score of its frames, as in the community's evaluation (Zhang et
    al., ECCV 2016); shots are taken whole, by :func:`knapsack`.

    Args:
      frame_scores: (..., n_frames), several rows are several summaries.
      shots: (S, 2) first and last frame of each, together the whole video.
      share: of the frames that the summary may have, rounded down.
    """
    lengths = shots[:, 1] - shots[:, 0] + 1
    n_frames = frame_scores.shape[-1]
    if lengths.sum() != n_frames:
        raise ValueError(f"Shots of {lengths.sum()} frames do not cover {n_frames} frames.")
    sums = np.add.reduceat(np.asarray(frame_scores, np.float64), shots[:, 0], axis=-1)
    taken = knapsack(sums / lengths, lengths, int(share * n_frames))
    return np.repeat(taken, lengths, axis=-1)


def adaptive(
    scores: np.ndarray,
    *,
    positions: np.ndarray | None = None,
    scenes: np.ndarray | None = None,
    count: int | None = None,
    per_scene: int | None = None,
    spacing: float = 0.0,
    deviations: float = 1.0,
    first: Sequence[int] | np.ndarray = (),
) -> np.ndarray:
    """As many keyframes as the video has: the best first, while what follows holds.

    Without `count`, a frame is a candidate when its score is at least the mean of the scores plus
    `deviations` standard deviations, or when it is the best of all. With it, every frame is, and
    the best `count` are taken: fewer only where the other conditions leave no more.

    Args:
      scores: (T,); of equal ones the earlier is better.
      positions: (T,) of the frames, rising: frame indices or seconds; by default 0, 1, 2, ...
      scenes: (S, 2) first and last position of each scene, rising.
      count: how many keyframes the user wants.
      per_scene: at most so many in a scene; needs `scenes`.
      spacing: keyframes are at least this far apart, in the unit of `positions`.
      deviations: standard deviations above the mean.
      first: indices that are taken before all others.

    Returns:
      Indices into `scores`, rising.

    Raises:
      UserError: there is no score, a score is not finite, or a number is out of range.
    """
    scores = _checked(scores)
    if (count is not None and count < 1) or (per_scene is not None and per_scene < 1):
        raise UserError("The number of keyframes, and that in a scene, must be 1 or more.")
    if spacing < 0:
        raise UserError(f"Keyframes cannot be {spacing:g} apart; the spacing must be 0 or more.")
    places = np.arange(len(scores)) if positions is None else np.asarray(positions)
    scene = np.zeros(len(scores), np.int64)
    if scenes is not None:
        scene = np.searchsorted(scenes[:, 0], places, side="right") - 1
    left = np.ones(len(scores), bool)
    if count is None:
        left = scores >= min(scores.mean() + deviations * scores.std(), scores.max())
    chosen: list[int] = []
    in_scene = np.zeros(scene.max() + 2, np.int64)  # -1: before the first scene
    while (len(chosen) < len(first) or left.any()) and (count is None or len(chosen) < count):
        if len(chosen) < len(first):
            best = int(first[len(chosen)])
        else:
            best = int(np.argmax(np.where(left, scores, -np.inf)))
        chosen.append(best)
        left &= np.abs(places - places[best]) >= spacing
        left[best] = False
        in_scene[scene[best]] += 1
        if scenes is not None and in_scene[scene[best]] == per_scene:
            left &= scene != scene[best]
    return np.sort(np.array(chosen, np.int64))


def _checked(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or not len(scores):
        raise UserError("Keyframes are chosen from a row of scores, one a frame; there is none.")
    if not np.all(np.isfinite(scores)):
        bad = int(np.sum(~np.isfinite(scores)))
        raise UserError(f"{bad} of {len(scores)} scores are not finite, so none can be chosen.")
    return scores
