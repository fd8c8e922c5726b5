"""What reid-jax gallery does: call, and say in words what happened."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import Positional, arg

from reid_jax.compilations import keep_compilations
from reid_jax.console import counted
from reid_jax.data.photos import Dataset
from reid_jax.data.photos.dataset import remarks
from reid_jax.errors import UserError
from reid_jax.files import check_destinations, write_text
from reid_jax.individuals.calibration import STRANGERS
from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.arrivals import INDIVIDUAL
from reid_jax.individuals.gallery.calibrating import calibrated, calibration_of
from reid_jax.individuals.gallery.duplicates import Twins, find_duplicates
from reid_jax.individuals.gallery.identify import Index, check_answered, identify
from reid_jax.individuals.gallery.output import (
    as_csv,
    as_json,
    as_table,
    doubt,
    hubs_text,
    percent,
    shown,
    skipped_text,
    summary,
)
from reid_jax.individuals.gallery.sheet import as_html
from reid_jax.individuals.gallery.spreadsheet import as_spreadsheet
from reid_jax.individuals.gallery.store import Gallery, is_gallery, read_gallery
from reid_jax.ops.ranking.individuals import RULES, Rule

_PAIRS = 50  # duplicates on the screen
_RENAMED = 10  # individuals under other names on the screen


def build(workdir: Path, data: str, out: Path, strangers: float = STRANGERS) -> None:
    """Makes a gallery from photos of known individuals, or puts a new one in an old one's place.

    Args:
        workdir: Folder of the run whose network embeds the photos.
        data: Where the photos are: folder:PATH (a folder per individual), csv:PATH, ...
        out: Folder of the gallery.
        strangers: The share of the photos to come that is of individuals who are not in it; what is
            called unknown depends on it.
    """
    keep_compilations()
    if is_gallery(out):
        print(f"{out} is a gallery already; the new one takes its place when it is finished.")
    gallery, dataset = members.build(workdir, data, out, strangers)
    _say_skipped(dataset)
    print(_described(out, gallery))


def add(gallery: Path, data: str, workdir: Path | None = None, correct: bool = False) -> None:
    """Adds photos; those that are in the gallery already, by path or content, stay as they are.

    Args:
        gallery: Folder of the gallery.
        data: Where the photos are, as for build.
        workdir: Where the run is now, should it have moved.
        correct: Photos that are there get the individual, date, camera and orientation that data
            says.
    """
    keep_compilations()
    done = members.add(gallery, data, workdir, correct=correct)
    _say_skipped(done.dataset)
    already = f" ({done.there:,} were there already)" if done.there else ""
    print(f"{counted(done.added, 'photo')} added{already}")
    print(_differences(done), end="")
    now = read_gallery(gallery, thumbnails=False)
    print("\n".join(filter(None, [_size(now), hubs_text(now)])))


def _differences(done: members.Added) -> str:
    lines = []
    if done.moved:
        lines.append(f"{counted(done.moved, 'photo')} found at a new path, by content")
    if done.replaced:
        lines.append(
            f"{counted(done.replaced, 'photo')} replaced, as the file has another content now"
        )
    for name, number in done.differ.items():
        photos = counted(number, "photo")
        if done.corrected:
            lines.append(f"{photos} corrected: {name}")
        else:
            lines.append(
                f"{photos} kept the {name} of the gallery, which differs from that of the source; "
                "--correct takes the source's"
            )
        if name == INDIVIDUAL:
            pairs = list(done.renamed.items())
            lines += [
                f"  {shown(there)} -> {shown(here)}: {counted(count, 'photo')}"
                for (there, here), count in pairs[:_RENAMED]
            ]
            if len(pairs) > _RENAMED:
                lines.append(f"  ... and {len(pairs) - _RENAMED:,} more")
    return "".join(f"{line}\n" for line in lines)


def remove(gallery: Path, identity: tuple[str, ...] = (), path: tuple[str, ...] = ()) -> None:
    """Removes individuals with all their photos, or single photos.

    Args:
        gallery: Folder of the gallery.
        identity: Names of individuals.
        path: Photos, as info and identify name them.
    """
    removed = members.remove(gallery, identity, path)
    print(f"{counted(removed, 'photo')} removed")
    print(_size(read_gallery(gallery, thumbnails=False)))


def info(gallery: Path) -> None:
    """Says what is in a gallery, which network embedded it and when an answer is believed.

    Args:
        gallery: Folder of the gallery.
    """
    print(_described(gallery, calibrated(read_gallery(gallery, thumbnails=False))))


def identify_photos(
    gallery: Path,
    photos: Positional[Annotated[tuple[str, ...], arg(metavar="PHOTO ...")]],
    json: Path | None = None,
    csv: Path | None = None,
    html: Path | None = None,
    table: Path | None = None,
    workdir: Path | None = None,
    score: Rule = "max",
    index: Index = "exact",
    strangers: float | None = None,
) -> None:
    """Says for each photo who it probably is, or that it is unknown.

    Args:
        gallery: Folder of the gallery.
        photos: Photos, or folders with photos.
        json: File for all answers.
        csv: File for all answers, a row for each candidate.
        html: File for a page with the pictures side by side.
        table: CSV file for people, a row for each photo, which Excel and others open.
        workdir: Where the run is now, should it have moved.
        score: An individual is as similar as its most similar photo (max), as its photos on average
            (mean), or the most similar photos vote (vote).
        index: Compare with every photo (exact), or look only into the promising part of a gallery
            of millions (faiss).
        strangers: The share of these photos that is of individuals who are not in the gallery; by
            default what the gallery was built with.
    """
    keep_compilations()
    check_destinations(json, csv, html, table)
    found = identify(gallery, photos, workdir=workdir, rule=score, index=index, strangers=strangers)
    writers: tuple[tuple[Path | None, Callable[..., str]], ...] = (
        (json, as_json),
        (csv, as_csv),
        (html, as_html),
        (table, as_spreadsheet),
    )
    if found.answers:
        print(as_table(found))
        print()
        print(summary(found))
    elif found.skipped:
        print(skipped_text(found.skipped))
    for path, content in writers:
        if path is not None:
            _write(path, content(found))
            print(f"written: {path}")
    check_answered(found)


def duplicates(gallery: Path) -> None:
    """Names pictures that are in the gallery twice, and individuals that look like one.

    Args:
        gallery: Folder of the gallery.
    """
    keep_compilations()
    found = find_duplicates(gallery)
    print(f"The same picture twice: {counted(len(found.pictures), 'pair')}")
    _print_pairs(found.gallery, found.pictures, as_pictures=True)
    if found.threshold is None:
        print(f"Individuals that look like one: not judged, {found.why}")
        return
    print(
        f"Individuals that look like one (similarity {found.threshold:.3f} or more): "
        f"{counted(len(found.individuals), 'pair')}"
    )
    _print_pairs(found.gallery, found.individuals, as_pictures=False)


def _print_pairs(gallery: Gallery, pairs: Sequence[Twins], *, as_pictures: bool) -> None:
    for pair in pairs[:_PAIRS]:
        names = [shown(str(gallery.identities[row])) for row in (pair.first, pair.second)]
        who = f"both {names[0]}" if names[0] == names[1] else f"{names[0]} and {names[1]}"
        picture = "copies" if pair.identical else "nearly identical"
        print(f"  {who}  {picture if as_pictures else format(pair.score, '.3f')}")
        for row in (pair.first, pair.second):
            print(f"      {shown(str(gallery.paths[row]))}")
    if len(pairs) > _PAIRS:
        print(f"  ... and {len(pairs) - _PAIRS:,} more")


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}).") from error


def _say_skipped(dataset: Dataset) -> None:
    if dataset.skipped:
        print(skipped_text(dataset.skipped))
    for what, text in remarks(dataset):
        print(f"{what}: {shown(text)}")


def _size(gallery: Gallery) -> str:
    individuals = len(np.unique(gallery.identities))
    return (
        f"{counted(len(gallery), 'photo')} of {counted(individuals, 'individual')} "
        "are in the gallery"
    )


def _described(folder: Path, gallery: Gallery) -> str:
    settings = gallery.settings
    _, counts = np.unique(gallery.identities, return_counts=True)
    each = f"{counts.min()} / {np.median(counts):g} / {counts.max()}"
    familiar = settings.get("familiar_from")
    rows = [
        ("gallery", shown(str(folder))),
        ("photos", f"{len(gallery):,}"),
        ("individuals", f"{len(counts):,}"),
        ("photos each", f"{each}  (min / median / max)"),
    ]
    date = gallery.columns.get("date")
    if date is not None and not np.isnat(date).all():
        days = date[~np.isnat(date)].astype("datetime64[D]")
        rows.append(("dates", f"{days.min()} to {days.max()}"))
    rows += [
        ("from", ", ".join(shown(source) for source in settings["sources"])),
        ("built", settings["built"]),
        ("run", shown(settings["run"])),
        ("network", f"{settings['fingerprint']}, {gallery.embeddings.shape[1]} numbers a photo"),
        ("compared by", settings["metric"]),
        ("calibrated on", settings["calibrated_with"]),
        (
            "other kinds",
            "a photo unlike those of the training is not told: too few of its photos are known"
            if familiar is None
            else f'"no photo like those" below a similarity of {familiar:.3f} to the nearest',
        ),
    ]
    for rule in RULES:
        found = calibration_of(gallery, rule)
        if found is None:
            continue
        if rule == RULES[0]:
            rows += [
                (
                    "",
                    f"{found.num_known:,} answers about known and {found.num_unknown:,} about "
                    "unknown individuals",
                ),
                ("strangers", f"{percent(found.strangers)} of the photos to come, as assumed"),
            ]
        rows.append(
            (
                f"score {rule}",
                f"a name from {percent(found.name_from)} on; of known ones {percent(found.right)} "
                f"get theirs and {percent(found.wrong)} another, of strangers "
                f"{percent(found.false)} get one",
            )
        )
    width = max(len(name) for name, _ in rows) + 2
    lines = [f"{name:<{width}}{value}" for name, value in rows]
    return "\n".join([*lines, *filter(None, [hubs_text(gallery), doubt(gallery, RULES[0])])])
