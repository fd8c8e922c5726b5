"""Figures of any report, each as the bytes of a PNG."""

import io
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import numpy as np

from reid_jax.ops.verification import average_precision, roc_auc, roc_curve
from reid_jax.reporting.measure import Measure, Measures
from reid_jax.reporting.measure import number as number_text

INK, MUTED, LINE = "#1f2a2c", "#6c7a7d", "#d9dfdd"
NETWORK, OTHER = "#0f766e", "#d9822b"
BASELINES = ("#8b979a", "#b9a27a", "#a48fb0", "#7f9dbd")
_ROWS = 5  # measures of a chart
COLOURS = (NETWORK, OTHER, "#5b5fc7", "#b83280", "#2b6cb0", "#8c5e3c")
"""Of several things alike, such as runs, in order."""
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
}


@contextmanager
def new_figure(width: float, height: float, columns: int = 1, rows: int = 1):
    """A figure and its axes: one, or an array of them row by row."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
        axes = figure.subplots(rows, columns)
        yield figure, axes.ravel() if rows * columns > 1 else axes


def as_png(figure: Any) -> bytes:
    """The figure as a PNG file, the same bytes whenever it is drawn."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def percent_axis(axis: Any) -> None:
    """Labels an axis of shares as percent."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def loss_curve(
    history: Sequence[Mapping[str, Any]], validated: str, measures: Measures
) -> bytes | None:
    """Training loss, and beside it what validation said; None when nothing was logged.

    Args:
      history: rows of metrics.jsonl.
      validated: what validation was on.
      measures: that it may have; in percent where all that it has are shares.
    """
    loss = [(row["step"], row["loss"]) for row in history if row.get("loss") is not None]
    names = sorted({name for row in history for name in row if name.startswith("validation/")})
    if len(loss) < 2:
        return None
    said = {name: measures.get(name.removeprefix("validation/")) for name in names}
    share = all(measure is not None and measure.share for measure in said.values())
    with new_figure(9.0 if names else 5.6, 3.3, 2 if names else 1) as (figure, axes):
        left, right = axes if names else (axes, None)
        step, value = np.array(loss, np.float64).T
        left.plot(step, value, color=NETWORK, linewidth=0.8, alpha=0.35)
        smooth = _smooth(value)
        left.plot(step, smooth, color=NETWORK)
        low, high = np.quantile(value, [0.0, 0.995])
        left.set_ylim(min(0.0, low), max(high, low + 1e-9) * 1.05)
        left.set(title="Training loss", xlabel="step")
        for (name, measure), colour in zip(said.items(), cycle(COLOURS), strict=False):
            points = [(row["step"], row[name]) for row in history if row.get(name) is not None]
            if points and right is not None:
                step, value = np.array(points, np.float64).T
                label = measure.head if measure else name.removeprefix("validation/")
                right.plot(step, value, color=colour, marker="o", markersize=3.5, label=label)
        if right is not None:
            right.set(
                title=f"On validation {validated}", xlabel="step", ylim=(0, None) if share else None
            )
            if share:
                percent_axis(right.yaxis)
            right.legend(ncols=2, fontsize=9)
        return as_png(figure)


def _smooth(values: np.ndarray) -> np.ndarray:
    """A running mean over a twentieth of the values, honest at the ends."""
    half = len(values) // 40
    total = np.concatenate([[0.0], np.cumsum(values)])
    start = np.maximum(np.arange(len(values)) - half, 0)
    end = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (total[end] - total[start]) / (end - start)


def roc_curves(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str, wrongly: str
) -> bytes:
    """True against false accept rate, the latter on a logarithmic scale, where it matters.

    Args:
      curves: scores of pairs and whether they are the same, by name.
      title: of the figure.
      wrongly: what the false accept rate is of.
    """
    least = min(max(1 / max(int(np.sum(~same)), 1), 1e-6) for _, same in curves.values())
    with new_figure(5.6, 3.9) as (figure, axes):
        for (name, (scores, same)), colour in zip(curves.items(), cycle(COLOURS), strict=False):
            far, tar, _ = roc_curve(scores, same)
            shown = far >= least
            label = f"{name}  (area {roc_auc(scores, same):.3f})"
            axes.plot(far[shown], tar[shown], color=colour, label=label)
        guess = np.geomspace(least, 1, 100)
        axes.plot(guess, guess, color=MUTED, ls=":", linewidth=1.2, label="guessing")
        axes.set(title=title, xlabel=wrongly, xscale="log", xlim=(least, 1), ylim=(0, 1.02))
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
        percent_axis(axes.yaxis)
        axes.legend(fontsize=9)
        return as_png(figure)


def precision_recall_curves(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], found: str = "same pairs recognised"
) -> bytes:
    """Of the pairs taken for the same, how many are, against how many are found.

    Args:
      curves: scores of pairs and whether they are the same, by name.
      found: what the horizontal axis is.
    """
    with new_figure(6.4, 4.4) as (figure, axes):
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
        axes.set_xlabel(found)
        percent_axis(axes.xaxis)
        percent_axis(axes.yaxis)
        axes.legend(fontsize=9)
        return as_png(figure)


def performance(
    results: Mapping[str, Mapping[str, Any]], measures: Sequence[Measure]
) -> bytes | None:
    """Runs side by side in five rows: a row a measure, a bar a run, with its 95% interval if known.

    None where they have no measure in common.

    Args:
      results: metrics by the run's name.
      measures: the first five whose higher value is better, and that every run has.
    """
    shown = [
        each
        for each in measures
        if each.better == "higher"
        and all(np.isfinite(row.get(each.key, np.nan)) for row in results.values())
    ][:_ROWS]
    if not shown:
        return None
    height = 0.8 / len(results)
    with new_figure(7.2, (0.34 * len(results) + 0.3) * len(shown) + 1.1) as (figure, axes):
        for number, ((name, row), colour) in enumerate(
            zip(results.items(), cycle(COLOURS), strict=False)
        ):
            places = np.arange(len(shown)) + (number - (len(results) - 1) / 2) * height
            values = [float(row[each.key]) for each in shown]
            axes.barh(places, values, height * 0.9, color=colour, label=name)
            for place, value, each in zip(places, values, shown, strict=True):
                ends = [row.get(f"{each.key}_{end}") for end in ("low", "high")]
                if None not in ends:
                    axes.plot(ends, [place, place], color=INK, linewidth=1.2)
                beyond = max([value, 0.0, *(end for end in ends if end is not None)])
                text = f"  {number_text(value)}"
                axes.text(beyond, place, text, va="center", fontsize=8.5, color=INK)
        axes.set_yticks(range(len(shown)), [each.name for each in shown], color=INK)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.margins(x=0.12)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_title("The runs side by side; lines are 95% intervals")
        axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return as_png(figure)
