"""The README's tables, from the files under scripts/results/: no number is typed by hand."""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from reid_jax.errors import UserError
from reid_jax.files import write_text
from reid_jax.models.summary import markdown_table
from reid_jax.training.logging import read_metrics

_MEASURES = {
    "rank1": "Rank-1",
    "rank5": "Rank-5",
    "mAP": "mAP",
    "map_at_r": "MAP@R",
    "roc_auc": "pair AUC",
    "one_shot_20way": "20-way one-shot",
}


_KEYFRAME_MEASURES = {
    "kendall_users": "Kendall, annotators",
    "spearman_users": "Spearman, annotators",
    "kendall_mean": "Kendall, mean score",
    "spearman_mean": "Spearman, mean score",
    "precision_at_15": "P@15%",
    "f1_2s_mean": "F1, two-second shots",
    "f1_kts_mean": "F1, KTS",
}


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
    rows = {"this network": report["metrics"], **report["baselines"]}
    seconds = sum(row.get("seconds", 0.0) for row in read_metrics(workdir))
    entry = {
        "configuration": configuration,
        "note": note,
        "device": f"{jax.default_backend()}, {platform.machine()}",
        "jax": jax.__version__,
        "training_minutes": seconds / 60,
        "rows": {
            name: {key: values[key] for key in _MEASURES if key in values}
            for name, values in rows.items()
        },
    }
    file = results / "training.json"
    entries = json.loads(file.read_text()) if file.is_file() else []
    kept = [other for other in entries if other["configuration"] != configuration]
    kept = sorted([*kept, entry], key=lambda other: other["configuration"])
    write_text(file, json.dumps(kept, indent=1) + "\n")


def record_folds(results: Path, workdirs: Sequence[Path]) -> None:
    """Keeps the mean over runs of keyframe scoring, one a fold, as `results`/keyframes.json.

    Raises:
      UserError: when a run has no report, or not that of keyframe scoring.
    """
    folds = []
    for workdir in workdirs:
        path = workdir / "report" / "metrics.json"
        report = json.loads(path.read_text()) if path.is_file() else {"metrics": {}}
        if "kendall_users" not in report["metrics"]:
            raise UserError(f"{workdir} has no report on keyframe scores; evaluate the run first.")
        folds.append({"this network": report["metrics"], **report["baselines"]})
    rows = {
        name: {
            key: sum(fold[name][key] for fold in folds) / len(folds)
            for key in _KEYFRAME_MEASURES
            if key in folds[0][name]
        }
        for name in folds[0]
    }
    entry = {"folds": len(folds), "jax": jax.__version__, "rows": rows}
    write_text(results / "keyframes.json", json.dumps(entry, indent=1) + "\n")


def update_readme(readme: Path, results: Path) -> None:
    """Writes each table between its markers, `<!-- table: NAME -->` and `<!-- end -->`.

    A table is of the result file of its name; the benchmarks' of all files `bench_*.json`, one a
    device.
    """
    text = readme.read_text()
    tables: Mapping[str, Callable[[Any], str]] = {
        "training": _training_table,
        "models": markdown_table,
        "open_set": _open_set_table,
        "keyframes": _keyframe_table,
    }
    rendered = {
        name: render(json.loads((results / f"{name}.json").read_text()))
        for name, render in tables.items()
        if (results / f"{name}.json").is_file()
    }
    if benches := sorted(results.glob("bench_*.json")):
        rendered["bench"] = _bench_table([json.loads(file.read_text()) for file in benches])
    for name, table in rendered.items():
        before, marker, rest = text.partition(f"<!-- table: {name} -->\n")
        text = before + marker + table + "\n" + rest[rest.index("<!-- end -->") :]
    write_text(readme, text)


def _training_table(entries: Sequence[Mapping[str, Any]]) -> str:
    shown = [key for key in _MEASURES if any(key in e["rows"]["this network"] for e in entries)]
    lines = [
        "| configuration | embeddings by | " + " | ".join(_MEASURES[key] for key in shown) + " |",
        "|---|---|" + "---:|" * len(shown),
    ]
    for entry in entries:
        for number, (name, values) in enumerate(entry["rows"].items()):
            first = f"`{entry['configuration']}`: {entry['note']}" if number == 0 else ""
            minutes = f" ({entry['training_minutes']:.0f} min)" if number == 0 else ""
            cells = [f"{values[key]:.3f}" if key in values else "" for key in shown]
            lines.append(f"| {first} | {name}{minutes} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _open_set_table(result: Mapping[str, Any]) -> str:
    """Of what `scripts/open_set.py --json` writes."""
    measures = {
        "auroc": "AUROC",
        "oscr": "OSCR",
        "dir@far=0.1": "found at 10% false alarms",
        "baks": "BAKS",
        "baus": "BAUS",
        "geometric_mean": "geometric mean",
    }
    lines = ["| embeddings by | " + " | ".join(measures.values()) + " |"]
    lines.append("|---|" + "---:|" * len(measures))
    for name, values in result["rows"].items():
        cells = " | ".join(f"{values[key]:.3f}" for key in measures)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def _keyframe_table(result: Mapping[str, Any]) -> str:
    """Of what `record_folds` writes."""
    lines = ["| scores by | " + " | ".join(_KEYFRAME_MEASURES.values()) + " |"]
    lines.append("|---|" + "---:|" * len(_KEYFRAME_MEASURES))
    for name, values in result["rows"].items():
        cells = [f"{values[key]:.3f}" if key in values else "" for key in _KEYFRAME_MEASURES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _bench_table(devices: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    """A row for each case, four columns for each device, notes, and a line of versions a device."""
    found: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = {}
    for number, rows in enumerate(devices):
        for row in rows:
            found.setdefault((row["suite"], row["case"]), {})[number] = row
    header = ["suite", "case"]
    for rows in devices:
        header += [rows[0]["device"], "x peer", "x ceiling", "memory"]
    lines = ["| " + " | ".join([*header, "note"]) + " |"]
    lines.append("|---|---|" + "---:|" * 4 * len(devices) + "---|")
    for (suite, case), by_device in found.items():
        cells = [suite, case]
        for number in range(len(devices)):
            cells += _bench_cells(by_device.get(number))
        notes = dict.fromkeys(row["note"] for row in by_device.values() if row["note"])
        lines.append("| " + " | ".join([*cells, "; ".join(notes)]) + " |")
    return "\n".join([*lines, "", *map(_bench_versions, devices)])


def _bench_versions(rows: Sequence[Mapping[str, Any]]) -> str:
    dates = sorted({row["date"] for row in rows})
    versions = {name: number for row in rows for name, number in row["versions"].items()}
    said = ", ".join(f"{name} {number}" for name, number in versions.items())
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"{rows[0]['device']}: measured {when} with {said}."


def _bench_cells(row: Mapping[str, Any] | None) -> list[str]:
    if row is None:
        return [""] * 4
    ratios = [row["ratio_to_peer"], row["ratio_to_roofline"]]
    memory = row["peak_memory_bytes"]
    return [
        f"{row['ours']:.3g} {row['unit']}",
        *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
        "" if memory is None else f"{memory / 2**20:,.0f} MiB",
    ]
