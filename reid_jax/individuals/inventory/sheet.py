"""An inventory as one HTML page with the pictures in it; nothing is fetched from outside."""

from collections.abc import Sequence
from html import escape

import numpy as np

from reid_jax.individuals.gallery.pictures import thumbnails
from reid_jax.individuals.inventory.look import Inventory
from reid_jax.individuals.inventory.words import meaning, rows
from reid_jax.reporting import page, wall

_INDIVIDUALS = 48  # of which a picture is shown, evenly over their names
_EACH = 3  # of one of them
_PAIRS, _BURSTS, _SHOTS, _SINGLES = 24, 12, 6, 24
_STYLE = ".facts dt{font-weight:600}.facts dd{overflow-wrap:anywhere}"
Wall = list[tuple[tuple[int, ...], str]]  # photos side by side, and what stands under them
_MEANINGS = {
    "exact copies": "Photos whose files hold the same bytes, under whatever names.",
    "same picture": "Photos that look the same place by place, as of one in another size.",
    "likely bursts": "Photos of one individual, seconds apart where the time is known, else of one "
    "day and alike. They make a search easy, whoever it is.",
}


def as_html(found: Inventory) -> str:
    """The page.

    Raises:
      UserError: a photo can no longer be read.
    """
    longest = sorted(found.bursts, key=len, reverse=True)
    walls: dict[str, Wall] = {
        "Individuals": _individuals(found),
        "One photo alone": _singles(found),
        "The same picture twice": _pairs(found),
        "Likely bursts": [(group, _who(found, group)) for group in longest[:_BURSTS]],
        "Nothing to see": [((row,), _who(found, (row,))) for row in found.blank[:_SINGLES]],
    }
    wanted = sorted({row for each in walls.values() for group, _ in each for row in group[:_SHOTS]})
    made, _ = thumbnails(found.photos.subset(np.array(wanted, np.int64)))
    pictures = dict(zip(wanted, made.tolist(), strict=True))
    items = "".join(
        f'<dt class="word">{escape(name)}</dt><dd>{escape(text)}</dd>' for name, text in rows(found)
    )
    sentences = meaning(found)
    big = {
        "photos": f"{len(found.photos):,}",
        "individuals": f"{len(found.counts):,}",
        "days": f"{len(np.unique(found.days[~np.isnat(found.days)])):,}",
        "skipped": f"{len(found.photos.skipped):,}",
    }
    sections = [
        page.headline(f"Photos of {found.source}", escape(sentences[0]), big),
        page.section("What can be held out", page.bullets(sentences[1:])),
        page.section("What is there", f'<dl class="facts">{items}</dl>'),
        *(_wall(found, title, groups, pictures) for title, groups in walls.items()),
        _skipped(found),
    ]
    return page.page("Photos", sections, meanings=_MEANINGS, style=wall.STYLE + _STYLE)


def _individuals(found: Inventory) -> Wall:
    names = sorted(name for name, number in found.counts.items() if number > 1)
    chosen = np.unique(np.linspace(0, len(names) - 1, min(len(names), _INDIVIDUALS)).astype(int))
    return [
        (_some_of(found, names[place]), f"{names[place]}: {found.counts[names[place]]:,} photos")
        for place in chosen
    ]


def _some_of(found: Inventory, name: str) -> tuple[int, ...]:
    """The first, the last and one between of an individual's photos, by date where there is one."""
    own = np.flatnonzero(found.photos.labels == found.photos.identities.index(name))
    if "date" in found.photos.columns:
        own = own[np.argsort(found.photos.columns["date"][own], kind="stable")]
    places = np.unique(np.linspace(0, len(own) - 1, min(len(own), _EACH)).astype(int))
    return tuple(own[places].tolist())


def _singles(found: Inventory) -> Wall:
    names = sorted(name for name, number in found.counts.items() if number == 1)
    return [(_some_of(found, name), name) for name in names[:_SINGLES]]


def _pairs(found: Inventory) -> Wall:
    copied = [(group[:2], f"copies: {_who(found, group)}") for group in found.copies]
    near = [(pair, _who(found, pair)) for pair in found.near]
    both: Wall = [*copied, *near]
    # Those that two individuals share come first: one of the names is wrong.
    both.sort(key=lambda each: len(set(found.photos.labels[list(each[0])].tolist())), reverse=True)
    return both[:_PAIRS]


def _who(found: Inventory, group: Sequence[int]) -> str:
    names = dict.fromkeys(found.photos.identities[found.photos.labels[row]] for row in group)
    return " / ".join(names)


def _wall(found: Inventory, title: str, groups: Wall, pictures: dict[int, bytes]) -> str:
    cards = []
    for group, words in groups:
        shown = group[:_SHOTS]
        names = [str(found.photos.paths[row]).rsplit("/", 1)[-1] for row in shown]
        more = f", and {len(group) - len(shown):,} more" if len(group) > len(shown) else ""
        images = [(pictures[row], name) for row, name in zip(shown, names, strict=True)]
        cards.append(wall.card(images, words, ", ".join(names) + more))
    return wall.wall(title, cards)


def _skipped(found: Inventory) -> str:
    if not found.photos.skipped:
        return ""
    said = [f"{path}: {why}" for path, why in found.photos.skipped]
    return page.section(
        "Skipped", f"<details><summary>{len(said):,} photos</summary>{page.bullets(said)}</details>"
    )
