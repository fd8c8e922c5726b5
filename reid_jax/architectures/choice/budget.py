"""Successive halving: how long which candidates train (Jamieson and Talwalkar, AISTATS 2016)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reid_jax.errors import UserError

FINALISTS = 3
SEEDS = 3
"""Trainings of each finalist, the others begun anew with other random numbers."""
FEWEST_STEPS = 20
"""In the first round; with fewer a network says little of itself."""


@dataclass(frozen=True)
class Round:
    """A round of trainings.

    Attributes:
      candidates: how many take part.
      units: how long each has trained at its end, in units of the first round.
      seeds: how often each is trained.
    """

    candidates: int
    units: int
    seeds: int = 1


def rounds_of(candidates: int) -> tuple[Round, ...]:
    """The rounds: half of the candidates go on, twice as long, until three are left.

    Example:
      >>> [(each.candidates, each.units, each.seeds) for each in rounds_of(8)]
      [(8, 1, 1), (4, 2, 1), (3, 4, 3)]
    """
    found, left, units = [], candidates, 1
    while left > FINALISTS:
        found.append(Round(left, units))
        left, units = max(-(-left // 2), FINALISTS), 2 * units
    return (*found, Round(left, units, SEEDS))


def units_of(rounds: Sequence[Round]) -> int:
    """The units that all trainings take together; who goes on does not begin anew."""
    total, before = 0, 0
    for each in rounds:
        total += each.candidates * (each.units - before)
        total += each.candidates * (each.seeds - 1) * each.units
        before = each.units
    return total


def trainings_of(rounds: Sequence[Round]) -> int:
    """How often a training is begun or gone on with."""
    return sum(each.candidates * each.seeds for each in rounds)


def unit_seconds(
    minutes: float, spent: float, rounds: Sequence[Round], further: int, costs: Mapping[str, float]
) -> float:
    """Seconds of training in a unit, so that all ends in time.

    Args:
      minutes: for all trainings.
      spent: seconds that trying the candidates has taken.
      further: trainings of a unit beside the rounds.
      costs: by candidate what a training takes beside its steps, seconds.

    Raises:
      UserError: nothing is left for the steps.
    """
    beside = max(costs.values())
    count = trainings_of(rounds) + further
    left = 60 * minutes - spent - beside * count
    if left <= 0:
        needed = (spent + beside * count) / 60
        raise UserError(
            f"--minutes {minutes:g} is too short for one candidate: to begin and end the "
            f"{count} trainings of {len(costs)} candidates takes {needed:.0f} of them alone."
        )
    return left / (units_of(rounds) + further)


def steps_of(seconds: float, step: float, name: str) -> int:
    """The steps that fit.

    Args:
      seconds: of training.
      step: seconds that one takes.
      name: of the candidate.

    Raises:
      UserError: they are too few to say anything.
    """
    steps = int(seconds / step)
    if steps < FEWEST_STEPS:
        raise UserError(
            f"The budget is too short for {name}: {seconds:.0f} s hold {steps} of its steps, and "
            f"{FEWEST_STEPS} are needed; give about {FEWEST_STEPS / max(steps, 1):.0f} times as "
            "many --minutes."
        )
    return steps
