"""Which photo is worth most to decide."""

from collections.abc import Mapping
from typing import Any


def worth_of(answer: Mapping[str, Any]) -> float:
    """How much a decision on a photo tells, from 0 to 1: the closer the first two answers.

    That is the margin of Scheffer et al. 2001, "Active hidden Markov models for information
    extraction", turned round; that it is nobody of the gallery is one of the answers, so that a
    photo near the threshold of the unknown comes early, too. A photo unlike those of the training
    comes last.

    Args:
      answer: "candidates", each with a "probability"; None where nothing is calibrated, then
        "score" is taken.
    """
    candidates = answer["candidates"]
    if not candidates:
        return 0.0
    chances = [candidate["probability"] for candidate in candidates]
    if None in chances:
        first, *others = (float(candidate["score"]) for candidate in candidates)
        gap = first - others[0] if others else 1.0
        return 1.0 - min(max(gap, 0.0), 1.0)
    nobody = max(1.0 - sum(chances), 0.0)
    first, second = sorted([*chances, nobody], reverse=True)[:2]
    return 1.0 - (first - second)
