"""How close two photos are, in words: by their similarity, or by their distance.

Embeddings of length 1 are compared by the cosine, which is called a similarity. A network without
normalisation compares by Euclidean distance; its scores are minus that, so that the higher is the
closer, but what a person is shown is the distance.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Closeness:
    """Words and numbers for scores of which the higher is the closer.

    Attributes:
      is_distance: scores are minus a distance.
    """

    is_distance: bool

    @property
    def word(self) -> str:
        """What a number is called."""
        return "distance" if self.is_distance else "similarity"

    @property
    def closest(self) -> str:
        """What the closest pair has."""
        return "smallest distance" if self.is_distance else "highest similarity"

    def value(self, score: float) -> float:
        """The number that is shown for a score."""
        return abs(float(score)) if self.is_distance else float(score)

    def text(self, score: float, digits: int) -> str:
        """The same, with so many digits behind the point."""
        return f"{self.value(score):.{digits}f}"

    def reaching(self, threshold: float) -> str:
        """In words: as close as that score or closer."""
        return f"{self.word} {self.text(threshold, 3)} or {'less' if self.is_distance else 'more'}"


def closeness_of(metric: str) -> Closeness:
    """Of scores by "cosine" or "euclidean"."""
    return Closeness(metric == "euclidean")
