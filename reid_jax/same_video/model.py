"""The network of a run that trained a similarity of videos, ready to compare clips."""

import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.data.videos.frames import indices_at_rate
from reid_jax.data.videos.fused import files_of
from reid_jax.data.videos.open import open_video
from reid_jax.data.videos.walk import features_at
from reid_jax.errors import UserError
from reid_jax.export.exportable import Exportable
from reid_jax.export.program import Program
from reid_jax.export.trial import Trial
from reid_jax.ops.batching import padded
from reid_jax.reporting.measure import OURS
from reid_jax.same_video.config import VideoSimilarityConfig
from reid_jax.same_video.experiment import make_task
from reid_jax.same_video.exported import clip_program
from reid_jax.same_video.looks import Clip, Looking, alike
from reid_jax.same_video.run import CHAMFER
from reid_jax.same_video.similarity import chamfer_similarity
from reid_jax.same_video.task import WHITENING
from reid_jax.same_video.trial import clip_trial
from reid_jax.same_video.verdict import DIFFERENT, SAME, Calibration, Verdict, installed_calibration
from reid_jax.same_video.whitening import installed_whitening
from reid_jax.training.from_images import describing
from reid_jax.training.parallel import make_layout
from reid_jax.training.predictor import make_predictor
from reid_jax.training.run import TrainedRun, restore
from reid_jax.weights.frozen import FrameEncoder, frozen_encoder

INSTALLED = "installed:same-video"  # in the place of a run's folder
_BLOCK = 64  # pairs that go through the network at a time


class Similarity(NamedTuple):
    """How alike two clips are, by the network, where there is one, and by Chamfer's; and the
    verdict, which is the latter's unless a person labelled pairs for the network."""

    network: float | None
    chamfer: float
    same: bool
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class SimilarityRun(TrainedRun, Exportable):
    """The best network of a run, and the similarity from which clips are of one video.

    Attributes:
      threshold: of Chamfer; of the network where a person labelled the pairs it was trained on.
      calibration: of what is installed, which has no network: `params` is None.
    """

    config: VideoSimilarityConfig
    word = "similarity"
    threshold: float
    calibration: Calibration | None = None

    @property
    def width(self) -> int:
        """Numbers a frame that the run was trained on."""
        return int(self.model_state[WHITENING]["mean"].shape[0])

    @property
    def labelled(self) -> bool:
        """Whether a person said of the pairs that it was trained on which are alike."""
        return bool(self.config.data.labels)

    @property
    def said_of_same(self) -> Verdict:
        """What the verdict calls clips that are alike."""
        return self.config.data.question if self.labelled else SAME

    def verdict(self, alike: float) -> Verdict:
        """Of clips that are so alike by what has the threshold."""
        if self.calibration is not None:
            return self.calibration.verdict(alike)
        return self.said_of_same if alike >= self.threshold else DIFFERENT

    def similarity(
        self,
        first: str | PathLike[str] | np.ndarray,
        second: str | PathLike[str] | np.ndarray,
        *,
        rate: float = 2.0,
    ) -> Similarity:
        """Whether two clips are of one video.

        The verdict is Chamfer's (Kordopatis-Zilos et al., ICCV 2019), exactly 1 for a clip and
        itself: on videos unlike those of the training the network's is not to be relied on. Where
        a person labelled the pairs it was trained on, it is the network's, in their words. Of
        films whose features are those of what is installed, the verdict is by that, which also
        looks at pixels, and has thresholds from films of several domains; else it is by the run's
        threshold, from videos like its own.

        Args:
          first, second: a film, a folder of frames, or features (P, D) as those of the training.
          rate: frames a second of a film that are looked at, as in the training's features.

        Raises:
          UserError: a film cannot be read, or its features are not those of the training.

        Example:
          >>> run = rj.load("runs/same_video")
          >>> clip = np.random.default_rng(0).normal(size=(9, run.width)).astype(np.float32)
          >>> alike = run.similarity(clip, clip)
          >>> alike.same, round(alike.chamfer, 3)
          (True, 1.0)
          >>> run.similarity("a.mp4", "b.mp4").same  # doctest: +SKIP
          False
        """
        films = not any(isinstance(clip, np.ndarray) for clip in (first, second))
        clips, looks = zip(*(self._clip(clip, rate) for clip in (first, second)), strict=True)
        (found,) = compare_clips(self, clips, looks if films else None)
        return Similarity(*(found[name] for name in Similarity._fields))

    def _clip(self, clip: str | PathLike[str] | np.ndarray, rate: float) -> Clip:
        if not isinstance(clip, np.ndarray):
            film, looking = open_video(clip, rate), Looking(self._encoder)
            features = features_at(film, indices_at_rate(film.times, rate), looking)
            return Clip(features, looking.looks)
        if clip.ndim != 2 or clip.shape[1] != self.width or not len(clip):
            raise UserError(
                f"{self.workdir} was trained on {self.width} numbers a frame; these features have "
                f"the shape {clip.shape}."
            )
        return Clip(clip, np.zeros(0, np.uint8))

    def program(self) -> Program:
        """A clip's frames, or their features, to whitened frames and an embedding; in float32."""
        wide = replace(self.config, model=replace(self.config.model, dtype="float32"))
        task, variables = make_task(wide, num_classes=0), (self.params, self.model_state)
        describe = functools.partial(describing(task), *variables) if wide.model.backbone else None
        facts = {
            "network": self.workdir.name,
            "step": self.step,
            "thresholds": {"same_video": self.threshold},
        }
        return clip_program(wide, task, variables, describe, facts)

    def trial(self, source: str, number: int) -> Trial:
        """Clips to calibrate with, of a source or of the training, and pairs of test videos."""
        encoder = None
        if source and not source.endswith(".h5") and self.config.data.backbone:
            encoder = self._encoder
        return clip_trial(self.workdir, self.config, encoder, self.width, source, number)

    @functools.cached_property
    def judge(self) -> "SimilarityRun":
        """What gives the verdict: what is installed, where it knows such features."""
        installed = installed_similarity()
        ours, its = self.config.data, installed.config.data
        known = (ours.backbone, ours.pretrained) == (its.backbone, its.pretrained)
        known = known and not self.config.model.backbone  # which makes features of its own
        known = known and not self.labelled  # which asks something else
        return installed if known and self.width == installed.width else self

    @functools.cached_property
    def _encoder(self) -> FrameEncoder:
        return encoder_of_run(self)


def load_similarity_run(workdir: Path) -> SimilarityRun:
    """The best checkpoint of a run that trained a similarity of videos, with its threshold.

    Raises:
      UserError: the folder holds no such run, or no report with the threshold.
    """
    if workdir == Path(INSTALLED):
        return installed_similarity()
    restored = restore(workdir, VideoSimilarityConfig)
    labelled = restored[0].data.labels
    names = (OURS, workdir.absolute().name) if labelled else (CHAMFER,)
    return SimilarityRun(workdir, *restored, chosen_threshold(workdir, *names))


@functools.cache
def installed_similarity() -> SimilarityRun:
    """What comes with the package: no network, a whitening and a calibrated verdict."""
    known, state = installed_calibration(), {WHITENING: installed_whitening()}
    return SimilarityRun(
        Path(INSTALLED), VideoSimilarityConfig(), None, state, 0, known.same, known
    )


def chosen_threshold(workdir: Path, *names: str) -> float:
    """The similarity from which on a run's report takes two clips for alike.

    Args:
      names: of the similarity in the report; the first that is there.

    Raises:
      UserError: there is no such report.
    """
    path = workdir / "report" / "pairs.json"
    try:
        found = json.loads(path.read_text())
        return float(next(found[name] for name in names if name in found)["threshold"])
    except (OSError, ValueError, TypeError, KeyError, StopIteration):
        raise UserError(
            f"{path} does not hold the threshold of this run; reid-jax pairs {workdir} writes it."
        ) from None


def encoder_of_run(run: SimilarityRun, backbone: str = "", weights: str = "") -> FrameEncoder:
    """What describes frames as the run's training data does, or its own backbone.

    Raises:
      UserError: it gives another number of features than the run was trained on.
    """
    data, model = run.config.data, run.config.model
    if model.backbone:
        describe = describing(make_task(run.config, num_classes=0))
        features = functools.partial(describe, run.params, run.model_state)
        return FrameEncoder(data.image_size, features, f"{model.backbone} (of the run)")
    if len(files_of(data.features)) > 1:
        raise UserError(
            f"{run.workdir} was trained on fused features of several files, which no network makes "
            "of films; compare features by rj.load, or judge pairs with --videos A.h5,B.h5."
        )
    encoder = frozen_encoder(backbone or data.backbone, weights or data.pretrained)
    width = encoder([np.zeros((encoder.side, encoder.side, 3), np.uint8)]).shape[1]
    if width != run.width:
        raise UserError(
            f"{run.workdir} was trained on {run.width} numbers a frame, {encoder.name} makes "
            f"{width}; name what made the training features with --backbone and --weights."
        )
    return encoder


def compare_clips(
    run: SimilarityRun, clips: Sequence[np.ndarray], looks: Sequence[np.ndarray] | None = None
) -> list[dict[str, Any]]:
    """Every two of some clips (P, D): "first", "second" (places), "verdict", "same", "alike" (what
    the verdict is by), "network", "chamfer".

    The network sees a clip as in training, evenly thinned to at most `data.clip` frames; Chamfer
    looks at all of them, whitened as the network gets them.

    Args:
      looks: small pictures of the frames, see `looks_of`; without them the verdict is the run's.

    Raises:
      UserError: there are none, and the run is what is installed, which looks at films.
    """
    pairs = list(itertools.combinations(range(len(clips)), 2))
    chamfer = _chamfer(run.model_state[WHITENING], clips)
    judge = run if looks is None else run.judge
    if judge.calibration is not None and looks is None:
        raise UserError(f"{run.workdir} looks at pictures: give films, not features.")
    seen = [chamfer[pair] for pair in pairs]
    if judge.calibration is not None and looks is not None:
        both = [Clip(*clip) for clip in zip(clips, looks, strict=True)]
        whitening = judge.model_state[WHITENING]
        seen = [alike(both[first], both[second], whitening) for first, second in pairs]
    network: Sequence[float | None] = [None] * len(pairs)
    if run.params is not None:
        network = by_network = _by_network(run, clips, pairs).tolist()
        seen = by_network if run.labelled else seen
    return [
        {
            "first": first,
            "second": second,
            "verdict": (verdict := judge.verdict(float(found))),
            "same": verdict == judge.said_of_same,
            "alike": float(found),
            "network": score,
            "chamfer": float(chamfer[first, second]),
        }
        for (first, second), found, score in zip(pairs, seen, network, strict=True)
    ]


def _by_network(
    run: SimilarityRun, clips: Sequence[np.ndarray], pairs: Sequence[tuple[int, int]]
) -> np.ndarray:
    predict = make_predictor(
        make_task(run.config, num_classes=0),
        make_layout("single"),
        batch_size=min(_BLOCK, len(pairs)),
    )
    features, frames = _as_batch([_thinned(clip, run.config.data.clip) for clip in clips])

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, len(pairs), _BLOCK):
            both = np.array(pairs[start : start + _BLOCK])
            yield {"features": features[both], "frames": frames[both]}

    return predict(run.params, run.model_state, blocks())


def _chamfer(whitening: Mapping[str, Any], clips: Sequence[np.ndarray]) -> np.ndarray:
    """Chamfer similarities (N, N) of clips."""
    mean, matrix = (np.asarray(whitening[name], np.float32) for name in ("mean", "matrix"))
    features, frames = map(jnp.asarray, _as_batch([(clip - mean) @ matrix for clip in clips]))
    return np.asarray(jax.jit(chamfer_similarity)(features, frames, features, frames))


def _thinned(clip: np.ndarray, most: int) -> np.ndarray:
    if len(clip) <= most:
        return clip
    return clip[np.linspace(0, len(clip) - 1, most).round().astype(int)]


def _as_batch(clips: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Float32 (N, T, D), zeros behind a clip's end, and bool (N, T), whether a frame exists."""
    features = padded(clips).astype(np.float32, copy=False)
    lengths = np.array([len(clip) for clip in clips])
    return features, np.arange(features.shape[1])[None] < lengths[:, None]
