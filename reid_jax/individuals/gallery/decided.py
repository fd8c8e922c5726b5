"""Who is who, as it was decided; and what was decided, by whom."""

import difflib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_jax.data.names import composed
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.individuals.gallery.journal import entries
from reid_jax.individuals.gallery.journal.entries import (
    CONFIRMED,
    INDIVIDUAL,
    LINK,
    MARK,
    NOTE,
    PATH,
    Change,
    Entry,
)
from reid_jax.individuals.gallery.journal.journal import ChangedError
from reid_jax.individuals.gallery.journal.person import person
from reid_jax.individuals.gallery.journal.reader import Reader
from reid_jax.individuals.gallery.store import converted
from reid_jax.individuals.gallery.stored import journals
from reid_jax.individuals.gallery.stored.layout import Form
from reid_jax.individuals.gallery.stored.reading import form_of, of_current, paths_of
from reid_jax.individuals.gallery.stored.roots import resolved, roots_of
from reid_jax.platforms import with_slashes
from reid_jax.remote.storage import is_url

GROUP = "group"
"""What photos that nobody has named are called, with a number behind it that is enough to say."""


@dataclass(frozen=True)
class Photo:
    """A photo as it was decided.

    Attributes:
      id: by which the journal knows it.
      path: where it was last.
      name: the individual.
      confirmed: whether somebody said so of this very photo.
      note: what was noted about it; "" for nothing.
      mark: one of :data:`reid_jax.individuals.gallery.decisions.MARKS`, or "".
    """

    id: str
    path: str
    name: str
    confirmed: bool
    note: str
    mark: str


class Decided:
    """What was decided about one gallery.

    Args:
      folder: of the gallery. One of an earlier form is converted.
      who: reads or decides; by default what REID_JAX_WHO says, or who is logged in.

    Raises:
      UserError: there is no gallery, or its journal cannot be used.
    """

    def __init__(self, folder: Path, who: str = ""):
        self.folder, self._who = folder, as_text(who).strip() or person()
        self._form = converted(folder, self._who)
        self._reader = of_current(folder, journals.reading)

    @property
    def _now(self) -> Form:
        """What counts now: another process may have written a new generation."""
        return form_of(self.folder)

    @property
    def _journal(self) -> Reader:
        form = self._now
        if (form.journal, form.gallery) != (self._form.journal, self._form.gallery):
            self._form, self._reader = form, of_current(self.folder, journals.reading)
        return self._reader

    @property
    def position(self) -> int:
        """The number of the last decision."""
        return self._journal.position

    def photos(self) -> dict[str, Photo]:
        """The photos that are in the gallery now, by id, in the order in which they came."""
        return of_current(self.folder, _photos)

    def individuals(self) -> dict[str, list[Photo]]:
        """The photos of each individual, by name, sorted."""
        found: dict[str, list[Photo]] = {}
        for each in self.photos().values():
            found.setdefault(each.name, []).append(each)
        return dict(sorted(found.items()))

    def note_of(self, name: str) -> str:
        """What was noted about an individual; "" for nothing."""
        return self._value(entries.individual(self._there(name)), NOTE) or ""

    def links(self) -> dict[tuple[str, str], str]:
        """What was said of two photos, by their ids: that they show the same individual, or two."""
        found = self._journal.state().of(LINK)
        pairs = {subject: subject.split("/")[1:] for subject in found}
        return {(ids[0], ids[1]): found[subject] for subject, ids in pairs.items()}

    def read_since(self, number: int = 0) -> list[Entry]:
        """The decisions after one, in their order."""
        return self._journal.since(number)

    def history(self, photo: str = "", individual: str = "") -> list[Entry]:
        """The decisions about a photo or an individual; about all of it where neither is given.

        An individual that is no longer there has its history, too.
        """
        if photo:
            return self._journal.about([entries.photo(self.find_photo(photo, gone=True))])
        if not individual:
            return self._journal.since()
        name = composed(as_text(individual))
        found = self._journal.about([entries.individual(name)], name)
        return found or self._journal.about([entries.individual(self._there(name))])

    def find_photo(self, text: str, gone: bool = False) -> str:
        """The id of a photo.

        Args:
          text: id, path, or a file name that only one photo has.
          gone: whether those that were removed count.
        """
        if gone and self._journal.about([entries.photo(text)]):
            return text
        if self._value(entries.photo(text), INDIVIDUAL) is not None:
            return text
        found = self._called(text)
        if len(found) == 1:
            return found[0].id
        if found:
            some = " or ".join(each.path for each in found[:2])
            raise UserError(f"{len(found)} photos are called {text}; say which: {some}.")
        raise not_there("photo", text, self._photo_names())

    def _called(self, text: str) -> list[Photo]:
        """The photos with a path, or else with the end of one."""
        photos = self.photos().values()
        wanted = composed(as_text(text))
        whole = composed(as_text(text if is_url(text) else with_slashes(os.path.abspath(text))))
        found = [each for each in photos if composed(each.path) in (wanted, whole)]
        return found or [each for each in photos if composed(each.path).endswith(f"/{wanted}")]

    def _photo_names(self) -> list[str]:
        photos = self.photos()
        paths = [each.path for each in photos.values()]
        return [*paths, *map(os.path.basename, paths), *photos]

    def meant(self, text: str, gone: bool = False) -> tuple[str, str]:
        """What a word names: a photo's id and "", or "" and the name of an individual.

        Args:
          gone: whether one that is no longer there counts.

        Raises:
          UserError: it is neither; the nearest is named.
        """
        name, names = composed(as_text(text).strip()), self._journal.names()
        if name in names or (gone and self._journal.about([], name)):
            return "", name
        known = self._journal.about([entries.photo(text)]) if gone else []
        if known or self._called(text) or self._value(entries.photo(text), INDIVIDUAL) is not None:
            return self.find_photo(text, gone), ""
        raise not_there("individual or photo", text, [*names, *self._photo_names()])

    def _ids(self, photos: Sequence[str]) -> list[str]:
        if not photos:
            raise UserError("Name the photos that this is about.")
        return [self.find_photo(each) for each in photos]

    def _value(self, subject: str, attribute: str) -> str | None:
        return self._journal.values(attribute, [subject]).get(subject)

    def _there(self, name: str, seen: int | None = None) -> str:
        """The name of an individual that is there.

        Raises:
          ChangedError: it no longer is, which somebody saw.
          UserError: it is not.
        """
        wanted, names = composed(as_text(name).strip()), self._journal.names()
        for called in (wanted, f"{GROUP} {wanted}"):
            if called in names:
                return called
        if seen is not None:
            left = [each for each in self._journal.about(name=wanted) if each.number > seen]
            if left:
                raise ChangedError(
                    entries.individual(wanted),
                    f"What this rests on has changed: there is no individual {wanted} since "
                    f"{left[-1].short}; nothing was decided.",
                )
        raise not_there("individual", name, names)

    def _changed(self, attribute: str, wanted: Mapping[str, str | None]) -> list[Change]:
        """What has to change for subjects to have these values."""
        now = self._journal.values(attribute, list(wanted))
        return [
            Change(subject, attribute, now.get(subject), value)
            for subject, value in wanted.items()
            if now.get(subject) != value
        ]


def _photos(form: Form) -> dict[str, Photo]:
    state = journals.reading(form).state()
    facts = {name: state.of(name) for name in (INDIVIDUAL, CONFIRMED, NOTE, MARK, PATH)}

    def one(name: str, path: str) -> Photo:
        said = {what: values.get(entries.photo(name), "") for what, values in facts.items()}
        return Photo(
            id=name,
            path=resolved(said[PATH] or path, roots),
            name=said[INDIVIDUAL],
            confirmed=bool(said[CONFIRMED]),
            note=said[NOTE],
            mark=said[MARK],
        )

    stored, roots = paths_of(form, state), roots_of(state.facts)
    there = [name for name in stored if entries.photo(name) in facts[INDIVIDUAL]]
    return {name: one(name, stored[name]) for name in there}


def not_there(kind: str, name: str, names: Collection[str]) -> UserError:
    """There is no such photo or individual, and which is called nearly so."""
    close = difflib.get_close_matches(as_text(name), names, 1)
    hint = f"; did you mean {close[0]}?" if close else "."
    return UserError(f"There is no {kind} {name} in the gallery{hint}")
