"""Tables of README.md and scripts/results/*.md, from the files there: none is typed by hand."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_jax.architectures.keyframes import keyframes_table
from reid_jax.files import write_text
from reid_jax.individuals.glossary import MEASURES, OPEN_SET, README, SPLITS, WORDS
from reid_jax.keyframes.glossary import MEASURES as KEYFRAMES
from reid_jax.keyframes.glossary import README as KEYFRAME_README
from reid_jax.keyframes.glossary import WORDS as KEYFRAME_WORDS
from reid_jax.reporting.cost import costs_table
from reid_jax.reporting.measure import OURS, Measure, columns, number
from reid_jax.reporting.published import published_table
from reid_jax.reporting.table import Table, results_table
from reid_jax.same_video.glossary import MEASURES as VIDEOS
from reid_jax.same_video.glossary import WORDS as VIDEO_WORDS
from scripts.tables.distillation import distillation_table
from scripts.tables.engines import engines_table
from scripts.tables.groups import groups_table
from scripts.tables.installed import installed_tables
from scripts.tables.int8 import int8_tables
from scripts.tables.plans import plan_tables
from scripts.tables.results import FROM_IMAGES


def update_tables(results: Path, *pages: Path) -> None:
    """Writes each table of `pages` between its markers, `<!-- table: NAME -->` and `<!-- end -->`.

    A table is of the result file of its name; those of benchmarks and scaling are of all files
    `bench_*.json` and `scale_*.json`, one a device. `headlines` is of several files, `glossary`
    and `published` of none.
    """
    rendered = _rendered(results)
    for page in pages:
        text = page.read_text()
        for name, table in rendered.items():
            before, marker, rest = text.partition(f"<!-- table: {name} -->\n")
            if marker:
                text = before + marker + table + "\n" + rest[rest.index("<!-- end -->") :]
        write_text(page, text)


def _rendered(results: Path) -> dict[str, str]:
    """The text of each table whose files are there."""
    tables: Mapping[str, Callable[[Any], Table]] = {
        "training": _training_table,
        "models": costs_table,
        "open_set": _open_set_table,
        "evidence": _evidence_table,
        "groups": groups_table,
        "keyframes": _keyframe_table,
        "keyframe_models": keyframes_table,
        "video_pairs": _video_pairs_table,
    }
    found = {
        name: json.loads((results / f"{name}.json").read_text())
        for name in tables
        if (results / f"{name}.json").is_file()
    }
    rendered = {name: tables[name](result).as_markdown() for name, result in found.items()}
    for name in ("training", "keyframes", "video_pairs"):
        if name in found:
            result = found[name] if isinstance(found[name], list) else [found[name]]
            rendered[name] += f"\n\n{_measured(result)}"
    if "evidence" in found:
        rendered["evidence"] += f"\n\n{_measured(found['evidence'])}"
    if "groups" in found:
        rendered["groups"] += f"\n\n{_measured(found['groups'])}"
    if "open_set" in found:
        rendered["open_set"] += f"\n\n{_open_set_sizes(found['open_set'])}"
    if found.keys() >= _HEADLINE_FILES:
        rendered["headlines"] = _headlines_table(found).as_markdown()
    if (installed := results / "installed.json").is_file():
        rendered |= installed_tables(json.loads(installed.read_text()), found)
    rendered["glossary"] = _glossary()
    rendered["published"] = published_table().as_markdown()
    if benches := sorted(results.glob("bench_*.json")):
        devices = [json.loads(file.read_text()) for file in benches]
        versions = "\n".join(map(_measured, devices))
        rendered["bench"] = f"{_bench_table(devices).as_markdown()}\n\n{versions}"
        rendered["throughput"] = _throughput_table(devices).as_markdown()
    if scales := sorted(results.glob("scale_*.json")):
        measured = [json.loads(file.read_text()) for file in scales]
        rendered["scale"] = _scale_table(measured).as_markdown()
    if (distilled := results / "distillation.json").is_file():
        for what, entry in json.loads(distilled.read_text()).items():
            names = {"photos": ("Rank-1", "mAP"), "frames": ("Kendall", "Spearman")}[what]
            table = distillation_table(entry, *names).as_markdown()
            rendered[f"distilled_{what}"] = f"{table}\n\n{_measured([entry])}"
    if (engines := results / "engines.json").is_file():
        rendered["engines"] = engines_table(json.loads(engines.read_text()))
    if (int8 := results / "int8.json").is_file():
        rendered |= int8_tables(json.loads(int8.read_text()))
    if (plans := results / "plans.json").is_file():
        before = results / "plans_before.json"
        earlier = json.loads(before.read_text()) if before.is_file() else []
        rendered |= plan_tables(json.loads(plans.read_text()), earlier)
    return rendered


_HEADLINE_FILES = {"training", "keyframes", "video_pairs", "open_set"}
_HEADLINES = ("recipe.py by date", "recipe.py", "omniglot.py", "demo.py")
"""Of `training`: individuals or days that were held out, and none that were trained on."""
_NO_RIVALS = {"one annotator", "all annotators (ceiling)", "ensemble with Chamfer", FROM_IMAGES}


def _headlines_table(found: Mapping[str, Any]) -> Table:
    """A line for each thing that was asked: what was held out, ours, and the best of the others."""
    entries = {entry["configuration"]: entry for entry in found["training"]}
    rank1 = MEASURES["rank1"]
    lines = [
        _headline(entries[name]["note"], rank1.name, _values(entries[name]["rows"], rank1.key))
        for name in _HEADLINES
        if name in entries
    ]
    auroc = OPEN_SET["auroc"]
    kendall = KEYFRAMES["kendall_users"]
    pairs = {
        name: sum(values["all pairs"]) / len(values["all pairs"])
        for name, values in found["video_pairs"]["rows"].items()
    }
    lines += [
        _headline(
            "later days and individuals held out: sea turtles, is it a known one?",
            auroc.name,
            _values(found["open_set"]["rows"], auroc.key),
        ),
        _headline(
            "videos held out, five folds: TVSum, which frames matter",
            kendall.name,
            _values(found["keyframes"]["rows"], kendall.key),
        ),
        _headline("videos held out, five folds: TVSum, clips of the same video", "ROC-AUC", pairs),
    ]
    return Table(["searched for", "measure", OURS, "best of the others"], lines, "llrl")


def _values(rows: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, float]:
    return {name: values[key] for name, values in rows.items() if key in values}


def _headline(asked: str, measure: str, values: Mapping[str, float]) -> list[str]:
    others = {name for name in values if name != OURS} - _NO_RIVALS
    best = max(others, key=lambda name: values[name])
    return [asked, measure, number(values[OURS]), f"{number(values[best])}, {best}"]


def _glossary() -> str:
    """Every measure and word of reports, a question after the other."""
    splits = {f"data.split {name}": text for name, text in SPLITS.items()}
    parts: tuple[tuple[str, Iterable[Measure], Mapping[str, str]], ...] = (
        ("Who is this", [*MEASURES.values(), *OPEN_SET.values()], {**WORDS, **splits}),
        ("Which frames matter", KEYFRAMES.values(), KEYFRAME_WORDS),
        ("Same video", VIDEOS.values(), VIDEO_WORDS),
    )
    return "\n\n".join(
        f"## {title}\n\n"
        + "\n".join(
            f"- **{name}**: {text}"
            for name, text in {
                **{each.name: each.explanation for each in measures},
                **words,
            }.items()
        )
        for title, measures, words in parts
    )


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


def _open_set_sizes(result: Mapping[str, Any]) -> str:
    ours = result["rows"][OURS]
    return (
        f"{ours['num_known']:,} photos of {ours['num_known_individuals']:,} known individuals, "
        f"{ours['num_unknown']:,} of {ours['num_unknown_individuals']:,} unknown ones."
    )


def _evidence_table(entries: Sequence[Mapping[str, Any]]) -> Table:
    """What `evaluate` says of a search by local features: a row for each evidence."""

    def interval(values: Mapping[str, float], name: str) -> str:
        low, high = values[f"{name}_low"], values[f"{name}_high"]
        return f"{number(values[name])} ({number(low)} to {number(high)})"

    lines = []
    for entry in entries:
        photos = entry["photos"]
        for name, values in entry["rows"].items():
            spent = f"{values['ms_per_query']:,.0f}" if "ms_per_query" in values else ""
            each = [interval(values, measure) for measure in ("rank1", "mAP")]
            lines.append([photos, name, *each, spent])
            photos = ""
    return Table(["photos", "searched by", "Rank-1", "mAP", "ms a query"], lines, "llrrr")


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
    for place, rows in enumerate(devices):
        for row in rows:
            found.setdefault((row["suite"], row["case"]), {})[place] = row
    head = ["suite", "case"]
    for rows in devices:
        head += [rows[0]["device"], "x peer", "x ceiling", "memory"]
    lines = []
    for (suite, case), by_device in found.items():
        cells = [suite, case]
        for place in range(len(devices)):
            cells += _bench_cells(by_device.get(place))
        notes = dict.fromkeys(row["note"] for row in by_device.values() if row["note"])
        lines.append([*cells, "; ".join(notes)])
    return Table([*head, "note"], lines, "ll" + "rrrr" * len(devices) + "l")


def _measured(rows: Sequence[Mapping[str, Any]]) -> str:
    """On what, when and with which versions."""
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
