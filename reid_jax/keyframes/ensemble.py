"""Several runs that answer together: the mean of their scores, or of the ranks of frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from reid_jax.data.videos.walk import features_at
from reid_jax.errors import UserError
from reid_jax.keyframes.films.features import Described
from reid_jax.keyframes.installed import scorer_of
from reid_jax.keyframes.model import TrainedScorer, encoder_of
from reid_jax.weights.frozen import FrameEncoder

Average = Literal["scores", "ranks"]


def averaged(scores: Sequence[np.ndarray], how: Average = "ranks") -> np.ndarray:
    """The mean over runs of the scores (P,) of a video, or of their ranks divided by P: in (0, 1].

    Ranks need no common scale: a run whose scores hardly differ has as much to say as another.
    """
    if how == "ranks":
        scores = [rankdata(each) / len(each) for each in scores]
    return np.asarray(np.mean(scores, axis=0))


@dataclass(frozen=True)
class Ensemble:
    """Runs that score films together; one run alone is itself.

    Attributes:
      scorers: the runs.
      encoders: what describes frames for each; one object where several see the same features.
      average: how scores are put together.
    """

    scorers: tuple[TrainedScorer, ...]
    encoders: tuple[FrameEncoder, ...]
    average: Average = "ranks"

    @property
    def rate(self) -> float:
        """Frames a second that are scored."""
        return self.scorers[0].config.data.features_rate

    @property
    def about(self) -> list[str]:
        """What must be known of those that are no runs, a sentence each."""
        return [scorer.about for scorer in self.scorers if scorer.about]

    @property
    def encoder(self) -> FrameEncoder:
        """Of the first run, by whose features a film is described."""
        return self.encoders[0]

    @cached_property
    def fingerprint(self) -> str:
        """Names what scores."""
        one, *others = (scorer.fingerprint for scorer in self.scorers)
        return " ".join([one, *others, self.average]) if others else one

    def score(self, film: Described) -> np.ndarray:
        """Scores (P,) float32 at the picks of a film that `encoder` described."""
        features = {id(self.encoder): film.features}
        found = []
        for scorer, encoder in zip(self.scorers, self.encoders, strict=True):
            if id(encoder) not in features:
                features[id(encoder)] = features_at(film.video, film.picks, encoder)
            found.append(_scores(scorer, features[id(encoder)], film.dense))
        return averaged(found, self.average).astype(np.float32) if len(found) > 1 else found[0]


def _scores(scorer: TrainedScorer, features: np.ndarray, dense: int) -> np.ndarray:
    score = scorer.score_image_features if scorer.width is None else scorer.score_features
    scores = np.empty(len(features), np.float32)
    for phase in range(dense):  # each at the rate that the scorer knows
        scores[phase::dense] = score(features[phase::dense])
    return scores


def load_ensemble(
    workdirs: Sequence[Path], average: Average = "ranks", backbone: str = "", weights: str = ""
) -> Ensemble:
    """The runs of these folders.

    Args:
      backbone, weights: see `encoder_of`.

    Raises:
      UserError: none are named, one cannot be used, or they score other numbers of frames a second.
    """
    if not workdirs:
        raise UserError("Name the folder of a run that scores frames, or several (--run).")
    scorers = [scorer_of(workdir) for workdir in workdirs]
    rates = [scorer.config.data.features_rate for scorer in scorers]
    for workdir, rate in zip(workdirs, rates, strict=True):
        if rate != rates[0]:
            raise UserError(
                f"{workdirs[0]} scores {rates[0]:g} frames a second and {workdir} {rate:g}; runs "
                "that answer together score the same frames."
            )
    encoders: dict[tuple[object, ...], FrameEncoder] = {}
    keys = [_seen(scorer, backbone, weights) for scorer in scorers]
    for scorer, key in zip(scorers, keys, strict=True):
        if key not in encoders:
            encoders[key] = encoder_of(scorer, backbone, weights)
    return Ensemble(tuple(scorers), tuple(encoders[key] for key in keys), average)


def _seen(scorer: TrainedScorer, backbone: str, weights: str) -> tuple[object, ...]:
    """Names the features that a run scores; a network that sees images has its own."""
    data = scorer.config.data
    if scorer.width is None:
        return (scorer.workdir,)
    return backbone or data.features_backbone, weights or data.features_weights
