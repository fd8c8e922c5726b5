"""`reid-jax gallery reembed`: the same gallery with the embeddings of another network."""

import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reid_jax.console import counted, say
from reid_jax.individuals.gallery.anew.comparison import Compared, compare
from reid_jax.individuals.gallery.anew.embedding import Gone, embedded
from reid_jax.individuals.gallery.anew.generations import renew, stored_photos
from reid_jax.individuals.gallery.calibrating import recalibrated, strangers_of
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.journal.person import person
from reid_jax.individuals.gallery.members import model_of, place_of
from reid_jax.individuals.gallery.reference import RunPhotos
from reid_jax.individuals.gallery.store import check_place
from reid_jax.individuals.gallery.stored.eight_bits import Store, store_of, stored_as
from reid_jax.individuals.gallery.stored.reading import WORTH, read_gallery
from reid_jax.individuals.gallery.stored.source import of_nobody
from reid_jax.individuals.gallery.value import TRAINED, Gallery
from reid_jax.individuals.model import TrainedModel
from reid_jax.individuals.published import open_model
from reid_jax.ops.ranking.eight import taken

Take = Literal["new", "better", "before"]
"""Which embeddings the gallery has in the end: the new ones, those that find more, or the ones from
before, so that both are compared alone."""


@dataclass(frozen=True)
class Reembedded:
    """Attributes:
    gallery: as it is with the new embeddings.
    compared: both networks; None where it is the same one, or nothing can be compared.
    same: whether it is the network that the gallery had.
    gone: photos that were embedded from small pictures, and why.
    taken: whether the new embeddings are those of the gallery now.
    """

    gallery: Gallery
    compared: Compared | None
    same: bool
    gone: tuple[Gone, ...]
    taken: bool


def reembed(
    folder: Path,
    workdir: Path | None = None,
    *,
    take: Take = "new",
    store: Store | None = None,
    who: str = "",
) -> Reembedded:
    """Embeds all photos that a gallery stores by a network; every decision is kept.

    The former embeddings stay beside the new ones until photos are added.

    Args:
      folder: of the gallery.
      workdir: of the run, or a word for a published network; None for the gallery's own.
      take: which embeddings it has in the end.
      store: how these are kept; None for as they were.
      who: wants it; by default see :func:`reid_jax.individuals.gallery.journal.person.person`.

    Raises:
      UserError: there is no gallery or no such network, another process writes, or the disk is
        full; what was there is intact.
    """
    who = who or person()
    before = read_gallery(folder, thumbnails=False, marked=True)
    if take != "before":
        check_place(folder)
    model = model_of(folder, before, None) if workdir is None else open_model(workdir)
    same = model.fingerprint == before.settings["fingerprint"]
    photos, state = stored_photos(folder, who)
    before = read_gallery(folder, thumbnails=False, marked=True)
    run = RunPhotos.of(model)
    say(f"{counted(len(photos), 'photo')} of {folder} are embedded by {model.workdir}")
    made, gone = embedded(photos, model, run.trained_on)
    made = replace(made, reference=run.embedded(model))
    made = stored_as(made, store or store_of(before), model.task.metric)
    before, new = _with(before, made, model, folder)
    compared = None if same else _compared(before.taking_part, new.taking_part, folder)
    worse = compared is not None and not compared.is_better
    if take == "before" or (take == "better" and worse):
        return Reembedded(new, compared, same, tuple(gone), False)
    new = recalibrated(new, strangers_of(before))
    agree = before.position == state.position

    def embed(others: Gallery) -> Gallery:
        found, missing = embedded(others, model, run.trained_on)
        gone.extend(missing)
        return found

    renew(folder, made, new.settings, state.names_changed if agree else -1, embed, who)
    return Reembedded(new, compared, same, tuple(gone), True)


def _with(
    before: Gallery, made: Gallery, model: TrainedModel, folder: Path
) -> tuple[Gallery, Gallery]:
    """The gallery as it was, and with what the network makes of its photos; not calibrated."""
    place = {one: row for row, one in enumerate(made.known_ids)}
    there = [row for row, one in enumerate(before.known_ids) if one in place]  # before others came
    before = before.take(np.array(there, np.int64))
    rows = np.array([place[one] for one in before.known_ids], np.int64)
    settings: dict[str, Any] = {
        **{name: value for name, value in before.settings.items() if name not in WORTH},
        "fingerprint": model.fingerprint,
        **place_of(model, folder),
        "metric": model.task.metric,
        "reembedded": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    if "evidence" in settings:
        settings["evidence"] = {"kind": settings["evidence"]["kind"]}
    new = replace(
        before,
        embeddings=taken(made.embeddings, rows),
        columns={**before.columns, TRAINED: made.column(TRAINED)[rows]},
        reference=made.reference,
        settings=settings,
    )
    return before, new


def _compared(before: Gallery, new: Gallery, folder: Path) -> Compared | None:
    sure = {one.id for one in Decisions(folder).photos().values() if one.confirmed}
    confirmed = np.array([one in sure for one in new.known_ids], bool)
    return compare(before, new, of_nobody(new), confirmed)
