"""From how alike two clips are to a verdict that has been measured on films of several domains."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

Verdict = str
"""What clips are, in words: these three, or what the labels of a run say of them."""
SAME: Verdict = "same video"
UNSURE: Verdict = "unsure"
DIFFERENT: Verdict = "different"
FILE = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """Two thresholds, and how often a verdict by them is wrong.

    Attributes:
      different, same: below the first clips are of different videos, from the second on of one.
      different_pairs, copies: what share of pairs of different films is as alike as a quantile of
        101, from 0 to 100%; the same of edited copies.
      false_alarms, found, unsure: of pairs of domains that the thresholds were not chosen on: the
        share of different ones that is called the same, of copies that is called the same, and of
        all that is neither.
      pairs: of different films, and copies, that this was measured on.
      domains: what films they are of.
    """

    different: float
    same: float
    different_pairs: Sequence[float]
    copies: Sequence[float]
    false_alarms: float
    found: float
    unsure: float
    pairs: Sequence[int]
    domains: Sequence[str]

    def verdict(self, alike: float) -> Verdict:
        """Of clips that are so alike."""
        return SAME if alike >= self.same else DIFFERENT if alike < self.different else UNSURE

    def as_alike(self, alike: float) -> tuple[float, float]:
        """The shares of different films that are as alike or more, and of copies that are less."""
        shares = np.linspace(0, 1, len(self.different_pairs))
        below = (np.interp(alike, one, shares) for one in (self.different_pairs, self.copies))
        different, copies = map(float, below)
        return 1 - different, copies

    @property
    def about(self) -> str:
        """How far a verdict can be trusted, in a sentence."""
        different, copies = self.pairs
        return (
            f"On domains of films that its thresholds were not chosen on, {self.false_alarms:.1%} "
            f"of {different:,} pairs of different films were called the same, {self.found:.0%} of "
            f"{copies:,} edited copies; {self.unsure:.0%} were left unsure."
        )


def installed_calibration() -> Calibration:
    """What lies beside this file; `python -m scripts.installed` has chosen and measured it."""
    text = files("reid_jax.same_video").joinpath(FILE).read_text()
    return Calibration(**json.loads(text))


def through_others(pairs: Sequence[dict[str, Any]]) -> dict[tuple[int, int], int]:
    """Of pairs of clips that are not called the same, one that both are the same as, by the pair.

    Two parts of a film without common footage are not alike; the film joins them.

    Args:
      pairs: every two clips: "first", "second", and "same".
    """
    same: dict[int, set[int]] = {}
    for pair in pairs:
        if pair["same"]:
            same.setdefault(pair["first"], set()).add(pair["second"])
            same.setdefault(pair["second"], set()).add(pair["first"])
    found = {}
    for pair in pairs:
        first, second = pair["first"], pair["second"]
        both = same.get(first, set()) & same.get(second, set())
        if both and not pair["same"]:
            found[first, second] = min(both)
    return found
