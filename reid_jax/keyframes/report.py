"""The report of a keyframe run: ``metrics.json``, ``tables.md``, figures, and one page to read."""

import importlib.util
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.data.videos.features import VideoFeatures
from reid_jax.files import atomic_write, write_arrays, write_text
from reid_jax.individuals import page
from reid_jax.keyframes import figures as keyframe_plots
from reid_jax.keyframes.baselines import keyframe_baselines
from reid_jax.keyframes.glossary import LEGEND, MEASURES, SHORT, TABLE
from reid_jax.keyframes.measures import evaluate_keyframes, mean_over_videos
from reid_jax.reporting.figures import loss_curve
from reid_jax.reporting.plain_json import plain_json
from reid_jax.reporting.run_facts import said_unless_written
from reid_jax.reporting.table import aligned, markdown

NETWORK = "this network"
_VIDEOS_DRAWN = 10
_CORRELATIONS = ("kendall_users", "spearman_users", "kendall_mean", "spearman_mean")
NO_PLOTS = "Figures are left out: they need matplotlib (pip install 'reid-jax[plots]')."


def write_keyframe_report(
    folder: Path,
    title: str,
    scores: Mapping[str, np.ndarray],
    test_videos: Sequence[VideoFeatures],
    train_videos: Sequence[VideoFeatures],
    history: Sequence[Mapping[str, Any]] = (),
    seed: int = 0,
    trained: Collection[str] = (),
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

    Returns:
      The metrics of the scores, see ``evaluate_keyframes``; with `trained` also num_trained, and
      the correlations without those videos, kendall_users_without_trained and so on.

    Raises:
      UserError: as ``evaluate_keyframes``.
    """
    metrics = evaluate_keyframes(scores, test_videos)
    metrics |= _without(metrics, trained)
    results = {NETWORK: metrics, **keyframe_baselines(train_videos, test_videos, seed)}
    print(results_table(results))
    print(LEGEND)
    for sentence in remarks(metrics):
        print(sentence)
    with said_unless_written(folder):
        write_text(folder / "metrics.json", _json(results))
        write_text(folder / "tables.md", _tables(title, results, test_videos))
        write_arrays(folder / "scores.npz", scores)
        figures: dict[str, bytes] = {}
        if importlib.util.find_spec("matplotlib") is None:
            print(NO_PLOTS)
        else:
            figures = _figures(scores, test_videos, results, history)
        for name, png in figures.items():
            with atomic_write(folder / f"{name}.png") as file:
                file.write(png)
        sections = _sections(title, results, test_videos, figures)
        last = "Equal scores share a rank; of equal frames the earlier is kept."
        write_text(folder / "index.html", page.page(title, sections, last))
        print(f"report: {folder / 'index.html'}")
    return metrics


def results_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each name; a dash for what does not apply."""
    rows = [[name, *(page.number(row.get(key)) for key in TABLE)] for name, row in results.items()]
    return aligned(["", *(SHORT[key] for key in TABLE)], rows)


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
    found = [
        f"{metrics[key]} of {metrics['num_videos']} videos have {text}."
        for key, text in sentences.items()
        if metrics.get(key)
    ]
    if number := metrics.get("num_trained"):
        numbers = ", ".join(
            f"{SHORT[name]} {page.number(metrics[f'{name}_without_trained'])}"
            for name in _CORRELATIONS
        )
        found.append(
            f"{number} of {metrics['num_videos']} videos were trained on or chosen by, which "
            f"flatters; without them: {numbers}."
        )
    return found


def _without(metrics: Mapping[str, Any], trained: Collection[str]) -> dict[str, Any]:
    """How many videos were trained on, and the correlations of the others."""
    if not trained:
        return {}
    others = {key: row for key, row in metrics["per_video"].items() if key not in trained}
    means = mean_over_videos(others)
    return {
        "num_trained": len(metrics["per_video"]) - len(others),
        **{f"{name}_without_trained": means[name] for name in _CORRELATIONS},
    }


def _figures(
    scores: Mapping[str, np.ndarray],
    videos: Sequence[VideoFeatures],
    results: Mapping[str, Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]],
) -> dict[str, bytes]:
    runs = {NETWORK: scores}
    figures = {
        "agreement": keyframe_plots.agreement(results),
        "curves": keyframe_plots.score_curves(runs, videos[:_VIDEOS_DRAWN]),
        "scatter": keyframe_plots.scatter(runs, videos),
        "loss_curve": loss_curve(history, "videos", share=False),
    }
    return {name: png for name, png in figures.items() if png is not None}


def _sections(
    title: str,
    results: Mapping[str, Mapping[str, Any]],
    videos: Sequence[VideoFeatures],
    figures: Mapping[str, bytes],
) -> list[str]:
    metrics = results[NETWORK]
    baselines = {name: row for name, row in results.items() if name != NETWORK}
    unseen = "" if metrics.get("num_trained") else " that the network had never seen"
    lead = (
        f"<b>{metrics['num_picks']:,} frames</b> of <b>{len(videos):,} videos</b>{unseen} were "
        "scored. How well does their order agree with how people rated them? "
        "(Spearman's rho against each annotator, averaged.)"
    )
    cards = {name: page.number(row.get("spearman_users")) for name, row in results.items()}
    notes = "".join(f'<p class="note">{sentence}</p>' for sentence in remarks(metrics))
    rest = len(videos) - _VIDEOS_DRAWN
    return [
        page.headline(title, lead, cards) + notes,
        page.section(
            "How good is it?",
            page.metrics_table(
                metrics,
                baselines,
                measures=MEASURES,
                table=TABLE,
                otherwise="other videos had been scored",
            ),
            page.figure(
                figures.get("agreement"), "Bars: the mean over videos. Lines: 95% intervals."
            ),
        ),
        page.section(
            "Its scores over time",
            "<p>Grey is the mean rating of people, the line is the network's score, each scaled to "
            "its own range. Light vertical lines are where segments begin; the bars below are the "
            "15% of the video that the best summary takes.</p>"
            if "curves" in figures
            else f"<p>{NO_PLOTS}</p>",
            page.figure(
                figures.get("curves"),
                f"The first {_VIDEOS_DRAWN} videos; {rest:,} more are in the tables."
                if rest > 0
                else "Every video that was held out; the axis counts frames.",
            ),
        ),
        page.section(
            "Score and rating of each frame",
            page.figure(
                figures.get("scatter"),
                "A point is a frame. A steep line means that frames people rate higher get higher "
                "scores.",
            ),
        ),
        page.section("Video by video", _videos_html(metrics, videos)),
        page.section(
            "Training",
            page.figure(
                figures.get("loss_curve"), "The thin line is every value, the thick its mean."
            ),
        ),
    ]


def _video_rows(metrics: Mapping[str, Any], videos: Sequence[VideoFeatures]) -> list[list[str]]:
    def cells(video: VideoFeatures) -> list[str]:
        row = metrics["per_video"][video.key]
        about = f"{video.key}, {video.category}" if video.category else video.key
        return [about, f"{len(video.picks):,}", *(page.number(row[key]) for key in TABLE)]

    return [cells(video) for video in videos]


def _videos_html(metrics: Mapping[str, Any], videos: Sequence[VideoFeatures]) -> str:
    return page.table(
        ["video", "frames", *(MEASURES[key][0] for key in TABLE)], _video_rows(metrics, videos)
    )


def _tables(
    title: str, results: Mapping[str, Mapping[str, Any]], videos: Sequence[VideoFeatures]
) -> str:
    rows = [[name, *(page.number(row.get(key)) for key in TABLE)] for name, row in results.items()]
    head = [MEASURES[key][0] for key in TABLE]
    return "\n".join(
        [
            f"# {title}\n",
            markdown(["", *head], rows),
            "## Video by video\n",
            markdown(["video", "frames", *head], _video_rows(results[NETWORK], videos)),
        ]
    )


def _json(results: Mapping[str, Mapping[str, Any]]) -> str:
    def flat(metrics: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in metrics.items() if name != "per_video"}

    return plain_json(
        {
            "metrics": flat(results[NETWORK]),
            "baselines": {name: flat(row) for name, row in results.items() if name != NETWORK},
            "per_video": {
                key: {name: row["per_video"][key] for name, row in results.items()}
                for key in results[NETWORK]["per_video"]
            },
        }
    )
