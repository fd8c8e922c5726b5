"""Answers as an aligned text, as JSON and as CSV."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from reid_jax.console import counted
from reid_jax.data.photos.dataset import counts_text
from reid_jax.files import as_text
from reid_jax.individuals.calibration import Calibration
from reid_jax.individuals.closeness import Closeness, closeness_of
from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.gallery.calibrating import calibration_of
from reid_jax.individuals.gallery.identify import Answer, Candidate, Identification, told_apart
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.ops.ranking.individuals import Rule
from reid_jax.reporting.table import Table

CSV_COLUMNS = (
    *("photo", "answer", "verdict", "known", "rank", "identity", "score", "probability"),
    *("gallery_photo", "skipped", "points"),
)
DISTANCE = "distance"
"""A further column where scores are minus that."""
_NAMED = 20  # skipped photos named on the screen; the files name all
_WIDEST = 48
_RELIABLE = 0.5  # balanced accuracy on known and unknown individuals (geometric mean)


def shown(name: str) -> str:
    """A name on one line of a terminal: line breaks and the like are escaped."""
    text = as_text(name)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(name: str, width: int = _WIDEST) -> str:
    """The end of a name that is too long: it tells more than the beginning."""
    text = shown(name)
    return text if len(text) <= width else "…" + text[-(width - 1) :]


def percent(probability: float | None) -> str:
    """``0.123 -> 12%``."""
    return "–" if probability is None else f"{100 * probability:.0f}%"


def closeness(found: Identification) -> Closeness:
    """What scores are called: those of votes and of points are similarities in any case."""
    by_network = found.rule != "vote" and found.evidence == "none"
    return closeness_of(found.gallery.settings["metric"] if by_network else "cosine")


def as_table(found: Identification) -> str:
    """A block for each photo: the answer, then the candidates, aligned over all photos."""
    rows = [
        [
            *(rank, shown(candidate.identity), percent(candidate.probability)),
            *(_score(found, candidate), shortened(str(found.gallery.paths[candidate.photo]))),
        ]
        for answer in found.answers
        for rank, candidate in enumerate(answer.candidates, 1)
    ]
    aligned = iter(Table([""] * 5, rows, "rlrrl").as_text().split("\n")[1:])
    lines = []
    for answer in found.answers:
        lines.append(f"{shown(answer.path)}: {_verdict(answer, found.elsewhere)}")
        lines += [f"  {next(aligned)}" for _ in answer.candidates]
    return "\n".join(lines)


def points_text(candidate: Candidate) -> str:
    """In how many points both photos agree; empty where nobody looked."""
    return "" if candidate.points is None else counted(candidate.points, "point")


def _score(found: Identification, candidate: Candidate) -> str:
    close = closeness(found)
    score = f"{close.text(candidate.score, 3)}{' apart' if close.is_distance else ''}"
    return "  ".join(filter(None, [score, points_text(candidate)]))


def _verdict(answer: Answer, elsewhere: int) -> str:
    if answer.verdict == "unlike":
        return f"{answer.text} (unlike what the network was trained on)"
    best = answer.candidates[0]
    name = shown(told_apart(best.identity))
    if answer.verdict == "unknown":
        other = f"; or one of {elsewhere:,} known from other sides alone" if elsewhere else ""
        return f"unknown (most like {name}, {percent(best.probability)}{other})"
    if answer.verdict == "close":
        return shown(answer.text)
    if answer.verdict is None:
        return f"{name} (not calibrated: it could be an unknown one)"
    return f"{name} ({percent(best.probability)})"


def summary(found: Identification) -> str:
    """How many photos, individuals, unknown ones, and which photos were skipped."""
    photos = found.answers
    lines = [f"{counted(len(photos), found.unit)}: {outcome(photos)}"]
    if found.calibration is not None:
        lines.append(assumption(found.calibration))
    if sided := side_text(found):
        lines.append(sided)
    if doubtful := doubt(found.gallery, found.rule, found.evidence):
        lines.append(doubtful)
    if found.skipped:
        lines.append(skipped_text(found.skipped))
    if found.passed_over:
        lines.append(f"passed over: {shown(counts_text(found.passed_over))}")
    return "\n".join(lines)


def side_text(found: Identification) -> str:
    """What was compared where a side was said; else empty."""
    if not found.side:
        return ""
    said = f"Compared with photos that show the side {shown(found.side)}, or none that is known."
    if not found.elsewhere:
        return said
    individuals = counted(found.elsewhere, "individual is", "individuals are")
    return f"{said} {individuals} known from other sides alone; an unknown one may be among them."


def outcome(answers: Sequence[Answer]) -> str:
    """How many were identified as how many individuals, and how many were not, and why not."""
    named = [answer.text for answer in answers if answer.named]
    close = sum(answer.verdict == "close" for answer in answers)
    unknown = sum(answer.verdict == "unknown" for answer in answers)
    parts = [f"{len(named)} identified as {counted(len(set(named)), 'individual')}"]
    if close:
        parts.append(f"{close} too close to call")
    parts.append(f"{unknown} unknown")
    if unlike := sum(answer.verdict == "unlike" for answer in answers):
        parts.append(f"{unlike} unlike what the network was trained on")
    return ", ".join(parts)


def assumption(calibration: Calibration) -> str:
    """What probabilities and names rest on."""
    return (
        f"Assumed: {percent(calibration.strangers)} of the photos are of individuals that are not "
        f"in the gallery (--strangers). A name is given from {percent(calibration.name_from)} on."
    )


def doubt(gallery: Gallery, rule: Rule, evidence: Evidence = "none") -> str:
    """A warning where the calibration showed a network that cannot do it; else empty."""
    calibration = calibration_of(gallery, rule, evidence)
    if calibration is None or calibration.geometric_mean >= _RELIABLE:
        return ""
    return (
        "This network tells these individuals apart badly: of the calibration photos of known ones "
        f"{percent(calibration.right)} get their name. Take its lists as suggestions."
    )


def hubs_text(gallery: Gallery) -> str:
    """Names the photos that attract too many others; empty where there are none."""
    return "\n".join(
        f"{shown(path)} is the most similar photo for {percent(share)} of the photos of others: "
        "look at it, and remove it (--path) if it shows little"
        for path, share in gallery.settings.get("hubs", ())
    )


def skipped_text(skipped: Sequence[tuple[str, str]]) -> str:
    """Names the first of what was skipped, with reasons, and counts the rest."""
    lines = [f"{counted(len(skipped), 'file')} skipped:"]
    lines += [f"  {shown(path)}: {shown(reason)}" for path, reason in skipped[:_NAMED]]
    if len(skipped) > _NAMED:
        lines.append(f"  ... and {len(skipped) - _NAMED:,} more (--json names all)")
    return "\n".join(lines)


def as_json(found: Identification) -> str:
    """Everything, with the candidates of each photo."""
    content = {
        "gallery": as_text(str(found.folder.resolve())),
        "fingerprint": found.gallery.settings["fingerprint"],
        "score": found.rule,
        **({} if found.evidence == "none" else {"evidence": found.evidence}),
        **(
            {"side": found.side, "known_from_other_sides_alone": found.elsewhere}
            if found.side
            else {}
        ),
        "strangers": None if found.calibration is None else found.calibration.strangers,
        "name_from": None if found.calibration is None else found.calibration.name_from,
        "photos": [
            {
                "photo": as_text(answer.path),
                "answer": answer.text,
                "verdict": answer.verdict,
                "known": answer.known,
                "candidates": [
                    {"rank": rank, **_fields(found, candidate)}
                    for rank, candidate in enumerate(answer.candidates, 1)
                ],
            }
            for answer in found.answers
        ],
        "skipped": [
            {"photo": as_text(path), "reason": as_text(reason)} for path, reason in found.skipped
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _fields(found: Identification, candidate: Candidate) -> dict[str, Any]:
    close = closeness(found)
    apart = {DISTANCE: close.value(candidate.score)} if close.is_distance else {}
    return {
        "identity": candidate.identity,
        "score": candidate.score,
        **apart,
        "probability": candidate.probability,
        "gallery_photo": str(found.gallery.paths[candidate.photo]),
        **({} if candidate.points is None else {"points": candidate.points}),
    }


def as_csv(found: Identification) -> str:
    """A row for each candidate of each photo, and one for each photo that was skipped.

    Where scores are minus distances, a last column has these.
    """
    stream = io.StringIO(newline="")
    further = (DISTANCE,) if closeness(found).is_distance else ()
    writer = csv.DictWriter(stream, (*CSV_COLUMNS, *further), restval="")
    writer.writeheader()
    for answer in found.answers:
        known = "" if answer.known is None else str(answer.known).lower()
        photo = {
            "photo": as_text(answer.path),
            "answer": answer.text,
            "verdict": answer.verdict or "",
            "known": known,
        }
        if not answer.candidates:
            writer.writerow(photo)
        for rank, candidate in enumerate(answer.candidates, 1):
            fields = _fields(found, candidate)
            fields["score"] = f"{candidate.score:.6f}"
            if further:
                fields[DISTANCE] = closeness(found).text(candidate.score, 6)
            if candidate.probability is None:
                fields["probability"] = ""
            else:
                fields["probability"] = f"{candidate.probability:.4f}"
            writer.writerow({**photo, "rank": rank, **fields})
    for path, reason in found.skipped:
        writer.writerow({"photo": as_text(path), "skipped": as_text(reason)})
    return stream.getvalue()
