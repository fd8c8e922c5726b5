"""The README's tables, from the files under scripts/results/: no number is typed by hand."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_jax.architectures.keyframes import keyframes_table
from reid_jax.files import write_text
from reid_jax.reporting.cost import markdown_table
from scripts.bench.results import KEYFRAME_MEASURES, MEASURES


def update_readme(readme: Path, results: Path) -> None:
    """Writes each table between its markers, `<!-- table: NAME -->` and `<!-- end -->`.

    A table is of the result file of its name; those of benchmarks and scaling are of all files
    `bench_*.json` and `scale_*.json`, one a device.
    """
    text = readme.read_text()
    tables: Mapping[str, Callable[[Any], str]] = {
        "training": _training_table,
        "models": markdown_table,
        "open_set": _open_set_table,
        "keyframes": _keyframe_table,
        "keyframe_models": keyframes_table,
        "video_pairs": _video_pairs_table,
    }
    rendered = {
        name: render(json.loads((results / f"{name}.json").read_text()))
        for name, render in tables.items()
        if (results / f"{name}.json").is_file()
    }
    if benches := sorted(results.glob("bench_*.json")):
        devices = [json.loads(file.read_text()) for file in benches]
        rendered |= {"bench": _bench_table(devices), "throughput": _throughput_table(devices)}
    if scales := sorted(results.glob("scale_*.json")):
        rendered["scale"] = _scale_table([json.loads(file.read_text()) for file in scales])
    for name, table in rendered.items():
        before, marker, rest = text.partition(f"<!-- table: {name} -->\n")
        if marker:
            text = before + marker + table + "\n" + rest[rest.index("<!-- end -->") :]
    write_text(readme, text)


def _training_table(entries: Sequence[Mapping[str, Any]]) -> str:
    shown = [key for key in MEASURES if any(key in e["rows"]["this network"] for e in entries)]
    lines = [
        "| configuration | embeddings by | " + " | ".join(MEASURES[key] for key in shown) + " |",
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
    """Of what `reid-jax open-set --json` writes."""
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
    lines = ["| scores by | " + " | ".join(KEYFRAME_MEASURES.values()) + " |"]
    lines.append("|---|" + "---:|" * len(KEYFRAME_MEASURES))
    for name, values in result["rows"].items():
        cells = [f"{values[key]:.3f}" if key in values else "" for key in KEYFRAME_MEASURES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _video_pairs_table(result: Mapping[str, Any]) -> str:
    """Of what `record_video_pairs` writes: means over folds, and the range over all pairs."""
    kinds = list(next(iter(result["rows"].values())))
    lines = ["| similarity by | all pairs | its range | " + " | ".join(kinds[1:]) + " |"]
    lines.append("|---|---:|---:|" + "---:|" * len(kinds[1:]))
    for name, values in result["rows"].items():
        means = [f"{sum(values[kind]) / len(values[kind]):.3f}" for kind in kinds]
        span = f"{min(values[kinds[0]]):.3f}-{max(values[kinds[0]]):.3f}"
        lines.append(f"| {name} | " + " | ".join([means[0], span, *means[1:]]) + " |")
    return "\n".join(lines)


def _throughput_table(devices: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    """Images a second of the training step, and of the peer's, measured in one run."""
    lines = ["| training step | device | images/s | PyTorch's |", "|---|---|---:|---:|"]
    for row in (row for rows in devices for row in rows if row["suite"] == "step"):
        ours = row["images_per_second"]
        ratio = row["ratio_to_peer"]
        theirs = "" if ratio is None else f"{ours / ratio:,.0f}"
        lines.append(f"| {row['case']} | {row['device']} | {ours:,.0f} | {theirs} |")
    return "\n".join(lines)


def _scale_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Of what `reid-jax scale --json` measured: a row for each number of devices."""
    lines = [
        "| machine | scaling | devices | photos a step | photos/s | MB sent by a device |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for result in results:
        for row in result["measured"]:
            rate = row["batch"] / row["seconds"]
            sent = sum(row["sent"].values()) / 1e6
            facts = f"{row['devices']} | {row['batch']} | {rate:,.0f} | {sent:.2f}"
            lines.append(f"| {result['device']} | {row['mode']} | {facts} |")
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
