"""The tables of what `python -m scripts.int8` kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from reid_jax.export.int8.table import NAMES
from reid_jax.reporting.table import Table

Row = Mapping[str, Any]

TARGETS = {
    "resnet50": (3.9, 2.0),
    "Model 1": (3.9, 2.0),
    "efficientnet_b0": (3.2, 1.5),
    "Model 2": (3.2, 1.5),
}
"""How many times smaller, and as fast at 8 at a time in the best engine, 8 bits are to be."""

_LOSS = {"Rank-1": 0.005, "Kendall": 0.01}
"""What may be lost of a measure."""


def int8_tables(rows: Sequence[Row]) -> dict[str, str]:
    """`int8`: each engine; `int8_targets`: the best of them; `int8_quality`: of runs."""
    done = [row for row in rows if "refused" not in row]
    made = sorted({f"{row['device']}, {row['date']}, jax {row['versions']['jax']}" for row in rows})
    return {
        "int8": _engines(rows).as_markdown() + "\n\n" + "\n".join(made),
        "int8_targets": _targets(done).as_markdown(),
        "int8_quality": _quality(done).as_markdown(),
    }


def _engines(rows: Sequence[Row]) -> Table:
    head = ["network", "engine", "px", "MB, float32", "MB, int8", "smaller"]
    head += ["ms, float32, 8", "ms, int8, 8", "faster, 8", "faster, 1", "stays in float32"]
    lines = []
    for row in sorted(rows, key=lambda row: (_place(rows, row), NAMES.index(row["engine"]))):
        start = [row["network"], row["engine"]]
        if "refused" in row:
            lines.append([*start, "", row["refused"], *[""] * 7])
            continue
        wide, small = row["float32"], row["int8"]
        times = [f"{each['milliseconds']['8']:.1f}" for each in (wide, small)]
        lines.append(
            [
                *start,
                str(row["size"] or "features"),
                *(f"{each['bytes'] / 1e6:.2f}" for each in (wide, small)),
                f"{_smaller(row):.2f}",
                *times,
                f"{row['faster']['8']:.2f}",
                f"{row['faster']['1']:.2f}" if "1" in row["faster"] else "",
                ", ".join(row["kept"]),
            ]
        )
    return Table(head, lines, "llrrrrrrrrl")


def _place(rows: Sequence[Row], row: Row) -> int:
    return [each["network"] for each in rows].index(row["network"])


def _smaller(row: Row) -> float:
    return float(row["float32"]["bytes"] / row["int8"]["bytes"])


def _targets(rows: Sequence[Row]) -> Table:
    lines = []
    for network, (smaller, faster) in TARGETS.items():
        own = [row for row in rows if row["network"] == network]
        if not own:
            continue
        best = max(own, key=lambda row: row["faster"]["8"])
        found = _smaller(best), best["faster"]["8"]
        reached = [
            "yes" if of >= target else "no"
            for of, target in zip(found, (smaller, faster), strict=True)
        ]
        lines.append(
            [
                network,
                best["engine"],
                f"{found[0]:.2f}",
                f"{smaller}",
                reached[0],
                f"{found[1]:.2f}",
                f"{faster}",
                reached[1],
            ]
        )
    head = ["network", "best engine", "times smaller", "target", "reached"]
    return Table([*head, "times as fast", "target", "reached"], lines, "llrrlrrl")


def _quality(rows: Sequence[Row]) -> Table:
    lines = []
    for row in rows:
        for name, wide in row["float32"]["measures"].items():
            small = row["int8"]["measures"][name]
            most = _LOSS.get(name)
            lines.append(
                [
                    row["network"],
                    row["engine"],
                    name,
                    f"{wide:.4f}",
                    f"{small:.4f}",
                    f"{wide - small:+.4f}",
                    "" if most is None else f"{most}",
                    f"{row['agreement']:.1%}",
                ]
            )
    head = ["run", "engine", "measure", "float32", "int8", "lost", "may be lost"]
    return Table([*head, "same first answer"], lines, "lllrrrrr")
