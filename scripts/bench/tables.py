"""The README's tables, from the files under scripts/results/: no number is typed by hand."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_jax.architectures.keyframes import keyframes_table
from reid_jax.files import write_text
from reid_jax.individuals.glossary import MEASURES, OPEN_SET, README
from reid_jax.keyframes.glossary import MEASURES as KEYFRAMES
from reid_jax.keyframes.glossary import README as KEYFRAME_README
from reid_jax.reporting.cost import costs_table
from reid_jax.reporting.measure import OURS, columns
from reid_jax.reporting.table import Table, results_table


def update_readme(readme: Path, results: Path) -> None:
    """Writes each table between its markers, `<!-- table: NAME -->` and `<!-- end -->`.

    A table is of the result file of its name; those of benchmarks and scaling are of all files
    `bench_*.json` and `scale_*.json`, one a device.
    """
    text = readme.read_text()
    tables: Mapping[str, Callable[[Any], Table]] = {
        "training": _training_table,
        "models": costs_table,
        "open_set": _open_set_table,
        "keyframes": _keyframe_table,
        "keyframe_models": keyframes_table,
        "video_pairs": _video_pairs_table,
    }
    rendered = {
        name: render(json.loads((results / f"{name}.json").read_text())).as_markdown()
        for name, render in tables.items()
        if (results / f"{name}.json").is_file()
    }
    if benches := sorted(results.glob("bench_*.json")):
        devices = [json.loads(file.read_text()) for file in benches]
        versions = "\n".join(map(_bench_versions, devices))
        rendered["bench"] = f"{_bench_table(devices).as_markdown()}\n\n{versions}"
        rendered["throughput"] = _throughput_table(devices).as_markdown()
    if scales := sorted(results.glob("scale_*.json")):
        found = [json.loads(file.read_text()) for file in scales]
        rendered["scale"] = _scale_table(found).as_markdown()
    for name, table in rendered.items():
        before, marker, rest = text.partition(f"<!-- table: {name} -->\n")
        if marker:
            text = before + marker + table + "\n" + rest[rest.index("<!-- end -->") :]
    write_text(readme, text)


def _training_table(entries: Sequence[Mapping[str, Any]]) -> Table:
    shown = columns(MEASURES, [entry["rows"][OURS] for entry in entries], README)
    lines = []
    for entry in entries:
        results = results_table(entry["rows"], shown, missing="")
        first = f"`{entry['configuration']}`: {entry['note']}"
        minutes = f" ({entry['training_minutes']:.0f} min)"
        for name, *values in results.rows:
            lines.append([first, f"{name}{minutes}", *values])
            first = minutes = ""
    head = ["configuration", "embeddings by", *(each.name for each in shown)]
    return Table(head, lines, "ll" + "r" * len(shown))


def _open_set_table(result: Mapping[str, Any]) -> Table:
    """Of what `reid-jax open-set --json` writes."""
    rows = result["rows"]
    return results_table(rows, columns(OPEN_SET, rows.values(), README), first="embeddings by")


def _keyframe_table(result: Mapping[str, Any]) -> Table:
    """Of what `record_folds` writes."""
    shown = [each for each in KEYFRAMES.values() if KEYFRAME_README in each.tables]
    return results_table(result["rows"], shown, first="scores by", missing="")


def _video_pairs_table(result: Mapping[str, Any]) -> Table:
    """Of what `record_video_pairs` writes: means over folds, and the range over all pairs."""
    kinds = list(next(iter(result["rows"].values())))
    lines = []
    for name, values in result["rows"].items():
        means = [f"{sum(values[kind]) / len(values[kind]):.3f}" for kind in kinds]
        span = f"{min(values[kinds[0]]):.3f}-{max(values[kinds[0]]):.3f}"
        lines.append([name, means[0], span, *means[1:]])
    return Table(["similarity by", "all pairs", "its range", *kinds[1:]], lines)


def _throughput_table(devices: Sequence[Sequence[Mapping[str, Any]]]) -> Table:
    """Images a second of the training step, and of the peer's, measured in one run."""
    lines = []
    for row in (row for rows in devices for row in rows if row["suite"] == "step"):
        ours = row["images_per_second"]
        ratio = row["ratio_to_peer"]
        theirs = "" if ratio is None else f"{ours / ratio:,.0f}"
        lines.append([row["case"], row["device"], f"{ours:,.0f}", theirs])
    return Table(["training step", "device", "images/s", "PyTorch's"], lines, "llrr")


def _scale_table(results: Sequence[Mapping[str, Any]]) -> Table:
    """Of what `reid-jax scale --json` measured: a row for each number of devices."""
    lines = [
        [
            *(result["device"], row["mode"], row["devices"], row["batch"]),
            f"{row['batch'] / row['seconds']:,.0f}",
            f"{sum(row['sent'].values()) / 1e6:.2f}",
        ]
        for result in results
        for row in result["measured"]
    ]
    head = ["machine", "scaling", "devices", "photos a step", "photos/s", "MB sent by a device"]
    return Table(head, lines, "llrrrr")


def _bench_table(devices: Sequence[Sequence[Mapping[str, Any]]]) -> Table:
    """A row for each case, four columns for each device, and notes."""
    found: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = {}
    for number, rows in enumerate(devices):
        for row in rows:
            found.setdefault((row["suite"], row["case"]), {})[number] = row
    head = ["suite", "case"]
    for rows in devices:
        head += [rows[0]["device"], "x peer", "x ceiling", "memory"]
    lines = []
    for (suite, case), by_device in found.items():
        cells = [suite, case]
        for number in range(len(devices)):
            cells += _bench_cells(by_device.get(number))
        notes = dict.fromkeys(row["note"] for row in by_device.values() if row["note"])
        lines.append([*cells, "; ".join(notes)])
    return Table([*head, "note"], lines, "ll" + "rrrr" * len(devices) + "l")


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
