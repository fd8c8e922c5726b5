"""The table of what `python -m scripts.engines` kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from reid_jax.export.engines.table import NAMES
from reid_jax.reporting.table import Table

Row = Mapping[str, Any]


def engines_table(rows: Sequence[Row]) -> str:
    """A line for each network and engine, and with what it was made."""
    ordered = sorted(rows, key=lambda row: (_place(rows, row), NAMES.index(row["engine"])))
    lines = [
        [
            row["network"],
            row["engine"],
            str(row["size"]),
            *(_measured(row) if "refused" not in row else [row["refused"], ""]),
            f"{row['nodes']:,}" if "nodes" in row else "",
            f"{row['transposes']:,}" if "nodes" in row else "",
        ]
        for row in ordered
    ]
    head = ["network", "engine", "px", "difference", "MB"]
    table = Table([*head, "nodes", "transposes"], lines, "llrrrrr").as_markdown()
    made = sorted({f"{row['device']}, {row['date']}, jax {row['versions']['jax']}" for row in rows})
    return f"{table}\n\n" + "\n".join(made)


def _place(rows: Sequence[Row], row: Row) -> int:
    return [each["network"] for each in rows].index(row["network"])


def _measured(row: Row) -> list[str]:
    return [f"{row['difference']:.1e}", f"{row['bytes'] / 1e6:,.1f}"]
