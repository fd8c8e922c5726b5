"""Runs judged on pairs of clips that a person has labelled, wherever these come from."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.compilations import keep_compilations
from reid_jax.console import Bar, counted, counting
from reid_jax.data.videos.frames import indices_at_rate
from reid_jax.data.videos.fused import load_named
from reid_jax.data.videos.open import open_video
from reid_jax.data.videos.walk import features_at
from reid_jax.errors import UserError, said_unless_written
from reid_jax.reporting.measure import OURS
from reid_jax.reporting.run_facts import run_names
from reid_jax.same_video.glossary import of_labels
from reid_jax.same_video.labelled import labelled_pairs
from reid_jax.same_video.labels import Labels, among_keys, read_labels
from reid_jax.same_video.looks import Clip, Looking, alike
from reid_jax.same_video.measures import evaluate_pairs
from reid_jax.same_video.model import (
    SimilarityRun,
    chosen_threshold,
    encoder_of_run,
    load_similarity_run,
)
from reid_jax.same_video.pairs import PairVideo, Track
from reid_jax.same_video.report import pairs_table, write_pairs_report
from reid_jax.same_video.run import baselines, score_by_network
from reid_jax.same_video.task import WHITENING
from reid_jax.weights.frozen import FrameEncoder

_RATE = 2.0  # frames a second of a film, as in features that are trained on
_NO_SEGMENTS, _NO_LOOKS = np.zeros((0, 2), np.int64), np.zeros(0, np.uint8)


def judge_runs(
    workdirs: Sequence[Path], labels_file: Path, folder: Path, videos: Path | None = None
) -> dict[str, dict[str, Any]]:
    """Tests runs on labelled pairs at the thresholds of their own reports; writes a report.

    Beside the first run stand similarities without training, of the features that it sees; a run
    with a backbone of its own has none of these.

    Args:
      labels_file: CSV, see `read_labels`.
      folder: of the report.
      videos: H5 file of features that has the clips; without it they are films, by their paths
        from where the CSV is.

    Returns:
      `evaluate_pairs` of each score by its name.

    Raises:
      UserError: a run cannot be used, or the clips cannot.
    """
    keep_compilations()
    runs = [load_similarity_run(workdir) for workdir in workdirs]
    names = [OURS] if len(runs) == 1 else run_names(workdirs)
    if videos is None:
        labels, seen = _films(labels_file)
    else:
        labels, seen = _in_file(labels_file, videos)
    scores: dict[str, np.ndarray] = {}
    thresholds: dict[str, float] = {}
    for name, run in zip(names, runs, strict=True):
        clips = seen(run)
        if run.calibration is not None:
            scores[name], thresholds[name] = _by_installed(run, clips, labels), run.threshold
            continue
        pairs = _pairs(run, clips, labels)
        scores[name] = score_by_network(run.config, run.workdir)[0](pairs)
        own = OURS, run.workdir.absolute().name, str(run.workdir)
        thresholds[name] = chosen_threshold(run.workdir, *own)
        if run is runs[0] and not run.config.model.backbone:
            without = baselines(run.model_state[WHITENING])
            for other, score in counting(without.items(), "scoring pairs"):
                scores[other] = score(pairs)
                thresholds[other] = chosen_threshold(run.workdir, other)
    results = {
        name: evaluate_pairs(each, labels.same, np.full(len(each), ""), threshold=thresholds[name])
        for name, each in scores.items()
    }
    about = (
        f"{counted(len(labels.same), 'pair')} of {labels_file.name}, {labels.same.sum()} labelled "
        "1; thresholds are those of the runs' reports."
    )
    print(pairs_table(results).as_markdown())
    print(about)
    facts = {name: np.full(len(labels.same), "") for name in ("kind", "edit")}
    with said_unless_written(folder):
        write_pairs_report(
            folder,
            f"{labels_file.stem}: labelled pairs",
            results,
            scores,
            {**facts, "same": labels.same, "named": labels.clips},
            list(scores),
            learnt=names,
            remarks=[about],
            wording=of_labels(runs[0].config.data.question),
            seen="that you labelled",
        )
        print(f"report: {folder / 'index.html'}")
    return results


def _in_file(
    labels_file: Path, videos: Path
) -> tuple[Labels, Callable[[SimilarityRun], dict[str, Clip]]]:
    """The labels of clips in a file of features, and what a run sees of these."""
    found = {video.key: video for video in load_named(videos)}
    labels = read_labels(labels_file, among_keys(found.keys()), f"the videos of {videos}")
    width = next(iter(found.values())).features.shape[1]

    def seen(run: SimilarityRun) -> dict[str, Clip]:
        if run.calibration is not None or run.config.model.backbone:
            raise UserError(f"{run.workdir} looks at pictures: give films, without --videos.")
        if width != run.width:
            raise UserError(
                f"{run.workdir} was trained on {run.width} numbers a frame, {videos} has {width}."
            )
        return {name: Clip(found[name].features, _NO_LOOKS) for name in labels.names}

    return labels, seen


def _films(labels_file: Path) -> tuple[Labels, Callable[[SimilarityRun], dict[str, Clip]]]:
    """The labels of films, and what a run sees of these; runs that see alike look once."""
    place = labels_file.absolute().parent

    @functools.cache
    def find(name: str) -> str | None:
        path = os.path.normpath(name.replace("\\", "/"))
        try:
            open_video(place / path, _RATE)
        except UserError:
            return None
        return path

    labels = read_labels(labels_file, find, f"the films of {place}")
    looked: dict[str, dict[str, Clip]] = {}

    def seen(run: SimilarityRun) -> dict[str, Clip]:
        encoder = encoder_of_run(run)
        key = f"{run.workdir}" if run.config.model.backbone else encoder.name
        if key not in looked:
            looked[key] = _looked_at(labels.names, place, encoder)
        return looked[key]

    return labels, seen


def _looked_at(names: Sequence[str], place: Path, encoder: FrameEncoder) -> dict[str, Clip]:
    clips = {}
    bar = Bar("Looking at films", len(names), "films")
    for number, name in enumerate(names, 1):
        film, looking = open_video(place / name, _RATE), Looking(encoder)
        features = features_at(film, indices_at_rate(film.times, _RATE), looking)
        clips[name] = Clip(features, looking.looks)
        bar.update(number)
    bar.close()
    return clips


def _pairs(run: SimilarityRun, clips: Mapping[str, Clip], labels: Labels) -> dict[str, Any]:
    """The pairs as a run has seen those that its threshold was chosen on."""
    videos = [
        PairVideo(name, Track(clip.features, np.arange(len(clip.features))), _NO_SEGMENTS)
        for name, clip in clips.items()
    ]
    return labelled_pairs(videos, labels, run.config.data.clip)


def _by_installed(run: SimilarityRun, clips: Mapping[str, Clip], labels: Labels) -> np.ndarray:
    whitening = run.model_state[WHITENING]
    pairs = counting(labels.clips.tolist(), "comparing films", "pairs")
    return np.array([alike(clips[one], clips[other], whitening) for one, other in pairs])
