"""From a configuration of video similarity and its videos to what the loop runs."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.data.videos.features import (
    VideoFeatures,
    load_folds,
    natural_order,
)
from reid_jax.data.videos.fused import files_of, load_fused
from reid_jax.errors import UserError
from reid_jax.models import block_names
from reid_jax.ops.losses.objectives import Objective
from reid_jax.same_video.config import (
    ClipDataConfig,
    SimilarityConfig,
    VideoSimilarityConfig,
)
from reid_jax.same_video.copies import EDITS_SEED, Copies, described, load_copies
from reid_jax.same_video.dividing import LabelledSplit, divide, split_labels
from reid_jax.same_video.labelled import LabelledSampler, labelled_pairs
from reid_jax.same_video.labels import Labels, among_keys, read_labels
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
from reid_jax.training.experiment import (
    Experiment,
    Start,
    Validation,
    make_experiment,
    start_from,
    unchanged,
)
from reid_jax.training.feed import Feed
from reid_jax.training.from_images import (
    backbone_of,
    describing,
    pixels_of,
    published_backbone,
)
from reid_jax.training.step import make_streamed_step

_IMAGINED = 16  # videos; more change no shape but the classes'
Sampler = Callable[[int], dict[str, np.ndarray]]
PAIRS_SEED = 0  # of the pairs for validation and test: the same for all runs


@dataclass(frozen=True)
class ClipSplit:
    """The videos of a fold; no video is in two of them.

    Attributes:
      labels: the pairs that a person has labelled, where they are not drawn.
    """

    train: tuple[PairVideo, ...]
    validation: tuple[PairVideo, ...]
    test: tuple[PairVideo, ...]
    labels: LabelledSplit | None = None


def load_videos(config: ClipDataConfig, workdir: Path, *, edited: bool = True) -> ClipSplit:
    """The videos of a fold with their edited copies; validation videos are some of its training.

    Which ones depends on the fold alone, so that runs of several seeds can be compared and joined.

    Args:
      edited: without it no features are made of copies.

    Raises:
      UserError: the files cannot be read, there is no such fold, or too few videos for a
        validation.
    """
    videos = load_fused(Path(config.path), config.features)
    if config.labels:
        return _labelled(config, videos)
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
    if config.frames and edited:
        copies = load_copies(
            Path(config.copies) if config.copies else workdir / "copies.npz",
            features=Path(config.path),
            frames=Path(config.frames),
            backbone=config.backbone,
            pretrained=config.pretrained,
            seed=EDITS_SEED,
        )
    order = np.random.default_rng([config.fold, 5]).permutation(len(train))
    chosen = {train[place] for place in order[:held]}
    by_key = {video.key: video for video in pair_videos(videos, copies)}
    return ClipSplit(
        train=tuple(by_key[key] for key in train if key not in chosen),
        validation=tuple(by_key[key] for key in train if key in chosen),
        test=tuple(by_key[key] for key in test),
    )


def _labelled(config: ClipDataConfig, videos: Sequence[VideoFeatures]) -> ClipSplit:
    """The videos of the labelled pairs of a fold."""
    by_key = {video.key: video for video in pair_videos(videos, {})}
    where = f"the videos of {config.path}"
    labels = read_labels(Path(config.labels), among_keys(by_key.keys()), where)
    if config.splits:
        folds = load_folds(Path(config.splits), labels.names)
    else:
        parts = divide(labels, config.folds)
        folds = [([*set(labels.names) - part], [*part]) for part in parts]
    if config.fold >= len(folds):
        raise UserError(f"data.fold is {config.fold}; there are {len(folds)}, counted from 0.")
    train, test = folds[config.fold]
    of = Path(config.splits).name if config.splits else str(len(folds))
    fold = f"fold {config.fold} of {of}"
    split = split_labels(labels, train, test, config.validation_fraction, fold)

    def of_part(part: Labels) -> tuple[PairVideo, ...]:
        return tuple(by_key[name] for name in sorted(part.names, key=natural_order))

    return ClipSplit(of_part(split.train), of_part(split.validation), of_part(split.test), split)


def make_similarity_net(model: SimilarityConfig, files: int = 1) -> VideoSimilarityNet:
    """The network of a configuration for features of so many files."""
    if model.kind == "attention_siamese":
        net = attention_siamese(model.embedding_dim, model.width, model.dropout)
    else:
        make = siamese if model.kind == "siamese" else triplet
        several = {"files": files} if model.encoder == "fusion" else {}
        net = make(model.encoder, model.embedding_dim, model.width, model.dropout, **several)
    return net.clone(backbone=backbone_of(model))


def make_task(config: VideoSimilarityConfig, num_classes: int) -> VideoSimilarityTask:
    """The task of a configuration for a number of training videos."""
    objective: Objective = config.loss
    if config.data.clips_per_video:
        objective = objective.for_batches(config.data.clips_per_video - 1)
    return VideoSimilarityTask(
        net=make_similarity_net(config.model, len(files_of(config.data.features)) or 1),
        objective=objective,
        num_classes=num_classes,
        components=config.model.embedding_dim,
        head_weight=config.model.head_weight,
        labelled=bool(config.data.labels),
        frame_dropout=config.model.frame_dropout,
        augmentation=config.images,
        **pixels_of(config.model),
        still=config.model.keep_statistics,
    )


def whitening_of(videos: Sequence[PairVideo], components: int) -> dict[str, np.ndarray]:
    """The linear map that a network starts from; it sees training videos and their copies.

    Of fused features each file has a map of its own to an equal part of the components.

    Raises:
      UserError: the features have fewer numbers than an embedding.
    """
    depth = videos[0].original.features.shape[1]
    widths = videos[0].widths or (depth,)
    part = components // len(widths)
    if part > min(widths):
        raise UserError(
            f"model.embedding_dim is {components}; the features have {min(widths)} numbers a frame"
            f"{' in one of the files' * (len(widths) > 1)}, so that it must not be above "
            f"{min(widths) * len(widths)}."
        )
    tracks = [(video.original, *video.copies.values()) for video in videos]
    features = [np.concatenate([track.features for track in own]) for own in tracks]
    whitening = {
        "mean": np.zeros(depth, np.float32),
        "matrix": np.zeros((depth, components), np.float32),
    }
    for number, (width, end) in enumerate(zip(widths, np.cumsum(widths), strict=True)):
        rows, columns = slice(end - width, end), slice(number * part, (number + 1) * part)
        own = fit_whitening([each[:, rows] for each in features], part)
        whitening["mean"][rows], whitening["matrix"][rows, columns] = own["mean"], own["matrix"]
    return whitening


def build(config: VideoSimilarityConfig, split: ClipSplit) -> Experiment:
    """Puts an experiment together.

    Raises:
      UserError: when configuration and data do not fit.
    """
    data, train = config.data, config.train
    sampler: Sampler
    if split.labels is not None:
        videos, pairs = split.train, split.labels.train
        sampler = LabelledSampler(videos, pairs, data.clip, data.batch_size, train.seed)
    else:
        source = PairSource(split.train, data.clip)
        videos = source.videos
        sampler = ClipSampler(source, data.batch_size, data.clips_per_video, train.seed)
    task = make_task(config, len(videos))
    made = _from_images if config.model.backbone else _from_features
    start, validation = made(config, split, task)
    return make_experiment(
        config,
        task=task,
        start=start,
        blocks=block_names(config.model.backbone) if config.model.backbone else (),
        feed=_make_feed(sampler),
        example=sampler(0),
        unit=2 if data.clips_per_video == 0 else 1,
        validation=validation,
        summary=f"{len(videos)} training videos",
        counted="clips",
    )


def _from_features(
    config: VideoSimilarityConfig, split: ClipSplit, task: VideoSimilarityTask
) -> tuple[Start, Validation | None]:
    """What training starts from, and its validation."""
    del task
    whitening = whitening_of(split.train, config.model.embedding_dim)

    def start(params: Any, model_state: Any) -> tuple[Any, Any]:
        return params, {**model_state, WHITENING: jax.tree.map(jnp.asarray, whitening)}

    if not split.validation:
        return start, None
    labels = split.labels.validation if split.labels else None
    pairs = pairs_of(split.validation, config.data, labels)
    inputs = {name: pairs[name] for name in ("features", "frames")}
    return start, Validation(inputs=lambda: [inputs], examples={"same": pairs["same"]})


def _from_images(
    config: VideoSimilarityConfig, split: ClipSplit, task: VideoSimilarityTask
) -> tuple[Start, Validation | None]:
    """The same, with the features of the backbone as it is by then."""
    describe = describing(task)
    published = published_backbone(config.model)

    def start(params: Any, model_state: Any) -> tuple[Any, Any]:
        params, model_state = start_from(published, params, model_state)
        videos = described(split.train, functools.partial(describe, params, model_state))
        whitening = whitening_of(videos, config.model.embedding_dim)
        return params, {**model_state, WHITENING: jax.tree.map(jnp.asarray, whitening)}

    if not split.validation:
        return start, None
    # What the pairs are does not depend on what their frames show.
    labels = split.labels.validation if split.labels else None
    colours = described(split.validation, lambda images: images[:, :1, 0, 0])
    facts = pairs_of(colours, config.data, labels)

    def by_network(params: Any, model_state: Any) -> list[dict[str, np.ndarray]]:
        videos = described(split.validation, functools.partial(describe, params, model_state))
        pairs = pairs_of(videos, config.data, labels)
        return [{name: pairs[name] for name in ("features", "frames")}]

    return start, Validation(
        inputs=lambda: (), examples={"same": facts["same"]}, by_network=by_network
    )


def pairs_of(
    videos: Sequence[PairVideo], data: ClipDataConfig, labels: Labels | None
) -> dict[str, Any]:
    """The pairs of videos that are held out, the same for all runs; see `evaluation_pairs`."""
    if labels is not None:
        return labelled_pairs(videos, labels, data.clip)
    return evaluation_pairs(PairSource(videos, data.clip), data.pairs, PAIRS_SEED)


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
    split = ClipSplit(pair_videos(drawn, {}), pair_videos(drawn[:2], {}), ())
    if not config.model.backbone:
        return build(config, split)
    size = config.data.image_size
    black = np.zeros((1, size, size, 3), np.uint8)

    def seen(videos: Sequence[PairVideo]) -> tuple[PairVideo, ...]:
        return described(videos, lambda rows: np.broadcast_to(black, (len(rows), *black.shape[1:])))

    made = build(config, replace(split, train=seen(split.train), validation=()))
    return replace(made, start=unchanged)


def _make_feed(sampler: Sampler) -> Feed:
    def calls(start: int, stop: int) -> Iterator[tuple[dict[str, np.ndarray], int]]:
        return ((sampler(step), 1) for step in range(start, stop))

    return Feed({}, 0, make_streamed_step, calls)
