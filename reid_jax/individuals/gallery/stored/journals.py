"""The journal that belongs to a generation: in a file beside it, or in a database."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from reid_jax.individuals.gallery.journal.database import at_url, in_words
from reid_jax.individuals.gallery.journal.journal import Journal
from reid_jax.individuals.gallery.journal.reader import Reader
from reid_jax.individuals.gallery.stored.layout import JOURNAL, Form
from reid_jax.platforms import replace, sync
from reid_jax.remote.folders import check_owned, url_of

_FILE = f"{JOURNAL}.db"


def reading(form: Form) -> Reader:
    """The journal, to be read.

    Raises:
      FileNotFoundError: there is none.
      UserError: it is damaged, newer, or cannot be reached.
    """
    if _is_url(form.journal):
        return Reader.in_database(form.journal, form.gallery)
    carried = is_carried(form.generation.parent)
    path = form.generation.parent / form.journal
    return Reader.in_file(path, form.gallery, writers="none" if carried else "many")


@contextlib.contextmanager
def deciding(form: Form) -> Iterator[Journal]:
    """The journal, to be written to.

    That of a gallery at a URL is a copy, which takes its place when the block ends well: it is
    fetched and uploaded as one file, beside which nothing may lie. The lock there keeps others off.

    Raises:
      FileNotFoundError: there is none.
      UserError: it is damaged, newer, or cannot be reached; or the gallery is at a URL where others
        may decide meanwhile.
    """
    folder = form.generation.parent
    check_owned(folder)
    if _is_url(form.journal):
        yield Journal.in_database(form.journal, form.gallery)
    elif not is_carried(folder):
        yield Journal.in_file(folder / form.journal, form.gallery)
    else:
        copy = folder / f".{form.journal}.{secrets.token_hex(4)}"
        try:
            shutil.copyfile(folder / form.journal, copy)
            yield Journal.in_file(copy, form.gallery, writers="one")
            with open(copy, "r+b") as file:
                sync(file)
            replace(copy, folder / form.journal)
        finally:
            copy.unlink(missing_ok=True)


def new_name(generation: Path, first: bool) -> str:
    """A name for the journal of a new gallery.

    Args:
      first: whether none was there before; else somebody may be reading that one.
    """
    return _FILE if first else f"{JOURNAL}-{generation.name.rpartition('-')[2]}.db"


def check_url(journal: str) -> None:
    """Makes sure that a database can be reached, before the work whose results it is to keep.

    Args:
      journal: its URL; "" for a file, of which nothing is asked.

    Raises:
      UserError: it cannot be, or the URL holds a password.
    """
    if journal:
        engine = at_url(journal)
        with in_words(f"The database {engine.url}"), engine.connect():
            pass


def is_same(journal: str, url: str) -> bool:
    """Whether a journal is the one at a URL."""
    return _is_url(journal) and at_url(journal).url == at_url(url).url


def begin(form: Form) -> None:
    """Makes the journal of a new gallery."""
    if not _is_url(form.journal):
        carried = is_carried(form.generation.parent)
        path = form.generation.parent / form.journal
        Journal.in_file(path, form.gallery, new=True, writers="one" if carried else "many")


def _is_url(journal: str) -> bool:
    return "://" in journal


def is_carried(folder: Path) -> bool:
    """Whether a gallery's folder is the copy of what lies at a URL."""
    return url_of(folder) is not None
