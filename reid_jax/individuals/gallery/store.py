"""A gallery on disk. A reader sees the old one or the new one, whenever a writer is killed.

Who a photo is, and whether it is there at all, says the journal; photos lie in segments that are
never written again (:mod:`reid_jax.individuals.gallery.stored.layout`). What is added is a new
segment on the disk before the decision that names it is appended, which is one transaction. Only
where something else is to be kept of all photos a whole new generation is written, before the file
CURRENT is replaced, which is one atomic rename. What killed writers left is removed by the next.
"""

import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.files import atomic_write, check_destinations, make_folder
from reid_jax.individuals.gallery.journal.entries import INDIVIDUAL, REEMBED, Decision
from reid_jax.individuals.gallery.journal.journal import MADE, ChangedError
from reid_jax.individuals.gallery.journal.moving import move
from reid_jax.individuals.gallery.journal.person import person
from reid_jax.individuals.gallery.stored import journals
from reid_jax.individuals.gallery.stored.difference import difference
from reid_jax.individuals.gallery.stored.layout import (
    FIRST,
    LOCK,
    VERSION,
    Form,
    is_foreign,
    is_gallery,
    keep_journals,
    next_generation,
    read_form,
    remove_others,
)
from reid_jax.individuals.gallery.stored.reading import (
    TURNS,
    DamagedError,
    form_of,
    read_gallery,
)
from reid_jax.individuals.gallery.stored.roots import roots_of
from reid_jax.individuals.gallery.stored.segments import with_ids, write_segment
from reid_jax.individuals.gallery.stored.writing import (
    also_said,
    append,
    coming,
    compacted,
    rewritten,
    unwritten,
    whole,
    write_generation,
    write_settings,
)
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.locks import locked, try_lock
from reid_jax.platforms import sync_folder

AGREED = (*MADE, REEMBED, "add", "remove")
"""Kinds of decisions that follow from photos: a gallery built anew has them again."""

Said = Mapping[str, Mapping[str, str]]
"""By a photo's path and an attribute, the value."""

PATIENCE = 10.0
"""Seconds that a writer waits for another one."""


def keep_worth(gallery: Gallery) -> None:
    """Keeps what the similarities of a gallery are worth, unless somebody decided since.

    A gallery that cannot be written to is left as it is, and so is one at a URL.
    """
    if gallery.folder is None or journals.is_carried(gallery.folder.parent):
        return
    with (
        contextlib.suppress(OSError, UserError, ValueError, LookupError),
        try_lock(gallery.folder.parent / LOCK) as free,
    ):
        form = read_form(gallery.folder)
        state = journals.reading(form).state()
        if free and form.version != FIRST and state.position == gallery.position:
            write_settings(form, gallery.settings, state.names_changed)


def check_place(folder: Path) -> None:
    """Makes sure that a gallery can be written there, before the work that fills it.

    Raises:
      UserError: the folder holds something else, or cannot be written to.
    """
    if folder.exists() and not is_gallery(folder) and is_foreign(folder):
        raise UserError(
            f"{folder} is there already and is not a gallery; give the name of a new folder."
        )
    check_destinations(folder=folder)


def check_replaced(folder: Path) -> None:
    """Makes sure that nothing that people decided is lost if a new gallery takes a place.

    Raises:
      UserError: they decided something there.
    """
    form = _form_there(folder)
    if form is None or form.version == FIRST:
        return
    decided = [e for e in journals.reading(form).since() if e.kind not in AGREED]
    if decided:
        raise UserError(
            f"People decided something about photos of the gallery {folder}, last "
            f"{decided[-1].short}, which a new one would not know; add photos to it, or name "
            "another folder."
        )


def _form_there(folder: Path) -> Form | None:
    """The form of a gallery that a new one may take the place of; None for none, or damage."""
    with contextlib.suppress(DamagedError):
        return form_of(folder) if is_gallery(folder) else None
    return None


def write_gallery(folder: Path, gallery: Gallery, journal: str = "", who: str = "") -> None:
    """Makes a gallery, or puts this one in the place of the one that is there.

    Args:
      journal: the URL of the database that keeps its journal; "" for a file in the folder.
      who: builds it.

    Raises:
      UserError: the folder holds something else, or decisions of people; another process writes,
        or the disk is full.
    """
    check_place(folder)
    with writing(folder):
        check_replaced(folder)
        if (form := _form_there(folder)) is None:
            keep_journals(folder)
        remove_others(folder, form)
        _write_new(folder, gallery, "build", who, journal=journal)


def _write_new(
    folder: Path, gallery: Gallery, kind: str, who: str, *, journal: str = "", kept: str = ""
) -> None:
    """Writes a generation with a journal of its own, which takes the place of what is there."""
    gallery = with_ids(replace(gallery, ids=None), ())
    generation = next_generation(folder)
    there = _form_there(folder)
    first = there is None or there.version == FIRST
    form = Form(
        generation=generation,
        version=VERSION,
        gallery=uuid.uuid4().hex,
        journal=journal or journals.new_name(generation, first),
        base=1,
        embedding_size=gallery.embeddings.shape[1],
        kept=kept,
        facts={},
    )
    with whole(folder, form):
        stored, changes = coming(gallery, {})
        write_generation(form, stored)
        journals.begin(form)
        with journals.deciding(form) as opened:
            opened.append(Decision(kind, changes, who or person(), segment=1))
        write_settings(form, gallery.settings, 1)


def move_journal(folder: Path, url: str) -> int | None:
    """Brings the journal of a gallery from its file into a database, which it remembers.

    Args:
      url: of the database, without a password.

    Returns:
      How many decisions were brought; None where the journal is there already.

    Raises:
      UserError: it is in another database, this one cannot be used, or the gallery is at a URL.
    """
    if journals.is_carried(folder):
        raise UserError(f"{folder} is the copy of a gallery at a URL; its journal stays with it.")
    journals.check_url(url)
    converted(folder)
    with writing(folder):
        form = form_of(folder)
        if journals.is_same(form.journal, url):
            return None
        if "://" in form.journal:
            raise UserError(f"The journal of {folder} is at {form.journal} already.")
        moved = move(folder / form.journal, url, form.gallery)
        replace(form, journal=url).write(atomic_write)
        sync_folder(form.generation)
        return moved


def converted(folder: Path, who: str = "") -> Form:
    """The form of a gallery, which is brought into today's where it is of the first one.

    The generation of the first form stays beside it.

    Raises:
      UserError: it cannot be read or written.
    """
    form = form_of(folder)
    if form.version == FIRST:
        with writing(folder):
            form = _converted(folder, who)
    return form


def _converted(folder: Path, who: str) -> Form:
    form = form_of(folder)
    if form.version == FIRST:
        remove_others(folder, form)
        gallery = read_gallery(folder)
        _write_new(folder, gallery, "convert", who, kept=form.generation.name)
        say(
            f"{folder} has a journal now; what it was before stays in {form.generation.name}, "
            "which may be deleted"
        )
    return form_of(folder)


def update_gallery(
    folder: Path,
    change: Callable[[Gallery], Gallery],
    kind: str = "add",
    who: str = "",
    said: Said | None = None,
) -> Gallery:
    """Reads, changes and writes, so that no other writer comes between; returns the new one.

    Others wait while it writes, not while it changes; where another one was quicker, the change is
    made anew while they wait.

    Args:
      folder: of the gallery.
      change: returns what is to be there, from what is there; the very same where nothing changes.
      kind: of the decision that it is, if it is one about photos.
      who: decides.
      said: of new photos, by their paths, what else is known of each, by attribute.

    Raises:
      UserError: as :func:`read_gallery` and :func:`write_gallery`.
    """
    who = who or person()
    stored = read_gallery(folder, marked=True)
    changed = change(stored)
    with writing(folder):
        for _ in range(TURNS):
            if changed is stored:
                return changed
            form = _converted(folder, who)
            position = journals.reading(form).position
            if (stored.folder, stored.position) == (form.generation, position):
                try:
                    return _written(folder, form, stored, changed, kind, who, said or {})
                except ChangedError:
                    pass  # somebody decided meanwhile
            stored = read_gallery(folder, marked=True)
            changed = change(stored)
    raise UserError(f"The gallery {folder} is changed all the time; try again later.")


def _written(
    folder: Path,
    form: Form,
    stored: Gallery,
    changed: Gallery,
    kind: str,
    who: str,
    said: Said,
) -> Gallery:
    """Writes a change down, of what was read at the position at which the journal is.

    Raises:
      ChangedError: it no longer is.
    """
    state = journals.reading(form).state()
    found = difference(stored, changed, state.facts)
    own, changes = [stored.position], found.changes
    if found.rewritten:
        if changes:
            own.append(append(form, Decision(kind, changes, who), own[-1]))
            changes = ()
        form = rewritten(folder, form, changed.take(found.rows), own, who)
    try:
        fresh, segment = None, None
        if len(found.fresh):
            taken = state.of(INDIVIDUAL)
            there = {subject.partition("/")[2] for subject in taken}
            fresh = with_ids(replace(changed.take(found.fresh), ids=None), there)
            segment = max((form.base, *state.segments)) + 1
            shutil.rmtree(form.segment(segment), ignore_errors=True)  # a killed writer's
            fresh, come = coming(fresh, roots_of(state.facts))
            write_segment(form.segment(segment), fresh)
            sync_folder(form.generation)
            changes += (*come, *also_said(changed.paths[found.fresh], fresh, said, state))
        if changes:
            own.append(append(form, Decision(kind, changes, who, segment=segment), own[-1]))
        state = journals.reading(form).state()
        alone = [*own, state.position] == [*range(own[0], own[-1] + 1), own[-1]]
        write_settings(form, changed.settings, state.names_changed if alone else -1)
        with contextlib.suppress(ChangedError):  # somebody takes back a removal: another time
            form = compacted(folder, form, own, who)
    except OSError as error:
        raise unwritten(folder, error) from error
    remove_others(folder, form, former=not len(found.fresh))
    return changed


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """One writer at a time; another one waits for it for ten seconds.

    Raises:
      HeldError: and longer would have to.
    """
    with contextlib.ExitStack() as held:
        try:
            make_folder(folder)
            waiting = f"waiting for another process that writes to the gallery {folder}"
            held.enter_context(locked(folder / LOCK, waiting, PATIENCE))
        except OSError as error:
            raise UserError(f"{folder} cannot be written to ({error.strerror}).") from error
        yield
