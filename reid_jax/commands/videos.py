"""Commands about videos whose features are in a file."""

from pathlib import Path

from tyro.conf import Positional


def score(workdir: Path, data: Path, out: Path, frames: Path | None = None) -> None:
    """Writes one float array a video, under its key: the score at each of its picks.

    Args:
        workdir: Folder of the run.
        data: H5 file with a group a video, as the run was trained on.
        out: File for the scores, .npz.
        frames: Folder with a folder of frames for each video, for a run that was trained on
            images; its own when not given.
    """
    from reid_jax.keyframes.run import score_to_file

    score_to_file(workdir, data, out, frames)


def pairs(runs: Positional[tuple[Path, ...]], out: Path | None = None) -> None:
    """Tests runs, and their ensemble, on the same pairs of held-out videos; writes a report.

    Args:
        runs: Folders of runs that hold out the same videos.
        out: Folder of the report; without it, `report` of the first run.
    """
    from reid_jax.errors import UserError
    from reid_jax.files import check_destinations
    from reid_jax.same_video.run import report_pairs

    if not runs:
        raise UserError("Name the folder of a run that trained a similarity of videos, or several.")
    check_destinations(folder=out)
    report_pairs(runs, out or runs[0] / "report")
