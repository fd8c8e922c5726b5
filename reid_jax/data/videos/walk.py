"""Films seen through an encoder of frames, decoded a few frames at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from reid_jax.console import Bar
from reid_jax.data.videos.frames import Frame, Video
from reid_jax.errors import UserError


class Encoder(Protocol):
    """Describes frames: at most `batch` images uint8 (side, side, 3) -> (N, D) float32."""

    @property
    def side(self) -> int:
        """Of the square that frames are squashed to, in pixels."""

    @property
    def batch(self) -> int:
        """Frames that are described at a time, and drawn before."""

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Features (N, D) float32."""


def walk(
    video: Video, wanted: np.ndarray, encoder: Encoder, watch: Callable[[Frame], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes a video once, from its first to its last frame; describes some, shows all.

    Args:
      wanted: rising indices of frames to describe. For one that cannot be decoded the next that can
        stands in.
      watch: is shown every frame that can be decoded, in order.

    Returns:
      int64 (P,), the frames that were described, and their features (P, D) float32.

    Raises:
      UserError: none can be decoded.
    """
    bar = Bar(video.path.name, len(video.times), "frames")

    def due() -> Iterator[Frame]:
        taken = 0  # of the wanted ones
        for frame in video.frames():
            watch(frame)
            now = int(np.searchsorted(wanted, frame.index, side="right"))
            if now > taken:
                taken = now
                yield frame
            bar.update(frame.index + 1)

    try:
        return _described(video, due(), encoder)
    finally:
        bar.close()


def features_at(video: Video, indices: np.ndarray, encoder: Encoder) -> np.ndarray:
    """Features (P, D) float32 of the frames at `indices`, rising.

    Raises:
      UserError: none of them can be decoded.
    """
    return _described(video, video.frames_at(indices), encoder)[1]


def _described(
    video: Video, frames: Iterable[Frame], encoder: Encoder
) -> tuple[np.ndarray, np.ndarray]:
    picks: list[int] = []
    blocks: list[np.ndarray] = []
    images: list[np.ndarray] = []
    for frame in frames:
        picks.append(frame.index)
        images.append(frame.draw((encoder.side, encoder.side)))
        if len(images) == encoder.batch:
            blocks.append(encoder(images))
            images = []
    if images:
        blocks.append(encoder(images))
    if not blocks:
        raise UserError(f"{video.path} has no frame that can be decoded.")
    return np.array(picks, np.int64), np.concatenate(blocks)
