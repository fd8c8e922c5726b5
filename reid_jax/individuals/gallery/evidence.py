"""What the local features of a gallery are worth: found on its own photos, as for the network."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from reid_jax.console import say
from reid_jax.data.digests import DTYPE, file_digest
from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos import Dataset
from reid_jax.data.photos.given import Photo, is_path
from reid_jax.errors import UserError
from reid_jax.individuals.calibration import Asked, ask, calibrate
from reid_jax.individuals.evidence.features import (
    VERSION,
    Evidence,
    chosen_evidence,
    dataset_rows,
    photo_rows,
)
from reid_jax.individuals.evidence.fusion import Fusion
from reid_jax.individuals.evidence.local import Background, Local
from reid_jax.individuals.evidence.pairs import Pairs
from reid_jax.individuals.evidence.search import Reach
from reid_jax.individuals.gallery.reports.judging import judged
from reid_jax.individuals.gallery.value import DIGEST, Gallery
from reid_jax.ops.ranking.individuals import RULES

_PAIRS = 60_000  # of photos that are compared for the calibration: a minute of two cores
_FEWEST, _MOST = 60, 300  # photos that are asked about for it


def evidence_of(gallery: Gallery) -> Evidence:
    """By what a gallery answers, where nobody says otherwise."""
    if gallery.local is None:
        return "none"
    kind: Evidence = gallery.settings["evidence"]["kind"]
    return kind if settings_of(gallery).get("calibration") else "none"


def settings_of(gallery: Gallery) -> dict[str, Any]:
    """What a gallery says of its local features; empty where it has none."""
    return {} if gallery.local is None else gallery.settings.get("evidence", {})


def reach_of(gallery: Gallery) -> Reach:
    """With how many photos of it local features are compared."""
    found = settings_of(gallery)
    return Reach(**{name: found[name] for name in ("whole", "nearest") if name in found})


def fusion_of(gallery: Gallery) -> Fusion | None:
    """By what both scores are one; None where nobody knows."""
    found = settings_of(gallery).get("fusion")
    return None if found is None else Fusion.of_json(found)


def with_features(gallery: Gallery, dataset: Dataset, background: Background | None) -> Gallery:
    """Photos of a source, described by `gallery`, with their local features.

    Args:
      background: of the gallery to which they will belong; None draws one of their own.
    """
    rows, digests = dataset_rows(dataset), gallery.columns[DIGEST].astype(DTYPE)
    local = Local.of(rows, digests, background or Background.of(rows, digests))
    return dataclasses.replace(gallery, local=local)


def with_features_of_files(gallery: Gallery) -> Gallery:
    """A gallery without local features with those of its photos, where they lie.

    Raises:
      UserError: one of them cannot be read; it is named.
    """
    nobody = np.zeros(len(gallery), np.int32)
    columns = {DIGEST: gallery.columns[DIGEST].astype(DTYPE)}
    return with_features(gallery, Dataset(gallery.paths, nobody, ("",), columns), None)


def features_asked(gallery: Gallery, photos: Sequence[Photo]) -> Local:
    """Those of photos to be looked up, as a caller holds them."""
    assert gallery.local is not None

    def digest(photo: Photo) -> bytes:
        return file_digest(os.fspath(photo)) if is_path(photo) else b""

    digests = np.array(parallel_map(digest, list(photos)), DTYPE)
    return Local.of(photo_rows(photos), digests, gallery.local.background)


def evidence_for(gallery: Gallery, asked: Evidence | None) -> Evidence:
    """By what photos are looked up; None asks for what the gallery answers by.

    Raises:
      UserError: the gallery has no such evidence, or it cannot be had here.
    """
    if asked is None:
        kind = evidence_of(gallery)
        if kind == "none" and (why := settings_of(gallery).get("why")):
            say(f"local features are not used: {why}")
        if kind != "none" and chosen_evidence(None) == "none":
            say("OpenCV is not installed, so the network answers alone (extra evidence)")
            return "none"
    elif (kind := chosen_evidence(asked)) != "none" and gallery.local is None:
        raise UserError(
            "This gallery has no local features: reid-jax gallery add GALLERY DATA --evidence "
            f"{kind} finds them for all of its photos."
        )
    if kind != "none" and (found := settings_of(gallery)["version"]) != VERSION:
        raise UserError(
            f"The local features of this gallery are of version {found}, this program finds those "
            f"of version {VERSION}: build the gallery again, or give --evidence none."
        )
    return kind


def compared(gallery: Gallery, embeddings: np.ndarray, local: Local) -> Pairs:
    """Photos with the gallery's; their floors are by its background."""
    assert gallery.local is not None
    return Pairs.of(
        embeddings,
        local,
        gallery.embeddings,
        gallery.local,
        metric=gallery.settings["metric"],
        reach=reach_of(gallery),
    )


def worth(
    gallery: Gallery,
    kind: Evidence,
    known: np.ndarray,
    strange: np.ndarray,
    individuals: np.ndarray,
    met: np.ndarray,
    strangers: float,
) -> dict[str, Any]:
    """What `settings` say under "evidence": how both scores are fused, and the calibrations.

    Args:
      gallery: G photos with local features.
      kind: of evidence, by which it will answer.
      known, strange: ``(G,)`` bool: the photos that may be asked about as known ones and as
        strangers; some are drawn.
      individuals, met: ``(G,)`` integers: whose photo each is, and of which encounter.
      strangers: the share of strangers that is assumed.
    """
    assert gallery.local is not None
    reach = reach_of(gallery)
    found: dict[str, Any] = {"kind": kind, "version": VERSION, **dataclasses.asdict(reach)}
    compared_with = len(gallery) if len(gallery) <= reach.whole else reach.nearest
    number = int(np.clip(_PAIRS // compared_with, _FEWEST, _MOST))
    rows = np.random.default_rng(2).permutation(np.flatnonzero(known | strange))
    rows = np.sort(rows[:number])
    if not len(rows):
        return {**found, "calibration": {}, "why": "no photo has another one of its individual"}
    pairs = Pairs.of(
        np.asarray(gallery.embeddings[rows]),
        gallery.local.take(rows),
        gallery.embeddings,
        gallery.local,
        metric=gallery.settings["metric"],
        reach=reach,
        apart=[(met[rows], met)],
    )
    valid = (pairs.photos >= 0) & (met[rows][:, None] != met[pairs.photos])
    same = individuals[rows][:, None] == individuals[pairs.photos]
    fusion = Fusion.fitted(pairs.network[valid], pairs.agreement[valid], same[valid])
    found["fusion"] = None if fusion is None else fusion.as_json()

    def asked(evidence: Evidence, rule: Any) -> Asked:
        return ask(
            pairs.searched(evidence, fusion, individuals),
            np.arange(len(rows)),
            individuals[rows],
            known[rows],
            strange[rows],
            rule=rule,
            apart=[(met[rows], met)],
        )

    size = int(individuals.max()) + 1
    kinds: tuple[Evidence, ...] = ("local", "fused")
    digests = gallery.column(DIGEST)[rows]
    calibrations: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    try:
        for evidence in kinds:
            lists = {rule: asked(evidence, rule) for rule in RULES}
            calibrations[evidence] = {
                rule: dataclasses.asdict(
                    calibrate(lists[rule], individuals=size, strangers=strangers)
                )
                for rule in RULES
            }
            answers[evidence] = judged(lists[RULES[0]], digests, strangers)
    except UserError as error:
        return {**found, "calibration": {}, "why": str(error)}
    return {**found, "calibration": calibrations, "judged": answers}


def calibrations_of(gallery: Gallery, evidence: Evidence) -> dict[str, Any]:
    """Calibrations by rule as JSON values, of answers by this evidence."""
    if evidence == "none":
        found: dict[str, Any] = gallery.settings["calibration"]
        return found
    return settings_of(gallery).get("calibration", {}).get(evidence, {})
