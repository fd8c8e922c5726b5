"""What runs reported, kept under scripts/results/ for the tables of README.md and the pages."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import jax

from reid_jax.errors import UserError
from reid_jax.files import write_text
from reid_jax.individuals.glossary import MEASURES, README
from reid_jax.keyframes.glossary import MEASURES as KEYFRAMES
from reid_jax.keyframes.glossary import README as KEYFRAME_README
from reid_jax.plan.measure import device_name
from reid_jax.reporting.measure import OURS
from reid_jax.training.logging import read_metrics


def record_run(results: Path, workdir: Path, configuration: str, note: str) -> None:
    """Adds a run's metrics and baselines to `results`/training.json, in the place of older ones.

    Args:
      results: folder of the result files.
      workdir: the run, with its report.
      configuration: what was trained; the key of the entry.
      note: what is searched in what, for the table.

    Raises:
      UserError: when the run has no report.
    """
    path = workdir / "report" / "metrics.json"
    if not path.is_file():
        raise UserError(f"{workdir} has no report/metrics.json; evaluate the run first.")
    report = json.loads(path.read_text())
    rows = {OURS: report["metrics"], **report["baselines"]}
    seconds = sum(row.get("seconds", 0.0) for row in read_metrics(workdir))
    entry = {
        "configuration": configuration,
        "note": note,
        **_measured(),
        "training_minutes": seconds / 60,
        "rows": {
            name: {
                key: values[key]
                for key, measure in MEASURES.items()
                if README in measure.tables and key in values
            }
            for name, values in rows.items()
        },
    }
    file = results / "training.json"
    entries = json.loads(file.read_text()) if file.is_file() else []
    kept = [other for other in entries if other["configuration"] != configuration]
    kept = sorted([*kept, entry], key=lambda other: other["configuration"])
    write_text(file, json.dumps(kept, indent=1) + "\n")


def _measured() -> dict[str, Any]:
    """With what, and when."""
    versions = {"jax": jax.__version__}
    return {"device": device_name(), "date": date.today().isoformat(), "versions": versions}


FROM_IMAGES = "this network, from images"


def record_folds(
    results: Path, workdirs: Sequence[Path], image_workdirs: Sequence[Path] = ()
) -> None:
    """Keeps the mean over runs of keyframe scoring, one a fold, as `results`/keyframes.json.

    Args:
      image_workdirs: runs from images, on the same folds; without `workdirs` they join what is kept
        of these.

    Raises:
      UserError: when a run has no report, or not that of keyframe scoring.
    """
    file = results / "keyframes.json"
    if workdirs:
        write_text(file, json.dumps(_over_folds(workdirs), indent=1) + "\n")
    if image_workdirs:
        kept, images = json.loads(file.read_text()), _over_folds(image_workdirs)
        for part in ("rows", "each_fold"):
            others = {name: row for name, row in kept[part].items() if name != OURS}
            both = {OURS: kept[part][OURS], FROM_IMAGES: images[part][OURS]}
            kept[part] = both | {n: row for n, row in others.items() if n != FROM_IMAGES}
        write_text(file, json.dumps(kept, indent=1) + "\n")


def _over_folds(workdirs: Sequence[Path]) -> dict[str, Any]:
    folds = []
    for workdir in workdirs:
        path = workdir / "report" / "metrics.json"
        report = json.loads(path.read_text()) if path.is_file() else {"metrics": {}}
        if "kendall_users" not in report["metrics"]:
            raise UserError(f"{workdir} has no report on keyframe scores; evaluate the run first.")
        folds.append({OURS: report["metrics"], **report["baselines"]})
    rows = {
        name: {
            key: sum(fold[name][key] for fold in folds) / len(folds)
            for key, measure in KEYFRAMES.items()
            if KEYFRAME_README in measure.tables and key in folds[0][name]
        }
        for name in folds[0]
    }
    values = {
        name: {key: [round(fold[name][key], 6) for fold in folds] for key in means}
        for name, means in rows.items()
    }
    return {"folds": len(folds), **_measured(), "rows": rows, "each_fold": values}


def record_video_pairs(results: Path, workdirs: Sequence[Path]) -> None:
    """Keeps ROC-AUCs of runs of video similarity, one a fold, as `results`/video_pairs.json.

    Raises:
      UserError: when a run has no report on pairs.
    """
    folds = []
    for workdir in workdirs:
        path = workdir / "report" / "pairs.json"
        if not path.is_file():
            raise UserError(f"{workdir} has no report/pairs.json; evaluate the run first.")
        folds.append(json.loads(path.read_text()))
    rows = {
        name: {
            "all pairs": [fold[name]["roc_auc"] for fold in folds],
            **{
                kind: [fold[name]["kinds"][kind]["roc_auc"] for fold in folds]
                for kind in folds[0][name]["kinds"]
            },
        }
        for name in folds[0]
    }
    entry = {"folds": len(folds), **_measured(), "rows": rows}
    write_text(results / "video_pairs.json", json.dumps(entry, indent=1) + "\n")
