"""Keeps the README's tables: records a run under scripts/results/ and writes the tables anew."""

from pathlib import Path

from reid_jax import cli
from reid_jax.evaluation.tables import record_run, update_readme

ROOT = Path(__file__).resolve().parents[1]


def main(run: Path | None = None, configuration: str = "", note: str = "") -> None:
    """Writes the README's tables from scripts/results/*.json.

    Args:
        run: Folder of a run to record first.
        configuration: Its configuration, as the table names it.
        note: What was searched in what.
    """
    results = ROOT / "scripts" / "results"
    if run is not None:
        record_run(results, run, configuration or run.name, note)
    update_readme(ROOT / "README.md", results)


if __name__ == "__main__":
    cli.run(main)
