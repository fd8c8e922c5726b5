"""How alike two clips look: by features of frames, and pixel by pixel for those that match best.

A copy shows what the original shows, at times cropped, mirrored, in other colours or coded anew.
Features of a published network tell films of what it was trained on apart; drawn ones all look
alike to it, and there the pixels tell.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from reid_jax.data.videos.walk import Encoder

_KEPT = 48  # pixels of a side of the grey picture that is kept of a frame
_SIDE = 24  # of the one that is searched
_SIZES = (15, 17, 19, 21, 24)  # of what is looked for in it: crops of 62 to 100%
_ROWS = 24  # frames of the shorter clip that are looked at, evenly spread
_CANDIDATES = 4  # frames of the other clip that each is compared with, the nearest by features
_FLAT = 2.0  # grey levels of deviation below which a picture shows nothing
PIXELS = 0.9
"""Weight of the pixels beside features; scripts/results/installed.md shows what it gives."""


class Clip(NamedTuple):
    """Features (P, D) float32 of a clip's frames, and small grey pictures uint8 (P, 48, 48)."""

    features: np.ndarray
    looks: np.ndarray


class Looking:
    """An encoder that keeps a small picture of each frame that it describes."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._seen: list[np.ndarray] = []
        self.side, self.batch = encoder.side, encoder.batch

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        self._seen.append(looks_of(images))
        return self._encoder(images)

    @property
    def looks(self) -> np.ndarray:
        """Of all frames so far."""
        return np.concatenate(self._seen)


def looks_of(frames: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Small grey pictures uint8 (N, 48, 48) of frames uint8 (H, W, 3)."""
    from PIL import Image

    grey = [Image.fromarray(np.asarray(frame)).convert("L") for frame in frames]
    return np.stack(
        [np.asarray(each.resize((_KEPT, _KEPT), Image.Resampling.BOX)) for each in grey]
    )


def alike(first: Clip, second: Clip, whitening: Mapping[str, Any]) -> float:
    """How much of the shorter clip is in the other one, at most 1.

    The mean over frames of the shorter clip of 0.1 times the highest cosine of whitened features
    (one way of Chamfer's) plus 0.9 times the highest correlation of grey pictures among the frames
    with the four highest cosines, see `picture_correlations`. Where a frame shows nothing but one
    colour, its cosine stands for both. Of two clips of one length, the mean of both ways.
    """
    if len(first.features) > len(second.features):
        first, second = second, first
    rows = [_whitened(clip.features, whitening) for clip in (first, second)]
    one = _contained(rows[0], first.looks, rows[1], second.looks)
    if len(first.features) < len(second.features):
        return one
    return (one + _contained(rows[1], second.looks, rows[0], first.looks)) / 2


def _whitened(features: np.ndarray, whitening: Mapping[str, Any]) -> np.ndarray:
    mean, matrix = (np.asarray(whitening[name], np.float32) for name in ("mean", "matrix"))
    rows = (features - mean) @ matrix
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _contained(
    rows: np.ndarray, looks: np.ndarray, others: np.ndarray, other_looks: np.ndarray
) -> float:
    some = np.unique(np.linspace(0, len(rows) - 1, min(_ROWS, len(rows))).round().astype(int))
    cosines = rows[some] @ others.T
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :_CANDIDATES]
    frames, places = np.unique(nearest, return_inverse=True)
    pixels = picture_correlations(looks[some], other_looks[frames], places.reshape(nearest.shape))
    best = cosines.max(axis=1)
    return float(np.mean(np.where(np.isnan(pixels), best, PIXELS * pixels + (1 - PIXELS) * best)))


def picture_correlations(
    looks: np.ndarray, others: np.ndarray, candidates: np.ndarray
) -> np.ndarray:
    """The highest correlation of each grey picture (N, 48, 48) with some of others (M, 48, 48).

    Either may be a crop of the other, of 62% of its sides or more, at any place; and mirrored.

    Args:
      candidates: (N, K), which of the others.

    Returns:
      (N,), nan where a picture, or all its candidates, are of one colour.
    """
    found = np.full(candidates.shape, -1.0)
    for size in _SIZES:
        for crops, wholes, turned in ((looks, others, False), (others, looks, True)):
            wanted = _resized(crops, size)
            both = np.stack([wanted, wanted[:, :, ::-1]], axis=1)
            both = _standard(both).reshape(len(crops), 2, -1)
            windows = np.lib.stride_tricks.sliding_window_view(
                _resized(wholes, _SIDE), (size, size), axis=(1, 2)
            )
            parts = _standard(windows).reshape(len(wholes), -1, size * size)
            for row, some in enumerate(candidates):
                if turned:
                    similar = both[some].reshape(-1, size * size) @ parts[row].T
                    best = similar.reshape(len(some), -1).max(axis=1)
                else:
                    similar = parts[some].reshape(-1, size * size) @ both[row].T
                    best = similar.reshape(len(some), -1).max(axis=1)
                found[row] = np.maximum(found[row], best)
    shown = (others.std(axis=(1, 2)) > _FLAT)[candidates]
    shown &= (looks.std(axis=(1, 2)) > _FLAT)[:, None]
    return np.where(shown.any(axis=1), np.where(shown, found, -1.0).max(axis=1), np.nan)


def _resized(pictures: np.ndarray, size: int) -> np.ndarray:
    from PIL import Image

    shape = size, size
    return np.stack(
        [
            np.asarray(Image.fromarray(one).resize(shape, Image.Resampling.BOX), np.float32)
            for one in pictures
        ]
    )


def _standard(pictures: np.ndarray) -> np.ndarray:
    """Pictures (..., H, W) with mean 0 and length 1; 0 where they are of one colour."""
    centred = pictures - pictures.mean(axis=(-2, -1), keepdims=True)
    length = np.linalg.norm(centred, axis=(-2, -1), keepdims=True)
    flat = length <= _FLAT * pictures.shape[-1]
    return np.where(flat, 0.0, centred / np.maximum(length, 1e-6))
