"""A keyframe run: trained, tested beside its baselines, and used on other videos."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reid_jax.compilations import keep_compilations
from reid_jax.console import counted
from reid_jax.data.videos.features import VideoFeatures, video_digest
from reid_jax.data.videos.fused import load_named
from reid_jax.errors import UserError, said_unless_written
from reid_jax.files import check_destinations, write_arrays
from reid_jax.keyframes.experiment import VideoSplit
from reid_jax.keyframes.installed import scorer_of
from reid_jax.keyframes.kept import load_run_videos
from reid_jax.keyframes.model import TrainedScorer, load_scorer
from reid_jax.keyframes.report import write_keyframe_report
from reid_jax.reporting.run_facts import mark_report, report_folder
from reid_jax.training.hosts.join import is_first
from reid_jax.training.hosts.shares import Shares, sharing
from reid_jax.training.kept_videos import about_fold, moved_to
from reid_jax.training.logging import read_metrics


def run_videos(scorer: TrainedScorer) -> VideoSplit:
    """The videos that a run was made from, divided as they were then; notes where they are.

    Raises:
      UserError: they cannot be read, or are others by now.
    """
    return load_run_videos(scorer.workdir, scorer.config)


def report(
    scorer: TrainedScorer, split: VideoSplit, folder: Path, shares: Shares | None = None
) -> dict[str, Any]:
    """Prints and writes the metrics of the fold's test videos; returns them without baselines."""
    return write_keyframe_report(
        folder,
        scorer.workdir.name,
        scorer.score_videos(split.test, Path(scorer.config.data.path), shares=shares),
        split.test,
        split.train + split.validation,
        read_metrics(scorer.workdir),
        scorer.config.train.seed,
        about=about_fold(scorer.config.data),
    )


def evaluate_run(
    workdir: Path,
    data: Path | None = None,
    *,
    out: Path | None = None,
    moved: Path | None = None,
    coordinator: str = "",
) -> dict[str, Any]:
    """Evaluates a run on its fold's test videos, or on all videos of another H5 file.

    Args:
      out: folder of the report; by default one in the run's folder.
      moved: where the run's own file is now; noted in its folder.
      coordinator: several processes share the videos where it names the first one, see `sharing`;
        the others return no numbers.

    Raises:
      UserError: the run was trained on all videos and no other file is given, the files cannot be
        read, or the other file's features are of another kind.
    """
    keep_compilations()
    metrics: dict[str, Any] = {}
    with sharing(coordinator, out or workdir / "report") as shares:
        metrics = _evaluate(workdir, data, out, moved, shares)
    return metrics


def _evaluate(
    workdir: Path, data: Path | None, out: Path | None, moved: Path | None, shares: Shares | None
) -> dict[str, Any]:
    scorer = load_scorer(workdir)
    if moved is not None:
        config = replace(scorer.config, data=moved_to(scorer.config.data, moved))
        scorer = replace(scorer, config=config)
    split = run_videos(scorer)
    if data is not None:
        videos = load_named(data)
        source = str(data.absolute())
        folder = out or report_folder(workdir, data.stem, source)
        with said_unless_written(folder):
            if is_first():
                mark_report(folder, source)
        return write_keyframe_report(
            folder,
            f"{workdir.name} on {data.name}",
            scorer.score_videos(videos, data, shares=shares),
            videos,
            split.train + split.validation,
            read_metrics(workdir),
            scorer.config.train.seed,
            _keys_of_known(videos, split.train + split.validation),
            about=f"Other videos than the run held out: {data}.",
        )
    if not split.test:
        raise UserError(
            f"{workdir} was trained on all videos; give an H5 file of others to evaluate it on."
        )
    return report(scorer, split, out or workdir / "report", shares)


def _keys_of_known(
    videos: Sequence[VideoFeatures], known: Sequence[VideoFeatures]
) -> frozenset[str]:
    """Keys of the videos whose content is among others."""
    digests = {video_digest(video) for video in known}
    return frozenset(video.key for video in videos if video_digest(video) in digests)


def score_to_file(
    workdir: Path, data: Path, out: Path, frames: Path | None = None, *, coordinator: str = ""
) -> None:
    """Writes the scores of all videos of an H5 file at their picks, an array a video, as .npz.

    Several processes share the videos where a `coordinator` names the first one, see `sharing`.

    Raises:
      UserError: see `TrainedScorer.score_videos`.
    """
    keep_compilations()
    with sharing(coordinator, out) as shares:
        check_destinations(out)
        scorer = scorer_of(workdir)
        videos: Sequence[VideoFeatures] = load_named(data)
        scores = scorer.score_videos(videos, data, frames, shares=shares)
        write_arrays(out, scores)
        print(f"{counted(len(scores), 'video')}, {sum(map(len, scores.values())):,} scores: {out}")
