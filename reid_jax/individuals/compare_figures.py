"""ROC and precision-recall curves of several runs in one figure."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np

from reid_jax.ops.verification import average_precision, roc_auc, roc_curve
from reid_jax.reporting.figures import COLOURS, MUTED, as_png, new_figure, percent_axis

Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Scores of pairs and whether they are the same individual, by the name of the run."""

_SIZE = (6.4, 4.4)


def roc_curves(curves: Curves) -> bytes:
    """A PNG: true against false accept rate, the latter on a logarithmic scale."""
    with new_figure(*_SIZE) as (figure, axes):
        least = 1.0
        for (name, (scores, same)), colour in zip(curves.items(), cycle(COLOURS), strict=False):
            far, tar, _ = roc_curve(scores, same)
            least = min(least, max(1 / max(int(np.sum(~same)), 1), 1e-6))
            shown = far > 0
            label = f"{name}  (area {roc_auc(scores, same):.3f})"
            axes.plot(far[shown], tar[shown], color=colour, label=label)
        guess = np.geomspace(least, 1, 100)
        axes.plot(guess, guess, color=MUTED, ls=":", linewidth=1.2, label="guessing")
        axes.set(xscale="log", xlim=(least, 1), ylim=(0, 1.02))
        axes.set_title("Same pairs recognised (ROC)")
        axes.set_xlabel("different pairs taken for the same")
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
        percent_axis(axes.yaxis)
        axes.legend(fontsize=9)
        return as_png(figure)


def precision_recall_curves(curves: Curves) -> bytes:
    """A PNG: of the pairs taken for the same, how many are, against how many are found."""
    with new_figure(*_SIZE) as (figure, axes):
        share = 0.0
        for (name, (scores, same)), colour in zip(curves.items(), cycle(COLOURS), strict=False):
            falling = np.argsort(-scores, kind="stable")
            ends = np.append(np.flatnonzero(np.diff(scores[falling])), len(scores) - 1)
            right = np.cumsum(same[falling])[ends]
            label = f"{name}  (average precision {average_precision(scores, same):.3f})"
            axes.plot(right / right[-1], right / (ends + 1), color=colour, label=label)
            share = float(np.mean(same))
        axes.axhline(share, color=MUTED, ls=":", linewidth=1.2, label="guessing")
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.set_title("How many of the accepted pairs are right?")
        axes.set_xlabel("same pairs recognised")
        percent_axis(axes.xaxis)
        percent_axis(axes.yaxis)
        axes.legend(fontsize=9)
        return as_png(figure)
