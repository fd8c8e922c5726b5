"""One HTML file to read without us: the pictures inside it, nothing fetched from outside."""

import base64
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from reid_jax.ops.significance import FEWEST_FOR_INTERVAL
from reid_jax.reporting.measure import Measure, Measures, columns, number
from reid_jax.reporting.symptom import Symptom
from reid_jax.reporting.table import results_table
from reid_jax.reporting.words import STYLE, explained

_CSS = """
:root{--ink:#1f2a2c;--soft:#5d6b6e;--line:#dfe4e2;--paper:#fbfbf8;--card:#fff;--green:#1a7f4b;
--red:#c2412d;--teal:#0f766e;--amber:#a3541a}
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
.wrong{margin:1.2rem 0;padding:.9rem 1.2rem;list-style:none;background:var(--card);
border:1px solid var(--line);border-left:5px solid var(--red);border-radius:10px}
.wrong li+li{margin-top:.7rem}.wrong b{color:var(--red)}
.big{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:1rem;
margin:1.8rem 0 0;padding:0;list-style:none}
.big li{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:1rem 1.2rem}
.big b{display:block;font-size:2.1rem;line-height:1.2;font-variant-numeric:tabular-nums;
letter-spacing:-.02em}
.big .ours b{color:var(--teal)}
.big span{color:var(--soft);font-size:.92rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;min-width:32rem;width:100%}
th,td{padding:.5rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th.l,td.l{text-align:left}th:first-child,td:first-child{padding-left:0}
thead th{font-weight:600;font-size:.85rem;color:var(--soft);white-space:normal;
vertical-align:bottom}
tbody tr.ours td{font-weight:650}
td small{display:block;font-weight:400;color:var(--soft);font-size:.78rem}
i.bar{display:block;height:.35rem;border-radius:2px;background:var(--teal);min-width:2px;
margin:.15rem 0 0 auto}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1.2rem}
figure{margin:0;background:var(--card);border:1px solid
var(--line);border-radius:10px;padding:.8rem}
section>figure+figure,details+figure{margin-top:1.2rem}
figure img{display:block;width:100%;height:auto}
figcaption{font-size:.88rem;color:var(--soft);padding:.4rem .3rem .1rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.45rem 1.4rem;margin:1rem 0}
dt{font-weight:600}dd{margin:0;color:var(--soft)}
details{margin-top:1.2rem}summary{cursor:pointer;font-weight:600}
footer a,.note a{color:inherit}
footer{margin-top:3.5rem;padding-top:1.2rem;border-top:1px solid var(--line);color:var(--soft);
font-size:.88rem}
@media(max-width:36rem){main{padding:2rem 1rem 4rem}h1{font-size:1.6rem}
dl{grid-template-columns:1fr;gap:.1rem}dd{margin-bottom:.6rem}}
@media print{section{break-inside:avoid}}
"""


def page(
    title: str,
    sections: Iterable[str],
    *,
    meanings: Mapping[str, str] | None = None,
    last: str = "",
    style: str = "",
) -> str:
    """The document.

    Args:
      title: of the window.
      sections: HTML.
      meanings: of words; those that the page uses are explained at its end.
      last: the end of the small print (HTML).
      style: CSS of what only this kind of page has.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS}{STYLE}{style}</style></head><body><main>"
        + explained("\n".join(sections), meanings or {})
        + f"<footer>Written by reid_jax. {last}</footer></main></body></html>\n"
    )


FILES = (
    "The numbers are in <code>metrics.json</code>, the tables in <code>tables.md</code> and the "
    "figures as PNG files beside this page."
)
"""The small print of a report."""


def section(title: str, *parts: str) -> str:
    """A titled part of the page; empty when it has nothing to show."""
    body = "".join(parts)
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def heading(text: str) -> str:
    """Of a part of a section."""
    return f"<h3>{escape(text)}</h3>"


def headline(
    title: str, lead: str, cards: Mapping[str, str], *, symptoms: Sequence[Symptom] = ()
) -> str:
    """The title, what is wrong, a sentence (HTML), and big numbers by name, ours first."""
    items = "".join(
        f'<li class="{"" if place else "ours"}"><b>{value}</b>'
        f'<span class="word">{escape(name)}</span></li>'
        for place, (name, value) in enumerate(cards.items())
    )
    big = f'<ul class="big">{items}</ul>' if items else ""
    wrong = "".join(
        f"<li><b>{escape(each.sentence)}</b> {escape(each.advice)}</li>" for each in symptoms
    )
    wrong = f'<ul class="wrong">{wrong}</ul>' if wrong else ""
    return f'<h1>{escape(title)}</h1>{wrong}<p class="lead">{lead}</p>{big}'


def cards(results: Mapping[str, Mapping[str, Any]], measure: Measure) -> dict[str, str]:
    """The big numbers of :func:`headline`: one measure of the network and each baseline."""
    return {name: measure.alone(values.get(measure.key)) for name, values in results.items()}


def metrics_table(
    results: Mapping[str, Mapping[str, Any]],
    measures: Measures,
    *,
    table: str | None = None,
    otherwise: str = "",
    apart: Collection[str] = (),
) -> str:
    """A row for the network and each baseline; further measures of the network are folded away.

    Args:
      results: values of the measures by row, the network first.
      measures: all that there are.
      table: in which the measures of the columns are; those in none are folded away.
      otherwise: what the intervals are about, as "other videos had been scored"; nothing is said
        of intervals without it.
      apart: rows below the first that do not show what can be had without learning.
    """
    ours = next(iter(results.values()))
    shown = columns(measures, [ours], table)
    more = "".join(
        f'<dt class="word">{escape(each.name)}</dt><dd>{number(ours[each.key])}</dd>'
        for each in columns(measures, [ours])
        if each not in shown
    )
    said = [_about_intervals(ours, shown, otherwise)] if otherwise else []
    below = list(results)[1:]
    if set(below) - set(apart):
        but = ", ".join(f'"{name}"' for name in below if name in apart)
        said.append(
            f"The rows below the first{f', apart from {but},' if but else ''} show what can be had "
            "without learning; a network earns its keep by the distance to them."
        )
    return (
        results_table(results, shown, marked=(next(iter(results)),)).as_html()
        + f'<p class="note">{escape(" ".join(said))} '
        '<a href="#words">What the words mean.</a></p>'
        + (f"<details><summary>More measures</summary><dl>{more}</dl></details>" if more else "")
    )


def figure(png: bytes | None, caption: str, *, photographic: bool = False) -> str:
    """A picture inside the page (as JPEG if it is made of photos); empty without one."""
    if png is None:
        return ""
    source = data_url(_jpeg(_decoded(png)), "jpeg") if photographic else data_url(png, "png")
    return f"<figure>{image(source, caption)}<figcaption>{escape(caption)}</figcaption></figure>"


def image(source: str, name: str) -> str:
    """An ``<img>`` element that says what it shows."""
    return f'<img loading="lazy" alt="{escape(name)}" title="{escape(name)}" src="{source}">'


def loss_figure(png: bytes | None, history: Sequence[Mapping[str, Any]], validated: str) -> str:
    """What training said, see :func:`reid_jax.reporting.figures.loss_curve`."""
    caption = "The loss by step: the thin line is every value, the thick one the running mean."
    if any(name.startswith("validation/") for row in history for name in row):
        caption = f"Left: {caption[0].lower()}{caption[1:]} Right: measures of the {validated} "
        caption += "that were held out for validation; by them the network was chosen."
    return section("Training", figure(png, caption))


def notes(sentences: Sequence[str]) -> str:
    """Small print."""
    return "".join(f'<p class="note">{escape(sentence)}</p>' for sentence in sentences)


def bullets(sentences: Sequence[str]) -> str:
    """A list of sentences."""
    return f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>"


def side_by_side(*figures: str) -> str:
    """Figures in two columns where there is room."""
    body = "".join(figures)
    return f'<div class="two">{body}</div>' if body else ""


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
        name = str(self._paths[int(row)]).rsplit("/", 1)[-1]
        return image(data_url(_jpeg(self.pixels(row)), "jpeg"), name)


def _about_intervals(values: Mapping[str, Any], measures: Sequence[Measure], otherwise: str) -> str:
    ends = ((values.get(f"{each.key}_low"), values.get(f"{each.key}_high")) for each in measures)
    if any("–" not in map(number, both) for both in ends):
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


def data_url(image: bytes, kind: str) -> str:
    """A picture as an address that holds it; `kind` is "png" or "jpeg"."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
