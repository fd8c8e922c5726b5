"""Commands that report on a gallery, and by which people say what a report rests on."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from reid_jax.commands.terminal import writes
from reid_jax.console import say

Names = Positional[Annotated[tuple[str, ...], arg(metavar="NAME|PHOTO ...")]]


def report(
    gallery: Path,
    out: Path,
    by: Literal["day", "month", "season", "year"] = "month",
    dates: tuple[str, ...] = (),
    group: str = "",
    only_confirmed: bool = False,
    where: tuple[str, ...] = (),
    since: str = "",
    until: str = "",
) -> None:
    """Writes how sure a gallery is, catches, and encounter histories for capture-recapture.

    Args:
        gallery: Folder of the gallery.
        out: Folder for the page index.html, tables (CSV), encounters.inp for program MARK, and
            report.json.
        by: How long an occasion is: those count in which there is a photo.
        dates: Occasions lie between these dates instead, as 2019-01-01 2019-06-01 2020-01-01; the
            last one ends the last occasion.
        group: A column by which individuals are grouped, such as sex.
        only_confirmed: Photos that nobody confirmed do not count.
        where: Only photos that are so, as side=left sex=female; COLUMN= for those without.
        since: Only photos of this day, month or year, and later.
        until: Only photos up to this day, month or year.
    """
    from reid_jax.compilations import keep_compilations
    from reid_jax.individuals.gallery.reports.report import Wanted, as_words
    from reid_jax.individuals.gallery.reports.where import Where
    from reid_jax.individuals.gallery.reports.writing import write_report

    keep_compilations()
    wanted = Wanted(Where.of(where, since, until), by, dates, group, only_confirmed)
    found, files = write_report(gallery, out, wanted)
    print(as_words(found))
    say(f"written: {out}: {', '.join(files)}")
    if "encounters.inp" not in files:
        say("encounters.inp was not written: nobody was seen, or a line of MARK is too short")


@writes("gallery")
def describe(
    gallery: Path, column: str, value: str, names: Names, who: str = "", reason: str = ""
) -> None:
    """Says something about photos, or all photos of individuals: sex, place, side, date, position.

    Args:
        gallery: Folder of the gallery.
        column: What is said: sex, place, side, camera, orientation, date, latitude or longitude.
        value: It; empty where nobody knows.
        names: Individuals; or photos, by their ids, paths, or file names that only one photo has.
        who: Who says so; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.commands.decisions import print_decision
    from reid_jax.individuals.gallery.decisions import Decisions

    decisions = Decisions(gallery, who)
    photos: list[str] = []
    everybody = decisions.individuals()
    for photo, name in map(decisions.meant, names):
        photos += [photo] if photo else [each.id for each in everybody[name]]
    print_decision(gallery, decisions.describe(photos, column, value, reason=reason))


@writes("gallery")
def threshold(gallery: Path, value: str, who: str = "", reason: str = "") -> None:
    """Says from which probability on a gallery gives a name; below it nobody is named.

    Args:
        gallery: Folder of the gallery.
        value: From 0.5 to 0.99, or calibrated for what follows from the calibration; the file
            thresholds.csv of gallery report says what follows from each.
        who: Who says so; by default REID_JAX_WHO, or who is logged in.
        reason: Why.
    """
    from reid_jax.commands.decisions import print_decision
    from reid_jax.errors import UserError
    from reid_jax.individuals.gallery.decisions import Decisions

    try:
        probability = None if value == "calibrated" else float(value)
    except ValueError:
        raise UserError(f'"{value}" is no probability; write 0.8, or calibrated.') from None
    print_decision(gallery, Decisions(gallery, who).name_from(probability, reason=reason))
