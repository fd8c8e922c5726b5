"""A gallery about which much was said, and one of the same photos about which nothing was."""

import dataclasses
from pathlib import Path

import numpy as np

from reid_jax.data.crops import Box
from reid_jax.data.digests import file_digest
from reid_jax.individuals.gallery.decisions import CANNOT_TELL, NO_ANIMAL, Decisions
from reid_jax.individuals.gallery.exchange.content import read_content
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.value import DIGEST, Gallery
from tests.drawn_gallery import with_files

NAMES = ("Zoë", "Zoë", "李 小龍", "=1+1", "../../etc/passwd", "CON", "Luna", "luna", "group 7")
BOXES = {
    2: Box(1.5, 2, 6, 8, margin=0.1),
    3: Box(0, 0, 8, 8),
    4: Box(12.5, 0, 50, 50, percent=True),
}
SHARED = 3  # the photo of which 2 and 3 are parts


def photos_of(folder: Path, names) -> Gallery:
    """Photos of these individuals, some of them parts, with dates, sides and cameras."""
    folder.mkdir(exist_ok=True)
    gallery = with_files(folder / "photos", ("nobody",) * len(NAMES))
    paths = gallery.paths.tolist()
    paths[2] = paths[SHARED]
    paths = [f"{path}{BOXES.get(row, '')}" for row, path in enumerate(paths)]
    dates = np.array("2021-05-01", "datetime64[s]") + np.arange(9) * np.timedelta64(3600 * 12, "s")
    dates[5] = np.datetime64("NaT", "s")
    columns = {
        "date": dates,
        "orientation": np.array(["left", "right", "", *["top|left 50%"] * 6]),
        "side": np.array(["left", "right", "", *["left"] * 6]),
        "camera": np.array(["", "north", "north", *["süd, 2"] * 6]),
        DIGEST: np.array([file_digest(path).decode() for path in paths]),
    }
    return dataclasses.replace(
        gallery,
        paths=np.array(paths, object),
        identities=np.array(list(names), object),
        columns=columns,
    )


def told(folder: Path) -> tuple[Path, Path]:
    """Writes both into a folder; the second knows the photos and a number for each."""
    photos = photos_of(folder, NAMES)
    write_gallery(folder / "told", photos)
    decisions = Decisions(folder / "told", who="ann")
    ids = list(decisions.photos())
    decisions.confirm(ids[0], "Zoë")
    decisions.confirm(ids[6], "Luna")
    decisions.note('ear torn; "left",\nsince May', photo=ids[1])
    decisions.note("@SUM(A1) \\u0041 _x0041_ 50%", photo=ids[2])
    decisions.note("-2+3", individual="=1+1")
    decisions.note("mother of 李", individual="Zoë")
    decisions.mark([ids[4]], NO_ANIMAL)
    decisions.mark([ids[8]], CANNOT_TELL)
    decisions.link(ids[0], ids[1], "same")
    decisions.link(ids[6], ids[7], "different")
    numbered = [f"group {row}" for row in range(100, 100 + len(NAMES))]
    bare = {DIGEST: photos.columns[DIGEST]}
    empty = dataclasses.replace(photos, identities=np.array(numbered, object), columns=bare)
    write_gallery(folder / "empty", empty)
    return folder / "told", folder / "empty"


def said(folder: Path):
    """All that a gallery says, to be compared."""
    content = read_content(folder)
    photos = {each.id: (each.path, str(each.box), dict(each.facts)) for each in content.photos}
    return photos, dict(content.notes), dict(content.links)
