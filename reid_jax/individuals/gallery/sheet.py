"""The answers as one HTML page with the pictures side by side; nothing is fetched from outside."""

import base64
from collections.abc import Sequence
from html import escape

import numpy as np

from reid_jax.data.parallel import parallel_map
from reid_jax.individuals.gallery.identify import Answer, Candidate, Identification, told_apart
from reid_jax.individuals.gallery.output import assumption, counted, doubt, outcome, percent, shown
from reid_jax.individuals.gallery.pictures import thumbnail_of_file
from reid_jax.individuals.gallery.store import read_gallery

_CSS = """
:root{--ink:#1f2a2c;--soft:#5d6b6e;--line:#dfe4e2;--paper:#fbfbf8;--card:#fff;--teal:#0f766e;
--amber:#a3541a}
*{box-sizing:border-box}html{color-scheme:light}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
main{max-width:74rem;margin:0 auto;padding:3rem 1.5rem 5rem}
h1{font-size:2.1rem;line-height:1.15;letter-spacing:-.02em;margin:0 0 .5rem}
.lead{font-size:1.08rem;color:var(--soft);margin:0 0 1.2rem;max-width:46rem}
.lead b{color:var(--ink)}
.note{color:var(--soft);font-size:.92rem;max-width:46rem}
.note.warning{color:var(--amber);font-weight:600}
nav{display:flex;gap:1.2rem;margin:1.4rem 0 0;font-size:.95rem}
input[type=radio]{position:absolute;opacity:0}
nav label{cursor:pointer;color:var(--soft);border-bottom:2px solid transparent;padding:.2rem 0}
#all:checked~nav [for=all],#known:checked~nav [for=known],#unknown:checked~nav [for=unknown]{
color:var(--ink);border-color:var(--teal);font-weight:600}
input:focus-visible~nav label{outline:1px dotted var(--soft);outline-offset:3px}
#known:checked~article.unknown,#unknown:checked~article.known{display:none}
article{display:grid;grid-template-columns:17.5rem 1fr;gap:1.6rem;background:var(--card);
border:1px solid var(--line);border-radius:12px;padding:1.1rem;margin-top:1.1rem}
article>div{min-width:0}
.asked img{display:block;width:100%;max-height:16rem;object-fit:contain;border-radius:8px;
background:#eef1ef}
.asked p{margin:.5rem 0 0;font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}
h2{font-size:1.35rem;margin:.1rem 0 .1rem;letter-spacing:-.01em;overflow-wrap:anywhere}
.known h2{color:var(--teal)}.unknown h2{color:var(--amber)}
.said{margin:0 0 .9rem;color:var(--soft);font-size:.95rem}
ol{list-style:none;margin:0;padding:0;display:grid;gap:.8rem;
grid-template-columns:repeat(auto-fill,minmax(8.2rem,1fr))}
li{min-width:0;font-size:.85rem;line-height:1.35}
li img{display:block;width:100%;height:6.6rem;object-fit:contain;background:#eef1ef;
border-radius:6px;margin-bottom:.35rem}
.known li:first-child img{outline:3px solid var(--teal);outline-offset:-1px}
li b{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-size:.95rem}
li span{color:var(--soft);display:block}
.meter{display:block;height:.35rem;border-radius:2px;background:#e7ebe9;margin:.2rem 0 .25rem}
.meter i{display:block;height:100%;border-radius:2px;background:var(--teal);min-width:2px}
li .chance{float:right;color:var(--ink)}.unknown .meter i{background:var(--amber)}
.missing{display:flex;align-items:center;justify-content:center;height:6.6rem;color:var(--soft);
background:#eef1ef;border-radius:6px;margin-bottom:.35rem}
table{border-collapse:collapse;width:100%;font-size:.92rem}
td{padding:.4rem .8rem .4rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere;
vertical-align:top}td+td{color:var(--soft)}
section{margin-top:2.5rem}
footer{margin-top:3rem;padding-top:1.1rem;border-top:1px solid var(--line);color:var(--soft);
font-size:.88rem}
@media(max-width:46rem){main{padding:1.6rem 1rem 3rem}article{grid-template-columns:1fr;gap:1rem}
ol{grid-template-columns:repeat(auto-fill,minmax(6.6rem,1fr))}h1{font-size:1.6rem}}
@media print{nav{display:none}article{break-inside:avoid}body{background:#fff}}
"""


def as_html(found: Identification) -> str:
    """The page: a card for each photo, its candidates beside it.

    Raises:
      UserError: the gallery is no longer there.
    """
    pictures = _gallery_pictures(found)
    asked = parallel_map(thumbnail_of_file, [answer.path for answer in found.answers])
    cards = "\n".join(
        _card(answer, picture, found, pictures)
        for answer, picture in zip(found.answers, asked, strict=True)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Who is it?</title><style>{_CSS}</style></head><body><main>"
        f"{_opening(found)}{_filter(found)}{cards}{_skipped(found.skipped)}"
        f"<footer>Written by reid_jax. Gallery: {escape(shown(str(found.folder)))}, network "
        f"{escape(str(found.gallery.settings['fingerprint']))}.</footer></main></body></html>\n"
    )


def _gallery_pictures(found: Identification) -> dict[str, bytes]:
    """Thumbnails by path: the gallery may have been changed since it was searched."""
    wanted = {str(found.gallery.paths[c.photo]) for a in found.answers for c in a.candidates}
    if not wanted:
        return {}
    gallery = read_gallery(found.folder)
    assert gallery.thumbnails is not None
    pictures = zip(gallery.paths, gallery.thumbnails, strict=True)
    return {str(path): picture for path, picture in pictures if path in wanted}


def _opening(found: Identification) -> str:
    answers = found.answers
    gallery = found.gallery
    size = (
        f"{counted(len(gallery), 'photo')} of "
        f"{counted(len(set(gallery.identities.tolist())), 'individual')}"
    )
    lead = (
        f'<p class="lead"><b>{counted(len(answers), "photo")}</b> compared with {escape(size)}: '
        f"{outcome(answers)}."
        + (f" {counted(len(found.skipped), 'file')} skipped." if found.skipped else "")
        + "</p>"
    )
    note = (
        '<p class="note">The percentages are the chances that a suggestion is right. '
        f"{escape(assumption(found.calibration))} Below each picture: the chance, the similarity "
        "and the date. Check what is below 90% by eye.</p>"
        if found.calibration is not None
        else '<p class="note">This gallery could not be calibrated: there are no percentages, and '
        "no photo is called unknown.</p>"
    )
    doubtful = doubt(gallery, found.rule)
    warning = f'<p class="note warning">{escape(doubtful)}</p>' if doubtful else ""
    return f"<h1>Who is it?</h1>{lead}{note}{warning}"


def _filter(found: Identification) -> str:
    if len({answer.named for answer in found.answers}) < 2:
        return ""
    choices = (("all", "All"), ("known", "Identified"), ("unknown", "Not identified"))
    inputs = "".join(
        f'<input type="radio" name="show" id="{name}"{" checked" if name == "all" else ""}>'
        for name, _ in choices
    )
    labels = "".join(f'<label for="{name}">{text}</label>' for name, text in choices)
    return f"{inputs}<nav>{labels}</nav>"


def _card(
    answer: Answer, picture: bytes | None, found: Identification, pictures: dict[str, bytes]
) -> str:
    best = "".join(shown(told_apart(c.identity)) for c in answer.candidates[:1])
    likely = "".join(f"{percent(c.probability)} likely." for c in answer.candidates[:1])
    kind = "known" if answer.named else "unknown"
    title = shown(answer.text)
    title = title[:1].upper() + title[1:] if not answer.named else title
    if answer.verdict == "unlike":
        said = "It is unlike what the network was trained on."
    elif answer.verdict == "close":
        said = "The most similar individuals."
    elif answer.verdict == "unknown":
        said = f"Most like {best}: {likely}"
    elif answer.verdict is None:
        said = "The most similar individual."
    else:
        said = likely
    items = "".join(_candidate(candidate, found, pictures) for candidate in answer.candidates)
    name = shown(answer.path)
    return (
        f'<article class="{kind}"><div class="asked">'
        f"{_image(picture, name)}<p>{escape(name)}</p></div>"
        f'<div><h2>{escape(title)}</h2><p class="said">{escape(said)}</p>'
        f"<ol>{items}</ol></div></article>"
    )


def _candidate(candidate: Candidate, found: Identification, pictures: dict[str, bytes]) -> str:
    path = str(found.gallery.paths[candidate.photo])
    name = escape(shown(candidate.identity))
    day = ""
    date = found.gallery.columns.get("date")
    if date is not None and not np.isnat(date[candidate.photo]):
        day = f"<span>{date[candidate.photo].astype('datetime64[D]')}</span>"
    chance = ""
    if candidate.probability is not None:
        width = 100 * candidate.probability
        chance = (
            f'<span class="meter"><i style="width:{width:.1f}%"></i></span>'
            f'<span class="chance">{percent(candidate.probability)}</span>'
        )
    return (
        f'<li>{_image(pictures.get(path), shown(path))}<b title="{name}">{name}</b>{chance}'
        f"<span>{candidate.score:.3f}</span>{day}</li>"
    )


def _image(picture: bytes | None, name: str) -> str:
    if picture is None:
        return '<span class="missing">no picture</span>'
    source = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
    return f'<img loading="lazy" alt="{escape(name)}" title="{escape(name)}" src="{source}">'


def _skipped(skipped: Sequence[tuple[str, str]]) -> str:
    if not skipped:
        return ""
    rows = "".join(
        f"<tr><td>{escape(shown(path))}</td><td>{escape(shown(reason))}</td></tr>"
        for path, reason in skipped
    )
    return f"<section><h2>Skipped</h2><table>{rows}</table></section>"
