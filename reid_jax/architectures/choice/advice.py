"""What is recommended, by rules that the page states; each sentence is made of numbers on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reid_jax.reporting.measure import number

_LAPTOP, _PHONE = 0.95, 0.9  # of the best finalist's mean

RULES = {
    "server": "the best mean over the seeds; of those that reach the lowest of its seeds, the one "
    "with the fewest multiply-adds",
    "laptop": f"of those with {_LAPTOP:.0%} of the best mean or more, the fastest with one at a "
    "time",
    "phone": f"of those with {_PHONE:.0%} of the best mean or more, the smallest",
}
"""By the place where a network runs, how it is chosen among the finalists."""


@dataclass(frozen=True)
class Finalist:
    """A candidate of the last round.

    Attributes:
      name: of the candidate.
      values: of the measure on what was held out, by seed.
      multiply_adds: of one example.
      milliseconds: of one at a time.
      size: bytes as a program, or of the parameters where it was not exported.
    """

    name: str
    values: tuple[float, ...]
    multiply_adds: int
    milliseconds: float
    size: int

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return sum(self.values) / len(self.values)


def recommended(finalists: Sequence[Finalist]) -> dict[str, Finalist]:
    """The finalist for each place of `RULES`; equals go by name.

    Args:
      finalists: at least one.
    """
    best = max(finalists, key=lambda each: (each.mean, each.name))

    def least(share: float, cost: str) -> Finalist:
        enough = [each for each in finalists if each.mean >= share * best.mean]
        return min(enough, key=lambda each: (getattr(each, cost), each.name))

    alike = [each for each in finalists if each.mean >= min(best.values)]
    return {
        "server": min(alike, key=lambda each: (each.multiply_adds, each.name)),
        "laptop": least(_LAPTOP, "milliseconds"),
        "phone": least(_PHONE, "size"),
    }


def reasons(finalists: Sequence[Finalist], title: str) -> dict[str, str]:
    """A sentence for each place, of numbers alone.

    Args:
      title: of the measure.
    """
    best = max(finalists, key=lambda each: (each.mean, each.name))
    found = {}
    for place, each in recommended(finalists).items():
        quality = f"{title} {number(each.mean)} ({_range(each.values)})"
        if each is best:
            beside = "the best mean"
        else:
            beside = f"{each.mean / max(best.mean, 1e-12):.0%} of that of {best.name}"
        cost = {
            "server": f"{each.multiply_adds / 1e6:,.0f} million multiply-adds",
            "laptop": f"{each.milliseconds:.1f} ms",
            "phone": f"{each.size / 1e6:.1f} MB",
        }[place]
        found[place] = f"{each.name}: {quality}, {beside}, with {cost}."
    return found


def about_attention(values: Mapping[str, float], title: str) -> list[str]:
    """What candidates that attend do beside those that average, after the same first round.

    Args:
      values: by candidate of clips, the measure of its first round.
    """
    pairs = {
        "attention": "attention, Siamese",
        "self-attention": "self_attention, Siamese",
        "attention pooling": "attention pooling, Siamese",
    }
    mean = values.get("mean, Siamese")
    return [
        f"{kind[0].upper()}{kind[1:]} has {title} {number(values[name])} where the mean over "
        f"frames has {number(mean)}: {values[name] - mean:+.3f}."
        for kind, name in pairs.items()
        if mean is not None and name in values
    ]


def about_triplets(values: Mapping[str, float], title: str) -> list[str]:
    """The same of a Siamese network beside one whose embeddings are compared by cosine."""
    found = []
    for encoder in ("mean", "attention"):
        siamese, triplet = (values.get(f"{encoder}, {kind}") for kind in ("Siamese", "triplet"))
        if siamese is not None and triplet is not None:
            found.append(
                f"With the encoder {encoder} the Siamese network has {title} {number(siamese)}, "
                f"the triplet network {number(triplet)}: {siamese - triplet:+.3f}."
            )
    return found


def about_margins(values: Mapping[str, float], title: str) -> list[str]:
    """What four margins do to one training.

    Args:
      values: by the name of the training, in order.
    """
    if not values:
        return []
    best = max(values, key=lambda name: values[name])
    spread = max(values.values()) - min(values.values())
    return [
        f"Of the margins, {best} has the highest {title} of a validation, {number(values[best])}; "
        f"the four lie {spread:.3f} apart.",
    ]


def _range(values: Sequence[float]) -> str:
    if len(values) == 1:
        return "one seed"
    return f"{number(min(values))} to {number(max(values))} over {len(values)} seeds"


def finalist_of(name: str, row: Mapping[str, Any]) -> Finalist:
    """A finalist out of what is kept of a candidate."""
    costs = row["costs"]
    size = costs.get("exported") or 4 * costs["parameters"]
    values = tuple(each["value"] for each in row["judged"].values())
    return Finalist(name, values, costs["multiply_adds"], costs["ms_1"], size)
