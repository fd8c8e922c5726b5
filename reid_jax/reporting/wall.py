"""Pictures of a page in cards, as many beside each other as there is room for."""

from collections.abc import Sequence
from html import escape

from reid_jax.reporting import page

STYLE = """
main{max-width:74rem}
.wall{display:grid;gap:.9rem;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));padding:0;
margin:1rem 0 0;list-style:none}
.wall li{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.6rem;
min-width:0;font-size:.82rem;line-height:1.35}
.wall div{display:flex;gap:.3rem}.wall img{flex:1 1 0;min-width:0;width:0;height:6.2rem;
object-fit:contain;background:#eef1ef;border-radius:5px}
.wall b,.wall span{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.wall span{color:var(--soft)}
"""


def card(pictures: Sequence[tuple[bytes, str]], title: str, note: str) -> str:
    """Pictures side by side, each a JPEG with its name, and what stands under them."""
    images = "".join(page.image(page.data_url(jpeg, "jpeg"), name) for jpeg, name in pictures)
    return f"<li><div>{images}</div><b>{escape(title)}</b><span>{escape(note)}</span></li>"


def wall(title: str, cards: Sequence[str], note: str = "") -> str:
    """A section of cards, behind a sentence; empty without any."""
    if not cards:
        return ""
    said = page.notes([note]) if note else ""
    return page.section(title, said, f'<ul class="wall">{"".join(cards)}</ul>')
