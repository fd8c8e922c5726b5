"""One HTML file to read without us: the pictures inside it, nothing fetched from outside."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from reid_jax.individuals.findings import Confusion, Row, Strip
from reid_jax.individuals.glossary import MEASURES, TABLE
from reid_jax.individuals.measures import left_out
from reid_jax.ops.significance import FEWEST_FOR_INTERVAL

_CSS = """
:root{--ink:#1f2a2c;--soft:#5d6b6e;--line:#dfe4e2;--paper:#fbfbf8;--card:#fff;--green:#1a7f4b;
--red:#c2412d;--teal:#0f766e}
*{box-sizing:border-box}
html{color-scheme:light}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
main{max-width:60rem;margin:0 auto;padding:3.5rem 1.5rem 6rem}
h1{font-size:2.1rem;line-height:1.15;margin:0 0 .6rem;letter-spacing:-.02em;text-wrap:balance;
overflow-wrap:anywhere}
h2{font-size:1.35rem;line-height:1.25;margin:0 0 .5rem;letter-spacing:-.01em}
h3{font-size:1rem;margin:1.6rem 0 .5rem}
section{margin-top:3.25rem;padding-top:2rem;border-top:1px solid var(--line)}
p{margin:.4rem 0 1rem;max-width:42rem}
.lead{font-size:1.12rem;color:var(--soft)}.lead b{color:var(--ink)}
.note{color:var(--soft);font-size:.92rem}
.big{display:flex;flex-wrap:wrap;gap:1rem;margin:1.8rem 0 0;padding:0;list-style:none}
.big li{flex:1 1 11rem;background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:1rem 1.2rem}
.big b{display:block;font-size:2.1rem;line-height:1.2;font-variant-numeric:tabular-nums;
letter-spacing:-.02em}
.big .ours b{color:var(--teal)}
.big span{color:var(--soft);font-size:.92rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;min-width:32rem;width:100%}
th,td{padding:.5rem .75rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}
thead th{font-weight:600;font-size:.85rem;color:var(--soft)}
tbody tr.ours td{font-weight:650}
td small{display:block;font-weight:400;color:var(--soft);font-size:.78rem}
td.bar{width:40%;min-width:9rem}
td.bar i{display:block;height:.65rem;border-radius:2px;background:var(--teal);min-width:2px}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1.2rem}
figure{margin:0;background:var(--card);border:1px solid
var(--line);border-radius:10px;padding:.8rem} section>figure+figure{margin-top:1.2rem}
figure img{display:block;width:100%;height:auto}
figcaption{font-size:.88rem;color:var(--soft);padding:.4rem .3rem .1rem}
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
dl{display:grid;grid-template-columns:max-content 1fr;gap:.45rem 1.4rem;margin:1rem 0}
dt{font-weight:600}dd{margin:0;color:var(--soft)}
details{margin-top:1.2rem}summary{cursor:pointer;font-weight:600}
footer{margin-top:3.5rem;padding-top:1.2rem;border-top:1px solid var(--line);color:var(--soft);
font-size:.88rem}
@media(max-width:36rem){main{padding:2rem 1rem 4rem}h1{font-size:1.6rem}
dl{grid-template-columns:1fr;gap:.1rem}dd{margin-bottom:.6rem}}
@media print{section{break-inside:avoid}}
"""


_TIES = (
    "Equally similar photos are ranked in the order of the gallery; a photo is never compared with "
    "itself."
)


def page(title: str, sections: Iterable[str], last: str = _TIES) -> str:
    """The document; `last` is the end of its small print."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS}</style></head><body><main>"
        + "\n".join(sections)
        + "<footer>Written by reid_jax. The numbers are in <code>metrics.json</code>, the tables "
        "in <code>tables.md</code> and the figures as PNG files beside this page. "
        f"{escape(last)}</footer>"
        "</main></body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A titled part of the page; empty when it has nothing to show."""
    body = "".join(parts)
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def opening(
    title: str, metrics: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]
) -> str:
    """The title and the one number that matters, beside its baselines."""
    number = {name: metrics.get(name) for name in ("num_queries", "num_excluded", "rank1")}
    asked = int(number["num_queries"] or 0) - int(number["num_excluded"] or 0)
    lead = (
        f"Each of <b>{asked:,} photos</b> was looked up among <b>{metrics.get('num_gallery', 0):,} "
        f"photos</b> ({metrics.get('num_individuals', 0):,} individuals in all). How often is the "
        "best match the right individual?"
    )
    rows = {"this network": metrics, **baselines}
    cards = {name: percent(values.get("rank1")) for name, values in rows.items()}
    note = "".join(f'<p class="note">{escape(sentence)}</p>' for sentence in left_out(metrics))
    if copied := int(metrics.get("num_queries_with_copy", 0)):
        note += (
            f'<p class="note">{copied:,} of the photos have an exact copy among those that were '
            "looked in. When no copy counts, the best match is right in "
            f"{percent(metrics.get('rank1_without_copies'))}.</p>"
        )
    return headline(title, lead, cards) + note


def headline(title: str, lead: str, cards: Mapping[str, str]) -> str:
    """The title, a sentence (HTML), and big numbers by name, the first of them ours."""
    items = "".join(
        f'<li class="{"" if place else "ours"}"><b>{value}</b><span>{escape(name)}</span></li>'
        for place, (name, value) in enumerate(cards.items())
    )
    return f'<h1>{escape(title)}</h1><p class="lead">{lead}</p><ul class="big">{items}</ul>'


def metrics_table(
    metrics: Mapping[str, Any],
    baselines: Mapping[str, Mapping[str, Any]],
    *,
    measures: Mapping[str, tuple[str, str]] = MEASURES,
    table: Sequence[str] = (*TABLE, "one_shot_20way"),
    otherwise: str = "other individuals had been photographed",
) -> str:
    """A row for the network and each baseline; what the columns mean below.

    Args:
      measures: names and meanings, by key.
      table: keys of the columns; the other measures are folded away.
      otherwise: what the intervals are about.
    """
    rows = {"this network": metrics, **baselines}
    names = [name for name in table if name in metrics]
    head = "".join(f"<th>{escape(measures[name][0])}</th>" for name in names)
    body = "".join(
        f'<tr class="{"ours" if row == "this network" else ""}"><td>{escape(row)}</td>'
        + "".join(f"<td>{number(values.get(name))}{_interval(values, name)}</td>" for name in names)
        + "</tr>"
        for row, values in rows.items()
    )
    meaning = "".join(
        f"<dt>{escape(measures[name][0])}</dt><dd>{escape(measures[name][1])}</dd>"
        for name in names
    )
    others = [name for name in measures if name in metrics and name not in names]
    more = "".join(
        f"<dt>{escape(measures[name][0])}: {number(metrics[name])}</dt>"
        f"<dd>{escape(measures[name][1])}</dd>"
        for name in others
    )
    return (
        f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        f'<p class="note">{escape(_about_intervals(metrics, names, otherwise))} The rows below '
        "the first show what can be had without learning; a network earns its keep by the distance "
        "to them.</p>"
        f"<dl>{meaning}</dl>"
        + (f"<details><summary>More measures</summary><dl>{more}</dl></details>" if more else "")
    )


def strip(found: Strip, thumbnails: "Thumbnails", labels: np.ndarray, names: Sequence[str]) -> str:
    """A query and its matches, framed by whether they are right."""
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
            f"<span>{float(score):.2f}</span></div>"
        )
    return f'<div class="strip">{"".join(cells)}</div>'


def strips(found: Sequence[Strip], *arguments: Any) -> str:
    """Several of them."""
    rows = "".join(strip(one, *arguments) for one in found)
    return f'<div class="scroll">{rows}</div>' if rows else ""


def confusions(
    found: Sequence[Confusion], thumbnails: "Thumbnails", labels: np.ndarray, names: Sequence[str]
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


def breakdown(name: str, rows: Sequence[Row], note: str = "") -> str:
    """Rank-1 by the values of a column."""
    body = "".join(
        f"<tr><td>{escape(row.name)}</td><td>{row.queries:,}</td><td>{percent(row.rank1)}</td>"
        f"<td>{row.mean_ap:.3f}</td>"
        f'<td class="bar"><i style="width:{100 * row.rank1:.1f}%"></i></td></tr>'
        for row in rows
    )
    return (
        f'<h3>By {escape(name + note)}</h3><div class="scroll"><table>'
        f"<thead><tr><th>{escape(name)}</th>"
        "<th>photos</th><th>Rank-1</th><th>mAP</th><th></th></tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text."""
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{first}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def figure(png: bytes | None, caption: str, *, photographic: bool = False) -> str:
    """A picture inside the page (as JPEG if it is made of photos); empty without one."""
    if png is None:
        return ""
    source = _data(_jpeg(_decoded(png)), "jpeg") if photographic else _data(png, "png")
    return (
        f'<figure><img loading="lazy" alt="{escape(caption)}" src="{source}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def notes(sentences: Sequence[str]) -> str:
    """Small print."""
    return "".join(f'<p class="note">{escape(sentence)}</p>' for sentence in sentences)


def side_by_side(*figures: str) -> str:
    """Figures in two columns where there is room."""
    body = "".join(figures)
    return f'<div class="two">{body}</div>' if body else ""


def percent(value: Any) -> str:
    """``0.123 -> 12.3%``, and a dash for what is not known."""
    return f"{100 * value:.1f}%" if isinstance(value, float) and np.isfinite(value) else "–"


def number(value: Any) -> str:
    """Three digits, and a dash for what is not known."""
    return f"{value:.3f}" if isinstance(value, float) and np.isfinite(value) else "–"


class Thumbnails:
    """``<img>`` elements of photos, decoded together.

    Args:
      dataset: with ``load`` and ``paths``.
      rows: all that will be asked for.
    """

    def __init__(self, dataset: Any, rows: Iterable[int], size: int = 128) -> None:
        self._place = {row: i for i, row in enumerate(sorted({int(row) for row in rows}))}
        self._images = dataset.load(np.array(list(self._place), np.int64), size, 3)
        self._paths = dataset.paths

    def pixels(self, row: int) -> np.ndarray:
        """``(size, size, 3)`` uint8."""
        return self._images[self._place[int(row)]]

    def __call__(self, row: int) -> str:
        name = escape(str(self._paths[int(row)]).rsplit("/", 1)[-1])
        source = _data(_jpeg(self.pixels(row)), "jpeg")
        return f'<img loading="lazy" alt="{name}" title="{name}" src="{source}">'


def _ends(values: Mapping[str, Any], name: str) -> list[float]:
    """Of the interval, empty without one."""
    ends = [values.get(f"{name}_{end}") for end in ("low", "high")]
    found = [end for end in ends if end is not None and np.isfinite(end)]
    return found if len(found) == 2 else []


def _interval(values: Mapping[str, Any], name: str) -> str:
    ends = _ends(values, name)
    return f"<small>{number(ends[0])} to {number(ends[1])}</small>" if ends else ""


def _about_intervals(values: Mapping[str, Any], names: Sequence[str], otherwise: str) -> str:
    if any(_ends(values, name) for name in names):
        return f"The small numbers are 95% intervals: how far the value could move if {otherwise}."
    return (
        f"How far the values could move if {otherwise} cannot be said: a 95% interval needs "
        f"{FEWEST_FOR_INTERVAL} of them or more."
    )


def _decoded(image: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))


def _jpeg(pixels: np.ndarray) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="jpeg", quality=84)
    return stream.getvalue()


def _data(image: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
