"""The page of a comparison of architectures: advice, front, tables, and how it was made."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from reid_jax.architectures.choice.advice import (
    RULES,
    about_attention,
    about_margins,
    about_triplets,
    finalist_of,
    reasons,
)
from reid_jax.reporting import page
from reid_jax.reporting.figures import COLOURS, MUTED, as_png, new_figure
from reid_jax.reporting.measure import number
from reid_jax.reporting.report import write_report
from reid_jax.reporting.table import Cell, Table

_MEANINGS = {
    "front": "Candidates of which no other is both better and cheaper.",
    "multiply-adds": "Products of two numbers, each added to a sum: what a network computes for "
    "one example, in the compiled program.",
    "seed": "What a training's random numbers follow from; another seed is another training of "
    "the same.",
}


def write_architectures(folder: Path, kept: Mapping[str, Any]) -> None:
    """Writes the report; what it says is in `kept` alone, which becomes ``metrics.json``.

    Args:
      folder: made if it is not there.
      kept: see `reid_jax.architectures.choice.search`.
    """
    rows: Mapping[str, Any] = kept["candidates"]
    title = kept["title"]
    finalists = {name: rows[name] for name in kept["finalists"]}
    chosen = reasons([finalist_of(name, row) for name, row in finalists.items()], title)
    first = {name: row["rounds"]["1"] for name, row in rows.items() if "1" in row["rounds"]}
    tables = {
        "Finalists": _finalists(finalists, title),
        "All candidates": _all(rows, kept["monitor"]),
        "Where each fails": _failures(finalists, title),
    }
    said = {"Margins": about_margins(kept["margins"], kept["monitor"])}
    if kept["question"] == "clips":
        said["Siamese or triplet"] = about_triplets(first, kept["monitor"])
        said["What attention adds"] = about_attention(first, kept["monitor"])
        said["Fast enough for live use?"] = _live(finalists)
    front = _front(rows, finalists, title, kept["monitor"])
    advice = "".join(
        f"<p><b>{escape(place)}</b>: {escape(sentence)}</p>" for place, sentence in chosen.items()
    )
    rules = "; ".join(f"{place}: {rule}" for place, rule in RULES.items())
    what = next(iter(rows.values()))["costs"]["what"]
    lead = (
        f"<b>{len(rows)} candidates</b> were trained with one budget of "
        f"{kept['minutes']:g} minutes; the best {len(finalists)} with three seeds."
    )
    cards = {name: _mean(row) for name, row in finalists.items()}
    sections = [
        page.headline("Which network should it be?", lead, cards),
        page.section("What to take", advice, page.notes([f"The rules, {rules}."])),
        page.section(
            "Quality and cost",
            page.figure(front, f"Above, to the left, is better. Costs are of {what}."),
        ),
        page.section("Finalists, on what was held out", tables["Finalists"].as_html()),
        page.section("Where each fails", tables["Where each fails"].as_html()),
        *(page.section(heading, page.bullets(lines)) for heading, lines in said.items() if lines),
        page.section("All candidates", tables["All candidates"].as_html()),
        page.section("How it was made", page.bullets(_method(kept)), page.notes(kept["notes"])),
    ]
    write_report(
        folder,
        title="Which network should it be?",
        content=kept,
        tables=tables,
        figures={"front": front},
        sections=sections,
        meanings=_MEANINGS,
        remarks=[f"{place}: {sentence}" for place, sentence in chosen.items()]
        + [line for lines in said.values() for line in lines]
        + _method(kept)
        + list(kept["notes"]),
    )


def _method(kept: Mapping[str, Any]) -> list[str]:
    rounds = [
        f"{each['candidates']} candidates to {each['units'] * kept['unit_seconds']:.0f} s"
        + (f", {each['seeds']} seeds each" if each["seeds"] > 1 else "")
        for each in kept["rounds"]
    ]
    return [
        f"Successive halving: {'; '.join(rounds)}. Seconds are of training steps on "
        f"{kept['device']}; a slower network makes fewer of them.",
        "A seed also draws who is held out, of photos; the same seeds were taken for all.",
        f"Who goes on is decided by {kept['monitor']} of a validation, who is recommended by "
        f"{kept['title']} on what was held out, which no choice was made by.",
        f"Command: {kept['command']}",
        f"Date: {kept['date']}.",
    ]


def _mean(row: Mapping[str, Any]) -> str:
    values = [each["value"] for each in row["judged"].values()]
    return number(sum(values) / len(values))


def _finalists(finalists: Mapping[str, Any], title: str) -> Table:
    lines = []
    for name, row in finalists.items():
        values = [each["value"] for each in row["judged"].values()]
        first, cost = next(iter(row["judged"].values())), row["costs"]
        spread = f"{number(min(values))} to {number(max(values))}"
        between = f"{number(first['low'])} to {number(first['high'])}"
        exported = cost.get("exported")
        lines.append(
            [
                name,
                Cell(_mean(row), spread),
                between,
                *(number(value) for value in first["others"].values()),
                f"{cost['parameters'] / 1e6:.2f} M",
                f"{cost['multiply_adds'] / 1e6:,.0f} M",
                "–" if cost["memory"] is None else f"{cost['memory'] / 2**20:,.0f} MiB",
                f"{cost['ms_1']:.1f}",
                f"{cost['ms_8']:.1f}",
                "–" if exported is None else f"{exported / 1e6:.1f} MB",
            ]
        )
    others = next(iter(next(iter(finalists.values()))["judged"].values()))["others"]
    head = [
        *("candidate", f"{title}, seeds", "first seed, 95%", *others),
        *("parameters", "multiply-adds", "memory, 8", "ms, 1", "ms, 8", "ONNX"),
    ]
    return Table(head, lines)


def _all(rows: Mapping[str, Any], monitor: str) -> Table:
    rounds = sorted({units for row in rows.values() for units in row["rounds"]}, key=int)
    lines = []
    for name, row in rows.items():
        cost = row["costs"]
        lines.append(
            [
                name,
                *(number(row["rounds"].get(units)) for units in rounds),
                f"{row['steps']:,}",
                f"{cost['parameters'] / 1e6:.2f} M",
                f"{cost['multiply_adds'] / 1e6:,.0f} M",
                f"{cost['ms_1']:.1f}",
            ]
        )
    heads = [f"{monitor} after {units} unit{'s' * (units != '1')}" for units in rounds]
    head = ["candidate", *heads, "steps", "parameters", "multiply-adds", "ms, 1"]
    return Table(head, lines)


def _failures(finalists: Mapping[str, Any], title: str) -> Table:
    names = list(dict.fromkeys(part for row in finalists.values() for part in _fails(row)))
    lines = [
        [part, *(number(_fails(row).get(part)) for row in finalists.values())] for part in names
    ]
    return Table([f"{title} of", *finalists], lines)


def _fails(row: Mapping[str, Any]) -> Mapping[str, float]:
    found: Mapping[str, float] = next(iter(row["judged"].values()))["fails"]
    return found


def _live(finalists: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} takes {row['costs']['ms_1']:.1f} ms for {row['costs']['what']}, so that "
        f"{1e3 / row['costs']['ms_1']:,.0f} clips a second are compared, beside making features."
        for name, row in finalists.items()
    ]


def _front(
    rows: Mapping[str, Any], finalists: Mapping[str, Any], title: str, monitor: str
) -> bytes:
    with new_figure(9.0, 3.8, 2) as (figure, axes):
        left, right = axes
        points = sorted(
            (row["costs"]["multiply_adds"] / 1e6, row["rounds"]["1"], name)
            for name, row in rows.items()
            if "1" in row["rounds"]
        )
        best, front = float("-inf"), []
        for number_, (cost, value, name) in enumerate(points):
            colour = COLOURS[number_ % len(COLOURS)]
            left.plot(cost, value, "o", color=colour, markersize=5, label=name)
            if value > best:
                front.append((cost, value))
                best = value
        left.plot(*zip(*front, strict=True), color=MUTED, linewidth=1.0, drawstyle="steps-post")
        left.set(
            title=f"All: {monitor} of a validation, first round",
            xlabel="million multiply-adds",
            xscale="log",
        )
        left.legend(fontsize=6)
        for number_, (name, row) in enumerate(finalists.items()):
            values = [each["value"] for each in row["judged"].values()]
            mean = sum(values) / len(values)
            ends = [[mean - min(values)], [max(values) - mean]]
            right.errorbar(
                row["costs"]["ms_1"],
                mean,
                yerr=ends,
                fmt="o",
                color=COLOURS[number_],
                capsize=4,
                label=name,
            )
        right.set(title=f"Finalists: {title}, three seeds", xlabel="ms, one at a time")
        right.legend(fontsize=7)
        return as_png(figure)
