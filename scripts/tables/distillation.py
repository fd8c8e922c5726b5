"""The tables of students alone and with a teacher, from what scripts/distillation.py kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from reid_jax.reporting.table import Table


def distillation_table(entry: Mapping[str, Any], first: str, second: str) -> Table:
    """A row for each way to train: the mean over seeds, the lowest and the highest.

    Args:
      entry: of photos or of frames.
      first, second: what the two measures are called.
    """
    lines = [
        [name, _cell(row["value"]), _cell(row["second"]), len(row["value"])]
        for name, row in entry["rows"].items()
    ]
    return Table(["network", first, second, "seeds"], lines)


def _cell(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    return f"{mean:.3f} ({min(values):.3f} to {max(values):.3f})"
