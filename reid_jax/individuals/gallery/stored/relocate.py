"""Photos of a gallery that lie elsewhere now, found again by what they hold."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_jax.data.crops import whole_and_box
from reid_jax.data.digests import file_digest, part_digest
from reid_jax.data.parallel import parallel_map
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.individuals.gallery.journal.entries import PATH, Change, Decision, State, photo
from reid_jax.individuals.gallery.journal.person import person
from reid_jax.individuals.gallery.store import converted
from reid_jax.individuals.gallery.stored import journals
from reid_jax.individuals.gallery.stored.reading import form_of, paths_of, read_gallery
from reid_jax.individuals.gallery.stored.roots import (
    changed_root,
    is_below,
    new_roots,
    resolved,
    rooted,
    roots_of,
)
from reid_jax.individuals.gallery.value import DIGEST, Gallery
from reid_jax.platforms import with_slashes


@dataclass(frozen=True)
class Relocated:
    """Attributes:
    moved: how many photos lie below NEW as they lay below OLD.
    elsewhere: how many were found there in another folder or under another name.
    lost: paths of photos that were not found.
    """

    moved: int
    elsewhere: int
    lost: tuple[str, ...]


def relocate(folder: Path, old: str, new: str, who: str = "") -> Relocated:
    """Looks for the photos that lay below one folder below another one; notes where they are.

    Args:
      folder: of the gallery.
      old: where photos were, as the gallery names them; it need not be there.
      new: where they are.

    Raises:
      UserError: no photo of the gallery lay there, or none is found.
    """
    converted(folder, who)
    gallery = read_gallery(folder, thumbnails=False, marked=True)
    form = form_of(folder)
    state = journals.reading(form).state()
    before, after = (with_slashes(os.path.abspath(as_text(each))) for each in (old, new))
    before = before if any(is_below(p, before) for p in gallery.paths) else as_text(old).rstrip("/")
    if not os.path.isdir(after):
        raise UserError(f"There is no folder {new}; name the one in which the photos lie now.")
    rows = [row for row, path in enumerate(gallery.paths) if is_below(path, before)]
    if not rows:
        places = " and ".join(sorted(roots_of(state.facts).values())) or "no folder at all"
        raise UserError(f"No photo of the gallery {folder} lies in {old}; they lie in {places}.")
    found = _found(gallery, rows, before, after)
    as_before = {row for row in found if found[row] == after + gallery.paths[row][len(before) :]}
    if not found:
        raise UserError(
            f"None of {len(rows):,} photos that lay in {old} is in {new}; nothing was changed."
        )
    stay = {
        row: str(gallery.paths[row])
        for row in rows
        if row not in found and os.path.lexists(whole_and_box(gallery.paths[row])[0])
    }
    names = gallery.known_ids
    stored = paths_of(form, state)
    changes = _changes(
        {str(names[row]): path for row, path in (found | stay).items()},
        {one: state.facts.get((photo(one), PATH), path) for one, path in stored.items()},
        (before, after),
        state,
    )
    decision = Decision("relocate", tuple(changes), who or person())
    with journals.deciding(form) as journal:
        journal.append(decision, rests_on=state.position)
    lost = tuple(str(gallery.paths[row]) for row in rows if row not in found)
    return Relocated(len(as_before), len(found) - len(as_before), lost)


def _found(gallery: Gallery, rows: Sequence[int], before: str, after: str) -> dict[int, str]:
    """Where the photos at rows are now: at the same place below the new folder, or by content."""
    digests = gallery.column(DIGEST).tolist()

    def there(row: int) -> bool:
        try:
            now = file_digest(after + gallery.paths[row][len(before) :]).decode()
        except (OSError, UserError, ValueError):
            return False
        return digests[row] in ("", now)

    same = parallel_map(there, rows, "Looking for photos")
    found = {
        row: after + gallery.paths[row][len(before) :]
        for row, is_there in zip(rows, same, strict=True)
        if is_there
    }
    left = [row for row in rows if row not in found and digests[row]]
    if left:
        found |= _by_content(gallery, left, digests, after)
    return found


def _by_content(
    gallery: Gallery, rows: Sequence[int], digests: Sequence[str], after: str
) -> dict[int, str]:
    files = sorted(
        with_slashes(os.path.join(place, name))
        for place, _, names in os.walk(after)
        for name in names
    )

    def digest(path: str) -> bytes:
        try:
            return file_digest(path)
        except OSError:
            return b""

    contents = dict(zip(files, parallel_map(digest, files, "Reading files"), strict=True))
    taken = set(gallery.paths.tolist())
    found: dict[int, str] = {}
    boxes = {row: whole_and_box(gallery.paths[row]) for row in rows}
    for box in {box for _, box in boxes.values()}:
        by_content: dict[str, list[str]] = {}
        for path, content in contents.items():
            if content:
                by_content.setdefault(part_digest(content, box).decode(), []).append(path)
        for row in rows:
            whole, own = boxes[row]
            if own != box:
                continue
            ending = gallery.paths[row][len(whole) :]
            places = [path + ending for path in by_content.get(digests[row], [])]
            free = [path for path in places if path not in taken]
            if free:
                found[row] = free[0]
                taken.add(free[0])
    return found


def _changes(
    found: Mapping[str, str], stored: Mapping[str, str], folders: tuple[str, str], state: State
) -> list[Change]:
    """Roots that lie elsewhere, and the photos whose paths that does not set right.

    Args:
      found: where photos are, by id; stored: how their paths are.
      folders: where all of them were, and are.
    """
    before, after = folders
    roots = roots_of(state.facts)
    moved = {
        name: after + folder[len(before) :]
        for name, folder in roots.items()
        if folder == before or is_below(folder, before)
    }
    changes = [changed_root(name, roots[name], moved[name]) for name in moved]
    roots |= moved
    fresh = new_roots((path for path in found.values() if is_below(path, after)), roots)
    changes += [changed_root(name, None, folder) for name, folder in fresh.items()]
    roots |= fresh
    for one, path in found.items():
        if resolved(stored[one], roots) != path:
            now = state.facts.get((photo(one), PATH))
            changes.append(Change(photo(one), PATH, now, rooted(path, roots)))
    return changes
