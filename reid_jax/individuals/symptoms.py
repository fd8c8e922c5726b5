"""What numbers say of a run that went wrong: in a sentence each, with what to try.

Every function takes numbers alone, and gives a symptom, or None where all is well.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from reid_jax.ops.significance import FEWEST_FOR_VERDICT
from reid_jax.reporting.symptom import Symptom

Numbers = Mapping[str, Any]

_POINT = 0.003
_LINE, _ROOM = 2.5, 8
_FLAT, _NEAR = 0.98, 0.03
FEWEST_LOSSES = 12
_FELL = 0.1
_SURE = 0.05
_TIE = 0.02
_KNOWN_BY_HEART = 0.3
_WIDE = 0.3
_SAME_DAY = 0.05
_MOVES = 0.02
_FEWEST_ALIKE = 3
_SINGLE = 0.5


def collapsed(spread: float, rank: float, *, dimensions: int, individuals: int) -> Symptom | None:
    """All photos get nearly the same embedding, or embeddings on a line.

    A spread below 0.003. Networks that told drawn animals apart had 0.35 and more, 0.03 after 48
    steps, 0.011 to 0.035 before the first (with published weights 0.31), and 0.00002 to 0.0008
    where a rate was a thousand times too high or the hardest triplets were all there was: the limit
    is in the middle of the gap, on a scale of factors. Or an effective rank below 2.5, where those
    had 4.6 and more, and collapsed ones 1.1 and 1.6.

    Args:
      spread, rank: of the embeddings before any whitening, see :mod:`reid_jax.ops.spread`.
      dimensions, individuals: that could be told apart; a line is one where there is room for
        eight directions.
    """
    line = rank < _LINE and min(dimensions, individuals - 1) >= _ROOM
    if not line and spread >= _POINT:
        return None
    what = "lie on a line" if line and spread >= _POINT else "are nearly the same for all photos"
    return Symptom(
        "collapsed",
        f"The embeddings have collapsed: they {what}, so that nobody can be told apart.",
        "Try a rate ten times lower (--optimizer.learning-rate), a smaller margin (--loss.margin), "
        "or with triplets all of them in place of the hardest (--loss.mining all).",
        {"spread": spread, "effective_rank": rank},
    )


def not_falling(losses: Sequence[float], indifferent: Callable[[], float]) -> Symptom | None:
    """The loss stays where it began, or where it is when all embeddings are the same.

    Judged by the mean of the last quarter of the logged losses. It stays where it is within 2% of
    the first quarter's (or above); or where it has not come down by 2% since the second quarter,
    and lies within 3% of `indifferent`. Trainings that learn end at 0.1 to 0.83 of their first
    quarter and come down by 14% or more after the second; a collapsed one ended at 0.99, with
    triplets within 1% of the margin.

    Args:
      losses: in order; fewer than 12 say nothing, as most begin slowly.
      indifferent: gives the loss where all embeddings, and all class centres, are the same: a
        triplet's margin, half the square of a pair's, the logarithm of the number of individuals.
        Not asked while the loss comes down.
    """
    if len(losses) < FEWEST_LOSSES:
        return None
    quarter = len(losses) // 4
    first, second = np.mean(losses[:quarter]), np.mean(losses[quarter : 2 * quarter])
    last = float(np.mean(losses[-quarter:]))
    stays = last >= _FLAT * first
    if not stays and last < _FLAT * second:
        return None
    level = indifferent()
    useless = abs(last / level - 1) <= _NEAR
    if not (stays or useless):
        return None
    where = (
        f"it is {last:.3g}, and {level:.3g} where a network tells nobody apart"
        if useless
        else f"it was {first:.3g} at first and is {last:.3g}"
    )
    return Symptom(
        "loss does not fall",
        f"The loss does not fall: {where}.",
        "Try another rate (--optimizer.learning-rate), ten times lower first, then higher; with "
        "triplets all of them (--loss.mining all). Semi-hard ones can wait for hundreds of steps.",
        {"first": float(first), "last": last, "indifferent": level},
    )


def past_its_best(rows: Sequence[Numbers], monitor: str) -> Symptom | None:
    """Validation has become worse while the loss went on falling: training photos by heart.

    By a tenth of its best or more, in each of the last two validations: a single one wavers.

    Args:
      rows: of ``metrics.jsonl``.
      monitor: the measure of the validation.
    """
    judged = [(row["step"], row[monitor]) for row in rows if row.get(monitor) is not None]
    losses = [(row["step"], row["loss"]) for row in rows if row.get("loss") is not None]
    if len(judged) < 3:
        return None
    step, best = max(judged, key=lambda each: (each[1], -each[0]))
    last = judged[-1][1]
    before = [loss for at, loss in losses if at <= step]
    if (
        judged[-2][0] <= step
        or max(last, judged[-2][1]) > (1 - _FELL) * best
        or not before
        or losses[-1][1] >= _FLAT * before[-1]
    ):
        return None
    name = monitor.removeprefix("validation/")
    return Symptom(
        "over-fitted",
        f"It learns its training photos by heart: since step {step} the loss has fallen on, but "
        f"{name} of the validation photos fell from {best:.3f} to {last:.3f}.",
        f"The network of step {step} is the one that is kept. Try fewer steps (--train.steps "
        f"{step}), stronger augmentation, or photos of more individuals.",
        {"best_step": step, "best": best, "last": last},
    )


def learnt_by_heart(trained: float, held_out: float, before: float) -> Symptom | None:
    """Training photos are found, and held-out ones no better than without training.

    That the first is higher alone is no fault: it is in every run that learns. To be called so it
    is higher by 0.3 or more; networks that knew 14 drawn individuals by heart had 0.67 and 0.91.

    Args:
      trained: Rank-1 of training photos among themselves.
      held_out, before: Rank-1 of held-out photos, by the network and by the best that had not
        been trained, which was found to be no worse.
    """
    if not trained >= held_out + _KNOWN_BY_HEART:
        return None
    return Symptom(
        "over-fitted",
        f"It has learnt its training photos by heart: Rank-1 is {trained:.3f} among those, "
        f"{held_out:.3f} among the photos that were held out, and {before:.3f} there without any "
        "training.",
        "Photos of more individuals help most; then stronger augmentation, fewer steps "
        "(--train.steps), or a network that begins with published weights (--model.pretrained).",
        {"trained": trained, "held_out": held_out, "before": before},
    )


def no_better(
    metrics: Numbers, baselines: Mapping[str, Numbers], individuals: int
) -> Symptom | None:
    """What was not trained finds as much: the best such row, if there is one.

    The network is better where its Rank-1 is higher by more than luck, by individuals (see
    :func:`sign_flip_p_values`, p < 0.05), or where its mAP is and Rank-1 is at most 0.02 lower.
    Where fewer than six individuals leave no verdict, a higher Rank-1 is taken for better.

    Args:
      metrics: of the network.
      baselines: of the others, each with ``rank1_p`` and ``mAP_p``, the p-values of a difference
        to the network.
      individuals: that are searched for.
    """
    ours = metrics["rank1"]
    verdict = individuals >= FEWEST_FOR_VERDICT

    def beaten(theirs: Numbers) -> bool:
        higher, ranked = ours > theirs["rank1"], metrics["mAP"] > theirs["mAP"]
        by_rank = higher and (theirs["rank1_p"] < _SURE or not verdict)
        return by_rank or (ranked and theirs["mAP_p"] < _SURE and ours >= theirs["rank1"] - _TIE)

    left = {
        name: values["rank1"]
        for name, values in baselines.items()
        if math.isfinite(values["rank1"]) and not beaten(values)
    }
    if not left or not math.isfinite(ours):
        return None
    name = max(left, key=lambda each: left[each])
    theirs, worse = left[name], ours < left[name]
    began = ", which it began with" if name.startswith("frozen") else ""
    how = (
        f"The network is worse than {name}{began}: Rank-1 is {ours:.3f}, theirs {theirs:.3f}."
        if worse
        else f"The network is no better than {name}{began}: Rank-1 is {ours:.3f}, theirs "
        f"{theirs:.3f}, a difference that may be luck."
    )
    return Symptom(
        "no better",
        how,
        "Do not use it as it is. Try more steps (--train.steps), a lower rate "
        "(--optimizer.learning-rate), larger photos (--data.image-size), or published weights to "
        "begin with (--model.pretrained).",
        {"rank1": ours, f"rank1 of {name}": theirs, "p": baselines[name]["rank1_p"]},
    )


def guessing(metrics: Numbers, baselines: Mapping[str, Numbers], chance: float) -> Symptom | None:
    """Nobody finds individuals, neither the network nor what was not trained: wrong names?

    Everybody's interval (by individuals) begins at the Rank-1 of guessing or below.

    Args:
      metrics, baselines: with ``rank1_low``.
      chance: Rank-1 of guessing, see :func:`rank1_of_guessing`.
    """
    lows = [values["rank1_low"] for values in (metrics, *baselines.values())]
    if not all(low <= chance for low in lows):
        return None
    return Symptom(
        "guessing",
        f"Nothing here is better than guessing: Rank-1 is {metrics['rank1']:.3f}, that of guessing "
        f"{chance:.3f}, and what was not trained does not find individuals either.",
        "Do the names belong to the photos? Look at some photos of one individual side by side. If "
        "they do, the photos may not show who it is: try them larger (--data.image-size) or cut to "
        "the animal.",
        {"rank1": metrics["rank1"], "guessing": chance},
    )


def rank1_of_guessing(labels: np.ndarray, query: np.ndarray, gallery: np.ndarray) -> float:
    """The share of each query's gallery that is of its individual, averaged over the queries."""
    labels = np.unique(labels, return_inverse=True)[1].reshape(-1)
    own = np.isin(query, gallery)
    there = np.bincount(labels[gallery], minlength=labels.max() + 1)[labels[query]] - own
    asked = there > 0
    return float(np.mean(there[asked] / (len(gallery) - own[asked]))) if asked.any() else math.nan


def too_few(metrics: Numbers, individuals: int) -> Symptom | None:
    """The 95% interval of Rank-1 is wider than 0.3, or there are fewer than six individuals.

    Five cannot say whether a network is better than another, see ``FEWEST_FOR_VERDICT``. An
    interval of 0.3 is from every second photo to four in five.

    Args:
      metrics: with ``rank1_low`` and ``rank1_high``.
      individuals: that are searched for.
    """
    low, high = metrics["rank1_low"], metrics["rank1_high"]
    if individuals >= FEWEST_FOR_VERDICT and not high - low > _WIDE:
        return None
    could = f": with others, Rank-1 could be anything from {low:.2f} to {high:.2f}"
    return Symptom(
        "few individuals",
        f"Too few individuals for a claim: the photos that are looked up show {individuals}"
        f"{could if math.isfinite(low) else ''}.",
        "Hold out more individuals (--data.test-fraction), or photograph more.",
        {"individuals": individuals, "rank1_low": low, "rank1_high": high},
    )


def flatters(split: str | None, metrics: Numbers, same_day: float) -> Symptom | None:
    """The split lets photos of one encounter find each other.

    A random split by photo always does. Elsewhere photos of the query's own day do where they
    are right more often than their number says: were all matches as good, Rank-1 without the share
    `same_day` of them would be ``1 - (1 - Rank-1) ** (1 - same_day)``. It lies below that by 0.05
    or more.

    Args:
      split: of ``data.split``; None where photos were not held out by one.
      metrics: with ``rank1_other_day`` where days make a difference.
      same_day: of a query's matches, the share of its own day, averaged over queries.
    """
    ours, apart = metrics["rank1"], metrics.get("rank1_other_day", math.nan)
    numbers = {"rank1": ours, "rank1_other_day": apart, "same_day": same_day}
    expected = 1 - (1 - ours) ** (1 - same_day)
    if apart < expected - _SAME_DAY:
        what = (
            f"photos of one day find each other. Rank-1 is {ours:.3f}, and {apart:.3f} where an "
            "individual's photos of the same day do not count"
        )
    elif split == "photo":
        what = "photos of one encounter, which are nearly the same, are on both sides"
    else:
        return None
    return Symptom(
        "flattering split",
        f"The split flatters: {what}.",
        "Split by date (--data.split date), or by individual where there are no dates.",
        numbers,
    )


def leaked(alike: int, compared: int, trained: int) -> Symptom | None:
    """Photos that are searched for look like training photos more than two photos ever do.

    At least three, and at least one in fifty: fewer move Rank-1 by less than 0.02.

    Args:
      alike: photos with such a twin, see :func:`reid_jax.individuals.twins.have_twins`.
      compared, trained: photos that were looked at on either side.
    """
    if alike < max(_FEWEST_ALIKE, _MOVES * compared):
        return None
    return Symptom(
        "leaked",
        f"The sides are not apart: {alike:,} of {compared:,} photos that are looked up look "
        f"nearly the same as one of {trained:,} training photos, so the numbers flatter.",
        "Put frames of one film and photos of one burst on one side (--data.split date, or a "
        "column split), and give one animal one name.",
        {"alike": alike, "compared": compared, "trained": trained},
    )


def single_photos(photos: np.ndarray) -> Symptom | None:
    """More than half of the training individuals have a single photo.

    Args:
      photos: ``(C,)`` training photos of each individual.
    """
    single, number = int(np.sum(photos == 1)), len(photos)
    if not single > _SINGLE * number:
        return None
    return Symptom(
        "single photos",
        f"Of {number:,} training individuals {single:,} have a single photo, which does not show "
        "how photos of one individual differ.",
        "Add photos of the same individuals, of other days; two of some are worth more than one of "
        "many.",
        {"individuals": number, "single": single},
    )
