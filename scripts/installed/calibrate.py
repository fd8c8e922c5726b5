"""Thresholds of a verdict on two clips from films of several domains, and how often they err."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from reid_jax.same_video.looks import Clip, alike
from scripts.installed.domains import Film

_PARTS = ((0, 6), (0, 4), (1, 5), (2, 6))  # frames of a copy that are a clip
_FALSE = 0.005  # of different pairs of each domain, at most
_MISSED = 0.02  # of copies of each domain, at most, that are called different
_QUANTILES = np.linspace(0, 1, 101)


class Scores(NamedTuple):
    """Similarities of pairs of different films (N,), and of films and their edited copies (M,)."""

    different: np.ndarray
    copies: np.ndarray


def domain_scores(films: Sequence[Film], whitening: Mapping[str, np.ndarray]) -> Scores:
    """Of every two films, as they are and with each copy; of every film and parts of its copies."""
    different, copies = [], []
    for place, film in enumerate(films):
        for copy in film.copies.values():
            parts = [Clip(*(track[start:stop] for track in copy)) for start, stop in _PARTS]
            copies += [alike(film.original, part, whitening) for part in parts]
        for other in films[place + 1 :]:
            if other.film != film.film:
                seen = [other.original, *other.copies.values()]
                different += [alike(film.original, clip, whitening) for clip in seen]
    return Scores(np.array(different), np.array(copies))


def thresholds(domains: Sequence[Scores]) -> tuple[float, float]:
    """From which similarity on clips are no longer different, and from which they are the same.

    In no domain are more than 0.5% of different films called the same, nor, where that leaves room,
    more than 2% of copies called different.
    """
    same = max(float(np.quantile(scores.different, 1 - _FALSE)) for scores in domains)
    missed = min(float(np.quantile(scores.copies, _MISSED)) for scores in domains)
    return min(same, missed), same


def judged(scores: Scores, different: float, same: float) -> dict[str, Any]:
    """Shares of verdicts: false alarms, copies found, unsure ones among all, copies missed."""
    both = np.concatenate([scores.different, scores.copies])
    return {
        "pairs": [len(scores.different), len(scores.copies)],
        "thresholds": [different, same],
        "false_alarms": float(np.mean(scores.different >= same)),
        "found": float(np.mean(scores.copies >= same)),
        "unsure": float(np.mean((both >= different) & (both < same))),
        "missed": float(np.mean(scores.copies < different)),
    }


def left_out(domains: Mapping[str, Scores]) -> dict[str, dict[str, Any]]:
    """Each domain judged by thresholds from the others."""
    return {
        name: judged(scores, *thresholds([other for key, other in domains.items() if key != name]))
        for name, scores in domains.items()
    }


def calibration(domains: Mapping[str, Scores]) -> dict[str, Any]:
    """What `reid_jax.same_video.verdict.Calibration` is made of."""
    rows = left_out(domains)
    pairs = np.array([row["pairs"] for row in rows.values()])
    different, same = thresholds(list(domains.values()))

    def quantiles(side: int) -> list[float]:
        each = [np.quantile(scores[side], _QUANTILES) for scores in domains.values()]
        pooled = np.concatenate(each)  # each domain counts the same
        return [round(float(value), 4) for value in np.quantile(pooled, _QUANTILES)]

    def share(name: str, weights: np.ndarray) -> float:
        values = [row[name] for row in rows.values()]
        return round(float(np.average(values, weights=weights)), 4)

    return {
        "different": round(different, 4),
        "same": round(same, 4),
        "different_pairs": quantiles(0),
        "copies": quantiles(1),
        "false_alarms": share("false_alarms", pairs[:, 0]),
        "found": share("found", pairs[:, 1]),
        "unsure": share("unsure", pairs.sum(axis=1)),
        "pairs": pairs.sum(axis=0).tolist(),
        "domains": list(rows),
    }
