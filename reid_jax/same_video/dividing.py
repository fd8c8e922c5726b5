"""Labelled pairs divided for training, validation and test, so that no film is in two of these."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from reid_jax.errors import UserError
from reid_jax.same_video.labels import Labels

_DEALT = 14  # what leads to the orders of dealing
_TRIES = 64  # of these orders


@dataclass(frozen=True, eq=False)
class LabelledSplit:
    """The pairs of a fold; no film is in two of its parts.

    Attributes:
      about: a sentence about how they were divided.
    """

    train: Labels
    validation: Labels
    test: Labels
    about: str


def divide(labels: Labels, parts: int) -> list[set[str]]:
    """Deals the clips out to parts, so that no film is in two of them and few pairs are lost.

    A pair whose clips are in two parts belongs to none. So clips that pairs join stay together;
    where that leaves a part, or all the others, without pairs of both labels, only clips that are
    alike stay together, and where that does, too, only those of a film. Of 64 orders of dealing
    that counts which has the most parts of both labels, then the most pairs.

    Returns:
      The names of the clips of each part.
    """
    names = labels.names
    place = {name: number for number, name in enumerate(names)}
    pairs = np.array([[place[name] for name in pair] for pair in labels.clips.tolist()])
    filmed = [name for name in names if name in labels.film]
    films = _of_one_film([(labels.film[name], place[name]) for name in filmed])
    best: tuple[tuple[int, int], np.ndarray] = ((-1, -1), np.zeros(len(names), int))
    for joining in (pairs, pairs[labels.same], pairs[:0]):
        groups = _joined(len(names), [*joining.tolist(), *films])
        for order in range(_TRIES):
            part = _deal(groups, parts, np.random.default_rng([_DEALT, order]))
            value = _worth(part[pairs], labels.same, parts)
            if value > best[0]:
                best = value, part
        if best[0][0] == parts:
            break
    return [{names[number] for number in np.flatnonzero(best[1] == one)} for one in range(parts)]


def _worth(part: np.ndarray, same: np.ndarray, parts: int) -> tuple[int, int]:
    """How many parts have pairs of both labels and leave such to the others, and pairs in all.

    Args:
      part: (N, 2), of both clips of each pair.
    """
    whole = part[:, 0] == part[:, 1]
    good = 0
    for one in range(parts):
        inside, outside = same[(part == one).all(axis=1)], same[(part != one).all(axis=1)]
        good += all(side.any() and not side.all() for side in (inside, outside))
    return good, int(whole.sum())


def labels_of_rest(labels: Labels, part: Collection[str]) -> Labels:
    """The pairs without a clip of a part."""
    return labels.among(set(labels.names) - set(part))


def _of_one_film(films: Sequence[tuple[str, int]]) -> list[list[int]]:
    first: dict[str, int] = {}
    return [[first.setdefault(film, clip), clip] for film, clip in films]


def _joined(number: int, links: Sequence[Sequence[int]]) -> list[list[int]]:
    """Groups of so many clips that links join, directly or by others."""
    above = list(range(number))

    def top(clip: int) -> int:
        while above[clip] != clip:
            above[clip] = above[above[clip]]
            clip = above[clip]
        return clip

    for one, other in links:
        above[top(one)] = top(other)
    groups: dict[int, list[int]] = defaultdict(list)
    for clip in range(number):
        groups[top(clip)].append(clip)
    return list(groups.values())


def _deal(groups: Sequence[list[int]], parts: int, rng: np.random.Generator) -> np.ndarray:
    """The part of each clip: largest groups first, each to the part that has the fewest clips."""
    order = sorted(rng.permutation(len(groups)).tolist(), key=lambda one: -len(groups[one]))
    part = np.zeros(sum(map(len, groups)), int)
    sizes = [0] * parts
    for one in order:
        fewest = sizes.index(min(sizes))
        part[groups[one]] = fewest
        sizes[fewest] += len(groups[one])
    return part


def held_out(labels: Labels, share: float, what: str) -> set[str]:
    """Clips to hold out: about that share, with pairs of both labels, as those that are left have.

    Raises:
      UserError: that cannot be had; `what` says what would be right.
    """
    for part in divide(labels, max(2, round(1 / share))):
        if labels.among(part).both and labels_of_rest(labels, part).both:
            return part
    raise UserError(
        f"{len(labels.same)} pairs of {len(labels.names)} clips cannot be divided so that either "
        f"side has pairs with the label 1 and pairs with 0, and no film is on both; {what}."
    )


def split_labels(
    labels: Labels, train: Collection[str], test: Collection[str], share: float, fold: str
) -> LabelledSplit:
    """The pairs of a fold, with a share of its training clips for validation.

    Args:
      train, test: names of clips.
      fold: which it is, in words.

    Raises:
      UserError: a film is on both sides, or a part has pairs of one label alone.
    """

    def number(pairs: Labels) -> str:
        return f"{pairs.same.sum()} pairs with the label 1 and {(~pairs.same).sum()} with 0"

    sides = [{labels.film.get(clip, clip) for clip in side} for side in (train, test)]
    if both := sorted(sides[0] & sides[1]):
        raise UserError(f"{fold} has the film {both[0]} on both sides; keep its clips on one.")
    learnt, judged = labels.among(train), labels.among(test)
    for side, pairs in (("train on", learnt), ("test on", judged)):
        if not pairs.both:
            raise UserError(
                f"{fold} leaves {number(pairs)} to {side}; it takes both: give more pairs, or "
                "fewer --data.folds."
            )
    validation: set[str] = set()
    if share:
        validation = held_out(
            learnt, share, "give more pairs, or --data.validation-fraction 0 for no validation"
        )
    rest = labels_of_rest(learnt, validation)
    chosen = learnt.among(validation)
    lost = len(labels.same) - len(rest.same) - len(chosen.same) - len(judged.same)
    left_out = f"; {lost:,} join clips of two parts and are left out" if lost else ""
    about = (
        f"Split by film: of {len(labels.same):,} labelled pairs {len(rest.same):,} are trained on, "
        f"{len(chosen.same):,} validate and {len(judged.same):,} test, {fold}; no film is in two "
        f"of these{left_out}."
    )
    return LabelledSplit(rest, chosen, judged, about)
