"""Tables of what `python -m scripts.plans` kept: steps before and after, scaling, search."""

from collections.abc import Mapping, Sequence
from typing import Any

from reid_jax.plan.accelerators import accelerator
from reid_jax.reporting.table import Table

Row = Mapping[str, Any]

# Dollars an hour on demand, of one device, as listed in 2025: of Google Cloud in us-central1 an
# eighth of a3-highgpu-8g, g2-standard-4 and ct5lp.
PRICES = {"h100": 11.03, "l4": 0.71, "v5e": 1.20}
PRICED = "list prices on demand of 2025, Google Cloud us-central1"
_TRAINING = {"weak": "weak", "strong": "strong", "heads": "heads"}


def plan_tables(rows: Sequence[Row], before: Sequence[Row]) -> dict[str, str]:
    """The tables by their names."""
    by_group: dict[str, list[Row]] = {}
    for row in rows:
        by_group.setdefault(row["asked"]["group"], []).append(row)
    tables = {"plan_steps": _steps(by_group.get("steps", []), before)}
    for name in _TRAINING:
        tables[f"plan_{name}"] = _scaling(by_group.get(name, []))
    tables["plan_embedding"] = _embedding(by_group.get("embedding", []))
    tables["plan_search"] = _search(by_group.get("search", []))
    dates = sorted({f"{row['date']} with jax {row['jax']}" for row in rows})
    tables["plan_made"] = Table(["compiled"], [[each] for each in dates], "l")
    return {name: table.as_markdown() for name, table in tables.items()}


def _network(row: Row) -> str:
    asked = row["asked"]
    name = asked.get("model.backbone") or asked["config"].removeprefix("throughput_")
    return f"{name}{', BatchNorm a device' if asked.get('model.batch_norm') else ''}"


def _place(row: Row) -> list[str]:
    asked = row["asked"]
    (count,) = asked["devices"]
    return [f"{count:,} x {asked['device']}"]


def _steps(rows: Sequence[Row], before: Sequence[Row]) -> Table:
    earlier = {str(row["asked"]): row for row in before if "refused" not in row}
    lines = []
    for row in rows:
        if "refused" in row:
            lines.append([_network(row), *_place(row), row["refused"], "", "", "", ""])
            continue
        versions = [each for each in (earlier.get(str(row["asked"])), row) if each is not None]
        cells = [
            [f"{each['hbm_bytes'] / 1e9:.2f}" for each in versions],
            [f"{each['kernels']:,.0f}" for each in versions],
            [f"{sum(one['number'] for one in each['collectives']):,.0f}" for each in versions],
            [f"{1e3 * each['step_seconds']:.2f}" for each in versions],
        ]
        lines.append([_network(row), *_place(row), f"{row['batch']:,}", *map(" → ".join, cells)])
    head = ["network", "devices", "batch", "GB moved", "kernels", "exchanges", "ms at least"]
    return Table(head, lines, "llrrrrr")


def _scaling(rows: Sequence[Row]) -> Table:
    lines = []
    for row in rows:
        if "refused" in row:
            lines.append([*_place(row), row["refused"], "", "", "", "", ""])
            continue
        lines.append(
            [
                *_place(row),
                f"{row['individuals']:,}",
                f"{row['batch']:,}",
                f"{row['memory_bytes'] / 1e9:.1f}" + ("" if row["fits"] else " (too much)"),
                f"{1e3 * row['step_seconds']:.1f}",
                f"{row['photos_per_second']:,.0f}",
                row["bound"],
            ]
        )
    head = ["devices", "individuals", "batch", "GB a device", "ms at least", "photos/s at most"]
    return Table([*head, "bound"], lines, "lrrrrrl")


def _embedding(rows: Sequence[Row]) -> Table:
    lines = []
    for row in rows:
        device, rate = row["asked"]["device"], row["photos_per_second"]
        for photos in (10**6, 10**7, 10**8, 10**9):
            hours = photos / rate / 3600
            lines.append(
                [
                    accelerator(device).name,
                    f"{rate:,.0f}",
                    f"10^{len(str(photos)) - 1}",
                    f"{hours:,.2f}",
                    f"{hours * PRICES[device]:,.2f}",
                ]
            )
    head = ["device", "photos/s at most", "photos", "device hours", "dollars"]
    return Table(head, lines, "lrrrr")


def _search(rows: Sequence[Row]) -> Table:
    lines = []
    for row in rows:
        if "refused" in row:
            lines.append(["", *_place(row), row["refused"], ""])
            continue
        lines.append(
            [
                f"10^{len(str(row['asked']['gallery'])) - 1}",
                *_place(row),
                f"{row['memory_bytes'] / 1e9:.1f}" + ("" if row["fits"] else " (too much)"),
                f"{row['photos_per_second']:,.0f}",
            ]
        )
    return Table(["gallery", "devices", "GB a device", "queries/s at most"], lines, "rlrr")
