"""Films that an exported scorer is calibrated with and judged by, in 8-bit integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid_jax.console import counted
from reid_jax.data.videos.features import VideoFeatures
from reid_jax.data.videos.rows import thinned
from reid_jax.export.program import Answers
from reid_jax.export.trial import Trial, Worth
from reid_jax.keyframes.measures import correlations, truth, user_scores

_SHORTEST = 8  # frames of a film that are calibrated with, where a network sees images

Seen = tuple[VideoFeatures, VideoFeatures, np.ndarray]
"""A video, the same at the frames that are seen of it, and these or their features (T, ...)."""


def film_trial(
    films: Sequence[np.ndarray], whose: str, number: int, tests: Sequence[Seen], judged_on: str
) -> Trial:
    """What int8 is calibrated with and judged by.

    Args:
      films: rows (T, ...) of each to calibrate with, features or images.
      whose: they are, for people.
      number: how many of them at most; of images, how many frames in all.
      tests: of the videos that are held out.
      judged_on: what these are; where there are none, why.

    Raises:
      UserError: there are too few frames to calibrate with.
    """
    if films[0].ndim == 4:
        each = max(_SHORTEST, number // len(films))
        films = [thinned(film, each) for film in films[: max(1, number // each)]]
        number = len(films)
    films = films[:number]
    about = f"{counted(sum(map(len, films)), 'frame')} of {counted(len(films), 'film')} of {whose}"

    def worth(answers: Sequence[Answers]) -> Worth:
        scores = [each["score"] for each in answers]
        first = np.array([np.argmax(each) for each in scores], np.int64)
        return _agreement(scores, tests), first

    return Trial(films, about, [rows for _, _, rows in tests], judged_on, worth)


def _agreement(scores: Sequence[np.ndarray], tests: Sequence[Seen]) -> dict[str, float]:
    """Kendall's tau-b and Spearman's rho with annotators, or else with the mean rating."""
    found = []
    for each, (video, seen, _) in zip(scores, tests, strict=True):
        at_picks = np.interp(video.picks, seen.picks, each)
        people, mean = user_scores(video), truth(video)
        if len(people) or mean is not None:
            references = people if len(people) else np.asarray(mean)[None]
            found.append(correlations(at_picks, references))
    if not found:
        return {}
    tau, rho = np.nanmean(np.array(found), axis=0)
    return {"Kendall": float(tau), "Spearman": float(rho)}
