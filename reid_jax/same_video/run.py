"""Runs that train a similarity of videos: training, then pairs of held-out videos."""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.compilations import keep_compilations
from reid_jax.console import counting
from reid_jax.errors import UserError, said_unless_written
from reid_jax.models.temporal.frames import masked_mean
from reid_jax.ops.distances import normalize
from reid_jax.reporting.measure import OURS as ALONE
from reid_jax.same_video.config import ClipDataConfig, VideoSimilarityConfig
from reid_jax.same_video.copies import described, with_images
from reid_jax.same_video.experiment import (
    ClipSplit,
    load_videos,
    make_task,
    pairs_of,
    whitening_of,
)
from reid_jax.same_video.glossary import DRAWN, Wording, of_labels
from reid_jax.same_video.labels import Labels
from reid_jax.same_video.measures import choose_threshold, ensemble, evaluate_pairs
from reid_jax.same_video.pairs import (
    FEWEST_ROWS_OF_A_VIDEO,
    PairSource,
    PairVideo,
    too_short,
)
from reid_jax.same_video.report import pairs_table, write_pairs_report
from reid_jax.same_video.similarity import paired_chamfer_similarity, paired_euclidean_similarity
from reid_jax.training.config_file import read_config
from reid_jax.training.from_images import describing, describing_before
from reid_jax.training.kept_videos import Parts, about_fold, kept_alike, kept_videos, moved_to
from reid_jax.training.logging import read_metrics
from reid_jax.training.parallel import make_layout
from reid_jax.training.predictor import make_predictor
from reid_jax.training.run import restore

Pairs = Mapping[str, Any]
Score = Callable[[Pairs], np.ndarray]
Seen = Callable[[np.ndarray], np.ndarray] | None  # how frames are seen, where they are images
Change = Callable[[np.ndarray], np.ndarray]
Part = tuple[Sequence[PairVideo], Labels | None]

# What must agree for runs to be tested on the same pairs.
_SHARED = ("question", "fold", "folds", "validation_fraction", "clip", "pairs", "image_size")
# And of runs that did not keep the same videos.
_PLACES = ("path", "features", "labels", "splits", "frames")
CHAMFER = "whitened, Chamfer"
_NO_VALIDATION = (
    "No videos were held out for validation, so thresholds come from pairs of training videos, "
    "which the networks know: F1 and what is accepted of other videos are lower than they could "
    "be, AUC is not touched. data.validation_fraction above 0 holds some out."
)
# What the pictures show beside the networks.
_PICTURED = (
    "whitened, cosine of means",
    CHAMFER,
    "features, Chamfer",
    "features, cosine of means",
)


@dataclass(frozen=True)
class ScoredPairs:
    """What runs, their ensembles and what they have to beat make of the same pairs.

    Attributes:
      names: of the runs.
      test, tuning: the pairs that are reported, and those that thresholds come from.
      scores, references: (N,) and (M,) of these, by name; the runs come first.
      videos: how many are held out.
      remarks: what must be known to read the numbers.
      wording: what the pairs are called.
    """

    names: Sequence[str]
    test: Pairs
    tuning: Pairs
    scores: dict[str, np.ndarray]
    references: dict[str, np.ndarray]
    videos: int
    remarks: Sequence[str]
    wording: Wording = DRAWN

    def results(self) -> dict[str, dict[str, Any]]:
        """`evaluate_pairs` of each score."""
        return {
            name: evaluate_pairs(
                scores,
                self.test["same"],
                self.test["kind"],
                threshold=choose_threshold(
                    self.references[name], self.tuning["same"], self.tuning["kind"]
                ),
                edits=self.test["edit"],
            )
            for name, scores in self.scores.items()
        }


def report_pairs(
    workdirs: Sequence[Path],
    folder: Path,
    *,
    split: ClipSplit | None = None,
    moved: Path | None = None,
) -> dict[str, dict[str, Any]]:
    """Tests runs, their ensembles and what they have to beat on the same pairs; writes the report.

    `split`, `moved` and what is raised: see :func:`score_runs`.
    """
    scored = score_runs(workdirs, _names(workdirs), split=split, moved=moved)
    results = scored.results()
    kinds = "; AUC of each kind" if scored.test["kind"].any() else ""
    print(f"{scored.videos} held-out videos, {len(scored.test['same'])} pairs{kinds}")
    print(pairs_table(results).as_markdown())
    for sentence in scored.remarks:
        print(sentence)
    with said_unless_written(folder):
        write_pairs_report(
            folder,
            workdirs[0].name if len(workdirs) == 1 else "Pairs of held-out videos",
            results,
            scored.scores,
            scored.test,
            [*scored.names, *_PICTURED],
            learnt=scored.names,
            remarks=scored.remarks,
            wording=scored.wording,
            history=read_metrics(workdirs[0]) if len(workdirs) == 1 else (),
        )
        print(f"report: {folder / 'index.html'}")
    return results


def score_runs(
    workdirs: Sequence[Path],
    names: Sequence[str],
    *,
    split: ClipSplit | None = None,
    moved: Path | None = None,
) -> ScoredPairs:
    """Scores of runs, called by `names`, and of what they have to beat, of the same pairs.

    Args:
      split: the videos of the first run, where they are loaded already.
      moved: where the first run's file is now; noted in its folder.

    Raises:
      UserError: a folder is not that of a run of this kind, or runs hold out different videos.
    """
    keep_compilations()
    configs = [read_config(workdir, VideoSimilarityConfig) for workdir in workdirs]
    data = configs[0].data
    for workdir, config in zip(workdirs, configs, strict=True):
        if bool(config.model.backbone) != bool(configs[0].model.backbone):
            raise UserError(
                f"{workdirs[0]} and {workdir} see frames and features of a file, one each; they "
                "have no pairs in common."
            )
        for name in _SHARED if kept_alike(workdirs) else (*_PLACES, *_SHARED):
            if getattr(config.data, name) != getattr(data, name):
                raise UserError(
                    f"{workdirs[0]} and {workdir} differ in data.{name}; runs can be compared and "
                    "joined when they hold out the same videos."
                )
    data = data if moved is None else moved_to(data, moved)
    config = replace(configs[0], data=data)
    split = split or load_run_videos(config, workdirs[0])
    if split.labels is None and not PairSource(split.test, data.clip).by_category:
        print(
            "The videos name no categories: pairs of the same category are of those with the "
            "nearest mean features."
        )
    parts = _parts_to_score(split)
    seen: dict[str, Seen] = dict.fromkeys(names)
    before: Seen = None
    scorers: dict[str, Score] = {}
    for name, workdir, each in zip(names, workdirs, configs, strict=True):
        scorers[name], seen[name] = score_by_network(each, workdir)
    train = split.train
    if config.model.backbone:  # what there is without training: features of its backbone before
        task, images = make_task(config, num_classes=0), train[0].original.features
        before = describing_before(task, config.model, config.train, images)
        train = described(train, before)
    centre = np.concatenate([video.original.features for video in train]).mean(axis=0)
    scorers |= baselines(whitening_of(train, config.model.embedding_dim), centre)
    common = _pairs(parts, data, before)
    scores: dict[str, np.ndarray] = {}
    references: dict[str, np.ndarray] = {}
    for name in counting(scorers, "scoring pairs"):
        own = seen.get(name)
        both = common if own is None else _pairs(parts, data, own)
        scores[name], references[name] = (scorers[name](pairs) for pairs in both)
    scored = ScoredPairs(
        names,
        *common,
        scores=scores,
        references=references,
        videos=len(np.unique(common[0]["named"])),
        remarks=[_about(split, data), *([] if split.validation else [_NO_VALIDATION])],
        wording=DRAWN if split.labels is None else of_labels(data.question),
    )
    if len(names) > 1:
        _add_ensemble(scored, "ensemble of the runs", names)
    _add_ensemble(scored, "ensemble with Chamfer", [*names, CHAMFER])
    return scored


def _parts_to_score(split: ClipSplit) -> Sequence[Part]:
    """What is tested on and what thresholds come from, with their labels where they have some."""
    labels = split.labels
    if labels is None:
        return [(split.test, None), (split.validation or split.train, None)]
    tuning = labels.validation if split.validation else labels.train
    return [(split.test, labels.test), (split.validation or split.train, tuning)]


def _pairs(parts: Sequence[Part], data: ClipDataConfig, describe: Seen) -> tuple[Pairs, Pairs]:
    """The pairs to test on and those that thresholds come from, with features by a network."""
    test, tuning = (
        pairs_of(videos if describe is None else described(videos, describe), data, labels)
        for videos, labels in parts
    )
    return test, tuning


def _about(split: ClipSplit, data: ClipDataConfig) -> str:
    return about_fold(data) if split.labels is None else split.labels.about


def parts_of(split: ClipSplit) -> Parts:
    """What a run keeps of its videos, and of the labels of each part."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    return {
        name: {
            video.key: (
                video.in_file.features,
                video.in_file.frames,
                video.segments,
                *([] if split.labels is None else _labels_of(video, getattr(split.labels, name))),
            )
            for video in part
        }
        for name, part in parts.items()
    }


def _labels_of(video: PairVideo, labels: Labels) -> tuple[Any, ...]:
    own = (labels.clips == video.key).any(axis=1)
    return ";".join(map(" ".join, labels.clips[own].tolist())), labels.same[own]


def load_run_videos(config: VideoSimilarityConfig, workdir: Path) -> ClipSplit:
    """The videos of a configuration; of a run that has begun only those that it began with.

    Those that are too short for pairs are named on stderr. For a backbone they are images.
    """
    data, edited = config.data, not config.model.backbone
    split = kept_videos(workdir, data, lambda: load_videos(data, workdir, edited=edited), parts_of)
    if config.model.backbone:
        parts = (split.train, split.validation, split.test)
        edited = split.labels is None
        train, validation, test = (with_images(part, data, edited=edited) for part in parts)
        split = ClipSplit(train, validation, test, split.labels)
    if split.labels is not None:
        return split
    for video in (*split.train, *split.validation, *split.test):
        if too_short(video):
            print(
                f"{video.key} is left out: {len(video.original.frames)} rows of features are too "
                f"few for two clips, which take {FEWEST_ROWS_OF_A_VIDEO}.",
                file=sys.stderr,
            )
    return split


def _add_ensemble(scored: ScoredPairs, name: str, members: Sequence[str]) -> None:
    scored.scores[name], scored.references[name] = ensemble(
        [scored.scores[member] for member in members],
        [scored.references[member] for member in members],
    )


def _names(workdirs: Sequence[Path]) -> list[str]:
    """What the table calls the runs."""
    if len(workdirs) == 1:
        return [ALONE]
    short = [path.name for path in workdirs]
    return short if len(set(short)) == len(short) else [str(path) for path in workdirs]


def score_by_network(config: VideoSimilarityConfig, workdir: Path) -> tuple[Score, Seen]:
    """Scores by the best network of a run, and with a backbone the features that it makes."""
    task = make_task(config, num_classes=0)
    predict = make_predictor(task, make_layout(config.train.parallel))
    _, params, model_state, _ = restore(workdir, VideoSimilarityConfig)

    def score(pairs: Pairs) -> np.ndarray:
        inputs = {name: pairs[name] for name in ("features", "frames")}
        return predict(params, model_state, [inputs])

    if not config.model.backbone:
        return score, None
    return score, functools.partial(describing(task), params, model_state)


def baselines(whitening: Mapping[str, Any], centre: np.ndarray | None = None) -> dict[str, Score]:
    """Scores without a network: of the means over frames, and frame by frame (Chamfer).

    On the features as they are, on those minus the mean of training frames, and on those whitened
    as networks get them, which is where their training starts.

    Args:
      whitening: "mean" (D,) and "matrix" (D, K).
      centre: (D,), where there are to be such scores.
    """
    mean, matrix = (np.asarray(whitening[name]) for name in ("mean", "matrix"))

    def as_they_are(features: np.ndarray) -> np.ndarray:
        return features

    def whitened(features: np.ndarray) -> np.ndarray:
        return (features - mean) @ matrix

    def clips(pairs: Pairs, change: Change) -> list[tuple[Any, Any]]:
        features = change(pairs["features"])
        return [(features[:, i], pairs["frames"][:, i]) for i in (0, 1)]

    def cosine(pairs: Pairs, change: Change) -> np.ndarray:
        first, second = (normalize(masked_mean(*clip)) for clip in clips(pairs, change))
        return np.asarray((first * second).sum(axis=1))

    def euclidean(pairs: Pairs) -> np.ndarray:
        first, second = (masked_mean(*clip) for clip in clips(pairs, as_they_are))
        return np.asarray(paired_euclidean_similarity(first, second))

    def chamfer(pairs: Pairs, change: Change) -> np.ndarray:
        first, second = clips(pairs, change)
        return np.asarray(jax.jit(paired_chamfer_similarity)(*first, *second))

    by_centre: dict[str, Score] = {}
    if centre is not None:

        def centred(features: np.ndarray) -> np.ndarray:
            return features - centre

        by_centre = {
            "centred, cosine of means": lambda pairs: cosine(pairs, centred),
            "centred, Chamfer": lambda pairs: chamfer(pairs, centred),
        }
    return {
        "whitened, cosine of means": lambda pairs: cosine(pairs, whitened),
        CHAMFER: lambda pairs: chamfer(pairs, whitened),
        **by_centre,
        "features, Chamfer": lambda pairs: chamfer(pairs, as_they_are),
        "features, cosine of means": lambda pairs: cosine(pairs, as_they_are),
        "features, Euclidean of means": euclidean,
    }
