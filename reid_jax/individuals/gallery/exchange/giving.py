"""A gallery written for other programs and for people: a folder, whole or not at all."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reid_jax.console import counted, say
from reid_jax.errors import UserError
from reid_jax.files import check_new, whole_folder, write_text
from reid_jax.individuals.gallery.exchange import camtrap, camtrap_check, linking, sheets, tables
from reid_jax.individuals.gallery.exchange.content import Content, read_content
from reid_jax.individuals.gallery.exchange.naming import names_below, names_by_individual
from reid_jax.individuals.gallery.exchange.taking import Form

Photos = Literal["none", "link", "copy"]

_WRONG = 3  # of what is wrong, named


@dataclass(frozen=True)
class Given:
    """Attributes:
    content: what was written.
    kinds: how many photos became links of which kind, or copies.
    missing: (photo, why) of those whose files could not be had.
    remarks: sentences about it.
    """

    content: Content
    kinds: Counter[str] = field(default_factory=Counter)
    missing: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


def give_out(
    folder: Path,
    to: Form,
    out: Path,
    photos: Photos | None = None,
    about: camtrap.About | None = None,
) -> Given:
    """Writes a gallery into a new folder.

    Args:
      folder: of the gallery.
      to: the form.
      out: the new folder.
      photos: whether their files are put there too; by default where they are the form.
      about: what a package says beside.

    Raises:
      UserError: the gallery cannot be read, what a form needs is not installed, or the folder holds
        something or cannot be written.
    """
    check_new(out)
    if to == "links" and photos == "none":
        raise UserError("--photos is none, and folders of links are made of photos: link or copy.")
    if to == "camtrap-dp":
        camtrap_check.check_installed()
    if to == "xlsx":
        sheets.check_installed()
    content = read_content(folder)
    try:
        with whole_folder(out) as place:
            return _written(place, to, folder.resolve().name, content, photos, about)
    except OSError as error:
        raise UserError(
            f"{out} could not be written ({error.strerror or error}); nothing is left of it."
        ) from error


def _written(
    place: Path,
    to: Form,
    title: str,
    content: Content,
    photos: Photos | None,
    about: camtrap.About | None,
) -> Given:
    done, remarks = linking.Put(Counter(), ()), tuple[str, ...]()
    names: Sequence[str] = content.names
    if to == "links":
        names = names_by_individual(content)
    elif photos in ("link", "copy"):
        names = names_below(content, "media" if to == "camtrap-dp" else "images")
    elif content.root:
        remarks += (f"photos are named from {content.root} on; --photos link puts them beside",)
    if to == "links" or photos in ("link", "copy"):
        done = linking.put(content, names, place, copy=photos == "copy")
    if to == "camtrap-dp":
        about = about or camtrap.About(who="somebody")
        remarks += camtrap.write_package(place, title, content, names, about)
        say("checking it by frictionless")
        if wrong := camtrap_check.wrong_in(place):
            more = f", and {len(wrong) - _WRONG:,} more" if len(wrong) > _WRONG else ""
            raise UserError(
                f"The gallery makes no Camtrap DP, and nothing was written: "
                f"{'; '.join(wrong[:_WRONG])}{more}."
            )
    elif to == "xlsx":
        sheets.write_workbook(place / sheets.WORKBOOK, content, names)
    else:
        rows = tables.as_rows(content, names)
        table = linking.TABLE if to == "links" else tables.METADATA
        write_text(place / table, tables.as_csv(rows, tables.COLUMNS))
    return Given(content, done.kinds, done.missing, remarks)


def as_text(given: Given, to: Form, out: Path) -> str:
    """What was written, in words."""
    content = given.content
    lines = [
        f"{counted(len(content.photos), 'photo')} of "
        f"{counted(len(content.individuals), 'individual')} written to {out} ({to})"
    ]
    words = {"hard": "hard link", "symbolic": "symbolic link", "copy": "copy"}
    if given.kinds:
        kinds = [
            counted(number, words[kind], "copies" if kind == "copy" else "")
            for kind, number in given.kinds.items()
        ]
        lines.append(f"photos: {', '.join(kinds)}")
    return "\n".join([*lines, *given.remarks])
