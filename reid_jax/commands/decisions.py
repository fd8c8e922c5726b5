"""Commands by which people decide who is who in a gallery."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from reid_jax.commands.terminal import writes
from reid_jax.console import counted, say
from reid_jax.errors import UserError

_LOST = 10  # photos that are named
Photos = Positional[Annotated[tuple[str, ...], arg(metavar="PHOTO ...")]]
Numbers = Positional[Annotated[tuple[float, ...], arg(metavar="X Y WIDTH HEIGHT")]]
Names = Positional[Annotated[tuple[str, ...], arg(metavar="NAME ...")]]


def list_names(
    gallery: Path, where: tuple[str, ...] = (), since: str = "", until: str = ""
) -> None:
    """Lists the individuals of a gallery with their numbers of photos.

    Args:
        gallery: Folder of the gallery.
        where: Only photos that are so, as side=left sex=female; COLUMN= for those without.
        since: Only photos of this day, month or year, and later: 2020-05-31, 2020-05 or 2020.
        until: Only photos up to this day, month or year.
    """
    from reid_jax.individuals.gallery.decisions import Decisions
    from reid_jax.individuals.gallery.reports.where import Where, ids_where
    from reid_jax.individuals.gallery.words import individuals_text

    found = Decisions(gallery).individuals()
    if wanted := Where.of(where, since, until):
        ids = ids_where(gallery, wanted)
        found = {name: [each for each in some if each.id in ids] for name, some in found.items()}
        found = {name: some for name, some in found.items() if some}
        if not found:
            raise UserError("No photo is so; give other conditions.")
    print(individuals_text(found))


def show(gallery: Path, what: str) -> None:
    """Shows the photos of an individual, or a photo, and what was said of them.

    Args:
        gallery: Folder of the gallery.
        what: An individual; or a photo, by its id, its path, or a file name that only one has.
    """
    from reid_jax.individuals.gallery import words
    from reid_jax.individuals.gallery.decisions import Decisions

    decisions = Decisions(gallery)
    photo, name = decisions.meant(what)
    if photo:
        one = decisions.photos()[photo]
        print(f"{words.photos_text([one])}\n{words.shown(one.name)}")
        return
    photos = decisions.individuals()[name]
    print(f"{words.shown(name)}: {counted(len(photos), 'photo')}\n{words.photos_text(photos)}")
    if note := decisions.note_of(name):
        print(f"note: {words.shown(note)}")


@writes("gallery")
def confirm(
    gallery: Path, photo: str, name: str, new: bool = False, who: str = "", reason: str = ""
) -> None:
    """Says surely who a photo shows, whoever it was taken for.

    Args:
        gallery: Folder of the gallery.
        photo: Its id, its path, or a file name that only one photo has.
        name: The individual.
        new: There is no photo of this individual yet.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.individuals.gallery.decisions import Decisions

    decided = Decisions(gallery, who).confirm(photo, name, new=new, reason=reason)
    print_decision(gallery, decided)


@writes("gallery")
def rename(gallery: Path, name: str, new_name: str, who: str = "", reason: str = "") -> None:
    """Gives an individual another name.

    Args:
        gallery: Folder of the gallery.
        name: The individual.
        new_name: A name that no other one has.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.individuals.gallery.decisions import Decisions

    print_decision(gallery, Decisions(gallery, who).rename(name, new_name, reason=reason))


@writes("gallery")
def merge(gallery: Path, into: str, names: Names, who: str = "", reason: str = "") -> None:
    """Makes several individuals one, which keeps the name of the first.

    Args:
        gallery: Folder of the gallery.
        into: The individual whose name is kept.
        names: Those that are the same one.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.individuals.gallery.decisions import Decisions

    print_decision(gallery, Decisions(gallery, who).merge(names, into, reason=reason))


@writes("gallery")
def split(
    gallery: Path, name: str, new_name: str, photos: Photos, who: str = "", reason: str = ""
) -> None:
    """Makes a new individual of some photos of one.

    Args:
        gallery: Folder of the gallery.
        name: The individual whose photos they are now.
        new_name: Whose they are: a name that nobody has.
        photos: Their ids, paths, or file names that only one photo has.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.individuals.gallery.decisions import Decisions

    print_decision(gallery, Decisions(gallery, who).split(name, photos, new_name, reason=reason))


@writes("gallery")
def move(
    gallery: Path,
    name: str,
    photos: Photos,
    new: bool = False,
    who: str = "",
    reason: str = "",
) -> None:
    """Gives photos to another individual.

    Args:
        gallery: Folder of the gallery.
        name: Whose photos they are.
        photos: Their ids, paths, or file names that only one photo has.
        new: There is no photo of this individual yet.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.individuals.gallery.decisions import Decisions

    print_decision(gallery, Decisions(gallery, who).move(photos, name, new=new, reason=reason))


@writes("gallery")
def mark(
    gallery: Path,
    what: Literal["no-animal", "cannot-tell", "none"],
    photos: Photos,
    who: str = "",
    reason: str = "",
) -> None:
    """Leaves photos out of answers, calibration and training, or takes them in again.

    Args:
        gallery: Folder of the gallery.
        what: Why they are left out; none takes them in again.
        photos: Their ids, paths, or file names that only one photo has.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.individuals.gallery.decisions import CANNOT_TELL, NO_ANIMAL, Decisions

    marks = {"no-animal": NO_ANIMAL, "cannot-tell": CANNOT_TELL, "none": ""}
    print_decision(gallery, Decisions(gallery, who).mark(photos, marks[what], reason=reason))


@writes("gallery")
def note(gallery: Path, what: str, text: str, who: str = "", reason: str = "") -> None:
    """Notes something about an individual or a photo, in the place of what was noted before.

    Args:
        gallery: Folder of the gallery.
        what: An individual; or a photo, by its id, its path, or a file name that only one has.
        text: The note; empty takes it away.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.individuals.gallery.decisions import Decisions

    decisions = Decisions(gallery, who)
    photo, name = decisions.meant(what)
    print_decision(gallery, decisions.note(text, photo=photo, individual=name, reason=reason))


@writes("gallery")
def link(
    gallery: Path,
    photo: str,
    other: str,
    what: Literal["same", "different", "nothing"],
    who: str = "",
    reason: str = "",
) -> None:
    """Says of two photos that they show the same individual, or two; changes no name.

    Args:
        gallery: Folder of the gallery.
        photo: Its id, its path, or a file name that only one photo has.
        other: Another photo.
        what: What is so; nothing takes back what was said of the two.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.individuals.gallery.decisions import Decisions

    said = "" if what == "nothing" else what
    print_decision(gallery, Decisions(gallery, who).link(photo, other, said, reason=reason))


@writes("gallery")
def box(
    gallery: Path,
    photo: str,
    numbers: Numbers = (),
    another: str = "",
    new: bool = False,
    workdir: Path | None = None,
    who: str = "",
) -> None:
    """Draws a box around the animal of a photo, and embeds that part of it in its place.

    Args:
        gallery: Folder of the gallery.
        photo: Its id, its path, or a file name that only one photo has.
        numbers: Left, top, width and height in pixels of the upright photo; none for all of it.
        another: The box shows this individual, and the photo stays as it is beside it.
        new: There is no photo of that other individual yet.
        workdir: Where the run is now, should it have moved.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
    """
    from reid_jax.compilations import keep_compilations
    from reid_jax.individuals.gallery.mending.boxes import Drawn, draw_box

    keep_compilations()
    drawn = Drawn(photo, numbers, another=another, new=new)
    print_decision(gallery, draw_box(gallery, drawn, who, workdir=workdir))


def history(gallery: Path, what: str = "", last: int = 30) -> None:
    """Lists what was decided, when, by whom and why.

    Args:
        gallery: Folder of the gallery.
        what: About an individual or a photo alone.
        last: So many decisions at most, the last ones.
    """
    from reid_jax.individuals.gallery.decisions import Decisions
    from reid_jax.individuals.gallery.words import entries_text

    decisions = Decisions(gallery)
    photo, name = decisions.meant(what, gone=True) if what else ("", "")
    entries = decisions.history(photo, name)
    if len(entries) > last > 0:
        say(f"{len(entries) - last:,} earlier ones are not shown (--last 0 shows all)")
    paths = {one: each.path for one, each in decisions.photos().items()}
    print(entries_text(entries[-last:] if last > 0 else entries, paths))


@writes("gallery")
def undo(gallery: Path, number: int | None = None, who: str = "", reason: str = "") -> None:
    """Takes a decision back, unless a later one rests on it.

    Args:
        gallery: Folder of the gallery.
        number: Which one, as history numbers them; by default the last one that was not taken back.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.individuals.gallery.decisions import Decisions

    print_decision(gallery, Decisions(gallery, who).undo(number, reason=reason))


@writes("gallery")
def relocate(gallery: Path, old: str, new: str, who: str = "") -> None:
    """Finds the photos of a gallery again after a disk got another letter or folders were moved.

    Args:
        gallery: Folder of the gallery.
        old: The folder in which photos were, as show and check name them.
        new: The folder in which they are now; there they are found by what they hold.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
    """
    from reid_jax.individuals.gallery.stored.relocate import relocate as relocated

    found = relocated(gallery, old, new, who)
    print(f"{counted(found.moved, 'photo')} lie in {new} as they lay in {old}")
    if found.elsewhere:
        print(f"{counted(found.elsewhere, 'photo')} found there elsewhere, by content")
    for path in found.lost[:_LOST]:
        print(f"  not found: {path}")
    if len(found.lost) > _LOST:
        print(f"  ... and {len(found.lost) - _LOST:,} more")


def check(gallery: Path, all: bool = False, workdir: Path | None = None) -> None:
    """Checks that a gallery is whole, and could be made again from its photos and decisions.

    Some photos are embedded anew and compared with what is stored; reembed makes all of it again.

    Args:
        gallery: Folder of the gallery.
        all: Embeds all photos anew.
        workdir: Where the run is now, should it have moved.
    """
    from reid_jax.individuals.gallery.anew.proof import proof_text, prove
    from reid_jax.individuals.gallery.stored.check import check as checked

    found = checked(gallery)
    proof = prove(gallery, every=all, workdir=workdir)
    print(
        f"{counted(found.photos, 'photo')}, {counted(found.decisions, 'decision')}; "
        f"{found.found:,} photos lie where they lay, with the content that they had"
    )
    print(proof_text(proof))
    for sentence in (*found.wrong, *found.lost, *proof.wrong):
        print(f"  {sentence}")
    if found.wrong:
        raise UserError(f"The gallery {gallery} is damaged; what is wrong stands above.")
    if found.lost:
        raise UserError(
            f"The gallery {gallery} is whole, but could not be made again without these photos; "
            "reid-jax gallery relocate finds photos that were moved."
        )
    if proof.wrong:
        raise UserError(
            f"The gallery {gallery} is whole, but its network makes something else of these photos "
            f"now; reid-jax gallery reembed {gallery} makes all of it again."
        )
    print("The gallery is whole, and could be made again from its photos and decisions.")


def print_decision(gallery: Path, number: int) -> None:
    """Prints what was decided."""
    from reid_jax.individuals.gallery.decisions import Decisions
    from reid_jax.individuals.gallery.words import entries_text

    decisions = Decisions(gallery)
    paths = {one: each.path for one, each in decisions.photos().items()}
    print(entries_text(decisions.read_since(number - 1)[:1], paths))
