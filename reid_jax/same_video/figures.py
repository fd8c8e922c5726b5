"""Figures of scores of pairs, each as the bytes of a PNG."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from reid_jax.reporting.figures import (
    COLOURS,
    INK,
    NETWORK,
    as_png,
    new_figure,
)


def kinds_chart(results: Mapping[str, Mapping[str, Any]]) -> bytes:
    """ROC-AUC by kind of pair, a dot a score: differences near 1 stay visible."""
    kinds = list(next(iter(results.values()))["kinds"])
    with new_figure(7.2, 0.7 * len(kinds) + 1.6) as (figure, axes):
        lowest = 1.0
        for row, (name, result) in enumerate(results.items()):
            values = [result["kinds"][kind]["roc_auc"] for kind in kinds]
            lowest = min(lowest, *values)
            shift = (row - (len(results) - 1) / 2) * 0.62 / max(len(results) - 1, 1)
            colour = COLOURS[row % len(COLOURS)]
            axes.scatter(values, np.arange(len(kinds)) + shift, color=colour, s=34, label=name)
        axes.set_yticks(range(len(kinds)), kinds, color=INK)
        axes.set_ylim(len(kinds) - 0.5, -0.5)
        axes.set_xlim(min(lowest - 0.03, 0.95), 1.003)
        axes.set(title="How well each kind of pair is told from the others", xlabel="ROC-AUC")
        axes.legend(fontsize=8.5, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return as_png(figure)


def confusion_chart(results: Mapping[str, Mapping[str, Any]], rows: tuple[str, str, str]) -> bytes:
    """The confusion matrix of each score at its threshold, side by side.

    Args:
      rows: what the pairs are, first those to be rejected; and what the two words are of.
    """
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("shades", ["#ffffff", NETWORK])
    number = len(results)
    with new_figure(max(2.3 * number, 3.0), 2.7, number) as (figure, panels):
        for axes, (name, result) in zip(np.atleast_1d(panels), results.items(), strict=True):
            counts = np.array(result["confusion"])
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
            for row in range(2):
                for column in range(2):
                    colour = "white" if shares[row, column] > 0.55 else INK
                    text = f"{counts[row, column]:,}\n{shares[row, column]:.0%}"
                    axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
            axes.set_xticks([0, 1], ["rejected", "accepted"])
            axes.set_yticks([0, 1], rows[:2] if axes is np.atleast_1d(panels)[0] else ["", ""])
            axes.set_title(name, fontsize=9.5)
            axes.grid(visible=False)
            axes.tick_params(length=0)
            for side in axes.spines.values():
                side.set_visible(False)
        np.atleast_1d(panels)[0].set_ylabel(rows[2])
        return as_png(figure)
