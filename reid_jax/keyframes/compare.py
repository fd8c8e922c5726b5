"""Keyframe runs side by side on the same held-out videos, and what they reach together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.compilations import keep_compilations
from reid_jax.console import say
from reid_jax.data.videos.features import VideoFeatures
from reid_jax.errors import UserError
from reid_jax.keyframes import figures as keyframe_plots
from reid_jax.keyframes.baselines import keyframe_baselines
from reid_jax.keyframes.cost import scoring_cost
from reid_jax.keyframes.ensemble import averaged
from reid_jax.keyframes.experiment import VideoSplit
from reid_jax.keyframes.glossary import COMPARED, LEGEND, MEASURES, PAGE
from reid_jax.keyframes.measures import evaluate_keyframes
from reid_jax.keyframes.model import load_scorer
from reid_jax.keyframes.report import remarks
from reid_jax.keyframes.run import run_videos
from reid_jax.reporting.compare import Comparison, Contender, find_differences, mebibytes
from reid_jax.reporting.cost import ForwardCost, number_of_parameters
from reid_jax.reporting.run_facts import bytes_on_disk, run_names
from reid_jax.training.kept_videos import about_fold

ENSEMBLE = "ensemble"
_COMPARED = [key for key, each in MEASURES.items() if COMPARED in each.tables]
_BATCHES = (1, 4, 8)
_FRAMES, _IMAGES = 256, 16  # a sequence, of features and of images
_VIDEOS_DRAWN = 10


@dataclass(frozen=True)
class KeyframeContender(Contender):
    """A run, what it makes of the held-out videos, and what it costs.

    Attributes:
      scores: (P,) at the picks, by the video's key.
      forward: costs of scoring sequences of `frames` frames, by how many at once.
      frames: of a sequence.
    """

    scores: Mapping[str, np.ndarray]
    forward: Mapping[int, ForwardCost]
    frames: int

    @property
    def examples(self) -> dict[str, np.ndarray]:
        videos = self.metrics["per_video"].values()
        return {key: np.array([row[key] for row in videos]) for key in _COMPARED}

    @property
    def costs(self) -> dict[str, str]:
        seconds = {f"ms @{n}": f"{1000 * cost.seconds:,.1f}" for n, cost in self.forward.items()}
        memory = {f"MiB @{n}": mebibytes(cost.memory, "") for n, cost in self.forward.items()}
        return seconds | memory

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "frames": self.frames,
            "seconds": {str(batch): cost.seconds for batch, cost in self.forward.items()},
            "memory_bytes": {str(batch): cost.memory for batch, cost in self.forward.items()},
        }


def compare_runs(workdirs: Sequence[Path], out: Path | None) -> dict[str, Any]:
    """Prints the comparison, and writes it with figures into a folder; returns what its JSON holds.

    Raises:
      UserError: fewer than two runs, they hold out different videos, or none.
    """
    keep_compilations()
    contenders, split = contend(workdirs)
    contenders = [*contenders, ensemble(contenders, split.test)]
    config = load_scorer(workdirs[0]).config
    baselines = keyframe_baselines(split.train + split.validation, split.test, config.train.seed)
    about = about_fold(config.data)
    return compare(contenders, split.test, baselines, held_out=about).tell(out)


def contend(workdirs: Sequence[Path]) -> tuple[list[KeyframeContender], VideoSplit]:
    """Evaluates every run on what all of them held out; also returns the first run's videos.

    Raises:
      UserError: as :func:`compare_runs`.
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
    for number, (name, scorer, split) in enumerate(zip(names, scorers, splits, strict=True), 1):
        say(f"run {number} of {len(names)}: {name}")
        scores = scorer.score_videos(split.test, Path(scorer.config.data.path))
        contenders.append(
            KeyframeContender(
                name=name,
                scores=scores,
                metrics=evaluate_keyframes(scores, splits[0].test),
                parameters=number_of_parameters(scorer.params["net"]),
                bytes_on_disk=bytes_on_disk(scorer.workdir),
                forward={batch: scoring_cost(scorer, batch, frames) for batch in _BATCHES},
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
        forward={
            batch: ForwardCost.one_after_the_other([one.forward[batch] for one in contenders])
            for batch in contenders[0].forward
        },
        frames=contenders[0].frames,
    )


def ensemble_scores(runs: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Of each video, see `averaged`."""
    return {key: averaged([scores[key] for scores in runs]) for key in runs[0]}


def compare(
    contenders: Sequence[KeyframeContender],
    videos: Sequence[VideoFeatures],
    baselines: Mapping[str, Mapping[str, Any]],
    *,
    held_out: str = "",
    seed: int = 0,
) -> Comparison:
    """Every pair in the correlations with annotators; each video is a group.

    `held_out` says in a sentence what the numbers stand on.
    """
    metrics = contenders[0].metrics
    device = jax.devices()[0].device_kind
    scores = {one.name: one.scores for one in contenders}
    return Comparison(
        contenders,
        [each for each in MEASURES.values() if PAGE in each.tables],
        find_differences(
            [(one.name, one.examples) for one in contenders],
            MEASURES,
            of="videos",
            bounds=(-1, 1),
            seed=seed,
        ),
        baselines=baselines,
        legend=[
            LEGEND,
            *(f"{one.name}: {text}" for one in contenders for text in remarks(one.metrics)),
        ],
        costs=[
            f"Of scoring 1, 4 and 8 sequences of {contenders[0].frames} frames at once on "
            f"{device}; memory with the parameters.",
            f"{ENSEMBLE}: the mean of the runs' ranks; they run one after the other.",
        ],
        about=[
            f"{metrics['num_videos']} videos, {metrics['num_picks']:,} frames; intervals over "
            "videos.",
            *([held_out] if held_out else []),
        ],
        figures={
            "curves": lambda: keyframe_plots.score_curves(scores, videos[:_VIDEOS_DRAWN]),
            "scatter": lambda: keyframe_plots.scatter(scores, videos),
        },
        facts={"device": device, "baselines": baselines},
    )
