"""Other embeddings take the place of those of a gallery, and can be taken back.

They are a new generation, whole on the disk before the file CURRENT names it. Decisions are not
touched: both generations have one journal. The former one stays until photos are added or others
take the place of the new ones.
"""

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.errors import UserError
from reid_jax.files import atomic_write, write_text
from reid_jax.individuals.gallery.journal.entries import (
    GALLERY,
    NETWORK,
    REEMBED,
    Change,
    Decision,
    State,
    taken_back,
)
from reid_jax.individuals.gallery.journal.journal import ChangedError
from reid_jax.individuals.gallery.store import converted, writing
from reid_jax.individuals.gallery.stored import journals
from reid_jax.individuals.gallery.stored.difference import with_facts
from reid_jax.individuals.gallery.stored.layout import (
    CURRENT,
    Form,
    read_form,
    remove_others,
)
from reid_jax.individuals.gallery.stored.reading import all_photos, form_of, of_current
from reid_jax.individuals.gallery.stored.writing import (
    append,
    next_form,
    unwritten,
    whole,
    write_generation,
    write_settings,
)
from reid_jax.individuals.gallery.value import TRAINED, Gallery, join
from reid_jax.ops.ranking.eight import taken
from reid_jax.platforms import sync_folder


def stored_photos(folder: Path, who: str) -> tuple[Gallery, State]:
    """Each photo that a gallery stores, also those that were removed, and what was decided.

    A gallery of an earlier form is converted.

    Raises:
      UserError: there is no gallery, or its files are damaged.
    """
    converted(folder, who)

    def read(form: Form) -> tuple[Gallery, State]:
        state = journals.reading(form).state()
        return with_facts(all_photos(form, state), state.facts), state

    return of_current(folder, read)


def renew(
    folder: Path,
    made: Gallery,
    settings: Mapping[str, Any],
    names_changed: int,
    embed: Callable[[Gallery], Gallery],
    who: str,
) -> None:
    """Writes the generation with other embeddings, which counts from then on.

    Args:
      made: photos as `stored_photos` gives them, with the embeddings, the column
        :data:`reid_jax.individuals.gallery.value.TRAINED` and the reference of the new network.
      settings: of the gallery with these.
      names_changed: of the state by which the settings were found.
      embed: makes of photos that were added meanwhile what `made` is of the others.
      who: wants it.

    Raises:
      UserError: another process writes, or the disk is full; what was there is intact.
    """
    with writing(folder):
        form = form_of(folder)
        note_network(form, who)
        state = journals.reading(form).state()
        photos = all_photos(form, state)
        place = {one: row for row, one in enumerate(made.known_ids)}
        came = [row for row, one in enumerate(photos.known_ids) if one not in place]
        if came:
            fresh = embed(with_facts(photos.take(np.array(came, np.int64)), state.facts))
            made = replace(join(made, fresh), reference=made.reference)
            place = {one: row for row, one in enumerate(made.known_ids)}
        rows = np.array([place[one] for one in photos.known_ids], np.int64)
        columns = {**photos.columns, TRAINED: made.column(TRAINED)[rows]}
        photos = replace(
            photos,
            embeddings=taken(made.embeddings, rows),
            columns=columns,
            reference=made.reference,
        )
        new = replace(next_form(folder, form, photos, state), former=form.generation.name)
        with whole(folder, new):
            write_generation(new, photos)
            write_settings(new, settings, -1 if came else names_changed)
        note_network(new, who)


def note_network(form: Form, who: str) -> None:
    """Says in the journal whose embeddings count, where it does not say so yet.

    That is so after they have taken the place of others, also by who was killed right then; and
    where who was killed had only begun to go back to the former ones.
    """
    if not form.former:
        return
    state = journals.reading(form).state()
    noted = state.facts.get((GALLERY, NETWORK))
    counts = f"{form.generation.name}: {_fingerprint(form)}"
    if noted == counts:
        return
    # What was said of single photos was said of the former network.
    said = sorted(state.of(TRAINED).items())
    changes = [Change(subject, TRAINED, value, None) for subject, value in said]
    changes.append(Change(GALLERY, NETWORK, noted, counts))
    with contextlib.suppress(ChangedError):  # somebody else has said it
        append(form, Decision(REEMBED, tuple(changes), who), state.position)


def _fingerprint(form: Form) -> str:
    found: str = json.loads(form.settings.read_text())["settings"].get("fingerprint", "")
    return found


def former_again(folder: Path, number: int, who: str, reason: str) -> int:
    """Goes back to the embeddings that were there before a decision; its number is returned.

    Raises:
      UserError: they are not there any more, or the decision is not the last one of its kind.
    """
    with writing(folder):
        form = form_of(folder)
        note_network(form, who)
        journal = journals.reading(form)
        decided = journal.since()
        without = taken_back({each.number: each.undoes for each in decided if each.undoes})
        able = [e.number for e in decided if e.kind == REEMBED and e.number not in without]
        if number not in able[-1:]:
            raise UserError(f"Decision {number} was undone already, or another one rests on it.")
        former = folder / form.former
        later = [each for each in journal.state().segments if each > form.base]
        if not form.former or not former.is_dir() or later:
            raise UserError(
                f"The embeddings from before decision {number} are no longer there, as photos were "
                "added since; reid-jax gallery reembed makes them again, given their network."
            )
        before = read_form(former)
        if before.journal != form.journal:  # which was moved meanwhile
            before = replace(before, journal=form.journal)
            before.write(atomic_write)
        with journals.deciding(form) as opened:
            undone = opened.undo(number, who, reason)
        try:
            write_text(folder / CURRENT, former.name + "\n")
        except OSError as error:
            raise unwritten(folder, error) from error
        with contextlib.suppress(OSError):  # it is written; only a power cut could still undo it
            sync_folder(folder)
        remove_others(folder, before)
        return undone
