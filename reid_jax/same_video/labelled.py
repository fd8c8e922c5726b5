"""Labelled pairs of clips as the network sees them: batches to train on, and pairs to judge."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reid_jax.errors import UserError
from reid_jax.same_video.labels import Labels
from reid_jax.same_video.pairs import Clip, PairVideo, assemble

_STEP = 13  # what leads from the seed to the draws of a step


class LabelledSampler:
    """Batches of labelled pairs (rows 2i and 2i + 1), half with the label 1 and half with 0."""

    def __init__(
        self,
        videos: Sequence[PairVideo],
        labels: Labels,
        length: int,
        batch_size: int,
        seed: int,
    ) -> None:
        """`length`: the most rows of a clip.

        Raises:
          UserError: a batch cannot be divided into halves of pairs.
        """
        if batch_size % 4:
            raise UserError(f"data.batch_size is {batch_size}; it must be a multiple of 4.")
        self._videos, self._length = videos, length
        self._batch_size, self._seed = batch_size, seed
        places = places_of(videos, labels)
        self._pairs = [places[labels.same], places[~labels.same]]

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """As of `ClipSampler`; of a clip that is longer, a row of each part of it is drawn."""
        rng = np.random.default_rng([self._seed, _STEP, step])
        half = self._batch_size // 4
        same, different = (pairs[rng.integers(len(pairs), size=half)] for pairs in self._pairs)
        places = np.stack([same, different], axis=1).reshape(-1)
        clips = [Clip(place, "", self._drawn(place, rng)) for place in places.tolist()]
        features, frames = assemble(self._videos, clips, self._length)
        # A pair is the same where both its labels are, and no pair shares one with another.
        numbers = np.arange(self._batch_size, dtype=np.int32).reshape(-1, 2)
        numbers[0::2, 1] = numbers[0::2, 0]
        return {
            "image" if features.ndim == 5 else "features": features,
            "frames": frames,
            "label": numbers.reshape(-1),
            "mask": np.ones(self._batch_size, bool),
        }

    def _drawn(self, video: int, rng: np.random.Generator) -> np.ndarray:
        number = len(self._videos[video].original.frames)
        if number <= self._length:
            return np.arange(number)
        edges = np.linspace(0, number, self._length + 1).round().astype(int)
        return rng.integers(edges[:-1], edges[1:])


def labelled_pairs(videos: Sequence[PairVideo], labels: Labels, length: int) -> dict[str, Any]:
    """The pairs as `evaluation_pairs` gives its own, of no kind; clips thinned to `length` rows."""
    places = places_of(videos, labels)
    clips = [Clip(place, "", _thinned(videos[place], length)) for place in places.ravel().tolist()]
    features, frames = assemble(videos, clips, length)
    number = len(places)
    return {
        "features": features.reshape(number, 2, *features.shape[1:]),
        "frames": frames.reshape(number, 2, -1),
        "kind": np.full(number, ""),
        "edit": np.full(number, ""),
        "same": labels.same,
        "video": places,
        "named": labels.clips,
    }


def places_of(videos: Sequence[PairVideo], labels: Labels) -> np.ndarray:
    """(N, 2) int64, where the clips of each pair are among the videos."""
    place = {video.key: number for number, video in enumerate(videos)}
    return np.array([[place[name] for name in pair] for pair in labels.clips.tolist()], np.int64)


def _thinned(video: PairVideo, length: int) -> np.ndarray:
    rows = np.arange(len(video.original.frames))
    if len(rows) <= length:
        return rows
    return rows[np.linspace(0, len(rows) - 1, length).round().astype(int)]
