"""Keyframe runs side by side on the same held-out videos, and what they reach together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy.stats import rankdata

from reid_jax.compilations import keep_compilations
from reid_jax.data.videos.features import VideoFeatures
from reid_jax.errors import UserError
from reid_jax.files import atomic_write, write_text
from reid_jax.keyframes import figures as keyframe_plots
from reid_jax.keyframes.baselines import keyframe_baselines
from reid_jax.keyframes.cost import ForwardCost, scoring_cost
from reid_jax.keyframes.experiment import VideoSplit
from reid_jax.keyframes.glossary import COMPARED, LEGEND, MEASURES
from reid_jax.keyframes.measures import evaluate_keyframes
from reid_jax.keyframes.model import load_scorer
from reid_jax.keyframes.report import remarks, results_table
from reid_jax.keyframes.run import run_videos
from reid_jax.reporting.compare import Difference, find_differences, how_told
from reid_jax.reporting.plain_json import plain_json
from reid_jax.reporting.run_facts import bytes_on_disk, number_of_parameters, run_names
from reid_jax.reporting.table import Table

ENSEMBLE = "ensemble"
_COMPARED = [key for key, each in MEASURES.items() if COMPARED in each.tables]
_BATCHES = (1, 4, 8)
_FRAMES, _IMAGES = 256, 16  # a sequence, of features and of images
_VIDEOS_DRAWN = 10


@dataclass(frozen=True)
class KeyframeContender:
    """A run, what it makes of the held-out videos, and what it costs.

    Attributes:
      name: of the run.
      scores: (P,) at the picks, by the video's key.
      metrics: see ``evaluate_keyframes``.
      parameters, bytes_on_disk: of the network and of its best checkpoint.
      costs: of scoring sequences of `frames` frames, by how many at once.
      frames: of a sequence.
    """

    name: str
    scores: Mapping[str, np.ndarray]
    metrics: Mapping[str, Any]
    parameters: int
    bytes_on_disk: int
    costs: Mapping[int, ForwardCost]
    frames: int


def compare_keyframe_runs(workdirs: Sequence[Path], out: Path | None) -> None:
    """Prints the comparison, and writes it with figures into a folder.

    Raises:
      UserError: fewer than two runs, they hold out different videos, or none.
    """
    keep_compilations()
    contenders, split = contend(workdirs)
    contenders = [*contenders, ensemble(contenders, split.test)]
    seed = load_scorer(workdirs[0]).config.train.seed
    baselines = keyframe_baselines(split.train + split.validation, split.test, seed)
    differences = compare(contenders)
    text = as_text(contenders, baselines, differences)
    print(text)
    if out is None:
        return
    write_text(out / "comparison.txt", text + "\n")
    write_text(out / "comparison.json", as_json(contenders, baselines, differences))
    _write_figures(out, contenders, split.test)
    print(f"\nwritten: {out}")


def _write_figures(
    out: Path, contenders: Sequence[KeyframeContender], videos: Sequence[VideoFeatures]
) -> None:
    scores = {one.name: one.scores for one in contenders}
    figures = {
        "curves": keyframe_plots.score_curves(scores, videos[:_VIDEOS_DRAWN]),
        "scatter": keyframe_plots.scatter(scores, videos),
    }
    for name, png in figures.items():
        if png is not None:
            with atomic_write(out / f"{name}.png") as file:
                file.write(png)


def contend(workdirs: Sequence[Path]) -> tuple[list[KeyframeContender], VideoSplit]:
    """Evaluates every run on what all of them held out; also returns the first run's videos.

    Raises:
      UserError: as :func:`compare_keyframe_runs`.
    """
    names = run_names(workdirs)
    scorers = [load_scorer(workdir) for workdir in workdirs]
    splits = [run_videos(scorer) for scorer in scorers]
    for name, split in zip(names, splits, strict=True):
        if not split.test:
            raise UserError(
                f"{name} was trained on all videos, so there is none to compare it on; train it "
                "with a fold held out, --data.fold 0 for example."
            )
        if not _alike(splits[0].test, split.test):
            raise UserError(
                f"{names[0]} and {name} hold out different videos, so their numbers cannot be "
                "compared: train both with the same videos, splits and fold."
            )
    frames = _FRAMES if all(scorer.width is not None for scorer in scorers) else _IMAGES
    contenders = []
    for name, scorer, split in zip(names, scorers, splits, strict=True):
        scores = scorer.score(split.test, Path(scorer.config.data.path))
        contenders.append(
            KeyframeContender(
                name=name,
                scores=scores,
                metrics=evaluate_keyframes(scores, splits[0].test),
                parameters=number_of_parameters(scorer.params),
                bytes_on_disk=bytes_on_disk(scorer.workdir),
                costs={batch: scoring_cost(scorer, batch, frames) for batch in _BATCHES},
                frames=frames,
            )
        )
    return contenders, splits[0]


def _alike(first: Sequence[VideoFeatures], second: Sequence[VideoFeatures]) -> bool:
    """The same videos, looked at in the same frames; their features may be others."""

    def facts(videos: Sequence[VideoFeatures]) -> dict[str, tuple[int, bytes]]:
        return {video.key: (video.n_frames, video.picks.tobytes()) for video in videos}

    return facts(first) == facts(second)


def ensemble(
    contenders: Sequence[KeyframeContender], videos: Sequence[VideoFeatures]
) -> KeyframeContender:
    """All runs together, one after the other; see :func:`ensemble_scores`.

    Errors are nan: ranks are not on the scale of ratings.
    """
    scores = ensemble_scores([one.scores for one in contenders])
    metrics = evaluate_keyframes(scores, videos)
    unscaled = dict.fromkeys(("mse", "mae"), float("nan"))
    per_video = {key: {**row, **unscaled} for key, row in metrics["per_video"].items()}
    return KeyframeContender(
        name=ENSEMBLE,
        scores=scores,
        metrics={**metrics, **unscaled, "per_video": per_video},
        parameters=sum(one.parameters for one in contenders),
        bytes_on_disk=sum(one.bytes_on_disk for one in contenders),
        costs={
            batch: ForwardCost.one_after_the_other([one.costs[batch] for one in contenders])
            for batch in contenders[0].costs
        },
        frames=contenders[0].frames,
    )


def ensemble_scores(runs: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The mean over runs of the ranks in a video, divided by its length: (P,) in (0, 1]."""
    return {
        key: np.mean([rankdata(scores[key]) / len(scores[key]) for scores in runs], axis=0)
        for key in runs[0]
    }


def compare(contenders: Sequence[KeyframeContender], *, seed: int = 0) -> list[Difference]:
    """Every pair in the correlations with annotators; each video is a group."""
    values = [
        (
            one.name,
            {
                measure: np.array([row[measure] for row in one.metrics["per_video"].values()])
                for measure in _COMPARED
            },
        )
        for one in contenders
    ]
    return find_differences(values, of="videos", bounds=(-1, 1), seed=seed)


def as_text(
    contenders: Sequence[KeyframeContender],
    baselines: Mapping[str, Mapping[str, Any]],
    differences: Sequence[Difference],
) -> str:
    """Aligned tables of metrics and costs, and a sentence for each pair of runs and measure."""
    metrics = {one.name: one.metrics for one in contenders}
    batches = list(contenders[0].costs)
    head = ["", "parameters", "on disk"]
    head += [f"ms @{batch}" for batch in batches] + [f"MiB @{batch}" for batch in batches]
    rows = [
        [
            one.name,
            f"{one.parameters:,}",
            _mebibytes(one.bytes_on_disk),
            *(f"{1000 * one.costs[batch].seconds:,.1f}" for batch in batches),
            *(_mebibytes(one.costs[batch].memory, unit="") for batch in batches),
        ]
        for one in contenders
    ]
    count = contenders[0].metrics
    notes = [f"{one.name}: {text}" for one in contenders for text in remarks(one.metrics)]
    return "\n".join(
        [
            results_table({**metrics, **baselines}).as_text(),
            LEGEND,
            *notes,
            "",
            Table(head, rows).as_text(),
            f"Of scoring 1, 4 and 8 sequences of {contenders[0].frames} frames at once on "
            f"{jax.devices()[0].device_kind}; memory with the parameters.",
            f"{ENSEMBLE}: the mean of the runs' ranks; they run one after the other.",
            "",
            f"{count['num_videos']} videos, {count['num_picks']:,} frames; intervals over videos.",
            how_told(differences),
            *(one.sentence for one in differences),
        ]
    )


def _mebibytes(number: int | None, unit: str = " MiB") -> str:
    return "–" if number is None else f"{number / 2**20:,.1f}{unit}"


def as_json(
    contenders: Sequence[KeyframeContender],
    baselines: Mapping[str, Mapping[str, Any]],
    differences: Sequence[Difference],
) -> str:
    """Everything but the scores."""
    runs = [
        {
            "name": one.name,
            "metrics": one.metrics,
            "parameters": one.parameters,
            "bytes_on_disk": one.bytes_on_disk,
            "frames": one.frames,
            "seconds": {str(batch): cost.seconds for batch, cost in one.costs.items()},
            "memory_bytes": {str(batch): cost.memory for batch, cost in one.costs.items()},
        }
        for one in contenders
    ]
    return plain_json(
        {
            "device": jax.devices()[0].device_kind,
            "runs": runs,
            "baselines": baselines,
            "differences": [one.as_json() for one in differences],
        }
    )
