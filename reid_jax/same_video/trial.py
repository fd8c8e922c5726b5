"""Clips that an exported encoder is calibrated with and judged by, in 8-bit integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.console import counted
from reid_jax.data.videos.rows import AsTheyAre, rows_of
from reid_jax.errors import UserError
from reid_jax.export.program import Answers
from reid_jax.export.trial import Trial, Worth
from reid_jax.ops.batching import padded
from reid_jax.ops.verification import roc_auc
from reid_jax.same_video.config import VideoSimilarityConfig
from reid_jax.same_video.experiment import pairs_of
from reid_jax.same_video.run import load_run_videos
from reid_jax.same_video.similarity import paired_chamfer_similarity
from reid_jax.weights.frozen import FrameEncoder

_PAIRS, _PAIRS_OF_IMAGES = 100, 20  # of each kind, that are judged
_RATE = 2.0  # frames a second of films to calibrate with, as the training's features have


def clip_trial(
    workdir: Path,
    config: VideoSimilarityConfig,
    encoder: FrameEncoder | None,
    width: int,
    source: str,
    number: int,
) -> Trial:
    """What int8 is calibrated with and judged by.

    Args:
      encoder: of frames of films, for a run on features; None where nothing is known.
      width: of features.
      source: videos to calibrate with; the run's training videos without one.
      number: how many clips at most; of images, how many frames in all.

    Raises:
      UserError: there are too few frames to calibrate with, or videos are not here.
    """
    data, sees = config.data, bool(config.model.backbone)
    whose, tracks, pairs, why = source or "the training", list[np.ndarray](), None, ""
    if source and sees:
        tracks = rows_of(source, AsTheyAre(data.image_size), _RATE, None)
    elif source:
        tracks = rows_of(source, encoder, _RATE, width)
    try:
        split = load_run_videos(config, workdir)
        few = _PAIRS_OF_IMAGES if sees else _PAIRS
        labels = None if split.labels is None else split.labels.test
        pairs = pairs_of(split.test, replace(data, pairs=min(data.pairs, few)), labels)
        tracks = tracks or [video.original.features for video in split.train]
    except (UserError, OSError) as error:
        if not tracks:
            raise UserError(
                f"{error} Name videos to calibrate with: --calibrate FILE.h5, or films."
            ) from error
        why = "nothing: the run's videos are not here"
    clips = [part for rows in tracks for part in _cut(rows, data.clip)]
    places = np.linspace(0, len(clips) - 1, min(len(clips), number)).round().astype(int)
    clips = [clips[place] for place in np.unique(places)]
    if sees:
        clips = clips[: max(1, number // data.clip)]
    about = f"{counted(len(clips), 'clip')} of {whose}"
    if pairs is None:
        return Trial(clips, about, (), why, lambda answers: ({}, np.zeros(0)))
    tests = [
        rows[there]
        for both, mask in zip(pairs["features"], pairs["frames"], strict=True)
        for rows, there in zip(both, mask, strict=True)
    ]
    same = np.asarray(pairs["same"])
    judged_on = f"{len(same)} pairs of the run's test videos"
    return Trial(clips, about, tests, judged_on, lambda answers: _worth(answers, same))


def _cut(rows: np.ndarray, length: int) -> list[np.ndarray]:
    """Clips of so many rows, of a video that has as many; else the video."""
    if len(rows) <= length:
        return [rows]
    return [rows[start : start + length] for start in range(0, len(rows) - length + 1, length)]


def _worth(answers: Sequence[Mapping[str, np.ndarray]] | Sequence[Answers], same: Any) -> Worth:
    """ROC-AUC of pairs, which follow each other, and to which second clip each first is nearest."""
    frames = [each["frames"] for each in answers]
    rows = padded(frames)
    there = np.arange(rows.shape[1])[None] < np.array([len(each) for each in frames])[:, None]
    chamfer = jax.jit(paired_chamfer_similarity)(rows[::2], there[::2], rows[1::2], there[1::2])
    measures = {"ROC-AUC, Chamfer": roc_auc(np.asarray(chamfer), same)}
    if "embedding" in answers[0]:
        z = np.concatenate([each["embedding"] for each in answers])
        measures["ROC-AUC, embeddings"] = roc_auc((z[::2] * z[1::2]).sum(axis=1), same)
    else:
        z = np.stack([each.mean(axis=0) for each in frames])
        z /= np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    return measures, np.argmax(z[::2] @ z[1::2].T, axis=1)
