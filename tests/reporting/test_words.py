"""Words on a page lead to what they mean, and no other word is explained."""

import re

from reid_jax.reporting.words import explained

MEANINGS = {
    "Rank-1": "How often the best is right.",
    "Rank-1, another day": "Without the own day.",
    "R&D": "A name with a sign.",
    "stranger": "Nobody known.",
    "mAP": "Mean average precision.",
}


def linked(html: str) -> list[str]:
    return re.findall(r'href="#([^"]*)"', html)


def test_only_what_a_page_says_is_explained_and_linked():
    html = explained(
        '<th class="word ">Rank-1, another day</th><td class="word l">R&amp;D</td>'
        '<p class="note">Half are strangers. A stranger is not MAPPED (--mAP).</p><b>Rank-1x</b>',
        MEANINGS,
    )
    assert linked(html) == ["word-rank-1-another-day", "word-r-d", "word-stranger"]
    assert re.findall(r'<dt id="([^"]*)"', html) == linked(html)
    assert 'title="Nobody known.">strangers</a>' in html
    assert "How often the best is right" not in html


def test_sentences_link_a_word_once_and_names_always():
    body = '<p class="lead">mAP and <b>mAP</b></p>' + '<span class="word">mAP</span>' * 2
    assert len(linked(explained(body, MEANINGS))) == 3


def test_links_texts_and_attributes_stay():
    body = '<p class="note"><a href="#x">mAP</a></p><td class="l">mAP</td><i title="mAP"></i>'
    assert explained(body, MEANINGS).startswith(body)
    assert explained("<p>nothing</p>", MEANINGS) == "<p>nothing</p>"
    assert explained("<p>nothing</p>", {}) == "<p>nothing</p>"
