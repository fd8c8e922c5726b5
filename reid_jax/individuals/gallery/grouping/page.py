"""The groups as one HTML page: what to look at first, the surest, the others, photos alone."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from reid_jax.console import counted
from reid_jax.individuals.evidence.search import matches
from reid_jax.individuals.gallery.grouping.grouped import Grouped
from reid_jax.individuals.gallery.grouping.groups import Doubt
from reid_jax.individuals.gallery.grouping.words import doubt_text, lead
from reid_jax.individuals.gallery.lines import HEAT, STYLE, pair_figure
from reid_jax.individuals.gallery.output import shown
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.reporting import page, wall

_DOUBTS, _SURE, _OTHERS, _ALONE = 24, 60, 60, 48
_EACH = 4  # photos of a group
_FEWEST = 3  # points that are worth lines: two agree by chance
_STYLE = """
.doubts{list-style:none;margin:1rem 0 0;padding:0;display:grid;gap:1.1rem;
grid-template-columns:repeat(auto-fill,minmax(24rem,1fr))}
.doubts>li{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.9rem;
min-width:0}
.doubts b{overflow-wrap:anywhere}.doubts p{margin:.2rem 0 .6rem;font-size:.85rem}
.doubts code{font-size:.8rem;overflow-wrap:anywhere}
.both{display:flex;gap:.4rem}.both img{flex:1 1 0;width:0;min-width:0;height:11rem;
object-fit:contain;background:#eef1ef;border-radius:5px}
@media(max-width:30rem){.doubts{grid-template-columns:1fr}}
"""
_MEANINGS = {
    "link": "How alike two groups are, the mean over all pairs of a photo of the one and a photo "
    "of the other, from 0 to 1; pairs that are not among each other's nearest count as 0. Groups "
    "whose link is the threshold or more are one.",
    "sure": "A group whose photos hold together better than chance explains, and far better than "
    "they hold to any other. Two animals before one background may still be in one.",
    "points": "Details that are there in both photos and lie to each other in the same way. Lines "
    "join them.",
}


def as_html(folder: Path, gallery: Gallery, found: Grouped) -> str:
    """The page.

    Args:
      folder: of the gallery, for commands to copy.
      gallery: with thumbnails, named by the groups.
    """
    alone = np.flatnonzero(found.groups.sizes == 1)
    several = np.flatnonzero(found.groups.sizes > 1)
    sure = several[found.sure[several]]
    sure = sure[np.argsort(-found.firmness[sure], kind="stable")]
    others = several[~found.sure[several]]
    cards = {
        "groups": f"{len(several):,}",
        "of these sure": f"{len(sure):,}",
        "photos in sure groups": f"{int(found.groups.sizes[sure].sum()):,}",
        "photos alone": f"{len(alone):,}",
    }
    sections = [
        HEAT + page.headline("Groups", escape(lead(found)), cards) + page.notes(found.notes),
        _doubts(folder, gallery, found),
        _wall(gallery, found, "Sure groups", sure, _SURE),
        _wall(gallery, found, "Other groups", others, _OTHERS),
        _wall(gallery, found, "Photos alone", alone, _ALONE),
    ]
    return page.page("Groups", sections, meanings=_MEANINGS, style=wall.STYLE + STYLE + _STYLE)


def _doubts(folder: Path, gallery: Gallery, found: Grouped) -> str:
    items = [_doubt(folder, gallery, doubt) for doubt in found.groups.doubts[:_DOUBTS]]
    if not items:
        return ""
    rest = len(found.groups.doubts) - len(items)
    more = f" {rest:,} more are less urgent." if rest > 0 else ""
    note = f"The answers that would change most come first.{more}"
    return page.section(
        "Look at these first", page.notes([note]), f'<ul class="doubts">{"".join(items)}</ul>'
    )


def _doubt(folder: Path, gallery: Gallery, doubt: Doubt) -> str:
    rows = doubt.first, doubt.second
    names = [str(gallery.identities[row]) for row in rows]
    title, command = doubt_text(folder, gallery, doubt)
    assert gallery.thumbnails is not None
    pictures = [gallery.thumbnails[row] for row in rows]
    files = [shown(str(gallery.paths[row]).rsplit("/", 1)[-1]) for row in rows]
    drawn = ""
    points = 0
    if gallery.local is not None:
        first, second = (gallery.local.take(np.array([row])) for row in rows)
        found = matches(first, second)[0]
        points = len(found)
        if points >= _FEWEST:
            words = f"{files[0]} and {files[1]} agree in {points} points"
            figure = pair_figure(pictures[0], pictures[1], found, words)
            drawn = f'<div class="agree">{figure}</div>'
    if not drawn:
        images = "".join(
            page.image(page.data_url(picture, "jpeg"), name)
            for picture, name in zip(pictures, files, strict=True)
        )
        drawn = f'<div class="both">{images}</div>'
    agree = f", {counted(points, 'point')}" if points else ""
    facts = f"link {doubt.link:.2f}{agree}; {counted(doubt.changes, 'pair')} of photos would change"
    who = names[0] if names[0] == names[1] else f"{names[0]} and {names[1]}"
    return (
        f"<li><b>{escape(title)}</b><p>{escape(shown(who))}: {escape(facts)}</p>{drawn}"
        f"<p>{escape(' / '.join(files))}</p><code>{escape(command)}</code></li>"
    )


def _wall(
    gallery: Gallery, found: Grouped, title: str, groups: Sequence[int] | np.ndarray, most: int
) -> str:
    assert gallery.thumbnails is not None
    cards = []
    for group in list(groups)[:most]:
        rows = found.members[group]
        some = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _EACH)).astype(int))]
        files = [shown(str(gallery.paths[row]).rsplit("/", 1)[-1]) for row in some]
        name = shown(str(gallery.identities[rows[0]]))
        inside = found.groups.inside[group]
        held = f", link {inside:.2f}" if len(rows) > 1 and np.isfinite(inside) else ""
        pictures = list(zip(gallery.thumbnails[some].tolist(), files, strict=True))
        words = name if len(rows) == 1 else f"{name}: {counted(len(rows), 'photo')}{held}"
        cards.append(wall.card(pictures, words, ", ".join(files)))
    rest = len(groups) - len(cards)
    return wall.wall(title, cards, f"{rest:,} more are not shown." if rest > 0 else "")
