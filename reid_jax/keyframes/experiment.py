"""From a keyframe configuration and its videos to what the loop runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.console import counting
from reid_jax.data.videos.features import VideoFeatures, load_folds
from reid_jax.data.videos.fused import load_fused
from reid_jax.data.videos.images import load_frames
from reid_jax.errors import UserError
from reid_jax.keyframes.clip_feed import make_clip_feed
from reid_jax.keyframes.config import KeyframeConfig, ScorerConfig, VideoDataConfig
from reid_jax.keyframes.distillation import FEATURES, taught
from reid_jax.keyframes.inputs import Preparation, fit_preparation, prepare_video
from reid_jax.keyframes.net import KeyframeNet, KeyframeScorer
from reid_jax.keyframes.ridge import LinearStart, linear_start
from reid_jax.keyframes.targets import annotations, importance
from reid_jax.keyframes.task import PREPARATION, KeyframeTask, normalised_ranks
from reid_jax.keyframes.video_set import VideoSet, end_to_end
from reid_jax.models import block_names
from reid_jax.ops.batching import padded
from reid_jax.training.experiment import (
    Experiment,
    Start,
    Validation,
    make_experiment,
    start_from,
    unchanged,
)
from reid_jax.training.from_images import (
    backbone_of,
    describing_before,
    pixels_of,
    published_backbone,
)

_VALIDATION_BATCH = 4  # whole videos at a time
_IMAGINED_WIDTH = 1024
_NOTHING: Mapping[str, np.ndarray] = {}


@dataclass(frozen=True)
class VideoSplit:
    """What a fold trains on, what chooses its best checkpoint, and what it is tested on.

    Attributes:
      described: where a linear start over a backbone is wanted, the training videos at the frames
        that are kept as images, with the features of the backbone before training.
    """

    train: tuple[VideoFeatures, ...]
    validation: tuple[VideoFeatures, ...]
    test: tuple[VideoFeatures, ...]
    described: tuple[VideoFeatures, ...] = ()


def load_videos(config: VideoDataConfig, seed: int) -> VideoSplit:
    """The videos of a fold; its validation videos are drawn from its training videos.

    Raises:
      UserError: the files cannot be read, there is no such fold, or the share for validation
        leaves one side empty.
    """
    videos = {video.key: video for video in load_fused(Path(config.path), config.features)}
    train, test = list(videos), list[str]()
    if config.fold >= 0:
        path = Path(config.splits) if config.splits else None
        folds = load_folds(path, list(videos), config.folds)
        if config.fold >= len(folds):
            raise UserError(
                f"data.fold is {config.fold}; there are {len(folds)} folds, counted from 0."
            )
        train, test = folds[config.fold]
    held = round(config.validation_fraction * len(train))
    if config.validation_fraction and not 1 <= held < len(train):
        raise UserError(
            f"data.validation_fraction is {config.validation_fraction}, which makes {held} of "
            f"{len(train)} training videos; there must be at least one on either side."
        )
    order = np.random.default_rng([seed, 5]).permutation(len(train))
    chosen = {train[place] for place in order[:held]}
    return VideoSplit(
        train=tuple(videos[key] for key in train if key not in chosen),
        validation=tuple(videos[key] for key in train if key in chosen),
        test=tuple(videos[key] for key in test),
    )


def make_task(config: KeyframeConfig, said: Mapping[str, np.ndarray] = _NOTHING) -> KeyframeTask:
    """The task of a configuration; `said` is what a teacher says of its training videos."""
    model = config.model
    return KeyframeTask(
        net=make_keyframe_net(model),
        loss_terms=config.loss,
        augmentation=config.images,
        noise=config.augment.noise,
        **pixels_of(model),
        still=model.keep_statistics,
        power=config.data.power,
        components=config.data.components if model.backbone and model.ridge > 0 else None,
        distill=config.distill if said else None,
        taught=said[taught(FEATURES)].shape[1] if taught(FEATURES) in said else 0,
    )


def make_keyframe_net(model: ScorerConfig) -> KeyframeNet:
    """The network of a configuration."""
    dtype = jnp.dtype(model.dtype)
    scorer = KeyframeScorer(
        width=model.width,
        depth=model.depth,
        heads=model.heads,
        head_dim=model.head_dim,
        mlp=model.mlp,
        dual_head_dim=model.dual_head_dim,
        radius=model.radius,
        hidden=model.hidden,
        dropout=model.dropout,
        skip=model.ridge > 0,
        smoothing=model.smoothing,
        dtype=dtype,
    )
    return KeyframeNet(scorer, backbone_of(model))


@dataclass(frozen=True)
class _Inputs:
    """What the network sees of videos: the task's name for it, arrays (T, ...), and the videos."""

    name: str
    train: list[np.ndarray]
    train_videos: list[VideoFeatures]
    validation: list[np.ndarray]
    validation_videos: list[VideoFeatures]
    start: Start


def build(
    config: KeyframeConfig, split: VideoSplit, said: Mapping[str, np.ndarray] = _NOTHING
) -> Experiment:
    """Puts an experiment together.

    Args:
      said: by a teacher of the training videos, see `reid_jax.keyframes.teaching`.

    Raises:
      UserError: when configuration and data do not fit.
    """
    inputs = _images(config, split) if config.model.backbone else _features(config, split)
    validation = None
    if inputs.validation:
        validation = _validation(inputs.name, inputs.validation, inputs.validation_videos)
    videos = end_to_end(inputs.train, [importance(video) for video in inputs.train_videos])
    example = inputs.train[0][None, :1]
    return _experiment(config, videos, inputs.name, example, inputs.start, validation, said)


def imagine(config: KeyframeConfig, videos: int, frames: int) -> Experiment:
    """The experiment of training videos that are not there, with so many frames in all.

    Features are taken to have 1,024 numbers a frame, as the published ones (GoogLeNet's).
    """
    data = config.data
    validation = Validation(inputs=lambda: (), examples={})
    length = np.full(videos, max(frames // videos, 1), np.int32)
    targets: Any = jax.ShapeDtypeStruct((int(length.sum()),), np.float32)
    start: Start = unchanged
    if config.model.backbone:
        name, width = "image", (data.image_size, data.image_size, 3)
        example = np.zeros((1, 1, *width), np.uint8)
    else:
        some = [np.random.default_rng(0).normal(size=(64, _IMAGINED_WIDTH)).astype(np.float32)]
        preparation = fit_preparation(some, components=data.components, context=data.context)
        example = prepare_video(preparation, some[0])[None, :1]
        name, width = "features", example.shape[2:]
        start = _prepared_start(preparation, None)
    flat: Any = jax.ShapeDtypeStruct((int(length.sum()), *width), example.dtype)
    offset = (np.cumsum(length) - length).astype(np.int32)
    all_videos = VideoSet(flat, targets, offset, length)
    return _experiment(config, all_videos, name, example, start, validation)


def _experiment(
    config: KeyframeConfig,
    videos: VideoSet,
    name: str,
    example: np.ndarray,
    start: Start,
    validation: Validation | None,
    said: Mapping[str, np.ndarray] = _NOTHING,
) -> Experiment:
    data, train = config.data, config.train
    return make_experiment(
        config,
        task=make_task(config, said),
        start=start,
        blocks=block_names(config.model.backbone) if config.model.backbone else (),
        feed=make_clip_feed(
            videos,
            name=name,
            clip=data.clip,
            batch_size=data.batch_size,
            spec=config.augment,
            seed=train.seed,
            streams=train.streams,
            steps_per_call=train.steps_per_call,
            said=said,
        ),
        example={name: example},
        validation=validation,
        summary=f"{len(videos.length)} training videos, {len(videos.targets):,} frames"
        + (f"; learns from {config.distill.teacher}" if said else ""),
        counted="clips",
    )


def _features(config: KeyframeConfig, split: VideoSplit) -> _Inputs:
    preparation, frames = _prepare(config.data, split.train)
    ridge = config.model.ridge
    linear = linear_start(frames, split.train, ridge) if ridge else None
    return _Inputs(
        name="features",
        train=frames,
        train_videos=list(split.train),
        validation=[prepare_video(preparation, video.features) for video in split.validation],
        validation_videos=list(split.validation),
        start=_prepared_start(preparation, linear),
    )


def _prepare(
    data: VideoDataConfig, videos: Sequence[VideoFeatures]
) -> tuple[Preparation, list[np.ndarray]]:
    raw = [video.features for video in videos]
    preparation = fit_preparation(
        raw,
        components=data.components,
        context=data.context,
        power=data.power,
        widths=videos[0].widths,
    )
    return preparation, [prepare_video(preparation, features) for features in raw]


def _prepared_start(preparation: Preparation, linear: LinearStart | None) -> Start:
    def start(params: Any, model_state: Any) -> tuple[Any, Any]:
        model_state = {**model_state, PREPARATION: jax.tree.map(jnp.asarray, preparation)}
        if linear is None:
            return params, model_state
        scorer = params["net"]["scorer"]
        scorer = {
            **scorer,
            "skip": {"kernel": jnp.asarray(linear.weights[:, None])},
            "score": {**scorer["score"], "bias": jnp.asarray(linear.bias.reshape(1))},
        }
        return {**params, "net": {**params["net"], "scorer": scorer}}, model_state

    return start


def described(config: KeyframeConfig, videos: Sequence[VideoFeatures]) -> tuple[VideoFeatures, ...]:
    """Videos at the frames that are kept as images, with features by the backbone as it starts."""
    pairs = _load(config.data, videos)
    describe = describing_before(make_task(config), config.model, config.train, pairs[0][1])
    return tuple(
        replace(video, features=describe(images))
        for video, images in counting(pairs, "Features before training", "videos")
    )


def _load(
    data: VideoDataConfig, videos: Sequence[VideoFeatures]
) -> list[tuple[VideoFeatures, np.ndarray]]:
    return load_frames(Path(data.path), Path(data.frames), videos, data.image_size)


def _images(config: KeyframeConfig, split: VideoSplit) -> _Inputs:
    data, model = config.data, config.model
    train, validation = _load(data, split.train), _load(data, split.validation)
    published = published_backbone(model)
    linear: Start = unchanged
    if split.described:
        preparation, inputs = _prepare(data, split.described)
        linear = _prepared_start(preparation, linear_start(inputs, split.described, model.ridge))
    return _Inputs(
        name="image",
        train=[images for _, images in train],
        train_videos=[video for video, _ in train],
        validation=[images for _, images in validation],
        validation_videos=[video for video, _ in validation],
        start=lambda params, model_state: linear(*start_from(published, params, model_state)),
    )


def _validation(
    name: str, frames: Sequence[np.ndarray], videos: Sequence[VideoFeatures]
) -> Validation:
    """Whole videos, padded to the longest, with what their annotators say."""
    length = np.asarray([len(video) for video in frames])
    ranks = [normalised_ranks(annotations(video)) for video in videos]
    most = max(len(one) for one in ranks)
    ranks = [np.pad(one, ((0, most - len(one)), (0, 0))) for one in ranks]
    inputs = {name: padded(frames), "mask": np.arange(length.max())[None] < length[:, None]}
    return Validation(
        inputs=lambda: [inputs],
        examples={
            "length": length,
            "target": padded([importance(video) for video in videos]),
            "ranks": padded(ranks, axis=1),
        },
        batch_size=_VALIDATION_BATCH,
    )
