"""The answers as one HTML page with the pictures side by side; nothing is fetched from outside."""

from collections.abc import Sequence
from html import escape

import numpy as np

from reid_jax.console import counted
from reid_jax.data.parallel import parallel_map
from reid_jax.individuals.gallery.identify import Answer, Candidate, Identification, told_apart
from reid_jax.individuals.gallery.lines import HEAT, STYLE, pair_figure
from reid_jax.individuals.gallery.output import (
    assumption,
    closeness,
    doubt,
    outcome,
    percent,
    points_text,
    shown,
    side_text,
)
from reid_jax.individuals.gallery.pictures import thumbnail_of_file
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.glossary import WORDS
from reid_jax.reporting import page
from reid_jax.reporting.table import Table

_STYLE = """
main{max-width:74rem}
.warning{color:var(--amber);font-weight:600}
nav{display:flex;gap:1.2rem;margin:1.4rem 0 0;font-size:.95rem}
input[type=radio]{position:absolute;opacity:0}
nav label{cursor:pointer;color:var(--soft);border-bottom:2px solid transparent;padding:.2rem 0}
#all:checked~nav [for=all],#known:checked~nav [for=known],#unknown:checked~nav [for=unknown]{
color:var(--ink);border-color:var(--teal);font-weight:600}
input:focus-visible~nav label{outline:1px dotted var(--soft);outline-offset:3px}
#known:checked~article.unknown,#unknown:checked~article.known{display:none}
article{display:grid;grid-template-columns:17.5rem 1fr;gap:1.6rem;background:var(--card);
border:1px solid var(--line);border-radius:10px;padding:1.1rem;margin-top:1.1rem}
article>div{min-width:0}
.asked img{display:block;width:100%;max-height:16rem;object-fit:contain;border-radius:6px;
background:#eef1ef}
.asked p{margin:.5rem 0 0;font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}
h2{overflow-wrap:anywhere}.known h2{color:var(--teal)}.unknown h2{color:var(--amber)}
ol{list-style:none;margin:0;padding:0;display:grid;gap:.8rem;
grid-template-columns:repeat(auto-fill,minmax(8.2rem,1fr))}
li{min-width:0;font-size:.85rem;line-height:1.35}
li img,.missing{display:flex;align-items:center;justify-content:center;width:100%;height:6.6rem;
object-fit:contain;background:#eef1ef;border-radius:6px;margin-bottom:.35rem}
.known li:first-child img{outline:3px solid var(--teal);outline-offset:-1px}
li b{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-size:.95rem}
li span{color:var(--soft);display:block}
.meter{height:.35rem;border-radius:2px;background:#e7ebe9;margin:.2rem 0 .25rem}
.meter i{margin:0}li .chance{float:right;color:var(--ink)}
.unknown .meter i{background:var(--amber)}
td{white-space:normal;overflow-wrap:anywhere}
@media(max-width:46rem){article{grid-template-columns:1fr;gap:1rem}
ol{grid-template-columns:repeat(auto-fill,minmax(6.6rem,1fr))}}
@media print{nav{display:none}article{break-inside:avoid}}
"""
_WORDS = {
    "similarity": "How alike the network finds two photos: the higher, the more alike. Between "
    "galleries only chances can be compared.",
    "chance": "How often a suggestion that close is right, as found by searching the gallery's own "
    "photos in the others, and for so many strangers as are assumed.",
    "unknown": "No individual of the gallery is likely enough.",
    "too close to call": "Two individuals are about as likely as each other.",
    "unlike what the network was trained on": "No photo like those: no name is given.",
}
_APART = {
    "distance": "How far apart the network puts two photos: the lower, the more alike. Between "
    "galleries only chances can be compared.",
}
_FEWEST = 3  # points that are worth a figure: two agree by chance

_POINTS = {
    "points": "Details that are there in both photos and lie to each other in the same way, up to "
    "one turn, scale and shift; at most 64 are looked at. Lines join them; the warmer a place, the "
    "more of them are there."
}
_MORE = {
    "local": {**_POINTS, "similarity": "How strongly the points of two photos agree."},
    "fused": {
        **_POINTS,
        "similarity": "The mean of two chances that both photos show one individual, one by the "
        "network and one by the points in which they agree.",
    },
}


def as_html(found: Identification) -> str:
    """The page: a card for each photo, its candidates beside it.

    Raises:
      UserError: the gallery is no longer there.
    """
    pictures = _gallery_pictures(found)
    asked = parallel_map(
        lambda path: found.pictures.get(path) or thumbnail_of_file(path),
        [answer.path for answer in found.answers],
    )
    cards = "\n".join(
        _card(answer, picture, found, pictures)
        for answer, picture in zip(found.answers, asked, strict=True)
    )
    settings = found.gallery.settings
    calibrated_with = settings["calibrated_with"]
    if found.evidence != "none":
        calibrated_with = "the gallery's own photos, by the network and by local features"
    names = f"Gallery: {shown(str(found.folder))}, network {settings['fingerprint']}."
    if found.calibration is not None:
        names += f" Chances are calibrated on {calibrated_with}."
    return page.page(
        "Who is it?",
        [
            HEAT + _opening(found) + _filter(found) + cards,
            _skipped(found.skipped),
        ],
        meanings={**_words(found), **_MORE.get(found.evidence, {}), "stranger": WORDS["stranger"]},
        last=escape(names),
        style=_STYLE + STYLE,
    )


def _words(found: Identification) -> dict[str, str]:
    if not closeness(found).is_distance:
        return _WORDS
    return _APART | {word: said for word, said in _WORDS.items() if word != "similarity"}


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
    lead = f"<b>{counted(len(answers), found.unit)}</b> compared with {size}: {outcome(answers)}."
    if found.skipped:
        lead += f" {counted(len(found.skipped), 'file')} skipped."
    if found.calibration is None:
        note = (
            "This gallery could not be calibrated: there are no percentages, and no photo is "
            f"called unknown. Below each picture: the individual, the {closeness(found).word} and "
            "the date."
        )
    else:
        note = (
            "The percentages are the chances that a suggestion is right. "
            f"{assumption(found.calibration)} Below each picture: the individual, the chance as a "
            f"bar, the {closeness(found).word} and the chance on its right, and the date. Check "
            "what is below 90% by eye."
        )
    words = '<p class="note"><a href="#words">What the words mean.</a></p>'
    doubtful = doubt(gallery, found.rule, found.evidence)
    warning = f'<p class="note warning">{escape(doubtful)}</p>' if doubtful else ""
    notes = page.notes([*filter(None, [side_text(found)]), note])
    return page.headline("Who is it?", lead, {}) + notes + words + warning


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
        f"<div><h2>{escape(title)}</h2>{page.notes([said])}"
        f"<ol>{items}</ol></div>{_agreement(answer, picture, found, pictures)}</article>"
    )


def _agreement(
    answer: Answer, picture: bytes | None, found: Identification, pictures: dict[str, bytes]
) -> str:
    """Where the photo and those of its candidates agree: the first to be seen, others to open."""
    figures = []
    for candidate in answer.candidates:
        theirs = pictures.get(str(found.gallery.paths[candidate.photo]))
        if (
            candidate.agreement is not None
            and (candidate.points or 0) >= _FEWEST
            and picture
            and theirs
        ):
            name = shown(told_apart(candidate.identity))
            words = f"{name}: both photos agree in {points_text(candidate)}"
            figure = pair_figure(picture, theirs, candidate.agreement, words)
            figures.append(f"<p>{escape(words)}</p>{figure}")
    if not figures:
        return ""
    others = "".join(figures[1:])
    more = f"<details><summary>The other candidates</summary>{others}</details>" if others else ""
    return f'<div class="agree">{figures[0]}{more}</div>'


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
            f'<span class="meter"><i class="bar" style="width:{width:.1f}%"></i></span>'
            f'<span class="chance">{percent(candidate.probability)}</span>'
        )
    facts = closeness(found).text(candidate.score, 3), points_text(candidate)
    return (
        f'<li>{_image(pictures.get(path), shown(path))}<b title="{name}">{name}</b>{chance}'
        f"<span>{' · '.join(filter(None, facts))}</span>{day}</li>"
    )


def _image(picture: bytes | None, name: str) -> str:
    if picture is None:
        return '<span class="missing">no picture</span>'
    return page.image(page.data_url(picture, "jpeg"), name)


def _skipped(skipped: Sequence[tuple[str, str]]) -> str:
    rows = [[shown(path), shown(reason)] for path, reason in skipped]
    table = Table(["file", "reason"], rows, "ll").as_html() if rows else ""
    return page.section("Skipped", table)
