"""Figures of photos and of individuals, each as the bytes of a PNG."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reid_jax.individuals.closeness import closeness_of
from reid_jax.ops.verification import roc_curve
from reid_jax.reporting.figures import (
    BASELINES,
    INK,
    MUTED,
    NETWORK,
    OTHER,
    as_png,
    new_figure,
    percent_axis,
    roc_curves,
)

Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Scores of pairs and whether they are the same individual, by the name of the run."""
_RIGHT, _WRONG = "#1a7f4b", "#c2412d"


def cmc(first_rank: np.ndarray, baselines: Mapping[str, Mapping[str, Any]]) -> bytes | None:
    """Share of queries with a right match among the first k, with the baselines."""
    ranks = first_rank[~np.isnan(first_rank)]
    if not len(ranks):
        return None
    k = np.arange(1, 21)
    share = (ranks[:, None] <= k).mean(axis=0)
    with new_figure(5.6, 3.9) as (figure, axes):
        for (name, values), colour in zip(baselines.items(), BASELINES, strict=False):
            known = [at for at in (1, 5, 10) if isinstance(values.get(f"rank{at}"), float)]
            heights = [values[f"rank{at}"] for at in known]
            axes.plot(known, heights, color=colour, marker="o", markersize=4, ls=":", label=name)
        axes.plot(k, share, color=NETWORK, marker="o", markersize=4, label="this network")
        axes.set(xlabel="length of the list", ylim=(0, 1.02), xlim=(0.5, 20.5))
        axes.set_title("Is the right individual on the list?")
        axes.set_xticks([1, 5, 10, 15, 20])
        percent_axis(axes.yaxis)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], fontsize=9, loc="best")
        return as_png(figure)


def roc(curves: Curves) -> bytes:
    """How many pairs of one individual are recognised for how many of two taken for one."""
    return roc_curves(curves, "Same pairs recognised (ROC)", "different pairs taken for the same")


def det(scores: np.ndarray, same: np.ndarray) -> bytes:
    """Detection error trade-off (Martin et al., Eurospeech 1997) on normal deviate axes."""
    from scipy.special import ndtri

    far, tar, _ = roc_curve(scores, same)
    least = 1e-4
    ticks = np.array([0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95])
    with new_figure(5.6, 3.9) as (figure, axes):
        axes.plot(
            ndtri(np.clip(far, least, 1 - least)),
            ndtri(np.clip(1 - tar, least, 1 - least)),
            color=NETWORK,
        )
        ends = ndtri(np.array([0.0005, 0.98]))
        axes.plot(ends, ends, color=MUTED, ls=":", linewidth=1.2, label="equal error rate")
        for set_ticks in (axes.set_xticks, axes.set_yticks):
            set_ticks(ndtri(ticks), [f"{100 * t:g}%" for t in ticks])
        axes.set(xlim=ends, ylim=ends)
        axes.set_title("The two kinds of mistakes (DET)")
        axes.set_xlabel("different pairs taken for the same")
        axes.set_ylabel("same pairs missed")
        axes.legend(fontsize=9)
        return as_png(figure)


def score_distribution(scores: np.ndarray, same: np.ndarray, metric: str) -> bytes:
    """How close pairs of the same and of different individuals are."""
    closeness = closeness_of(metric)
    if closeness.is_distance:
        scores = -scores
    low, high = np.quantile(scores, [0.0005, 0.9995])
    edges = np.linspace(low, max(high, low + 1e-6), 61)
    with new_figure(5.6, 3.9) as (figure, axes):
        for kind, colour, name in ((~same, OTHER, "different"), (same, NETWORK, "same")):
            density, _ = np.histogram(scores[kind], edges, density=True)
            axes.stairs(density, edges, color=colour, linewidth=1.6)
            axes.stairs(
                density, edges, color=colour, fill=True, alpha=0.18, label=f"{name} individual"
            )
        axes.set_title("How close are two photos?")
        axes.set_xlabel(f"{'Euclidean' if closeness.is_distance else 'cosine'} {closeness.word}")
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.legend(fontsize=9)
        return as_png(figure)


def embedding_map(
    flat: Mapping[str, np.ndarray], labels: np.ndarray, names: Sequence[str]
) -> bytes:
    """Points coloured by individual, one panel for each way of flattening."""
    individuals, counts = np.unique(labels, return_counts=True)
    colours = individual_colours(len(individuals))
    place = np.searchsorted(individuals, labels)
    named = np.argsort(-counts, kind="stable")[:12]
    with new_figure(5.4 * len(flat) if len(flat) > 1 else 6.4, 5.4, len(flat)) as (figure, panels):
        for axes, (title, points) in zip(np.atleast_1d(panels), flat.items(), strict=True):
            size = float(np.clip(6000 / len(points), 9, 36))
            axes.scatter(*points.T, c=colours[place], s=size, linewidths=0, alpha=0.85)
            if len(individuals) <= 12:
                for i in named:
                    middle = np.median(points[place == i], axis=0)
                    axes.annotate(
                        names[int(individuals[i])],
                        middle,
                        parse_math=False,  # a name is no formula
                        ha="center",
                        va="center",
                        fontsize=8.5,
                        bbox={
                            "boxstyle": "round,pad=0.25",
                            "fc": "white",
                            "ec": "none",
                            "alpha": 0.8,
                        },
                    )
            axes.set_title(title)
            _bare(axes)
        return as_png(figure)


def thumbnail_map(
    points: np.ndarray, labels: np.ndarray, images: np.ndarray, title: str, cells: int = 22
) -> bytes:
    """Photos at their place in the map, as many as do not overlap, framed in their colour.

    Args:
      points: ``(N, 2)``; labels ``(N,)``; images ``(N, S, S, 3)`` uint8.
      cells: photos along a side.
    """
    individuals = np.unique(labels)
    colours = individual_colours(len(individuals))[np.searchsorted(individuals, labels)]
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - low) / np.maximum(high - low, 1e-12) * (cells - 1)
    taken: dict[tuple[int, int], int] = {}
    for i, (x, y) in enumerate(np.round(scaled).astype(int).tolist()):
        taken.setdefault((x, y), i)
    pitch, border = images.shape[1] + 8, 3
    canvas = np.full((cells * pitch, cells * pitch, 3), 255, np.uint8)
    for (x, y), i in taken.items():
        tile = _framed(images[i], colours[i], border)
        top, left = (cells - 1 - y) * pitch, x * pitch
        canvas[top : top + len(tile), left : left + len(tile)] = tile
    with new_figure(9.0, 9.2) as (figure, axes):
        axes.imshow(canvas, interpolation="antialiased")
        axes.set_title(title)
        _bare(axes)
        return as_png(figure)


def strips(rows: Sequence[Sequence[tuple[np.ndarray, str, bool | None]]]) -> bytes | None:
    """One line a query: (photo, caption, whether it is right; None for the query itself)."""
    if not rows:
        return None
    from matplotlib.colors import to_rgb

    border, gap, text = 4, 10, 34
    side = rows[0][0][0].shape[0] + 2 * border
    across, down = side + gap, side + text
    canvas = np.full((len(rows) * down, max(map(len, rows)) * across + gap, 3), 255, np.uint8)
    with new_figure(canvas.shape[1] / 130, canvas.shape[0] / 130) as (figure, axes):
        for i, line in enumerate(rows):
            for k, (image, caption, right) in enumerate(line):
                colour = INK if right is None else _RIGHT if right else _WRONG
                left, top = k * across + (gap if k else 0), i * down
                tile = _framed(image, np.array(to_rgb(colour)), border)
                canvas[top : top + side, left : left + side] = tile
                mark = "" if right is None else "✓ " if right else "✗ "
                at = left, top + side + 6
                style = {"color": colour, "fontsize": 7.5, "va": "top", "parse_math": False}
                axes.text(*at, mark + caption, **style)
        axes.imshow(canvas, interpolation="antialiased")
        _bare(axes)
        return as_png(figure)


def _framed(image: np.ndarray, colour: np.ndarray, border: int) -> np.ndarray:
    side = image.shape[0] + 2 * border
    tile = np.empty((side, side, 3), np.uint8)
    tile[:] = np.round(255 * colour).astype(np.uint8)
    tile[border:-border, border:-border] = image
    return tile


def _bare(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def individual_colours(number: int) -> np.ndarray:
    """``(number, 3)``: hues a golden angle apart, in three degrees of lightness."""
    from matplotlib.colors import hsv_to_rgb

    order = np.arange(number)
    hue = (0.47 + order * 0.618034) % 1.0
    value = np.array([0.72, 0.9, 0.52])[order % 3]
    return hsv_to_rgb(np.stack([hue, np.full(number, 0.72), value], axis=1)).reshape(number, 3)
