"""The keyframe scorer of a run folder, ready to score videos."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.data.videos.features import VideoFeatures
from reid_jax.data.videos.images import load_frames
from reid_jax.errors import UserError
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.keyframes.experiment import make_task
from reid_jax.keyframes.inputs import as_batch, prepare_video
from reid_jax.keyframes.task import PREPARATION, KeyframeTask
from reid_jax.ops.batching import in_blocks
from reid_jax.ops.convolution.compilation import compiler_options
from reid_jax.training.run import restore

_IMAGES = 64  # images whose features are made at a time


@dataclass(frozen=True)
class TrainedScorer:
    """The best network of a run.

    Attributes:
      workdir: the run's folder.
      config: what it was trained with.
      params, model_state: its variables.
      step: the step they are from.
    """

    workdir: Path
    config: KeyframeConfig
    params: Any
    model_state: Any
    step: int

    @functools.cached_property
    def task(self) -> KeyframeTask:
        return make_task(self.config)

    @property
    def width(self) -> int | None:
        """How many features a frame must have; None for a network that sees images."""
        preparation = self.model_state.get(PREPARATION)
        return None if preparation is None else len(preparation["mean"])

    def score_features(self, features: np.ndarray) -> np.ndarray:
        """Scores (T,) float32 in (0, 1) of one video's features (T, D).

        Raises:
          UserError: D is not what the run was trained with.
        """
        if features.ndim != 2 or features.shape[1] != self.width:
            raise UserError(
                f"{self.workdir} scores {self.width or 'images, not'} features a frame; these have "
                f"shape {features.shape}."
            )
        return self._score(prepare_video(self.model_state[PREPARATION], features))

    def image_features(self, images: np.ndarray) -> np.ndarray:
        """The network's own features (T, F) float32 of frames uint8 (T, H, W, 3).

        Raises:
          UserError: the run was trained on features.
        """
        if self.width is not None:
            raise UserError(f"{self.workdir} was trained on features, not on images.")
        features = functools.partial(self._image_features, self.params, self.model_state)
        return in_blocks(features, images, _IMAGES)

    def score_image_features(self, features: np.ndarray) -> np.ndarray:
        """Scores (T,) float32 in (0, 1) of one video's `image_features` (T, F)."""
        return self._score(features)

    def score_images(self, images: np.ndarray) -> np.ndarray:
        """Scores (T,) float32 in (0, 1) of one video's frames, uint8 (T, H, W, 3), in order.

        Raises:
          UserError: the run was trained on features.
        """
        return self.score_image_features(self.image_features(images))

    def score(
        self, videos: Sequence[VideoFeatures], source: Path, frames: Path | None = None
    ) -> dict[str, np.ndarray]:
        """Scores at the picks of each video, by its key; `source` is the H5 file they are from.

        A network that sees images scores those it finds in `frames`, by default the folder that the
        run was trained from; in between, scores are interpolated.

        Raises:
          UserError: `frames` lacks those of a video, or is given to a network that sees features.
        """
        if self.width is not None:
            if frames is not None:
                raise UserError(
                    f"{self.workdir} scores features, which are in {source}; leave --frames out."
                )
            return {video.key: self.score_features(video.features) for video in videos}
        data = self.config.data
        folder = frames or Path(data.frames)
        found = {}
        for video in videos:
            [(at_images, images)] = load_frames(source, folder, [video], data.image_size)
            scores = self.score_images(images)
            found[video.key] = np.interp(video.picks, at_images.picks, scores).astype(np.float32)
        return found

    @functools.cached_property
    def _image_features(self) -> Any:
        return jax.jit(self.task.image_features, compiler_options=compiler_options())

    @functools.cached_property
    def _predict(self) -> Any:
        return jax.jit(self.task.predict_features, compiler_options=compiler_options())

    def _score(self, inputs: np.ndarray) -> np.ndarray:
        scores = self._predict(self.params, self.model_state, *as_batch(inputs))
        return np.asarray(scores)[0, : len(inputs)]


def load_scorer(workdir: Path) -> TrainedScorer:
    """The best checkpoint of a keyframe run.

    Raises:
      UserError: when the folder is not that of a keyframe run, or nothing was saved yet.
    """
    return TrainedScorer(workdir, *restore(workdir, KeyframeConfig))
