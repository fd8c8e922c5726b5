"""The report of a keyframe run: ``metrics.json``, ``tables.md``, figures, and one page to read."""

from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import counted
from reid_jax.data.videos.features import VideoFeatures
from reid_jax.errors import said_unless_written
from reid_jax.files import write_arrays
from reid_jax.keyframes import figures as keyframe_plots
from reid_jax.keyframes.baselines import ANNOTATOR, CEILING, RIDGE, keyframe_baselines
from reid_jax.keyframes.glossary import CORRELATION, LEGEND, MEASURES, PAGE, WORDS
from reid_jax.keyframes.measures import evaluate_keyframes, mean_over_videos
from reid_jax.reporting import page
from reid_jax.reporting.figures import loss_curve
from reid_jax.reporting.measure import OURS, number
from reid_jax.reporting.report import Results, write_report
from reid_jax.reporting.table import Table, results_table
from reid_jax.reporting.words import meanings

_VIDEOS_DRAWN = 10
_SHOWN = [each for each in MEASURES.values() if PAGE in each.tables]
_CORRELATIONS = [each for each in MEASURES.values() if CORRELATION in each.tables]
_TIES = "Equal scores share a rank; of equal frames the earlier is kept."


def write_keyframe_report(
    folder: Path,
    title: str,
    scores: Mapping[str, np.ndarray],
    test_videos: Sequence[VideoFeatures],
    train_videos: Sequence[VideoFeatures],
    history: Sequence[Mapping[str, Any]] = (),
    seed: int = 0,
    trained: Collection[str] = (),
    *,
    about: str = "",
) -> dict[str, Any]:
    """Evaluates scores beside the baselines, prints a table, and writes everything into a folder.

    Each file appears whole or not at all; files of an older report are replaced. `scores.npz` keeps
    the scores.

    Args:
      folder: made if it is not there.
      title: of the page.
      scores: (P,) at the picks of each test video, by its key.
      test_videos: that no choice was made on, or those of another file.
      train_videos: all that the network could learn or choose from; ridge regression gets the same.
      history: rows of the run's ``metrics.jsonl``.
      seed: of what is drawn at random.
      trained: keys of test videos that the network learnt or chose from all the same.
      about: what the numbers stand on, in a sentence.

    Returns:
      The metrics of the scores, see ``evaluate_keyframes``; with `trained` also num_trained, and
      the correlations without those videos, kendall_users_without_trained and so on.

    Raises:
      UserError: as ``evaluate_keyframes``.
    """
    metrics = evaluate_keyframes(scores, test_videos)
    metrics |= _without(metrics, trained)
    results = {OURS: metrics, **keyframe_baselines(train_videos, test_videos, seed)}
    print(results_table(results, _SHOWN, short=True).as_text())
    print(LEGEND)
    said = [*([about] if about else []), *remarks(metrics)]
    for sentence in said:
        print(sentence)
    with said_unless_written(folder):
        figures = _figures(scores, test_videos, results, history)
        write_report(
            folder,
            title=title,
            content=_content(results),
            tables={
                "": results_table(results, _SHOWN),
                "Video by video": _video_table(metrics, test_videos),
            },
            figures=figures,
            sections=_sections(title, said, results, test_videos, figures, history),
            meanings=meanings(MEASURES.values(), WORDS),
            remarks=said,
            last=_TIES,
        )
        write_arrays(folder / "scores.npz", scores)
        print(f"report: {folder / 'index.html'}")
    return metrics


def remarks(metrics: Mapping[str, Any]) -> list[str]:
    """A sentence for each kind of video that was scored or counted in a special way."""
    sentences = {
        "num_not_finite": "scores that are not finite: they get 0 in all but the errors",
        "num_constant": "scores that are all equal: they correlate 0 with everything",
        "num_single": "a single pick: nothing to rank, so they are left out of correlations",
        "num_by_summary": "no scores of annotators: their summaries take the place of these",
        "num_without_users": "no annotators who differ: left out of the means over annotators",
        "num_without_best": "no best 15% by mean rating, as too many frames are rated alike: they "
        "are left out of P@15%",
    }
    of_all = f"of {metrics['num_videos']} videos"
    found = [
        f"{counted(metrics[key], f'{of_all} has', f'{of_all} have')} {text}."
        for key, text in sentences.items()
        if metrics.get(key)
    ]
    if trained := metrics.get("num_trained"):
        numbers = ", ".join(
            f"{each.head} {number(metrics[f'{each.key}_without_trained'])}"
            for each in _CORRELATIONS
        )
        were = counted(trained, f"{of_all} was", f"{of_all} were")
        found.append(f"{were} trained on or chosen by, which flatters; without them: {numbers}.")
    return found


def _without(metrics: Mapping[str, Any], trained: Collection[str]) -> dict[str, Any]:
    """How many videos were trained on, and the correlations of the others."""
    if not trained:
        return {}
    others = {key: row for key, row in metrics["per_video"].items() if key not in trained}
    means = mean_over_videos(others)
    return {
        "num_trained": len(metrics["per_video"]) - len(others),
        **{f"{each.key}_without_trained": means[each.key] for each in _CORRELATIONS},
    }


def _figures(
    scores: Mapping[str, np.ndarray],
    videos: Sequence[VideoFeatures],
    results: Mapping[str, Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]],
) -> dict[str, bytes]:
    runs = {OURS: scores}
    figures = {
        "agreement": keyframe_plots.agreement(results),
        "curves": keyframe_plots.score_curves(runs, videos[:_VIDEOS_DRAWN]),
        "scatter": keyframe_plots.scatter(runs, videos),
        "loss_curve": loss_curve(history, "videos", MEASURES),
    }
    return {name: png for name, png in figures.items() if png is not None}


def _sections(
    title: str,
    said: Sequence[str],
    results: Results,
    videos: Sequence[VideoFeatures],
    figures: Mapping[str, bytes],
    history: Sequence[Mapping[str, Any]],
) -> list[str]:
    metrics = results[OURS]
    first = MEASURES["spearman_users"]
    unseen = "" if metrics.get("num_trained") else " that the network had never seen"
    lead = (
        f"<b>{metrics['num_picks']:,} frames</b> of <b>{len(videos):,} videos</b>{unseen} were "
        "scored. How well does their order agree with how people rated them? "
        f"({escape(first.name)}: 1 is the same order, 0 is guessing.)"
    )
    rest = len(videos) - _VIDEOS_DRAWN
    return [
        page.headline(title, lead, page.cards(results, first)) + page.notes(said),
        page.section(
            "How good is it?",
            page.metrics_table(
                results,
                MEASURES,
                table=PAGE,
                otherwise="other videos had been scored",
                apart=(RIDGE, ANNOTATOR, CEILING),
            ),
            page.figure(
                figures.get("agreement"),
                "Left Kendall's tau-b, right Spearman's rho. Bars: the mean over videos. Lines: "
                "95% intervals.",
            ),
        ),
        page.section(
            "Its scores over time",
            "<p>Grey is the mean rating of people, the line is the network's score, each scaled to "
            "its own range. Light vertical lines are where segments begin; the bars below are the "
            "15% of the video that the best summary takes.</p>",
            page.figure(
                figures.get("curves"),
                f"The first {_VIDEOS_DRAWN} videos; {rest:,} more are in the tables. "
                "The axis counts frames."
                if rest > 0
                else "Every video that was held out; the axis counts frames.",
            ),
        ),
        page.section(
            "Score and rating of each frame",
            page.figure(
                figures.get("scatter"),
                "A point is a frame: its mean rating and its score; the line is the median score. "
                "Where it is steep, frames that people rate higher get higher scores.",
            ),
        ),
        page.section("Video by video", _video_table(metrics, videos).as_html()),
        page.loss_figure(figures.get("loss_curve"), history, "videos"),
    ]


def _video_table(metrics: Mapping[str, Any], videos: Sequence[VideoFeatures]) -> Table:
    def cells(video: VideoFeatures) -> list[str]:
        row = metrics["per_video"][video.key]
        about = f"{video.key}, {video.category}" if video.category else video.key
        return [about, f"{len(video.picks):,}", *(number(row[each.key]) for each in _SHOWN)]

    head = ["video", "frames", *(each.name for each in _SHOWN)]
    return Table(head, [cells(video) for video in videos])


def _content(results: Results) -> dict[str, Any]:
    def flat(metrics: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in metrics.items() if name != "per_video"}

    return {
        "metrics": flat(results[OURS]),
        "baselines": {name: flat(row) for name, row in results.items() if name != OURS},
        "per_video": {
            key: {name: row["per_video"][key] for name, row in results.items()}
            for key in results[OURS]["per_video"]
        },
    }
