"""Decisions of the page, by the gallery's own functions: photos come in, and go out again."""

import csv
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.decisions import Decisions


def file_photos(folder: Path, photos: Sequence[Mapping[str, str]]) -> None:
    """Adds photos that somebody has decided on, and confirms them; those that are there stay.

    Args:
      photos: "path", "name", "date" ("" where nobody knows) and "who" of each.

    Raises:
      UserError: the gallery refuses.
    """
    for who in dict.fromkeys(one["who"] for one in photos):
        theirs = [one for one in photos if one["who"] == who]
        with tempfile.TemporaryDirectory() as place:
            table = Path(place) / "decided.csv"
            with open(table, "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["path", "identity", "date"])
                writer.writerows([one["path"], one["name"], one["date"]] for one in theirs)
            members.add(folder, f"csv:{table}", None, correct=True, who=who)
        decisions = Decisions(folder, who)
        known = decisions.photos()
        for one in theirs:
            photo = known[decisions.find_photo(one["path"])]
            if not (photo.confirmed and photo.name == one["name"]):
                decisions.confirm(photo.id, one["name"], new=True)


def take_out(folder: Path, path: str, who: str) -> None:
    """Takes a photo out that was added.

    Raises:
      UserError: it is not there, or nothing would be left.
    """
    members.remove(folder, [], [path], who)
