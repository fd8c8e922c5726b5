"""Something that went wrong with a run, as a person is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Symptom:
    """Attributes:
    name: a short one, for scripts.
    sentence: what is wrong.
    advice: what to try.
    numbers: what it rests on, by name.
    """

    name: str
    sentence: str
    advice: str
    numbers: Mapping[str, float]

    def __str__(self) -> str:
        return f"{self.sentence} {self.advice}"


def as_json(symptoms: Sequence[Symptom]) -> list[dict[str, Any]]:
    """What ``metrics.json`` holds of them."""
    return [asdict(each) for each in symptoms]
