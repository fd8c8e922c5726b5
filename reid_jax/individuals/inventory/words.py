"""An inventory in words: what is there, what to look at, and which division it allows."""

import collections
import re
from collections.abc import Mapping, Sequence

import numpy as np

from reid_jax.console import counted
from reid_jax.data.photos.dataset import counts_text
from reid_jax.individuals.inventory.look import Division, Inventory, facts

_NAMED = 5  # examples of a kind
_MANY = 0.1  # of the photos that are searched for, from which their being easy is said first
_TOLD = {
    "identity": "how well strangers are told apart",
    "date": "how well known individuals are found again on a later day",
    "open": "the same, and who is called unknown",
    "photo": "little, as photos of one encounter are on both sides",
    "given": "what the column split's author meant",
}
_BEST_FIRST = ("date", "open", "identity")


def rows(found: Inventory) -> list[tuple[str, str]]:
    """What is counted, as (what, text), for a screen and a page."""
    seen, photos = facts(found), found.photos
    lines = [("photos", f"{len(photos):,}")]
    if seen["boxes"]:
        several = seen["files_with_several_boxes"]
        lines[0] = (
            "photos",
            f"{seen['files']:,}, {several:,} of them with several boxes",
        )
        lines.append(("boxes", f"{seen['boxes']:,}, a row each"))
    low, middle, high = seen["shorter_side"]
    small = next((s for s, n in reversed(seen["smaller_than"].items()) if 4 * n <= len(photos)), "")
    fewer = seen["smaller_than"].get(small, 0)
    more = f"; {fewer:,} below {small}" if fewer else ""
    lines.append(
        ("shorter side", f"{low} / {middle:g} / {high} pixels  (min / median / max){more}")
    )
    if len(seen["endings"]) > 1:
        lines.append(("kinds of file", counts_text(seen["endings"])))
    lines.append(("individuals", f"{seen['individuals']:,}"))
    if seen["photos_each"]:
        low, middle, high = seen["photos_each"]
        lines.append(("photos each", f"{low} / {middle:g} / {high}  (min / median / max)"))
    if singles := seen["individuals_with_one_photo"]:
        lines.append(("with one photo", _listed(singles)))
    if seen["of_nobody"]:
        lines.append(("of nobody", counted(seen["of_nobody"], "photo")))
    lines += _dates(seen, len(photos))
    for name, values in seen["columns"].items():
        said = {value or "not said": number for value, number in values.items()}
        lines.append((name, counts_text(said)))
    lines += _alike(found)
    if blank := seen["nothing_to_see"]:
        lines.append(("nothing to see", _listed([*map(_short, blank)])))
    lines.append(("skipped", _reasons(seen["skipped"])))
    if seen["passed_over"]:
        lines.append(("passed over", counts_text(seen["passed_over"])))
    return lines + [("note", note) for note in seen["notes"]]


def _dates(seen: Mapping[str, object], number: int) -> list[tuple[str, str]]:
    if not seen["dated"]:
        return [("dates", "none")]
    without = number - int(str(seen["dated"]))
    lines = [
        (
            "dates",
            f"{seen['first_day']} to {seen['last_day']}, {seen['days']:,} days"
            + (f"; {without:,} photos without" if without else ""),
        ),
        ("on several days", f"{seen['individuals_seen_on_several_days']:,} individuals"),
    ]
    return lines + ([("places", f"{seen['placed']:,} photos")] if seen["placed"] else [])


def _alike(found: Inventory) -> list[tuple[str, str]]:
    names = np.asarray(found.photos.identities, object)[found.photos.labels]
    spare = sum(len(group) - 1 for group in found.copies)
    across = sum(len(set(names[list(group)])) > 1 for group in found.copies)
    lines = [("exact copies", f"{spare:,}")]
    if across:
        lines[0] = (
            "exact copies",
            f"{spare:,}; {counted(across, 'photo is', 'photos are')} of two individuals",
        )
    lines.append(("same picture", counted(len(found.near), "pair") if found.near else "no pair"))
    lines[-1] = (lines[-1][0], lines[-1][1] + " in another size or compression")
    shots = sum(map(len, found.bursts))
    text = f"{len(found.bursts):,}, of {shots:,} photos" if found.bursts else "none"
    if found.bursts:
        text += f", the longest of {max(map(len, found.bursts)):,}"
    return [*lines, ("likely bursts", text)]


def _reasons(skipped: Sequence[Mapping[str, str]]) -> str:
    if not skipped:
        return "0"
    kinds = collections.Counter(_kind(each["why"]) for each in skipped)
    return f"{len(skipped):,}: {counts_text(kinds)}"


_DIFFERS = (  # what differs from photo to photo in a reason, and what stays
    (r"(,| \() ?(in (line|detection|annotation)|which is|listed again|again in) .*", ""),
    (r" \(.*\)", ""),
    (r"^the same file as .*", "listed again"),
    (r"^its box .*?(is not four|has a number|has swapped corners|is empty).*", r"its box \1"),
    (r"^its box holds \d+ x \d+ pixels, ", "its box is "),
    (r"^\d+ x \d+ pixels, ", ""),
    (r"is not four$", "is not four numbers"),
    (r"has a number$", "has a number that is none"),
)


def _kind(why: str) -> str:
    for pattern, kept in _DIFFERS:
        why = re.sub(pattern, kept, why)
    return why


def _short(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{len(names):,}: {', '.join(names[:_NAMED])}{more}"


def meaning(found: Inventory) -> list[str]:
    """Sentences about each division, the best that is possible first."""
    by_method = {each.method: each for each in found.divisions}
    possible = [name for name in _BEST_FIRST if not by_method[name].refused]
    sentences = [_advice(found, possible, by_method)]
    order = [*possible, *(name for name in by_method if name not in possible)]
    return sentences + [_division(by_method[name]) for name in order]


def _advice(found: Inventory, possible: list[str], by_method: Mapping[str, Division]) -> str:
    if not len(found.counts):
        return (
            "No photo has an individual, so nothing can be judged or trained. Names come in "
            "folders, one an individual, or in a column identity; reid-jax embed needs none."
        )
    if by_method["given"].refused == "":
        return "The source says itself what is held out: --data.split given."
    if "date" in possible:
        return (
            "Go by --data.split date, or open where strangers may come: whoever is seen again is "
            "seen on another day."
        )
    if possible:
        return (
            "Go by --data.split identity, as no individual is known to have been seen on two days; "
            "photos of one encounter may flatter it."
        )
    return (
        "Nothing can be held out fairly: it needs four individuals with two photos or more, better "
        "on several days."
    )


def _division(each: Division) -> str:
    if each.refused:
        return f"{each.method}: impossible. {each.refused}"
    on = f"{each.train:,} of {counted(each.individuals, 'individual')}"
    what = (
        f"{each.method}: {each.queries:,} photos are searched for in {each.gallery:,}, trained is "
        f"on {on}; it says {_TOLD[each.method]}."
    )
    if not each.easy:
        return what
    share = each.easy / each.queries
    flatters = "which flatters" if share >= _MANY else "which flatters a little"
    number = f"{each.easy:,} of those searched for ({share:.0%})"
    have = "has" if each.easy == 1 else "have"
    return f"{what} {number} {have} a copy or a shot of the same moment among the rest, {flatters}."


def as_text(found: Inventory) -> str:
    """The inventory for a screen."""
    lines = rows(found)
    width = max(len(name) for name, _ in lines) + 2
    body = [f"{name:<{width}}{text}" for name, text in lines]
    return "\n".join([*body, "", *meaning(found)])
