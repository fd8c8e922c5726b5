"""What the words on a page mean: explained at its end, each word a link to its explanation."""

import re
from collections.abc import Iterable, Mapping
from html import escape

from reid_jax.reporting.measure import OURS, Measure

WORDS = {
    OURS: "The network of this run, with the parameters that did best in validation where there "
    "is one, else with the last.",
    "untrained network": "The same network before any training, with random parameters: what its "
    "form alone gives.",
    "raw pixels": "No network: the photo itself at 32 x 32 pixels, without its mean brightness "
    "and its contrast.",
    "frozen features": "What a published network, trained on other pictures, gives without any "
    "training on these.",
    "whitening": "A linear change of the features after which they vary alike in all directions, "
    "so that none outweighs the others.",
    "95% interval": "Where the value would lie in 95 of 100 repetitions with others of what was "
    "measured, as far as these can tell.",
}
"""Words of results that are no measures."""

STYLE = """
a.word{color:inherit;text-decoration:underline dotted;text-underline-offset:.2em}
a.word:hover{color:var(--teal)}dt:target{color:var(--teal)}
"""
_ELEMENT = re.compile(r'<(th|td|span|dt|p) class="([^"]*)">(.*?)</\1>', re.DOTALL)
_TAG = re.compile(r"(<a\b.*?</a>|<[^>]*>)", re.DOTALL)


def meanings(measures: Iterable[Measure], words: Mapping[str, str]) -> dict[str, str]:
    """Explanations of measures and further words, by the word."""
    return {**{each.name: each.explanation for each in measures}, **words}


def explained(body: str, meanings: Mapping[str, str]) -> str:
    """HTML with a section at its end that explains the words that it uses, and links to there.

    Elements of the class "word" (heads, names of rows and of numbers) link every word in them;
    sentences of the classes "lead" and "note" link the first occurrence on the page.
    """
    by_text = {escape(word).lower(): word for word in meanings}
    longest_first = "|".join(map(re.escape, sorted(by_text, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w-])({longest_first})s?(?![\w-])", re.IGNORECASE)
    used = {each.lower() for each in pattern.findall(_TAG.sub(" ", body))} & by_text.keys()
    in_sentences = set(used)

    def link(found: re.Match[str]) -> str:
        word = by_text[found[1].lower()]
        title = escape(meanings[word])
        return f'<a class="word" href="#{_anchor(word)}" title="{title}">{found[0]}</a>'

    def link_once(found: re.Match[str]) -> str:
        if found[1].lower() not in in_sentences:
            return found[0]
        in_sentences.remove(found[1].lower())
        return link(found)

    def element(found: re.Match[str]) -> str:
        tag, classes, inside = found.groups()
        is_name = "word" in classes.split()
        if not is_name and not {"lead", "note"} & set(classes.split()):
            return found[0]
        parts = _TAG.split(inside)
        parts[::2] = [pattern.sub(link if is_name else link_once, part) for part in parts[::2]]
        return f'<{tag} class="{classes}">{"".join(parts)}</{tag}>'

    if not used:
        return body
    items = "".join(
        f'<dt id="{_anchor(word)}">{escape(word)}</dt><dd>{escape(meanings[word])}</dd>'
        for text, word in by_text.items()
        if text in used
    )
    return (
        f"{_ELEMENT.sub(element, body)}\n"
        f'<section id="words"><h2>What the words mean</h2><dl>{items}</dl></section>'
    )


def _anchor(word: str) -> str:
    return "word-" + re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")
