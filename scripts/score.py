"""Scores the frames of videos with a trained keyframe scorer."""

from pathlib import Path

from reid_jax import cli
from reid_jax.evaluation.keyframe_run import score_to_file


def main(workdir: Path, data: Path, out: Path, frames: Path | None = None) -> None:
    """Writes one float array a video, under its key: the score at each of its picks.

    Args:
        workdir: Folder of the run.
        data: H5 file with a group a video, as the run was trained on.
        out: File for the scores, .npz.
        frames: Folder with a folder of frames for each video, for a run that was trained on
            images; its own when not given.
    """
    score_to_file(workdir, data, out, frames)


if __name__ == "__main__":
    cli.run(main)
