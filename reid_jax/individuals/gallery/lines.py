"""Where two photos agree, drawn: both side by side, lines from point to point, and a heat."""

import io
from html import escape

import numpy as np

from reid_jax.reporting import page

STYLE = """
.agree{grid-column:1/-1}.agree svg{display:block;width:100%;max-width:46rem;height:auto;
border-radius:6px;background:#eef1ef}.agree p,.agree summary{margin:.2rem 0 .5rem;
font-size:.85rem;color:var(--soft)}.agree details svg{margin-top:.6rem}
.agree line{stroke:#fff;stroke-width:1.1}.agree .spot{fill:url(#heat)}
.agree .point{fill:#fff;stroke:#c2410c;stroke-width:1.2}
"""

HEAT = (
    '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>'
    '<radialGradient id="heat"><stop offset="0" stop-color="#ff7a18" stop-opacity=".5"/>'
    '<stop offset="1" stop-color="#ff7a18" stop-opacity="0"/></radialGradient></defs></svg>'
)
"""Stands once on a page that has figures."""

_HEIGHT = 240.0
_GAP = 8.0
_SPOT = 0.09  # of the longer side: a feature's surroundings
_MOST = 40  # lines, the strongest


def pair_figure(first: bytes, second: bytes, agreement: np.ndarray, words: str) -> str:
    """An SVG of two photos and the points in which they agree.

    Args:
      first, second: JPEGs in their true proportions.
      agreement: ``(T, 5)``, see :func:`reid_jax.individuals.evidence.search.matches`.
      words: what is seen, for who cannot see it.
    """
    sizes = [_size(picture) for picture in (first, second)]
    widths = [_HEIGHT * width / height for width, height in sizes]
    offsets = [0.0, widths[0] + _GAP]
    longer = [max(width, _HEIGHT) for width in widths]
    drawn = [
        f'<image href="{page.data_url(picture, "jpeg")}" x="{left:.1f}" y="0" '
        f'width="{width:.1f}" height="{_HEIGHT:g}" preserveAspectRatio="none"/>'
        for picture, left, width in zip((first, second), offsets, widths, strict=True)
    ]
    strongest = agreement[:_MOST]
    places = [
        strongest[:, 2 * side : 2 * side + 2] * longer[side] + [offsets[side], 0] for side in (0, 1)
    ]
    for side in (0, 1):
        radius = _SPOT * longer[side]
        drawn += [
            f'<circle class="spot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'
            for x, y in places[side]
        ]
    strength = strongest[:, 4] / max(float(strongest[:, 4].max(initial=0.0)), 1e-9)
    drawn += [
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{u:.1f}" y2="{v:.1f}" '
        f'stroke-opacity="{0.25 + 0.6 * weight:.2f}"/>'
        for (x, y), (u, v), weight in zip(*places, strength, strict=True)
    ]
    drawn += [
        f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="2.2"/>'
        for x, y in np.concatenate(places)
    ]
    return (
        f'<svg viewBox="0 0 {sum(widths) + _GAP:.1f} {_HEIGHT:g}" role="img" '
        f'aria-label="{escape(words)}">{"".join(drawn)}</svg>'
    )


def _size(picture: bytes) -> tuple[int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        return image.size
