"""What the similarities of a gallery are worth: found on the gallery itself, at its size."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reid_jax.console import say
from reid_jax.data.photos.reading import SIDE
from reid_jax.errors import UserError
from reid_jax.individuals.calibration import (
    STRANGERS,
    Asked,
    Calibration,
    ask,
    calibrate,
)
from reid_jax.individuals.choice import ChoiceCalibration
from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.gallery.evidence import calibrations_of, worth
from reid_jax.individuals.gallery.familiar import familiar_from, hubs
from reid_jax.individuals.gallery.journal.entries import NAME_FROM
from reid_jax.individuals.gallery.reference import held_out, of_one_side
from reid_jax.individuals.gallery.reports.judging import judged
from reid_jax.individuals.gallery.store import keep_worth
from reid_jax.individuals.gallery.value import DIGEST, TRAINED, Gallery
from reid_jax.individuals.search import gallery_search
from reid_jax.ops.ranking.individuals import RULES, Rule
from reid_jax.ops.ranking.matching import encounters, has_match, is_known

_MOST = 600  # photos asked about, as known ones and as strangers: enough for the curves
_MANY = 20_000  # photos, from which it takes more than two seconds
_FEWEST = 10  # individuals for a rate of some percent
JUDGED = "judged"
"""The setting that keeps answers by which it is calibrated, see `judging`."""


def calibration_of(gallery: Gallery, rule: Rule, evidence: Evidence = "none") -> Calibration | None:
    """What the scores of a rule are worth in this gallery, or None where nobody knows.

    Where somebody decided from which probability a name is given, it is given from there.
    """
    found = calibrations_of(gallery, evidence).get(rule)
    if found is None:
        return None
    calibration = Calibration(**{**found, "choice": ChoiceCalibration(**found["choice"])})
    chosen = gallery.settings.get(NAME_FROM)
    return calibration if chosen is None else dataclasses.replace(calibration, name_from=chosen)


def calibrated(gallery: Gallery, strangers: float | None = None) -> Gallery:
    """The gallery, calibrated anew where its calibration is of an older kind or another share.

    Args:
      strangers: the assumed share of photos of individuals that are not in the gallery; by default
        the gallery's own.
    """
    share = strangers_of(gallery) if strangers is None else strangers
    there = "calibration" in gallery.settings and JUDGED in gallery.settings
    if there and "strangers" in gallery.settings and share == strangers_of(gallery):
        return gallery
    found = recalibrated(gallery, share)
    if not there and share == strangers_of(gallery):  # somebody decided who is who since
        keep_worth(found)
    return found


def strangers_of(gallery: Gallery) -> float:
    """The share of strangers that a gallery assumes."""
    return float(gallery.settings.get("strangers", STRANGERS))


def recalibrated(gallery: Gallery, strangers: float | None = None) -> Gallery:
    """The gallery with a calibration of the photos that are in it now and take part."""
    share = strangers_of(gallery) if strangers is None else strangers
    check_strangers(share)
    if (part := gallery.taking_part) is not gallery:
        return dataclasses.replace(gallery, settings=recalibrated(part, share).settings)
    if len(gallery) > _MANY:
        say(f"calibrating on {len(gallery):,} photos")
    photos = _Photos.of(gallery)
    asked = _chosen(photos)
    found, answers, how = _calibrations(photos, *asked, share)
    settings = {
        **{name: value for name, value in gallery.settings.items() if name != "sides"},
        "strangers": share,
        "calibration": {rule: dataclasses.asdict(one) for rule, one in found.items()},
        "calibrated_with": how,
        JUDGED: answers,
        "familiar_from": familiar_from(gallery),
        "hubs": hubs(gallery),
    }
    if gallery.local is not None:
        own = photos.own
        known, strange = (mask[own] for mask in asked[:2])
        facts = photos.present, photos.encounters[own]
        kind = gallery.settings["evidence"]["kind"]
        settings["evidence"] = worth(gallery, kind, known, strange, *facts, share)
    return dataclasses.replace(gallery, settings=settings)


def sides_of(gallery: Gallery) -> list[str]:
    """The sides of animals that its photos are known to show."""
    sides = gallery.column(SIDE)
    found: list[str] = np.unique(sides[is_known(sides)]).tolist()
    return found


def of_side(gallery: Gallery, side: str, strangers: float | None = None) -> Gallery:
    """The photos of one side, and those whose side is not known, calibrated among themselves.

    A photo of another side says nothing about who it is not, so it is not compared with.

    Args:
      side: one of :func:`sides_of`, in whatever case.
      strangers: see :func:`calibrated`.

    Raises:
      UserError: no photo is known to show that side.
    """
    name, known = side.strip().lower(), sides_of(gallery)
    if name not in known:
        there = f"they are known to show {', '.join(known)}" if known else "no side of one is known"
        raise UserError(f"No photo of the gallery shows the side {side}; {there}.")
    share = strangers_of(gallery) if strangers is None else strangers
    sides = gallery.column(SIDE)
    part = gallery.take(np.flatnonzero((sides == name) | ~is_known(sides)))
    part = dataclasses.replace(part, reference=of_one_side(gallery.reference, name))
    found: dict[str, Any] = gallery.settings.get("sides", {})
    if name in found and found[name]["strangers"] == share:
        return dataclasses.replace(part, settings={**gallery.settings, **found[name]})
    part = recalibrated(part, share)
    if share == strangers_of(gallery):
        own = {fact: part.settings[fact] for fact in _OF_A_SIDE if fact in part.settings}
        settings = {**gallery.settings, "sides": {**found, name: own}}
        keep_worth(dataclasses.replace(gallery, settings=settings))
    return part


_OF_A_SIDE = ("calibration", "calibrated_with", "familiar_from", "hubs", "strangers", "evidence")


def check_strangers(share: float) -> None:
    """Raises a UserError where it is no share."""
    if not 0 < share < 1:
        raise UserError(
            f"The share of strangers is {share}; it must be above 0 and below 1, such as "
            "0.01 where next to nobody is one."
        )


def _calibrations(
    photos: "_Photos", known: np.ndarray, strange: np.ndarray, how: str, strangers: float
) -> tuple[dict[Rule, Calibration], dict[str, Any], str]:
    """For each rule, by the photos that were chosen; the answers; and in words, with what."""
    size = int(photos.present.max()) + 1
    search = gallery_search(photos.embeddings[photos.own], photos.present, photos.metric)
    rows = np.flatnonzero(known | strange)
    apart = photos.encounters[rows], photos.encounters[photos.own]

    def in_the_gallery(rule: Rule) -> Asked:
        asked = photos.embeddings[rows], photos.individuals[rows], known[rows], strange[rows]
        return ask(search, *asked, rule=rule, apart=[apart])

    try:
        return *_each(in_the_gallery, size, strangers, photos.digests[rows]), how
    except UserError as error:
        why = str(error)
    rest = ~photos.own
    if not rest.any():
        return {}, {}, f"nothing: {why}"
    names, individuals = np.unique(photos.individuals[rest], return_inverse=True)
    others = gallery_search(photos.embeddings[rest], individuals, photos.metric)
    met = photos.encounters[rest]
    everyone = np.arange(len(met))
    again = has_match(individuals, met, everyone, everyone)

    def among_others(rule: Rule) -> Asked:
        asked = photos.embeddings[rest], individuals, again, np.ones(len(met), bool)
        return ask(others, *asked, rule=rule, apart=[(met, met)])

    how = f"the run's held-out photos of {len(names)} individuals, for a gallery of {size}"
    try:
        nameless = np.full(len(met), "")
        return *_each(among_others, size, strangers, nameless), f"{how} ({why})"
    except UserError:
        return {}, {}, f"nothing: {why}"


def _each(
    asked: Callable[[Rule], Asked], size: int, strangers: float, digests: np.ndarray
) -> tuple[dict[Rule, Calibration], dict[str, Any]]:
    """Calibrations by rule; and the answers of the first rule, as settings keep them."""
    answers = {rule: asked(rule) for rule in RULES}
    calibrations = {
        rule: calibrate(answers[rule], individuals=size, strangers=strangers) for rule in RULES
    }
    return calibrations, {"none": judged(answers[RULES[0]], digests, strangers)}


def _chosen(photos: "_Photos") -> tuple[np.ndarray, np.ndarray, str]:
    """Masks of the photos asked about as known ones and as strangers; and in words, which.

    A network tells those it was trained on apart as it will tell nobody else. So photos it never
    saw are asked about, and individuals it never saw as strangers, while there are enough. Those
    that the run held out help where the gallery is of the run's own population.
    """
    everyone = np.arange(len(photos.individuals))
    gallery = np.flatnonzero(photos.own)
    own, seen = photos.own, photos.marks == "photo"
    met = seen | (photos.marks == "individual")
    related = bool(met[own].any())
    inside = np.ones(len(own), bool) if related else own
    matched = inside & has_match(photos.individuals, photos.encounters, everyone, gallery)
    several = photos.present.max() > 0
    possible = inside & (several | (photos.individuals > photos.present.max()))
    known = _some(_first_enough(photos, matched, (own & ~seen, ~seen, own)))
    unmet = (own & ~met, ~met, own & ~seen, ~seen, own)
    strange = _some_of_each(photos, _first_enough(photos, possible, unmet))
    how = "the gallery's own photos, each against those of other individuals and other encounters"
    if (known | strange)[~own].any():
        how += "; and photos that the run held out"
    if not photos.marks[own].astype(bool).any():
        how += "; what the network was trained on is not known"
    if (seen & known).any() or (met & strange).any():
        how += "; the network was trained on some of these individuals, which flatters it"
    return known, strange, how


def _first_enough(
    photos: "_Photos", possible: np.ndarray, wanted: Sequence[np.ndarray]
) -> np.ndarray:
    """The photos of the first mask that has enough individuals; else of the last."""
    for mask in wanted:
        chosen = possible & mask
        if len(np.unique(photos.individuals[chosen])) >= _FEWEST:
            break
    return chosen


def _some(possible: np.ndarray) -> np.ndarray:
    """At most as many of them as are asked about."""
    chosen = np.zeros(len(possible), bool)
    chosen[np.random.default_rng(0).permutation(np.flatnonzero(possible))[:_MOST]] = True
    return chosen


def _some_of_each(photos: "_Photos", possible: np.ndarray) -> np.ndarray:
    """As :func:`_some`, in turn one of each individual, so that many are asked about."""
    rows = np.random.default_rng(0).permutation(np.flatnonzero(possible))
    rows = rows[np.argsort(photos.individuals[rows], kind="stable")]
    _, starts, counts = np.unique(photos.individuals[rows], return_index=True, return_counts=True)
    turn = np.arange(len(rows)) - np.repeat(starts, counts)
    shuffled = np.random.default_rng(1).permutation(len(rows))
    chosen = np.zeros(len(possible), bool)
    chosen[rows[shuffled[np.argsort(turn[shuffled], kind="stable")]][:_MOST]] = True
    return chosen


@dataclasses.dataclass(frozen=True)
class _Photos:
    """The photos of a gallery, and after them those that its run held out and that it has not.

    Attributes:
      embeddings: ``(N, D)``; individuals: ``(N,)``: below the number of the gallery's individuals
        for these; encounters: ``(N,)``; marks: ``(N,)``, see
        :meth:`reid_jax.individuals.gallery.reference.TrainedOn.marks`, "" where it is not known.
      present: ``(G,)`` individuals of the gallery.
      metric: of the comparison.
      digests: ``(N,)`` contents; "" for photos that are not in the gallery, or not known.
    """

    embeddings: np.ndarray
    individuals: np.ndarray
    encounters: np.ndarray
    marks: np.ndarray
    present: np.ndarray
    metric: str
    digests: np.ndarray

    @staticmethod
    def of(gallery: Gallery) -> "_Photos":
        names, present = np.unique(gallery.identities.astype(np.str_), return_inverse=True)
        others = held_out(gallery.reference, gallery.embeddings.shape[1])
        new = ~np.isin(others["paths"], gallery.paths.astype(np.str_))
        strange = np.setdiff1d(others["identities"][new], names)
        everyone = np.concatenate([names, strange])
        order = np.argsort(everyone)
        place = order[np.searchsorted(everyone, others["identities"][new], sorter=order)]
        individuals = np.concatenate([present, place])
        nowhen = np.full(len(gallery), np.datetime64("NaT", "s"))
        dates = np.concatenate([gallery.columns.get("date", nowhen), others["dates"][new]])
        embeddings = np.concatenate(
            [np.asarray(gallery.embeddings, np.float32), others["held_out"][new]]
        ).astype(np.float32)
        # One picture under two names is one encounter: it finds itself whatever was learnt.
        met = encounters(individuals, dates)
        met = np.where(np.isnat(dates), met[_first_copies(embeddings)], met)
        unsaid = np.full(len(gallery), "")
        marks = np.concatenate([gallery.columns.get(TRAINED, unsaid), others["marks"][new]])
        metric = gallery.settings["metric"]
        digests = np.concatenate([gallery.column(DIGEST), np.full(int(new.sum()), "")])
        return _Photos(embeddings, individuals, met, marks, present, metric, digests)

    @property
    def own(self) -> np.ndarray:
        """``(N,)`` bool: those of the gallery."""
        return np.arange(len(self.individuals)) < len(self.present)


def _first_copies(embeddings: np.ndarray) -> np.ndarray:
    """``(N,)`` the first row with (nearly) the embedding of each."""
    directions = np.random.default_rng(0).normal(size=(embeddings.shape[1], 3))
    seen = embeddings.astype(np.float16).astype(np.float32) @ directions.astype(np.float32)
    seen = np.round((seen - seen.mean(axis=0)) / np.maximum(seen.std(axis=0), 1e-12), 3)
    _, first, group = np.unique(seen, axis=0, return_index=True, return_inverse=True)
    return first[group.reshape(-1)]
