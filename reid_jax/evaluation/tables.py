"""The README's tables, from the files under scripts/results/: no number is typed by hand."""

import json
import platform
from collections.abc import Mapping, Sequence
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


def update_readme(readme: Path, results: Path) -> None:
    """Writes each table between its markers, `<!-- table: NAME -->` and `<!-- end -->`."""
    text = readme.read_text()
    for name, render in {"training": _training_table, "models": markdown_table}.items():
        file = results / f"{name}.json"
        if file.is_file():
            table = render(json.loads(file.read_text()))
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
