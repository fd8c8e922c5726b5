"""Who is who, as people decide it: the one place by which commands and pages change names.

Each decision is one transaction of the gallery's journal; any number of processes may decide at
once. Embeddings and pictures are neither read nor written: only which of them count may be undone.
"""

import json
import unicodedata
from collections.abc import Iterable, Sequence

from reid_jax.data.names import composed, is_nobody
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.individuals.gallery.anew.generations import former_again, note_network
from reid_jax.individuals.gallery.decided import Decided, Photo
from reid_jax.individuals.gallery.journal import entries
from reid_jax.individuals.gallery.journal.entries import (
    CONFIRMED,
    INDIVIDUAL,
    LINK,
    MARK,
    NOTE,
    REEMBED,
    Change,
    Decision,
)
from reid_jax.individuals.gallery.journal.journal import MADE, ChangedError
from reid_jax.individuals.gallery.reports.where import described
from reid_jax.individuals.gallery.stored import journals

__all__ = ["CANNOT_TELL", "MARKS", "NO_ANIMAL", "ChangedError", "Decisions", "Photo"]

NO_ANIMAL, CANNOT_TELL = "not an animal", "cannot tell"
MARKS = (NO_ANIMAL, CANNOT_TELL)
"""What a photo may be marked with, which then takes no part in answers."""

SAME, DIFFERENT = "same", "different"
YES = "yes"
"""That a photo is confirmed, as the journal says it."""


class Decisions(Decided):
    """The decisions about one gallery, and more of them.

    A photo is named by its id, its path, or a file name that no other photo has. `rests_on` is the
    position that somebody saw who decides: what has changed since is not decided over, but refused
    with a ChangedError. By default it is the position at the call. Each decision returns its
    number, takes a reason, and is a UserError where a photo or an individual is not there, or where
    it would change nothing.
    """

    def confirm(
        self,
        photo: str,
        name: str,
        *,
        new: bool = False,
        reason: str = "",
        rests_on: int | None = None,
    ) -> int:
        """Says surely who a photo shows, whoever it was taken for.

        Args:
          new: whether there may be no photo of the individual yet.

        Raises:
          UserError: nothing would change, or the name is not there or names nobody.
        """
        seen, one = self._seen(rests_on), self.find_photo(photo)
        name = self._name(name, new=new, seen=rests_on)
        was = self._value(entries.photo(one), INDIVIDUAL)
        changes = [] if was == name else [Change(entries.photo(one), INDIVIDUAL, was, name)]
        changes += self._changed(CONFIRMED, {entries.photo(one): YES})
        if not changes:
            raise UserError(f"{photo} is {name} and confirmed already.")
        return self._decide("confirm", changes, reason, seen, there=() if new else (name,))

    def move(
        self,
        photos: Sequence[str],
        name: str,
        *,
        new: bool = False,
        reason: str = "",
        rests_on: int | None = None,
    ) -> int:
        """Gives photos to another individual, without saying that it is sure.

        Args:
          new: whether there may be no photo of the individual yet.
        """
        seen, ids = self._seen(rests_on), self._ids(photos)
        name = self._name(name, new=new, seen=rests_on)
        changes = self._named(ids, name)
        if not changes:
            raise UserError(f"{_listed(photos)} {_are(photos)} {name} already.")
        return self._decide("move", changes, reason, seen, there=() if new else (name,))

    def split(
        self,
        name: str,
        photos: Sequence[str],
        new_name: str,
        *,
        reason: str = "",
        rests_on: int | None = None,
    ) -> int:
        """Makes a new individual of some photos of one."""
        seen, ids = self._seen(rests_on), self._ids(photos)
        name, new_name = self._there(name, rests_on), self._free(new_name, "move")
        theirs = {subject.partition("/")[2] for subject in self._journal.photos_of(name)}
        for given, one in zip(photos, ids, strict=True):
            if one not in theirs:
                whose = self._value(entries.photo(one), INDIVIDUAL)
                raise UserError(f"{given} is no photo of {name}, but of {whose}.")
        if len(set(ids)) == len(theirs):
            raise UserError(f"These are all photos of {name}; rename gives it another name.")
        return self._decide("split", self._named(ids, new_name), reason, seen, (new_name,))

    def merge(
        self, names: Sequence[str], into: str, *, reason: str = "", rests_on: int | None = None
    ) -> int:
        """Makes several individuals one; what was noted about them is joined."""
        seen, into = self._seen(rests_on), self._there(into, rests_on)
        others = dict.fromkeys(self._there(name, rests_on) for name in names)
        others.pop(into, None)
        if not others:
            raise UserError(f"There is nobody to merge into {into}; name another individual.")
        changes = [
            Change(subject, INDIVIDUAL, name, into)
            for name in others
            for subject in self._journal.photos_of(name)
        ]
        subjects = [entries.individual(name) for name in (into, *others)]
        notes = self._journal.values(NOTE, subjects)
        said = "; ".join(dict.fromkeys(notes[each] for each in subjects if each in notes))
        wanted = dict.fromkeys(subjects[1:]) | {subjects[0]: said or None}
        changes += self._changed(NOTE, wanted)
        return self._decide("merge", changes, reason, seen, (into, *others))

    def rename(
        self, name: str, new_name: str, *, reason: str = "", rests_on: int | None = None
    ) -> int:
        """Gives an individual a name that no other one has."""
        seen, name = self._seen(rests_on), self._there(name, rests_on)
        if composed(as_text(new_name).strip()) == name:
            raise UserError(f"{name} is called {name} already.")
        new_name = self._free(new_name, "merge")
        changes = [
            Change(subject, INDIVIDUAL, name, new_name) for subject in self._journal.photos_of(name)
        ]
        said = self._value(entries.individual(name), NOTE)
        if said:
            subjects = map(entries.individual, (name, new_name))
            changes += self._changed(NOTE, dict(zip(subjects, (None, said), strict=True)))
        return self._decide("rename", changes, reason, seen, (name, new_name))

    def note(
        self,
        text: str,
        *,
        photo: str = "",
        individual: str = "",
        reason: str = "",
        rests_on: int | None = None,
    ) -> int:
        """Notes something about a photo or an individual in the place of what was noted before.

        Args:
          text: "" takes the note away.
        """
        seen = self._seen(rests_on)
        if bool(photo) == bool(individual):
            raise UserError("A note is about a photo or about an individual; name one of the two.")
        if photo:
            subject = entries.photo(self.find_photo(photo))
        else:
            subject = entries.individual(self._there(individual, rests_on))
        changes = self._changed(NOTE, {subject: as_text(text).strip() or None})
        if not changes:
            raise UserError(f"That is what is noted about {photo or individual} already.")
        return self._decide("note", changes, reason, seen)

    def mark(
        self,
        photos: Sequence[str],
        what: str,
        *,
        reason: str = "",
        rests_on: int | None = None,
    ) -> int:
        """Says of photos that they take no part in answers, calibration and training, and why.

        Args:
          what: one of :data:`MARKS`; "" for photos that take part again.
        """
        seen, ids = self._seen(rests_on), self._ids(photos)
        if what not in (*MARKS, ""):
            raise UserError(f'A photo is marked as "{NO_ANIMAL}" or "{CANNOT_TELL}", not "{what}".')
        changes = self._changed(MARK, {entries.photo(one): what or None for one in ids})
        if not changes:
            words = f"marked as {what}" if what else "without a mark"
            raise UserError(f"{_listed(photos)} {_are(photos)} {words} already.")
        return self._decide("mark", changes, reason, seen)

    def link(
        self, photo: str, other: str, what: str, *, reason: str = "", rests_on: int | None = None
    ) -> int:
        """Says of two photos that they show the same individual, or two; changes no name.

        Args:
          what: "same", "different", or "" where nothing is said any more.
        """
        seen = self._seen(rests_on)
        one, two = self._ids([photo, other])
        if one == two:
            raise UserError(f"{photo} and {other} are one photo.")
        if what not in (SAME, DIFFERENT, ""):
            raise UserError(f'Two photos are "{SAME}" or "{DIFFERENT}", not "{what}".')
        changes = self._changed(LINK, {entries.pair(one, two): what or None})
        if not changes:
            raise UserError(f"That is what is said of {photo} and {other} already.")
        return self._decide("link", changes, reason, seen)

    def describe(
        self,
        photos: Sequence[str],
        column: str,
        value: str,
        *,
        reason: str = "",
        rests_on: int | None = None,
    ) -> int:
        """Says something about photos: their place, the sex of whom they show, and so on.

        Args:
          column: one of :data:`reid_jax.individuals.gallery.value.COLUMNS`.
          value: "" where nobody knows; a date as 2020-05-31 or 2020-05-31T14:05.
        """
        seen, ids = self._seen(rests_on), self._ids(photos)
        column, value = described(column, value)
        changes = self._changed(column, {entries.photo(one): value for one in ids})
        if not changes:
            raise UserError(f"That is what is said of {_listed(photos)} already.")
        return self._decide("describe", changes, reason, seen)

    def name_from(
        self, probability: float | None, *, reason: str = "", rests_on: int | None = None
    ) -> int:
        """Says from which probability on a name is given; below it nobody is named.

        Args:
          probability: 0.5 or more and below 1; None for what follows from the calibration.
        """
        seen = self._seen(rests_on)
        if probability is not None and not 0.5 <= probability < 1:
            raise UserError(
                f"A name is given from a probability of 0.5 or more and below 1, not {probability}."
            )
        value = None if probability is None else json.dumps(probability)
        changes = self._changed(entries.NAME_FROM, {entries.GALLERY: value})
        if not changes:
            raise UserError("That is from where names are given already.")
        return self._decide("threshold", changes, reason, seen)

    def undo(self, number: int | None = None, *, reason: str = "") -> int:
        """Takes a decision back, by another one; that for other embeddings, while the former stay.

        Args:
          number: of it; None for the last one that was not taken back and takes none back.

        Raises:
          UserError: there is none, it made the gallery, or a later one rests on it.
        """
        note_network(self._now, self._who)
        if number is None:
            decided = [each for each in self._journal.since() if each.kind not in MADE]
            back = entries.taken_back({e.number: e.undoes for e in decided if e.undoes})
            able = [e.number for e in decided if e.undoes is None and e.number not in back]
            if not able:
                raise UserError("There is no decision that could be undone.")
            number = able[-1]
        if any(e.number == number and e.kind == REEMBED for e in self._journal.since(number - 1)):
            return former_again(self.folder, number, self._who, as_text(reason))
        with journals.deciding(self._now) as journal:
            return journal.undo(number, self._who, as_text(reason))

    def _decide(
        self,
        kind: str,
        changes: Iterable[Change],
        reason: str,
        rests_on: int,
        names: tuple[str, ...] = (),
        there: tuple[str, ...] = (),
    ) -> int:
        reason = as_text(reason)
        decision = Decision(kind, tuple(changes), self._who, reason, names=names, there=there)
        form = self._now
        with journals.deciding(form) as journal:
            number = journal.append(decision, rests_on=rests_on)
        if self._now.gallery != form.gallery:
            raise UserError(
                f"A new gallery took the place of {self.folder} meanwhile; nothing was decided "
                "in it."
            )
        return number

    def _seen(self, rests_on: int | None) -> int:
        return self.position if rests_on is None else rests_on

    def _named(self, ids: Sequence[str], name: str) -> list[Change]:
        """What gives photos a name; they are no longer surely of another one."""
        subjects = [entries.photo(one) for one in dict.fromkeys(ids)]
        changes = self._changed(INDIVIDUAL, dict.fromkeys(subjects, name))
        moved = {change.subject: None for change in changes}
        return changes + self._changed(CONFIRMED, moved)

    def _name(self, name: str, *, new: bool, seen: int | None) -> str:
        """A name for photos: of an individual that is there, or a new one where that is said."""
        if not new:
            return self._there(name, seen)
        return checked_name(name)

    def _free(self, name: str, instead: str) -> str:
        name = checked_name(name)
        if name in self._journal.names():
            raise UserError(f"{name} is an individual already; {_INSTEAD[instead]}.")
        return name


_INSTEAD = {
    "merge": "merge makes two individuals one",
    "move": "move gives it photos",
}


def checked_name(name: str) -> str:
    """A name that somebody can have, in the form in which it is kept.

    Raises:
      UserError: it names nobody.
    """
    name = composed(as_text(name).strip())
    if is_nobody(name) or any(unicodedata.category(letter) == "Cc" for letter in name):
        raise UserError(f"{name!r} names nobody; give another name.")
    return name


def _listed(photos: Sequence[str]) -> str:
    return photos[0] if len(photos) == 1 else f"All {len(photos)} photos"


def _are(photos: Sequence[str]) -> str:
    return "is" if len(photos) == 1 else "are"
