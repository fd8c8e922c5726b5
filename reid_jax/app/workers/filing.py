"""Decisions of the page, by the gallery's own functions: photos come in, and go out again."""

import csv
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_jax.data.crops import whole_and_box
from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.journal.entries import INDIVIDUAL

_RENAMING = ("rename", "merge", "undo")


def file_photos(folder: Path, photos: Sequence[Mapping[str, Any]]) -> None:
    """Adds photos that somebody has decided on, and confirms them; those that are there stay.

    Args:
      photos: "path", "name", "date" ("" where nobody knows) and "who" of each, and the "position"
        of the gallery's journal at which it was decided: who got another name since has that one.
        The path of a part of a photo has the margin of the gallery's run.

    Raises:
      UserError: the gallery refuses.
    """
    decisions = Decisions(folder)
    there = decisions.individuals().keys()
    photos = [
        one if one["name"] in there else {**one, "name": _called_now(decisions, one)}
        for one in photos
    ]
    for who in dict.fromkeys(one["who"] for one in photos):
        theirs = [one for one in photos if one["who"] == who]
        with tempfile.TemporaryDirectory() as place:
            table = Path(place) / "decided.csv"
            with open(table, "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["path", "bbox", "identity", "date"])
                parts = [(*_whole(one["path"]), one["name"], one["date"]) for one in theirs]
                writer.writerows(parts)
            members.add(folder, f"csv:{table}", None, correct=True, who=who)
        decisions = Decisions(folder, who)
        known = decisions.photos()
        for one in theirs:
            photo = known[decisions.find_photo(one["path"])]
            if not (photo.confirmed and photo.name == one["name"]):
                decisions.confirm(photo.id, one["name"], new=True)


def _called_now(decisions: Decisions, one: Mapping[str, Any]) -> str:
    """The name that an individual has now, who was renamed or merged after a decision."""
    name = str(one["name"])
    if one.get("position") is None:
        return name
    for entry in decisions.read_since(one["position"]):
        if entry.kind in _RENAMING:
            whom = {c.after for c in entry.changes if (c.attribute, c.before) == (INDIVIDUAL, name)}
            name = (whom.pop() or name) if len(whom) == 1 else name
    return name


def _whole(path: str) -> tuple[str, str]:
    """A photo, and the numbers of its box as a table has them; "" for none."""
    whole, box = whole_and_box(path)
    return whole, f"{box.x} {box.y} {box.width} {box.height}" if box else ""


def take_out(folder: Path, path: str, who: str) -> None:
    """Takes a photo out that was added.

    Raises:
      UserError: it is not there, or nothing would be left.
    """
    members.remove(folder, [], [path], who)
