"""Answers for people: a row a photo, as spreadsheet programs open it."""

import csv
import io
import posixpath

from reid_jax.files import as_text, below, common_folder
from reid_jax.individuals.gallery.identify import Candidate, Identification, told_apart
from reid_jax.individuals.gallery.output import percent
from reid_jax.individuals.gallery.reference import stored_path

COLUMNS = (
    *("photo", "individual", "probability", "next", "probability of next"),
    *("most similar photo", "remark"),
)
_UNLIKE = "unlike what the network was trained on"
_UNCALIBRATED = "not calibrated: it could be an unknown one"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BYTE_ORDER_MARK = "\ufeff"  # without it Excel takes UTF-8 for the letters of its country


def as_spreadsheet(found: Identification) -> str:
    """A row for each photo, also for those that were skipped, with its answer and the next one.

    Photos are named below the folder that holds all that were asked for, those of the gallery below
    the one that holds its photos. Probabilities are whole percents, which every country writes
    alike. What a program would take for a formula begins with an apostrophe (OWASP, CSV injection).
    """
    stream = io.StringIO(newline="")
    stream.write(_BYTE_ORDER_MARK)
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    there = common_folder([posixpath.dirname(path) for path in found.gallery.paths.tolist()])

    def write(*cells: str) -> None:
        writer.writerow([defused(as_text(cell)) for cell in cells])

    for answer in found.answers:
        photo = below(found.root, stored_path(answer.path))
        if not answer.candidates:
            write(photo, answer.text, "", "", "", "", _UNLIKE)
            continue
        best, *others = answer.candidates
        following = (told_apart(others[0].identity), _percent(others[0])) if others else ("", "")
        similar = below(there, str(found.gallery.paths[best.photo]))
        remark = _UNCALIBRATED if answer.verdict is None else ""
        write(photo, answer.text, _percent(best), *following, similar, remark)
    for path, reason in found.skipped:
        write(below(found.root, stored_path(path)), "", "", "", "", "", f"skipped: {reason}")
    return stream.getvalue()


def _percent(candidate: Candidate) -> str:
    return "" if candidate.probability is None else percent(candidate.probability)


def defused(cell: str) -> str:
    """A text that no spreadsheet program runs as a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
