"""Records runs under scripts/results/, and writes the tables of README.md and the pages there."""

from pathlib import Path

from reid_jax.commands import terminal
from scripts.tables.render import update_tables
from scripts.tables.results import record_folds, record_run, record_video_pairs

ROOT = Path(__file__).resolve().parents[2]


def main(
    run: Path | None = None,
    configuration: str = "",
    note: str = "",
    folds: tuple[Path, ...] = (),
    image_folds: tuple[Path, ...] = (),
    video_pairs: tuple[Path, ...] = (),
) -> None:
    """Writes the tables of README.md and scripts/results/*.md from scripts/results/*.json.

    Args:
        run: Folder of a run to record first.
        configuration: Its configuration, as the table names it.
        note: What was searched in what.
        folds: Runs of configs/tvsum.py, one a fold, to record first.
        image_folds: Runs of configs/tvsum_images_small.py, one a fold, to record beside them.
        video_pairs: Runs of configs/video_similarity.py, one a fold, to record first.
    """
    results = ROOT / "scripts" / "results"
    if run is not None:
        record_run(results, run, configuration or run.name, note)
    if folds or image_folds:
        record_folds(results, folds, image_folds)
    if video_pairs:
        record_video_pairs(results, video_pairs)
    update_tables(results, ROOT / "README.md", *sorted(results.glob("*.md")))


if __name__ == "__main__":
    terminal.run(main)
