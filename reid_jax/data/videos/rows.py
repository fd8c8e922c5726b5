"""What a network sees of the videos of a source: features of a file, or frames of films."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_jax.data.videos.frames import indices_at_rate
from reid_jax.data.videos.fused import load_named
from reid_jax.data.videos.open import find_videos, open_video
from reid_jax.data.videos.walk import Encoder, features_at
from reid_jax.errors import UserError


@dataclass(frozen=True)
class AsTheyAre:
    """Frames in the place of features: uint8 (N, side, side, 3)."""

    side: int
    batch: int = 16

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(images)


def rows_of(
    source: str, encoder: Encoder | None, rate: float, width: int | None
) -> list[np.ndarray]:
    """Rows (T, ...) of each video of a source.

    Args:
      source: an H5 file of features, a film, or a folder of films.
      encoder: of frames of films; None where nothing is known that makes such features.
      rate: frames a second of a film that are seen.
      width: of features; None for frames.

    Raises:
      UserError: the source is none of these, or of another kind than the network sees.
    """
    path = Path(source)
    if path.suffix == ".h5":
        if width is None:
            raise UserError(f"{source} holds features, but the network sees frames; name films.")
        found = [video.features.astype(np.float32) for video in load_named(path)]
        if found[0].shape[1] != width:
            raise UserError(
                f"{source} has {found[0].shape[1]} numbers a frame; the network sees {width}."
            )
        return found
    if not path.exists():
        raise UserError(f"{source} is not there; name an H5 file, a film, or a folder of films.")
    if encoder is None:
        raise UserError(
            f"Nobody knows what made the features that the network sees, so that films such as "
            f"{source} cannot be described; name an H5 file of such features."
        )
    films = [open_video(file, rate) for file in find_videos([path])[0]]
    return [features_at(film, indices_at_rate(film.times, rate), encoder) for film in films]


def thinned(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows (T, ...), evenly from the first to the last."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
