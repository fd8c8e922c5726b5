"""Figures of frame scores, each as the bytes of a PNG."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from reid_jax.data.videos.features import VideoFeatures
from reid_jax.keyframes.measures import truth
from reid_jax.keyframes.selection import select_shots, to_frames
from reid_jax.reporting.figures import (
    COLOURS,
    INK,
    LINE,
    MUTED,
    NETWORK,
    as_png,
    new_figure,
)

Scores = Mapping[str, np.ndarray]
_POINTS = 6000


def score_curves(runs: Mapping[str, Scores], videos: Sequence[VideoFeatures]) -> bytes:
    """Panels of scores over time before the mean rating (grey), the segments' boundaries (light
    lines), and below the frames of the 15% summary (bars).

    Of several runs, a row is a video and a column a run. Each curve is scaled to its own range,
    since only the order of the frames is compared.

    Args:
      runs: by name, scores at the picks by the video's key.
      videos: in the order of the panels.
    """
    curves = [
        (name, scores, colour, video)
        for video in videos
        for (name, scores), colour in zip(runs.items(), cycle(COLOURS), strict=False)
    ]
    across = max(len(runs), min(2, len(videos)))
    down = -(-len(curves) // across)
    with new_figure(5.6 * across, 2.1 * down + 0.5, across, down) as (figure, panels):
        panels = np.atleast_1d(panels)
        labels: dict[str, Any] = {}
        for axes, curve in zip(panels, curves, strict=False):
            _curve(axes, *curve)
            labels |= {
                text: line for line, text in zip(*axes.get_legend_handles_labels(), strict=True)
            }
        for axes in panels[len(curves) :]:
            axes.remove()
        figure.legend(
            labels.values(), labels, loc="outside upper left", ncols=len(labels), fontsize=9
        )
        return as_png(figure)


def _curve(axes: Any, name: str, scores: Scores, colour: str, video: VideoFeatures) -> None:
    target = truth(video)
    if target is not None:
        axes.fill_between(
            video.picks, _scaled(target), step="post", color=LINE, label="mean rating"
        )
    values = np.nan_to_num(scores[video.key])
    axes.plot(video.picks, _scaled(values), color=colour, linewidth=1.1, label=name)
    shots = video.change_points if video.shots_2s is None else video.shots_2s
    if shots is not None:
        kept = select_shots(to_frames(values, video.picks, video.n_frames), shots)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], kept, [0]]))).reshape(-1, 2)
        spans = np.stack([edges[:, 0], edges[:, 1] - edges[:, 0]], axis=1).tolist()
        axes.broken_barh(spans, (-0.1, 0.055), color=colour, linewidth=0)
    if video.change_points is not None:
        for frame in video.change_points[1:, 0]:
            axes.axvline(frame, color=MUTED, linewidth=0.4, alpha=0.45, zorder=0)
    axes.set(xlim=(0, video.n_frames), ylim=(-0.14, 1.04), yticks=[])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    about = f"{video.key}, {video.category}" if video.category else video.key
    axes.set_title(about, fontsize=9, pad=4, parse_math=False)


def _scaled(values: np.ndarray) -> np.ndarray:
    span = float(np.ptp(values))
    return (values - values.min()) / span if span else np.full(len(values), 0.5)


def scatter(runs: Mapping[str, Scores], videos: Sequence[VideoFeatures]) -> bytes | None:
    """A panel a run: a point a frame, its score against its mean rating; None without ratings."""
    known = [(video, target) for video in videos if (target := truth(video)) is not None]
    if not known:
        return None
    target = np.concatenate([values for _, values in known])
    shown = np.random.default_rng(0).permutation(len(target))[:_POINTS]
    with new_figure(4.2 * len(runs), 4.0, len(runs)) as (figure, panels):
        rows = zip(np.atleast_1d(panels), runs.items(), cycle(COLOURS), strict=False)
        for axes, (name, scores), colour in rows:
            values = np.concatenate([scores[video.key] for video, _ in known])
            axes.scatter(target[shown], values[shown], s=7, color=colour, alpha=0.22, linewidths=0)
            _trend(axes, target, values)
            axes.set(title=name, xlabel="mean rating of people", ylabel="score (line: median)")
        return as_png(figure)


def _trend(axes: Any, target: np.ndarray, values: np.ndarray) -> None:
    """The median score of ten equal parts of the frames, by rating."""
    finite = np.isfinite(values)
    target, values = target[finite], values[finite]
    if not len(values):
        return
    parts = np.array_split(np.argsort(target, kind="stable"), min(10, len(target)))
    middle = [(np.median(target[part]), np.median(values[part])) for part in parts]
    axes.plot(*zip(*middle, strict=True), color=INK, marker="o", markersize=3.5)


def agreement(results: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Kendall's tau and Spearman's rho against annotators, a bar a row, with 95% intervals.

    Args:
      results: metrics by name, the network first.
    """
    names = list(results)[::-1]
    columns = {"kendall_users": "Kendall's tau-b", "spearman_users": "Spearman's rho"}
    with new_figure(9.0, 0.42 * len(names) + 1.1, 2) as (figure, panels):
        for axes, (key, title) in zip(panels, columns.items(), strict=True):
            for place, name in enumerate(names):
                value = results[name].get(key, float("nan"))
                ours = place == len(names) - 1
                axes.barh(place, np.nan_to_num(value), color=NETWORK if ours else "#b7c4c2")
                ends = [results[name].get(f"{key}_{end}") for end in ("low", "high")]
                if None not in ends:
                    axes.plot(ends, [place, place], color=INK, linewidth=1.2)
            axes.set_yticks(range(len(names)), names if axes is panels[0] else [])
            axes.tick_params(axis="y", labelcolor=INK, length=0)
            axes.grid(visible=False, axis="y")
            axes.axvline(0, color=MUTED, linewidth=0.8)
            axes.set_title(f"{title}, averaged over annotators")
        return as_png(figure)
