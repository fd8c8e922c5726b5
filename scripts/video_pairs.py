"""Tests runs of video similarity, and their ensemble, on the same pairs of held-out videos."""

from pathlib import Path
from typing import Annotated

import tyro

from reid_jax import cli
from reid_jax.evaluation.video_similarity_run import report_video_pairs
from reid_jax.files import check_destinations


def video_pairs(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional], /, *, out: Path | None = None
) -> None:
    """Prints a table and writes a report with pictures.

    Args:
        runs: Folders of runs that hold out the same videos.
        out: Folder of the report; without it, `report` of the first run.
    """
    check_destinations(folder=out)
    report_video_pairs(runs, out or runs[0] / "report")


if __name__ == "__main__":
    cli.run(video_pairs)
