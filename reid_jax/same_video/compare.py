"""Runs side by side on the same pairs of held-out videos: is one better, or was it luck?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.reporting.compare import Comparison, Contender, find_differences
from reid_jax.reporting.cost import number_of_parameters
from reid_jax.reporting.figures import precision_recall_curves, roc_curves
from reid_jax.reporting.measure import columns
from reid_jax.reporting.run_facts import bytes_on_disk, run_names
from reid_jax.same_video.config import VideoSimilarityConfig
from reid_jax.same_video.figures import kinds_chart
from reid_jax.same_video.glossary import COMPARED, PAGE
from reid_jax.same_video.measures import auc_components
from reid_jax.same_video.report import by_measure
from reid_jax.same_video.run import ScoredPairs, score_runs
from reid_jax.training.run import restore


@dataclass(frozen=True)
class PairContender(Contender):
    """A run and what it makes of the pairs.

    Attributes:
      scores, same: (N,) of the pairs.
    """

    scores: np.ndarray
    same: np.ndarray

    @property
    def examples(self) -> dict[str, np.ndarray]:
        accepted = self.scores >= self.metrics["threshold"]
        return {
            "roc_auc": auc_components(self.scores, self.same),
            "accuracy": (accepted == self.same).astype(np.float64),
        }


def compare_runs(workdirs: Sequence[Path], out: Path | None) -> dict[str, Any]:
    """Prints the comparison, and writes it with figures into a folder; returns what its JSON holds.

    Raises:
      UserError: fewer than two runs, or they hold out different videos.
    """
    names = run_names(workdirs)
    scored = score_runs(workdirs, names)
    results = by_measure(scored.results())
    contenders = [
        PairContender(
            name=name,
            metrics=results[name],
            parameters=number_of_parameters(restore(workdir, VideoSimilarityConfig)[1]["net"]),
            bytes_on_disk=bytes_on_disk(workdir),
            scores=scored.scores[name],
            same=scored.test["same"],
        )
        for name, workdir in zip(names, workdirs, strict=True)
    ]
    return compare(contenders, scored, results).tell(out)


def compare(
    contenders: Sequence[PairContender],
    scored: ScoredPairs,
    results: dict[str, dict[str, Any]],
    *,
    seed: int = 0,
) -> Comparison:
    """Every pair of runs in ROC-AUC and accuracy; pairs whose first clip is of one video, which are
    alike, count as a group. See :func:`find_differences`.
    """
    same = scored.test["same"]
    wording = scored.wording
    shown = columns(wording.measures, [contenders[0].metrics])
    curves = {name: (scored.scores[name], same) for name in scored.names}
    return Comparison(
        contenders,
        [each for each in shown if {PAGE, COMPARED} & set(each.tables)],
        find_differences(
            [(one.name, one.examples) for one in contenders],
            wording.measures,
            scored.test["video"][:, 0],
            of="videos",
            seed=seed,
        ),
        baselines={name: row for name, row in results.items() if name not in scored.names},
        about=[
            f"{len(same):,} pairs of clips of {scored.videos} videos; intervals over videos.",
            *scored.remarks,
        ],
        figures={
            "roc": lambda: roc_curves(curves, *wording.roc_axes),
            "precision_recall": lambda: precision_recall_curves(
                curves, f"pairs {wording.same} recognised"
            ),
            "kinds": lambda: (
                kinds_chart({name: results[name] for name in scored.names})
                if scored.test["kind"].any()
                else None
            ),
        },
    )
