"""Commands that hand a gallery to other programs and to people, and take it back from them."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from reid_jax.commands.terminal import writes
from reid_jax.console import counted

Form = Literal["csv", "xlsx", "camtrap-dp", "links"]
_NAMED = 10  # of what was skipped


@writes("out")
def export(
    gallery: Path,
    to: Form,
    out: Path,
    photos: Literal["none", "link", "copy"] | None = None,
    place: str = "",
    species: str = "",
) -> None:
    """Writes who is who, and all that was decided, into a folder for other programs and for people.

    Args:
        gallery: Folder of the gallery.
        to: A metadata.csv as wildlife-datasets reads it (csv), a workbook (xlsx), a Camera Trap
            Data Package 1.0.2 (camtrap-dp), or a folder of photos for each individual (links).
        out: A folder, new or empty; written whole or not at all.
        photos: Whether the files of the photos are put there: not (none), as links where there can
            be links (link), or as copies (copy). By default none, and link for links.
        place: Of a package, where photos were taken that do not say it: LATITUDE,LONGITUDE.
        species: Of a package, the scientific name, such as "Chelonia mydas".
    """
    from reid_jax.errors import UserError
    from reid_jax.individuals.gallery.exchange.camtrap import About, Place
    from reid_jax.individuals.gallery.exchange.giving import as_text, give_out
    from reid_jax.individuals.gallery.journal.person import person

    if (place or species) and to != "camtrap-dp":
        raise UserError(f"--place and --species are of a package; --to is {to}.")
    given = give_out(gallery, to, out, photos, About(Place.read(place), species, person()))
    print(as_text(given, to, out))
    _print_skipped(given.missing)


@writes("gallery")
def import_(
    gallery: Path,
    source: Path,
    from_: Annotated[Form | None, arg(name="from")] = None,
    who: str = "",
    reason: str = "",
) -> None:
    """Gives the photos of a gallery the names and facts that a table or a folder says; undo takes
    all of it back.

    Args:
        gallery: Folder of the gallery; it has the photos already, by content or path.
        source: What export wrote, a metadata.csv, a workbook, a package, or a folder of photos for
            each individual.
        from_: What it is; by default what it looks like.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.individuals.gallery.exchange.taking import take_in

    done = take_in(gallery, source, from_, who, reason)
    photos = counted(done.photos, "photo of the gallery is", "photos of the gallery are")
    words = f"{photos} in {source}"
    if done.number is None:
        print(f"{words}; nothing is said of them that was not so already")
    else:
        print(
            f"{words}, {done.changed:,} changed by decision {done.number}; reid-jax gallery undo "
            "takes it back"
        )
    for remark in done.remarks:
        print(f"note: {remark}")
    _print_skipped(done.skipped)


def _print_skipped(skipped: tuple[tuple[str, str], ...]) -> None:
    from reid_jax.individuals.gallery.output import shown

    if skipped:
        print(f"{len(skipped):,} skipped:")
    for what, why in skipped[:_NAMED]:
        print(f"  {shown(what)}: {shown(why)}")
    if len(skipped) > _NAMED:
        print(f"  ... and {len(skipped) - _NAMED:,} more")
