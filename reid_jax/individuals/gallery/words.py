"""What is in a gallery and what happened to it, in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reid_jax.console import counted
from reid_jax.data.photos import Dataset
from reid_jax.data.photos.dataset import remarks
from reid_jax.data.photos.reading import SIDE
from reid_jax.individuals.calibration import Calibration
from reid_jax.individuals.closeness import closeness_of
from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.arrivals import INDIVIDUAL
from reid_jax.individuals.gallery.calibrating import calibration_of, sides_of
from reid_jax.individuals.gallery.decided import Photo
from reid_jax.individuals.gallery.evidence import evidence_of, reach_of, settings_of
from reid_jax.individuals.gallery.journal.entries import (
    CONFIRMED,
    NAME_FROM,
    NETWORK,
    Entry,
    replayed,
)
from reid_jax.individuals.gallery.mending.doubts import Doubts
from reid_jax.individuals.gallery.mending.duplicates import Twins
from reid_jax.individuals.gallery.output import (
    doubt,
    hubs_text,
    percent,
    shown,
    skipped_text,
)
from reid_jax.individuals.gallery.stored.eight_bits import store_of
from reid_jax.individuals.gallery.value import TRAINED, Gallery
from reid_jax.ops.ranking.individuals import RULES

_PAIRS = 50  # duplicates on the screen
_RENAMED = 10  # individuals under other names on the screen
_CHANGES = 8  # of one decision on the screen


def differences(done: members.Added) -> str:
    """How what was added differs from what was there."""
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


def pairs_text(gallery: Gallery, pairs: Sequence[Twins], *, as_pictures: bool) -> str:
    """Pairs of photos that are nearly one picture, or of individuals that look like one."""
    lines = []
    for pair in pairs[:_PAIRS]:
        names = [shown(str(gallery.identities[row])) for row in (pair.first, pair.second)]
        who = f"both {names[0]}" if names[0] == names[1] else f"{names[0]} and {names[1]}"
        picture = "copies" if pair.identical else "nearly identical"
        close = closeness_of(gallery.settings["metric"]).text(pair.score, 3)
        lines.append(f"  {who}  {picture if as_pictures else close}")
        lines += [f"      {shown(str(gallery.paths[row]))}" for row in (pair.first, pair.second)]
    if len(pairs) > _PAIRS:
        lines.append(f"  ... and {len(pairs) - _PAIRS:,} more")
    return "".join(f"{line}\n" for line in lines)


def doubts_text(found: Doubts) -> str:
    """Names that are worth a look, worth the most first, and by which command each is decided."""
    gallery, lines = found.gallery, []
    photos = Counter(gallery.identities.tolist())
    for each in found.doubts[:_PAIRS]:
        one, other = (str(gallery.identities[row]) for row in (each.photo, each.other))
        chance = "" if each.chance is None else f", {percent(each.chance)} likely"
        if each.kind == "merge":
            both = f"{counted(photos[one], 'photo')} and {photos[other]:,}"
            lines.append(f"  {shown(one)} and {shown(other)} look like one ({both}{chance})")
        else:
            lines.append(f"  a photo of {shown(one)} looks like {shown(other)}'s{chance}")
        for row in (each.photo, each.other):
            lines.append(f"      {gallery.known_ids[row]}  {shown(str(gallery.paths[row]))}")
    if len(found.doubts) > _PAIRS:
        lines.append(f"  ... and {len(found.doubts) - _PAIRS:,} more")
    head = f"Names worth a look: {len(found.doubts):,}"
    why = f"Individuals that look like one: not judged, {found.why}" if found.why else ""
    how = "gallery merge, link and confirm decide; serve shows them side by side" if lines else ""
    return "\n".join(filter(None, [head, *lines, why, how]))


def source_text(dataset: Dataset) -> str:
    """What of a source was skipped, and what a person should know of it."""
    lines = [skipped_text(dataset.skipped)] if dataset.skipped else []
    lines += [f"{what}: {shown(text)}" for what, text in remarks(dataset)]
    return "".join(f"{line}\n" for line in lines)


def size_text(gallery: Gallery) -> str:
    """How many photos and individuals there are."""
    individuals = len(np.unique(gallery.identities))
    return (
        f"{counted(len(gallery), 'photo')} of {counted(individuals, 'individual')} "
        "are in the gallery"
    )


def described(folder: Path, gallery: Gallery) -> str:
    """What is in a gallery, by which network, and when an answer is believed."""
    settings = gallery.settings
    _, counts = np.unique(gallery.identities, return_counts=True)
    each = f"{counts.min()} / {np.median(counts):g} / {counts.max()}"
    familiar = settings.get("familiar_from")
    kept = "8-bit numbers" if store_of(gallery) == "int8" else "numbers"
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
    rows += _sides(gallery)
    rows += [
        ("from", ", ".join(shown(source) for source in settings["sources"])),
        ("built", settings["built"]),
        ("run", shown(settings["run"])),
        ("network", f"{settings['fingerprint']}, {gallery.embeddings.shape[1]} {kept} a photo"),
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
        rows.append((f"score {rule}", _rates(found, gallery)))
    rows += _evidence(gallery)
    if gallery.position:
        rows.append(("decisions", f"{gallery.position:,}; reid-jax gallery history lists them"))
    width = max(len(name) for name, _ in rows) + 2
    lines = [f"{name:<{width}}{value}" for name, value in rows]
    return "\n".join(
        [
            *lines,
            *filter(None, [hubs_text(gallery), doubt(gallery, RULES[0], evidence_of(gallery))]),
        ]
    )


def _sides(gallery: Gallery) -> list[tuple[str, str]]:
    """Photos and individuals of each side, where there are any."""
    sides, names = gallery.column(SIDE), gallery.identities.astype(np.str_)
    return [
        (
            f"side {shown(side)}",
            f"{counted(int((sides == side).sum()), 'photo')} of "
            f"{counted(len(np.unique(names[sides == side])), 'individual')}",
        )
        for side in sides_of(gallery)
    ]


def _evidence(gallery: Gallery) -> list[tuple[str, str]]:
    if gallery.local is None:
        return [("local features", "none; reid-jax gallery add --evidence fused finds them")]
    kind, rule = evidence_of(gallery), RULES[0]
    found = calibration_of(gallery, rule, kind)
    if kind == "none" or found is None:
        return [("local features", f"kept, not used: {settings_of(gallery).get('why')}")]
    return [
        ("local features", f"{kind}; compared {reach_of(gallery)}"),
        (f"score {rule}", _rates(found, gallery)),
    ]


def _rates(found: Calibration, gallery: Gallery) -> str:
    if NAME_FROM in gallery.settings:
        return (
            f"a name from {percent(found.name_from)} on, as somebody decided; reid-jax gallery "
            "report says what follows"
        )
    return (
        f"a name from {percent(found.name_from)} on; of known ones {percent(found.right)} "
        f"get theirs and {percent(found.wrong)} another, of strangers "
        f"{percent(found.false)} get one"
    )


def entries_text(entries: Sequence[Entry], paths: Mapping[str, str]) -> str:
    """Decisions, a line each, and what each changed.

    Args:
      paths: of photos by their ids.
    """
    lines = []
    for entry in entries:
        when = f"{entry.time[:16].replace('T', ' ')}Z"
        reason = f"  ({shown(entry.reason)})" if entry.reason else ""
        lines.append(f"{entry.number:>5}  {when}  {shown(entry.who)}  {entry.kind}{reason}")
        lines += [f"{'':7}{line}" for line in _changes(entry, paths)]
    return "\n".join(lines)


def _changes(entry: Entry, paths: Mapping[str, str]) -> list[str]:
    """What a decision changed: names by how many photos, other facts one by one."""
    if entry.kind == "compact":
        return ["what had been removed is no longer stored"]

    def about(subject: str) -> str:
        _, _, rest = subject.partition("/")
        return " and ".join(shown(paths.get(each, each)) for each in rest.split("/"))

    said: Counter[tuple[str, str | None]] = Counter()

    moves: Counter[tuple[str | None, str | None]] = Counter()
    single: dict[tuple[str | None, str | None], str] = {}
    others = []
    for change in entry.changes:
        if change.attribute == INDIVIDUAL:
            moves[change.before, change.after] += 1
            single[change.before, change.after] = about(change.subject)
        elif change.attribute == CONFIRMED:
            word = "no longer confirmed" if change.after is None else "confirmed"
            others.append(f"{about(change.subject)}: {word}")
        elif change.attribute == NETWORK:
            name = (change.after or "").rpartition(": ")[2]
            others.append(f"embeddings of the network {name}" if name else "former embeddings")
        elif change.attribute == NAME_FROM:
            others.append(f"a name is given {_from(change.after)}")
        elif entry.kind == "describe":
            said[change.attribute, change.after] += 1
        elif change.attribute != TRAINED:  # which follows from the network
            value = "nothing" if change.after is None else shown(change.after)
            others.append(f"{change.attribute} of {about(change.subject)}: {value}")
    others += [
        f"{what} of {counted(number, 'photo')}: {shown(value or 'not known')}"
        for (what, value), number in said.items()
    ]
    lines = [] if entry.undoes is None else [f"takes back decision {entry.undoes}"]
    order = sorted(moves.items(), key=lambda each: (-each[1], each[0][1] or "", each[0][0] or ""))
    for (before, after), number in order:
        photos = single[before, after] if number == 1 else counted(number, "photo")
        if before is None:
            lines.append(f"{shown(str(after))}: {photos} came")
        elif after is None:
            lines.append(f"{shown(before)}: {photos} went")
        else:
            lines.append(f"{shown(before)} -> {shown(after)}: {photos}")
    lines += others
    if len(lines) > _CHANGES:
        lines = [*lines[:_CHANGES], f"... and {len(lines) - _CHANGES:,} more"]
    return lines


def _from(probability: str | None) -> str:
    return "as calibrated" if probability is None else f"from {percent(float(probability))} on"


def returned_text(entries: Sequence[Entry]) -> str:
    """Individuals whom the last decision brought, and whom an earlier one had given another name.

    Args:
      entries: all decisions about a gallery.
    """
    *earlier, last = entries
    facts, _ = replayed(earlier)
    there = {name for (_, what), (name, _) in facts.items() if what == INDIVIDUAL}
    came = {c.after for c in last.changes if c.attribute == INDIVIDUAL and c.before is None}
    lines = []
    for name in sorted(filter(None, came - there)):
        left = [
            entry
            for entry in earlier
            if any(c.attribute == INDIVIDUAL and c.before == name for c in entry.changes)
        ]
        if left:
            lines.append(
                f"{shown(name)} is an individual again, who was none since {left[-1].short}; "
                "is that so? gallery merge says otherwise\n"
            )
    return "".join(lines)


def individuals_text(individuals: Mapping[str, Sequence[Photo]]) -> str:
    """Individuals, a line each: photos, and of how many somebody said surely who it is."""
    width = max(len(shown(name)) for name in individuals)
    lines = []
    for name, photos in individuals.items():
        sure = sum(each.confirmed for each in photos)
        marked = sum(bool(each.mark) for each in photos)
        words = [counted(len(photos), "photo")]
        words += [f"{sure:,} confirmed"] if sure else []
        words += [f"{marked:,} left out"] if marked else []
        lines.append(f"{shown(name):<{width}}  {', '.join(words)}")
    return "\n".join(lines)


def photos_text(photos: Sequence[Photo]) -> str:
    """Photos, a line each: id, path, and what was said of each."""
    lines = []
    for each in photos:
        said = ["confirmed"] if each.confirmed else []
        said += [each.mark] if each.mark else []
        said += [f"note: {shown(each.note)}"] if each.note else []
        words = f"  ({'; '.join(said)})" if said else ""
        lines.append(f"{each.id}  {shown(each.path)}{words}")
    return "\n".join(lines)
