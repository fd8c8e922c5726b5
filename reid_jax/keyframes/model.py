"""The keyframe scorer of a run folder, ready to score videos."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.console import counting
from reid_jax.data.videos.features import VideoFeatures, video_digest
from reid_jax.data.videos.frames import indices_at_rate
from reid_jax.data.videos.fused import files_of
from reid_jax.data.videos.images import load_frames
from reid_jax.data.videos.open import open_video
from reid_jax.data.videos.rows import AsTheyAre, rows_of
from reid_jax.data.videos.walk import features_at
from reid_jax.errors import UserError
from reid_jax.export.exportable import Exportable
from reid_jax.export.program import Program
from reid_jax.export.trial import Trial
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.keyframes.distillation import ATTENTION
from reid_jax.keyframes.experiment import make_task
from reid_jax.keyframes.exported import frame_program
from reid_jax.keyframes.inputs import as_batch, prepare_video
from reid_jax.keyframes.kept import load_run_videos
from reid_jax.keyframes.task import PREPARATION, KeyframeTask
from reid_jax.keyframes.trial import film_trial
from reid_jax.ops.batching import in_blocks
from reid_jax.ops.convolution.compilation import compiler_options
from reid_jax.training.hosts.agreement import digest
from reid_jax.training.hosts.shares import Piece, Shares
from reid_jax.training.run import TrainedRun, restore
from reid_jax.weights.frozen import FrameEncoder, frozen_encoder

_IMAGES = 64  # images whose features are made at a time


@dataclass(frozen=True)
class TrainedScorer(TrainedRun, Exportable):
    """The best network of a run that scores frames."""

    config: KeyframeConfig
    word = "score"
    about = ""
    """What must be known of one that is no run, in a sentence."""

    @functools.cached_property
    def task(self) -> KeyframeTask:
        """The network that the configuration describes."""
        return make_task(self.config)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Names its numbers and how it is made."""
        leaves = jax.tree.leaves((self.params, self.model_state))
        return digest(np.array(repr(self.config.model)), *leaves)

    @property
    def width(self) -> int | None:
        """How many features a frame must have; None for a network that sees images."""
        return None if self.config.model.backbone else len(self.model_state[PREPARATION]["mean"])

    def score(
        self, video: str | PathLike[str] | np.ndarray, *, backbone: str = "", weights: str = ""
    ) -> np.ndarray:
        """Scores (T,) float32 in (0, 1): how much each moment of a video matters.

        Args:
          video: a film or a folder of frames, of which row i is the frame nearest to i /
            `config.data.features_rate` seconds; features (T, D) as those of the training; or, for a
            network that sees images, frames uint8 (T, H, W, 3) in order.
          backbone: what makes features of frames, where the run does not say so.
          weights: its weights, should they not be where the run had them.

        Raises:
          UserError: the film cannot be read, or features are not those of the training.

        Example:
          >>> features = np.zeros((40, rj.load("runs/tvsum").width), np.float32)
          >>> scores = rj.load("runs/tvsum").score(features)
          >>> scores.shape == features.shape[:1]
          True
          >>> scores = rj.load("runs/tvsum").score("film.mp4")  # doctest: +SKIP
        """
        if isinstance(video, np.ndarray):
            return self.score_images(video) if video.ndim == 4 else self.score_features(video)
        rate = self.config.data.features_rate
        film = open_video(video, rate)
        named = backbone, weights
        if named not in self._encoders:
            self._encoders[named] = encoder_of(self, *named)
        features = features_at(film, indices_at_rate(film.times, rate), self._encoders[named])
        if self.width is None:
            return self.score_image_features(features)
        return self.score_features(features)

    @functools.cached_property
    def _encoders(self) -> dict[tuple[str, str], FrameEncoder]:
        return {}

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

    def explained(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Of one video "scores" (T,), what is behind the projection, and attention: float32.

        Args:
          features: (T, D) as those of the training, or the network's own `image_features`.

        Returns:
          by the names of `reid_jax.keyframes.distillation`: (T,), (T, F) and (T, T).
        """
        length = len(features)
        if PREPARATION in self.model_state:
            features = prepare_video(self.model_state[PREPARATION], features)
        said = self._explain(self.params, self.model_state, *as_batch(features))
        whole = {name: np.asarray(rows)[0, :length] for name, rows in said.items()}
        return {**whole, ATTENTION: whole[ATTENTION][:, :length]}

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
        if PREPARATION in self.model_state:
            features = prepare_video(self.model_state[PREPARATION], features)
        return self._score(features)

    def score_images(self, images: np.ndarray) -> np.ndarray:
        """Scores (T,) float32 in (0, 1) of one video's frames, uint8 (T, H, W, 3), in order.

        Raises:
          UserError: the run was trained on features.
        """
        return self.score_image_features(self.image_features(images))

    def score_videos(
        self,
        videos: Sequence[VideoFeatures],
        source: Path,
        frames: Path | None = None,
        *,
        shares: Shares | None = None,
    ) -> dict[str, np.ndarray]:
        """Scores at the picks of each video, by its key; `source` is the H5 file they are from.

        A network that sees images scores those it finds in `frames`, by default the folder that the
        run was trained from; in between, scores are interpolated. `shares` divides the videos over
        processes; after it only the first one goes on.

        Raises:
          UserError: `frames` lacks those of a video, or is given to a network that sees features.
        """
        if self.width is not None and frames is not None:
            raise UserError(
                f"{self.workdir} scores features, which are in {source}; leave --frames out."
            )
        folder = frames or Path(self.config.data.frames)
        if shares is None:
            each = counting(videos, "scoring videos", "videos")
            return {video.key: self._score_video(video, source, folder) for video in each}

        def work(own: Sequence[int]) -> Iterator[Piece]:
            for number in own:
                yield {"scores": self._score_video(videos[number], source, folder)}

        asked = {
            "the network": self.fingerprint,
            "the videos": digest(np.array([video_digest(video) for video in videos])),
            "where their frames are": str(folder),
        }
        pieces = shares.collect(
            *(asked, len(videos), work), description="scoring videos", unit="videos"
        )
        return {video.key: piece["scores"] for video, piece in zip(videos, pieces, strict=True)}

    def _score_video(self, video: VideoFeatures, source: Path, folder: Path) -> np.ndarray:
        if self.width is not None:
            return self.score_features(video.features)
        [(at_images, images)] = load_frames(source, folder, [video], self.config.data.image_size)
        scores = self.score_images(images)
        return np.interp(video.picks, at_images.picks, scores).astype(np.float32)

    def program(self) -> Program:
        """A film's frames, or their features, to scores; in float32, whatever the run is in."""
        wide = replace(self.config, model=replace(self.config.model, dtype="float32"))
        run = replace(self, config=wide)
        facts = {"network": self.workdir.name, "step": self.step}
        variables = self.params, self.model_state
        return frame_program(wide, run.task, variables, run.scores, run.score, facts)

    def trial(self, source: str, number: int) -> Trial:
        """Films to calibrate with, of a source or of the training, and the run's test videos."""
        given = self._rows_of(source) if source else []
        train: list[np.ndarray] = []
        tests: list[Any] = []
        why = "the run's test videos"
        try:
            split = load_run_videos(self.workdir, self.config)
            train = [] if given else [rows for *_, rows in self._seen(split.train)]
            tests = self._seen(split.test)
        except (UserError, OSError) as error:
            if not given:
                raise UserError(
                    f"{error} Name videos to calibrate with: --calibrate FILE.h5, or films."
                ) from error
            why = "nothing: the run's videos are not here"
        why = why if tests or why.startswith("nothing") else "nothing: the run held no video out"
        return film_trial(given or train, source or "the training", number, tests, why)

    def _rows_of(self, source: str) -> list[np.ndarray]:
        rate, encoder = self.config.data.features_rate, None
        if self.width is None:
            return rows_of(source, AsTheyAre(self.config.data.image_size), rate, None)
        if not source.endswith(".h5") and self.config.data.features_backbone:
            encoder = encoder_of(self)
        return rows_of(source, encoder, rate, self.width)

    def _seen(self, videos: Sequence[VideoFeatures]) -> list[Any]:
        """Videos, the same at the frames that are seen of them, and these or their features."""
        if self.width is not None:
            return [(video, video, video.features.astype(np.float32)) for video in videos]
        data = self.config.data
        found = load_frames(Path(data.path), Path(data.frames), videos, data.image_size)
        return [(video, *seen) for video, seen in zip(videos, found, strict=True)]

    def scores(self, features: jax.Array, mask: jax.Array) -> jax.Array:
        """Scores (B, T) of prepared features (B, T, D) where `mask` (B, T) holds."""
        return self.task.predict_features(self.params, self.model_state, features, mask)

    @functools.cached_property
    def _image_features(self) -> Any:
        return jax.jit(self.task.image_features, compiler_options=compiler_options())

    @functools.cached_property
    def _explain(self) -> Any:
        return jax.jit(self.task.explained, compiler_options=compiler_options())

    @functools.cached_property
    def _predict(self) -> Any:
        return jax.jit(self.task.predict_features, compiler_options=compiler_options())

    def _score(self, inputs: np.ndarray) -> np.ndarray:
        scores = self._predict(self.params, self.model_state, *as_batch(inputs))
        return np.asarray(scores)[0, : len(inputs)]


def encoder_of(scorer: TrainedScorer, backbone: str = "", weights: str = "") -> FrameEncoder:
    """What describes frames as the run's training data does, or its own backbone.

    Raises:
      UserError: the run was trained on features and does not say what made them.
    """
    data = scorer.config.data
    if scorer.width is None:
        features = jax.jit(scorer.task.image_features, compiler_options=compiler_options())
        return FrameEncoder(
            data.image_size,
            lambda images: features(scorer.params, scorer.model_state, images),
            f"{scorer.config.model.backbone} (of the run)",
        )
    if len(files_of(data.features)) > 1:
        raise UserError(
            f"{scorer.workdir} was trained on fused features of several files, which no network "
            "makes of films; reid-jax score takes them, A.h5,B.h5."
        )
    backbone = backbone or data.features_backbone
    if not backbone:
        raise UserError(
            f"{scorer.workdir} does not say what made the features it was trained on; name it with "
            "--backbone and --weights, or train with --data.features-backbone."
        )
    return frozen_encoder(backbone, weights or data.features_weights)


def load_scorer(workdir: Path) -> TrainedScorer:
    """The best checkpoint of a keyframe run.

    Raises:
      UserError: when the folder is not that of a keyframe run, or nothing was saved yet.
    """
    return TrainedScorer(workdir, *restore(workdir, KeyframeConfig))
