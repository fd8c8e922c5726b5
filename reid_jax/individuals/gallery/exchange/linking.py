"""Photos put into a folder by links, and read again from there after people moved them."""

import os
import posixpath
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reid_jax.console import Bar
from reid_jax.data.digests import file_digest
from reid_jax.data.elsewhere import is_elsewhere, open_binary
from reid_jax.data.names import UNKNOWN, composed, is_nobody
from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos.folder import NOWHERE, Found, find_photos
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.exchange.content import Content, Said
from reid_jax.individuals.gallery.exchange.naming import same
from reid_jax.individuals.gallery.exchange.tables import read_csv
from reid_jax.individuals.gallery.journal.entries import CONFIRMED, INDIVIDUAL
from reid_jax.individuals.gallery.stored.segments import content_id
from reid_jax.platforms import link_file, with_slashes

TABLE = "links.csv"


@dataclass(frozen=True)
class Put:
    """Attributes:
    kinds: how many photos became a "hard" link, a "symbolic" one, or a "copy".
    missing: (photo, why) of those that could not be put.
    """

    kinds: Counter[str]
    missing: tuple[tuple[str, str], ...]


def put(content: Content, names: Sequence[str], folder: Path, *, copy: bool) -> Put:
    """Puts the files of photos into a folder.

    Args:
      names: paths below it, which are safe; parts of one photo may share one.
      copy: whether they are copied where links could be made.

    Raises:
      OSError: the folder cannot be written to.
    """
    files = {name: each.path for name, each in zip(names, content.photos, strict=True)}
    kinds: Counter[str] = Counter()
    missing = []
    with Bar("Copying photos" if copy else "Linking photos", len(files)) as bar:
        for number, (name, path) in enumerate(files.items()):
            bar.update(number)
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                elsewhere = is_elsewhere(path)
                source = open_binary(path)
            except (OSError, ValueError) as error:
                missing.append((path, getattr(error, "strerror", None) or "it cannot be read"))
                continue
            with source:
                if copy or elsewhere:
                    with open(place, "wb") as file:
                        shutil.copyfileobj(source, file)
                    kinds["copy"] += 1
                else:
                    kinds[link_file(Path(path), place)] += 1
    return Put(kinds, tuple(missing))


def read_links(folder: Path) -> Content:
    """What a folder says in which each individual has a folder of photos.

    Where a table lies in it, as the export writes it, it says what is known beside the names; a
    photo that lies in another folder than there is of another individual now, without being sure.
    Other photos are known by their content.

    Raises:
      UserError: there is no photo in such a folder.
    """
    table = folder / TABLE
    written = (
        read_csv(str(table), str(folder)) if table.is_file() else Content([], root=str(folder))
    )
    by_path = {composed(each.path): row for row, each in enumerate(written.photos)}
    by_file: dict[str, list[int]] = {}
    called: dict[str, str] = {}
    for row, each in enumerate(written.photos):
        by_file.setdefault(same(posixpath.basename(each.path)), []).append(row)
        place = composed(each.path.partition("/")[0])
        if place != UNKNOWN:
            called.setdefault(place, each.of(INDIVIDUAL))
    found = Found()
    photos, new = list(written.photos), list[Said]()
    paths = list(find_photos(with_slashes(str(folder)), found))
    names = [composed(with_slashes(os.path.relpath(path, folder))) for path in paths]
    there = set(names)
    for path, name in zip(paths, names, strict=True):
        place, separator, _ = name.partition("/")
        if name in by_path:
            continue
        if not separator:
            found.skipped.append((path, NOWHERE))
            continue
        whose = called.get(place, "" if is_nobody(place) else place)
        said = {INDIVIDUAL: whose} if whose else {}
        rows = by_file.get(same(posixpath.basename(name)), [])
        if len(rows) == 1 and composed(photos[rows[0]].path) not in there:
            before = photos[rows[0]]
            facts = {k: v for k, v in before.facts.items() if k not in (INDIVIDUAL, CONFIRMED)}
            photos[rows[0]] = replace(before, facts={**facts, **said})
        elif said:
            new.append(Said(name, facts=said, where=name))
        else:
            found.skipped.append((path, f'nobody is called "{place}"'))
    if not photos and not new:
        raise UserError(
            f"There is no photo in {folder}: it needs a folder of photos for each individual."
        )

    def known(said: Said) -> Said:
        digest = file_digest(str(folder / said.path)).decode()
        return replace(said, id=content_id(digest))

    photos += parallel_map(known, new, "Reading photos")
    return replace(written, photos=photos, skipped=(*written.skipped, *found.skipped))
