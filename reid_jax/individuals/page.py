"""What only a page about individuals has: photos beside their matches, and who is confused."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from reid_jax.console import counted
from reid_jax.individuals.closeness import Closeness, closeness_of
from reid_jax.individuals.findings import Confusion, Row, Strip
from reid_jax.individuals.glossary import MEASURES
from reid_jax.individuals.measures import left_out
from reid_jax.reporting import page
from reid_jax.reporting.measure import OURS, number, percent
from reid_jax.reporting.symptom import Symptom
from reid_jax.reporting.table import Cell, Table

STYLE = """
.strip{display:flex;gap:.5rem;padding:.55rem 0;width:max-content}
.photo{width:6.4rem;font-size:.78rem;line-height:1.3}
.photo img{display:block;width:6.4rem;height:6.4rem;object-fit:cover;border-radius:6px;
border:4px solid var(--line);margin-bottom:.25rem}
.photo.query{margin-right:.9rem}.photo.query img{border-color:var(--ink)}
.photo.right img{border-color:var(--green)}.photo.wrong img{border-color:var(--red)}
.photo b{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.right b{color:var(--green)}.wrong b{color:var(--red)}
.photo span{color:var(--soft)}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem}
.pair{display:flex;flex-wrap:wrap;gap:.6rem;background:var(--card);border:1px solid var(--line);
border-radius:10px;padding:.8rem}
.pair p{flex-basis:100%;margin:0;font-size:.92rem}
"""
TIES = (
    "Equally similar photos are ranked in the order of the gallery; a photo is never compared with "
    "itself."
)


def opening(
    title: str,
    about: str,
    symptoms: Sequence[Symptom],
    metrics: Mapping[str, Any],
    baselines: Mapping[str, Mapping[str, Any]],
) -> str:
    """The title, what is wrong, and the one number that matters beside its baselines.

    `about` is what the number is of.
    """
    asked = int(metrics.get("num_queries") or 0) - int(metrics.get("num_excluded") or 0)
    lead = (
        f"Each of <b>{asked:,} photos</b> was looked up among <b>{metrics.get('num_gallery', 0):,} "
        f"photos</b> ({metrics.get('num_individuals', 0):,} individuals in all). How often is the "
        "best match the right individual?"
    )
    note = page.notes([*([about] if about else []), *left_out(metrics)])
    if copied := int(metrics.get("num_queries_with_copy", 0)):
        without = percent(metrics.get("rank1_without_copies"))
        note += page.notes(
            [
                f"{counted(copied, 'of the photos has', 'of the photos have')} an exact copy (a "
                "file of the same bytes) among those that were looked in. "
                f"When no copy counts, the best match is right in {without}."
            ]
        )
    cards = page.cards({OURS: metrics, **baselines}, MEASURES["rank1"])
    return page.headline(title, lead, cards, symptoms=symptoms) + note


def strip(
    found: Strip,
    thumbnails: page.Thumbnails,
    labels: np.ndarray,
    names: Sequence[str],
    *,
    closeness: Closeness,
) -> str:
    """A query and its matches, framed by whether they are right, with how close they are."""
    own = names[int(labels[found.query])]
    cells = [
        f'<div class="photo query">{thumbnails(found.query)}<b>{escape(own)}</b>looked up</div>'
    ]
    for row, score in zip(found.matches, found.scores, strict=True):
        right = labels[row] == labels[found.query]
        kind, mark = ("right", "✓") if right else ("wrong", "✗")
        name = escape(names[int(labels[row])])
        cells.append(
            f'<div class="photo {kind}">{thumbnails(int(row))}<b title="{name}">{mark} {name}</b>'
            f"<span>{closeness.text(score, 2)}</span></div>"
        )
    return f'<div class="strip">{"".join(cells)}</div>'


def strips(found: Sequence[Strip], *arguments: Any, metric: str) -> str:
    """Several of them, compared by a metric."""
    rows = "".join(strip(one, *arguments, closeness=closeness_of(metric)) for one in found)
    return f'<div class="scroll">{rows}</div>' if rows else ""


def confusions(
    found: Sequence[Confusion],
    thumbnails: page.Thumbnails,
    labels: np.ndarray,
    names: Sequence[str],
) -> str:
    """Pairs of individuals taken for each other, each with one such pair of photos."""
    cards = []
    for pair in found:
        photos = "".join(
            f'<div class="photo">{thumbnails(row)}<b>{escape(names[int(labels[row])])}</b></div>'
            for row in (pair.query, pair.match)
        )
        times = "once" if pair.count == 1 else f"{pair.count} times"
        cards.append(f'<div class="pair">{photos}<p>taken for each other {times}</p></div>')
    return f'<div class="pairs">{"".join(cards)}</div>' if cards else ""


def breakdown(name: str, rows: Sequence[Row]) -> Table:
    """Rank-1 and mAP by the values of a column."""
    cells = [
        [row.name, f"{row.queries:,}", Cell(number(row.rank1), bar=row.rank1), number(row.mean_ap)]
        for row in rows
    ]
    return Table([name, "photos", MEASURES["rank1"].name, MEASURES["mAP"].name], cells)
