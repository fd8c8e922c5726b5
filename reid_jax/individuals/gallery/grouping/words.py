"""What is said of groups: on the screen, and on their page."""

import itertools
import shlex
from pathlib import Path

import numpy as np

from reid_jax.console import counted
from reid_jax.individuals.gallery.decided import GROUP
from reid_jax.individuals.gallery.grouping.grouped import Grouped
from reid_jax.individuals.gallery.grouping.groups import Doubt
from reid_jax.individuals.gallery.output import shown
from reid_jax.individuals.gallery.value import Gallery

_DOUBTS = 5  # on the screen


def lead(found: Grouped) -> str:
    """How many groups there are, and how many of them are sure."""
    sizes = found.groups.sizes
    several = sizes > 1
    sure = found.sure & several
    return (
        f"{counted(len(found.groups.of), 'photo')}: {counted(int(several.sum()), 'group')} of "
        f"{counted(int(sizes[several].sum()), 'photo')}, of which "
        f"{int(sure.sum()):,} of {counted(int(sizes[sure].sum()), 'photo')} are sure; "
        f"{counted(int((~several).sum()), 'photo')} alone."
    )


def as_text(folder: Path, gallery: Gallery, found: Grouped) -> str:
    """What a person reads when photos have been grouped."""
    lines = [lead(found), *found.notes]
    doubts = found.groups.doubts[:_DOUBTS]
    if doubts:
        lines.append("Look at these first, as their answers would change most:")
    for doubt in doubts:
        title, command = doubt_text(folder, gallery, doubt)
        lines += [f"  {title} ({counted(doubt.changes, 'pair')} of photos)", f"      {command}"]
    lines.append(
        "How sure identify says it is rests on these groups, made of the same photos: it promises "
        "too much until people have looked."
    )
    return "\n".join(lines)


def doubt_text(folder: Path, gallery: Gallery, doubt: Doubt) -> tuple[str, str]:
    """What is asked, and the command for who would have it otherwise."""
    one, other = (str(gallery.identities[row]) for row in (doubt.first, doubt.second))
    place = shlex.quote(str(folder))
    if doubt.together:
        photos = " ".join(shlex.quote(str(gallery.paths[row])) for row in doubt.part)
        return (
            f"Is {shown(one)} really one?",
            f"reid-jax gallery split {place} {shlex.quote(one)} NEW_NAME {photos}",
        )
    return (
        f"Are {shown(one)} and {shown(other)} one?",
        f"reid-jax gallery merge {place} {shlex.quote(one)} {shlex.quote(other)}",
    )


def times_text(spent: dict[str, float]) -> str:
    """What each part took."""
    return ", ".join(f"{what} {seconds:,.1f} s" for what, seconds in spent.items())


def names(found: Grouped, given: np.ndarray) -> np.ndarray:
    """``(N,)`` objects: of a group the name that its photos have, else "group NUMBER".

    Args:
      given: ``(N,)`` objects, the names of photos as the source has them, "" for nobody.
    """
    taken = set(given.tolist())
    numbered = (f"{GROUP} {n}" for n in itertools.count(1))
    free = (name for name in numbered if name not in taken)
    said = np.empty(len(given), object)
    for rows in found.members:
        own = [name for name in given[rows].tolist() if name]
        said[rows] = own[0] if own else next(free)
    return said
