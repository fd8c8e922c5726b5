"""Boxes in JSON files beside photos: COCO's annotations, and what MegaDetector found."""

import collections
import json
import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reid_jax.console import Bar, counted
from reid_jax.data.crops import BadBoxError, box_of
from reid_jax.data.elsewhere import is_elsewhere, open_binary
from reid_jax.data.names import UNKNOWN, finder_in, is_nobody
from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.dates import read_dates
from reid_jax.data.photos.folder import NOWHERE, Found, checked_dataset
from reid_jax.data.photos.images import BadImageError, proportions
from reid_jax.data.photos.reading import Reading
from reid_jax.errors import UserError
from reid_jax.platforms import with_slashes
from reid_jax.remote.storage import is_url, refused

_WHO = ("identity", "individual_id", "individual", "individual_ids", "name")
_FACTS: dict[str, tuple[str, ...]] = {
    "date": ("date", "datetime", "date_captured", "timestamp"),
    "orientation": ("orientation", "viewpoint"),
    "camera": ("camera",),
    "split": ("split",),
}
_CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
_ANIMAL = ("animal",)  # what MegaDetector is asked for; people and vehicles it finds, too
_NAMED = 5  # categories, in a note


@dataclass(frozen=True)
class _Annotation:
    """One box of one photo.

    Attributes:
      photo: as the file names it.
      box: whatever stands there.
      facts: what is said of the box, then of the photo, the first value counting.
      place: where it stands, for a reason.
      size: width and height of the photo that the box is about, where they are said.
    """

    photo: str
    box: object
    facts: Mapping[str, Any]
    place: str
    size: tuple[int, int] | None = None


@dataclass
class _LeftOut:
    unsure: int = 0
    kinds: collections.Counter[str] = field(default_factory=collections.Counter)
    empty: int = 0

    def notes(self, confidence: float) -> list[str]:
        """Sentences about boxes and photos that are no rows."""
        said = []
        if self.unsure:
            boxes = counted(self.unsure, "box is", "boxes are")
            said.append(f"{boxes} left out, of a confidence below {confidence:g}")
        if self.kinds:
            most = ", ".join(f"{n:,} {kind}" for kind, n in self.kinds.most_common(_NAMED))
            said.append(f"boxes of other categories are left out: {most}")
        if self.empty:
            photos = counted(self.empty, "photo has", "photos have")
            said.append(f"{photos} no box, and no part in this")
        return said


def coco_dataset(
    path: str, reading: Reading, *, unnamed: bool = False, keep: Collection[str] = ()
) -> Dataset:
    """Reads `path`, a JSON file of `images`, `annotations` and `categories` (Lin et al., ECCV 2014,
    "Microsoft COCO").

    A box is a row. Who it shows say the first of the fields identity, individual_id, individual,
    individual_ids and name that is there, of the annotation, of its `attributes` or of its image;
    else the first folder of the photo's path. In the same way date (date_captured), orientation
    (viewpoint), camera and split are columns. Photos are looked for from the folder of the file.

    Args:
      path: the file.
      reading: its margin and categories are used; a score of a box is compared with its confidence.
      unnamed, keep: see `folder.folder_dataset`.

    Raises:
      UserError: the file is missing or is none of these, a category is not in it, or no photo can
        be used.
    """
    content, out = _read(path, "coco", ("images", "annotations")), _LeftOut()
    kinds = {
        str(each.get("id")): str(each.get("name")) for each in _objects(content.get("categories"))
    }
    _check_categories(path, reading.categories, kinds.values())
    images = {str(each.get("id")): each for each in content["images"]}

    def boxes() -> Iterator[_Annotation]:
        for number, each in enumerate(content["annotations"]):
            image = images.get(str(each.get("image_id")))
            place = f"annotation {each.get('id', number)}"
            if image is None or not isinstance(image.get("file_name"), str):
                found.skipped.append((f"{path}, {place}", "its image is not in the file"))
                continue
            kind = kinds.get(str(each.get("category_id")), "no category")
            if reading.categories and kind not in reading.categories:
                out.kinds[kind] += 1
            elif not _sure(each.get("score", 1.0), reading.confidence):
                out.unsure += 1
            else:
                facts = collections.ChainMap(each, _inner(each), image, _inner(image))
                size = image.get("width"), image.get("height")
                whole = size if all(isinstance(side, int) and side > 0 for side in size) else None
                yield _Annotation(image["file_name"], each.get("bbox"), facts, place, whole)

    found = Found(keep=keep)
    pictured = {str(each.get("image_id")) for each in content["annotations"]}
    out.empty = len(images.keys() - pictured)
    return _dataset(path, boxes(), found, out, reading, unnamed=unnamed, relative=False)


def megadetector_dataset(
    path: str, reading: Reading, *, unnamed: bool = False, keep: Collection[str] = ()
) -> Dataset:
    """Reads `path`, a JSON file as MegaDetector writes it (Beery et al. 2019, arXiv 1907.06772).

    A box of an animal that the detector was sure enough of is a row. Who it shows says the first
    folder of the photo's path; photos are looked for from the folder of the file.

    Args:
      path: the file.
      reading: its margin, confidence and categories are used; without categories animals are read.
      unnamed, keep: see `folder.folder_dataset`.

    Raises:
      UserError: the file is missing or is none of these, a category is not in it, or no photo can
        be used.
    """
    content, out = _read(path, "megadetector", ("images",)), _LeftOut()
    said = content.get("detection_categories")
    kinds = said if isinstance(said, dict) and said else _CATEGORIES
    kinds = {str(key): str(name) for key, name in kinds.items()}
    _check_categories(path, reading.categories, kinds.values())
    wanted = reading.categories or _ANIMAL
    found = Found(keep=keep)

    def boxes() -> Iterator[_Annotation]:
        for number, image in enumerate(content["images"]):
            if not isinstance(photo := image.get("file"), str):
                found.skipped.append((f"{path}, image {number}", "it names no file"))
                continue
            if why := image.get("failure"):
                found.skipped.append((photo, f"the detector could not read it ({why})"))
                continue
            detections = _objects(image.get("detections"))
            out.empty += not detections
            for place, each in enumerate(detections):
                kind = kinds.get(str(each.get("category")), "no category")
                if kind not in wanted:
                    out.kinds[kind] += 1
                elif not _sure(each.get("conf"), reading.confidence):
                    out.unsure += 1
                else:
                    yield _Annotation(photo, each.get("bbox"), image, f"detection {place}")

    return _dataset(path, boxes(), found, out, reading, unnamed=unnamed, relative=True)


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _sure(score: object, least: float) -> bool:
    return isinstance(score, int | float) and score >= least


def _inner(facts: Mapping[str, Any]) -> dict[str, Any]:
    inner = facts.get("attributes")
    return dict(inner) if isinstance(inner, dict) else {}


def _read(path: str, word: str, parts: Iterable[str]) -> dict[str, Any]:
    file = path if is_url(path) else with_slashes(os.path.expanduser(path))
    try:
        with open_binary(file) as stream:
            content = json.load(stream)
    except OSError as error:
        if is_url(file):
            raise refused(file, error) from error
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is no JSON file ({error}).") from error
    lists = isinstance(content, dict) and all(
        isinstance(content.get(part), list) and all(isinstance(e, dict) for e in content[part])
        for part in parts
    )
    if not lists:
        raise UserError(
            f"{file} is not what {word}: reads: it needs {' and '.join(parts)}, lists of objects."
        )
    assert isinstance(content, dict)
    return content


def _check_categories(path: str, wanted: Collection[str], known: Iterable[str]) -> None:
    there = sorted(set(known))
    for name in wanted:
        if name not in there:
            raise UserError(
                f'{path} has no category "{name}" (data.box_categories); it has: '
                f"{', '.join(there) or 'none'}."
            )


def _dataset(
    path: str,
    boxes: Iterator[_Annotation],
    found: Found,
    out: _LeftOut,
    reading: Reading,
    *,
    unnamed: bool,
    relative: bool,
) -> Dataset:
    """The rows of boxes; `relative` where these are parts of one."""
    file = path if is_url(path) else with_slashes(os.path.expanduser(path))
    finder, used = finder_in(posixpath.dirname(file)), list[_Annotation]()
    places: dict[str, str | None] = {}
    sizes: dict[str, tuple[int, int] | None] = {}
    bar = Bar("Looking for photos", None)
    for number, each in enumerate(boxes):
        bar.update(number)
        if each.photo not in places:
            places[each.photo] = finder.find(each.photo)
        there, who = places[each.photo], _who(each)
        if who is None and not unnamed:
            found.skipped.append((each.photo, f"{NOWHERE}, and {each.place} names nobody"))
        elif there is None:
            found.skipped.append((each.photo, "the file is missing"))
        elif other := _other_size(there, each.size, sizes):
            found.skipped.append((there, other))
        else:
            try:
                box = box_of(each.box, reading.margin, percent=relative)
            except BadBoxError as error:
                found.skipped.append((there, f"{error}, in {each.place}"))
                continue
            if found.add(f"{there}{box}", who or UNKNOWN, f", again in {each.place}"):
                used.append(each)
    bar.close()
    found.notes += out.notes(reading.confidence)
    columns, unread = _columns(path, used)
    return checked_dataset(found, columns, path, unread)


def _other_size(
    file: str, said: tuple[int, int] | None, sizes: dict[str, tuple[int, int] | None]
) -> str:
    """Why boxes of a photo of another size than this one are of no use; empty where they are."""
    if said is None or is_elsewhere(file):
        return ""
    if file not in sizes:
        try:
            sizes[file] = proportions(file)
        except BadImageError:
            sizes[file] = None  # the check names what is wrong with it
    seen = sizes[file]
    if seen in (None, said):
        return ""
    assert seen is not None
    return (
        f"it is {seen[0]} x {seen[1]} pixels, and its boxes are of a photo of {said[0]} x {said[1]}"
    )


def _who(each: _Annotation) -> str | None:
    for name in _WHO:
        value = each.facts.get(name)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, str | int) and not isinstance(value, bool):
            return None if is_nobody(str(value)) else str(value)
    folder, separator, _ = each.photo.replace("\\", "/").lstrip("./").partition("/")
    return folder if separator and not is_nobody(folder) else None


def _columns(path: str, used: list[_Annotation]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    columns: dict[str, np.ndarray] = {}
    unread: dict[str, str] = {}
    for column, names in _FACTS.items():
        values = [next((each.facts[n] for n in names if each.facts.get(n)), "") for each in used]
        texts = [str(value) if isinstance(value, str | int) else "" for value in values]
        if not any(texts):
            continue
        if column != "date":
            columns[column] = np.array(["" if is_nobody(t) else t for t in texts], np.str_)
            continue
        columns[column], reasons = read_dates(texts)
        if reasons:
            first = next(iter(reasons))
            unread[column] = (
                f"{path}: {len(reasons):,} of {len(used):,} dates cannot be read, in "
                f'{used[first].place} ("{texts[first]}": {reasons[first]}); write 2021-07-31 or '
                "2021-07-31 14:05:00."
            )
    return columns, unread
