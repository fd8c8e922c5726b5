"""The report on pairs of held-out videos: its tables, its figures and its page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.files import write_text
from reid_jax.reporting.figures import roc_curves
from reid_jax.reporting.measure import columns
from reid_jax.reporting.plain_json import plain_json
from reid_jax.reporting.report import Results, write_page
from reid_jax.reporting.table import Table, results_table
from reid_jax.same_video.figures import confusion_chart, kinds_chart
from reid_jax.same_video.glossary import MEASURES, PAGE, WORDS

_MATRICES = 4
ROC_AXES = ("Pairs of one video recognised (ROC)", "pairs of two videos taken for one")


def write_pairs_report(
    folder: Path,
    title: str,
    results: Results,
    scores: Mapping[str, np.ndarray],
    same: np.ndarray,
    pictured: Sequence[str],
    *,
    learnt: Sequence[str],
    remarks: Sequence[str],
    history: Sequence[Mapping[str, Any]],
) -> None:
    """Writes the page with its files, and ``pairs.json``, which the thresholds are read from.

    Args:
      folder: made if it is not there.
      title: of the page.
      results: see `evaluate_pairs`, by the name of the score; the network first.
      scores: (N,) of the pairs, by the same names.
      same: (N,), whether a pair is of one video.
      pictured: names that the figures show.
      learnt: names of networks.
      remarks: what must be known to read the numbers.
      history: rows of the run's ``metrics.jsonl``.
    """
    some = {name: results[name] for name in pictured}
    few = dict(list(some.items())[:_MATRICES])
    write_text(folder / "pairs.json", plain_json(results))
    write_page(
        folder,
        title=title,
        lead=f"<b>{len(same):,} pairs</b> of clips of videos that the network had never seen were "
        "scored. How often does a pair of one video score higher than a pair of two? (ROC-AUC)",
        results=by_measure(results),
        measures=MEASURES,
        history=history,
        validated="videos",
        figures={
            "roc": (
                roc_curves({name: (scores[name], same) for name in pictured}, *ROC_AXES),
                "By the share of pairs of two videos that are taken for one, the share of pairs of "
                "one video that are recognised.",
            ),
            "kinds": (kinds_chart(some), "ROC-AUC by kind of pair; a dot is a score."),
            "confusion": (
                confusion_chart(few),
                "How many pairs are rejected and accepted: in the upper row those of two videos, "
                "in the lower row those of one; right answers are on the falling diagonal.",
            ),
        },
        remarks=remarks,
        words=WORDS,
        table=PAGE,
        apart=[name for name in results if name in learnt or "ensemble" in name],
    )


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
