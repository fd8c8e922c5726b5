"""A drawing of a network: a box for each part, in the order in which they run."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from reid_jax.reporting.cost import Layer
from reid_jax.reporting.figures import INK, MUTED, NETWORK, as_png, new_figure

_IN_A_COLUMN = 9  # boxes
_WIDTH, _HEIGHT = 2.6, 0.62  # inches that a box has, with the arrow below it
_HEADLINE = 0.5


@dataclass(frozen=True)
class Box:
    """Layers that run one after the other: `output` is the last one's, without the batch."""

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int


def boxes_of(layers: Sequence[Layer]) -> list[Box]:
    """Layers put together by the part of the network they are in, in the order in which they run.

    A part is what the network itself is made of; of a network of a backbone and a head what these
    are made of. Parameters without a layer belong to the part of their name, wherever they stand;
    products of frames by frames, which are within several parts, are not drawn.
    """
    layers = [layer for layer in layers if layer.output or layer.parameters]
    tops = {layer.name.split("/")[0] for layer in layers if layer.output}
    depth = 2 if len(tops) <= 2 and any("/" in layer.name for layer in layers) else 1
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault("/".join(layer.name.split("/")[:depth]), []).append(layer)
    return [
        Box(
            name=name,
            kind=group[0].kind if len(group) == 1 else f"{len(group)} layers",
            output=next((each.output for each in reversed(group) if each.output), ()),
            parameters=sum(each.parameters for each in group),
        )
        for name, group in groups.items()
    ]


def draw_network(title: str, given: str, layers: Sequence[Layer]) -> bytes:
    """A PNG with the boxes of a network, column by column.

    Args:
      title: the name of the network.
      given: what goes in, in words.
    """
    from matplotlib.patches import FancyBboxPatch

    boxes = boxes_of(layers)
    texts = [(given, "", MUTED)] + [(box.name, _about(box), NETWORK) for box in boxes]
    columns = math.ceil(len(texts) / _IN_A_COLUMN)
    rows = math.ceil(len(texts) / columns)
    size = (columns * _WIDTH, rows * _HEIGHT + _HEADLINE)
    places = [divmod(number, rows) for number in range(len(texts))]
    with new_figure(*size) as (figure, axes):
        axes.set_axis_off()
        axes.set(xlim=(0, columns), ylim=(rows, 0))
        total = sum(box.parameters for box in boxes)
        axes.set_title(f"{title}: {total:,} parameters", color=INK, fontsize=9)
        for (column, row), (name, about, edge) in zip(places, texts, strict=True):
            corner = (column + 0.06, row + 0.06)
            axes.add_patch(
                FancyBboxPatch(
                    corner,
                    0.88,
                    0.66,
                    boxstyle="round,pad=0,rounding_size=0.05",
                    fc="white",
                    ec=edge,
                )
            )
            middle = column + 0.5
            axes.text(
                middle, row + (0.28 if about else 0.39), name, ha="center", va="center", size=8
            )
            axes.text(middle, row + 0.53, about, ha="center", va="center", size=7, color=MUTED)
        for (column, row), (other, below) in itertools.pairwise(places):
            if column == other:
                _arrow(axes, (column + 0.5, row + 0.72), (column + 0.5, below + 0.06))
            else:  # on at the top of the next column
                path = [column + 0.94, other, other], [row + 0.39, row + 0.39, 0.39]
                axes.plot(*path, color=MUTED, lw=0.8)
                _arrow(axes, (other, 0.39), (other + 0.06, 0.39))
        return as_png(figure)


def _about(box: Box) -> str:
    shape = " x ".join(map(str, box.output))
    parameters = f"{box.parameters:,}" if box.parameters else ""
    return "; ".join(text for text in (box.kind, shape, parameters) if text)


def _arrow(axes: object, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(  # type: ignore[attr-defined]
        "", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": MUTED, "lw": 0.8}
    )
