"""From a configuration of video similarity and its videos to what the loop runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.data.videos.features import VideoFeatures, load_folds, load_video_features
from reid_jax.errors import UserError
from reid_jax.ops.losses.objectives import Objective
from reid_jax.same_video.config import (
    ClipDataConfig,
    SimilarityConfig,
    VideoSimilarityConfig,
)
from reid_jax.same_video.copies import Copies, load_copies
from reid_jax.same_video.net import (
    VideoSimilarityNet,
    attention_siamese,
    siamese,
    triplet,
)
from reid_jax.same_video.pairs import (
    ClipSampler,
    PairSource,
    PairVideo,
    evaluation_pairs,
    pair_videos,
)
from reid_jax.same_video.task import WHITENING, VideoSimilarityTask
from reid_jax.same_video.whitening import fit_whitening
from reid_jax.training.experiment import Experiment, Validation, make_experiment
from reid_jax.training.feed import Feed
from reid_jax.training.step import make_streamed_step

_IMAGINED = 16  # videos; more change no shape but the classes'
PAIRS_SEED = 0  # of the pairs for validation and test: the same for all runs


@dataclass(frozen=True)
class ClipSplit:
    """The videos of a fold; no video is in two of them."""

    train: tuple[PairVideo, ...]
    validation: tuple[PairVideo, ...]
    test: tuple[PairVideo, ...]


def load_videos(config: ClipDataConfig, workdir: Path) -> ClipSplit:
    """The videos of a fold with their edited copies; validation videos are some of its training.

    Which ones depends on the fold alone, so that runs of several seeds can be compared and joined.

    Raises:
      UserError: the files cannot be read, there is no such fold, or too few videos for a
        validation.
    """
    videos = load_video_features(Path(config.path))
    folds = load_folds(
        Path(config.splits) if config.splits else None, [v.key for v in videos], config.folds
    )
    if config.fold >= len(folds):
        raise UserError(f"data.fold is {config.fold}; there are {len(folds)}, counted from 0.")
    train, test = folds[config.fold]
    held = round(config.validation_fraction * len(train))
    if held == 1 or len(train) - held < 2:
        raise UserError(
            f"data.validation_fraction is {config.validation_fraction}, which makes {held} of "
            f"{len(train)} training videos; pairs need two on either side."
        )
    copies: Copies = {}
    if config.frames:
        copies = load_copies(
            Path(config.copies) if config.copies else workdir / "copies.npz",
            features=Path(config.path),
            frames=Path(config.frames),
            backbone=config.backbone,
            pretrained=config.pretrained,
            seed=0,  # of the edits alone, so that runs can share them
        )
    order = np.random.default_rng([config.fold, 5]).permutation(len(train))
    chosen = {train[place] for place in order[:held]}
    by_key = {video.key: video for video in pair_videos(videos, copies)}
    return ClipSplit(
        train=tuple(by_key[key] for key in train if key not in chosen),
        validation=tuple(by_key[key] for key in train if key in chosen),
        test=tuple(by_key[key] for key in test),
    )


def make_similarity_net(model: SimilarityConfig) -> VideoSimilarityNet:
    """The network of a configuration."""
    if model.kind == "attention_siamese":
        return attention_siamese(model.embedding_dim, model.width, model.dropout)
    make = siamese if model.kind == "siamese" else triplet
    return make(model.encoder, model.embedding_dim, model.width, model.dropout)


def make_task(config: VideoSimilarityConfig, num_classes: int) -> VideoSimilarityTask:
    """The task of a configuration for a number of training videos."""
    objective: Objective = config.loss
    if config.data.clips_per_video:
        objective = objective.for_batches(config.data.clips_per_video - 1)
    return VideoSimilarityTask(
        net=make_similarity_net(config.model),
        objective=objective,
        num_classes=num_classes,
        components=config.model.embedding_dim,
        head_weight=config.model.head_weight,
        frame_dropout=config.model.frame_dropout,
    )


def whitening_of(videos: Sequence[PairVideo], components: int) -> dict[str, np.ndarray]:
    """The linear map that a network starts from; it sees training videos and their copies.

    Raises:
      UserError: the features have fewer numbers than an embedding.
    """
    depth = videos[0].original.features.shape[1]
    if components > depth:
        raise UserError(
            f"model.embedding_dim is {components}; the features have {depth} numbers a frame, so "
            "that it must not be above that."
        )
    tracks = [(video.original, *video.copies.values()) for video in videos]
    features = [np.concatenate([track.features for track in own]) for own in tracks]
    return fit_whitening(features, components)


def build(config: VideoSimilarityConfig, split: ClipSplit) -> Experiment:
    """Puts an experiment together.

    Raises:
      UserError: when configuration and data do not fit.
    """
    data, train = config.data, config.train
    source = PairSource(split.train, data.clip)
    sampler = ClipSampler(source, data.batch_size, data.clips_per_video, train.seed)
    whitening = whitening_of(split.train, config.model.embedding_dim)

    def start(params: Any, model_state: Any) -> tuple[Any, Any]:
        return params, {**model_state, WHITENING: jax.tree.map(jnp.asarray, whitening)}

    validation = None
    if split.validation:
        pairs = evaluation_pairs(PairSource(split.validation, data.clip), data.pairs, PAIRS_SEED)
        inputs = {name: pairs[name] for name in ("features", "frames")}
        validation = Validation(inputs=lambda: [inputs], examples={"same": pairs["same"]})
    return make_experiment(
        config,
        task=make_task(config, len(source.videos)),
        start=start,
        feed=_make_feed(sampler),
        example=sampler(0),
        unit=2 if data.clips_per_video == 0 else 1,
        validation=validation,
        summary=f"{len(source.videos)} training videos",
        counted="clips",
    )


def imagine(config: VideoSimilarityConfig, videos: int, frames: int) -> Experiment:
    """The experiment of training videos that are not there, with so many frames in all.

    Features are taken to have 1,024 numbers a frame, as the published ones (GoogLeNet's).
    """
    random = np.random.default_rng(0)
    length = max(frames // videos, 2 * config.data.clip)
    drawn = [
        VideoFeatures(
            key=str(number),
            features=random.normal(size=(length, 1024)).astype(np.float32),
            picks=np.arange(length) * 15,
            n_frames=length * 15,
        )
        for number in range(min(videos, _IMAGINED))
    ]
    return build(config, ClipSplit(pair_videos(drawn, {}), pair_videos(drawn[:2], {}), ()))


def _make_feed(sampler: ClipSampler) -> Feed:
    def calls(start: int, stop: int) -> Iterator[tuple[dict[str, np.ndarray], int]]:
        return ((sampler(step), 1) for step in range(start, stop))

    return Feed({}, 0, make_streamed_step, calls)
