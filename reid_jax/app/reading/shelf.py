"""The gallery that a server shows: read once, and then only what its journal says has changed."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reid_jax.app.holdings import Held, Holdings, followed, held_photos, holdings_of
from reid_jax.app.reading.thumbnails import Thumbnails
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.journal.entries import (
    CONFIRMED,
    INDIVIDUAL,
    MARK,
    NAME_FROM,
    PATH,
    ROOT,
    UNCALIBRATED,
    Entry,
    photo,
)
from reid_jax.individuals.gallery.store import converted
from reid_jax.individuals.gallery.stored import journals
from reid_jax.individuals.gallery.stored.difference import with_facts
from reid_jax.individuals.gallery.stored.layout import Form
from reid_jax.individuals.gallery.stored.reading import form_of, of_current, read_gallery
from reid_jax.individuals.gallery.stored.segments import read_segment
from reid_jax.individuals.gallery.value import PLACE, POSITION, SEX, TRAINED

_MOMENT = 1.0  # seconds
_SUBJECT = photo("")
_NOT_SHOWN = {*UNCALIBRATED, TRAINED, NAME_FROM} - {
    PATH,
    PLACE,
    SEX,
    *POSITION,
}  # facts on which no page rests that is kept


@dataclass
class _Changes:
    """What some decisions changed.

    Attributes:
      names, marks, sure: by how the gallery knows the photos.
      segments: that came.
      unclear: whether there is something else, for which all is read anew.
    """

    names: dict[str, str | None] = field(default_factory=dict)
    marks: dict[str, str | None] = field(default_factory=dict)
    sure: dict[str, str | None] = field(default_factory=dict)
    segments: list[int] = field(default_factory=list)
    unclear: bool = False

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> "_Changes":
        """Those of decisions, the last of which counts."""
        found = cls()
        for entry in entries:
            if entry.segment is not None:
                found.segments.append(entry.segment)
            for change in entry.changes:
                one = change.subject.removeprefix(_SUBJECT)
                if change.attribute == INDIVIDUAL:
                    found.names[one] = change.after
                elif change.attribute == MARK:
                    found.marks[one] = change.after
                elif change.attribute == CONFIRMED:
                    found.sure[one] = change.after
                elif change.attribute == ROOT:
                    found.unclear |= change.before is not None  # photos lie elsewhere
                else:
                    found.unclear |= change.attribute not in _NOT_SHOWN
        return found


class Shelf:
    """The holdings of a gallery; of what changed, that alone is read again.

    Args:
      folder: of the gallery.
      pictures: where its small pictures are kept, to be sent one by one.
    """

    def __init__(self, folder: Path, pictures: Path) -> None:
        self.folder = folder
        self._thumbnails = Thumbnails(pictures)
        self._alone = threading.Lock()
        self._looked = -math.inf
        self._reading = False
        self._read: tuple[Path, Holdings] | None = None

    def holdings(self) -> Holdings:
        """What is there now.

        Raises:
          UserError: there is no gallery, or it is damaged.
        """
        with self._alone:
            if self._read is None:
                converted(self.folder)
            found = of_current(self.folder, self._newer)
            self._looked = time.monotonic()
            return found

    def thumbnail(self, photo: Held) -> bytes | None:
        """A small JPEG of a photo."""
        return self._thumbnails.of(photo.known)

    def recent(self) -> Holdings:
        """What was there a moment ago; nobody waits while what is new is read.

        Raises:
          UserError: as `holdings`, where nothing was read yet.
        """
        read = self._read
        if read is None:
            return self.holdings()
        if time.monotonic() - self._looked > _MOMENT and not self._reading:
            self._reading = True
            threading.Thread(target=self._read_again, daemon=True).start()
        return read[1]

    def _read_again(self) -> None:
        try:
            self.holdings()
        except UserError:  # said where somebody waits for it
            self._looked = time.monotonic()
        finally:
            self._reading = False

    def _newer(self, form: Form) -> Holdings:
        if self._read is not None and self._read[0] == form.generation:
            before = self._read[1]
            journal = journals.reading(form)
            if journal.position == before.position:
                return before
            after = self._followed(form, before, journal.since(before.position))
            if after is not None:
                self._read = form.generation, after
                return after
        gallery = read_gallery(self.folder, thumbnails=False, marked=True)
        found = holdings_of(gallery)
        assert gallery.folder is not None
        self._take_all(form_of(self.folder))
        self._read = gallery.folder, found
        return found

    def _followed(self, form: Form, before: Holdings, entries: Sequence[Entry]) -> Holdings | None:
        changes = _Changes.of(entries)
        if changes.unclear:
            return None
        fresh: dict[str, Held] = {}
        if changes.segments:
            roots = journals.reading(form).roots()
            self._thumbnails.take({_name(form, n): form.segment(n) for n in changes.segments})
            for number in changes.segments:
                found = read_segment(form.segment(number), form.embedding_size, thumbnails=False)
                some = held_photos(with_facts(found, roots))
                fresh |= {each.known: each for each in some if each.known in changes.names}
        last = max((entry.number for entry in entries), default=before.position)
        return followed(before, changes.names, changes.marks, changes.sure, fresh, last)

    def _take_all(self, form: Form) -> None:
        named = journals.reading(form).segments()
        segments = {_name(form, int(f.name.rpartition("-")[2])): f for f in form.segments(named)}
        self._thumbnails.take(segments)
        self._thumbnails.keep(set(segments))


def _name(form: Form, segment: int) -> str:
    return f"{form.gallery}-{form.generation.name.rpartition('-')[2]}-{segment}"
