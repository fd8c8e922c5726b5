"""What a network of 8-bit integers is calibrated with, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from reid_jax.errors import UserError
from reid_jax.export.program import Answers

NUMBER = 300
"""Photos, or clips, by which ranges are found."""

FEWEST = 16
"""Photos, or frames, below which ranges say nothing of what is to come."""

AT_A_TIME = 8
"""Photos that an engine is given in one call."""

Worth: TypeAlias = tuple[dict[str, float], np.ndarray]
"""Measures by their names for people, and the first answer to each thing that was asked."""


@dataclass(frozen=True)
class Trial:
    """Inputs to find ranges by, and inputs whose right answers are known.

    Attributes:
      calibration: (N, ...) each, what is given at once: photos, or the frames of a film.
      about: what these are, for people.
      tests: the same, of what the network was not trained on; none where nothing is known.
      judged_on: what these are; where there are none, why.
      worth: of a program's answers to each of `tests`.
    """

    calibration: Sequence[np.ndarray] = field(repr=False)
    about: str
    tests: Sequence[np.ndarray] = field(repr=False)
    judged_on: str
    worth: Callable[[Sequence[Answers]], Worth] = field(repr=False)

    def __post_init__(self) -> None:
        if sum(map(len, self.calibration)) < FEWEST:
            raise UserError(
                f"{self.about} to calibrate with are too few: 8-bit integers need at least "
                f"{FEWEST} photos or frames; name others with --calibrate."
            )


def in_calls(rows: np.ndarray) -> list[np.ndarray]:
    """Rows (N, ...) in parts of at most `AT_A_TIME`."""
    return list(_parts(rows))


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), AT_A_TIME):
        yield rows[start : start + AT_A_TIME]
