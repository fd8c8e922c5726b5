"""The table of photos that were grouped, from what scripts/groups.py kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from reid_jax.reporting.table import Table

_SHOWN = {
    "groups": "groups",
    "bcubed_f1": "B-cubed F1",
    "bcubed_precision": "precision",
    "bcubed_recall": "recall",
    "pair_precision": "pairs: precision",
    "pair_recall": "recall",
    "ari": "ARI",
    "nmi": "NMI",
    "sure_photos": "photos in sure groups",
    "sure_precision": "pairs there: precision",
}


def groups_table(entries: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each way to group: the mean over draws, the lowest and the highest for some."""
    lines = []
    for entry in entries:
        photos = entry["photos"]
        for name, values in entry["rows"].items():
            lines.append([photos, name, *(_cell(key, values.get(key, [])) for key in _SHOWN)])
            photos = ""
    titles = ["photos", "grouped by", *_SHOWN.values()]
    return Table(titles, lines, "ll" + "r" * len(_SHOWN))


def _cell(key: str, values: Sequence[float | None]) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return ""
    mean = sum(there) / len(there)
    if key == "groups":
        return f"{mean:.0f}"
    if key in ("bcubed_f1", "sure_photos", "sure_precision"):
        return f"{mean:.3f} ({min(there):.3f} to {max(there):.3f})"
    return f"{mean:.3f}"
