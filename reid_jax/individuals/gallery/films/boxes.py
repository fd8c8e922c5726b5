"""Boxes in the frames of films, as MegaDetector writes them, or as a table."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from reid_jax.console import counted
from reid_jax.data.crops import BadBoxError, Box, box_of, read_box
from reid_jax.data.photos.csv_file import read_table
from reid_jax.data.photos.reading import Reading
from reid_jax.errors import UserError

_DIGITS = re.compile(r"(\d+)$")
_CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
_ANIMAL = ("animal",)


@dataclass(frozen=True)
class FilmBoxes:
    """What a file says of one film.

    Attributes:
      boxes: by the number of the frame, from 0, rising.
      skipped: (where, why) of boxes that are none.
      notes: sentences about those that were left out.
    """

    boxes: Mapping[int, Sequence[Box]]
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Reading:
    """What is collected while a file is read."""

    frames: int
    boxes: dict[int, list[Box]] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def add(self, frame: int, box: Box) -> None:
        """Takes a box.

        Raises:
          BadBoxError: the film has no such frame.
        """
        if not 0 <= frame < self.frames:
            raise BadBoxError(f"there is no frame {frame}: the film has {self.frames:,}, from 0 on")
        self.boxes.setdefault(frame, []).append(box)

    def done(self, file: Path, film: Path, notes: Sequence[str] = ()) -> FilmBoxes:
        """All of it.

        Raises:
          UserError: there is no box.
        """
        if not self.boxes:
            where, why = (self.skipped or [(film.name, "it is not named there")])[0]
            raise UserError(f"{file} has no box of {film.name} that can be used ({where}: {why}).")
        return FilmBoxes(dict(sorted(self.boxes.items())), tuple(self.skipped), tuple(notes))


def read_boxes(file: Path, film: Path, frames: int, reading: Reading) -> FilmBoxes:
    """Reads the boxes of a film.

    JSON as MegaDetector writes it: an image for each frame, in whose name the film's name and the
    number of the frame stand (`film.mp4/frame000012.jpg`), or one for the film, whose detections
    have a `frame_number`. Or CSV with columns frame and bbox (x, y, width, height in pixels), and
    film where it is about several.

    Args:
      frames: how many the film has; they are numbered from 0.
      reading: its margin, confidence and categories are used.

    Raises:
      UserError: the file is neither, or has no box of the film.
    """
    if file.suffix.lower() == ".csv":
        return _read_table(file, film, frames, reading)
    try:
        content = json.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is neither JSON nor a .csv ({error}).") from error
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list):
        raise UserError(f"{file} has no list of images, as MegaDetector writes it.")
    kinds = {**_CATEGORIES, **_texts(content.get("detection_categories"))}
    found, unsure, others = _Reading(frames), 0, 0
    for image in images:
        name = str(image.get("file", "")) if isinstance(image, dict) else ""
        if not _is_of(name, film):
            continue
        for place, each in enumerate(_objects(image.get("detections"))):
            where = f"{name}, detection {place}"
            if kinds.get(str(each.get("category"))) not in (reading.categories or _ANIMAL):
                others += 1
            elif not _number(each.get("conf")) >= reading.confidence:
                unsure += 1
            else:
                try:
                    box = box_of(each.get("bbox"), reading.margin, percent=True)
                    found.add(_frame_of(each, name), box)
                except BadBoxError as error:
                    found.skipped.append((where, str(error)))
    notes = []
    if unsure:
        boxes = counted(unsure, "box is", "boxes are")
        notes.append(f"{boxes} left out, of a confidence below {reading.confidence:g}")
    if others:
        notes.append(f"{counted(others, 'box is', 'boxes are')} left out, of other categories")
    return found.done(file, film, notes)


def _read_table(file: Path, film: Path, frames: int, reading: Reading) -> FilmBoxes:
    table = read_table(str(file), ("frame", "bbox"), ("film",))
    films = table.columns.get("film", [film.name] * len(table.lines))
    found = _Reading(frames)
    for line, frame, text, name in zip(
        table.lines, table["frame"], table["bbox"], films, strict=True
    ):
        if not _is_of(name, film):
            continue
        try:
            if not frame.isdecimal():
                raise BadBoxError(f'its frame "{frame}" is no number')
            found.add(int(frame), read_box(text, reading.margin))
        except BadBoxError as error:
            found.skipped.append((f"{file.name}, line {line}", str(error)))
    return found.done(file, film, table.notes)


def _is_of(name: str, film: Path) -> bool:
    """Whether a name is of the film, or of a frame in a folder that is called like it."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return film.name in parts or film.stem in parts[:-1]


def _frame_of(detection: Mapping[str, Any], name: str) -> int:
    number = detection.get("frame_number")
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    digits = _DIGITS.search(PurePosixPath(name.replace("\\", "/")).stem)
    if digits is None:
        raise BadBoxError("nothing says in which frame it is")
    return int(digits[1])


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _texts(value: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("-inf")
