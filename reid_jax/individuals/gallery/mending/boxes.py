"""Boxes that people draw: a photo of a gallery becomes the part of it that shows the animal."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reid_jax.data.crops import box_of, whole_and_box
from reid_jax.data.digests import DTYPE, file_digest
from reid_jax.data.photos import Dataset
from reid_jax.data.photos.images import BadImageError, proportions
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.calibrating import recalibrated
from reid_jax.individuals.gallery.decided import not_there
from reid_jax.individuals.gallery.decisions import YES, Decisions, checked_name
from reid_jax.individuals.gallery.evidence import with_features
from reid_jax.individuals.gallery.journal.entries import CONFIRMED, MARK, NOTE
from reid_jax.individuals.gallery.members import check_fingerprint, model_of
from reid_jax.individuals.gallery.pictures import thumbnails
from reid_jax.individuals.gallery.store import update_gallery
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import DIGEST, Gallery, join
from reid_jax.individuals.model import TrainedModel

KIND = "box"
"""What the decision is called in the journal."""


@dataclass(frozen=True)
class Drawn:
    """What somebody drew.

    Attributes:
      photo: of the gallery: id, path, or a file name that only one has.
      numbers: x, y, width and height in pixels of the upright photo; none for all of it.
      share: whether these are parts of one of the photo's width and height instead.
      another: whom the box shows beside the photo, which stays as it is; "" where the box takes its
        place.
      new: whether there may be no photo of that one yet.
    """

    photo: str
    numbers: Sequence[float] = ()
    share: bool = False
    another: str = ""
    new: bool = False


def draw_box(
    folder: Path,
    drawn: Drawn,
    who: str = "",
    *,
    workdir: Path | None = None,
    model: TrainedModel | None = None,
) -> int:
    """Draws a box, or a second one on the same photo; the part is embedded and answers from then.

    One decision: the photo goes, and its part comes with the same name, date, note and mark. Taken
    back, the photo is there again as it was embedded before.

    Args:
      folder: of the gallery.
      who: draws it.
      workdir: of the run, should it have moved.
      model: its network, where it is loaded already.

    Returns:
      The number of the decision.

    Raises:
      UserError: there is no such photo or individual, the box lies outside the photo or shows
        nothing, or the photo is there with this box already.
    """
    decisions = Decisions(folder, who)
    one = decisions.find_photo(drawn.photo)
    stored = read_gallery(folder, thumbnails=False, marked=True)
    [row] = np.flatnonzero(stored.known_ids == one)
    before = stored.take(np.array([row]))
    name = _name(decisions, drawn) if drawn.another else str(before.identities[0])
    model = model_of(folder, stored, workdir) if model is None else model
    path = _part(str(before.paths[0]), drawn, model.config.data.reading.margin)
    if path in set(stored.paths.tolist()):
        raise UserError(f"{path} is in the gallery already.")
    part = _embedded(stored, before, path, name, model)

    def change(gallery: Gallery) -> Gallery:
        check_fingerprint(folder, gallery, model)
        others = np.flatnonzero(gallery.known_ids != one)
        if len(others) == len(gallery):
            raise UserError(f"{drawn.photo} was removed from the gallery meanwhile.")
        rest = gallery if drawn.another else gallery.take(others)
        return recalibrated(join(rest, part))

    photo = decisions.photos()[one]
    known = {CONFIRMED: YES if photo.confirmed else "", NOTE: photo.note, MARK: photo.mark}
    known = {CONFIRMED: YES} if drawn.another else known
    said = {path: {fact: value for fact, value in known.items() if value}}
    update_gallery(folder, change, KIND, who, said)
    return decisions.history(photo=path)[-1].number


def _name(decisions: Decisions, drawn: Drawn) -> str:
    if drawn.new:
        return checked_name(drawn.another)
    names = decisions.individuals()
    if drawn.another not in names:
        raise not_there("individual", drawn.another, names)
    return drawn.another


def _part(path: str, drawn: Drawn, margin: float) -> str:
    """The name of the part of a photo of the gallery.

    Raises:
      UserError: it is none.
    """
    whole, _ = whole_and_box(path)
    if not drawn.numbers:
        return whole
    try:
        numbers = list(drawn.numbers)
        if drawn.share and len(numbers) == 4:
            width, height = proportions(whole)
            sides = (width, height, width, height)
            numbers = [float(round(n * side)) for n, side in zip(numbers, sides, strict=True)]
        box = box_of(numbers, margin)
        proportions(part := f"{whole}{box}")
    except BadImageError as error:
        raise UserError(f"{whole} has no such part: {error.reason}.") from error
    except ValueError as error:
        raise UserError(f"{whole} has no such part: {error}.") from error
    return part


def _embedded(
    stored: Gallery, before: Gallery, path: str, name: str, model: TrainedModel
) -> Gallery:
    """The part of a photo, with what is known of the photo, as one that comes to the gallery."""
    try:
        digest = np.array([file_digest(path)], DTYPE)
    except OSError as error:
        whole = os.fspath(whole_and_box(path)[0])
        raise UserError(f"{whole} cannot be read ({error.strerror}).") from error
    dataset = Dataset(np.array([path]), np.zeros(1, np.int32), (name,), {DIGEST: digest})
    pictures, blank = thumbnails(dataset)
    if blank[0]:
        raise UserError(f"{path} cannot be used: {blank[0]}.")
    part = replace(
        before,
        paths=np.array([path], object),
        identities=np.array([name], object),
        columns={**before.columns, DIGEST: digest.astype(np.str_)},
        embeddings=model.embed(dataset),
        thumbnails=pictures,
        local=None,
        ids=None,
        marks=None,
    )
    if stored.local is None:
        return part
    return with_features(part, dataset, stored.local.background)
