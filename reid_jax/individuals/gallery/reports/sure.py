"""How sure a gallery is, from what it keeps of its calibration, and in words."""

from dataclasses import dataclass

from reid_jax.console import counted
from reid_jax.individuals.gallery.calibrating import JUDGED, calibration_of
from reid_jax.individuals.gallery.evidence import calibrations_of, evidence_of
from reid_jax.individuals.gallery.journal.entries import NAME_FROM
from reid_jax.individuals.gallery.output import percent
from reid_jax.individuals.gallery.reports.sureness import (
    LEVELS,
    Class,
    Consequences,
    Judged,
    consequences,
    curve,
    difference,
)
from reid_jax.individuals.gallery.value import DIGEST, Gallery
from reid_jax.ops.ranking.individuals import RULES


@dataclass(frozen=True)
class Sure:
    """How sure a gallery is.

    Attributes:
      judged: the answers that it is known by.
      confirmed: whether these are about photos alone of which somebody said surely who it is.
      calibrated: the probability from which a name is given by the calibration.
      chosen: the one that somebody decided; None where nobody did.
    """

    judged: Judged
    confirmed: bool
    calibrated: float
    chosen: float | None

    @property
    def level(self) -> float:
        """The probability from which a name is given."""
        return self.calibrated if self.chosen is None else self.chosen

    @property
    def curve(self) -> tuple[Class, ...]:
        """See :func:`reid_jax.individuals.gallery.reports.sureness.curve`."""
        return curve(self.judged)

    @property
    def difference(self) -> float:
        """By how much probabilities are wrong on average."""
        return difference(self.curve, self.judged)

    def consequences(self) -> tuple[Consequences, ...]:
        """What follows from each level, and from that of the calibration and the chosen one."""
        levels = {*LEVELS, self.calibrated, self.level}
        return consequences(self.judged, sorted(levels))

    def at(self, level: float) -> Consequences:
        """What follows from one level."""
        return consequences(self.judged, [level])[0]

    def how(self) -> str:
        """How this was found, in sentences."""
        known = int(self.judged.known.sum())
        strangers = counted(len(self.judged) - known, "answer")
        parts = [
            f"By {counted(known, 'answer')} about photos of known individuals and {strangers} "
            "about photos whose individual was taken out as if it were a stranger: "
            f"{self.judged.how}.",
            "Only photos count here that somebody confirmed."
            if self.confirmed
            else "Too few of these photos were confirmed one by one, so all count, with the names "
            "that they have.",
            "Each is judged by a calibration on the other half of the individuals."
            if self.judged.apart
            else "They are too few to be divided, so they are judged by the calibration that was "
            "fitted on them, which flatters it.",
            f"Strangers weigh {percent(self.judged.strangers)}, as the gallery assumes.",
        ]
        return " ".join(parts)


def is_found(gallery: Gallery) -> bool:
    """Whether it was tried to find out how sure a gallery is, since names changed last."""
    return JUDGED in gallery.settings


def sure_of(gallery: Gallery) -> Sure | None:
    """How sure a gallery is; None where nobody knows.

    Args:
      gallery: calibrated, see :func:`reid_jax.individuals.gallery.calibrating.calibrated`.
    """
    if not is_found(gallery):
        return None
    evidence, rule = evidence_of(gallery), RULES[0]
    judged = Judged.of_settings(gallery.settings, evidence)
    found = calibration_of(gallery, rule, evidence)
    if judged is None or found is None:
        return None
    sure = [] if gallery.confirmed is None else gallery.column(DIGEST)[gallery.confirmed].tolist()
    part = judged.about(sure)
    return Sure(
        judged=judged if part is None else part,
        confirmed=part is not None,
        calibrated=float(calibrations_of(gallery, evidence)[rule]["name_from"]),
        chosen=gallery.settings.get(NAME_FROM),
    )


def said(each: Consequences) -> str:
    """What follows from a level, in a sentence."""
    known = each.own + each.other + each.close + each.unknown
    strangers = each.named + each.stranger_close + each.stranger_unknown
    return (
        f"With names from {percent(each.level)} on: of {counted(known, 'photo')} of known "
        f"individuals {each.own:,} with their name, {each.other:,} with another one's, "
        f"{each.close:,} too close to call, {each.unknown:,} called unknown; of "
        f"{counted(strangers, 'photo')} of strangers {each.named:,} with a wrong name."
    )
