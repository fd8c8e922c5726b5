"""The report on pairs of held-out videos: its tables, its figures and its page."""

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.files import write_text
from reid_jax.reporting.figures import precision_recall_curves, roc_curves
from reid_jax.reporting.measure import columns
from reid_jax.reporting.plain_json import plain_json
from reid_jax.reporting.report import Results, write_page
from reid_jax.reporting.table import Table, results_table
from reid_jax.same_video.figures import confusion_chart, kinds_chart
from reid_jax.same_video.glossary import DRAWN, MEASURES, PAGE, WORDS, Wording

_MATRICES = 4


def write_pairs_report(
    folder: Path,
    title: str,
    results: Results,
    scores: Mapping[str, np.ndarray],
    pairs: Mapping[str, Any],
    pictured: Sequence[str],
    *,
    learnt: Sequence[str],
    remarks: Sequence[str],
    history: Sequence[Mapping[str, Any]] = (),
    wording: Wording = DRAWN,
    seen: str = "that the network had never seen",
) -> None:
    """Writes the page with its files, and ``pairs.json``, which the thresholds are read from.

    Beside it ``pairs.csv`` has a row a pair: its clips, label, and scores.

    Args:
      folder: made if it is not there.
      title: of the page.
      results: see `evaluate_pairs`, by the name of the score; the network first.
      scores: (N,) of the pairs, by the same names.
      pairs: see `evaluation_pairs`.
      pictured: names that the figures show.
      learnt: names of networks.
      remarks: what must be known to read the numbers.
      history: rows of the run's ``metrics.jsonl``.
      wording: what the pairs are called.
      seen: what the network knew of them.
    """
    same = pairs["same"]
    curves = {name: (scores[name], same) for name in pictured}
    some = {name: results[name] for name in pictured}
    few = dict(list(some.items())[:_MATRICES])
    write_text(folder / "pairs.json", plain_json(results))
    write_text(folder / "pairs.csv", scores_csv(pairs, scores))
    write_page(
        folder,
        title=title,
        lead=f"<b>{len(same):,} pairs</b> of clips of videos {seen} were scored. How often does a "
        f"pair {escape(wording.same)} score higher than a pair {wording.different}? (ROC-AUC)",
        results=by_measure(results),
        measures=wording.measures,
        history=history,
        validated="videos",
        figures={
            "roc": (
                roc_curves(curves, *wording.roc_axes),
                f"By the share of pairs {wording.different} that are accepted, the share of pairs "
                f"{wording.same} that are.",
            ),
            "precision_recall": (
                precision_recall_curves(curves, f"pairs {wording.same} recognised"),
                f"By the share of pairs {wording.same} that are found, how many of the accepted "
                "ones are such.",
            ),
            "kinds": (
                kinds_chart(some) if pairs["kind"].any() else None,
                "ROC-AUC by kind of pair; a dot is a score.",
            ),
            "confusion": (
                confusion_chart(few, wording.rows),
                f"How many pairs are rejected and accepted: in the upper row those "
                f"{wording.different}, in the lower row those {wording.same}; right answers are on "
                "the falling diagonal.",
            ),
        },
        remarks=remarks,
        words=WORDS,
        table=PAGE,
        apart=[name for name in results if name in learnt or "ensemble" in name],
    )


def scores_csv(pairs: Mapping[str, Any], scores: Mapping[str, np.ndarray]) -> str:
    """A row a pair: the names of its clips, its kind and edit where it has one, its label, scores.

    Args:
      pairs: see `evaluation_pairs`.
      scores: (N,) of the pairs, by name.
    """
    known = [name for name in ("kind", "edit") if pairs[name].any()]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(["first", "second", *known, "label", *scores])
    facts = [*pairs["named"].T, *(pairs[name] for name in known), pairs["same"].astype(int)]
    columns = [*facts, *([f"{value:.6g}" for value in each] for each in scores.values())]
    writer.writerows(zip(*columns, strict=True))
    return stream.getvalue()


def pairs_table(results: Results) -> Table:
    """A row a score: AUC, AP and F1 over all pairs, and AUC by kind."""
    flat = by_measure(results)
    return results_table(flat, columns(MEASURES, flat.values(), PAGE), first="score")


def by_measure(results: Results) -> dict[str, dict[str, Any]]:
    """Results of `evaluate_pairs`, with the AUC of each kind under its name."""
    return {
        name: {**row, **{kind: part["roc_auc"] for kind, part in row["kinds"].items()}}
        for name, row in results.items()
    }
