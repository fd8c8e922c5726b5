"""Rows of benchmark results: made, printed, kept."""

import json
import platform
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reid_jax.errors import UserError
from reid_jax.files import write_text
from reid_jax.ops.convolution.lax import uses_onednn
from reid_jax.plan.measure import Measurement, device_name
from reid_jax.reporting.table import Table
from scripts.bench.beside import PeerResult

AGREEMENT = 1e-4  # between losses that are the same but for rounding
_COLUMNS = {
    "case": "{}",
    "ours": "{:.3g}",
    "peer": "{:.3g}",
    "unit": "{}",
    "ratio_to_peer": "{:.2f}",
    "ratio_to_roofline": "{:.2f}",
    "peak_memory_bytes": "{:,}",
    "compile_seconds": "{:.2f}",
    "spread": "{:.0%}",
    "note": "{}",
}


def make_row(
    suite: str,
    case: str,
    ours: Measurement,
    peer: Measurement | PeerResult | None = None,
    *,
    unit: str = "s",
    peer_share: float = 1.0,
    attainable: float | None = None,
    loss_difference: float | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """A row of results; None where something was not measured, ratios above 1 if ours is better.

    Args:
      suite, case: what was measured.
      ours, peer: the measurements.
      unit: of ours and peer.
      peer_share: how much of the work the peer did; its time is scaled to all of it.
      attainable: seconds that the device's ceilings allow.
      loss_difference: relative, between ours and the peer's; above 1e-4 the note says so.
      note: what else must be known to read the row.
    """
    theirs = peer.seconds / peer_share if peer and peer.seconds else None
    notes = [note] if note else []
    if peer_share < 1:
        notes.append(f"peer timed on {peer_share:.2%} of it, scaled")
    if isinstance(peer, PeerResult) and peer.failure:
        notes.append(f"peer {peer.failure}")
    elif loss_difference is not None and not loss_difference <= AGREEMENT:
        notes.append(f"losses differ by {loss_difference:.1g}")
    versions = {"python": platform.python_version()}
    versions |= {name: version(name) for name in ("jax", "jaxlib", "numpy")}
    if uses_onednn():
        versions["oneDNN"] = version("onednn-cpu-gomp")
    if isinstance(peer, PeerResult):
        versions |= peer.versions
    return {
        "suite": suite,
        "case": case,
        "device": device_name(),
        "ours": ours.seconds,
        "peer": theirs,
        "ratio_to_peer": theirs / ours.seconds if theirs else None,
        "ratio_to_roofline": attainable / ours.seconds if attainable else None,
        "peak_memory_bytes": ours.peak_memory_bytes,
        "peer_peak_memory_bytes": peer.peak_memory_bytes if peer else None,
        "compile_seconds": ours.compile_seconds,
        "unit": unit,
        "spread": ours.spread,
        "peer_spread": peer.spread if peer else None,
        "loss_difference": loss_difference if theirs else None,
        "note": "; ".join(notes) or None,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions,
    }


def as_rate(row: Mapping[str, Any], number: float, unit: str) -> dict[str, Any]:
    """The row in things a second instead of seconds: ``number`` things were done in a call."""
    rates = {key: number / row[key] if row[key] else None for key in ("ours", "peer")}
    return {**row, **rates, "unit": unit}


def as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows in aligned columns, under the device that they were measured on."""
    lines = [
        ["-" if row[key] is None else form.format(row[key]) for key, form in _COLUMNS.items()]
        for row in rows
    ]
    sides = "".join("l" if key in ("case", "unit", "note") else "r" for key in _COLUMNS)
    return f"{rows[0]['device']}\n{Table(list(_COLUMNS), lines, sides).as_text()}"


def keep(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Writes the rows as JSON in the place of those of their suites; other suites' stay."""
    kept = others(file, {row["suite"] for row in rows})
    write_text(file, json.dumps([*kept, *rows], indent=1) + "\n")


def others(file: Path, suites: Collection[str]) -> list[Mapping[str, Any]]:
    """The rows of other suites in a file that `keep` wrote; none where there is no file.

    Raises:
      UserError: it is a file of something else.
    """
    try:
        older = json.loads(file.read_text()) if file.is_file() else []
        return [row for row in older if row["suite"] not in suites]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{file} is no list of benchmark rows: name another file.") from error
